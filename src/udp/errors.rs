//! Failed sends and ICMP errors, one by one, until the program asks for them.

use crate::log::{Level, Logger};
use crate::sys::addr::Addr;
use crate::sys::socket::UdpSocket;
use crate::sys::{clock, errqueue, Errno};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Errors kept; older ones make room and are counted.
const CAPACITY: usize = 1024;

/// Error reports taken from the kernel at a time, so that a storm cannot hold a thread.
const REPORTS_A_TURN: usize = 256;

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
pub struct ErrorLog {
    log: Logger,
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    errors: VecDeque<SendError>,
    icmp: u64,
    dropped: u64,
}

impl ErrorLog {
    /// `log`: where each error is told as well, as a warning.
    pub fn new(log: Logger) -> ErrorLog {
        ErrorLog { log, entries: Mutex::default() }
    }

    /// Takes ICMP errors from a socket; gives how many there were.
    pub fn drain(&self, socket: &UdpSocket) -> usize {
        for taken in 0..REPORTS_A_TURN {
            let Ok(Some(report)) = errqueue::take(socket) else { return taken };
            self.push(report.errno, ErrorKind::Icmp, report.to);
        }
        REPORTS_A_TURN
    }

    pub fn push(&self, errno: Errno, kind: ErrorKind, to: Addr) {
        self.keep(SendError { errno, kind, to, time: clock::realtime() });
        let port = to.port;
        let message = format_args!("{kind:?} error to {to} port {port}: {errno}");
        self.log.log(Level::Warning, message);
    }

    fn keep(&self, error: SendError) {
        let mut entries = self.entries();
        entries.icmp += u64::from(error.kind == ErrorKind::Icmp);
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

    /// ICMP errors ever taken.
    pub fn icmp_errors(&self) -> u64 {
        self.entries().icmp
    }

    /// Errors that made room before anybody asked for them.
    pub fn dropped(&self) -> u64 {
        self.entries().dropped
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a call is tried again when its error may be an earlier datagram's.
const ATTEMPTS_ALONE: u32 = 3;
const ATTEMPTS_IN_STORM: u32 = 64;

/// Tells whose an error is. An ICMP error left by an earlier datagram is given by whichever call
/// comes next, so that a call is at fault only if it fails again with no such error in between.
#[derive(Default)]
pub struct Retry {
    attempts: u32,
    /// ICMP errors ever taken, at the last attempt.
    reports: u64,
}

impl Retry {
    /// Whether to try the failed call again, what errors there are having been taken from the socket.
    pub fn again(&mut self, errors: &ErrorLog, socket: &UdpSocket) -> bool {
        self.attempts += 1;
        errors.drain(socket);
        // Whoever took them, this thread or another: errors came in since the last try.
        let reports = errors.icmp_errors();
        let has_news = reports != std::mem::replace(&mut self.reports, reports);
        self.attempts < if has_news { ATTEMPTS_IN_STORM } else { ATTEMPTS_ALONE }
    }
}
