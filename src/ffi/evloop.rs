//! `evloop_*`: the event loop.

use super::handles::{self, Kind};
use super::{check_array, guard, guard32, hand_out, patience, sized, slice_in, slice_out, INVALID};
use crate::evloop::{self, Backend, Event, EventKind, EventLoop, Id, Interest, Stats};
use crate::sys::{Errno, Result};
use std::ffi::c_void;
use std::ptr;
use std::time::Duration;

/// A loop, made by `evloop_new`: opaque, never dereferenced.
///
/// What is in it, timers, watched descriptors, signals, listeners, connections, has an id: a number
/// above 0 that names its kind and does not come again before four billion others, so that one that
/// is stale, made up or of another kind gives -EBADF. An id is good until the poll after the one that gave its last event.
pub struct evloop_t {
    _opaque: [u8; 0],
}

/// Kinds of events. `evloop_wake` was called, once or more often.
pub const EVLOOP_WAKE: u32 = 1;
/// `evloop_stop` was called.
pub const EVLOOP_STOP: u32 = 2;
/// A timer was due; `value`: how many times since its last event, more than 1 where the caller came
/// late for a period.
pub const EVLOOP_TIMER: u32 = 3;
/// A signal came. `value`: its number; `len`: how many times since its last event.
pub const EVLOOP_SIGNAL: u32 = 4;
/// A watched descriptor is ready. `value`: EVLOOP_READ, EVLOOP_WRITE, EVLOOP_ERROR; `error`: EBADF
/// when the caller has closed it, which is the last event then.
pub const EVLOOP_FD: u32 = 5;
/// A connection came in: `id` is its own, `value` the listener's.
pub const TCP_ACCEPTED: u32 = 6;
/// A connection that `tcp_connect` began is there.
pub const TCP_CONNECTED: u32 = 7;
/// `data`, `len`: what was received, in the caller's buffer.
pub const TCP_DATA: u32 = 8;
/// Something is there for `tcp_read`; said once until that was called.
pub const TCP_READABLE: u32 = 9;
/// The peer will send no more; it can still be sent to.
pub const TCP_EOF: u32 = 10;
/// What waits to be sent fell to the low watermark, after it was above the high one or a message was
/// refused.
pub const TCP_DRAINED: u32 = 11;
/// The last event of each connection, whoever ended it. `error`: 0 when it ended in order, after
/// `tcp_close` or because both sides have said that they send no more; ECONNABORTED after
/// `tcp_abort`; else why. `len`: how many bytes were taken and not sent.
pub const TCP_CLOSED: u32 = 12;
/// A listener could not take a connection, which stays in the kernel's queue: `error` is EMFILE,
/// ENFILE, ENOBUFS or ENOMEM. (With ENOSPC, /proc/sys/fs/epoll/max_user_watches, it was closed.) It
/// looks again after 100 ms.
pub const TCP_REFUSED: u32 = 13;

/// For `events` of a watch, and `value` of its events.
pub const EVLOOP_READ: u32 = 1;
pub const EVLOOP_WRITE: u32 = 2;
/// In events only: it is in error, or hung up.
pub const EVLOOP_ERROR: u32 = 4;

/// For `backend`: which system call waits. epoll(7), the default.
pub const EVLOOP_EPOLL: u32 = 1;
/// poll(2).
pub const EVLOOP_POLL: u32 = 2;
/// select(2), for descriptors above 1,023 too. It tells of no errors: those of a descriptor that is
/// watched for nothing, or of a connection that is not read, are met when it is used.
pub const EVLOOP_SELECT: u32 = 3;

/// How to make a loop. Zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct evloop_config_t {
    /// `sizeof(evloop_config_t)`.
    pub size: usize,
    /// EVLOOP_EPOLL (the default), EVLOOP_POLL or EVLOOP_SELECT.
    pub backend: u32,
    /// 0.
    pub reserved: u32,
}

