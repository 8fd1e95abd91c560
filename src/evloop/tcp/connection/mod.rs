//! A connection: reading, writing, its limits, and its end.

mod deadlines;
mod reading;
mod writing;

use super::config::CLOSE_TIMEOUT;
use super::{Config, Dial, Reading};
use crate::evloop::core::Core;
use crate::evloop::event::{Event, EventKind};
use crate::evloop::slab::{Id, Slab};
use crate::sys::poller::{Interest, Poller, Ready};
use crate::sys::stream::Stream;
use crate::sys::{Errno, Result};
use deadlines::Deadlines;
use reading::ReadSide;
use std::mem;
use writing::WriteSide;
pub use writing::PARTS;

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
    /// The caller knows of it. Nothing is told of it before.
    is_announced: bool,
    /// The caller has closed it, and what waits is being sent.
    is_closing: bool,
    /// How it ended.
    ended: Option<i32>,
    clock: Deadlines,
    stats: ConnectionStats,
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
            read: ReadSide::new(config, now),
            write: WriteSide::new(config, now),
            is_announced: false,
            is_closing: false,
            ended: None,
            clock: Deadlines::new(config, now),
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
        if let Err(error) = connection.follow(&core.poller) {
            all.remove(id);
            return Err(error);
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
        self.read.is_careful = stream.is_unix();
        self.stream = Some(stream);
        self.clock.connect_at = None;
        (self.clock.active_at, self.clock.progress_at) = (core.now, core.now);
        if let Err(error) = self.follow(&core.poller) {
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

    /// Tells the poller what is not known yet.
    fn expect(&self, core: &Core) {
        if let Some(stream) = &self.stream {
            let wants = self.read.mode != Reading::Off && !self.read.has_ended;
            let interest =
                Interest { readable: wants && !self.read.is_ready, writable: !self.write.is_ready };
            core.poller.expect(stream.raw(), interest);
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
        self.finish_feed();
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

    /// Has the poller watch its socket, if it has one.
    pub fn follow(&self, poller: &Poller) -> Result<()> {
        match &self.stream {
            Some(stream) => poller.follow(stream.raw(), self.id.bits()),
            None => Ok(()),
        }
    }

    /// The caller knows of it now: what comes may be told of.
    pub fn announce(&mut self, core: &mut Core) {
        self.is_announced = true;
        self.offer(core);
    }
}
