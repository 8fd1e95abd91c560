//! A connection: reading, writing, its limits, and its end.

use super::bucket::Bucket;
use super::config::CLOSE_TIMEOUT;
use super::{Config, Dial, Reading, Watermarks};
use crate::evloop::core::{Core, Subject};
use crate::evloop::event::{Event, EventKind};
use crate::evloop::slab::{Id, Slab};
use crate::sys::poller::{Interest, Ready};
use crate::sys::stream::Stream;
use crate::sys::{Errno, Result};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

#[derive(Debug)]
pub struct Connection {
    pub id: Id,
    pub user: u64,
    /// While it is being connected.
    pub dial: Option<Box<Dial>>,
    /// None before it is connected, and after its end.
    stream: Option<Stream>,
    /// Closing waits for the peer, as the caller has set it (SO_LINGER).
    lingers: bool,
    /// Closing resets the connection.
    resets: bool,
    read: ReadSide,
    write: WriteSide,
    /// The caller has closed it, and what waits is being sent.
    is_closing: bool,
    /// How it ended.
    ended: Option<i32>,
    clock: Deadlines,
    stats: ConnectionStats,
}

#[derive(Debug)]
struct ReadSide {
    mode: Reading,
    /// There may be something to read: so the poller said, and no read has found otherwise.
    is_ready: bool,
    /// A read that brings less than asked for does not prove that nothing is left.
    is_careful: bool,
    /// It stands in the list of connections to be read.
    is_queued: bool,
    /// The caller was told that something is there.
    is_noticed: bool,
    /// The peer has said that no more will come.
    has_ended: bool,
    most: usize,
    bucket: Option<Box<Bucket>>,
}

#[derive(Debug)]
struct WriteSide {
    waiting: VecDeque<u8>,
    /// The kernel may have room.
    is_ready: bool,
    watermarks: Watermarks,
    /// The caller is to be told when little waits.
    owes_drained: bool,
    /// The caller sends no more.
    is_shut: bool,
    /// The peer has been told so.
    is_over: bool,
    /// Why nothing can be sent any more, though there may be something to read.
    failed: Option<Errno>,
    /// The last batch of messages of which one was refused, and why.
    refused: (u64, Errno),
    bucket: Option<Box<Bucket>>,
}

/// When things are to happen, in nanoseconds of the monotonic clock; timeouts of 0 are none.
#[derive(Debug)]
struct Deadlines {
    timer: Option<Id>,
    /// When the timer is due; never later than what is next.
    timer_at: i64,
    idle_timeout: i64,
    write_timeout: i64,
    connect_at: Option<i64>,
    read_again_at: Option<i64>,
    write_again_at: Option<i64>,
    /// When something was received or sent last.
    active_at: i64,
    /// When something was sent last, or began to wait.
    progress_at: i64,
}

/// Counts of one connection.
#[derive(Clone, Copy, Default, Debug)]
pub struct ConnectionStats {
    /// Reads that brought something.
    pub received: u64,
    pub received_bytes: u64,
    /// Messages taken from the caller.
    pub sent: u64,
    /// Bytes that the kernel has taken.
    pub sent_bytes: u64,
    /// Bytes that wait.
    pub waiting: u64,
}

/// Capacity above which an emptied buffer is given back.
const WORTH_KEEPING: usize = 64 * 1024;

/// What waits in the socket is read and thrown away before a close, up to so many bytes: the kernel
/// would reset the connection otherwise, and what we sent last might be lost on the peer's side.
const DISCARD_MAX: usize = 1024 * 1024;

/// How long to wait when the kernel has no memory for what is to be sent.
const NO_MEMORY_REST: i64 = 10_000_000;

/// Parts that one call hands to the kernel.
pub const PARTS: usize = 64;

impl Connection {
    /// One whose stream there is already.
    pub fn open(stream: Stream, config: &Config, user: u64, now: i64) -> Box<Connection> {
        let mut connection = Connection::new(config, user, now);
        connection.read.is_careful = stream.is_unix();
        connection.stream = Some(stream);
        connection
    }

