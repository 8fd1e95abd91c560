//! Reading: packets become messages again, whatever became of their writers and of other readers.

use super::frame::{self, Header, HEADER, PAYLOAD_MAX};
use super::inlet::Inlet;
use super::output::Output;
use super::partial::{Body, Partial, LOOK_FIRST};
use super::readiness::Readiness;
use super::Shared;
use crate::sys::fifo::Lock;
use crate::sys::poll::{self, Interest};
use crate::sys::{clock, Errno, Result};
use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

const LOST: Errno = Errno(libc::ECONNABORTED);
const REJECTED: Errno = Errno(libc::EBADMSG);
const TOO_LONG: Errno = Errno(libc::EMSGSIZE);

/// Room behind a packet: for bytes of a program that knows nothing of packets, with one behind them.
/// A pipe holds so many by default.
const SPILL: usize = 64 * 1024;

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

/// A packet that was read: its payload is where its message's next bytes go, as far as there was
/// room, and behind that in the spill.
struct Packet {
    header: Header,
    in_room: usize,
    spilled: usize,
}

/// What one thread at a time reads with.
pub struct Reading {
    inlet: Inlet,
    holds_lock: bool,
    /// The message that is begun; the readers' lock is held while there is one.
    partial: Option<Partial>,
    /// A whole message that nobody had room for.
    kept: Option<Vec<u8>>,
    /// A packet that came with something to be told first.
    pending: Option<(Header, Vec<u8>)>,
    /// What is to be told by the next call.
    report: Option<Errno>,
    spill: Box<[u8]>,
    /// What `readiness` was told.
    is_marked: bool,
    has_reminder: bool,
}

