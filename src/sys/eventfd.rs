//! eventfd(2): a counter in the kernel that can be waited for like a socket.

use super::poll::{self, Interest};
use super::{check, check_size, Errno, Result};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// An event counter; readable while it is above zero.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
    /// Whether a write waits while the counter is full.
    may_block: bool,
}

impl EventFd {
    /// A counter at zero, non-blocking, closed on exec.
    pub fn new() -> Result<EventFd> {
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just made `fd`, and nobody else knows it.
        Ok(EventFd { fd: unsafe { OwnedFd::from_raw_fd(fd) }, may_block: false })
    }

    /// A second descriptor for the caller's counter `fd`, which stays the caller's.
    ///
    /// Errors: `EBADF` for a closed descriptor, `EINVAL` for one that is no eventfd: writing to a
    /// pipe or a file could block a reactor for ever or damage the file.
    pub fn duplicate(fd: RawFd) -> Result<EventFd> {
        let copy = super::socket::duplicate(fd)?;
        // Without /proc there is no way to ask; the caller is believed.
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", copy.as_raw_fd()));
        if info.is_ok_and(|info| !info.contains("eventfd-count")) {
            return Err(Errno(libc::EINVAL));
        }
        // SAFETY: the descriptor is open, and the call takes no pointer.
        let flags = check(unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_GETFL) })?;
        Ok(EventFd { fd: copy, may_block: flags & libc::O_NONBLOCK == 0 })
    }

    /// Adds `count` to the counter.
    ///
    /// Errors: `EAGAIN` when the counter is full. O_NONBLOCK would say so as well, but it would be
    /// the caller's descriptor too that no longer blocked.
    pub fn add(&self, count: u64) -> Result<()> {
        if self.may_block && !poll::wait(&[(self.borrow(), Interest::Writable)], 0)? {
            return Err(Errno(libc::EAGAIN));
        }
        loop {
            let bytes = count.to_ne_bytes();
            // SAFETY: `bytes` is valid for reading its eight bytes.
            let written = unsafe { libc::write(self.raw(), bytes.as_ptr().cast(), bytes.len()) };
            match check_size(written) {
                Err(Errno(libc::EINTR)) => {}
                result => return result.map(drop),
            }
        }
    }

    /// Sets the counter back to zero; nothing happens when it is zero already.
    pub fn clear(&self) {
        let mut bytes = [0u8; 8];
        // SAFETY: `bytes` is valid for writing its eight bytes. The descriptor does not block, and
        // EAGAIN only says that the counter was zero.
        unsafe { libc::read(self.raw(), bytes.as_mut_ptr().cast(), bytes.len()) };
    }

    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub fn borrow(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
