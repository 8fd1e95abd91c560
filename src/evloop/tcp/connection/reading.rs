//! What a connection receives.

use super::Connection;
use crate::evloop::core::Core;
use crate::evloop::event::EventKind;
use crate::evloop::tcp::bucket::Bucket;
use crate::evloop::tcp::{Config, Reading};
use crate::sink::{self, Sink};
use crate::sys::addr::Addr;
use crate::sys::{Errno, Result};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct ReadSide {
    pub(super) mode: Reading,
    /// There may be something to read: so the poller said, and no read has found otherwise.
    pub(super) is_ready: bool,
    /// A read that brings less than asked for does not prove that nothing is left.
    pub(super) is_careful: bool,
    /// It stands in the list of connections to be read.
    pub(super) is_queued: bool,
    /// The caller was told that something is there.
    pub(super) is_noticed: bool,
    /// The peer has said that no more will come.
    pub(super) has_ended: bool,
    pub(super) most: usize,
    pub(super) bucket: Option<Box<Bucket>>,
    /// Who gets what is read, instead of the caller.
    pub(super) fed: Option<Box<Fed>>,
}

#[derive(Debug)]
pub(super) struct Fed {
    sink: Arc<dyn Sink>,
    from: Option<Addr>,
}

/// What waits in the socket is read and thrown away before a close, up to so many bytes: the kernel
/// would reset the connection otherwise, and what we sent last might be lost on the peer's side.
const DISCARD_MAX: usize = 1024 * 1024;

impl ReadSide {
    pub(super) fn new(config: &Config, now: i64) -> ReadSide {
        ReadSide {
            mode: config.reading,
            is_ready: false,
            is_careful: false,
            is_queued: false,
            is_noticed: false,
            has_ended: false,
            most: config.recv_size,
            bucket: Bucket::new(config.read_rate, now),
            fed: None,
        }
    }
}

impl Connection {
    /// Sees to it that what is there to read is read, or told of.
    pub(super) fn offer(&mut self, core: &mut Core) {
        let is_free = self.clock.read_again_at.is_none() && !self.read.has_ended;
        if !self.read.is_ready || !is_free || !self.is_announced || self.ended.is_some() {
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
            self.finish_feed();
            core.push(EventKind::Eof, self.id, self.user);
            self.finish_if_over(core);
        }
        self.offer(core);
        self.expect(core);
        taken.unwrap_or(0)
    }

    /// Has `sink` get what is read from now on, until it has ended.
    ///
    /// Errors: `EALREADY` when another does; `ENOTCONN`; `EBADF`; how it ended.
    pub fn feed(&mut self, core: &mut Core, sink: Arc<dyn Sink>) -> Result<()> {
        self.check()?;
        let from = self.stream()?.remote()?;
        sink::check_free(self.read.fed.as_ref().map(|fed| &fed.sink))?;
        self.read.fed = Some(Box::new(Fed { sink, from }));
        if self.read.has_ended {
            self.finish_feed();
        }
        self.set_reading(core, Reading::Data)
    }

    /// Whether what was read has gone where the caller wants it, and is not to be told of.
    pub fn is_fed(&mut self, piece: &[u8]) -> bool {
        let Some(fed) = &self.read.fed else { return false };
        let is_taken = fed.sink.take(fed.from, piece);
        if !is_taken {
            self.read.fed = None;
        }
        is_taken
    }

    /// No more will come.
    pub(super) fn finish_feed(&mut self) {
        if let Some(fed) = self.read.fed.take() {
            fed.sink.finish();
        }
    }

    /// Reads what is there for a caller who does so by itself; 0: no more will come.
    pub fn take_now(&mut self, core: &mut Core, room: &mut [u8]) -> Result<usize> {
        self.check()?;
        self.stream()?;
        if self.read.has_ended {
            return Ok(0);
        }
        self.read.is_noticed = false;
        let taken = self.take(core, room);
        if taken == Ok(0) {
            self.finish_feed();
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

    /// Whether the caller has been told that something is there, and has not read since.
    pub fn is_noticed(&self) -> bool {
        self.read.is_noticed && !self.is_closing
    }

    pub fn set_reading(&mut self, core: &mut Core, mode: Reading) -> Result<()> {
        self.check()?;
        self.read.mode = mode;
        self.read.is_noticed = false;
        self.offer(core);
        self.expect(core);
        Ok(())
    }

    pub(super) fn discard(&self) {
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
}
