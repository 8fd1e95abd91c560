//! The event loop that libvirt asks for: descriptors it wants to hear of, and timers.
//!
//! libvirt has its own (virEventRegisterDefaultImpl). Each remote call changes what that watches
//! several times over, and each change wakes the thread that runs it; epoll takes a change without
//! waking anybody. And it does not tell which sockets a connection has.

use super::api::{Free, OnHandle, OnTimeout};
use super::deadlines::Deadline;
use super::link::Link;
use super::registered;
use super::turn::Turn;
use crate::log::{Level, Logger};
use crate::sys::epoll::{Epoll, Watch};
use crate::sys::eventfd::EventFd;
use crate::sys::process::PerProcess;
use crate::sys::{check, clock, poll, thread, Errno, Result};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What libvirt wants to get back; it is good for any thread (its event loop may run on any).
#[derive(Clone, Copy)]
pub struct Opaque(pub *mut c_void);

// SAFETY: the pointer is only handed back, and libvirt locks what is behind it.
unsafe impl Send for Opaque {}

/// A descriptor that libvirt wants to hear of.
pub struct Handle {
    /// The number that libvirt knows.
    pub fd: RawFd,
    /// A second descriptor, which is the one watched: epoll takes each only once.
    pub copy: Arc<OwnedFd>,
    /// VIR_EVENT_HANDLE_*; 0: nothing for now.
    pub events: c_int,
    pub callback: OnHandle,
    pub opaque: Opaque,
    pub free: Free,
    /// The connection it is for, whose turn the callback needs.
    pub link: Option<Arc<Link>>,
}

pub struct Timer {
    /// Milliseconds; below 0: not now.
    pub period: c_int,
    pub due: i64,
    pub callback: OnTimeout,
    pub opaque: Opaque,
    pub free: Free,
    /// The connection it is for, whose turn the callback needs.
    pub link: Option<Arc<Link>>,
}

#[derive(Default)]
pub struct State {
    pub handles: HashMap<c_int, Handle>,
    pub timers: HashMap<c_int, Timer>,
    /// Handles that are ready, but whose connections are in use: they are looked at again soon.
    postponed: Vec<c_int>,
    /// What libvirt has removed. It wants it freed by the loop, never inside its own call.
    removed: Vec<(Free, Opaque)>,
    /// Until when the thread sleeps; `i64::MIN` while it is awake and will look at everything anyway.
    wakes_at: i64,
}

/// One for each process; a forked child begins with none, its parent's having no thread there.
pub struct EventLoop {
    epoll: Epoll,
    wake: EventFd,
    state: Mutex<State>,
}

struct Slot {
    process: u32,
    starting: Mutex<()>,
    event_loop: OnceLock<EventLoop>,
}

static SLOT: PerProcess<Slot> = PerProcess::new(
    |process| Slot { process, starting: Mutex::default(), event_loop: OnceLock::new() },
    |slot| slot.process,
);

/// When something is tried again that a connection in use has put off.
const SOON_NS: i64 = 10_000_000;

/// How long a callback may take.
const CALLBACK_NS: i64 = 1_000_000_000;

/// The eventfd's token; watches are numbers from 1 on.
const WAKE: u64 = 0;

