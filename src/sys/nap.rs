//! Sleeps shorter than the milliseconds of poll(2), which somebody may cut short.

use super::{check, clock, Result};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Sleeps until `fd` is readable, at most `nanoseconds`; gives whether it is.
///
/// Errors: `EINTR` when a signal handler ran on this thread.
pub fn nap(fd: BorrowedFd<'_>, nanoseconds: i64) -> Result<bool> {
    let mut slot = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let time = clock::timespec(nanoseconds);
    // SAFETY: `slot` is valid for reading and writing, `time` for reading; no mask is given.
    check(unsafe { libc::ppoll(&mut slot, 1, &time, ptr::null()) }).map(|ready| ready > 0)
}