/// One event.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct evloop_event_t {
    /// Whom it is about; 0 for EVLOOP_WAKE and EVLOOP_STOP.
    pub id: i64,
    /// What the caller gave with it; the library never looks at what it points to.
    pub user: *mut c_void,
    /// EVLOOP_TIMER and so on, TCP_DATA and so on.
    pub kind: u32,
    /// errno, PH_ENONAME or PH_ERESOLVE without their sign, or 0.
    pub error: i32,
    /// As the kind says.
    pub value: u64,
    /// TCP_DATA: what was received, in the caller's buffer. NULL otherwise.
    pub data: *const u8,
    /// As the kind says; bytes of `data`.
    pub len: usize,
}

/// One timer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct evloop_timer_t {
    /// Set by `evloop_timer_add`.
    pub id: i64,
    /// Nanoseconds from now until it is due; 0 and below: at once.
    pub delay_ns: i64,
    /// Nanoseconds from one time to the next, without drift; 0: it is due once.
    pub period_ns: i64,
    /// Comes with its events.
    pub user: *mut c_void,
}

/// Counts of a loop since it was made, and what is in it now.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct evloop_stats_t {
    /// `sizeof(evloop_stats_t)`, set by the caller.
    pub size: usize,
    /// Waits.
    pub iterations: u64,
    /// Events given.
    pub events: u64,
    /// Timers that are pending, connections' own among them.
    pub timers: u64,
    /// How many times timers of the caller's were due.
    pub timers_fired: u64,
    /// Watched descriptors, listeners, and connections that have not ended.
    pub watches: u64,
    pub listeners: u64,
    pub connections: u64,
    pub accepted: u64,
    /// Connections that `tcp_connect` made.
    pub connected: u64,
    /// Connections that have ended.
    pub closed: u64,
    /// Connections that ended before they were taken, and times that none could be taken.
    pub accept_errors: u64,
    pub received_bytes: u64,
    /// Bytes that the kernel has taken.
    pub sent_bytes: u64,
    /// Bytes that were taken from the caller and not sent, as their connection had ended.
    pub unsent_bytes: u64,
}

/// Called with each event. `user` is what was given to `evloop_run`; `event` and its data are good
/// during the call. It may call anything but `evloop_poll`, `evloop_run` and `evloop_run_once` of the
/// same loop, which answer -EBUSY, and must not unwind (no C++ exception, no longjmp).
pub type evloop_fn = Option<unsafe extern "C" fn(user: *mut c_void, event: *const evloop_event_t)>;

// SAFETY: `repr(C)`, `size` first, the rest integers.
unsafe impl sized::Growing for evloop_config_t {}
// SAFETY: `repr(C)`, `size` first, the rest integers.
unsafe impl sized::Growing for evloop_stats_t {}

impl Kind for EventLoop {
    const TAG: u8 = 0xa4;
}

pub(super) fn enter(h: *const evloop_t) -> Result<handles::Guard<EventLoop>> {
    handles::enter(h.cast())
}

pub(super) fn id_of(number: i64) -> Id {
    // A negative number is no id, and its bits are none.
    Id::from_bits(number as u64)
}

pub(super) fn number_of(id: Id) -> i64 {
    // The highest bit of an id is 0.
    id.bits() as i64
}

/// Makes a loop.
///
/// `config`: NULL for the defaults. `out`: the caller's; gets the handle.
///
/// Errors: -EINVAL for a bad configuration or NULL; -EMFILE, -ENFILE, -ENOMEM. `out` is written on
/// success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn evloop_new(
    config: *const evloop_config_t,
    out: *mut *mut evloop_t,
) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe {
            hand_out(out, || {
                let config = sized::read(config)?;
                if config.reserved != 0 {
                    return Err(INVALID);
                }
                EventLoop::new(backend(config.backend)?)
            })
        }
    })
}

fn backend(number: u32) -> Result<Backend> {
    match number {
        0 | EVLOOP_EPOLL => Ok(Backend::Epoll),
        EVLOOP_POLL => Ok(Backend::Poll),
        EVLOOP_SELECT => Ok(Backend::Select),
        _ => Err(INVALID),
    }
}

