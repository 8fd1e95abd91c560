//! Handles: numbers that stand for objects and are never dereferenced.
//!
//! A token names a slot of a table, the generation of what is in it, its kind, and the process
//! that made it. A stale, foreign, forged or NULL token fails one of these checks, so that it
//! answers `EBADF` instead of reaching memory that is not there. A slot's generation and the number
//! of calls inside it share one word, so that getting at an object takes one atomic addition and
//! letting go another, and no lock; the last one out frees it.

use crate::sys::process::{self, PerProcess};
use crate::sys::{Errno, Result};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A type of object that handles can stand for.
pub trait Kind: Send + Sync + Sized + 'static {
    /// Different for each kind, neither 0 nor 255.
    const TAG: u8;
}

/// What a C caller holds: an opaque pointer whose bits are, from the top,
/// kind (8), process generation (8), slot generation (24), slot index (24).
#[derive(Clone, Copy)]
struct Token(u64);

const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

impl Token {
    fn new(tag: u8, process: u32, generation: u64, index: usize) -> Token {
        let process = u64::from(process & 0xff);
        let generation = generation << INDEX_BITS;
        Token(u64::from(tag) << 56 | process << 48 | generation | index as u64)
    }

    fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    fn process(self) -> u32 {
        (self.0 >> 48) as u32 & 0xff
    }

    fn is_of(self, tag: u8) -> bool {
        self.0 >> 56 == u64::from(tag)
    }

    /// The state word of a slot that holds what this token means, with no call inside.
    fn state(self) -> u64 {
        let tag = self.0 >> 56;
        let generation = (self.0 >> INDEX_BITS) & GENERATION_MASK;
        (tag << GENERATION_BITS | generation) << CALLS_BITS
    }
}

/// A slot's state: kind (8), generation (24), calls inside (32).
const CALLS_BITS: u32 = 32;
const CALLS_MASK: u64 = (1 << CALLS_BITS) - 1;
const TAG_SHIFT: u32 = CALLS_BITS + GENERATION_BITS;

/// Stands for the kind in a free slot, and in one that is closed while calls are still inside.
const FREE: u64 = 0;
const CLOSING: u64 = 0xff;

fn generation_of(state: u64) -> u64 {
    (state >> CALLS_BITS) & GENERATION_MASK
}

struct Slot {
    state: AtomicU64,
    /// Written while the slot is free; good until it is free again.
    object: AtomicPtr<()>,
    /// The process that made the object.
    process: AtomicU32,
    /// How to free the object; written only while the slot is free.
    free: UnsafeCell<fn(*mut ())>,
}

// SAFETY: `free` is written by the one thread that has the slot's index from the free list, before
// the state says that something is there, and read by the one thread that makes the slot free.
unsafe impl Sync for Slot {}

/// Slots are made in blocks, and a block stays: a token may be looked up at any time.
const BLOCK: usize = 256;
const BLOCKS: usize = 256;

struct Table {
    process: u32,
    blocks: [AtomicPtr<[Slot; BLOCK]>; BLOCKS],
    free: Mutex<FreeList>,
}

#[derive(Default)]
struct FreeList {
    indexes: Vec<usize>,
    made: usize,
}

static TABLE: PerProcess<Table> = PerProcess::new(Table::empty, |table| table.process);

impl Table {
    fn empty(process: u32) -> Table {
        Table {
            process,
            blocks: [const { AtomicPtr::new(ptr::null_mut()) }; BLOCKS],
            free: Mutex::default(),
        }
    }

    fn slot(&self, index: usize) -> Option<&Slot> {
        // SAFETY: a block, once published, is never freed.
        let block = unsafe { self.blocks.get(index / BLOCK)?.load(Ordering::Acquire).as_ref() }?;
        Some(&block[index % BLOCK])
    }

