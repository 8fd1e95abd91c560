//! Packets become messages again, whatever became of their writers and of other readers.

use super::frame::{self, Header, HEADER, PAYLOAD_MAX};
use super::output::Output;
use super::partial::{Body, Partial};
use super::{Config, Counters};
use crate::sys::fifo::Fifo;
use crate::sys::{Errno, Result};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const LOST: Errno = Errno(libc::ECONNABORTED);
const REJECTED: Errno = Errno(libc::EBADMSG);
/// The next message does not fit.
pub const TOO_LONG: Errno = Errno(libc::EMSGSIZE);

/// Room behind a packet: for bytes of a program that knows nothing of packets, with one behind them.
/// A pipe holds so many by default.
const SPILL: usize = 64 * 1024;

/// A packet that was read: its payload is where its message's next bytes go, as far as there was
/// room, and behind that in the spill.
struct Packet {
    header: Header,
    in_room: usize,
    spilled: usize,
}

/// The message that is begun, and what was read and not handed out.
pub struct Assembly {
    /// No other reader may read while there is one.
    pub partial: Option<Partial>,
    /// A whole message that nobody had room for.
    kept: Option<Vec<u8>>,
    /// Packets that came with something to be told first.
    pending: VecDeque<(Header, Vec<u8>)>,
    spill: Box<[u8]>,
}

impl Assembly {
    pub fn new() -> Assembly {
        let (pending, spill) = (VecDeque::new(), vec![0; SPILL].into());
        Assembly { partial: None, kept: None, pending, spill }
    }

    /// Whether a message is begun, of which the rest is still in the pipe.
    pub fn is_begun(&self) -> bool {
        self.partial.is_some() || !self.pending.is_empty()
    }

    /// Whether there is something to do without reading.
    pub fn has_kept(&self) -> bool {
        self.kept.is_some() || !self.pending.is_empty()
    }

    /// Whether the message that is begun is being put into a caller's memory.
    pub fn is_lent(&self) -> bool {
        self.partial.as_ref().is_some_and(Partial::is_lent)
    }

    /// Takes the message that is begun, so far, out of the caller's memory.
    ///
    /// Errors: `ENOMEM`; it is lost then.
    pub fn put_by(&mut self, counters: &Counters, output: &mut Output<'_>) -> Result<()> {
        let was_borrower = std::mem::take(&mut output.is_borrower);
        if let (Some(partial), true) = (&mut self.partial, was_borrower) {
            let held = partial.hold(output.begun(partial.received));
            return held.inspect_err(|_| count(&counters.lost));
        }
        Ok(())
    }

    /// Hands out the message that was kept, if there is one. Errors: [`TOO_LONG`].
    pub fn hand_out_kept(&mut self, output: &mut Output<'_>) -> Result<()> {
        match self.kept.take() {
            Some(message) => self.hand_out(message, output),
            None => Ok(()),
        }
    }

