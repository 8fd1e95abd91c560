//! Signals as something to wait for: a handler counts them and writes to eventfds.
//!
//! signalfd(2) would need the signal blocked in all threads of the process, those of others too.

use super::eventfd::EventFd;
use super::{check, process, Errno, Result};
use std::mem::{self, MaybeUninit};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// The process that the handlers are for; a forked child gets its default actions back.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// What was there before us, with how many listeners there are.
struct Replaced {
    listeners: usize,
    action: libc::sigaction,
}

static REPLACED: Mutex<[Option<Replaced>; SIGNALS]> = Mutex::new([const { None }; SIGNALS]);

extern "C" fn handle(number: libc::c_int) {
    // SAFETY: errno belongs to this thread, which the handler interrupts.
    let errno = unsafe { *libc::__errno_location() };
    if GENERATION.load(Ordering::Relaxed) == process::generation() {
        COUNTS[number as usize].fetch_add(1, Ordering::SeqCst);
        for slot in &LISTENERS {
            if slot.wanted.load(Ordering::SeqCst) & bit(number) != 0 {
                let one = 1u64.to_ne_bytes();
                // SAFETY: `one` is valid for reading its bytes; write is async-signal-safe.
                unsafe {
                    libc::write(slot.fd.load(Ordering::SeqCst), one.as_ptr().cast(), one.len())
                };
            }
        }
    } else {
        // SAFETY: both are async-signal-safe. A child was to hear it as if it had no handler.
        unsafe {
            libc::signal(number, libc::SIG_DFL);
            libc::raise(number);
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
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
        replace(number)?;
        self.seen.push((number, COUNTS[number as usize].load(Ordering::SeqCst)));
        LISTENERS[self.slot].wanted.fetch_or(bit(number), Ordering::SeqCst);
        Ok(())
    }

    /// Gives the process's handler back when nobody else here hears the signal.
    pub fn remove(&mut self, number: i32) {
        if !self.seen.iter().any(|(other, _)| *other == number) {
            return;
        }
        self.seen.retain(|(other, _)| *other != number);
        LISTENERS[self.slot].wanted.fetch_and(!bit(number), Ordering::SeqCst);
        restore(number);
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
        // A handler that runs at this moment may still write to the descriptor's number: to be
        // certain that it is ours, a slot and its eventfd part before the eventfd is closed.
        LISTENERS[self.slot].fd.store(-1, Ordering::SeqCst);
        LISTENERS[self.slot].is_taken.store(false, Ordering::Release);
    }
}

/// Puts our handler in place of the process's, unless it is there already.
fn replace(number: i32) -> Result<()> {
    let mut all = REPLACED.lock().unwrap_or_else(PoisonError::into_inner);
    let generation = process::generation();
    if GENERATION.swap(generation, Ordering::SeqCst) != generation {
        // What a parent replaced is not this process's to restore.
        *all = [const { None }; SIGNALS];
    }
    if let Some(replaced) = &mut all[number as usize] {
        replaced.listeners += 1;
        return Ok(());
    }
    // SAFETY: all-zero bytes are a value of this structure; `action` and `before` are valid, and
    // the handler keeps to what is async-signal-safe.
    let action = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = handle as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigfillset(&mut action.sa_mask);
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        check(libc::sigaction(number, &action, before.as_mut_ptr()))?;
        before.assume_init()
    };
    all[number as usize] = Some(Replaced { listeners: 1, action });
    Ok(())
}

fn restore(number: i32) {
    let mut all = REPLACED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(replaced) = &mut all[number as usize] else { return };
    replaced.listeners -= 1;
    if replaced.listeners == 0 {
        // SAFETY: the action is what the kernel gave for this signal.
        unsafe { libc::sigaction(number, &replaced.action, std::ptr::null_mut()) };
        all[number as usize] = None;
    }
}
