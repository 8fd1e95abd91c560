//! The receive queue: the last values of each sender, by group.
//!
//! ```text
//! receiving   caller → Queue::receive ┐
//!             source → Feed::take     ┴→ lock of a shard → Buffer (the oldest falls out)
//! extracting  lock of a shard, or all of them → Buffer → caller; the values stay
//! ```
//!
//! Groups are fixed; buffers are made when the first value of a key comes. The buffers are dealt out
//! to shards by the hash of their key, each behind a lock: receivers of different senders run
//! together. Who wants a group as it is at one instant takes all locks, in order.

mod buffer;
mod feed;
mod ledger;
mod shard;
mod store;

pub use buffer::Buffer;
pub use feed::{Feed, FeedConfig, FeedStats, Framing, Key, SOURCE_BYTES};
pub use store::Snapshot;

use crate::sink::Sink;
use crate::sys::poll::Patience;
use crate::sys::{Errno, Result};
use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Store;

/// Who may be in the queue at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// No more is promised than that each buffer by itself is whole; it costs nothing to keep the
    /// promise of [`Policy::ReadWrite`] as well.
    Unsynchronized,
    /// Receivers run together; an extract of a group runs alone.
    ReadWrite,
    /// One at a time, whatever it does.
    Exclusive,
}

/// What a queue's maker may choose.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Values of a buffer, 1 to 16,777,216.
    pub length: usize,
    pub policy: Policy,
    /// Buffers of all groups.
    pub buffers_max: u64,
    /// Bytes of memory of all values and keys.
    pub bytes_max: u64,
}

/// Counts since it was made, and what is there now.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Stats {
    pub buffers: u64,
    pub values: u64,
    /// Bytes of memory that count for [`Config::bytes_max`].
    pub bytes: u64,
    pub received: u64,
    /// Values that fell out, or whose buffer was forgotten.
    pub discarded: u64,
    /// Values that a limit kept out.
    pub refused: u64,
}

/// A queue. Every method may be called from any thread.
pub struct Queue {
    store: Arc<Store>,
    feeds: Mutex<Feeds>,
}

#[derive(Default)]
struct Feeds {
    made: i64,
    all: HashMap<i64, Arc<Feed>>,
    is_closed: bool,
}

impl Queue {
    /// Errors: `EINVAL` for no groups, one twice, a length out of range.
    pub fn new(groups: &[&[u8]], config: &Config) -> Result<Queue> {
        Ok(Queue { store: Arc::new(Store::new(groups, config)?), feeds: Mutex::default() })
    }

    /// Appends values to a buffer, in order, until one is refused; gives how many were taken.
    ///
    /// Errors: `ENOENT` for a group that there is not; for the first value: `ENOSPC` when there are
    /// as many buffers as may be, `ENOBUFS` when there are as many bytes, `ENOMEM`; `ESHUTDOWN`.
    pub fn receive<'a>(
        &self,
        group: &[u8],
        idx: &[u8],
        values: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Result<usize> {
        self.store.receive(self.store.group(group)?, idx, values)
    }

    /// Hands a buffer to `read`, `None` for a key never seen. Nothing comes into it meanwhile.
    ///
    /// Errors: `ENOENT`, `ESHUTDOWN`.
    pub fn extract<R>(
        &self,
        group: &[u8],
        idx: &[u8],
        read: impl FnOnce(Option<&Buffer>) -> R,
    ) -> Result<R> {
        self.store.read(self.store.group(group)?, idx, read)
    }

    /// All buffers of a group at one instant. Nothing comes into the queue while this is there.
    ///
    /// Errors: `ENOENT`, `ESHUTDOWN`.
    pub fn extract_all(&self, group: &[u8]) -> Result<Snapshot<'_>> {
        self.store.snapshot(self.store.group(group)?)
    }

    /// Drops a buffer; gives how many values it had. Errors: `ENOENT` for the group.
    pub fn forget(&self, group: &[u8], idx: &[u8]) -> Result<usize> {
        Ok(self.store.forget(self.store.group(group)?, idx))
    }

    /// Waits until something has come into a group since the last wait that found something, at most
    /// `timeout_ms` milliseconds; -1: for ever, 0: not at all.
    ///
    /// Errors: `EAGAIN` when there was nothing and no waiting was asked for, `ETIMEDOUT` when the time
    /// is over; `EINTR` when a signal handler ran on this thread; `ENOENT`; `EMFILE`; `ESHUTDOWN`.
    pub fn wait(&self, group: &[u8], timeout_ms: i32) -> Result<()> {
        let group = self.store.group(group)?;
        let patience = Patience::from_ms(timeout_ms);
        loop {
            if self.store.take_news(group)? {
                return Ok(());
            }
            let left = patience.left_ms()?;
            self.store.readiness(group)?.wait(left, || self.store.is_ready(group))?;
        }
    }

    /// A descriptor that is readable exactly while [`Queue::wait`] would find something, valid until
    /// the queue is dropped. Errors: `ENOENT`, `EMFILE`.
    pub fn fd(&self, group: &[u8]) -> Result<RawFd> {
        let group = self.store.group(group)?;
        Ok(self.store.readiness(group)?.fd(|| self.store.is_ready(group)))
    }

    /// Makes a feed, which puts what it takes into a group, and hands it to the source by `start`.
    /// Gives its number.
    ///
    /// Errors: `ENOENT`; `ESHUTDOWN`; what `start` says.
    pub fn feed(
        &self,
        group: &[u8],
        config: &FeedConfig,
        start: impl FnOnce(Arc<dyn Sink>) -> Result<()>,
    ) -> Result<i64> {
        let group = self.store.group(group)?;
        let feed = Arc::new(Feed::new(&self.store, group, config));
        let mut feeds = self.feeds();
        if feeds.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        start(Arc::clone(&feed) as Arc<dyn Sink>)?;
        feeds.made += 1;
        let number = feeds.made;
        feeds.all.insert(number, feed);
        Ok(number)
    }

    /// Errors: `ENOENT` for a feed that there is not.
    pub fn feed_stats(&self, number: i64) -> Result<FeedStats> {
        let feeds = self.feeds();
        feeds.all.get(&number).map(|feed| feed.stats()).ok_or(Errno(libc::ENOENT))
    }

    /// Ends a feed: its source gives to its caller again. Errors: `ENOENT`.
    pub fn feed_stop(&self, number: i64) -> Result<()> {
        let feed = self.feeds().all.remove(&number).ok_or(Errno(libc::ENOENT))?;
        feed.end();
        Ok(())
    }

    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Ends the feeds, releases all values and wakes whoever waits.
    pub fn close(&self) {
        let feeds = {
            let mut feeds = self.feeds();
            feeds.is_closed = true;
            std::mem::take(&mut feeds.all)
        };
        feeds.values().for_each(|feed| feed.end());
        self.store.close();
    }

    fn feeds(&self) -> MutexGuard<'_, Feeds> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}