    /// An index that is nobody else's. Errors: `EMFILE` when all are in use.
    fn take_index(&self) -> Result<usize> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = free.indexes.pop() {
            return Ok(index);
        }
        let index = free.made;
        let block = self.blocks.get(index / BLOCK).ok_or(Errno(libc::EMFILE))?;
        if block.load(Ordering::Acquire).is_null() {
            let slots = Box::new([const { Slot::empty() }; BLOCK]);
            block.store(Box::into_raw(slots), Ordering::Release);
        }
        free.made += 1;
        Ok(index)
    }
}

impl Slot {
    const fn empty() -> Slot {
        Slot {
            state: AtomicU64::new(0),
            object: AtomicPtr::new(ptr::null_mut()),
            process: AtomicU32::new(0),
            free: UnsafeCell::new(|_| {}),
        }
    }

    /// Lets go of one call; the last one out of a closed slot frees the object.
    fn leave(&self, index: usize) {
        let after = self.state.fetch_sub(1, Ordering::AcqRel) - 1;
        if after >> TAG_SHIFT == CLOSING && after & CALLS_MASK == 0 {
            self.reclaim(index, after);
        }
    }

    /// Frees the object of a closed slot in which no call is left. Stale tokens may enter and
    /// leave such a slot meanwhile; one of the threads that come here makes it a free one.
    fn reclaim(&self, index: usize, closing: u64) {
        // In a child forked by a call inside, the object's threads do not exist: it is left alone.
        if self.process.load(Ordering::Relaxed) != process::generation() {
            return;
        }
        let free = generation_of(closing) << CALLS_BITS | FREE << TAG_SHIFT;
        let swap = self.state.compare_exchange(closing, free, Ordering::AcqRel, Ordering::Acquire);
        if swap.is_err() {
            return;
        }
        // SAFETY: of all threads this one made the slot free, and its index is not on the free
        // list yet, so that nobody else touches the object. `insert` paired the two.
        unsafe { (*self.free.get())(self.object.load(Ordering::Acquire)) };
        if let Some(table) = TABLE.existing() {
            table.free.lock().unwrap_or_else(PoisonError::into_inner).indexes.push(index);
        }
    }
}

/// Gives `object` a token.
///
/// Errors: `EMFILE` when 65,536 handles are open.
pub fn insert<T: Kind>(object: T) -> Result<*mut ()> {
    let table = TABLE.get();
    let index = table.take_index()?;
    let slot = table.slot(index).ok_or(Errno(libc::EMFILE))?;
    // SAFETY: `index` came off the free list, so that this thread alone writes to the slot.
    unsafe { *slot.free.get() = |object| drop(Box::from_raw(object.cast::<T>())) };
    slot.process.store(table.process, Ordering::Relaxed);
    slot.object.store(Box::into_raw(Box::new(object)).cast(), Ordering::Release);
    let open = u64::from(T::TAG) << TAG_SHIFT;
    let state = slot.state.fetch_add(open, Ordering::AcqRel);
    let token = Token::new(T::TAG, table.process, generation_of(state), index);
    Ok(ptr::without_provenance_mut(token.0 as usize))
}

/// An object in use by a call: it lives at least until this is dropped.
pub struct Guard<T: Kind> {
    slot: &'static Slot,
    index: usize,
    kind: PhantomData<T>,
}

impl<T: Kind> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `enter` found the slot open and holding a `T`, and it is not freed while this
        // call is counted inside.
        unsafe { &*self.slot.object.load(Ordering::Acquire).cast::<T>() }
    }
}

impl<T: Kind> Drop for Guard<T> {
    fn drop(&mut self) {
        self.slot.leave(self.index);
    }
}

/// The object that `token` stands for.
///
/// Errors: `EBADF` for anything but an open handle of this kind and process.
pub fn enter<T: Kind>(token: *const ()) -> Result<Guard<T>> {
    let bad = Errno(libc::EBADF);
    let token = Token(token.addr() as u64);
    let table = TABLE.existing().ok_or(bad)?;
    if !token.is_of(T::TAG) || token.process() != table.process & 0xff {
        return Err(bad);
    }
    let index = token.index();
    let slot = table.slot(index).ok_or(bad)?;
    let state = slot.state.fetch_add(1, Ordering::AcqRel);
    if state & !CALLS_MASK != token.state() {
        slot.leave(index);
        return Err(bad);
    }
    Ok(Guard { slot, index, kind: PhantomData })
}