    /// One that is to be connected.
    pub fn dialing(config: &Config, user: u64, now: i64) -> Box<Connection> {
        let mut connection = Connection::new(config, user, now);
        connection.dial = Some(Box::new(Dial::new(&config.options)));
        connection.clock.connect_at = Some(now.saturating_add(config.connect_timeout));
        connection
    }

    fn new(config: &Config, user: u64, now: i64) -> Box<Connection> {
        Box::new(Connection {
            id: Id::from_bits(0),
            user,
            dial: None,
            stream: None,
            lingers: config.options.linger_s.is_some_and(|seconds| seconds > 0),
            resets: config.options.linger_s == Some(0),
            read: ReadSide {
                mode: config.reading,
                is_ready: false,
                is_careful: false,
                is_queued: false,
                is_noticed: false,
                has_ended: false,
                most: config.recv_size,
                bucket: Bucket::new(config.read_rate, now),
            },
            write: WriteSide {
                waiting: VecDeque::new(),
                is_ready: true,
                watermarks: config.watermarks,
                owes_drained: false,
                is_shut: false,
                is_over: false,
                failed: None,
                refused: (0, Errno(0)),
                bucket: Bucket::new(config.write_rate, now),
            },
            is_closing: false,
            ended: None,
            clock: Deadlines {
                timer: None,
                timer_at: i64::MAX,
                idle_timeout: config.idle_timeout,
                write_timeout: config.write_timeout,
                connect_at: None,
                read_again_at: None,
                write_again_at: None,
                active_at: now,
                progress_at: now,
            },
            stats: ConnectionStats::default(),
        })
    }

    /// Makes it one of the loop's.
    ///
    /// Errors: `EMFILE`, `ENOSPC`, `ENOMEM` when there is no room for it.
    pub fn enter(
        connection: Box<Connection>,
        core: &mut Core,
        all: &mut Slab<Box<Connection>>,
    ) -> Result<Id> {
        debug_assert_eq!(connection.id.kind(), None);
        let id = all.insert(connection)?;
        let Some(connection) = all.get_mut(id) else { return Err(Errno(libc::EBADF)) };
        connection.id = id;
        if let Some(stream) = &connection.stream {
            if let Err(error) = core.poller.follow(stream.raw(), id.bits()) {
                all.remove(id);
                return Err(error);
            }
        }
        connection.arm(core);
        Ok(id)
    }

    /// Whether it is the caller's to use.
    ///
    /// Errors: `EBADF` once it is closed; how it ended otherwise.
    pub fn check(&self) -> Result<()> {
        match self.ended {
            _ if self.is_closing => Err(Errno(libc::EBADF)),
            None => Ok(()),
            Some(0) => Err(Errno(libc::EPIPE)),
            Some(error) => Err(Errno(error)),
        }
    }

