//! timerfd_create(2): a point in time that can be waited for like a socket.

use super::{check, clock, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Readable from its time on.
#[derive(Debug)]
pub struct TimerFd(OwnedFd);

impl TimerFd {
    /// One that never is.
    pub fn new() -> Result<TimerFd> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: the kernel has just made `fd`, and nobody else knows it.
        Ok(TimerFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Readable from `time` on, in nanoseconds of the monotonic clock; `None`: never.
    pub fn set(&self, time: Option<i64>) {
        // A time of zero would mean never.
        let value = clock::timespec(time.map_or(0, |time| time.max(1)));
        let setting = libc::itimerspec { it_interval: clock::timespec(0), it_value: value };
        // SAFETY: `setting` is valid for reading; with an open timer and a valid time the call
        // cannot fail.
        unsafe {
            let absolute = libc::TFD_TIMER_ABSTIME;
            libc::timerfd_settime(self.0.as_raw_fd(), absolute, &setting, ptr::null_mut());
        }
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