impl EventLoop {
    /// This process's, if it has one.
    pub fn existing() -> Option<&'static EventLoop> {
        SLOT.existing()?.event_loop.get()
    }

    /// Starts this process's, if it has none yet.
    ///
    /// Errors: `EAGAIN`, `EMFILE` when threads or descriptors are short.
    pub fn start() -> Result<()> {
        let slot = SLOT.get();
        let _one_at_a_time = slot.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.event_loop.get().is_some() {
            return Ok(());
        }
        let (epoll, wake) = (Epoll::new()?, EventFd::new()?);
        epoll.add(wake.borrow(), WAKE, Watch::Level)?;
        // It begins when the loop is in its place, and does not when that fails.
        let body = || {
            if let Some(event_loop) = EventLoop::await_existing() {
                event_loop.run();
            }
        };
        thread::spawn_deep("virt-events".into(), body)?;
        let _ = slot.event_loop.set(EventLoop { epoll, wake, state: Mutex::default() });
        Ok(())
    }

    /// [`existing`](EventLoop::existing) on the thread that is started just before.
    fn await_existing() -> Option<&'static EventLoop> {
        let slot = SLOT.existing()?;
        drop(slot.starting.lock().unwrap_or_else(PoisonError::into_inner));
        slot.event_loop.get()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has epoll watch a handle as its `events` say: told once, and then after each callback again.
    pub fn watch(&self, watch: c_int, handle: &Handle, is_new: bool) -> Result<()> {
        let op = if is_new { libc::EPOLL_CTL_ADD } else { libc::EPOLL_CTL_MOD };
        // epoll reports hang-ups even to those who want nothing; but once only.
        let events = registered::to_epoll(handle.events) | libc::EPOLLONESHOT as u32;
        self.epoll.control(op, handle.copy.as_raw_fd(), watch as u64, events)
    }

    pub fn unwatch(&self, handle: &Handle) {
        self.epoll.remove(handle.copy.as_fd());
    }

    /// Has the loop free what libvirt has removed.
    pub fn free_later(&self, state: &mut State, free: Free, opaque: Opaque) {
        state.removed.push((free, opaque));
        self.wake_for(state, i64::MIN + 1);
    }

    /// Wakes the thread if it would sleep beyond `at`.
    pub fn wake_for(&self, state: &mut State, at: i64) {
        if at < state.wakes_at {
            state.wakes_at = at;
            // A counter that is full wakes as well.
            let _ = self.wake.add(1);
        }
    }

    fn run(&self) {
        let mut ready = [libc::epoll_event { events: 0, u64: 0 }; 32];
        loop {
            match self.sleep(&mut ready) {
                Ok(count) => {
                    self.rearm_postponed();
                    for event in &ready[..count] {
                        self.dispatch(event.u64, event.events);
                    }
                }
                Err(Errno(libc::EINTR)) => {}
                Err(error) => {
                    let text = format_args!("libvirt's event loop ends: {error}");
                    Logger(Level::None).log(Level::Error, text);
                    return;
                }
            }
            self.run_timers();
            self.free_removed();
        }
    }

    /// Waits until there is something to do; gives how many descriptors are ready.
    fn sleep(&self, ready: &mut [libc::epoll_event]) -> Result<usize> {
        let until = {
            let mut state = self.state();
            state.wakes_at = state.next();
            state.wakes_at
        };
        let timeout = match until {
            i64::MAX => -1,
            _ => poll::timeout_ms(until.saturating_sub(clock::monotonic())),
        };
        let (epoll, most) = (self.epoll.as_fd().as_raw_fd(), ready.len() as c_int);
        // SAFETY: `ready` is valid for writing `most` entries.
        let count = check(unsafe { libc::epoll_wait(epoll, ready.as_mut_ptr(), most, timeout) });
        self.state().wakes_at = i64::MIN;
        count.map(|count| count as usize)
    }

    fn dispatch(&self, token: u64, events: u32) {
        if token == WAKE {
            return self.wake.clear();
        }
        let watch = token as c_int;
        let (callback, fd, opaque, link) = match self.state().handles.get(&watch) {
            Some(handle) if handle.events != 0 => {
                (handle.callback, handle.fd, handle.opaque, handle.link.clone())
            }
            _ => return,
        };
        let Some(_turn) = try_turn(link.as_ref()) else {
            return self.state().postponed.push(watch);
        };
        if let Some(callback) = callback {
            // SAFETY: libvirt's callback with its own pointer, which is freed by this thread only.
            unsafe { callback(watch, fd, registered::from_epoll(events), opaque.0) };
        }
        self.rearm(watch);
    }

    fn rearm(&self, watch: c_int) {
        if let Some(handle) = self.state().handles.get(&watch).filter(|handle| handle.events != 0) {
            // It was watched before, so that it can be again.
            let _ = self.watch(watch, handle, false);
        }
    }

    fn rearm_postponed(&self) {
        let postponed = std::mem::take(&mut self.state().postponed);
        for watch in postponed {
            self.rearm(watch);
        }
    }

    fn run_timers(&self) {
        let now = clock::monotonic();
        let due: Vec<c_int> = self.state().due_timers(now);
        for id in due {
            let link = self.state().timers.get(&id).and_then(|timer| timer.link.clone());
            let turn = try_turn(link.as_ref());
            // One that came before may have removed it.
            let called = self.state().restart(id, now, turn.is_some());
            if let Some((Some(callback), opaque)) = called.filter(|_| turn.is_some()) {
                // SAFETY: as for handles.
                unsafe { callback(id, opaque.0) };
            }
        }
    }

    fn free_removed(&self) {
        let removed = std::mem::take(&mut self.state().removed);
        for (free, opaque) in removed {
            if let Some(free) = free {
                // SAFETY: libvirt's function for its own pointer, called once and by no callback.
                unsafe { free(opaque.0) };
            }
        }
    }
}

