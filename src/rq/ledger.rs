//! What a queue holds at most.

use crate::sys::{Errno, Result};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// An amount with a limit, which many threads change.
pub struct Ledger {
    used: AtomicU64,
    most: u64,
}

impl Ledger {
    pub fn new(most: u64) -> Ledger {
        Ledger { used: AtomicU64::new(0), most }
    }

    /// Errors: `ENOBUFS` when there is not as much left.
    pub fn take(&self, amount: u64) -> Result<()> {
        let fits = |used: u64| used.checked_add(amount).filter(|sum| *sum <= self.most);
        let outcome = self.used.fetch_update(Relaxed, Relaxed, fits);
        outcome.map(drop).map_err(|_| Errno(libc::ENOBUFS))
    }

    pub fn give(&self, amount: u64) {
        self.used.fetch_sub(amount, Relaxed);
    }

    /// Takes one amount for another.
    ///
    /// Errors: `ENOBUFS` as [`Ledger::take`], nothing having changed.
    pub fn exchange(&self, old: u64, new: u64) -> Result<()> {
        if new > old {
            return self.take(new - old);
        }
        // Most often nothing changes, and the line stays in each processor's cache.
        if new < old {
            self.give(old - new);
        }
        Ok(())
    }

    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }
}