impl Reading {
    pub fn new(inlet: Inlet) -> Reading {
        Reading {
            inlet,
            holds_lock: false,
            partial: None,
            kept: None,
            pending: None,
            report: None,
            spill: vec![0; SPILL].into(),
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
        if self.is_lent() && !output.is_borrower {
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
            self.put_by(readiness, output);
        }
        self.mark(readiness);
        step
    }

    /// To be called by whoever will not wait for the rest of a message: its beginning is kept, and
    /// `readiness` tells when to look after it.
    pub fn put_by(&mut self, readiness: &Readiness, output: &mut Output<'_>) {
        let was_borrower = std::mem::take(&mut output.is_borrower);
        let Some(partial) = &mut self.partial else { return };
        if was_borrower {
            partial.body = Body::Held(output.begun(partial.received).to_vec());
        }
        if !self.is_lent() {
            let look = self.partial.as_ref().and_then(|partial| partial.look);
            let time = look.unwrap_or_else(|| clock::monotonic() + LOOK_FIRST);
            self.remind(readiness, Some(time));
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
        if let Some(message) = self.kept.take() {
            self.hand_out(message, output)?;
        }
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
        while !output.is_full() {
            let Some(packet) = self.read(shared, output)? else { break };
            self.accept(shared, packet, output)?;
        }
        Ok(())
    }

    /// What is there, without packets.
    fn take_piece(&mut self, output: &mut Output<'_>) -> Result<()> {
        let room = output.room(0, SPILL);
        if room.is_empty() {
            output.need = SPILL;
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

    /// Reads a packet; `None` when the pipe is empty.
    fn read(&mut self, shared: &Shared, output: &mut Output<'_>) -> Result<Option<Packet>> {
        let room = self.room(output);
        if let Some((header, payload)) = self.pending.take() {
            let (begin, rest) = payload.split_at(payload.len().min(room.len()));
            room[..begin.len()].copy_from_slice(begin);
            self.spill[..rest.len()].copy_from_slice(rest);
            return Ok(Some(Packet { header, in_room: begin.len(), spilled: rest.len() }));
        }
        let mut head = [0; HEADER];
        let slices = &mut [&mut head[..], room, &mut self.spill].map(IoSliceMut::new);
        let length = match self.inlet.fifo.read(slices) {
            Ok(0) | Err(Errno(libc::EAGAIN)) => return Ok(None),
            result => result?,
        };
        let payload = length.checked_sub(HEADER);
        let header = payload.and_then(|payload| Header::decode(&head, payload));
        let (Some(header), Some(payload)) = (header, payload) else {
            self.resync(&head, length, output);
            shared.counters.rejected.fetch_add(1, Relaxed);
            return Err(REJECTED);
        };
        let in_room = payload.min(self.room(output).len());
        Ok(Some(Packet { header, in_room, spilled: payload - in_room }))
    }

    /// Where the next bytes go.
    fn room<'o>(&self, output: &'o mut Output<'_>) -> &'o mut [u8] {
        match &self.partial {
            None => output.room(0, PAYLOAD_MAX),
            Some(partial) if partial.is_lent() => {
                output.room(partial.received, PAYLOAD_MAX.min(partial.rest()))
            }
            Some(_) => &mut [],
        }
    }

    /// The payload of a packet that was read last.
    fn payload(&self, packet: &Packet, output: &mut Output<'_>) -> Vec<u8> {
        [&self.room(output)[..packet.in_room], &self.spill[..packet.spilled]].concat()
    }

    /// Keeps the packet, if there is one, behind bytes that are none.
    fn resync(&mut self, head: &[u8; HEADER], length: usize, output: &mut Output<'_>) {
        let room = self.room(output);
        let bytes = [head, &*room, &self.spill].concat();
        let bytes = &bytes[..length];
        if let Some((at, header)) = frame::find_last(bytes) {
            self.pending = Some((header, bytes[at + HEADER..].to_vec()));
        }
    }

    fn accept(&mut self, shared: &Shared, packet: Packet, output: &mut Output<'_>) -> Result<()> {
        match &mut self.partial {
            None => self.begin(shared, packet, output),
            Some(partial) if partial.continues(packet.header) => self.go_on(shared, packet, output),
            Some(partial) => {
                let was_told = partial.is_skipped();
                self.pending = Some((packet.header, self.payload(&packet, output)));
                self.drop_partial(output);
                if was_told {
                    return Ok(());
                }
                Err(lost(shared))
            }
        }
    }

    /// The first packet of a message, unless its first reader has ended.
    fn begin(&mut self, shared: &Shared, packet: Packet, output: &mut Output<'_>) -> Result<()> {
        let header = packet.header;
        let is_too_long = header.total > shared.config.message_max;
        if is_too_long || !header.is_first() {
            if !header.is_last() {
                self.partial = Some(Partial::new(header, Body::Skipped));
            }
            if header.is_first() {
                shared.counters.rejected.fetch_add(1, Relaxed);
                return Err(REJECTED);
            }
            return Err(lost(shared));
        }
        let fits = output.fits(header.total);
        if header.is_last() {
            if fits {
                output.push(packet.in_room);
                return Ok(());
            }
            let message = self.payload(&packet, output);
            return self.hand_out(message, output);
        }
        let body = if fits {
            output.is_borrower = true;
            Body::Lent
        } else {
            Body::Held(self.payload(&packet, output))
        };
        self.partial = Some(Partial::new(header, body));
        Ok(())
    }

    /// Another packet of the message that is begun.
    fn go_on(&mut self, shared: &Shared, packet: Packet, output: &mut Output<'_>) -> Result<()> {
        let Some(partial) = &mut self.partial else { return Ok(()) };
        let is_told = partial.is_skipped();
        let taken = partial.take(&self.spill[..packet.spilled], packet.in_room);
        if !packet.header.is_last() {
            return taken;
        }
        let whole = self.partial.take();
        let was_lent = std::mem::take(&mut output.is_borrower);
        taken?;
        match whole.map(|partial| partial.body) {
            _ if is_told => Ok(()),
            _ if packet.header.is_aborted() => Err(lost(shared)),
            Some(Body::Held(message)) => self.hand_out(message, output),
            Some(Body::Lent) if was_lent => {
                output.push(packet.header.total as usize);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Gives a whole message to the caller, or keeps it.
    fn hand_out(&mut self, message: Vec<u8>, output: &mut Output<'_>) -> Result<()> {
        if !output.is_full() && output.fits(message.len() as u64) {
            output.room(0, message.len()).copy_from_slice(&message);
            output.push(message.len());
            return Ok(());
        }
        output.need = message.len();
        self.kept = Some(message);
        Err(TOO_LONG)
    }

    /// The pipe is empty: whether there will be more of the message that is begun, or whether the
    /// path names another FIFO.
    fn idle(&mut self, shared: &Shared, readiness: &Readiness) -> Result<Idle> {
        let fifo = &self.inlet.fifo;
        let Some(partial) = &mut self.partial else { return self.look_at_path(shared, readiness) };
        if partial.is_abandoned {
            let is_told = partial.is_skipped();
            self.partial = None;
            return if is_told { Ok(Idle::Again) } else { Err(lost(shared)) };
        }
        let now = clock::monotonic();
        if partial.is_due(now) && !fifo.is_locked(Lock::Writers)? {
            // What was written before that is in the pipe by now.
            partial.is_abandoned = true;
            return Ok(Idle::Again);
        }
        Ok(Idle::Until(partial.look))
    }

    fn look_at_path(&mut self, shared: &Shared, readiness: &Readiness) -> Result<Idle> {
        let until = match &self.inlet.watch {
            Some(watch) => {
                watch.clear();
                None
            }
            None => Some(clock::monotonic() + PATH_LOOK),
        };
        if self.inlet.is_replaced(shared)? {
            return self.move_on(shared, readiness);
        }
        Ok(Idle::Until(until))
    }

    /// Leaves a FIFO that is no longer at the path, for the one that is, as soon as no writer can
    /// put anything into it unread.
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
        readiness.watch(&inlet)?;
        readiness.forget(&self.inlet);
        self.inlet = inlet;
        self.holds_lock = false;
        Ok(true)
    }

    fn is_lent(&self) -> bool {
        self.partial.as_ref().is_some_and(Partial::is_lent)
    }

    fn drop_partial(&mut self, output: &mut Output<'_>) {
        self.partial = None;
        output.is_borrower = false;
    }

    fn lock(&mut self, shared: &Shared) -> Result<bool> {
        if !self.holds_lock && shared.config.framed {
            self.holds_lock = self.inlet.fifo.try_lock(Lock::Readers)?;
        }
        Ok(self.holds_lock || !shared.config.framed)
    }

    /// Lets other readers in, unless a message is begun.
    fn unlock(&mut self) {
        if self.holds_lock && self.partial.is_none() && self.pending.is_none() {
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
        let is_marked = self.report.is_some() || self.kept.is_some() || self.pending.is_some();
        if is_marked != self.is_marked {
            readiness.set_kept(is_marked);
            self.is_marked = is_marked;
        }
    }
}

fn lost(shared: &Shared) -> Errno {
    shared.counters.lost.fetch_add(1, Relaxed);
    LOST
}
