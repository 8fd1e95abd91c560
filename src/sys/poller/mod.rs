//! Waiting for many descriptors: epoll(7), poll(2) or select(2) behind one name.
//!
//! All methods take `&self`: descriptors come and go while another thread waits. One that is added
//! to a list (poll, select) during a wait is seen by the next one; the loop ends the wait.

mod edge;
mod list;

use super::{Errno, Result};
use edge::EdgeSet;
use list::{Call, List};
use std::os::fd::{BorrowedFd, RawFd};

/// Which system call waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    Epoll,
    Poll,
    Select,
}

/// What a descriptor is waited for; errors and hang-ups are reported unasked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    pub readable: bool,
    pub writable: bool,
}

impl Interest {
    pub const READ: Interest = Interest { readable: true, writable: false };
}

/// What a wait found out about one descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
    /// The peer sends no more, or the whole has failed.
    pub ended: bool,
    /// Out-of-band data is about: a read stops at its mark, though more is behind it.
    pub urgent: bool,
    /// It is in error, or hung up.
    pub failed: bool,
    /// It is no open descriptor any more.
    pub closed: bool,
}

/// A set of descriptors, each with a token that reports carry.
#[derive(Debug)]
pub enum Poller {
    Edge(EdgeSet),
    List(List),
}

/// Memory that waits use again and again.
#[derive(Default)]
pub struct Scratch {
    pub ready: Vec<Ready>,
    edge: edge::Events,
    list: list::Copies,
}

impl Poller {
    pub fn new(backend: Backend) -> Result<Poller> {
        Ok(match backend {
            Backend::Epoll => Poller::Edge(EdgeSet::new()?),
            Backend::Poll => Poller::List(List::new(Call::Poll)),
            Backend::Select => Poller::List(List::new(Call::Select)),
        })
    }

    /// Watches `fd`: it is reported as long as what is waited for holds.
    ///
    /// Errors: `EBADF`; `EEXIST` when it is watched already; `EPERM` for a file that is always
    /// ready (epoll only); `ENOSPC`, `ENOMEM`.
    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> Result<()> {
        match self {
            Poller::Edge(set) => set.add(fd, token, interest),
            Poller::List(list) => list.add(fd, token, interest),
        }
    }

    /// Changes what a descriptor added with [`Poller::add`] is waited for.
    ///
    /// Errors: `ENOENT` when it is not watched, `EBADF`.
    pub fn modify(&self, fd: RawFd, token: u64, interest: Interest) -> Result<()> {
        match self {
            Poller::Edge(set) => set.modify(fd, token, interest),
            Poller::List(list) => list.modify(fd, interest),
        }
    }

    /// Watches a descriptor of the loop's own, whose owner remembers what was reported, and says by
    /// [`Poller::expect`] what is worth another report.
    ///
    /// Errors: as [`Poller::add`].
    pub fn follow(&self, fd: RawFd, token: u64) -> Result<()> {
        match self {
            Poller::Edge(set) => set.follow(fd, token),
            Poller::List(list) => list.follow(fd, token),
        }
    }

    /// For a descriptor that is followed: what its owner does not know of yet. epoll reports each
    /// change once, so that it need not be told; the others would report what is known for ever.
    #[inline]
    pub fn expect(&self, fd: RawFd, interest: Interest) {
        if let Poller::List(list) = self {
            // Followed descriptors are open and in the list.
            let _ = list.modify(fd, interest);
        }
    }

    /// Stops watching a descriptor, which is open and the one that was added.
    pub fn remove(&self, fd: RawFd, token: u64) {
        match self {
            Poller::Edge(set) => set.remove(fd),
            Poller::List(list) => list.remove(fd, token),
        }
    }

    /// Stops watching a descriptor that its owner has closed, so that its number may be another's
    /// by now. Gives whether that can be done: epoll goes on with a file that is open elsewhere.
    pub fn remove_closed(&self, fd: RawFd, token: u64) -> bool {
        match self {
            Poller::Edge(_) => false,
            Poller::List(list) => {
                list.remove(fd, token);
                true
            }
        }
    }

    /// Forgets all descriptors, those too that cannot be removed.
    pub fn clear(&self) -> Result<()> {
        match self {
            Poller::Edge(set) => set.clear(),
            Poller::List(list) => {
                list.clear();
                Ok(())
            }
        }
    }

    /// Whether a wait in progress takes part in changes.
    pub fn sees_changes(&self) -> bool {
        matches!(self, Poller::Edge(_))
    }

    /// Waits at most `timeout_ns` nanoseconds (`None` for ever), and leaves what is ready in
    /// `scratch.ready`.
    ///
    /// Errors: `EINTR` when a signal handler ran on this thread.
    pub fn wait(&self, scratch: &mut Scratch, timeout_ns: Option<i64>) -> Result<()> {
        scratch.ready.clear();
        match self {
            Poller::Edge(set) => set.wait(&mut scratch.edge, &mut scratch.ready, timeout_ns),
            Poller::List(list) => list.wait(&mut scratch.list, &mut scratch.ready, timeout_ns),
        }
    }

    /// A descriptor that is readable when a wait would report something.
    ///
    /// Errors: `EOPNOTSUPP` where there is none.
    pub fn descriptor(&self) -> Result<BorrowedFd<'_>> {
        match self {
            Poller::Edge(set) => Ok(set.descriptor()),
            Poller::List(_) => Err(Errno(libc::EOPNOTSUPP)),
        }
    }
}
