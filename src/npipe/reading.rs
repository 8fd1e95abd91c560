//! Reading: one's turn among readers, and what to do when the pipe is empty.

use super::assembly::{Assembly, TOO_LONG};
use super::inlet::Inlet;
use super::output::Output;
use super::partial::LOOK_FIRST;
use super::readiness::Readiness;
use super::Shared;
use crate::sys::fifo::Lock;
use crate::sys::poll::{self, Interest};
use crate::sys::{clock, Errno, Result};
use std::io::IoSliceMut;
use std::os::fd::AsFd;

/// Bytes of the longest piece where there are no packets.
const PIECE_MAX: usize = 64 * 1024;

/// Where inotify is not to be had, the path is looked at so often.
const PATH_LOOK: i64 = 1_000_000_000;

/// What came of an attempt to read.
pub enum Step {
    /// The caller has what it came for.
    Done,
    /// Another reader, or another thread, is in a message.
    Busy,
    /// Nothing is there. To be looked at again by that time of the monotonic clock at the latest.
    Empty(Option<i64>),
}

/// What came of a look at an empty pipe.
enum Idle {
    Again,
    Until(Option<i64>),
}

/// What one thread at a time reads with.
pub struct Reading {
    inlet: Inlet,
    holds_lock: bool,
    assembly: Assembly,
    /// What is to be told by the next call.
    report: Option<Errno>,
    /// What `readiness` was told.
    is_marked: bool,
    has_reminder: bool,
}

impl Reading {
    pub fn new(inlet: Inlet) -> Reading {
        Reading {
            inlet,
            holds_lock: false,
            assembly: Assembly::new(),
            report: None,
            is_marked: false,
            has_reminder: false,
        }
    }

    /// Reads as many whole messages as are there and fit.
    ///
    /// Errors: as [`super::Pipe::receive`].
    pub fn step(
        &mut self,
        shared: &Shared,
        readiness: &Readiness,
        output: &mut Output<'_>,
    ) -> Result<Step> {
        if self.assembly.is_lent() && !output.is_borrower {
            return Ok(Step::Busy);
        }
        self.remind(readiness, None);
        let step = self.try_step(shared, readiness, output);
        self.unlock();
        let step = match step {
            // What was read comes first.
            Err(error) if output.count() > 0 => {
                self.report = (error != TOO_LONG).then_some(error);
                Ok(Step::Done)
            }
            step => step,
        };
        if !matches!(step, Ok(Step::Busy | Step::Empty(_))) {
            self.put_by(shared, readiness, output, None);
        }
        self.mark(readiness);
        step
    }

    /// To be called by whoever will not wait any longer: the beginning of a message is kept, and
    /// `readiness` tells when to look after the rest, or, at `until`, after something else.
    pub fn put_by(
        &mut self,
        shared: &Shared,
        readiness: &Readiness,
        output: &mut Output<'_>,
        until: Option<i64>,
    ) {
        if let Err(error) = self.assembly.put_by(&shared.counters, output) {
            self.report = Some(error);
            self.mark(readiness);
        }
        let time = match &self.assembly.partial {
            Some(partial) if partial.is_lent() => return,
            Some(partial) => partial.look.or_else(|| Some(clock::monotonic() + LOOK_FIRST)),
            None => until,
        };
        if time.is_some() {
            self.remind(readiness, time);
        }
    }

    /// Has `readiness` tell when to look at the path, where nothing else does.
    pub fn look_after_path(&mut self, readiness: &Readiness) {
        if self.inlet.watch.is_none() && !self.has_reminder {
            self.remind(readiness, Some(clock::monotonic() + PATH_LOOK));
        }
    }

    fn try_step(
        &mut self,
        shared: &Shared,
        readiness: &Readiness,
        output: &mut Output<'_>,
    ) -> Result<Step> {
        if let Some(report) = self.report.take() {
            return Err(report);
        }
        if self.assembly.is_lost() {
            self.assembly.abandon(&shared.counters)?;
        }
        self.assembly.hand_out_kept(output)?;
        loop {
            if output.is_full() {
                return Ok(Step::Done);
            }
            if !self.lock(shared)? {
                return Ok(if output.count() > 0 { Step::Done } else { Step::Busy });
            }
            self.gather(shared, output)?;
            if output.count() > 0 {
                return Ok(Step::Done);
            }
            if let Idle::Until(time) = self.idle(shared, readiness)? {
                return Ok(Step::Empty(time));
            }
        }
    }

