//! The functions that libvirt calls to use the event loop (virEventRegisterImpl).

use super::api::{Free, OnHandle, OnTimeout};
use super::event_loop::{EventLoop, Handle, Opaque, Timer};
use super::link;
use crate::sys::{clock, Result};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// VIR_EVENT_HANDLE_READABLE, _WRITABLE, _ERROR, _HANGUP, and what epoll says for each.
const EVENTS: [(c_int, c_int); 4] =
    [(1, libc::EPOLLIN), (2, libc::EPOLLOUT), (4, libc::EPOLLERR), (8, libc::EPOLLHUP)];

/// Numbers of watches and timers. A forked child counts on, so that none of its parent's is taken for
/// one of its own.
static LAST: AtomicI32 = AtomicI32::new(0);

const FAILED: c_int = -1;

/// Starts this process's loop, if it has none yet. Errors: as [`EventLoop::start`].
pub fn start() -> Result<()> {
    EventLoop::start()
}

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

pub extern "C" fn add_handle(
    fd: c_int,
    events: c_int,
    callback: OnHandle,
    opaque: *mut c_void,
    free: Free,
) -> c_int {
    let Some(event_loop) = EventLoop::existing() else { return FAILED };
    let Ok(copy) = link::adopt(fd) else { return FAILED };
    let watch = number();
    let link = link::opening();
    let handle = Handle { fd, copy, events, callback, opaque: Opaque(opaque), free, link };
    let mut state = event_loop.state();
    if event_loop.watch(watch, &handle, true).is_err() {
        return FAILED;
    }
    state.handles.insert(watch, handle);
    watch
}

pub extern "C" fn update_handle(watch: c_int, events: c_int) {
    let Some(event_loop) = EventLoop::existing() else { return };
    if let Some(handle) = event_loop.state().handles.get_mut(&watch) {
        handle.events = events;
        // It was watched before, so that it can be again.
        let _ = event_loop.watch(watch, handle, false);
    }
}

pub extern "C" fn remove_handle(watch: c_int) -> c_int {
    let Some(event_loop) = EventLoop::existing() else { return FAILED };
    let mut state = event_loop.state();
    let Some(handle) = state.handles.remove(&watch) else { return FAILED };
    event_loop.unwatch(&handle);
    event_loop.free_later(&mut state, handle.free, handle.opaque);
    0
}

pub extern "C" fn add_timeout(
    period: c_int,
    callback: OnTimeout,
    opaque: *mut c_void,
    free: Free,
) -> c_int {
    let Some(event_loop) = EventLoop::existing() else { return FAILED };
    let id = number();
    let link = link::opening();
    let mut timer = Timer { period, due: 0, callback, opaque: Opaque(opaque), free, link };
    timer.set(period, clock::monotonic());
    let due = timer.due;
    let mut state = event_loop.state();
    state.timers.insert(id, timer);
    if period >= 0 {
        event_loop.wake_for(&mut state, due);
    }
    id
}

pub extern "C" fn update_timeout(id: c_int, period: c_int) {
    let Some(event_loop) = EventLoop::existing() else { return };
    let mut state = event_loop.state();
    let Some(timer) = state.timers.get_mut(&id) else { return };
    timer.set(period, clock::monotonic());
    let due = timer.due;
    if period >= 0 {
        event_loop.wake_for(&mut state, due);
    }
}

pub extern "C" fn remove_timeout(id: c_int) -> c_int {
    let Some(event_loop) = EventLoop::existing() else { return FAILED };
    let mut state = event_loop.state();
    let Some(timer) = state.timers.remove(&id) else { return FAILED };
    event_loop.free_later(&mut state, timer.free, timer.opaque);
    0
}

fn number() -> c_int {
    LAST.fetch_add(1, Relaxed) + 1
}