    /// Whether it is proved that the message which is begun will not be ended.
    pub fn is_lost(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.is_lost)
    }

    /// The message that is begun will not be ended. Errors: `ECONNABORTED`, unless that was told.
    pub fn abandon(&mut self, counters: &Counters) -> Result<()> {
        match self.partial.take() {
            Some(partial) if !partial.is_skipped() => Err(lost(counters)),
            _ => Ok(()),
        }
    }

    /// Reads a packet, and with it perhaps a message; gives whether one was there.
    ///
    /// Errors: `ECONNABORTED`, `EBADMSG`, [`TOO_LONG`], `ENOMEM`.
    pub fn take_packet(
        &mut self,
        fifo: &Fifo,
        config: &Config,
        counters: &Counters,
        output: &mut Output<'_>,
    ) -> Result<bool> {
        match self.read(fifo, counters, output)? {
            Some(packet) => self.accept(fifo, config, counters, packet, output).map(|()| true),
            None => Ok(false),
        }
    }

    /// Reads a packet; `None` when the pipe is empty.
    fn read(
        &mut self,
        fifo: &Fifo,
        counters: &Counters,
        output: &mut Output<'_>,
    ) -> Result<Option<Packet>> {
        let room = self.room(output);
        if let Some((header, payload)) = self.pending.pop_front() {
            let (begin, rest) = payload.split_at(payload.len().min(room.len()));
            room[..begin.len()].copy_from_slice(begin);
            self.spill[..rest.len()].copy_from_slice(rest);
            return Ok(Some(Packet { header, in_room: begin.len(), spilled: rest.len() }));
        }
        let mut head = [0; HEADER];
        let slices = &mut [&mut head[..], room, &mut self.spill].map(IoSliceMut::new);
        let length = match fifo.read(slices) {
            Ok(0) | Err(Errno(libc::EAGAIN)) => return Ok(None),
            result => result?,
        };
        let payload = length.checked_sub(HEADER);
        let header = payload.and_then(|payload| Header::decode(&head, payload));
        let (Some(header), Some(payload)) = (header, payload) else {
            self.resync(&head, length, output);
            count(&counters.rejected);
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

    /// Keeps the packets, if there are any, behind bytes that are none.
    fn resync(&mut self, head: &[u8; HEADER], length: usize, output: &mut Output<'_>) {
        let room = self.room(output);
        let bytes = [head, &*room, &self.spill].concat();
        let bytes = &bytes[..length];
        let found = frame::find_packets(bytes);
        let ends = found.iter().skip(1).map(|(at, _)| *at).chain([bytes.len()]);
        for ((at, header), end) in found.iter().zip(ends) {
            self.pending.push_back((*header, bytes[at + HEADER..end].to_vec()));
        }
    }

    fn accept(
        &mut self,
        fifo: &Fifo,
        config: &Config,
        counters: &Counters,
        packet: Packet,
        output: &mut Output<'_>,
    ) -> Result<()> {
        match &mut self.partial {
            None => self.begin(config, counters, packet, output),
            Some(partial) if partial.continues(packet.header) => {
                self.go_on(counters, packet, output)
            }
            Some(_) if packet.header.is_only() => {
                self.let_pass(fifo, config, counters, packet, output)
            }
            Some(partial) => {
                let was_told = partial.is_skipped();
                self.pending.push_front((packet.header, self.payload(&packet, output)));
                self.drop_partial(output);
                if was_told {
                    return Ok(());
                }
                Err(lost(counters))
            }
        }
    }

    /// A message of one packet, between those of the message that is begun. It comes first.
    fn let_pass(
        &mut self,
        fifo: &Fifo,
        config: &Config,
        counters: &Counters,
        packet: Packet,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let message = self.payload(&packet, output);
        let put_by = self.put_by(counters, output);
        if let Some(partial) = &mut self.partial {
            partial.count_passed(fifo)?;
        }
        if packet.header.total > config.message_max {
            count(&counters.rejected);
            return put_by.and(Err(REJECTED));
        }
        self.hand_out(message, output).and(put_by)
    }

    /// The first packet of a message, unless its first reader has ended.
    fn begin(
        &mut self,
        config: &Config,
        counters: &Counters,
        packet: Packet,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let header = packet.header;
        let is_too_long = header.total > config.message_max;
        if is_too_long || !header.is_first() {
            if !header.is_last() {
                self.partial = Some(Partial::new(header, Body::Skipped));
            }
            if header.is_first() {
                count(&counters.rejected);
                return Err(REJECTED);
            }
            return Err(lost(counters));
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
    fn go_on(
        &mut self,
        counters: &Counters,
        packet: Packet,
        output: &mut Output<'_>,
    ) -> Result<()> {
        let Some(partial) = &mut self.partial else { return Ok(()) };
        let is_told = partial.is_skipped();
        let taken = partial.take(&self.spill[..packet.spilled], packet.in_room);
        let taken = taken.inspect_err(|_| count(&counters.lost));
        if !packet.header.is_last() {
            return taken;
        }
        let whole = self.partial.take();
        let was_lent = std::mem::take(&mut output.is_borrower);
        taken?;
        match whole.map(|partial| partial.body) {
            _ if is_told => Ok(()),
            _ if packet.header.is_aborted() => Err(lost(counters)),
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

    fn drop_partial(&mut self, output: &mut Output<'_>) {
        self.partial = None;
        output.is_borrower = false;
    }
}

fn lost(counters: &Counters) -> Errno {
    count(&counters.lost);
    LOST
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
