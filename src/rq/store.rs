//! The groups, and the buffers in them behind their locks.

use super::buffer::Buffer;
use super::ledger::Ledger;
use super::shard::{Limits, Shard};
use super::{Config, Policy, Stats};
use crate::readiness::Readiness;
use crate::sys::{Errno, Result};
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::iter;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{fence, AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Locks of a queue whose receivers run together, a power of 2: many more than processors, so that
/// two senders seldom share one.
const SHARDS: usize = 64;

/// Groups of one queue at most: each has a part in every shard.
const GROUPS_MAX: usize = 4096;

/// Values of one buffer at most: any more are a mistake.
const LENGTH_MAX: usize = 1 << 24;

pub struct Store {
    /// In order.
    groups: Vec<Group>,
    shards: Box<[Line]>,
    /// Keys may come from the network: nobody who does not know its seeds can make all of them meet
    /// in one place.
    hasher: RandomState,
    length: usize,
    limits: Limits,
    refused: AtomicU64,
    is_closed: AtomicBool,
}

/// A lock on a cache line of its own.
#[repr(align(64))]
struct Line(Mutex<Shard>);

struct Group {
    name: Box<[u8]>,
    /// Something has come since the last wait that found something.
    has_news: AtomicBool,
    readiness: OnceLock<Readiness>,
}

impl Store {
    /// Errors: `EINVAL` for no groups or more than 4,096, one twice, a length of 0 or beyond
    /// 16,777,216.
    pub fn new(groups: &[&[u8]], config: &Config) -> Result<Store> {
        let mut names = groups.to_vec();
        names.sort_unstable_by(|one, other| in_order(one, other));
        let is_twice = names.windows(2).any(|pair| pair[0] == pair[1]);
        let is_few = (1..=GROUPS_MAX).contains(&names.len());
        if !is_few || is_twice || !(1..=LENGTH_MAX).contains(&config.length) {
            return Err(Errno(libc::EINVAL));
        }
        let locks = if config.policy == Policy::Exclusive { 1 } else { SHARDS };
        let shards = iter::repeat_with(|| Line(Mutex::new(Shard::new(names.len()))));
        Ok(Store {
            shards: shards.take(locks).collect(),
            groups: names.into_iter().map(Group::new).collect(),
            hasher: RandomState::new(),
            length: config.length,
            limits: Limits {
                buffers: Ledger::new(config.buffers_max),
                bytes: Ledger::new(config.bytes_max),
            },
            refused: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Where the group of this name is. Errors: `ENOENT` when there is none.
    pub fn group(&self, name: &[u8]) -> Result<usize> {
        let found = self.groups.binary_search_by(|group| in_order(&group.name, name));
        found.map_err(|_| Errno(libc::ENOENT))
    }

    /// Appends values, in order, until one is refused; gives how many were taken.
    ///
    /// Errors: why the first was refused: `ENOSPC`, `ENOBUFS`, `ENOMEM`; `ESHUTDOWN` when closed.
    pub fn receive<'a>(
        &self,
        group: usize,
        idx: &[u8],
        mut values: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Result<usize> {
        let all = values.len();
        if all == 0 {
            return Ok(0);
        }
        let hash = self.hash(idx);
        let mut shard = self.shard(hash);
        if shard.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        let (mut taken, mut discarded) = (0, 0);
        let outcome = shard.change(group, hash, idx, &self.limits, |buffer| {
            for value in &mut values {
                match buffer.push(value, self.length, &self.limits.bytes) {
                    Ok(has_fallen) => discarded += u64::from(has_fallen),
                    Err(error) if taken == 0 => return Err(error),
                    Err(_) => break,
                }
                taken += 1;
            }
            Ok(())
        });
        shard.received += taken as u64;
        shard.discarded += discarded;
        drop(shard);
        if taken > 0 {
            self.announce(&self.groups[group]);
        }
        if taken < all {
            self.refused.fetch_add((all - taken) as u64, Relaxed);
        }
        outcome.map(|()| taken)
    }

    /// Hands the buffer of a key to `read`, or that there is none. Nothing comes into it meanwhile.
    ///
    /// Errors: `ESHUTDOWN` when closed.
    pub fn read<R>(
        &self,
        group: usize,
        idx: &[u8],
        read: impl FnOnce(Option<&Buffer>) -> R,
    ) -> Result<R> {
        let hash = self.hash(idx);
        let shard = self.shard(hash);
        if shard.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        Ok(read(shard.get(group, hash, idx)))
    }

    /// All buffers of a group, into none of which anything comes while this is there.
    ///
    /// Errors: `ESHUTDOWN` when closed.
    pub fn snapshot(&self, group: usize) -> Result<Snapshot<'_>> {
        let shards: Vec<_> = self.shards.iter().map(Line::lock).collect();
        if shards.iter().any(|shard| shard.is_closed) {
            return Err(Errno(libc::ESHUTDOWN));
        }
        Ok(Snapshot { shards, group })
    }

    /// Drops a buffer; gives how many values it had.
    pub fn forget(&self, group: usize, idx: &[u8]) -> usize {
        let hash = self.hash(idx);
        let mut shard = self.shard(hash);
        let Some(buffer) = shard.remove(group, hash, idx) else { return 0 };
        let held = buffer.held();
        shard.discarded += held as u64;
        drop(shard);
        self.limits.give_back(buffer);
        held
    }

    /// Whether something has come into the group since the last call that found so.
    pub fn take_news(&self, group: usize) -> Result<bool> {
        let group = &self.groups[group];
        if self.is_closed.load(SeqCst) {
            return Err(Errno(libc::ESHUTDOWN));
        }
        let has_news = group.has_news.swap(false, SeqCst);
        if has_news {
            self.update(group);
        }
        Ok(has_news)
    }

    /// What to wait for news of a group with. Errors: `EMFILE`.
    pub fn readiness(&self, group: usize) -> Result<&Readiness> {
        let group = &self.groups[group];
        if let Some(readiness) = group.readiness.get() {
            return Ok(readiness);
        }
        let fresh = Readiness::new()?;
        Ok(group.readiness.get_or_init(|| fresh))
    }

    /// Whether a wait for news of a group is over.
    pub fn is_ready(&self, group: usize) -> bool {
        self.groups[group].has_news.load(SeqCst) || self.is_closed.load(SeqCst)
    }

    fn announce(&self, group: &Group) {
        // Most often there is news already, which nobody has waited for yet: this line then stays in
        // each processor's cache.
        if group.has_news.load(Relaxed) || group.has_news.swap(true, SeqCst) {
            return;
        }
        // Whoever makes the readiness at this moment then looks for news: one of us sees the other.
        fence(SeqCst);
        self.update(group);
    }

    fn update(&self, group: &Group) {
        if let Some(readiness) = group.readiness.get() {
            readiness.update(|| group.has_news.load(SeqCst) || self.is_closed.load(SeqCst));
        }
    }

    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            buffers: self.limits.buffers.used(),
            bytes: self.limits.bytes.used(),
            refused: self.refused.load(Relaxed),
            ..Stats::default()
        };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.values += shard.received - shard.discarded;
            stats.received += shard.received;
            stats.discarded += shard.discarded;
        }
        stats
    }

    /// Releases all of it and wakes whoever waits.
    pub fn close(&self) {
        self.is_closed.store(true, SeqCst);
        for line in &self.shards {
            let emptied = Shard::closed();
            // Freeing may take long: not under the lock.
            let full = std::mem::replace(&mut *line.lock(), emptied);
            drop(full);
        }
        self.groups.iter().for_each(|group| self.update(group));
    }

    fn hash(&self, idx: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(idx);
        hasher.finish()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Other bits than those that find the place in the shard.
        self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].lock()
    }
}

/// By length first: names of different lengths, as most are, need not be read.
fn in_order(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl Group {
    fn new(name: &[u8]) -> Group {
        let has_news = AtomicBool::new(false);
        Group { name: name.into(), has_news, readiness: OnceLock::new() }
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Shard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group at one instant.
pub struct Snapshot<'a> {
    shards: Vec<MutexGuard<'a, Shard>>,
    group: usize,
}

impl Snapshot<'_> {
    /// The buffers, in no order.
    pub fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.shards.iter().flat_map(|shard| shard.buffers(self.group))
    }
}
