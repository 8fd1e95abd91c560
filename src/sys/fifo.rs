//! Named pipes, fifo(7), in packet mode, with locks on them.
//!
//! Linux keeps the edges of what is written to a pipe with O_DIRECT set: each write up to
//! [`PACKET`] bytes is one packet, and a read gives one, or its beginning (pipe(2), "packet mode").
//! Longer writes are packets of [`PACKET`] each, and a rest; cut short, they end at an edge.

use super::inherited::Inherited;
use super::sigpipe::write_quiet;
use super::{check, check_size, Errno, Result};
use std::ffi::CStr;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Bytes of the longest packet: PIPE_BUF.
pub const PACKET: usize = 4096;

/// What a pipe is to hold, at most /proc/sys/fs/pipe-max-size by default.
const CAPACITY: libc::c_int = 1 << 20;

/// Which FIFO it is, whatever its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(stat: &libc::stat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// Whose lock. They are those of open file descriptions, so that the kernel lets go of them when
/// their process ends, however it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    /// Held by the process that writes a message: fcntl(2), F_OFD_SETLK, which others may ask about.
    Writers,
    /// Held by the process that reads: flock(2), which takes two thirds of the time.
    Readers,
}

/// Who may own a FIFO that is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The process's effective user alone.
    Own,
    Any,
}

/// Makes a FIFO that its owner alone may use, unless there is one.
///
/// Errors: `EEXIST` when something else is there, a symbolic link being something else; `EPERM`
/// when it is not `owner`'s; `ENOENT` when the directory is missing; `EACCES`, `ENOTDIR` and others
/// of mkfifo(3).
pub fn make(path: &CStr, owner: Owner) -> Result<()> {
    match inspect(path, owner) {
        Err(Errno(libc::ENOENT)) => {}
        result => return result,
    }
    // SAFETY: `path` is NUL-terminated.
    match check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }) {
        // Another was faster.
        Err(Errno(libc::EEXIST)) => inspect(path, owner),
        result => result.map(drop),
    }
}

/// Which FIFO, or whatever else, is at `path`. Errors: `ENOENT`, `EACCES`, `ENOTDIR`.
pub fn identify(path: &CStr) -> Result<Identity> {
    status(path).map(|stat| Identity::of(&stat))
}

fn status(path: &CStr) -> Result<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `path` is NUL-terminated, and `stat` filled when the call succeeds.
    unsafe {
        check(libc::lstat(path.as_ptr(), stat.as_mut_ptr()))?;
        Ok(stat.assume_init())
    }
}

fn inspect(path: &CStr, owner: Owner) -> Result<()> {
    check_kind(&status(path)?, owner)
}

fn check_kind(stat: &libc::stat, owner: Owner) -> Result<()> {
    if stat.st_mode & libc::S_IFMT != libc::S_IFIFO {
        return Err(Errno(libc::EEXIST));
    }
    // SAFETY: the call takes no pointer and always succeeds.
    if owner == Owner::Own && stat.st_uid != unsafe { libc::geteuid() } {
        return Err(Errno(libc::EPERM));
    }
    Ok(())
}

/// An open FIFO. No call on it waits.
#[derive(Debug)]
pub struct Fifo {
    fd: Inherited,
    identity: Identity,
}

impl Fifo {
    /// Opens a FIFO as a reader that is never told that the last writer has gone, as it could write
    /// itself; what is in the pipe stays there as long as it is open.
    ///
    /// Errors: as [`make`], and `ENOENT` when nothing is there; `EACCES` without the right to read and
    /// write; `EMFILE`, `ENFILE`.
    pub fn open_reader(path: &CStr, owner: Owner) -> Result<Fifo> {
        Fifo::open(path, owner, libc::O_RDWR)
    }

    /// Opens a FIFO for writing, in packets if `packets`.
    ///
    /// Errors: as [`make`], and `ENOENT` when nothing is there; `ENXIO` when nobody has it open for
    /// reading; `EACCES`, `EMFILE`, `ENFILE`.
    pub fn open_writer(path: &CStr, owner: Owner, packets: bool) -> Result<Fifo> {
        let fifo = Fifo::open(path, owner, libc::O_WRONLY)?;
        if packets {
            // open(2) itself refuses the flag for a FIFO.
            let flags = libc::O_NONBLOCK | libc::O_DIRECT;
            // SAFETY: the descriptor is open, and the call takes no pointer.
            check(unsafe { libc::fcntl(fifo.raw(), libc::F_SETFL, flags) })?;
        }
        Ok(fifo)
    }

