//! Datagrams that lie together.
//!
//! A *run* is a stretch of datagrams of one peer and one length behind a header of 48 bytes: what
//! GRO delivers, what GSO takes, and what most programs send. A batch is runs in order, and is moved
//! as one.

use crate::sink::Sink;
use crate::sys::addr::Addr;

/// Payload bytes, runs and datagrams after which a batch is full: about 110 bytes of memory for each
/// datagram of 64, and what one reactor has in hand at a time.
pub const BATCH_BYTES: usize = 128 * 1024;
const BATCH_RUNS: usize = 256;
pub const BATCH_DATAGRAMS: usize = 2048;

/// One or several datagrams of one peer, lying one after the other.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub addr: Addr,
    /// Nanoseconds, of the clock that the queue's owner uses.
    pub stamp: i64,
    pub payload: &'a [u8],
    /// Length of each datagram but the last, which may be shorter.
    pub segment: usize,
    /// The datagram's end is lost.
    pub truncated: bool,
}

impl<'a> View<'a> {
    pub fn single(addr: Addr, stamp: i64, payload: &'a [u8]) -> View<'a> {
        View { addr, stamp, payload, segment: payload.len(), truncated: false }
    }

    /// How many datagrams these are; an empty payload is one.
    pub fn count(&self) -> usize {
        count(self.payload.len(), self.segment)
    }

    /// Each of them.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> {
        let (payload, segment) = (self.payload, self.segment);
        (0..self.count()).map(move |at| {
            let start = at * segment;
            &payload[start..payload.len().min(start + segment)]
        })
    }

    /// Puts them into a sink; gives how many it has taken before it ended.
    pub fn put_into(&self, sink: &dyn Sink) -> usize {
        self.datagrams().take_while(|data| sink.take(Some(self.addr), data)).count()
    }

    /// Length of the first `datagrams` of them.
    pub fn prefix(&self, datagrams: usize) -> usize {
        (datagrams * self.segment).min(self.payload.len())
    }

    /// The first `datagrams` of them.
    pub fn first(self, datagrams: usize) -> View<'a> {
        View { payload: &self.payload[..self.prefix(datagrams)], ..self }
    }

    /// All but the first `datagrams`, of which there must be more.
    pub fn after(self, datagrams: usize) -> View<'a> {
        View { payload: &self.payload[self.prefix(datagrams)..], ..self }
    }
}

fn count(length: usize, segment: usize) -> usize {
    if length <= segment {
        1
    } else {
        length.div_ceil(segment)
    }
}

/// A [`View`] whose payload lies in the batch that holds it.
#[derive(Clone, Copy)]
struct Run {
    addr: Addr,
    stamp: i64,
    start: u32,
    length: u32,
    segment: u16,
    truncated: bool,
}

/// Runs and their payloads, in order.
#[derive(Default)]
pub struct Batch {
    runs: Vec<Run>,
    data: Vec<u8>,
    /// Datagrams ever appended.
    datagrams: usize,
    /// Runs that are consumed whole, and bytes of the one after them.
    done_runs: usize,
    done_bytes: usize,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.done_runs == self.runs.len()
    }

    /// Whether `length` bytes more may go into the last run.
    pub fn may_lengthen(&self, length: usize) -> bool {
        self.data.len() + length <= BATCH_BYTES && self.datagrams < BATCH_DATAGRAMS
    }

    /// Whether a view of `length` bytes may follow; the first one always does.
    pub fn may_append(&self, length: usize) -> bool {
        self.runs.is_empty() || (self.runs.len() < BATCH_RUNS && self.may_lengthen(length))
    }

    /// Appends a view, joining it to the last run where the two make one run.
    pub fn append(&mut self, view: &View<'_>) {
        let start = self.data.len() as u32;
        self.datagrams += view.count();
        self.data.extend_from_slice(view.payload);
        let length = view.payload.len() as u32;
        match self.runs.last_mut() {
            Some(last) if joins(last, view) => last.length += length,
            _ => self.runs.push(Run {
                addr: view.addr,
                stamp: view.stamp,
                start,
                length,
                segment: view.segment as u16,
                truncated: view.truncated,
            }),
        }
    }

    /// Appends one more datagram to the last run.
    pub fn lengthen(&mut self, payload: &[u8]) {
        let Some(last) = self.runs.last_mut() else { return };
        last.length += payload.len() as u32;
        self.datagrams += 1;
        self.data.extend_from_slice(payload);
    }

    /// The views not yet consumed.
    pub fn views(&self) -> impl Iterator<Item = View<'_>> {
        let mut skip = self.done_bytes;
        self.runs[self.done_runs..].iter().map(move |run| {
            let start = run.start as usize + std::mem::take(&mut skip);
            let end = (run.start + run.length) as usize;
            View {
                addr: run.addr,
                stamp: run.stamp,
                payload: &self.data[start..end],
                segment: usize::from(run.segment),
                truncated: run.truncated,
            }
        })
    }

    /// The payloads of the views, one after the other.
    pub fn payloads(&self) -> &[u8] {
        match self.runs.get(self.done_runs) {
            Some(run) => &self.data[run.start as usize + self.done_bytes..],
            None => &[],
        }
    }

    /// Datagrams and bytes not yet consumed.
    pub fn totals(&self) -> (usize, usize) {
        (self.views().map(|view| view.count()).sum(), self.payloads().len())
    }

    /// Bytes of memory that payloads and runs take.
    pub fn memory(&self) -> usize {
        self.data.capacity() + self.runs.capacity() * size_of::<Run>()
    }

    pub fn clear(&mut self) {
        self.runs.clear();
        self.data.clear();
        self.datagrams = 0;
        self.done_runs = 0;
        self.done_bytes = 0;
    }

    /// Consumes `bytes` of the first view, or all of it.
    pub fn consume(&mut self, bytes: usize, whole: bool) {
        if whole {
            self.done_runs += 1;
            self.done_bytes = 0;
        } else {
            self.done_bytes += bytes;
        }
    }
}

fn joins(last: &Run, view: &View<'_>) -> bool {
    let segment = u32::from(last.segment);
    segment != 0
        && view.payload.len() == usize::from(last.segment)
        && view.segment == view.payload.len()
        && last.addr == view.addr
        && last.stamp == view.stamp
        && last.length % segment == 0
        && !last.truncated
        && !view.truncated
}
