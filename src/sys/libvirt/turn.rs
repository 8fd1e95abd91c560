//! One user of a connection at a time.
//!
//! libvirt takes calls of several threads on one connection, but in many of its versions at a risk:
//! one thread waking another leaves a pointer to a stack that is gone (CVE-2024-4418), and the process
//! ends, or a call never does. Distributions mend that without another version's number, so that there
//! is nothing to go by.

use crate::sys::{clock, Errno, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// Who may use something now, and who is waiting, first come first served: a thread that calls again
/// and again would otherwise keep all others out.
#[derive(Default)]
pub struct Turns(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    is_taken: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    thread: Thread,
    is_next: AtomicBool,
    is_sent_away: AtomicBool,
}

impl Turns {
    /// Waits for the caller's turn until `deadline` (monotonic nanoseconds), unless `is_over`: what says
    /// so must be set before [`send_away`](Turns::send_away) is called.
    ///
    /// Errors: `ETIMEDOUT`; `EIO` when it is over.
    pub fn take(&self, deadline: i64, is_over: impl Fn() -> bool) -> Result<Turn<'_>> {
        let Some(waiter) = self.enqueue(is_over)? else { return Ok(Turn(self)) };
        loop {
            if waiter.is_next.load(SeqCst) {
                return Ok(Turn(self));
            }
            if waiter.is_sent_away.load(SeqCst) {
                return Err(Errno(libc::EIO));
            }
            let left = u64::try_from(deadline - clock::monotonic()).unwrap_or(0);
            if left == 0 {
                return self.leave(&waiter);
            }
            thread::park_timeout(Duration::from_nanos(left));
        }
    }

    /// The turn if nobody has it.
    pub fn try_take(&self) -> Option<Turn<'_>> {
        let was_taken = std::mem::replace(&mut self.queue().is_taken, true);
        // Not to be made for nothing: dropping it gives the turn to the next.
        (!was_taken).then(|| Turn(self))
    }

    /// Ends the wait of all who wait now.
    pub fn send_away(&self) {
        for waiter in self.queue().waiting.drain(..) {
            waiter.is_sent_away.store(true, SeqCst);
            waiter.thread.unpark();
        }
    }

    /// `None` when the turn is the caller's at once. Errors: `EIO` when it is over.
    fn enqueue(&self, is_over: impl Fn() -> bool) -> Result<Option<Arc<Waiter>>> {
        let mut queue = self.queue();
        if is_over() {
            return Err(Errno(libc::EIO));
        }
        if !queue.is_taken {
            queue.is_taken = true;
            return Ok(None);
        }
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            is_next: AtomicBool::new(false),
            is_sent_away: AtomicBool::new(false),
        });
        queue.waiting.push_back(Arc::clone(&waiter));
        Ok(Some(waiter))
    }

    /// Waits no longer; the turn may have come at the last moment.
    fn leave(&self, waiter: &Arc<Waiter>) -> Result<Turn<'_>> {
        let mut queue = self.queue();
        if waiter.is_next.load(SeqCst) {
            return Ok(Turn(self));
        }
        queue.waiting.retain(|other| !Arc::ptr_eq(other, waiter));
        Err(Errno(libc::ETIMEDOUT))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to use it, until this is dropped.
#[must_use]
pub struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        match queue.waiting.pop_front() {
            Some(next) => {
                next.is_next.store(true, SeqCst);
                next.thread.unpark();
            }
            None => queue.is_taken = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    const SECOND: i64 = 1_000_000_000;

    fn soon(nanoseconds: i64) -> i64 {
        clock::monotonic() + nanoseconds
    }

    #[test]
    fn one_at_a_time_and_nobody_is_forgotten() {
        let (turns, inside, done) = (Turns::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let _turn =
                            turns.take(soon(30 * SECOND), || false).expect("a turn in time");
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        inside.fetch_sub(1, SeqCst);
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert_eq!(done.load(SeqCst), 4000);
    }

    #[test]
    fn who_is_out_of_time_leaves_no_gap() {
        let turns = Turns::default();
        let first = turns.take(soon(SECOND), || false).expect("nobody has it");
        assert!(turns.try_take().is_none());
        assert!(turns.take(soon(1_000_000), || false).is_err());
        drop(first);
        assert!(turns.take(soon(0), || false).is_ok());
        assert!(turns.try_take().is_some());
    }

    #[test]
    fn the_one_who_waits_comes_before_the_one_who_has_had_it() {
        let turns = Turns::default();
        let first = turns.take(soon(SECOND), || false).expect("nobody has it");
        thread::scope(|scope| {
            let other = scope.spawn(|| turns.take(soon(30 * SECOND), || false).map(drop));
            while turns.queue().waiting.is_empty() {
                thread::yield_now();
            }
            drop(first);
            assert!(turns.take(soon(30 * SECOND), || false).is_ok());
            assert!(other.join().expect("no panic").is_ok());
        });
    }

    #[test]
    fn who_waits_is_sent_away_and_who_comes_later_refused() {
        let (turns, is_over) = (Turns::default(), AtomicBool::new(false));
        let first = turns.take(soon(SECOND), || false).expect("nobody has it");
        let take = || turns.take(soon(30 * SECOND), || is_over.load(SeqCst)).map(drop);
        thread::scope(|scope| {
            let other = scope.spawn(take);
            while turns.queue().waiting.is_empty() {
                thread::yield_now();
            }
            is_over.store(true, SeqCst);
            turns.send_away();
            assert_eq!(other.join().expect("no panic"), Err(Errno(libc::EIO)));
        });
        assert_eq!(take(), Err(Errno(libc::EIO)));
        drop(first);
        assert!(turns.take(soon(0), || false).is_ok());
    }
}
