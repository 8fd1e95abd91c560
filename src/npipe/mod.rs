//! The named pipe: messages of any size between processes of one host, through a FIFO.
//!
//! A message is a row of packets, which the kernel keeps apart (see [`crate::sys::fifo`]), each with
//! a header that says which message it is of ([`frame`]):
//!
//! ```text
//!   writers                          the FIFO                             readers
//!   A: writers' lock, a message ──▶ [a1 first][a2][a3 last] ──▶ readers' lock, a whole message :C
//!   B: waits for the lock                                           waits for the lock :D
//! ```
//!
//! - The writers' lock keeps messages from mixing, the readers' lock gives each to one reader, whole.
//!   The kernel lets go of both when their process ends.
//! - A reader knows that the message it is in is lost when another begins, or when nothing more comes
//!   and nobody has the writers' lock. One that finds the middle of a message when it is in none
//!   knows that the message was another reader's, who has ended.
//! - A reader has the FIFO open for writing too: it is not told that the last writer has gone, and
//!   keeps what is in the pipe.
//! - No thread of ours is involved.

mod assembly;
pub mod frame;
mod inlet;
mod naps;
mod output;
mod partial;
mod readiness;
mod reading;
mod receiver;
mod row;
mod sender;
#[cfg(test)]
mod tests;
mod waiting;

pub use self::output::Output;

use self::receiver::Receiver;
use self::sender::Sender;
use self::waiting::Stop;
use crate::sys::fifo::{self, Owner};
use crate::sys::poll::Patience;
use crate::sys::Result;
use std::ffi::CString;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::OnceLock;
use std::time::Duration;

/// What a pipe's maker may choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bytes of the longest message.
    pub message_max: u64,
    /// Whether messages are kept apart. Without, each is what one write or read takes.
    pub framed: bool,
    /// Who may own the FIFO.
    pub owner: Owner,
}

impl Default for Config {
    fn default() -> Config {
        Config { message_max: 1 << 30, framed: true, owner: Owner::Own }
    }
}

/// Counts since the pipe was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub sent: u64,
    pub sent_bytes: u64,
    /// Messages for which there was no reader, or that were begun and given up.
    pub unsent: u64,
    pub received: u64,
    pub received_bytes: u64,
    /// Messages that were reported as lost.
    pub lost: u64,
    /// Times that bytes were thrown away which are no message, or one that is too long.
    pub rejected: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    unsent: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
    lost: AtomicU64,
    rejected: AtomicU64,
}

/// What both directions need.
struct Shared {
    path: CString,
    config: Config,
    stop: Stop,
    counters: Counters,
}

/// A named pipe, to send to and to receive from.
///
/// Every method may be called from any thread.
pub struct Pipe {
    shared: Shared,
    sender: Sender,
    receiver: OnceLock<Receiver>,
}

impl Pipe {
    /// Makes the FIFO, unless there is one. It is opened when it is first used.
    ///
    /// Errors: as [`fifo::make`].
    pub fn new(path: CString, config: Config) -> Result<Pipe> {
        fifo::make(&path, config.owner)?;
        let shared = Shared { path, config, stop: Stop::new()?, counters: Counters::default() };
        Ok(Pipe { shared, sender: Sender::default(), receiver: OnceLock::new() })
    }

    /// Sends messages in order; gives how many were sent whole, 0 when there is no reader, or none
    /// any more. Fewer than there are means that the next one is refused, and sending from it on
    /// tells why.
    ///
    /// `timeout`: how long to wait for room in a full pipe, and until other writers have ended their
    /// messages; `None`: for ever. A message once begun is given up when no reader takes anything of
    /// it for as long, but for a second at least.
    ///
    /// Errors, for the first message: `EAGAIN` when no waiting was asked for, `ETIMEDOUT`;
    /// `EMSGSIZE` for one longer than may be; `EINTR` when a signal handler ran during the wait: from
    /// then on a message once begun is given up as soon as no reader takes anything of it for a
    /// second; `ESHUTDOWN` when it was closed meanwhile; `EEXIST`, `EPERM`, `EACCES` for what is at
    /// the path by now; `EMFILE`.
    pub fn send<'a>(
        &self,
        messages: impl Iterator<Item = &'a [u8]>,
        timeout: Option<Duration>,
    ) -> Result<usize> {
        self.sender.send(&self.shared, messages, &Patience::new(timeout))
    }

    /// Whether anybody has the FIFO open for reading. Errors: as [`Pipe::send`].
    pub fn has_reader(&self, timeout: Option<Duration>) -> Result<bool> {
        self.sender.has_reader(&self.shared, &Patience::new(timeout))
    }

    /// Receives whole messages, one after the other, waiting for a first one; from the first call
    /// on this pipe counts as a reader.
    ///
    /// When the time is over in the middle of a message, what has come of it is kept for the next
    /// call, and no other reader is given anything until it is whole.
    ///
    /// Errors, when there is no message: `EAGAIN` when no waiting was asked for, `ETIMEDOUT`;
    /// `EMSGSIZE` when the next one does not fit, `output` then knowing its length; `ECONNABORTED`
    /// when one was lost; `EBADMSG` when something was thrown away; `EINTR`, `ESHUTDOWN`; those of
    /// [`Pipe::send`] for what is at the path; `ENOENT` when its directory has gone.
    pub fn receive(&self, output: &mut Output<'_>, timeout: Option<Duration>) -> Result<()> {
        let received = self.receiver()?.receive(&self.shared, output, &Patience::new(timeout));
        let counters = &self.shared.counters;
        counters.received.fetch_add(output.count() as u64, Relaxed);
        counters.received_bytes.fetch_add(output.used() as u64, Relaxed);
        received
    }

    /// A descriptor that is readable while there is something to receive, or to be told; from the
    /// first call on this pipe counts as a reader. It is valid until the pipe is dropped.
    pub fn fd(&self) -> Result<RawFd> {
        Ok(self.receiver()?.fd())
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.shared.counters;
        Stats {
            sent: counters.sent.load(Relaxed),
            sent_bytes: counters.sent_bytes.load(Relaxed),
            unsent: counters.unsent.load(Relaxed),
            received: counters.received.load(Relaxed),
            received_bytes: counters.received_bytes.load(Relaxed),
            lost: counters.lost.load(Relaxed),
            rejected: counters.rejected.load(Relaxed),
        }
    }

    /// Wakes whoever waits, for good. Descriptors are closed when it is dropped.
    pub fn close(&self) {
        self.shared.stop.set();
    }

    fn receiver(&self) -> Result<&Receiver> {
        if let Some(receiver) = self.receiver.get() {
            return Ok(receiver);
        }
        let fresh = Receiver::new(&self.shared)?;
        // Of two threads that make one, one is kept.
        Ok(self.receiver.get_or_init(|| fresh))
    }
}
