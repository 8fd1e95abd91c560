//! Descriptors that a forked child must not keep: fork(2) gives it a copy of each, and with a copy
//! of a FIFO's it would pass for a reader, and keep the locks of a parent that is long dead.

use super::Result;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Once;

/// A descriptor whose copy in a child made by fork(3) is closed before fork returns there. Children
/// made by clone(2) alone keep theirs until they end or call exec.
#[derive(Debug)]
pub struct Inherited(ManuallyDrop<OwnedFd>);

/// All that are open, under a lock that fork takes as well. It is not std's: that one's guard could
/// not be handed from the handler before the fork to those behind it.
struct Registry {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    open: UnsafeCell<Vec<RawFd>>,
}

// SAFETY: `open` is only touched by whoever holds `mutex`, which may be used from any thread.
unsafe impl Sync for Registry {}

static REGISTRY: Registry = Registry {
    mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
    open: UnsafeCell::new(Vec::new()),
};

impl Registry {
    fn lock(&self) {
        // SAFETY: the mutex was initialised statically and is never moved or destroyed.
        unsafe { libc::pthread_mutex_lock(self.mutex.get()) };
    }

    fn unlock(&self) {
        // SAFETY: as above; the calling thread has locked it.
        unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
    }

    /// Runs `body` while no fork can happen.
    fn with<T>(&self, body: impl FnOnce(&mut Vec<RawFd>) -> T) -> T {
        self.lock();
        // SAFETY: the lock is held, and `body` cannot come back here with it.
        let result = body(unsafe { &mut *self.open.get() });
        self.unlock();
        result
    }
}

extern "C" fn before_fork() {
    REGISTRY.lock();
}

extern "C" fn after_fork_in_parent() {
    REGISTRY.unlock();
}

extern "C" fn after_fork_in_child() {
    // SAFETY: the lock was taken before the fork, by this thread, the only one that is left. close
    // is async-signal-safe, and forgetting numbers frees no memory.
    unsafe {
        let open = &mut *REGISTRY.open.get();
        for fd in open.iter() {
            libc::close(*fd);
        }
        open.clear();
    }
    REGISTRY.unlock();
}

fn hear_of_forks() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers are functions of a library that is never unloaded. Should it fail,
        // for want of memory, children keep their copies.
        unsafe {
            let (parent, child) = (after_fork_in_parent, after_fork_in_child);
            libc::pthread_atfork(Some(before_fork), Some(parent), Some(child));
        }
    });
}

impl Inherited {
    /// What `open` opens; it must do little else.
    pub fn open(open: impl FnOnce() -> Result<OwnedFd>) -> Result<Inherited> {
        hear_of_forks();
        REGISTRY.with(|all| {
            let fd = open()?;
            all.push(fd.as_raw_fd());
            Ok(Inherited(ManuallyDrop::new(fd)))
        })
    }
}

impl AsFd for Inherited {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        REGISTRY.with(|all| {
            let place = all.iter().position(|fd| *fd == self.0.as_raw_fd());
            // In a child it is closed already, and the number may be another's.
            if let Some(place) = place {
                all.swap_remove(place);
                // SAFETY: nobody can use it after this.
                unsafe { ManuallyDrop::drop(&mut self.0) };
            }
        });
    }
}
