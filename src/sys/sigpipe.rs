//! Writing without the signal that comes when nobody reads (SIGPIPE).
//!
//! What the program does with SIGPIPE is its own affair: its disposition is never changed.

use super::{check_size, Errno, Result};
use std::io::IoSlice;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// RWF_NOSIGNAL of pwritev2(2), since Linux 6.18.
const NO_SIGNAL: libc::c_int = 0x100;

/// Whether this kernel may know it.
static MAY_KNOW: AtomicBool = AtomicBool::new(true);

/// writev(2) that raises no SIGPIPE.
///
/// Errors: `EPIPE` when nobody has the pipe open for reading; others as writev(2).
pub fn write_quiet(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> Result<usize> {
    if MAY_KNOW.load(Relaxed) {
        match write_unsignalled(fd.as_raw_fd(), slices) {
            // EPERM: a filter of system calls (seccomp(2)) that has not heard of it.
            Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM)) => {
                MAY_KNOW.store(false, Relaxed);
            }
            result => return result,
        }
    }
    write_masked(fd.as_raw_fd(), slices)
}

fn write_unsignalled(fd: RawFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    const HERE: libc::c_long = -1;
    // SAFETY: an IoSlice is an iovec, good for reading what it says. The offset -1, which is passed
    // in two halves, is where the descriptor stands.
    let written = unsafe {
        let (first, count) = (slices.as_ptr(), slices.len() as libc::c_long);
        libc::syscall(libc::SYS_pwritev2, fd as libc::c_long, first, count, HERE, HERE, NO_SIGNAL)
    };
    check_size(written as libc::ssize_t)
}

/// The same for older kernels.
fn write_masked(fd: RawFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    if is_ignored() {
        return write(fd, slices);
    }
    let blocked = Blocked::new();
    let written = write(fd, slices);
    if written == Err(Errno(libc::EPIPE)) {
        blocked.swallow();
    }
    written
}

/// While it lives SIGPIPE is blocked on this thread, for code that may raise it.
pub struct Blocked {
    before: libc::sigset_t,
    /// It had come before, and is the program's.
    was_pending: bool,
    /// Not for another thread: the mask is this one's.
    _here: PhantomData<*const ()>,
}

impl Blocked {
    pub fn new() -> Blocked {
        let set = only_sigpipe();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: both sets are valid; the call cannot fail on a known `how`, and fills `before`.
        let before = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, before.as_mut_ptr());
            before.assume_init()
        };
        Blocked { before, was_pending: is_pending(), _here: PhantomData }
    }

    /// Takes the signal away that a write may have raised; to be called when one has failed.
    pub fn swallow(&self) {
        if !self.was_pending {
            take_away(&only_sigpipe());
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `before` is the set that was in force.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
    }
}

fn write(fd: RawFd, slices: &[IoSlice<'_>]) -> Result<usize> {
    // SAFETY: an IoSlice is an iovec, good for reading what it says.
    check_size(unsafe { libc::writev(fd, slices.as_ptr().cast(), slices.len() as libc::c_int) })
}

fn is_ignored() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: `action` is valid for writing, and filled when the call succeeds.
    unsafe {
        libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

fn only_sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is valid for writing; sigemptyset fills it and cannot fail.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}

fn is_pending() -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `pending` is valid for writing, and filled when the call succeeds.
    unsafe {
        libc::sigpending(pending.as_mut_ptr()) == 0
            && libc::sigismember(pending.as_ptr(), libc::SIGPIPE) == 1
    }
}

/// The signal of a failed write is this thread's, and pending when the write returns.
fn take_away(set: &libc::sigset_t) {
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: both are valid for reading; nothing is to be told of the signal.
    while unsafe { libc::sigtimedwait(set, ptr::null_mut(), &now) } < 0
        && Errno::last() == Errno(libc::EINTR)
    {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::pipe;
    use std::os::fd::AsFd;

    /// Each way, while SIGPIPE would end the process (a test's process ignores it: Rust's start-up
    /// does that): with a handler of ours, which must not run.
    #[test]
    fn no_way_of_writing_raises_the_signal() {
        static RAISED: AtomicBool = AtomicBool::new(false);
        extern "C" fn handler(_: libc::c_int) {
            RAISED.store(true, Relaxed);
        }
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        // SAFETY: the handler only stores a flag; what was there before is put back.
        let before = unsafe { libc::signal(libc::SIGPIPE, handler as *const () as usize) };
        let slices = [IoSlice::new(b"x")];
        let quiet = write_quiet(writer.as_fd(), &slices);
        let masked = write_masked(writer.as_raw_fd(), &slices);
        assert!(!RAISED.load(Relaxed));
        let plain = write(writer.as_raw_fd(), &slices);
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGPIPE, before) };
        assert_eq!([quiet, masked, plain], [Err(Errno(libc::EPIPE)); 3]);
        // Otherwise the first two prove nothing.
        assert!(RAISED.load(Relaxed));
    }
}
