//! The sockets of a connection, and the time after which they are shut down.

use super::deadlines::Deadline;
use super::turn::{Turn, Turns};
use crate::sys::{socket, Result};
use std::cell::RefCell;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    turns: Turns,
}

impl Link {
    pub fn new() -> Arc<Link> {
        Arc::default()
    }

    /// Ends it, from any thread: the other side hears that nothing more will come.
    pub fn end(&self) {
        let sockets = self.sockets();
        self.is_ended.store(true, SeqCst);
        for socket in sockets.iter() {
            shut_down(socket);
        }
    }

    pub fn is_ended(&self) -> bool {
        self.is_ended.load(SeqCst)
    }

    /// Whether there is anything that [`end`](Link::end) can reach.
    pub fn has_sockets(&self) -> bool {
        !self.sockets().is_empty()
    }

    /// Waits for the right to have libvirt use it, until `deadline`. Errors: `ETIMEDOUT`.
    pub fn turn(&self, deadline: i64) -> Result<Turn<'_>> {
        self.turns.take(deadline)
    }

    /// That right, if nobody has it.
    pub(super) fn try_turn(&self) -> Option<Turn<'_>> {
        self.turns.try_take()
    }

    /// Ends it at `at` (monotonic nanoseconds) unless what is given is dropped before.
    pub fn end_at(self: &Arc<Link>, at: i64) -> Deadline {
        Deadline::new(at, self)
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

/// The link of the connection that this thread is opening.
pub(super) fn opening() -> Option<Arc<Link>> {
    OPENING.with_borrow(Clone::clone)
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