/// Does one iteration, or more until there are events, and gives them.
///
/// `events`, `n`: the caller's, room for 1 event at least. `buf`, `cap`: the caller's, at least 1
/// byte; the data of TCP_DATA events lie in it one behind the other, in the order of the events, as
/// much as there is room for; the rest comes next time. `timeout_ms`: -1 for ever, 0 not at all.
///
/// A caller who closes or deletes something in answer to one event may still have another of it in
/// the same batch.
///
/// Returns how many events, 1 at least. Errors: -EAGAIN nothing there, -ETIMEDOUT out of time;
/// -EINTR when a signal handler ran on this thread; -EBUSY when another thread polls, or a callback
/// of this loop calls; -ESHUTDOWN when closed during the call, or when after `evloop_shutdown` all has
/// ended; -EINVAL; -EBADF. Thread safety: any thread, one at a time.
#[no_mangle]
pub unsafe extern "C" fn evloop_poll(
    h: *mut evloop_t,
    events: *mut evloop_event_t,
    n: usize,
    buf: *mut u8,
    cap: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        let patience = patience(timeout_ms)?;
        check_array(events.cast_const(), n)?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { slice_out(buf, cap)? };
        let mut given = 0;
        let count = owner.turn()?.poll(n, buffer, patience, &mut |event| {
            // SAFETY: the array was checked above, and no more than `n` events are given.
            unsafe { events.add(given).write(native(event, buf)) };
            given += 1;
        })?;
        Ok(count as i64)
    })
}

fn native(event: &Event, buffer: *const u8) -> evloop_event_t {
    let has_data = event.kind == EventKind::Data;
    evloop_event_t {
        id: event.id.map_or(0, number_of),
        user: ptr::without_provenance_mut(event.user as usize),
        kind: event.kind as u32,
        error: event.error,
        value: event.value,
        data: if has_data { buffer.wrapping_add(event.offset) } else { ptr::null() },
        len: event.len,
    }
}

/// Runs the loop: gives each event to `callback`, on this thread, until `evloop_stop`.
///
/// Events of what an earlier callback has closed or deleted are left out, but for TCP_CLOSED.
///
/// `callback`: not NULL. `user`: handed to it, never looked at.
///
/// Returns 0 after `evloop_stop`, or when after `evloop_shutdown` all has ended. Errors: -EINTR when a
/// signal handler ran on this thread; -ESHUTDOWN when closed; -EBUSY, -EINVAL, -EBADF. The rest of the
/// batch that EVLOOP_STOP is in is given before it returns. Thread safety: as `evloop_poll`.
#[no_mangle]
pub unsafe extern "C" fn evloop_run(
    h: *mut evloop_t,
    callback: evloop_fn,
    user: *mut c_void,
) -> i32 {
    guard32(|| {
        let owner = enter(h)?;
        let mut run = Run::new(&owner, callback, user)?;
        loop {
            match run.once(None) {
                Ok(_) if run.is_stopped => return Ok(0),
                Ok(_) => {}
                Err(Errno(libc::ESHUTDOWN)) if enter(h).is_ok() => return Ok(0),
                Err(error) => return Err(error),
            }
        }
    })
}

/// One batch of `evloop_run`: as `evloop_poll`, each event being given to `callback`.
///
/// Returns how many events there were. Errors: as `evloop_poll`. Thread safety: as `evloop_poll`.
#[no_mangle]
pub unsafe extern "C" fn evloop_run_once(
    h: *mut evloop_t,
    callback: evloop_fn,
    user: *mut c_void,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        let patience = patience(timeout_ms)?;
        let mut run = Run::new(&owner, callback, user)?;
        Ok(run.once(patience)? as i64)
    })
}

/// A loop whose events go to a callback.
struct Run<'a> {
    owner: &'a EventLoop,
    turn: evloop::Turn<'a>,
    callback: unsafe extern "C" fn(*mut c_void, *const evloop_event_t),
    user: *mut c_void,
    is_stopped: bool,
}

