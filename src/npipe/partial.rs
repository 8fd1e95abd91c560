//! A message of which some packets have come.

use super::frame::Header;
use crate::sys::fifo::Fifo;
use crate::sys::{Errno, Result};

/// When nothing more of a message has come for so many nanoseconds, and then so often, its writer is
/// looked after.
pub const LOOK_FIRST: i64 = 20_000_000;
const LOOK_NEXT: i64 = 100_000_000;

/// Other messages after which its writer is looked after.
const PASSED: usize = 256;

/// Where the bytes of a message go.
pub enum Body {
    /// Into the memory of the caller who is inside.
    Lent,
    Held(Vec<u8>),
    /// Nowhere: it is lost, or not wanted.
    Skipped,
}

/// A message that is begun.
pub struct Partial {
    id: u64,
    total: u64,
    pub received: usize,
    pub body: Body,
    /// When to look after its writer; `None` while packets come.
    pub look: Option<i64>,
    /// Nobody writes: what is not in the pipe by now will not come.
    pub is_abandoned: bool,
    /// Other messages that came since its last packet, and how many of them prove, once nobody writes,
    /// that no more of it is in the pipe.
    passed: usize,
    proof: Option<usize>,
    pub is_lost: bool,
}

impl Partial {
    /// One of which the packet with `header`, a full one, has come.
    pub fn new(header: Header, body: Body) -> Partial {
        let received = super::frame::PAYLOAD_MAX;
        let Header { id, total, .. } = header;
        Partial {
            id,
            total,
            received,
            body,
            look: None,
            is_abandoned: false,
            passed: 0,
            proof: None,
            is_lost: false,
        }
    }

    pub fn is_lent(&self) -> bool {
        matches!(self.body, Body::Lent)
    }

    pub fn is_skipped(&self) -> bool {
        matches!(self.body, Body::Skipped)
    }

    /// Bytes that have not come yet, where it is wanted.
    pub fn rest(&self) -> usize {
        usize::try_from(self.total).map_or(0, |total| total.saturating_sub(self.received))
    }

    /// Whether a packet is the next of this message.
    pub fn continues(&self, header: Header) -> bool {
        let is_same = header.id == self.id && header.total == self.total && !header.is_first();
        let is_last = header.is_last() == (self.rest() <= super::frame::PAYLOAD_MAX);
        is_same && (is_last || header.is_aborted() || self.is_skipped())
    }

    /// Copies its beginning out of the caller's memory.
    ///
    /// Errors: `ENOMEM`; the rest of the message is skipped then.
    pub fn hold(&mut self, begun: &[u8]) -> Result<()> {
        self.body = Body::Held(Vec::new());
        self.append(begun)
    }

    /// Takes a packet's payload: what is in `spilled`, or `lent` bytes where they should be.
    ///
    /// Errors: `ENOMEM`, once; the rest of the message is skipped then.
    pub fn take(&mut self, spilled: &[u8], lent: usize) -> Result<()> {
        self.look = None;
        self.is_abandoned = false;
        (self.passed, self.proof) = (0, None);
        self.received += spilled.len() + lent;
        self.append(spilled)
    }

    fn append(&mut self, more: &[u8]) -> Result<()> {
        let Body::Held(bytes) = &mut self.body else { return Ok(()) };
        if bytes.try_reserve(more.len()).is_err() {
            self.body = Body::Skipped;
            return Err(Errno(libc::ENOMEM));
        }
        bytes.extend_from_slice(more);
        Ok(())
    }

    /// Counts a message of another's that came instead of its next packet: where these never end, the
    /// pipe is never found empty.
    pub fn count_passed(&mut self, fifo: &Fifo) -> Result<()> {
        self.passed += 1;
        match self.proof {
            None if self.passed % PASSED == 0 && !fifo.has_writer()? => {
                self.proof = Some(self.passed + fifo.packets()?);
            }
            Some(proof) if self.passed > proof => self.is_lost = true,
            _ => {}
        }
        Ok(())
    }

    /// The pipe is empty: whether it is time to look after the writer.
    pub fn is_due(&mut self, now: i64) -> bool {
        match self.look {
            None => {
                self.look = Some(now + LOOK_FIRST);
                false
            }
            Some(look) if now >= look => {
                self.look = Some(now + LOOK_NEXT);
                true
            }
            Some(_) => false,
        }
    }
}
