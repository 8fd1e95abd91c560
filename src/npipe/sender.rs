//! Sending: messages as packets, each message by itself among those of other writers.

use super::row::Row;
use super::waiting::{Looks, Stop};
use super::Shared;
use crate::sys::fifo::{self, Fifo, Lock};
use crate::sys::nap::nap;
use crate::sys::poll::{self, Interest, Patience};
use crate::sys::{clock, poller, Errno, Result};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, TryLockError};

const NO_READER: Errno = Errno(libc::EPIPE);
const FULL: Errno = Errno(libc::EAGAIN);

/// A message of so many bytes is worth a larger pipe.
const LONG: usize = 32 * 1024;

/// How long readers may take nothing of a message before it is given up, at least.
const STALL_MIN: i64 = 1_000_000_000;

/// A pipe's way in.
#[derive(Default)]
pub struct Sender {
    writing: Mutex<Writing>,
}

impl Sender {
    /// See [`super::Pipe::send`].
    pub fn send<'a>(
        &self,
        shared: &Shared,
        messages: impl Iterator<Item = &'a [u8]>,
        patience: &Patience,
    ) -> Result<usize> {
        let mut writing = self.turn(shared, patience)?;
        let (mut sent, mut bytes, mut outcome) = (0, 0, Ok(()));
        for message in messages {
            outcome = writing.send(shared, message, patience);
            if outcome.is_err() {
                break;
            }
            sent += 1;
            bytes += message.len();
        }
        writing.unlock();
        shared.counters.sent.fetch_add(sent as u64, Relaxed);
        shared.counters.sent_bytes.fetch_add(bytes as u64, Relaxed);
        match outcome {
            Err(error) if sent == 0 && error != NO_READER => Err(error),
            _ => Ok(sent),
        }
    }

    /// See [`super::Pipe::has_reader`].
    pub fn has_reader(&self, shared: &Shared, patience: &Patience) -> Result<bool> {
        let mut writing = self.turn(shared, patience)?;
        match writing.reaching(shared, |writing, _| writing.check_reader()) {
            Ok(()) => Ok(true),
            Err(NO_READER) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Threads of this process share a descriptor, and locks on it would keep none of them out.
    fn turn(&self, shared: &Shared, patience: &Patience) -> Result<MutexGuard<'_, Writing>> {
        let mut looks = Looks::default();
        loop {
            shared.stop.check()?;
            match self.writing.try_lock() {
                Ok(writing) => return Ok(writing),
                Err(TryLockError::Poisoned(writing)) => return Ok(writing.into_inner()),
                Err(TryLockError::WouldBlock) => looks.pause(&shared.stop, patience)?,
            }
        }
    }
}

/// What one thread at a time uses.
struct Writing {
    fifo: Option<Fifo>,
    holds_lock: bool,
    has_grown: bool,
    next_id: u64,
}

impl Default for Writing {
    fn default() -> Writing {
        // The keys of a hash map are the standard library's randomness.
        let next_id = RandomState::new().build_hasher().finish();
        Writing { fifo: None, holds_lock: false, has_grown: false, next_id }
    }
}

impl Writing {
    /// Sends one message. The lock stays with this writer for the next one.
    ///
    /// Errors: [`NO_READER`]; as [`super::Pipe::send`].
    fn send(&mut self, shared: &Shared, message: &[u8], patience: &Patience) -> Result<()> {
        let is_too_long = message.len() as u64 > shared.config.message_max;
        if shared.config.framed && is_too_long {
            return Err(Errno(libc::EMSGSIZE));
        }
        let sent = self.reaching(shared, |writing, shared| {
            if message.is_empty() && !shared.config.framed {
                return writing.check_reader();
            }
            writing.write(shared, message, patience)
        });
        if sent == Err(NO_READER) {
            shared.counters.unsent.fetch_add(1, Relaxed);
        }
        sent
    }

    /// Runs `body` with the FIFO open, and once more when that one has no reader any more and
    /// another has been made at its path.
    fn reaching(
        &mut self,
        shared: &Shared,
        mut body: impl FnMut(&mut Writing, &Shared) -> Result<()>,
    ) -> Result<()> {
        self.open(shared)?;
        match body(self, shared) {
            Err(NO_READER) if self.is_replaced(shared) => {
                self.fifo = None;
                (self.holds_lock, self.has_grown) = (false, false);
                self.open(shared)?;
                body(self, shared)
            }
            result => result,
        }
    }