    /// Reads messages until there are enough, or nothing more is there.
    fn gather(&mut self, shared: &Shared, output: &mut Output<'_>) -> Result<()> {
        if !shared.config.framed {
            return self.take_piece(output);
        }
        let (fifo, config, counters) = (&self.inlet.fifo, &shared.config, &shared.counters);
        while !output.is_full() && self.assembly.take_packet(fifo, config, counters, output)? {}
        Ok(())
    }

    /// What is there, without packets.
    fn take_piece(&mut self, output: &mut Output<'_>) -> Result<()> {
        let room = output.room(0, PIECE_MAX);
        if room.is_empty() {
            output.need = PIECE_MAX;
            return Err(TOO_LONG);
        }
        match self.inlet.fifo.read(&mut [IoSliceMut::new(room)]) {
            Ok(0) | Err(Errno(libc::EAGAIN)) => Ok(()),
            Ok(length) => {
                output.push(length);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The pipe is empty: whether there will be more of the message that is begun, or whether the
    /// path names another FIFO.
    fn idle(&mut self, shared: &Shared, readiness: &Readiness) -> Result<Idle> {
        if let Some(watch) = &self.inlet.watch {
            // Also while that is nobody's concern, or it would end every wait.
            self.inlet.is_suspect |= watch.take();
        }
        let Some(partial) = &mut self.assembly.partial else {
            return self.look_at_path(shared, readiness);
        };
        if partial.is_abandoned {
            return self.assembly.abandon(&shared.counters).map(|()| Idle::Again);
        }
        let now = clock::monotonic();
        if partial.is_due(now) && !self.inlet.fifo.has_writer()? {
            // What was written before that is in the pipe by now.
            partial.is_abandoned = true;
            return Ok(Idle::Again);
        }
        Ok(Idle::Until(partial.look))
    }

    fn look_at_path(&mut self, shared: &Shared, readiness: &Readiness) -> Result<Idle> {
        let inlet = &mut self.inlet;
        let is_watched = inlet.watch.is_some();
        if is_watched && !inlet.is_suspect {
            return Ok(Idle::Until(None));
        }
        if inlet.is_replaced(shared)? {
            return self.move_on(shared, readiness);
        }
        inlet.is_suspect = false;
        let look = (!is_watched).then(|| clock::monotonic() + PATH_LOOK);
        Ok(Idle::Until(look))
    }

    /// Leaves a FIFO that is no longer at the path, for the one that is, as soon as it is empty and
    /// no writer is in a message. One who sends a message of one packet at that very instant takes no
    /// lock, and is the only one whose message may be left behind.
    fn move_on(&mut self, shared: &Shared, readiness: &Readiness) -> Result<Idle> {
        if !self.inlet.fifo.try_lock(Lock::Writers)? {
            return Ok(Idle::Until(Some(clock::monotonic() + LOOK_FIRST)));
        }
        let moved = self.exchange(shared, readiness);
        if !matches!(moved, Ok(true)) {
            self.inlet.fifo.unlock(Lock::Writers);
        }
        moved.map(|_| Idle::Again)
    }

    /// Gives whether it did: not when the old one is not empty.
    fn exchange(&mut self, shared: &Shared, readiness: &Readiness) -> Result<bool> {
        if poll::wait(&[(self.inlet.fifo.as_fd(), Interest::Readable)], 0)? {
            return Ok(false);
        }
        let inlet = Inlet::open(shared)?;
        if poll::wait(&[(self.inlet.fifo.as_fd(), Interest::Readable)], 0)? {
            return Ok(false);
        }
        readiness.watch(&inlet)?;
        readiness.forget(&self.inlet);
        self.inlet = inlet;
        self.holds_lock = false;
        Ok(true)
    }

    fn lock(&mut self, shared: &Shared) -> Result<bool> {
        if !self.holds_lock && shared.config.framed {
            self.holds_lock = self.inlet.fifo.try_lock(Lock::Readers)?;
        }
        Ok(self.holds_lock || !shared.config.framed)
    }

    /// Lets other readers in, unless a message is begun.
    fn unlock(&mut self) {
        if self.holds_lock && !self.assembly.is_begun() {
            self.inlet.fifo.unlock(Lock::Readers);
            self.holds_lock = false;
        }
    }

    fn remind(&mut self, readiness: &Readiness, time: Option<i64>) {
        if self.has_reminder || time.is_some() {
            readiness.remind(time);
            self.has_reminder = time.is_some();
        }
    }

    fn mark(&mut self, readiness: &Readiness) {
        let is_marked = self.report.is_some() || self.assembly.has_kept();
        if is_marked != self.is_marked {
            readiness.set_kept(is_marked);
            self.is_marked = is_marked;
        }
    }
}
