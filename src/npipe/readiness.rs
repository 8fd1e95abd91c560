//! What a reader waits on, and the program with it: one descriptor for all that may happen.

use super::inlet::Inlet;
use super::waiting::Stop;
use crate::sys::epoll::{Epoll, Watch};
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{self, Interest};
use crate::sys::timerfd::TimerFd;
use crate::sys::Result;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Readable while there is something to read, to be told, or to look at.
pub struct Readiness {
    epoll: Epoll,
    /// Above zero while something is there that is not in the pipe.
    kept: EventFd,
    /// When to look whether a message is lost.
    reminder: TimerFd,
}

impl Readiness {
    pub fn new(inlet: &Inlet, stop: &Stop) -> Result<Readiness> {
        let readiness =
            Readiness { epoll: Epoll::new()?, kept: EventFd::new()?, reminder: TimerFd::new()? };
        // What is ready is found out by looking, whichever it was.
        readiness.epoll.add(readiness.kept.borrow(), 0, Watch::Level)?;
        readiness.epoll.add(readiness.reminder.as_fd(), 0, Watch::Level)?;
        readiness.epoll.add(stop.borrow(), 0, Watch::Level)?;
        readiness.watch(inlet)?;
        Ok(readiness)
    }

    /// Errors: `ENOSPC`, `ENOMEM`.
    pub fn watch(&self, inlet: &Inlet) -> Result<()> {
        self.epoll.add(inlet.fifo.as_fd(), 0, Watch::Level)?;
        if let Some(watch) = &inlet.watch {
            self.epoll.add(watch.as_fd(), 0, Watch::Level)?;
        }
        Ok(())
    }

    pub fn forget(&self, inlet: &Inlet) {
        self.epoll.remove(inlet.fifo.as_fd());
        if let Some(watch) = &inlet.watch {
            self.epoll.remove(watch.as_fd());
        }
    }

    /// Whether something is kept. Only to be called when that changes.
    pub fn set_kept(&self, is_kept: bool) {
        if is_kept {
            // At zero it has room.
            let _ = self.kept.add(1);
        } else {
            self.kept.clear();
        }
    }

    /// Readable from `time` of the monotonic clock on, or not for this reason any more.
    pub fn remind(&self, time: Option<i64>) {
        self.reminder.set(time);
    }

    /// Waits until it is readable, at most `timeout_ms` milliseconds, -1 being for ever.
    ///
    /// Errors: `EINTR` when a signal handler ran on this thread.
    pub fn wait(&self, timeout_ms: i32) -> Result<()> {
        poll::wait(&[(self.epoll.as_fd(), Interest::Readable)], timeout_ms).map(drop)
    }

    pub fn raw(&self) -> RawFd {
        self.epoll.as_fd().as_raw_fd()
    }
}