impl State {
    /// When there is something to do next.
    fn next(&self) -> i64 {
        if !self.removed.is_empty() {
            return 0;
        }
        let again = if self.postponed.is_empty() { i64::MAX } else { clock::monotonic() + SOON_NS };
        let timers = self.timers.values().filter(|timer| timer.period >= 0);
        timers.map(|timer| timer.due).fold(again, i64::min)
    }

    fn due_timers(&self, now: i64) -> Vec<c_int> {
        self.timers.iter().filter(|(_, timer)| timer.is_due(now)).map(|(id, _)| *id).collect()
    }

    /// What a timer calls, if it is still due: a call on another thread may have put it off. Its next
    /// time begins, or, as its connection is in use, it is due again soon.
    fn restart(&mut self, id: c_int, now: i64, is_its_turn: bool) -> Option<(OnTimeout, Opaque)> {
        let timer = self.timers.get_mut(&id).filter(|timer| timer.is_due(now))?;
        timer.set(timer.period, now);
        if !is_its_turn {
            timer.due = timer.due.min(now + SOON_NS);
        }
        Some((timer.callback, timer.opaque))
    }
}

/// What a callback for `link` needs: its turn, and an end should it wait for a socket that takes nothing.
fn try_turn(link: Option<&Arc<Link>>) -> Option<Option<(Deadline, Turn<'_>)>> {
    match link {
        Some(link) => {
            let turn = link.try_turn()?;
            Some(Some((link.end_at(clock::monotonic() + CALLBACK_NS), turn)))
        }
        None => Some(None),
    }
}

impl Timer {
    fn is_due(&self, now: i64) -> bool {
        self.period >= 0 && self.due <= now
    }

    pub fn set(&mut self, period: c_int, now: i64) {
        self.period = period;
        self.due = now.saturating_add(i64::from(period) * 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_was_put_off_is_not_called() {
        let (null, now) = (Opaque(std::ptr::null_mut()), 5_000_000_000);
        let mut timer =
            Timer { period: 0, due: 0, callback: None, opaque: null, free: None, link: None };
        timer.set(1000, now - 1_000_000_000);
        let mut state = State { timers: HashMap::from([(1, timer)]), ..State::default() };
        assert_eq!(state.due_timers(now), [1]);
        assert!(state.restart(1, now, true).is_some());
        assert!(state.restart(1, now, true).is_none());
        for (period, is_called) in [(0, true), (-1, false)] {
            state.timers.get_mut(&1).unwrap().set(period, now);
            assert_eq!(state.restart(1, now, true).is_some(), is_called);
        }
    }
}
