//! Failed sends and ICMP errors, one by one, until the program asks for them.

use super::shared::Shared;
use crate::log::Level;
use crate::sys::addr::Addr;
use crate::sys::epoll::{Epoll, Watch, READY_MAX};
use crate::sys::{Errno, Result};
use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Errors kept; older ones make room and are counted.
const CAPACITY: usize = 1024;

/// Who said that a datagram did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum ErrorKind {
    /// The kernel refused to send it.
    Send = 1,
    /// The network, or the destination, reported it later (ICMP).
    Icmp = 2,
}

/// A datagram that did not get to its destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendError {
    pub errno: Errno,
    pub kind: ErrorKind,
    pub to: Addr,
    /// Nanoseconds since 1970 at which the error was seen.
    pub time: i64,
}

/// The latest errors, oldest first.
#[derive(Default)]
pub struct ErrorLog(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    errors: VecDeque<SendError>,
    dropped: u64,
}

impl ErrorLog {
    pub fn push(&self, error: SendError) {
        let mut entries = self.entries();
        if entries.errors.len() == CAPACITY {
            entries.errors.pop_front();
            entries.dropped += 1;
        }
        entries.errors.push_back(error);
    }

    pub fn take(&self, most: usize) -> Vec<SendError> {
        let errors = &mut self.entries().errors;
        errors.drain(..most.min(errors.len())).collect()
    }

    /// Errors that made room before anybody asked for them.
    pub fn dropped(&self) -> u64 {
        self.entries().dropped
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes ICMP errors as they come, on a thread of a handler that only sends, until it stops.
///
/// The program may read the socket itself then, and an error that nobody takes makes every wait of
/// its own end at once.
pub fn watch(shared: &Shared) {
    if let Err(error) = watch_until_stop(shared) {
        shared.log.log(Level::Error, format_args!("watching for errors: {error}"));
    }
}

fn watch_until_stop(shared: &Shared) -> Result<()> {
    const SOCKET: u64 = 0;
    const STOP: u64 = 1;
    let epoll = Epoll::new()?;
    epoll.add(shared.socket.as_fd(), SOCKET, Watch::Errors)?;
    epoll.add(shared.stop.borrow(), STOP, Watch::Level)?;
    let mut ready = [0; READY_MAX];
    loop {
        match epoll.wait(&mut ready) {
            Ok(tokens) if tokens.contains(&STOP) => return Ok(()),
            Ok(_) => while shared.drain_error_queue(&shared.socket) > 0 {},
            Err(Errno(libc::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}
