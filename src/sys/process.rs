//! Telling a forked child from its parent, and keeping what belongs to each apart.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// One word that the kernel sets to zero in every forked child (madvise(2), MADV_WIPEONFORK).
static WORD: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// The generation given out last; a child inherits it and counts on.
static LAST: AtomicU32 = AtomicU32::new(0);

/// A number that tells this process from the one that forked it; never 0.
///
/// A handle remembers the generation it was made in. In a child the threads behind it do not
/// exist and its locks may be held for ever, so that nothing of it may be touched. Reading a word
/// finds that out in a nanosecond, where getpid() is a system call and pthread_atfork() misses
/// children made by clone(2).
pub fn generation() -> u32 {
    let word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        return start(map_word());
    }
    // SAFETY: a non-null WORD is the mapping of `map_word`, which is never unmapped.
    let word = unsafe { &*word };
    match word.load(Ordering::Acquire) {
        0 => begin(word),
        generation => generation,
    }
}

/// Makes `word` the process's word, unless another thread was faster.
fn start(word: &'static AtomicU32) -> u32 {
    let mine = ptr::from_ref(word).cast_mut();
    let _ = WORD.compare_exchange(ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire);
    generation()
}

/// Gives a fresh process its generation; all threads that come here agree on one.
fn begin(word: &AtomicU32) -> u32 {
    let next = LAST.fetch_add(1, Ordering::AcqRel).wrapping_add(1).max(1);
    match word.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => next,
        Err(winner) => winner,
    }
}

fn map_word() -> &'static AtomicU32 {
    const PAGE: usize = 4096;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice touches no
    // existing memory.
    let page = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(ptr::null_mut(), PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if page == libc::MAP_FAILED {
        // Without a page a child cannot be told apart; everything else still works.
        return Box::leak(Box::new(AtomicU32::new(0)));
    }
    // SAFETY: the mapping is one page of zeroed, page-aligned memory that is never unmapped; an
    // old kernel that does not know the advice only loses the detection.
    unsafe {
        libc::madvise(page, PAGE, libc::MADV_WIPEONFORK);
        &*page.cast::<AtomicU32>()
    }
}

/// Something of which each process has its own. A forked child leaves its parent's alone, since a
/// thread that does not exist in the child may hold a lock in it, and starts anew.
pub struct PerProcess<T: 'static> {
    current: AtomicPtr<T>,
    /// Makes a fresh one for a generation, and tells which generation one was made for.
    make: fn(u32) -> T,
    generation: fn(&T) -> u32,
}

impl<T: Sync> PerProcess<T> {
    pub const fn new(make: fn(u32) -> T, generation: fn(&T) -> u32) -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(ptr::null_mut()), make, generation }
    }

    /// This process's, if it has one yet.
    #[inline]
    pub fn existing(&self) -> Option<&'static T> {
        // SAFETY: what was published is never freed.
        let current = unsafe { self.current.load(Ordering::Acquire).as_ref() }?;
        ((self.generation)(current) == generation()).then_some(current)
    }

    /// This process's, made when it has none.
    pub fn get(&self) -> &'static T {
        loop {
            if let Some(current) = self.existing() {
                return current;
            }
            let old = self.current.load(Ordering::Acquire);
            let fresh = Box::into_raw(Box::new((self.make)(generation())));
            let order = (Ordering::AcqRel, Ordering::Acquire);
            if self.current.compare_exchange(old, fresh, order.0, order.1).is_err() {
                // SAFETY: nobody else has seen the one that lost.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }
}
