//! The lock under which libvirt is loaded and used for the first time, which fork(3) takes as well.
//!
//! A child that is forked in the middle would get libraries of which half have begun, and locks of
//! theirs that nobody releases.

use crate::sys::clock;
use crate::sys::process::PerProcess;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// One for each process: a child made by clone(2) alone may be forked while its parent holds it.
struct Loading {
    process: u32,
    lock: Mutex<()>,
    /// When it was taken last.
    since: AtomicI64,
}

static LOADING: PerProcess<Loading> = PerProcess::new(
    |process| Loading { process, lock: Mutex::default(), since: AtomicI64::default() },
    |loading| loading.process,
);

thread_local! {
    /// The lock, while this thread forks.
    static HELD: Cell<Option<MutexGuard<'static, ()>>> = const { Cell::new(None) };
}

/// For how long of the time that the lock is held forks wait. Not for ever: a host may not answer, and
/// glibc 2.28 to 2.35 keep a lock of their own while handlers run, which libraries that register some as
/// they are loaded wait for.
const FORK_NS: i64 = 1_000_000_000;

/// Keeps others from loading, and forks from happening.
pub fn lock() -> MutexGuard<'static, ()> {
    static HEARS_OF_FORKS: AtomicBool = AtomicBool::new(false);
    let loading = LOADING.get();
    let guard = loading.lock.lock().unwrap_or_else(PoisonError::into_inner);
    loading.since.store(clock::monotonic(), Relaxed);
    if !HEARS_OF_FORKS.swap(true, Relaxed) {
        // SAFETY: the handlers are functions of a library that is never unloaded. Should it fail,
        // for want of memory, forks do not wait.
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork)) };
    }
    guard
}

extern "C" fn before_fork() {
    let Some(loading) = LOADING.existing() else { return };
    let is_late = || clock::monotonic() - loading.since.load(Relaxed) >= FORK_NS;
    let held = loop {
        match loading.lock.try_lock() {
            Ok(guard) => break Some(guard),
            Err(TryLockError::Poisoned(guard)) => break Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
        // After the nap, when who has just taken the lock has said so.
        if is_late() {
            break None;
        }
    };
    if held.is_some() {
        loading.since.store(clock::monotonic(), Relaxed);
    }
    // A thread that forks as it ends may have nowhere to keep it.
    let _ = HELD.try_with(|place| place.set(held));
}

extern "C" fn after_fork() {
    let _ = HELD.try_with(Cell::take);
}
