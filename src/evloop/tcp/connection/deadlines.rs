//! What a connection does when its time comes: timeouts, rates, the next address to try.

use super::Connection;
use crate::evloop::core::{Core, Subject};
use crate::evloop::slab::Id;
use crate::evloop::tcp::bucket::Bucket;
use crate::evloop::tcp::Config;
use crate::sys::{Errno, Result};

/// When things are to happen, in nanoseconds of the monotonic clock; timeouts of 0 are none.
#[derive(Debug)]
pub(super) struct Deadlines {
    pub(super) timer: Option<Id>,
    /// When the timer is due; never later than what is next.
    pub(super) timer_at: i64,
    pub(super) idle_timeout: i64,
    pub(super) write_timeout: i64,
    pub(super) connect_at: Option<i64>,
    pub(super) read_again_at: Option<i64>,
    pub(super) write_again_at: Option<i64>,
    /// When something was received or sent last.
    pub(super) active_at: i64,
    /// When something was sent last, or began to wait.
    pub(super) progress_at: i64,
}

impl Deadlines {
    pub(super) fn new(config: &Config, now: i64) -> Deadlines {
        Deadlines {
            timer: None,
            timer_at: i64::MAX,
            idle_timeout: config.idle_timeout,
            write_timeout: config.write_timeout,
            connect_at: None,
            read_again_at: None,
            write_again_at: None,
            active_at: now,
            progress_at: now,
        }
    }
}

impl Connection {
    /// What is next of all that has a time.
    fn next_deadline(&self) -> Option<i64> {
        let clock = &self.clock;
        let deadlines = [
            clock.connect_at,
            self.dial.as_ref().and_then(|dial| dial.next_at),
            clock.read_again_at,
            clock.write_again_at,
            self.idle_at(),
            self.stalled_at(),
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
        if is_due(self.stalled_at()) {
            return self.reset(core, timed_out);
        }
        if is_due(self.idle_at()) {
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

    /// When it has been idle for too long.
    fn idle_at(&self) -> Option<i64> {
        let deadline = after(self.clock.active_at, self.clock.idle_timeout);
        deadline.filter(|_| self.stream.is_some())
    }

    /// When nothing has gone out for too long.
    fn stalled_at(&self) -> Option<i64> {
        let deadline = after(self.clock.progress_at, self.clock.write_timeout);
        deadline.filter(|_| self.is_waiting_to_send())
    }

    /// Whether bytes wait because the peer takes none, and not because of a rate.
    pub(super) fn is_waiting_to_send(&self) -> bool {
        let is_held_back = self.clock.write_again_at.is_some();
        self.stream.is_some() && !self.write.waiting.is_empty() && !is_held_back
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
}

/// `None` for a timeout of 0, which is none.
fn after(since: i64, timeout: i64) -> Option<i64> {
    (timeout > 0).then(|| since.saturating_add(timeout))
}
