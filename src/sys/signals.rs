//! Signals as something to wait for: a handler counts them and writes to eventfds.
//!
//! signalfd(2) would need the signal blocked in all threads of the process, those of others too.

use super::eventfd::EventFd;
use super::process::{self, PerProcess};
use super::{check, Errno, Result};
use std::mem;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// One more than the highest signal's number.
const SIGNALS: usize = 65;

/// How many of each signal have come. A handler may do little more than add to a number.
static COUNTS: [AtomicU64; SIGNALS] = [const { AtomicU64::new(0) }; SIGNALS];

/// Whom to wake: the eventfds of all listeners, and which signals they are for.
static LISTENERS: [Slot; 64] = [const { Slot::empty() }; 64];

struct Slot {
    is_taken: AtomicBool,
    fd: AtomicI32,
    /// A bit for each signal, the lowest for signal 1.
    wanted: AtomicU64,
}

impl Slot {
    const fn empty() -> Slot {
        Slot { is_taken: AtomicBool::new(false), fd: AtomicI32::new(-1), wanted: AtomicU64::new(0) }
    }
}

/// How many handlers run at this moment.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// What was there before our handler, where that can look at it.
static BEFORE: [Before; SIGNALS] = [const { Before::empty() }; SIGNALS];

struct Before {
    /// Whether somebody here hears the signal.
    is_replaced: AtomicBool,
    handler: AtomicUsize,
    flags: AtomicI32,
    /// Which signals wait while it runs.
    mask: AtomicU64,
}

impl Before {
    const fn empty() -> Before {
        Before {
            is_replaced: AtomicBool::new(false),
            handler: AtomicUsize::new(libc::SIG_DFL),
            flags: AtomicI32::new(0),
            mask: AtomicU64::new(0),
        }
    }

    /// Puts it back, and says so, unless the program has put another one there since. May be called
    /// by a signal handler.
    fn restore(&self, number: i32) -> bool {
        self.is_replaced.store(false, Ordering::SeqCst);
        let is_ours = is_ours(number);
        if is_ours {
            let action = Action {
                handler: self.handler.load(Ordering::SeqCst),
                flags: self.flags.load(Ordering::SeqCst),
                mask: self.mask.load(Ordering::SeqCst),
            };
            // It fails for no number that was replaced before.
            let _ = set_action(number, action);
        }
        is_ours
    }
}

/// The process that listeners and handlers are for: a forked child inherits all of it, and what it
/// shares with its parent must not be touched.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How many of this process hear each signal.
static HEARERS: PerProcess<Hearers> = PerProcess::new(
    |generation| Hearers { generation, counts: Mutex::new([0; SIGNALS]) },
    |h| h.generation,
);

struct Hearers {
    generation: u32,
    counts: Mutex<[usize; SIGNALS]>,
}

