//! epoll(7): the kernel keeps the set, and a wait costs as much as there is to report.

use super::super::epoll::Epoll;
use super::super::{check, Errno, Result};
use super::{Interest, Ready};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub struct EdgeSet(Epoll);

/// How many reports one wait takes.
const REPORTS: usize = 256;

/// What the kernel writes its reports to.
pub struct Events(Box<[libc::epoll_event; REPORTS]>);

impl Default for Events {
    fn default() -> Events {
        Events(Box::new([libc::epoll_event { events: 0, u64: 0 }; REPORTS]))
    }
}

fn level(interest: Interest) -> u32 {
    let readable = if interest.readable { libc::EPOLLIN | libc::EPOLLRDHUP } else { 0 };
    let writable = if interest.writable { libc::EPOLLOUT } else { 0 };
    (readable | writable) as u32
}

impl EdgeSet {
    pub fn new() -> Result<EdgeSet> {
        Epoll::new().map(EdgeSet)
    }

    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> Result<()> {
        self.0.control(libc::EPOLL_CTL_ADD, fd, token, level(interest))
    }

    pub fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> Result<()> {
        self.0.control(libc::EPOLL_CTL_MOD, fd, token, level(interest))
    }

    pub fn follow(&self, fd: RawFd, token: u64) -> Result<()> {
        let all = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLPRI;
        self.0.control(libc::EPOLL_CTL_ADD, fd, token, (all | libc::EPOLLET) as u32)
    }

    pub fn remove(&self, fd: RawFd) {
        // It fails for one that is not in the set, which is as good.
        let _ = self.0.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// The new set takes the old one's number, as waits in progress know no other.
    pub fn clear(&self) -> Result<()> {
        let fresh = Epoll::new()?;
        // SAFETY: both descriptors are open, and the call takes no pointer.
        check(unsafe { libc::dup3(raw(&fresh), raw(&self.0), libc::O_CLOEXEC) }).map(drop)
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn wait(
        &self,
        events: &mut Events,
        ready: &mut Vec<Ready>,
        timeout_ns: Option<i64>,
    ) -> Result<()> {
        let count = self.wait_native(&mut events.0, timeout_ns)?;
        ready.extend(events.0[..count].iter().map(|event| {
            let event = *event;
            let has = |flags: i32| event.events & flags as u32 != 0;
            Ready {
                token: event.u64,
                readable: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLERR | libc::EPOLLHUP),
                writable: has(libc::EPOLLOUT | libc::EPOLLERR | libc::EPOLLHUP),
                ended: has(libc::EPOLLRDHUP | libc::EPOLLERR | libc::EPOLLHUP),
                urgent: has(libc::EPOLLPRI),
                failed: has(libc::EPOLLERR | libc::EPOLLHUP),
                closed: false,
            }
        }));
        Ok(())
    }

    fn wait_native(
        &self,
        events: &mut [libc::epoll_event; REPORTS],
        timeout_ns: Option<i64>,
    ) -> Result<usize> {
        let most = REPORTS as libc::c_int;
        if let Some(timeout_ns @ 1..) = timeout_ns {
            if let Some(result) = self.wait_exactly(events, timeout_ns) {
                return result;
            }
        }
        let timeout_ms = timeout_ns.map_or(-1, super::super::poll::timeout_ms);
        // SAFETY: `events` is valid for writing `most` entries.
        let count =
            unsafe { libc::epoll_wait(raw(&self.0), events.as_mut_ptr(), most, timeout_ms) };
        check(count).map(|count| count as usize)
    }

    /// Waits to the nanosecond (epoll_pwait2, Linux 5.11); `None` where the kernel does not know
    /// that. By its number: a program linked to it would not start on an older C library.
    fn wait_exactly(
        &self,
        events: &mut [libc::epoll_event; REPORTS],
        timeout_ns: i64,
    ) -> Option<Result<usize>> {
        static IS_MISSING: AtomicBool = AtomicBool::new(false);
        if IS_MISSING.load(Ordering::Relaxed) {
            return None;
        }
        let time = super::super::clock::timespec(timeout_ns);
        // SAFETY: `events` is valid for writing its entries, `time` for reading; no signal set.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                raw(&self.0),
                events.as_mut_ptr(),
                REPORTS as libc::c_int,
                &raw const time,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        match check(count as libc::c_int) {
            Ok(count) => Some(Ok(count as usize)),
            // A sandbox that does not know the call may forbid it instead.
            Err(Errno(libc::ENOSYS | libc::EPERM)) => {
                IS_MISSING.store(true, Ordering::Relaxed);
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

fn raw(epoll: &Epoll) -> RawFd {
    epoll.as_fd().as_raw_fd()
}
