//! How long a call may wait, and who may end it.

use crate::sys::eventfd::EventFd;
use crate::sys::nap::nap;
use crate::sys::poll::Patience;
use crate::sys::{Errno, Result};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Ends all waiting, for good.
pub struct Stop {
    event: EventFd,
    is_set: AtomicBool,
}

impl Stop {
    pub fn new() -> Result<Stop> {
        Ok(Stop { event: EventFd::new()?, is_set: AtomicBool::new(false) })
    }

    pub fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        // A counter that has no room wakes as well.
        let _ = self.event.add(1);
    }

    /// Errors: `ESHUTDOWN` once it is set.
    pub fn check(&self) -> Result<()> {
        if self.is_set.load(Ordering::SeqCst) {
            return Err(Errno(libc::ESHUTDOWN));
        }
        Ok(())
    }

    /// Readable once it is set.
    pub fn borrow(&self) -> BorrowedFd<'_> {
        self.event.borrow()
    }
}

/// Looks at something again and again that nobody tells of: a lock of another's.
#[derive(Default)]
pub struct Looks {
    count: u32,
}

impl Looks {
    /// Waits before the next look: at first only until others have had their turn.
    ///
    /// Errors: as [`Patience::left`]; `ESHUTDOWN`; `EINTR` when a signal handler ran.
    pub fn pause(&mut self, stop: &Stop, patience: &Patience) -> Result<()> {
        const YIELDS: u32 = 8;
        const NAP: i64 = 50_000;
        const NAP_MAX: i64 = 1_000_000;
        stop.check()?;
        let left = patience.left()?;
        self.count += 1;
        if self.count <= YIELDS {
            thread::yield_now();
            return Ok(());
        }
        let nap_ns = NAP_MAX.min(NAP << (self.count - YIELDS - 1).min(8));
        nap(stop.borrow(), nap_ns.min(left))?;
        stop.check()
    }
}
