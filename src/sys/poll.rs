//! poll(2): waiting for one of a few descriptors.

use super::{check, clock, Errno, Result};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

/// What to wait for on a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Readable,
    Writable,
}

/// Waits until one of `wanted` is ready (errors and hang-ups count as ready), at most
/// `timeout_ms` milliseconds, -1 being for ever. Gives whether any is.
///
/// Errors: `EINTR` when a signal handler ran on this thread.
pub fn wait(wanted: &[(BorrowedFd<'_>, Interest)], timeout_ms: i32) -> Result<bool> {
    const MOST: usize = 2;
    assert!(wanted.len() <= MOST, "poll::wait takes at most {MOST} descriptors");
    let mut fds = [libc::pollfd { fd: -1, events: 0, revents: 0 }; MOST];
    for (slot, (fd, interest)) in fds.iter_mut().zip(wanted) {
        slot.fd = fd.as_raw_fd();
        slot.events = match interest {
            Interest::Readable => libc::POLLIN,
            Interest::Writable => libc::POLLOUT,
        };
    }
    // SAFETY: `fds` is valid for reading and writing its entries.
    let ready = check(unsafe { libc::poll(fds.as_mut_ptr(), MOST as libc::nfds_t, timeout_ms) })?;
    if fds.iter().any(|slot| slot.revents & libc::POLLNVAL != 0) {
        return Err(Errno(libc::EBADF));
    }
    Ok(ready > 0)
}

/// Whether a descriptor, which may be closed by now, is ready for any of `interest`, or has failed.
pub fn is_ready(fd: RawFd, interest: super::poller::Interest) -> bool {
    let readable = if interest.readable { libc::POLLIN | libc::POLLRDHUP } else { 0 };
    let writable = if interest.writable { libc::POLLOUT } else { 0 };
    let mut slot = libc::pollfd { fd, events: readable | writable, revents: 0 };
    // SAFETY: `slot` is valid for reading and writing; poll takes any number for a descriptor.
    unsafe { libc::poll(&mut slot, 1, 0) > 0 }
}

/// `nanoseconds` as a poll timeout: rounded up, so that a deadline is never met early; `i64::MAX` is
/// for ever.
pub fn timeout_ms(nanoseconds: i64) -> i32 {
    if nanoseconds == i64::MAX {
        return -1;
    }
    let milliseconds = nanoseconds.max(0).saturating_add(999_999) / 1_000_000;
    i32::try_from(milliseconds).unwrap_or(i32::MAX)
}

/// How long a call may wait in all, whatever it does between its waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    timeout: Option<Duration>,
    deadline: i64,
}

impl Patience {
    /// From now on; `None`: for ever.
    pub fn new(timeout: Option<Duration>) -> Patience {
        let deadline = match timeout {
            None | Some(Duration::ZERO) => 0,
            Some(timeout) => clock::monotonic().saturating_add(nanoseconds(timeout)),
        };
        Patience { timeout, deadline }
    }

    /// -1: for ever, 0: not at all.
    pub fn from_ms(timeout_ms: i32) -> Patience {
        Patience::new(u64::try_from(timeout_ms).ok().map(Duration::from_millis))
    }

    /// Nanoseconds that are left, at least 1; `i64::MAX` for ever.
    ///
    /// Errors: `EAGAIN` when there were none from the start, `ETIMEDOUT` when they are over.
    pub fn left(&self) -> Result<i64> {
        match self.timeout {
            None => Ok(i64::MAX),
            Some(Duration::ZERO) => Err(Errno(libc::EAGAIN)),
            Some(_) => match self.deadline - clock::monotonic() {
                left @ 1.. => Ok(left),
                _ => Err(Errno(libc::ETIMEDOUT)),
            },
        }
    }

    /// The same as a poll timeout. Errors: as [`Patience::left`].
    pub fn left_ms(&self) -> Result<i32> {
        self.left().map(timeout_ms)
    }

    /// Nanoseconds that it was from the start, if it ends.
    pub fn whole(&self) -> Option<i64> {
        self.timeout.map(nanoseconds)
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    // Not what stands for ever.
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX - 1)
}
