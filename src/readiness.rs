//! A descriptor that is readable exactly while something is there.

use crate::sys::eventfd::EventFd;
use crate::sys::poll::{self, Interest};
use crate::sys::Result;
use std::os::fd::RawFd;
use std::sync::atomic::{fence, AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

/// Keeps an eventfd in step with a queue. Costs nothing until somebody asks for the descriptor.
pub struct Readiness {
    event: EventFd,
    armed: AtomicBool,
    /// What the eventfd says; written under `turn`.
    raised: AtomicBool,
    turn: Mutex<()>,
}

impl Readiness {
    pub fn new() -> Result<Readiness> {
        Ok(Readiness {
            event: EventFd::new()?,
            armed: AtomicBool::new(false),
            raised: AtomicBool::new(false),
            turn: Mutex::new(()),
        })
    }

    /// The descriptor, kept in step from now on.
    pub fn fd(&self, has_items: impl Fn() -> bool) -> RawFd {
        if !self.armed.swap(true, SeqCst) {
            self.update(has_items);
        }
        self.event.raw()
    }

    /// Brings the descriptor into step; to be called after every change of the queue.
    pub fn update(&self, has_items: impl Fn() -> bool) {
        // Whoever changed the queue did so with less than this order: now the change is there for
        // all who look at `raised` later.
        fence(SeqCst);
        if !self.armed.load(SeqCst) || self.raised.load(SeqCst) == has_items() {
            return;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        // The queue may change between the look and the write. Whoever changed it then calls
        // `update` too, sees `raised` as it stands here or later, and waits for its turn.
        while self.raised.load(SeqCst) != has_items() {
            if self.raised.fetch_xor(true, SeqCst) {
                self.event.clear();
            } else {
                // Adding 1 to a counter that is 0 cannot fail.
                let _ = self.event.add(1);
            }
        }
    }

    /// Waits until the descriptor is readable; `false` when `timeout_ms` is over first.
    ///
    /// Errors: `EINTR` when a signal handler ran on this thread.
    pub fn wait(&self, timeout_ms: i32, has_items: impl Fn() -> bool) -> Result<bool> {
        self.fd(has_items);
        poll::wait(&[(self.event.borrow(), Interest::Readable)], timeout_ms)
    }
}
