//! A peer's way out: many datagrams a system call.

use super::open_socket::{no_room, OpenSocket};
use crate::sys::addr::Addr;
use crate::sys::mmsg::{Departure, Outgoing, Sender, BATCH};
use crate::sys::{Errno, Result};
use crate::udp::batch::{Batch, View};
use crate::udp::errors::ErrorLog;
use crate::udp::plan::{self, Message};
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;

/// What the kernel says when it has no room.
const FULL: Errno = Errno(libc::EAGAIN);

/// Buffers of a thread, which a call takes away while it uses them.
#[derive(Default)]
struct Outbox {
    sender: Sender,
    batch: Batch,
    messages: Vec<Message>,
}

thread_local! {
    static OUTBOX: Cell<Option<Box<Outbox>>> = const { Cell::new(None) };
}

/// What went out.
#[derive(Clone, Copy, Default)]
pub struct Sent {
    pub datagrams: usize,
    pub bytes: usize,
}

/// Sends datagrams: see [`super::Peer::send`]. Neighbours of one destination go together.
pub fn send<'a>(
    open: &OpenSocket,
    errors: &ErrorLog,
    datagrams: impl Iterator<Item = (Addr, &'a [u8])>,
) -> Result<Sent> {
    let mut outbox = OUTBOX.take().unwrap_or_default();
    let mut sent = Sent::default();
    let outcome = outbox.send(open, errors, datagrams, &mut sent);
    outbox.batch.clear();
    OUTBOX.set(Some(outbox));
    finish(sent, outcome)
}

/// Sends datagrams that are to leave in a certain way, each a message of its own.
pub fn send_by<'a>(
    open: &OpenSocket,
    errors: &ErrorLog,
    datagrams: impl Iterator<Item = (Addr, &'a [u8], Departure)>,
) -> Result<Sent> {
    let mut outbox = OUTBOX.take().unwrap_or_default();
    let mut sent = Sent::default();
    let outcome = outbox.send_by(open, errors, datagrams, &mut sent);
    OUTBOX.set(Some(outbox));
    finish(sent, outcome)
}

/// A refused datagram is the call's error when it is the first, and the next call's otherwise.
fn finish(sent: Sent, outcome: Result<()>) -> Result<Sent> {
    match outcome {
        Err(error) if sent.datagrams == 0 => Err(no_room(error)),
        _ => Ok(sent),
    }
}

impl Outbox {
    fn send<'a>(
        &mut self,
        open: &OpenSocket,
        errors: &ErrorLog,
        datagrams: impl Iterator<Item = (Addr, &'a [u8])>,
        sent: &mut Sent,
    ) -> Result<()> {
        // Destination, as the caller named it, and length of the datagram put last.
        let mut last = None;
        self.batch.clear();
        for (to, payload) in datagrams {
            if last == Some((to, payload.len())) && self.batch.may_lengthen(payload.len()) {
                self.batch.lengthen(payload);
                continue;
            }
            if !self.batch.may_append(payload.len()) {
                self.flush(open, errors, sent)?;
            }
            match open.destination(to, payload) {
                Ok(destination) => self.batch.append(&View::single(destination, 0, payload)),
                Err(error) => {
                    self.flush(open, errors, sent)?;
                    return Err(error);
                }
            }
            // An empty datagram has no place in a run.
            last = (!payload.is_empty()).then_some((to, payload.len()));
        }
        self.flush(open, errors, sent)
    }

    /// Sends what is in the batch.
    fn flush(&mut self, open: &OpenSocket, errors: &ErrorLog, sent: &mut Sent) -> Result<()> {
        let Outbox { sender, batch, messages } = self;
        plan::plan(batch, open.gso_limit.load(Relaxed), messages);
        let mut next = 0;
        while next < messages.len() {
            let payloads = batch.payloads();
            let outgoing = messages[next..].iter().map(|message| message.outgoing(payloads));
            match transmit(sender, open, errors, outgoing) {
                Ok(count) => {
                    for message in &messages[next..next + count] {
                        sent.datagrams += message.datagrams;
                        sent.bytes += message.end - message.start;
                    }
                    next += count;
                }
                Err(error) if messages[next].datagrams > 1 && no_room(error) != FULL => {
                    plan::lower(&open.gso_limit, error, messages[next].segment);
                    let singles: Vec<Message> = messages[next].singles().collect();
                    messages.splice(next..=next, singles);
                }
                Err(error) => return Err(error),
            }
        }
        batch.clear();
        Ok(())
    }

    fn send_by<'a>(
        &mut self,
        open: &OpenSocket,
        errors: &ErrorLog,
        datagrams: impl Iterator<Item = (Addr, &'a [u8], Departure)>,
        sent: &mut Sent,
    ) -> Result<()> {
        // One that ends at a datagram that cannot be might go on behind it.
        let mut datagrams = datagrams.fuse();
        loop {
            let mut outgoing = Vec::with_capacity(BATCH);
            let mut refused = Ok(());
            for (to, payload, departure) in datagrams.by_ref().take(BATCH) {
                match prepare(open, to, payload, departure) {
                    Ok(message) => outgoing.push(message),
                    Err(error) => {
                        refused = Err(error);
                        break;
                    }
                }
            }
            if outgoing.is_empty() {
                return refused;
            }
            let mut rest = &outgoing[..];
            while !rest.is_empty() {
                let count = transmit(&mut self.sender, open, errors, rest.iter().copied())?;
                sent.datagrams += count;
                sent.bytes += rest[..count].iter().map(|m| m.payload.len()).sum::<usize>();
                rest = &rest[count..];
            }
            refused?;
        }
    }
}

/// Sends the first [`BATCH`] of `messages`; gives how many went out.
fn transmit<'a>(
    sender: &mut Sender,
    open: &OpenSocket,
    errors: &ErrorLog,
    messages: impl ExactSizeIterator<Item = Outgoing<'a>> + Clone,
) -> Result<usize> {
    let count = open.ask(errors, || sender.send(&open.socket, messages.clone(), 0))?;
    if count < messages.len().min(BATCH) {
        // The kernel keeps to itself what it met half-way.
        errors.drain(&open.socket);
    }
    Ok(count)
}

/// The message as the socket names its ends.
fn prepare<'a>(
    open: &OpenSocket,
    to: Addr,
    payload: &'a [u8],
    departure: Departure,
) -> Result<Outgoing<'a>> {
    let to = open.destination(to, payload)?;
    let source = departure.source.map(|source| source.on(open.socket.family())).transpose()?;
    if source.is_some_and(|source| source.is_ipv4() != to.is_ipv4()) {
        return Err(Errno(libc::EINVAL));
    }
    let departure = Departure { source, ..departure };
    Ok(Outgoing { to, payload, segment: 0, departure })
}