    fn open(path: &CStr, owner: Owner, access: libc::c_int) -> Result<Fifo> {
        // Opening anything but a FIFO, a device for one, may have effects.
        inspect(path, owner)?;
        let flags = access | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        let fd = Inherited::open(|| {
            // SAFETY: `path` is NUL-terminated.
            let fd = check(unsafe { libc::open(path.as_ptr(), flags) })?;
            // SAFETY: the kernel has just made `fd`, and nobody else knows it.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        })?;
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: `stat` is filled when the call succeeds.
        let stat = unsafe {
            check(libc::fstat(fd.as_fd().as_raw_fd(), stat.as_mut_ptr()))?;
            stat.assume_init()
        };
        // Another may have been put at the path since the first look.
        check_kind(&stat, owner)?;
        Ok(Fifo { fd, identity: Identity::of(&stat) })
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Takes a lock, if no other open FIFO has it. Taking one's own again changes nothing.
    ///
    /// Errors: `EBADF` for a FIFO not open for writing; `ENOLCK`.
    pub fn try_lock(&self, lock: Lock) -> Result<bool> {
        let outcome = match lock {
            Lock::Writers => self.control(libc::F_OFD_SETLK, libc::F_WRLCK).map(drop),
            Lock::Readers => self.flock(libc::LOCK_EX | libc::LOCK_NB),
        };
        match outcome {
            Ok(()) => Ok(true),
            Err(Errno(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub fn unlock(&self, lock: Lock) {
        // It cannot fail: what is given up is all that there is, or nothing.
        let _ = match lock {
            Lock::Writers => self.control(libc::F_OFD_SETLK, libc::F_UNLCK).map(drop),
            Lock::Readers => self.flock(libc::LOCK_UN),
        };
    }

    /// Whether another open FIFO has the writers' lock.
    pub fn has_writer(&self) -> Result<bool> {
        let found = self.control(libc::F_OFD_GETLK, libc::F_WRLCK)?;
        Ok(i32::from(found.l_type) != libc::F_UNLCK)
    }

    fn control(&self, command: libc::c_int, kind: libc::c_int) -> Result<libc::flock> {
        // SAFETY: integers alone, for which all bits 0 is a value.
        let mut range = unsafe { MaybeUninit::<libc::flock>::zeroed().assume_init() };
        range.l_type = kind as libc::c_short;
        range.l_whence = libc::SEEK_SET as libc::c_short;
        range.l_len = 1;
        // SAFETY: `range` is valid for reading and writing.
        check(unsafe { libc::fcntl(self.raw(), command, &mut range) })?;
        Ok(range)
    }

    fn flock(&self, operation: libc::c_int) -> Result<()> {
        // SAFETY: the call takes no pointer.
        check(unsafe { libc::flock(self.raw(), operation) }).map(drop)
    }

    /// Packets that it holds at most.
    pub fn packets(&self) -> Result<usize> {
        // SAFETY: the call takes no pointer.
        let bytes = check(unsafe { libc::fcntl(self.raw(), libc::F_GETPIPE_SZ) })?;
        Ok(bytes as usize / PACKET)
    }

    /// Writes as much as there is room for, without waiting, and without SIGPIPE.
    ///
    /// Errors: `EAGAIN` when it is full; `EPIPE` when nobody has it open for reading.
    pub fn write(&self, slices: &[IoSlice<'_>]) -> Result<usize> {
        uninterrupted(|| write_quiet(self.fd.as_fd(), slices))
    }

    /// Reads a packet, or what is there where it was not written in packets; gives its length. What
    /// does not fit of a packet is lost.
    ///
    /// Errors: `EAGAIN` when it is empty.
    pub fn read(&self, slices: &mut [IoSliceMut<'_>]) -> Result<usize> {
        uninterrupted(|| {
            let count = slices.len() as libc::c_int;
            // SAFETY: an IoSliceMut is an iovec, good for writing what it says.
            check_size(unsafe { libc::readv(self.raw(), slices.as_mut_ptr().cast(), count) })
        })
    }

    /// Has the pipe hold up to 1 MiB, as far as the system lets it.
    pub fn grow(&self) {
        // SAFETY: the call takes no pointer. Should it fail, the pipe stays as it is.
        unsafe { libc::fcntl(self.raw(), libc::F_SETPIPE_SZ, CAPACITY) };
    }

    fn raw(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A call that does not wait has nothing to be interrupted in but its beginning.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match call() {
            Err(Errno(libc::EINTR)) => {}
            result => return result,
        }
    }
}
