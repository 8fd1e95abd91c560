//! The part of all buffers that one lock guards.

use super::buffer::Buffer;
use super::ledger::Ledger;
use crate::sys::{Errno, Result};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::iter;

/// Buffers by group, then by the hash of their key; those of one hash, which are hardly ever two,
/// one behind the other.
#[derive(Default)]
pub struct Shard {
    groups: Vec<HashMap<u64, Vec<Buffer>, BuildHasherDefault<Unchanged>>>,
    pub received: u64,
    pub discarded: u64,
    /// Nothing is taken any more.
    pub is_closed: bool,
}

/// A hash is its own hash.
#[derive(Default)]
struct Unchanged(u64);

impl Hasher for Unchanged {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64")
    }
}

/// What bounds all shards together.
pub struct Limits {
    pub buffers: Ledger,
    pub bytes: Ledger,
}

impl Limits {
    /// Forgets a buffer.
    pub fn give_back(&self, buffer: Buffer) {
        buffer.release(&self.bytes);
        self.buffers.give(1);
    }
}

impl Shard {
    pub fn new(groups: usize) -> Shard {
        let groups = iter::repeat_with(HashMap::default).take(groups).collect();
        Shard { groups, ..Shard::default() }
    }

    /// One that takes nothing.
    pub fn closed() -> Shard {
        Shard { is_closed: true, ..Shard::default() }
    }

    pub fn get(&self, group: usize, hash: u64, idx: &[u8]) -> Option<&Buffer> {
        self.groups.get(group)?.get(&hash)?.iter().find(|buffer| buffer.idx() == idx)
    }

    /// Does something to the buffer of this key, which is made when it is not there.
    ///
    /// Errors: `ENOSPC` when there are as many as may be; `ENOBUFS`, `ENOMEM`; what `body` says.
    pub fn change<R>(
        &mut self,
        group: usize,
        hash: u64,
        idx: &[u8],
        limits: &Limits,
        body: impl FnOnce(&mut Buffer) -> Result<R>,
    ) -> Result<R> {
        let map = self.groups.get_mut(group).ok_or(Errno(libc::ENOENT))?;
        let known = map.get_mut(&hash).into_iter().flatten().find(|buffer| buffer.idx() == idx);
        if let Some(buffer) = known {
            return body(buffer);
        }
        map.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
        let mut buffer = make(idx, limits)?;
        let outcome = body(&mut buffer);
        if outcome.is_err() {
            limits.give_back(buffer);
        } else {
            map.entry(hash).or_insert_with(|| Vec::with_capacity(1)).push(buffer);
        }
        outcome
    }

    /// Takes a buffer out.
    pub fn remove(&mut self, group: usize, hash: u64, idx: &[u8]) -> Option<Buffer> {
        let map = self.groups.get_mut(group)?;
        let same = map.get_mut(&hash)?;
        let at = same.iter().position(|buffer| buffer.idx() == idx)?;
        let buffer = same.swap_remove(at);
        if same.is_empty() {
            map.remove(&hash);
        }
        Some(buffer)
    }

    pub fn buffers(&self, group: usize) -> impl Iterator<Item = &Buffer> {
        self.groups.get(group).into_iter().flat_map(HashMap::values).flatten()
    }
}

/// Errors: `ENOSPC`, `ENOBUFS`.
fn make(idx: &[u8], limits: &Limits) -> Result<Buffer> {
    limits.buffers.take(1).map_err(|_| Errno(libc::ENOSPC))?;
    Buffer::new(idx, &limits.bytes).inspect_err(|_| limits.buffers.give(1))
}