/// Ends a handle: from now on its token answers `EBADF`. The object stays with the guard given,
/// and with the calls inside, and is freed with the last of them.
///
/// Errors: `EBADF` as [`enter`]; of several threads closing one handle, one succeeds.
pub fn remove<T: Kind>(token: *const ()) -> Result<Guard<T>> {
    let guard = enter::<T>(token)?;
    let open = Token(token.addr() as u64).state();
    let ended = (generation_of(open) + 1) & GENERATION_MASK;
    let mut state = guard.slot.state.load(Ordering::Acquire);
    while state & !CALLS_MASK == open {
        let closed = CLOSING << TAG_SHIFT | ended << CALLS_BITS | (state & CALLS_MASK);
        match guard.slot.state.compare_exchange(state, closed, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => return Ok(guard),
            Err(now) => state = now,
        }
    }
    Err(Errno(libc::EBADF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    struct One(Arc<AtomicUsize>);
    struct Other;

    impl Kind for One {
        const TAG: u8 = 0xf1;
    }
    impl Kind for Other {
        const TAG: u8 = 0xf2;
    }
    impl Drop for One {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_the_right_token_gets_in() {
        let freed = Arc::new(AtomicUsize::new(0));
        let token = insert(One(Arc::clone(&freed))).unwrap();
        let other = insert(Other).unwrap();
        assert!(enter::<One>(token).is_ok());
        assert!(enter::<Other>(token).is_err());
        assert!(enter::<One>(other).is_err());
        assert!(enter::<One>(ptr::null()).is_err());
        for forged in [1, 8, usize::MAX, token.addr() ^ 1 << 25, token.addr() ^ 1 << 50] {
            assert!(enter::<One>(ptr::without_provenance(forged)).is_err(), "{forged:x}");
        }
        let last = remove::<One>(token).unwrap();
        assert!(enter::<One>(token).is_err() && remove::<One>(token).is_err());
        assert_eq!(freed.load(Ordering::SeqCst), 0);
        drop(last);
        assert_eq!(freed.load(Ordering::SeqCst), 1);
        assert!(remove::<Other>(other).is_ok());
    }

    #[test]
    fn a_closed_token_never_means_the_next_object() {
        let freed = Arc::new(AtomicUsize::new(0));
        let mut stale = Vec::new();
        for _ in 0..1000 {
            let token = insert(One(Arc::clone(&freed))).unwrap();
            assert!(stale.iter().all(|old| enter::<One>(*old).is_err()));
            drop(remove::<One>(token).unwrap());
            stale.push(token);
        }
        wait_for(&freed, 1000);
    }

    /// The last one out frees, which may be a thread of another test: one that tries a token that
    /// is stale, and whose slot has been given out again, is inside for a moment.
    fn wait_for(freed: &AtomicUsize, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while freed.load(Ordering::SeqCst) < count && Instant::now() < deadline {
            thread::yield_now();
        }
        assert_eq!(freed.load(Ordering::SeqCst), count);
    }

    #[test]
    fn an_object_entered_while_it_is_removed_is_freed_once() {
        for _ in 0..300 {
            let freed = Arc::new(AtomicUsize::new(0));
            let token = insert(One(Arc::clone(&freed))).unwrap().addr();
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(move || {
                        while let Ok(guard) = enter::<One>(ptr::without_provenance(token)) {
                            assert_eq!(guard.0.load(Ordering::SeqCst), 0);
                        }
                    });
                }
                drop(remove::<One>(ptr::without_provenance(token)).unwrap());
            });
            wait_for(&freed, 1);
        }
    }
}
