//! The last values of one sender.

use super::ledger::Ledger;
use crate::sys::{Errno, Result};

/// A first-in first-out buffer that drops its oldest value for a new one when it is full.
pub struct Buffer {
    idx: Box<[u8]>,
    /// A ring once it is full: the oldest is overwritten where it lies.
    values: Vec<Vec<u8>>,
    oldest: usize,
    received: u64,
    discarded: u64,
    bytes: usize,
}

/// Bytes of memory that a buffer, and a value, take beside their contents: about what the
/// structures and the allocator need.
const BUFFER_COST: u64 = 192;
const VALUE_COST: u64 = 40;

/// A value's memory is used again for one that needs at least a quarter of it; less than this is
/// never worth another allocation.
const SPARE: usize = 64;

impl Buffer {
    /// Errors: `ENOBUFS` beyond the limit of `memory`; `ENOMEM`.
    pub fn new(idx: &[u8], memory: &Ledger) -> Result<Buffer> {
        let mut key = Vec::new();
        key.try_reserve_exact(idx.len()).map_err(|_| Errno(libc::ENOMEM))?;
        key.extend_from_slice(idx);
        memory.take(BUFFER_COST + idx.len() as u64)?;
        let values = Vec::new();
        Ok(Buffer { idx: key.into(), values, oldest: 0, received: 0, discarded: 0, bytes: 0 })
    }

    pub fn idx(&self) -> &[u8] {
        &self.idx
    }

    /// The values, oldest first.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        let (newer, older) = self.values.split_at(self.oldest);
        older.iter().chain(newer).map(Vec::as_slice)
    }

    pub fn held(&self) -> usize {
        self.values.len()
    }

    /// Of all values that are held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Values that ever came.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Values that fell out.
    pub fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Appends a value; of more than `length` the oldest falls out. Gives whether one did.
    ///
    /// Errors: `ENOBUFS` beyond the limit of `memory`, `ENOMEM`, nothing having changed.
    pub fn push(&mut self, value: &[u8], length: usize, memory: &Ledger) -> Result<bool> {
        let is_full = self.values.len() == length;
        if is_full {
            self.overwrite(value, memory)?;
        } else {
            self.values.try_reserve(1).map_err(|_| Errno(libc::ENOMEM))?;
            self.values.push(copy(value, 0, memory)?);
        }
        self.bytes += value.len();
        self.received += 1;
        self.discarded += u64::from(is_full);
        Ok(is_full)
    }

    fn overwrite(&mut self, value: &[u8], memory: &Ledger) -> Result<()> {
        let old = &mut self.values[self.oldest];
        let old_length = old.len();
        if fits(old.capacity(), value.len()) {
            old.clear();
            old.extend_from_slice(value);
        } else {
            *old = copy(value, cost(old), memory)?;
        }
        self.bytes -= old_length;
        self.oldest = if self.oldest + 1 == self.values.len() { 0 } else { self.oldest + 1 };
        Ok(())
    }

    /// Forgets all of it.
    pub fn release(self, memory: &Ledger) {
        let values: u64 = self.values.iter().map(cost).sum();
        memory.give(BUFFER_COST + self.idx.len() as u64 + values);
    }
}

/// A copy of a value, which takes the place of what has cost `old`.
///
/// Errors: `ENOMEM`; `ENOBUFS`.
fn copy(value: &[u8], old: u64, memory: &Ledger) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(value.len()).map_err(|_| Errno(libc::ENOMEM))?;
    copy.extend_from_slice(value);
    memory.exchange(old, cost(&copy))?;
    Ok(copy)
}

fn fits(capacity: usize, length: usize) -> bool {
    length <= capacity && capacity <= 4 * length + SPARE
}

fn cost(value: &Vec<u8>) -> u64 {
    VALUE_COST + value.capacity() as u64
}
