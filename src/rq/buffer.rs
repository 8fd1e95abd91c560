//! The last values of one sender.

use super::ledger::Ledger;
use crate::sys::{Errno, Result};
use std::collections::VecDeque;

/// A first-in first-out buffer that drops its oldest value for a new one when it is full.
pub struct Buffer {
    idx: Box<[u8]>,
    values: VecDeque<Vec<u8>>,
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
    /// Errors: `ENOBUFS` beyond the limit of `memory`.
    pub fn new(idx: &[u8], memory: &Ledger) -> Result<Buffer> {
        memory.take(BUFFER_COST + idx.len() as u64)?;
        let values = VecDeque::new();
        Ok(Buffer { idx: idx.into(), values, received: 0, discarded: 0, bytes: 0 })
    }

    pub fn idx(&self) -> &[u8] {
        &self.idx
    }

    /// The values, oldest first.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.values.iter().map(Vec::as_slice)
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
        let old = if is_full { self.values.pop_front() } else { None };
        let old_length = old.as_ref().map_or(0, Vec::len);
        match self.slot(old, value.len(), memory) {
            Ok(mut slot) => {
                slot.extend_from_slice(value);
                self.values.push_back(slot);
                self.bytes = self.bytes - old_length + value.len();
                self.received += 1;
                self.discarded += u64::from(is_full);
                Ok(is_full)
            }
            Err((error, old)) => {
                if let Some(old) = old {
                    self.values.push_front(old);
                }
                Err(error)
            }
        }
    }

    /// Room for a value of this length, out of the memory of an old one where that fits.
    fn slot(
        &mut self,
        old: Option<Vec<u8>>,
        length: usize,
        memory: &Ledger,
    ) -> std::result::Result<Vec<u8>, (Errno, Option<Vec<u8>>)> {
        let old = match old {
            Some(mut old) if fits(old.capacity(), length) => {
                old.clear();
                return Ok(old);
            }
            old => old,
        };
        let mut slot = Vec::new();
        if slot.try_reserve_exact(length).and(self.values.try_reserve(1)).is_err() {
            return Err((Errno(libc::ENOMEM), old));
        }
        match memory.exchange(old.as_ref().map_or(0, cost), cost(&slot)) {
            Ok(()) => Ok(slot),
            Err(error) => Err((error, old)),
        }
    }

    /// Forgets all of it.
    pub fn release(self, memory: &Ledger) {
        let values: u64 = self.values.iter().map(cost).sum();
        memory.give(BUFFER_COST + self.idx.len() as u64 + values);
    }
}

fn fits(capacity: usize, length: usize) -> bool {
    length <= capacity && capacity <= 4 * length + SPARE
}

fn cost(value: &Vec<u8>) -> u64 {
    VALUE_COST + value.capacity() as u64
}