impl<'a> Run<'a> {
    fn new(owner: &'a EventLoop, callback: evloop_fn, user: *mut c_void) -> Result<Run<'a>> {
        let callback = callback.ok_or(INVALID)?;
        Ok(Run { owner, turn: owner.turn()?, callback, user, is_stopped: false })
    }

    /// One batch. `patience`: as [`evloop::Turn::poll`].
    fn once(&mut self, patience: Option<Duration>) -> Result<usize> {
        let (events, data) = self.turn.collect(patience)?;
        for event in events.iter().filter(|event| self.owner.is_current(event)) {
            self.is_stopped |= event.kind == EventKind::Stop;
            let event = native(event, data.as_ptr());
            // SAFETY: the callback and its pointer are good by the contract of `evloop_run`; the
            // event and its data outlive the call.
            unsafe { (self.callback)(self.user, &event) };
        }
        Ok(events.len())
    }
}

/// Ends `evloop_run`: gives EVLOOP_STOP to the poll in progress, or the next one.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread, a signal handler too.
#[no_mangle]
pub extern "C" fn evloop_stop(h: *mut evloop_t) -> i32 {
    guard32(|| enter(h)?.stop().map(|()| 0))
}

/// Ends a wait: gives EVLOOP_WAKE to the poll in progress, or the next one.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread, a signal handler too.
#[no_mangle]
pub extern "C" fn evloop_wake(h: *mut evloop_t) -> i32 {
    guard32(|| enter(h)?.wake().map(|()| 0))
}

/// A descriptor that poll(2) finds readable whenever `evloop_poll` has something to do, timers too; it
/// stays the library's, is good until `evloop_close`, and must not be read.
///
/// Errors: -EOPNOTSUPP for EVLOOP_POLL and EVLOOP_SELECT; -EMFILE; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_fd(h: *mut evloop_t) -> i32 {
    guard32(|| enter(h)?.fd())
}

/// Watches a descriptor of the caller's: EVLOOP_FD comes in each batch as long as it is ready.
///
/// `fd`: stays the caller's; `evloop_del` before closing it. `events`: EVLOOP_READ, EVLOOP_WRITE, both
/// or 0; errors are reported anyway. `user`: comes with its events.
///
/// Returns the id. Errors: -EBADF for a closed descriptor; -EEXIST when it is watched already; -EPERM
/// for a file that is always ready, as on a disk; -EINVAL for other events; -ENOSPC, -ENOMEM.
/// Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_add(h: *mut evloop_t, fd: i32, events: u32, user: *mut c_void) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        owner.watch(fd, interest(events)?, user.addr() as u64).map(number_of)
    })
}

/// Changes what a descriptor is watched for.
///
/// Returns 0. Errors: -EBADF for an id that is no watch's, or a descriptor that was closed; -EINVAL.
/// Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_mod(h: *mut evloop_t, id: i64, events: u32) -> i32 {
    guard32(|| enter(h)?.modify(id_of(id), interest(events)?).map(|()| 0))
}

fn interest(events: u32) -> Result<Interest> {
    if events & !(EVLOOP_READ | EVLOOP_WRITE) != 0 {
        return Err(INVALID);
    }
    Ok(Interest { readable: events & EVLOOP_READ != 0, writable: events & EVLOOP_WRITE != 0 })
}

/// Ends a watch, a signal or a listener. The descriptor stays open; the process's signal handler comes
/// back; connections that a listener has accepted go on.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_del(h: *mut evloop_t, id: i64) -> i32 {
    guard32(|| enter(h)?.remove(id_of(id)).map(|()| 0))
}

/// Sets what comes as `user` with the events of any id.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_set_user(h: *mut evloop_t, id: i64, user: *mut c_void) -> i32 {
    guard32(|| enter(h)?.set_user(id_of(id), user.addr() as u64).map(|()| 0))
}

/// Adds timers on the monotonic clock. None is due early; those of one batch come in the order of
/// their times, and of their adding where these are equal.
///
/// `timers`, `n`: the caller's; each gets its `id`. NULL only with 0.
///
/// Returns `n`. Errors: -EINVAL for a period below 0 or NULL, nothing being added; -EMFILE after 268
/// million; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn evloop_timer_add(
    h: *mut evloop_t,
    timers: *mut evloop_timer_t,
    n: usize,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let asked = unsafe { slice_in(timers, n)? };
        if asked.iter().any(|timer| timer.period_ns < 0) {
            return Err(INVALID);
        }
        // By index: the ids are written to the items that are read.
        // SAFETY: the array was checked above.
        let item = |index: usize| unsafe { timers.add(index).read() };
        let wanted = (0..n).map(item);
        let mut next = 0;
        owner.add_timers(
            wanted.map(|timer| (timer.delay_ns, timer.period_ns, timer.user.addr() as u64)),
            |id| {
                // SAFETY: the same; as many ids are given as there are items.
                unsafe { (*timers.add(next)).id = number_of(id) };
                next += 1;
            },
        )?;
        Ok(n as i64)
    })
}

