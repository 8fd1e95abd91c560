//! What a source puts into a queue by itself.

use super::store::Store;
use crate::sink::Sink;
use crate::sys::addr::Addr;
use crate::sys::eventfd::EventFd;
use crate::sys::{Errno, Result};
use std::iter;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// What tells senders apart.
#[derive(Clone, Debug)]
pub enum Key {
    /// Where a message came from, as the bytes that this makes of it.
    Source(fn(Option<Addr>) -> [u8; SOURCE_BYTES]),
    /// A part of the message, cut where the message ends.
    Range(Range<usize>),
}

/// Bytes of an address as a key.
pub const SOURCE_BYTES: usize = 24;

/// What one value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// A message, or what one read of a stream brought.
    AsRead,
    /// A line of a stream, without its end (\n).
    Lines,
}

/// What a feed's maker may choose.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    pub key: Key,
    pub framing: Framing,
}

/// Counts of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedStats {
    pub received: u64,
    pub received_bytes: u64,
    /// Values that the queue's limits kept out.
    pub refused: u64,
    pub has_ended: bool,
}

/// A longer line is cut here.
const LINE_MAX: usize = 65_536;

/// A [`Sink`] that puts what it takes into a group.
pub struct Feed {
    /// The queue's own: a source may keep an ended feed for long, and must not keep the queue.
    store: Weak<Store>,
    group: usize,
    config: FeedConfig,
    /// What has come of a line, and from where.
    line: Mutex<Line>,
    received: AtomicU64,
    received_bytes: AtomicU64,
    refused: AtomicU64,
    has_ended: AtomicBool,
    bell: Mutex<Option<Arc<EventFd>>>,
}

#[derive(Default)]
struct Line {
    from: Option<Addr>,
    begun: Vec<u8>,
}

impl Feed {
    pub(super) fn new(store: &Arc<Store>, group: usize, config: &FeedConfig) -> Feed {
        Feed {
            store: Arc::downgrade(store),
            group,
            config: config.clone(),
            line: Mutex::default(),
            received: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            has_ended: AtomicBool::new(false),
            bell: Mutex::new(None),
        }
    }

    pub(super) fn stats(&self) -> FeedStats {
        FeedStats {
            received: self.received.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            refused: self.refused.load(Relaxed),
            has_ended: self.has_ended(),
        }
    }

    /// It takes no more; what has come of a line is a value.
    pub(super) fn end(&self) {
        let mut line = self.line();
        if self.has_ended.swap(true, SeqCst) {
            return;
        }
        let Line { from, begun } = std::mem::take(&mut *line);
        drop(line);
        if !begun.is_empty() {
            self.put(from, &begun);
        }
        if let Some(bell) = self.bell().take() {
            // A counter at 0 has room for 1.
            let _ = bell.add(1);
        }
    }

    /// `false` when the queue is closed; otherwise the value is in it, or counted as refused.
    fn put(&self, from: Option<Addr>, value: &[u8]) -> bool {
        // Before it is put in: whoever is woken by it is to find it counted.
        self.received.fetch_add(1, Relaxed);
        self.received_bytes.fetch_add(value.len() as u64, Relaxed);
        let outcome = match &self.config.key {
            Key::Source(bytes) => self.put_as(&bytes(from), value),
            Key::Range(range) => {
                let end = range.end.min(value.len());
                self.put_as(&value[range.start.min(end)..end], value)
            }
        };
        let Err(error) = outcome else { return true };
        self.received.fetch_sub(1, Relaxed);
        self.received_bytes.fetch_sub(value.len() as u64, Relaxed);
        if error == Errno(libc::ESHUTDOWN) {
            return false;
        }
        self.refused.fetch_add(1, Relaxed);
        true
    }

    fn put_as(&self, idx: &[u8], value: &[u8]) -> Result<usize> {
        let store = self.store.upgrade().ok_or(Errno(libc::ESHUTDOWN))?;
        store.receive(self.group, idx, iter::once(value))
    }

    /// A piece of a stream: the lines that end in it are values.
    fn put_lines(&self, line: &mut Line, from: Option<Addr>, piece: &[u8]) {
        line.from = from;
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.add_to_line(line, &rest[..end]);
            self.put(from, &std::mem::take(&mut line.begun));
            rest = &rest[end + 1..];
        }
        self.add_to_line(line, rest);
    }

    fn add_to_line(&self, line: &mut Line, mut more: &[u8]) {
        while line.begun.len() + more.len() > LINE_MAX {
            let (fitting, rest) = more.split_at(LINE_MAX - line.begun.len());
            line.begun.extend_from_slice(fitting);
            self.put(line.from, &std::mem::take(&mut line.begun));
            more = rest;
        }
        line.begun.extend_from_slice(more);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bell(&self) -> MutexGuard<'_, Option<Arc<EventFd>>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Feed {
    fn take(&self, from: Option<Addr>, message: &[u8]) -> bool {
        if self.config.framing == Framing::AsRead {
            if self.has_ended() {
                return false;
            }
            return self.put(from, message);
        }
        let mut line = self.line();
        // Looked at under the lock: whoever ends it takes what has come of a line.
        if self.has_ended() {
            return false;
        }
        self.put_lines(&mut line, from, message);
        true
    }

    fn finish(&self) {
        self.end();
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(SeqCst)
    }

    fn when_ended(&self, bell: Arc<EventFd>) {
        let mut slot = self.bell();
        if self.has_ended() {
            let _ = bell.add(1);
        } else {
            *slot = Some(bell);
        }
    }
}
