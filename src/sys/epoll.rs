//! epoll(7): waiting for many descriptors.

use super::{check, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// How a descriptor is watched for being readable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Reported as long as it is readable.
    Level,
    /// Reported to one waiter, then silent until [`Epoll::rearm`].
    OneShot,
    /// Reported once for each error that comes up, and never for being readable.
    Errors,
}

impl Watch {
    fn events(self) -> u32 {
        let events = match self {
            Watch::Level => libc::EPOLLIN,
            Watch::OneShot => libc::EPOLLIN | libc::EPOLLONESHOT,
            // epoll reports errors unasked.
            Watch::Errors => libc::EPOLLET,
        };
        events as u32
    }
}

/// A set of watched descriptors, each known by a number of the caller's choice.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// How many ready descriptors one wait reports.
pub const READY_MAX: usize = 32;

impl Epoll {
    pub fn new() -> Result<Epoll> {
        // SAFETY: the call takes no pointer.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just made `fd`, and nobody else knows it.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, watch: Watch) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd.as_raw_fd(), token, watch.events())
    }

    /// Stops watching `fd`, if it is watched.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd.as_raw_fd(), 0, 0);
    }

    /// Makes a [`Watch::OneShot`] descriptor heard again.
    pub fn rearm(&self, fd: BorrowedFd<'_>, token: u64) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd.as_raw_fd(), token, Watch::OneShot.events())
    }

    /// Waits for ever; gives the tokens that are ready.
    ///
    /// Errors: `EINTR` when a signal handler ran on this thread.
    pub fn wait<'a>(&self, ready: &'a mut [u64; READY_MAX]) -> Result<&'a [u64]> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; READY_MAX];
        let most = READY_MAX as libc::c_int;
        // SAFETY: `events` is valid for writing `most` entries.
        let count =
            check(unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, -1) })?;
        for (token, event) in ready.iter_mut().zip(&events[..count as usize]) {
            *token = event.u64;
        }
        Ok(&ready[..count as usize])
    }

    /// epoll_ctl(2), with events as that takes them; `fd` may be any number.
    pub(super) fn control(&self, op: i32, fd: RawFd, token: u64, events: u32) -> Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` is valid for reading; the kernel checks `fd`.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), op, fd, &mut event) }).map(drop)
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