/// Forgets timers.
///
/// `ids`, `n`: NULL only with 0. Ids that stand for no timer, as it was due or deleted, are left out.
///
/// Returns how many there were. Errors: -EINVAL, -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn evloop_timer_del(h: *mut evloop_t, ids: *const i64, n: usize) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let ids = unsafe { slice_in(ids, n)? };
        Ok(owner.remove_timers(ids.iter().copied().map(id_of))? as i64)
    })
}

/// Has a timer be due `delay_ns` nanoseconds from now instead; its period stays. One that was due for
/// the last time in the latest batch is a timer again.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_timer_again(h: *mut evloop_t, id: i64, delay_ns: i64) -> i32 {
    guard32(|| enter(h)?.restart_timer(id_of(id), delay_ns).map(|()| 0))
}

/// Nanoseconds until the loop has something to do of itself, 0 when it has now. The next timer may be
/// due a little later.
///
/// Errors: -EAGAIN when there is nothing; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_timer_next(h: *mut evloop_t) -> i64 {
    guard(|| enter(h)?.next_time()?.ok_or(Errno(libc::EAGAIN)))
}

/// Hears a signal: EVLOOP_SIGNAL comes in place of the handler that the process has for it, until
/// `evloop_del`. Several loops may hear one signal, each gets it.
///
/// `signum`: its number. `user`: comes with its events.
///
/// Returns the id. Errors: -EINVAL for SIGKILL, SIGSTOP, a fault of the program (SIGSEGV, SIGBUS,
/// SIGFPE, SIGILL, SIGABRT) and what is no signal; -EEXIST when this loop hears it already; -EMFILE
/// when 64 loops hear signals. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_signal_add(h: *mut evloop_t, signum: i32, user: *mut c_void) -> i64 {
    guard(|| enter(h)?.hear(signum, user.addr() as u64).map(number_of))
}

/// Ends all in order: listeners at once; connections as by `tcp_close`, and those that have not ended
/// after `timeout_ms` (-1: never, 0: at once) with a reset and ETIMEDOUT. Polls go on giving events, and
/// answer -ESHUTDOWN when no connection is left; new ones are refused with -ESHUTDOWN.
///
/// Returns 0. Errors: -EINVAL, -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn evloop_shutdown(h: *mut evloop_t, timeout_ms: i32) -> i32 {
    guard32(|| {
        let owner = enter(h)?;
        owner.shutdown(patience(timeout_ms)?).map(|()| 0)
    })
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn evloop_stats(h: *mut evloop_t, out: *mut evloop_stats_t) -> i32 {
    guard32(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &owner.stats()?.into())? };
        Ok(0)
    })
}

impl From<Stats> for evloop_stats_t {
    fn from(s: Stats) -> evloop_stats_t {
        evloop_stats_t {
            size: size_of::<evloop_stats_t>(),
            iterations: s.iterations,
            events: s.events,
            timers: s.timers,
            timers_fired: s.timers_fired,
            watches: s.watches,
            listeners: s.listeners,
            connections: s.connections,
            accepted: s.accepted,
            connected: s.connected,
            closed: s.closed,
            accept_errors: s.accept_errors,
            received_bytes: s.received_bytes,
            sent_bytes: s.sent_bytes,
            unsent_bytes: s.unsent_bytes,
        }
    }
}

/// Ends a loop and all that is in it, at once: sockets are closed, a poll in progress ends with
/// -ESHUTDOWN. From the first moment on every other call with this handle, from any thread, answers
/// -EBADF. `evloop_shutdown` before it lets what waits be sent.
///
/// Returns how many bytes were taken by `tcp_write` and not sent. Errors: -EBADF, for a second close
/// too. Thread safety: any thread, a callback of the loop too.
#[no_mangle]
pub extern "C" fn evloop_close(h: *mut evloop_t) -> i64 {
    guard(|| Ok(handles::remove::<EventLoop>(h.cast())?.close() as i64))
}
