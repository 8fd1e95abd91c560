//! The functions that libvirt calls to use the event loop (virEventRegisterImpl).

use super::api::{Free, OnHandle, OnTimeout};
use super::event_loop::{EventLoop, Handle, Opaque, Timer};
use super::link;
use crate::sys::clock;
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// VIR_EVENT_HANDLE_READABLE, _WRITABLE, _ERROR, _HANGUP, and what epoll says for each.
const EVENTS: [(c_int, c_int); 4] =
    [(1, libc::EPOLLIN), (2, libc::EPOLLOUT), (4, libc::EPOLLERR), (8, libc::EPOLLHUP)];

/// Numbers of watches and timers. A forked child counts on, so that none of its parent's is taken for
/// one of its own.
static LAST: AtomicI32 = AtomicI32::new(0);

const FAILED: c_int = -1;

pub fn to_epoll(events: c_int) -> u32 {
    EVENTS.iter().filter(|(ours, _)| events & ours != 0).fold(0, |all, (_, epoll)| all | epoll)
        as u32
}

pub fn from_epoll(events: u32) -> c_int {
    EVENTS
        .iter()
        .filter(|(_, epoll)| events & *epoll as u32 != 0)
        .fold(0, |all, (ours, _)| all | ours)
}

/// Answers libvirt with what `body` gives. A panic must not go on into its code.
fn answer(body: impl FnOnce() -> Option<c_int>) -> c_int {
    catch_unwind(AssertUnwindSafe(body)).ok().flatten().unwrap_or(FAILED)
}

pub extern "C" fn add_handle(
    fd: c_int,
    events: c_int,
    callback: OnHandle,
    opaque: *mut c_void,
    free: Free,
) -> c_int {
    answer(|| {
        let event_loop = EventLoop::existing()?;
        let copy = link::adopt(fd).ok()?;
        let watch = number();
        let link = link::opening();
        let handle = Handle { fd, copy, events, callback, opaque: Opaque(opaque), free, link };
        let mut state = event_loop.state();
        event_loop.watch(watch, &handle, true).ok()?;
        state.handles.insert(watch, handle);
        Some(watch)
    })
}

pub extern "C" fn update_handle(watch: c_int, events: c_int) {
    answer(|| {
        let event_loop = EventLoop::existing()?;
        let mut state = event_loop.state();
        let handle = state.handles.get_mut(&watch)?;
        handle.events = events;
        // It was watched before, so that it can be again.
        event_loop.watch(watch, handle, false).ok().map(|()| 0)
    });
}

pub extern "C" fn remove_handle(watch: c_int) -> c_int {
    answer(|| {
        let event_loop = EventLoop::existing()?;
        let mut state = event_loop.state();
        let handle = state.handles.remove(&watch)?;
        event_loop.unwatch(&handle);
        event_loop.free_later(&mut state, handle.free, handle.opaque);
        Some(0)
    })
}

pub extern "C" fn add_timeout(
    period: c_int,
    callback: OnTimeout,
    opaque: *mut c_void,
    free: Free,
) -> c_int {
    answer(|| {
        let event_loop = EventLoop::existing()?;
        let id = number();
        let link = link::opening();
        let timer = Timer { period: -1, due: 0, callback, opaque: Opaque(opaque), free, link };
        event_loop.state().timers.insert(id, timer);
        set_timeout(id, period).map(|()| id)
    })
}

pub extern "C" fn update_timeout(id: c_int, period: c_int) {
    answer(|| set_timeout(id, period).map(|()| 0));
}

fn set_timeout(id: c_int, period: c_int) -> Option<()> {
    let event_loop = EventLoop::existing()?;
    let mut state = event_loop.state();
    let timer = state.timers.get_mut(&id)?;
    timer.set(period, clock::monotonic());
    let due = timer.due;
    if period >= 0 {
        event_loop.wake_for(&mut state, due);
    }
    Some(())
}

pub extern "C" fn remove_timeout(id: c_int) -> c_int {
    answer(|| {
        let event_loop = EventLoop::existing()?;
        let mut state = event_loop.state();
        let timer = state.timers.remove(&id)?;
        event_loop.free_later(&mut state, timer.free, timer.opaque);
        Some(0)
    })
}

fn number() -> c_int {
    LAST.fetch_add(1, Relaxed) + 1
}
