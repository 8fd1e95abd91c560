//! Things that are known by an id, which never means another one later.

use crate::sys::{Errno, Result};
use std::mem;

/// What an id is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Timer = 1,
    Watch = 2,
    Signal = 3,
    Listener = 4,
    Connection = 5,
    /// A way that a connection tries; not known outside.
    Attempt = 6,
}

/// Names something of a loop: from the top, a zero bit, kind (3), generation (32), index (28).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id(u64);

const INDEX_BITS: u32 = 28;
const GENERATION_BITS: u32 = 32;
const KINDS: [Kind; 6] =
    [Kind::Timer, Kind::Watch, Kind::Signal, Kind::Listener, Kind::Connection, Kind::Attempt];

impl Id {
    fn new(kind: Kind, generation: u32, index: usize) -> Id {
        let kind = u64::from(kind as u8) << (GENERATION_BITS + INDEX_BITS);
        Id(kind | u64::from(generation) << INDEX_BITS | index as u64)
    }

    /// The id that a caller has as a number; any number will do, as it is looked up.
    pub fn from_bits(bits: u64) -> Id {
        Id(bits)
    }

    pub fn bits(self) -> u64 {
        self.0
    }

    /// `None` for a number that is no id.
    pub fn kind(self) -> Option<Kind> {
        let kind = self.0 >> (GENERATION_BITS + INDEX_BITS);
        KINDS.into_iter().find(|known| *known as u64 == kind)
    }

    pub fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }
}

/// A table of one kind of things.
#[derive(Debug)]
pub struct Slab<T> {
    kind: Kind,
    entries: Vec<Entry<T>>,
    /// The first free entry; each free one names the next.
    free: usize,
    live: usize,
    /// For the next thing: one count for the whole table, so that the table can be given back and
    /// no id comes twice all the same.
    generation: u32,
}

#[derive(Debug)]
enum Entry<T> {
    Free(usize),
    Used(u32, T),
}

const NONE: usize = usize::MAX;

/// A table of so many entries is given back when it is empty.
const WORTH_FREEING: usize = 1024;

impl<T> Slab<T> {
    pub fn new(kind: Kind) -> Slab<T> {
        Slab { kind, entries: Vec::new(), free: NONE, live: 0, generation: 0 }
    }

    pub fn len(&self) -> usize {
        self.live
    }

    /// Errors: `EMFILE` when there are 268 million already.
    pub fn insert(&mut self, value: T) -> Result<Id> {
        let index = if self.free == NONE { self.entries.len() } else { self.free };
        if index >> INDEX_BITS != 0 {
            return Err(Errno(libc::EMFILE));
        }
        self.generation = self.generation.wrapping_add(1);
        let entry = Entry::Used(self.generation, value);
        if index == self.entries.len() {
            self.entries.push(entry);
        } else if let Entry::Free(next) = mem::replace(&mut self.entries[index], entry) {
            self.free = next;
        }
        self.live += 1;
        Ok(Id::new(self.kind, self.generation, index))
    }

    #[inline]
    pub fn get(&self, id: Id) -> Option<&T> {
        match self.entries.get(id.index()) {
            Some(Entry::Used(generation, value)) if self.means(id, *generation) => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let is_it = self.get(id).is_some();
        self.entries.get_mut(id.index()).filter(|_| is_it).and_then(Entry::value_mut)
    }

    fn means(&self, id: Id, generation: u32) -> bool {
        id == Id::new(self.kind, generation, id.index())
    }

    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.get(id)?;
        let entry = mem::replace(&mut self.entries[id.index()], Entry::Free(self.free));
        self.free = id.index();
        self.live -= 1;
        if self.live == 0 && self.entries.len() >= WORTH_FREEING {
            self.entries = Vec::new();
            self.free = NONE;
        }
        match entry {
            Entry::Used(_, value) => Some(value),
            Entry::Free(_) => None,
        }
    }

    pub fn ids(&self) -> Vec<Id> {
        self.iter().map(|(id, _)| id).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| match entry {
            Entry::Used(generation, value) => Some((Id::new(self.kind, *generation, index), value)),
            Entry::Free(_) => None,
        })
    }

    /// What lies at `index`, which its owner knows to be in use.
    pub fn at(&mut self, index: usize) -> Option<(Id, &mut T)> {
        match self.entries.get_mut(index) {
            Some(Entry::Used(generation, value)) => {
                Some((Id::new(self.kind, *generation, index), value))
            }
            _ => None,
        }
    }
}

impl<T> Entry<T> {
    fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Entry::Used(_, value) => Some(value),
            Entry::Free(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_never_means_another_thing() {
        let mut slab = Slab::new(Kind::Timer);
        let first = slab.insert("first").unwrap();
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
        let other = Slab::<&str>::new(Kind::Watch).insert("other").unwrap();
        assert_eq!(slab.get(other), None);
        assert_eq!((second.kind(), other.kind()), (Some(Kind::Timer), Some(Kind::Watch)));
        assert!(i64::try_from(second.bits()).is_ok_and(|bits| bits > 0));
        assert_eq!(Id::from_bits(0).kind(), None);
    }

    #[test]
    fn an_emptied_table_is_given_back() {
        let mut slab = Slab::new(Kind::Timer);
        let ids: Vec<Id> = (0..5_000).map(|n| slab.insert(n).unwrap()).collect();
        assert_eq!(slab.len(), 5_000);
        for id in &ids {
            assert!(slab.remove(*id).is_some());
        }
        assert_eq!((slab.len(), slab.entries.capacity()), (0, 0));
        let fresh = slab.insert(7).unwrap();
        assert!(ids.iter().all(|old| slab.get(*old).is_none()));
        assert_eq!(slab.get(fresh), Some(&7));
    }
}