extern "C" fn handle(number: libc::c_int) {
    // SAFETY: errno belongs to this thread, which the handler interrupts.
    let errno = unsafe { *libc::__errno_location() };
    let before = &BEFORE[number as usize];
    let is_ours = GENERATION.load(Ordering::SeqCst) == process::generation();
    if is_ours && before.is_replaced.load(Ordering::SeqCst) {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        tell(number);
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    } else if before.restore(number) {
        // A child hears it as if there were no loop, and so does a process in which nobody hears
        // it here any more, but somebody has put this handler back that he had found in its place.
        // It is raised once this handler has returned, as it is blocked until then. Not for one who
        // has called this handler from his own: he would hear it again without end.
        // SAFETY: raise takes no pointer, and is async-signal-safe.
        unsafe { libc::raise(number) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Counts a signal and wakes who listens.
fn tell(number: i32) {
    COUNTS[number as usize].fetch_add(1, Ordering::SeqCst);
    for slot in &LISTENERS {
        if slot.wanted.load(Ordering::SeqCst) & bit(number) != 0 {
            let one = 1u64.to_ne_bytes();
            // SAFETY: `one` is valid for reading its bytes; write is async-signal-safe.
            unsafe { libc::write(slot.fd.load(Ordering::SeqCst), one.as_ptr().cast(), one.len()) };
        }
    }
}

fn bit(number: i32) -> u64 {
    1 << (number - 1)
}

/// Hears signals from [`Signals::add`] on; while it does, no other handler of the process does.
#[derive(Debug)]
pub struct Signals {
    slot: usize,
    wake: EventFd,
    /// The count of each signal when it was last asked for.
    seen: Vec<(i32, u64)>,
}

impl Signals {
    /// Errors: `EMFILE` when descriptors are short, or 64 listen already.
    pub fn new() -> Result<Signals> {
        let wake = EventFd::new()?;
        // What a child has inherited is put in order first.
        let _hearers = hearers();
        let is_free = |slot: &Slot| {
            let (order, other) = (Ordering::AcqRel, Ordering::Acquire);
            slot.is_taken.compare_exchange(false, true, order, other).is_ok()
        };
        let slot = LISTENERS.iter().position(is_free).ok_or(Errno(libc::EMFILE))?;
        LISTENERS[slot].fd.store(wake.raw(), Ordering::SeqCst);
        Ok(Signals { slot, wake, seen: Vec::new() })
    }

    /// Readable when a signal has come.
    pub fn raw(&self) -> RawFd {
        self.wake.raw()
    }

    /// Errors: `EINVAL` for what is no signal, cannot be caught, or is a fault of the program;
    /// `EEXIST` when it is heard already.
    pub fn add(&mut self, number: i32) -> Result<()> {
        let faults = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];
        if !(1..SIGNALS as i32).contains(&number) || faults.contains(&number) {
            return Err(Errno(libc::EINVAL));
        }
        if self.seen.iter().any(|(other, _)| *other == number) {
            return Err(Errno(libc::EEXIST));
        }
        // Before the handler is there, so that no signal is in between.
        self.seen.push((number, COUNTS[number as usize].load(Ordering::SeqCst)));
        LISTENERS[self.slot].wanted.fetch_or(bit(number), Ordering::SeqCst);
        let outcome = replace(number);
        if outcome.is_err() {
            self.forget(number);
        }
        outcome
    }

    /// Gives the process's handler back when nobody else here hears the signal.
    pub fn remove(&mut self, number: i32) {
        if !self.seen.iter().any(|(other, _)| *other == number) {
            return;
        }
        restore(number);
        self.forget(number);
    }

    fn forget(&mut self, number: i32) {
        self.seen.retain(|(other, _)| *other != number);
        LISTENERS[self.slot].wanted.fetch_and(!bit(number), Ordering::SeqCst);
    }

    /// Each signal that has come since the last call, and how many.
    pub fn take(&mut self) -> Vec<(i32, u64)> {
        self.wake.clear();
        let mut come = Vec::new();
        for (number, seen) in &mut self.seen {
            let count = COUNTS[*number as usize].load(Ordering::SeqCst);
            if count != *seen {
                come.push((*number, count - *seen));
                *seen = count;
            }
        }
        come
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        while let Some((number, _)) = self.seen.last() {
            self.remove(*number);
        }
        LISTENERS[self.slot].fd.store(-1, Ordering::SeqCst);
        // A handler that has read the number already is let write to it before it is closed.
        while RUNNING.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        LISTENERS[self.slot].is_taken.store(false, Ordering::Release);
    }
}

/// The counts of this process; what a parent has left to it is put in order first.
fn hearers() -> MutexGuard<'static, [usize; SIGNALS]> {
    let hearers = HEARERS.get();
    let counts = hearers.counts.lock().unwrap_or_else(PoisonError::into_inner);
    if GENERATION.load(Ordering::SeqCst) != hearers.generation {
        for slot in &LISTENERS {
            slot.wanted.store(0, Ordering::SeqCst);
            slot.fd.store(-1, Ordering::SeqCst);
            slot.is_taken.store(false, Ordering::SeqCst);
        }
        for (number, before) in BEFORE.iter().enumerate() {
            if before.is_replaced.load(Ordering::SeqCst) {
                before.restore(number as i32);
            }
        }
        RUNNING.store(0, Ordering::SeqCst);
        GENERATION.store(hearers.generation, Ordering::SeqCst);
    }
    counts
}

/// Puts our handler in place of the process's, unless it is there already.
fn replace(number: i32) -> Result<()> {
    let mut hearers = hearers();
    if hearers[number as usize] == 0 {
        let flags = libc::SA_RESTART | libc::SA_ONSTACK;
        let place = &BEFORE[number as usize];
        // First, as a signal that comes at once is heard.
        place.is_replaced.store(true, Ordering::SeqCst);
        let new = Action { handler: ours(), flags, mask: u64::MAX };
        let before = set_action(number, new)
            .inspect_err(|_| place.is_replaced.store(false, Ordering::SeqCst))?;
        // Somebody may have put ours back; what was before it is known then.
        if before.handler != ours() {
            place.handler.store(before.handler, Ordering::SeqCst);
            place.flags.store(before.flags, Ordering::SeqCst);
            place.mask.store(before.mask, Ordering::SeqCst);
        }
    }
    hearers[number as usize] += 1;
    Ok(())
}

fn restore(number: i32) {
    let mut hearers = hearers();
    hearers[number as usize] -= 1;
    if hearers[number as usize] == 0 {
        BEFORE[number as usize].restore(number);
    }
}

fn ours() -> usize {
    handle as extern "C" fn(libc::c_int) as usize
}

/// What a signal does.
struct Action {
    handler: usize,
    flags: i32,
    /// A bit for each signal that waits meanwhile, as the kernel has it.
    mask: u64,
}

/// Whether the handler in place is ours. May be called by a signal handler.
fn is_ours(number: i32) -> bool {
    // SAFETY: all-zero bytes are a value of this structure, which is valid for writing.
    let now = unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        libc::sigaction(number, std::ptr::null(), &mut now);
        now.sa_sigaction
    };
    now == ours()
}

/// Sets what a signal does; gives what it did before. May be called by a signal handler.
fn set_action(number: i32, new: Action) -> Result<Action> {
    // SAFETY: all-zero bytes are a value of this structure; both are valid, the first word of a
    // mask is the kernel's, and the handler is ours, which keeps to what is async-signal-safe, or
    // one that the kernel gave for this signal.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = new.handler;
        action.sa_flags = new.flags;
        (&raw mut action.sa_mask).cast::<u64>().write(new.mask);
        let mut before: libc::sigaction = mem::zeroed();
        check(libc::sigaction(number, &action, &mut before))?;
        Ok(Action {
            handler: before.sa_sigaction,
            flags: before.sa_flags,
            mask: (&raw const before.sa_mask).cast::<u64>().read(),
        })
    }
}
