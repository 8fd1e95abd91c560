//! The thread that ends links whose time is over.
//!
//! It is not the event loop's: that one runs libvirt's code, which may itself wait for a socket that
//! only this thread sets free.

use super::link::Link;
use crate::sys::process::PerProcess;
use crate::sys::{clock, thread, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When a link is to be ended, and a number that tells this end from others of that time.
type Key = (i64, u64);

/// One for each process; a forked child begins with none, its parent's having no thread there.
struct Deadlines {
    process: u32,
    state: Mutex<State>,
    sooner: Condvar,
}

#[derive(Default)]
struct State {
    has_thread: bool,
    ends: BTreeMap<Key, Arc<Link>>,
    made: u64,
    /// Until when the thread sleeps; `i64::MIN` while it is awake and looks at everything anyway.
    wakes_at: i64,
}

static DEADLINES: PerProcess<Deadlines> = PerProcess::new(
    |process| Deadlines { process, state: Mutex::default(), sooner: Condvar::new() },
    |deadlines| deadlines.process,
);

/// Starts this process's thread, if there is none yet. Errors: `EAGAIN` when threads are short.
pub fn start() -> Result<()> {
    let deadlines = DEADLINES.get();
    let mut state = deadlines.state();
    if !state.has_thread {
        thread::spawn("virt-deadlines".into(), || DEADLINES.get().run())?;
        state.has_thread = true;
    }
    Ok(())
}

/// A time after which a [`Link`] is ended; dropping it calls that off.
#[must_use]
pub struct Deadline {
    deadlines: &'static Deadlines,
    key: Key,
}

impl Deadline {
    /// `at`: monotonic nanoseconds.
    pub(super) fn new(at: i64, link: &Arc<Link>) -> Deadline {
        let deadlines = DEADLINES.get();
        let mut state = deadlines.state();
        state.made += 1;
        let key = (at, state.made);
        state.ends.insert(key, Arc::clone(link));
        // Calls of one client have ever later deadlines, so that this is rare.
        if at < state.wakes_at {
            state.wakes_at = at;
            deadlines.sooner.notify_one();
        }
        Deadline { deadlines, key }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.deadlines.state().ends.remove(&self.key);
    }
}

impl Deadlines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut state = self.state();
            let now = clock::monotonic();
            let first = state.ends.first_key_value().map(|(key, _)| *key);
            if let Some(link) =
                first.filter(|key| key.0 <= now).and_then(|key| state.ends.remove(&key))
            {
                drop(state);
                link.end();
                continue;
            }
            state.wakes_at = first.map_or(i64::MAX, |key| key.0);
            let left = u64::try_from(state.wakes_at - now).unwrap_or(0);
            let wait = self.sooner.wait_timeout(state, Duration::from_nanos(left));
            wait.unwrap_or_else(PoisonError::into_inner).0.wakes_at = i64::MIN;
        }
    }
}
