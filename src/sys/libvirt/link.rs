//! The sockets of a connection, and the time after which they are shut down.

use super::deadlines::Deadline;
use super::turn::{Turn, Turns};
use crate::sys::{clock, socket, Result};
use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

thread_local! {
    /// The link of the connection that this thread is opening.
    static OPENING: RefCell<Option<Arc<Link>>> = const { RefCell::new(None) };
}

/// What a connection talks through. Once ended, each call that waits for an answer fails, and so does
/// each later one.
#[derive(Default)]
pub struct Link {
    /// Second descriptors, so that no other file can have got the number meanwhile. libvirt stops
    /// having a socket watched when it finds it dead, though threads may still wait for it.
    sockets: Mutex<Vec<Arc<OwnedFd>>>,
    is_ended: AtomicBool,
    /// For who waits in [`wait`](Link::wait), under the lock of the sockets.
    changed: Condvar,
    turns: Turns,
}

impl Link {
    pub fn new() -> Arc<Link> {
        Arc::default()
    }

    /// Ends it, from any thread: the other side hears that nothing more will come, and who waits here
    /// waits no longer.
    pub fn end(&self) {
        let sockets = self.sockets();
        self.is_ended.store(true, SeqCst);
        for socket in sockets.iter() {
            shut_down(socket);
        }
        drop(sockets);
        self.changed.notify_all();
        self.turns.send_away();
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended.load(SeqCst)
    }

    /// Whether there is anything that [`end`](Link::end) can reach.
    pub fn has_sockets(&self) -> bool {
        !self.sockets().is_empty()
    }

    /// Waits for the right to have libvirt use it, until `deadline`.
    ///
    /// Errors: `ETIMEDOUT`; `EIO` once it is ended.
    pub fn turn(&self, deadline: i64) -> Result<Turn<'_>> {
        self.turns.take(deadline, || self.is_ended())
    }

    /// That right for who closes the connection, ended or not.
    pub(super) fn last_turn(&self, deadline: i64) -> Result<Turn<'_>> {
        self.turns.take(deadline, || false)
    }

    /// That right, if nobody has it.
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        self.turns.try_take()
    }

    /// Ends it at `at` (monotonic nanoseconds) unless what is given is dropped before.
    pub fn end_at(self: &Arc<Link>, at: i64) -> Deadline {
        Deadline::new(at, self)
    }

    /// Waits for what `ready` gives, which is asked again after each [`wake`](Link::wake); `None` when
    /// `deadline` has passed, or when the link is ended.
    pub fn wait<T>(&self, deadline: i64, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        let mut sockets = self.sockets();
        loop {
            let found = ready();
            let left = u64::try_from(deadline - clock::monotonic()).unwrap_or(0);
            if found.is_some() || left == 0 || self.is_ended() {
                return found;
            }
            let wait = self.changed.wait_timeout(sockets, Duration::from_nanos(left));
            sockets = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Wakes those in [`wait`](Link::wait).
    pub fn wake(&self) {
        // Not between somebody's look and his wait.
        drop(self.sockets());
        self.changed.notify_all();
    }

    /// While `open` runs, what libvirt registers on this thread becomes this link's.
    pub(super) fn gather<T>(self: &Arc<Link>, open: impl FnOnce() -> T) -> T {
        OPENING.set(Some(Arc::clone(self)));
        let outcome = open();
        OPENING.set(None);
        outcome
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<Arc<OwnedFd>>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attach(&self, socket: &Arc<OwnedFd>) {
        let mut sockets = self.sockets();
        sockets.push(Arc::clone(socket));
        if self.is_ended() {
            shut_down(socket);
        }
    }
}

/// The link of the connection that this thread is opening. The program may have libvirt open one of its
/// own as late as when a thread ends.
pub(super) fn opening() -> Option<Arc<Link>> {
    OPENING.try_with(|opening| opening.borrow().clone()).ok().flatten()
}

/// A second descriptor for one that libvirt wants to have watched; a socket becomes the link's whose
/// connection this thread is opening.
pub(super) fn adopt(fd: RawFd) -> Result<Arc<OwnedFd>> {
    let copy = Arc::new(socket::duplicate(fd)?);
    let is_socket = socket2::SockRef::from(&*copy).r#type().is_ok();
    if let Some(link) = opening().filter(|_| is_socket) {
        link.attach(&copy);
    }
    Ok(copy)
}

fn shut_down(socket: &OwnedFd) {
    // SAFETY: the call takes no pointer. It fails only for a socket that is not connected any more.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken_by_what_comes_and_by_the_end() {
        let (link, is_there) = (Link::new(), AtomicBool::new(false));
        let wait = || {
            let deadline = clock::monotonic() + 30_000_000_000;
            link.wait(deadline, || is_there.swap(false, SeqCst).then_some(()))
        };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(wait);
            is_there.store(true, SeqCst);
            link.wake();
            assert_eq!(waiting.join().expect("no panic"), Some(()));
            let waiting = scope.spawn(wait);
            link.end();
            assert_eq!(waiting.join().expect("no panic"), None);
        });
        assert!(link.turn(clock::monotonic()).is_err());
        assert!(link.last_turn(clock::monotonic()).is_ok());
    }
}