    /// Whether the caller has ended it.
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Whether the caller has been told that something is there, and has not read since.
    pub fn is_noticed(&self) -> bool {
        self.read.is_noticed && !self.is_closing
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Errors: `ENOTCONN` before it is connected.
    pub fn stream(&self) -> Result<&Stream> {
        self.stream.as_ref().ok_or(Errno(libc::ENOTCONN))
    }

    pub fn stats(&self) -> ConnectionStats {
        ConnectionStats { waiting: self.write.waiting.len() as u64, ..self.stats }
    }

    /// The dial has come to its aim.
    pub fn connected(&mut self, core: &mut Core, stream: Stream) {
        if let Some(mut dial) = self.dial.take() {
            dial.abandon(self.id, core);
        }
        let followed = core.poller.follow(stream.raw(), self.id.bits());
        self.read.is_careful = stream.is_unix();
        self.stream = Some(stream);
        self.clock.connect_at = None;
        (self.clock.active_at, self.clock.progress_at) = (core.now, core.now);
        if let Err(error) = followed {
            return self.end(core, error.0);
        }
        core.stats.connected += 1;
        if !self.is_closing {
            core.push(EventKind::Connected, self.id, self.user);
        }
        self.flush(core);
        if self.write.waiting.is_empty() {
            self.say_over(core);
        }
        self.arm(core);
    }

    /// Something was reported of its socket.
    pub fn on_ready(&mut self, core: &mut Core, ready: Ready) {
        self.read.is_careful |= ready.ended || ready.urgent;
        if ready.readable {
            self.read.is_ready = true;
            self.offer(core);
        }
        if ready.writable && !self.write.is_ready {
            self.write.is_ready = true;
            self.flush(core);
        }
        if ready.failed && (self.read.mode == Reading::Off || self.read.has_ended) {
            // No read will find it out.
            if let Some(error) = self.stream.as_ref().and_then(Stream::take_error) {
                self.fail(core, error);
            }
        }
        self.expect(core);
    }

    /// Sees to it that what is there to read is read, or told of.
    fn offer(&mut self, core: &mut Core) {
        let is_free = self.clock.read_again_at.is_none() && !self.read.has_ended;
        if !self.read.is_ready || !is_free || self.ended.is_some() {
            return;
        }
        let is_wanted = match self.read.mode {
            Reading::Data => true,
            Reading::Notice => !self.read.is_noticed,
            Reading::Off => false,
        };
        if is_wanted && !self.read.is_queued {
            self.read.is_queued = true;
            core.readable.push_back(self.id);
        }
    }

    /// Tells the poller what is not known yet.
    fn expect(&self, core: &Core) {
        if let Some(stream) = &self.stream {
            let wants = self.read.mode != Reading::Off && !self.read.has_ended;
            let interest =
                Interest { readable: wants && !self.read.is_ready, writable: !self.write.is_ready };
            core.poller.expect(stream.raw(), interest);
        }
    }

    /// Its turn in the list of those to be read has come: reads into `room`, or tells the caller
    /// that it may. Gives the bytes to be told of, 0 for none.
    #[inline]
    pub fn take_turn(&mut self, core: &mut Core, room: &mut [u8]) -> usize {
        self.read.is_queued = false;
        if !self.read.is_ready || self.ended.is_some() || self.read.has_ended {
            return 0;
        }
        match self.read.mode {
            Reading::Data => {}
            Reading::Notice => {
                self.read.is_noticed = true;
                core.push(EventKind::Readable, self.id, self.user);
                return 0;
            }
            Reading::Off => return 0,
        }
        let taken = self.take(core, room);
        if taken == Ok(0) {
            core.push(EventKind::Eof, self.id, self.user);
            self.finish_if_over(core);
        }
        self.offer(core);
        self.expect(core);
        taken.unwrap_or(0)
    }

    /// [`Self::take`] for a caller who reads by itself.
    pub fn take_now(&mut self, core: &mut Core, room: &mut [u8]) -> Result<usize> {
        self.check()?;
        self.stream()?;
        if self.read.has_ended {
            return Ok(0);
        }
        self.read.is_noticed = false;
        let taken = self.take(core, room);
        if taken == Ok(0) {
            self.finish_if_over(core);
        }
        self.offer(core);
        self.expect(core);
        taken
    }

    /// Reads what is there into `room`; 0: the peer has said that no more will come.
    ///
    /// Errors: `EAGAIN`; what has ended the connection.
    fn take(&mut self, core: &mut Core, room: &mut [u8]) -> Result<usize> {
        let size = self.allowance(core, room.len())?;
        let stream = self.stream.as_ref().ok_or(Errno(libc::ENOTCONN))?;
        match stream.recv(&mut room[..size]) {
            Ok(0) => match self.write.failed {
                // A connection that was reset reads like one that ended in order, once the error
                // has been taken by a write.
                Some(error) if error != Errno(libc::EPIPE) => {
                    self.end(core, error.0);
                    Err(error)
                }
                _ => {
                    self.read.has_ended = true;
                    Ok(0)
                }
            },
            Ok(count) => {
                self.read.is_ready = count == size || self.read.is_careful;
                self.clock.active_at = core.now;
                self.stats.received += 1;
                self.stats.received_bytes += count as u64;
                core.stats.received_bytes += count as u64;
                if let Some(bucket) = &mut self.read.bucket {
                    bucket.take(count);
                }
                Ok(count)
            }
            Err(Errno(libc::EAGAIN)) => {
                self.read.is_ready = false;
                match self.write.failed {
                    // All that had come before the writing failed has been read.
                    Some(error) => {
                        self.end(core, error.0);
                        Err(error)
                    }
                    None => Err(Errno(libc::EAGAIN)),
                }
            }
            Err(error) => {
                self.end(core, error.0);
                Err(error)
            }
        }
    }

    /// How much may be read now, of `room` bytes. Errors: `EAGAIN` when the rate allows nothing.
    fn allowance(&mut self, core: &mut Core, room: usize) -> Result<usize> {
        let size = room.min(self.read.most);
        let Some(bucket) = &mut self.read.bucket else { return Ok(size) };
        match bucket.available(core.now) {
            Ok(allowed) => Ok(size.min(allowed)),
            Err(again_at) => {
                self.clock.read_again_at = Some(again_at);
                self.arm(core);
                Err(Errno(libc::EAGAIN))
            }
        }
    }

    /// Sends `parts`, or keeps what does not go out now; all of them or none. Gives how many bytes
    /// wait afterwards.
    ///
    /// Errors: `EAGAIN` when more would wait than may; what has ended the connection; `EBADF`,
    /// `EPIPE` when the caller itself has.
    pub fn send(&mut self, core: &mut Core, parts: &[IoSlice<'_>], total: usize) -> Result<usize> {
        self.check_sending()?;
        let waiting = self.write.waiting.len();
        if waiting > 0 && waiting.saturating_add(total) > self.write.watermarks.limit {
            self.write.owes_drained = true;
            return Err(Errno(libc::EAGAIN));
        }
        if self.has_clock() {
            core.look_at_clock();
        }
        self.stats.sent += parts.len() as u64;
        let is_direct = waiting == 0 && self.write.is_ready && self.write.bucket.is_none();
        let mut sent = 0;
        if let (true, Some(stream)) = (is_direct, &self.stream) {
            let outcome = match parts {
                [one] => stream.send(one),
                _ => stream.send_vectored(parts),
            };
            sent = self.account(core, outcome, total)?;
        }
        if sent < total {
            self.keep(core, parts, sent);
            if self.write.bucket.is_some() {
                self.flush(core);
            }
            self.arm(core);
            self.expect(core);
        }
        Ok(self.write.waiting.len())
    }

    /// How many bytes may be joined to one call of [`Self::send`]; 0 when not even the first `len`.
    pub fn room_for(&self, len: usize) -> usize {
        let waiting = self.write.waiting.len();
        let room = self.write.watermarks.limit.saturating_sub(waiting);
        if waiting == 0 {
            room.max(len)
        } else {
            room
        }
    }

    /// Notes that a message of a batch was refused.
    pub fn refuse(&mut self, batch: u64, error: Errno) {
        self.write.refused = (batch, error);
    }

    /// Why a message of this batch was refused, if one was.
    pub fn refused_in(&self, batch: u64) -> Option<Errno> {
        Some(self.write.refused.1).filter(|_| self.write.refused.0 == batch)
    }

    fn check_sending(&self) -> Result<()> {
        self.check()?;
        match self.write.failed {
            Some(error) => Err(error),
            None if self.write.is_shut => Err(Errno(libc::EPIPE)),
            None => Ok(()),
        }
    }

    fn has_clock(&self) -> bool {
        let clock = &self.clock;
        clock.idle_timeout != 0 || clock.write_timeout != 0 || self.write.bucket.is_some()
    }

    /// Keeps all of `parts` but the first `sent` bytes.
    fn keep(&mut self, core: &Core, parts: &[IoSlice<'_>], sent: usize) {
        if self.write.waiting.is_empty() {
            self.clock.progress_at = core.now;
        }
        let mut skipped = 0;
        for part in parts {
            let skip = (sent - skipped).min(part.len());
            skipped += skip;
            self.write.waiting.extend(&part[skip..]);
        }
        self.write.owes_drained |= self.write.waiting.len() > self.write.watermarks.high;
    }

    /// Sends of what waits as much as goes.
    fn flush(&mut self, core: &mut Core) {
        while self.write.is_ready && self.is_waiting_to_send() {
            let Some(stream) = &self.stream else { return };
            let mut allowed = self.write.waiting.len();
            if let Some(bucket) = &mut self.write.bucket {
                match bucket.available(core.now) {
                    Ok(bytes) => allowed = allowed.min(bytes),
                    Err(again_at) => {
                        self.clock.write_again_at = Some(again_at);
                        return self.arm(core);
                    }
                }
            }
            let (first, second) = self.write.waiting.as_slices();
            let first = &first[..first.len().min(allowed)];
            let second = &second[..allowed - first.len()];
            let outcome = stream.send_vectored(&[IoSlice::new(first), IoSlice::new(second)]);
            match self.account(core, outcome, allowed) {
                Ok(sent) => drop(self.write.waiting.drain(..sent)),
                Err(_) => return,
            }
            self.sent_some(core);
        }
    }

    /// Notes how handing `total` bytes to the kernel went; gives how many it took.
    fn account(&mut self, core: &mut Core, outcome: Result<usize>, total: usize) -> Result<usize> {
        match outcome {
            Ok(sent) => {
                self.write.is_ready = sent == total;
                (self.clock.active_at, self.clock.progress_at) = (core.now, core.now);
                self.stats.sent_bytes += sent as u64;
                core.stats.sent_bytes += sent as u64;
                if let Some(bucket) = &mut self.write.bucket {
                    bucket.take(sent);
                }
                Ok(sent)
            }
            Err(Errno(libc::EAGAIN)) => {
                self.write.is_ready = false;
                Ok(0)
            }
            Err(Errno(libc::ENOBUFS | libc::ENOMEM)) => {
                // Nothing will report when there is some again.
                self.write.is_ready = false;
                self.clock.write_again_at = Some(core.now + NO_MEMORY_REST);
                self.arm(core);
                Ok(0)
            }
            Err(error) => {
                self.fail(core, error);
                Err(error)
            }
        }
    }

    /// Nothing can be sent any more: what the peer sent before is still read, when the caller wants
    /// to.
    fn fail(&mut self, core: &mut Core, error: Errno) {
        let has_more = match self.read.mode {
            _ if self.read.has_ended || self.is_closing => false,
            Reading::Data => true,
            Reading::Notice | Reading::Off => self.stream.as_ref().is_some_and(Stream::has_unread),
        };
        if !has_more {
            return self.end(core, error.0);
        }
        self.write.failed = Some(error);
        self.read.is_ready = true;
        self.read.is_careful = true;
        self.offer(core);
    }

    /// What follows when less waits than before.
    fn sent_some(&mut self, core: &mut Core) {
        let waiting = self.write.waiting.len();
        if self.write.owes_drained && waiting <= self.write.watermarks.low {
            self.write.owes_drained = false;
            if !self.is_closing {
                core.push(EventKind::Drained, self.id, self.user);
            }
        }
        if waiting == 0 {
            if self.write.waiting.capacity() > WORTH_KEEPING {
                self.write.waiting = VecDeque::new();
            }
            self.say_over(core);
            if self.is_closing {
                self.end_orderly(core);
            }
        }
    }

    /// Sends no more after what waits.
    pub fn shutdown_write(&mut self, core: &mut Core) -> Result<()> {
        self.check_sending()?;
        self.write.is_shut = true;
        if self.write.waiting.is_empty() {
            self.say_over(core);
        }
        Ok(())
    }

    fn say_over(&mut self, core: &mut Core) {
        let Some(stream) = &self.stream else { return };
        if self.write.is_shut && !self.write.is_over {
            self.write.is_over = true;
            stream.shutdown_write();
            self.finish_if_over(core);
        }
    }

    /// Ends it when both sides have said that they send no more.
    fn finish_if_over(&mut self, core: &mut Core) {
        if let (true, Some(error)) = (self.read.has_ended, self.write.failed) {
            self.end(core, error.0);
        } else if self.read.has_ended && self.write.is_over {
            self.end(core, 0);
        }
    }

    /// Ends it after what waits is sent.
    pub fn close(&mut self, core: &mut Core) {
        self.is_closing = true;
        self.read.mode = Reading::Off;
        if self.ended.is_some() {
            return;
        }
        if let Some(error) = self.write.failed {
            return self.end(core, error.0);
        }
        if self.write.waiting.is_empty() {
            return self.end_orderly(core);
        }
        if self.clock.write_timeout == 0 {
            self.clock.write_timeout = CLOSE_TIMEOUT;
            self.clock.progress_at = core.now;
        }
        self.arm(core);
        self.expect(core);
    }

    fn end_orderly(&mut self, core: &mut Core) {
        if !self.resets {
            self.discard();
        }
        self.end(core, 0);
    }

    fn discard(&self) {
        let Some(stream) = &self.stream else { return };
        let mut trash = [0; 16 * 1024];
        let mut discarded = 0;
        while let Ok(count @ 1..) = stream.recv(&mut trash) {
            discarded += count;
            if discarded > DISCARD_MAX {
                return;
            }
        }
    }

    /// Ends it at once, as the caller wishes.
    pub fn abort(&mut self, core: &mut Core) {
        self.is_closing = true;
        self.reset(core, libc::ECONNABORTED);
    }

    /// Ends it at once, with a reset; what waits is lost, and told of.
    pub fn reset(&mut self, core: &mut Core, error: i32) {
        self.resets = true;
        self.end(core, error);
    }

    /// Ends it as it is, and tells the caller.
    pub fn end(&mut self, core: &mut Core, error: i32) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(error);
        self.let_go(core);
        let unsent = mem::take(&mut self.write.waiting).len();
        core.stats.closed += 1;
        core.stats.unsent_bytes += unsent as u64;
        let mut event = Event::new(EventKind::Closed, Some(self.id), self.user);
        event.error = error;
        event.len = unsent;
        core.events.push_back(event);
    }

    /// Gives up its socket and its timer.
    pub fn let_go(&mut self, core: &mut Core) {
        if let Some(mut dial) = self.dial.take() {
            dial.abandon(self.id, core);
        }
        if let Some(stream) = self.stream.take() {
            core.poller.remove(stream.raw(), self.id.bits());
            self.release(stream);
        }
        if let Some(timer) = self.clock.timer.take() {
            core.timers.remove(timer);
        }
    }

    fn release(&self, stream: Stream) {
        // Others may have the socket too: who gave it to us, a forked child.
        if self.resets {
            stream.reset();
        } else {
            stream.shutdown();
        }
        if self.lingers && !self.resets {
            // Closing it blocks for as long as it lingers. Without a thread it blocks here.
            let close = move || drop(stream);
            let _ = crate::sys::thread::spawn("linger".to_string(), close);
        }
    }

    pub fn set_reading(&mut self, core: &mut Core, mode: Reading) -> Result<()> {
        self.check()?;
        self.read.mode = mode;
        self.read.is_noticed = false;
        self.offer(core);
        self.expect(core);
        Ok(())
    }

    pub fn set_rate(&mut self, core: &mut Core, read: u64, write: u64) -> Result<()> {
        self.check()?;
        core.look_at_clock();
        self.read.bucket = Bucket::new(read, core.now);
        self.write.bucket = Bucket::new(write, core.now);
        (self.clock.read_again_at, self.clock.write_again_at) = (None, None);
        self.write.is_ready = true;
        self.offer(core);
        self.flush(core);
        Ok(())
    }

    pub fn set_watermarks(&mut self, core: &mut Core, watermarks: Watermarks) -> Result<()> {
        self.check()?;
        self.write.watermarks = watermarks;
        self.write.owes_drained |= self.write.waiting.len() > watermarks.high;
        self.sent_some(core);
        Ok(())
    }

    /// In nanoseconds; 0: none.
    pub fn set_timeouts(&mut self, core: &mut Core, idle: i64, write: i64) -> Result<()> {
        self.check()?;
        core.look_at_clock();
        self.clock.idle_timeout = idle;
        self.clock.write_timeout = write;
        (self.clock.active_at, self.clock.progress_at) = (core.now, core.now);
        self.arm(core);
        Ok(())
    }

    /// What is next of all that has a time.
    fn next_deadline(&self) -> Option<i64> {
        let clock = &self.clock;
        let after = |since: i64, timeout: i64| (timeout > 0).then(|| since.saturating_add(timeout));
        let is_open = self.stream.is_some();
        let waits = self.is_waiting_to_send();
        let deadlines = [
            clock.connect_at,
            self.dial.as_ref().and_then(|dial| dial.next_at),
            clock.read_again_at,
            clock.write_again_at,
            after(clock.active_at, clock.idle_timeout).filter(|_| is_open),
            after(clock.progress_at, clock.write_timeout).filter(|_| waits),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Has the timer be due in time for the next deadline. It is not put off when deadlines are:
    /// most are, with every byte, and one look more when it is due costs less.
    pub fn arm(&mut self, core: &mut Core) {
        let Some(next) = self.next_deadline().filter(|_| self.ended.is_none()) else { return };
        if next >= self.clock.timer_at {
            return;
        }
        self.clock.timer_at = next;
        match self.clock.timer {
            Some(timer) => {
                core.timers.again(timer, next);
            }
            None => {
                let subject = Subject::Connection(self.id);
                self.clock.timer = core.timers.add(next, 0, subject).ok();
            }
        }
    }

    /// Its timer was due.
    pub fn on_timer(&mut self, core: &mut Core) {
        self.clock.timer_at = i64::MAX;
        let now = core.now;
        let is_due = |time: Option<i64>| time.is_some_and(|time| time <= now);
        let timed_out = Errno(libc::ETIMEDOUT).0;
        if is_due(self.clock.connect_at) {
            return self.end(core, timed_out);
        }
        if self.has_stalled(now) {
            return self.reset(core, timed_out);
        }
        if self.is_idle(now) {
            return self.end(core, timed_out);
        }
        if is_due(self.clock.read_again_at) {
            self.clock.read_again_at = None;
            self.offer(core);
        }
        if is_due(self.clock.write_again_at) {
            self.clock.write_again_at = None;
            self.clock.progress_at = now;
            self.write.is_ready = true;
            self.flush(core);
        }
        if self.dial.as_ref().is_some_and(|dial| is_due(dial.next_at)) {
            self.dial_next(core);
        }
        self.expect(core);
        self.arm(core);
    }

    fn dial_next(&mut self, core: &mut Core) {
        if let Some(dial) = &mut self.dial {
            let next = dial.try_next(self.id, core);
            self.dial_on(core, next);
        }
    }

    fn has_stalled(&self, now: i64) -> bool {
        let timeout = self.clock.write_timeout;
        timeout > 0
            && self.is_waiting_to_send()
            && now >= self.clock.progress_at.saturating_add(timeout)
    }

    /// Whether bytes wait because the peer takes none, and not because of a rate.
    fn is_waiting_to_send(&self) -> bool {
        let is_held_back = self.clock.write_again_at.is_some();
        self.stream.is_some() && !self.write.waiting.is_empty() && !is_held_back
    }

    fn is_idle(&self, now: i64) -> bool {
        let timeout = self.clock.idle_timeout;
        let is_open = self.stream.is_some();
        timeout > 0 && is_open && now >= self.clock.active_at.saturating_add(timeout)
    }

    /// Watches its socket anew, as the poller has forgotten all.
    pub fn follow_again(&mut self, core: &mut Core) {
        if let Some(stream) = &self.stream {
            if let Err(error) = core.poller.follow(stream.raw(), self.id.bits()) {
                self.end(core, error.0);
            }
        }
    }
}
