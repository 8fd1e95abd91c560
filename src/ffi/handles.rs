//! Handles: numbers that stand for objects and are never dereferenced.
//!
//! A token names a slot of a table, the generation of what is in it, its kind, and the process
//! that made it. A stale, foreign, forged or NULL token fails one of these checks, so that it
//! answers `EBADF` instead of reaching memory that is not there.
//!
//! A call counts itself in, then looks whether the slot still holds what its token means; a close
//! changes what the slot holds, then looks whether anybody is counted in. In the one total order of
//! these operations (`SeqCst`) one of the two sees the other. The last one out frees the object. The
//! counts of a slot are several, on cache lines of their own, so that threads which use one handle
//! do not wait for each other's.

use crate::sys::process::{self, PerProcess};
use crate::sys::{Errno, Result};
use std::alloc::{self, Layout};
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
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

    /// The state of a slot that holds what this token means.
    fn state(self) -> u32 {
        state((self.0 >> 56) as u32, (self.0 >> INDEX_BITS & GENERATION_MASK) as u32)
    }
}

/// A slot's state: kind (8), generation (24).
fn state(kind: u32, generation: u32) -> u32 {
    kind << GENERATION_BITS | generation
}

fn kind_of(state: u32) -> u32 {
    state >> GENERATION_BITS
}

fn generation_of(state: u32) -> u32 {
    state & GENERATION_MASK as u32
}

/// Stands for the kind in a free slot, and in one that is closed while calls are still inside.
const FREE: u32 = 0;
const CLOSING: u32 = 0xff;

struct Slot {
    state: AtomicU32,
    /// The process that made the object.
    process: AtomicU32,
    /// Written while the slot is free; good until it is free again.
    object: AtomicPtr<()>,
    /// How to free the object; written only while the slot is free.
    free: UnsafeCell<Option<fn(*mut ())>>,
    calls: [Calls; STRIPES],
}

/// The calls inside of the threads that share this count.
#[repr(align(64))]
struct Calls(AtomicU32);

const STRIPES: usize = 8;

// SAFETY: `free` is written by the one thread that has the slot's index from the free list, before
// the state says that something is there, and read by the one thread that makes the slot free.
unsafe impl Sync for Slot {}

thread_local! {
    /// Which of a slot's counts this thread uses.
    static STRIPE: Cell<Option<usize>> = const { Cell::new(None) };
}

fn stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    STRIPE.get().unwrap_or_else(|| {
        let stripe = THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES;
        STRIPE.set(Some(stripe));
        stripe
    })
}

/// Slots are made in blocks, and a block stays: a token may be looked up at any time.
const BLOCK: usize = 64;
const BLOCKS: usize = 1024;

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

    /// An index that is nobody else's. Errors: `EMFILE` when all are in use; `ENOMEM`.
    fn take_index(&self) -> Result<usize> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = free.indexes.pop() {
            return Ok(index);
        }
        let index = free.made;
        let block = self.blocks.get(index / BLOCK).ok_or(Errno(libc::EMFILE))?;
        if block.load(Ordering::Acquire).is_null() {
            block.store(new_block()?, Ordering::Release);
        }
        free.made += 1;
        Ok(index)
    }
}

/// A block of free slots of the first generation. Errors: `ENOMEM`.
fn new_block() -> Result<*mut [Slot; BLOCK]> {
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc::alloc_zeroed(Layout::new::<[Slot; BLOCK]>()) };
    let block: *mut [Slot; BLOCK] = block.cast();
    // SAFETY: nobody else has it yet, and slots that are all 0 are valid.
    let slots = unsafe { block.as_mut() }.ok_or(Errno(libc::ENOMEM))?;
    let free = state(FREE, first_generation());
    for slot in slots {
        *slot.state.get_mut() = free;
    }
    Ok(block)
}

/// Where the generations of this copy of the library begin. A process may have loaded several, and
/// none is to take another's tokens for its own: they begin elsewhere, as they lie elsewhere.
fn first_generation() -> u32 {
    let page = ((&raw const TABLE).addr() >> 12) as u32;
    // Odd, so that neighbours come to lie far apart, and none at the same place.
    page.wrapping_mul(0x9e37_79b1) & GENERATION_MASK as u32
}

impl Slot {
    /// Counts a call in. The count it is in is given.
    fn come(&self) -> usize {
        let stripe = stripe();
        self.calls[stripe].0.fetch_add(1, SeqCst);
        stripe
    }

    /// Counts a call out; the last one out of a closed slot frees the object.
    fn leave(&self, index: usize, stripe: usize) {
        self.calls[stripe].0.fetch_sub(1, SeqCst);
        let state = self.state.load(SeqCst);
        if kind_of(state) == CLOSING && self.calls.iter().all(|calls| calls.0.load(SeqCst) == 0) {
            self.reclaim(index, state);
        }
    }

    /// Frees the object of a closed slot in which no call is left. Stale tokens may enter and
    /// leave such a slot meanwhile; one of the threads that come here makes it a free one.
    fn reclaim(&self, index: usize, closing: u32) {
        // In a child forked by a call inside, the object's threads do not exist: it is left alone.
        if self.process.load(Ordering::Relaxed) != process::generation() {
            return;
        }
        let free = state(FREE, generation_of(closing));
        if self.state.compare_exchange(closing, free, SeqCst, SeqCst).is_err() {
            return;
        }
        // SAFETY: of all threads this one made the slot free, and its index is not on the free
        // list yet, so that nobody else touches the object. `insert` paired the two.
        let free = unsafe { *self.free.get() };
        if let Some(free) = free {
            free(self.object.load(Ordering::Acquire));
        }
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
    unsafe { *slot.free.get() = Some(|object| drop(Box::from_raw(object.cast::<T>()))) };
    slot.process.store(table.process, Ordering::Relaxed);
    slot.object.store(Box::into_raw(Box::new(object)).cast(), Ordering::Release);
    let generation = generation_of(slot.state.load(SeqCst));
    slot.state.store(state(T::TAG.into(), generation), SeqCst);
    let token = Token::new(T::TAG, table.process, generation.into(), index);
    Ok(ptr::without_provenance_mut(token.0 as usize))
}

/// An object in use by a call: it lives at least until this is dropped.
pub struct Guard<T: Kind> {
    slot: &'static Slot,
    index: usize,
    stripe: usize,
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
        self.slot.leave(self.index, self.stripe);
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
    let stripe = slot.come();
    // Counts the call out again if this is not its object.
    let guard = Guard { slot, index, stripe, kind: PhantomData };
    if slot.state.load(SeqCst) != token.state() {
        return Err(bad);
    }
    Ok(guard)
}

/// Ends a handle: from now on its token answers `EBADF`. The object stays with the guard given,
/// and with the calls inside, and is freed with the last of them.
///
/// Errors: `EBADF` as [`enter`]; of several threads closing one handle, one succeeds.
pub fn remove<T: Kind>(token: *const ()) -> Result<Guard<T>> {
    let guard = enter::<T>(token)?;
    let open = Token(token.addr() as u64).state();
    let closing = state(CLOSING, (generation_of(open) + 1) & GENERATION_MASK as u32);
    let swap = guard.slot.state.compare_exchange(open, closing, SeqCst, SeqCst);
    swap.map(|_| guard).map_err(|_| Errno(libc::EBADF))
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
