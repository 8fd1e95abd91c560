//! What a connection sends.

use super::Connection;
use crate::evloop::core::Core;
use crate::evloop::event::EventKind;
use crate::evloop::tcp::bucket::Bucket;
use crate::evloop::tcp::{Config, Watermarks};
use crate::sys::{Errno, Result};
use std::collections::VecDeque;
use std::io::IoSlice;

#[derive(Debug)]
pub(super) struct WriteSide {
    pub(super) waiting: VecDeque<u8>,
    /// The kernel may have room.
    pub(super) is_ready: bool,
    pub(super) watermarks: Watermarks,
    /// The caller is to be told when little waits.
    pub(super) owes_drained: bool,
    /// The caller sends no more.
    pub(super) is_shut: bool,
    /// The peer has been told so.
    pub(super) is_over: bool,
    /// Why nothing can be sent any more, though there may be something to read.
    pub(super) failed: Option<Errno>,
    /// The last batch of messages of which one was refused, and why.
    pub(super) refused: (u64, Errno),
    pub(super) bucket: Option<Box<Bucket>>,
}

/// Capacity above which an emptied buffer is given back.
const WORTH_KEEPING: usize = 64 * 1024;

/// How long to wait when the kernel has no memory for what is to be sent.
const NO_MEMORY_REST: i64 = 10_000_000;

/// Parts that one call hands to the kernel.
pub const PARTS: usize = 64;

impl WriteSide {
    pub(super) fn new(config: &Config, now: i64) -> WriteSide {
        WriteSide {
            waiting: VecDeque::new(),
            is_ready: true,
            watermarks: config.watermarks,
            owes_drained: false,
            is_shut: false,
            is_over: false,
            failed: None,
            refused: (0, Errno(0)),
            bucket: Bucket::new(config.write_rate, now),
        }
    }
}

impl Connection {
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
    pub(super) fn flush(&mut self, core: &mut Core) {
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

    pub(super) fn say_over(&mut self, core: &mut Core) {
        let Some(stream) = &self.stream else { return };
        if self.write.is_shut && !self.write.is_over {
            self.write.is_over = true;
            stream.shutdown_write();
            self.finish_if_over(core);
        }
    }

    pub fn set_watermarks(&mut self, core: &mut Core, watermarks: Watermarks) -> Result<()> {
        self.check()?;
        self.write.watermarks = watermarks;
        self.write.owes_drained |= self.write.waiting.len() > watermarks.high;
        self.sent_some(core);
        Ok(())
    }
}