    fn open(&mut self, shared: &Shared) -> Result<()> {
        if self.fifo.is_some() {
            return Ok(());
        }
        let config = &shared.config;
        match Fifo::open_writer(&shared.path, config.owner, config.framed) {
            Ok(fifo) => self.fifo = Some(fifo),
            Err(Errno(libc::ENXIO | libc::ENOENT)) => return Err(NO_READER),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the path names another FIFO by now. A FIFO without a reader is kept open otherwise:
    /// it holds what was sent, for the next one.
    fn is_replaced(&self, shared: &Shared) -> bool {
        let now = fifo::identify(&shared.path);
        self.fifo.as_ref().is_some_and(|fifo| now.is_ok_and(|now| now != fifo.identity()))
    }

    fn fifo(&self) -> Result<&Fifo> {
        self.fifo.as_ref().ok_or(NO_READER)
    }

    fn check_reader(&self) -> Result<()> {
        let nothing = poller::Interest { readable: false, writable: false };
        // Only that there is no reader makes it ready for nothing.
        match poll::is_ready(self.fifo()?.as_fd().as_raw_fd(), nothing) {
            true => Err(NO_READER),
            false => Ok(()),
        }
    }

    /// Writes a message, waiting first for its turn and for room, then for readers to take it.
    fn write(&mut self, shared: &Shared, message: &[u8], patience: &Patience) -> Result<()> {
        if message.len() >= LONG {
            self.grow();
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        let mut row = Row { message, id: shared.config.framed.then_some(id), done: 0 };
        let begun = self.begin(shared, &mut row, patience);
        if begun.is_ok() && row.is_done() {
            return Ok(());
        }
        begun.and_then(|()| self.finish(shared, &mut row, patience)).inspect_err(|_| self.unlock())
    }

    /// Writes as much of a message as there is room for, waiting for room if there is none.
    fn begin(&mut self, shared: &Shared, row: &mut Row<'_>, patience: &Patience) -> Result<()> {
        let mut room = Room::default();
        loop {
            // A message of one packet cannot mix with another's, and may stand between its packets.
            if row.needs_turn() {
                self.lock(&shared.stop, patience)?;
            }
            match row.write(self.fifo()?) {
                Err(FULL) if !self.has_grown => self.grow(),
                Err(FULL) => {
                    // Others may use the time, and the room before this thread does.
                    self.unlock();
                    let left = patience.left()?;
                    room.wait(self.fifo()?, &shared.stop, left)?;
                }
                result => return result,
            }
        }
    }

    /// Writes the rest of a message.
    fn finish(&mut self, shared: &Shared, row: &mut Row<'_>, patience: &Patience) -> Result<()> {
        let fifo = self.fifo()?;
        let mut stall = Stall::new(patience);
        while !row.is_done() {
            let step = match row.write(fifo) {
                Ok(()) => {
                    stall.end();
                    Ok(())
                }
                Err(FULL) => stall.wait(fifo, &shared.stop),
                result => result,
            };
            if let Err(error) = step {
                row.give_up(fifo);
                let given_up = u64::from(error != NO_READER);
                shared.counters.unsent.fetch_add(given_up, Relaxed);
                return Err(error);
            }
        }
        Ok(())
    }

    fn grow(&mut self) {
        if let (Some(fifo), false) = (&self.fifo, self.has_grown) {
            fifo.grow();
        }
        self.has_grown = true;
    }

    fn lock(&mut self, stop: &Stop, patience: &Patience) -> Result<()> {
        let mut looks = Looks::default();
        while !self.holds_lock {
            if self.fifo()?.try_lock(Lock::Writers)? {
                self.holds_lock = true;
            } else {
                self.check_reader()?;
                looks.pause(stop, patience)?;
            }
        }
        Ok(())
    }

    fn unlock(&mut self) {
        if let (Some(fifo), true) = (&self.fifo, self.holds_lock) {
            fifo.unlock(Lock::Writers);
        }
        self.holds_lock = false;
    }
}

/// Waits for room.
#[derive(Default)]
struct Room {
    has_napped: bool,
}

/// How long to nap before a wait: a reader that takes packet after packet would pay for waking this
/// process for each of them, and meanwhile makes room for many.
const NAP: i64 = 50_000;

impl Room {
    /// There was room again.
    fn found(&mut self) {
        self.has_napped = false;
    }

    /// Waits until the pipe may have room, or no reader, at most `nanoseconds`.
    ///
    /// Errors: `ESHUTDOWN`; `EINTR` when a signal handler ran.
    fn wait(&mut self, fifo: &Fifo, stop: &Stop, nanoseconds: i64) -> Result<()> {
        if nanoseconds > NAP && !mem::replace(&mut self.has_napped, true) {
            nap(stop.borrow(), NAP)?;
        } else {
            let wanted = [(fifo.as_fd(), Interest::Writable), (stop.borrow(), Interest::Readable)];
            poll::wait(&wanted, poll::timeout_ms(nanoseconds))?;
        }
        stop.check()
    }
}

/// How long readers have taken nothing of a message.
struct Stall {
    /// How long they may.
    most: i64,
    since: Option<i64>,
    was_interrupted: bool,
    room: Room,
}

impl Stall {
    fn new(patience: &Patience) -> Stall {
        let most = patience.whole().unwrap_or(i64::MAX).max(STALL_MIN);
        Stall { most, since: None, was_interrupted: false, room: Room::default() }
    }

    /// They have taken something. What a signal has changed stays: whoever sent it waits for the
    /// program, which cannot go on before this message is sent or given up.
    fn end(&mut self) {
        self.since = None;
        self.room.found();
    }

    /// Waits until they take something.
    ///
    /// Errors: `ETIMEDOUT` when they took nothing for too long, `EINTR` when a signal handler ran and
    /// they took nothing for a second after it; `ESHUTDOWN`.
    fn wait(&mut self, fifo: &Fifo, stop: &Stop) -> Result<()> {
        let now = clock::monotonic();
        let since = *self.since.get_or_insert(now);
        let left = match self.most {
            i64::MAX => i64::MAX,
            most => since.saturating_add(most) - now,
        };
        if left <= 0 {
            let error = if self.was_interrupted { libc::EINTR } else { libc::ETIMEDOUT };
            return Err(Errno(error));
        }
        match self.room.wait(fifo, stop, left) {
            // A message cut off for a timer's signal would be lost for nothing.
            Err(Errno(libc::EINTR)) => {
                if !self.was_interrupted {
                    self.since = Some(clock::monotonic());
                }
                self.was_interrupted = true;
                self.most = STALL_MIN;
                Ok(())
            }
            result => result,
        }
    }
}
