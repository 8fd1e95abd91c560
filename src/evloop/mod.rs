//! The event loop: timers, descriptors, signals and stream connections, for a caller who pulls.
//!
//! One call does an iteration and gives a batch of events with their data ([`Turn::poll`]); one
//! call hands in a batch of writes ([`EventLoop::write`]). All state is behind one lock, which the
//! loop's thread does not hold while it waits: any thread may call anything at any time, and ends
//! the wait where that matters.
//!
//! # One iteration
//!
//! 1. What the caller has had the last event of is forgotten, its id with it.
//! 2. Events that the last iteration had no room for are given. If there were any, that is all: what
//!    the caller does about them comes before what follows from them.
//! 3. The loop waits: for the caller's patience at most, until the next timer, and not at all when
//!    a connection is known to have more to read, or something that the caller or another thread did
//!    has caused an event.
//! 4. The clock is read, once; to all that follows it is the time.
//! 5. Timers that are due give their events, in the order of their times. Connections' own
//!    deadlines are among them: connect, idle and write timeouts, rates, the end of a shutdown.
//! 6. What is ready is looked at, in the poller's order: listeners take in up to 64 connections
//!    each, connections send what waits and note that they are readable, connects end or go on with
//!    the next address, names that were looked up start theirs, watched descriptors and signals
//!    give their events.
//! 7. All events are given, as many as there is room for, [`EventLoop::wake`] and
//!    [`EventLoop::stop`] among them; and readable connections are read in turn into the caller's
//!    buffer, as long as it and the number of events have room. Where both want more than there is,
//!    each has half. A connection is read when the caller has been told that it is there.
//! 8. What was not given is for step 2 of the next iteration.
//!
//! A poll does iterations until one has given something, or its time is over.

mod core;
mod event;
mod messages;
mod resolver;
mod slab;
mod state;
pub mod tcp;
mod timers;
mod turn;
mod watch;

pub use self::core::Stats;
pub use crate::sys::poller::{Backend, Interest};
pub use event::{Event, EventKind};
pub use messages::Message;
pub use slab::{Id, Kind};
pub use turn::Turn;
pub use watch::{FAILED, READABLE, WRITABLE};

use self::core::Subject;
use crate::sink::Sink;
use crate::sys::addr::Addr;
use crate::sys::eventfd::EventFd;
use crate::sys::poller::Poller;
use crate::sys::stream::Stream;
use crate::sys::{clock, Errno, Result};
use resolver::Resolver;
use state::State;
use std::io::IoSlice;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;
use tcp::{Config, Connection, ConnectionStats, Listener, Reading, Watermarks};
use turn::Memory;

/// A loop. Dropping it ends all that is in it.
pub struct EventLoop {
    poller: Arc<Poller>,
    state: Mutex<State>,
    /// Held by whoever polls.
    memory: Mutex<Memory>,
    /// Ends a wait.
    wake: Arc<EventFd>,
    /// What is asked of the loop's thread: bits, by kind of event.
    asked: AtomicU32,
}

impl EventLoop {
    /// Errors: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new(backend: Backend) -> Result<EventLoop> {
        let poller = Arc::new(Poller::new(backend)?);
        let wake = Arc::new(EventFd::new()?);
        poller.add(wake.raw(), state::WAKE, Interest::READ)?;
        let state = State::new(Arc::clone(&poller), Resolver::new(Arc::clone(&wake)));
        Ok(EventLoop {
            poller,
            state: Mutex::new(state),
            memory: Mutex::default(),
            wake,
            asked: AtomicU32::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the loop, and ends the wait of its thread where that has to know.
    ///
    /// Errors: `ESHUTDOWN` after [`EventLoop::close`]; what `body` says.
    fn with<R>(&self, body: impl FnOnce(&mut State) -> Result<R>) -> Result<R> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        let outcome = body(&mut state);
        state.set_alarm();
        let is_to_wake = state.is_to_wake();
        drop(state);
        if is_to_wake {
            let _ = self.wake.add(1);
        }
        outcome
    }

    /// The right to poll, which one thread has at a time.
    ///
    /// Errors: `EBUSY` when it is taken, by this thread too.
    pub fn turn(&self) -> Result<Turn<'_>> {
        let memory = match self.memory.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(Errno(libc::EBUSY)),
        };
        Ok(Turn { owner: self, memory })
    }

    /// Gives [`EventKind::Wake`] to the poll in progress, or the next one.
    pub fn wake(&self) -> Result<()> {
        self.ask(EventKind::Wake)
    }

    /// Gives [`EventKind::Stop`] to the poll in progress, or the next one.
    pub fn stop(&self) -> Result<()> {
        self.ask(EventKind::Stop)
    }

    fn ask(&self, kind: EventKind) -> Result<()> {
        if self.asked.fetch_or(1 << kind as u32, Ordering::AcqRel) == 0 {
            self.wake.add(1)?;
        }
        Ok(())
    }

    /// Turns what was asked for into events.
    fn take_asked(&self, state: &mut State) {
        if self.asked.load(Ordering::Acquire) == 0 {
            return;
        }
        let asked = self.asked.swap(0, Ordering::AcqRel);
        for kind in [EventKind::Wake, EventKind::Stop] {
            if asked & 1 << kind as u32 != 0 {
                state.core.events.push_back(Event::new(kind, None, 0));
            }
        }
    }

    /// Whether an event that was given is still the caller's concern: see [`Turn::poll`].
    pub fn is_current(&self, event: &Event) -> bool {
        self.lock().is_current(event)
    }

    /// A descriptor that is readable when a poll would have something to do.
    ///
    /// Errors: `EOPNOTSUPP` where the poller has none; `EMFILE`.
    pub fn fd(&self) -> Result<RawFd> {
        self.with(State::outer)
    }

    /// Watches `fd`, which stays the caller's.
    ///
    /// Errors: `EBADF`; `EEXIST` when it is watched already; `EPERM` for a file that is always
    /// ready; `ENOSPC`, `ENOMEM`.
    pub fn watch(&self, fd: RawFd, interest: Interest, user: u64) -> Result<Id> {
        self.with(|state| state.watches.add(&mut state.core, fd, interest, user))
    }

    /// Errors: `EBADF` when there is no such watch, or its descriptor is closed.
    pub fn modify(&self, id: Id, interest: Interest) -> Result<()> {
        self.with(|state| state.watches.modify(&state.core, id, interest))
    }

    /// Hears a signal, in place of the handler that the process has for it.
    ///
    /// Errors: `EINVAL` for what cannot be heard; `EEXIST` when it is heard already; `EMFILE`.
    pub fn hear(&self, number: i32, user: u64) -> Result<Id> {
        self.with(|state| state.add_signal(number, user))
    }

    /// Ends a watch, a signal or a listener. Errors: `EBADF` when there is none.
    pub fn remove(&self, id: Id) -> Result<()> {
        self.with(|state| state.remove(id))
    }

    /// Sets the number that comes with the events of `id`. Errors: `EBADF` when there is none.
    pub fn set_user(&self, id: Id, user: u64) -> Result<()> {
        self.with(|state| state.set_user(id, user))
    }

    /// Adds timers: for each, in how many nanoseconds it is due, its period (0: once), its number.
    /// `added` learns the ids.
    ///
    /// Errors: `EMFILE` when there are 268 million already.
    pub fn add_timers(
        &self,
        timers: impl Iterator<Item = (i64, i64, u64)>,
        mut added: impl FnMut(Id),
    ) -> Result<()> {
        self.with(|state| {
            let now = clock::monotonic();
            for (delay, period, user) in timers {
                let deadline = now.saturating_add(delay.max(0));
                added(state.core.timers.add(deadline, period, Subject::Caller(user))?);
            }
            Ok(())
        })
    }

    /// Forgets timers; gives how many there were.
    pub fn remove_timers(&self, ids: impl Iterator<Item = Id>) -> Result<usize> {
        self.with(|state| {
            let timers = &mut state.core.timers;
            Ok(ids.filter(|id| is_callers(timers, *id) && timers.remove(*id).is_some()).count())
        })
    }

    /// Has a timer be due in `delay` nanoseconds instead. Errors: `EBADF` when there is none.
    pub fn restart_timer(&self, id: Id, delay: i64) -> Result<()> {
        self.with(|state| {
            let deadline = clock::monotonic().saturating_add(delay.max(0));
            let timers = &mut state.core.timers;
            let is_there = is_callers(timers, id) && timers.again(id, deadline);
            is_there.then_some(()).ok_or(Errno(libc::EBADF))
        })
    }

    /// Nanoseconds until the loop has something to do of itself, 0 when it has now; `None`: never.
    /// Timers may be due a little later.
    pub fn next_time(&self) -> Result<Option<i64>> {
        self.with(|state| {
            let next = state.core.next_time();
            Ok(next.map(|time| time.saturating_sub(clock::monotonic()).max(0)))
        })
    }

    /// Listens at `host` (empty: at all interfaces) and `service`; connections that come in are as
    /// `config` says, and have `user` as well.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`; [`Errno::NAME`], [`Errno::RESOLVE`];
    /// `EINVAL`; `EMFILE`; `ESHUTDOWN` in a shutdown.
    pub fn listen(&self, host: &str, service: &str, config: Config, user: u64) -> Result<Id> {
        let socket = tcp::open_listener(host, service, &config)?;
        self.with(|state| {
            check_not_ending(state)?;
            let fd = socket.raw();
            let id = state.listeners.insert(Listener { socket, config, user, rest: None })?;
            if let Err(error) = state.core.poller.add(fd, id.bits(), Interest::READ) {
                state.listeners.remove(id);
                return Err(error);
            }
            Ok(id)
        })
    }

    /// Connects to `host` and `service`, without waiting.
    ///
    /// Errors: `EINVAL`; `EAGAIN` when no thread can be started to look the name up; `EMFILE`;
    /// `ESHUTDOWN` in a shutdown. All else comes with [`EventKind::Closed`].
    pub fn connect(&self, host: &str, service: &str, config: &Config, user: u64) -> Result<Id> {
        let literal = tcp::literal(host, service)?;
        self.with(|state| {
            check_not_ending(state)?;
            state.core.look_at_clock();
            let connection = Connection::dialing(config, user, state.core.now);
            let id = Connection::enter(connection, &mut state.core, &mut state.connections)?;
            match literal {
                Some(address) => {
                    let (connection, core) = state.connection(id)?;
                    connection.resolved(core, Ok(vec![address]));
                }
                None => {
                    if let Err(error) = state.core.resolver.ask(id, host, service) {
                        state.withdraw(id);
                        return Err(error);
                    }
                }
            }
            Ok(id)
        })
    }

    /// Takes over the reading and writing of the caller's connected stream socket, by a descriptor
    /// of its own.
    ///
    /// Errors: `EBADF`, `ENOTSOCK`; `EPROTOTYPE` for a socket that is no stream; `ENOTCONN`;
    /// `EMFILE`; `ESHUTDOWN` in a shutdown.
    pub fn adopt(&self, fd: RawFd, config: &Config, user: u64) -> Result<Id> {
        let stream = Stream::adopt(fd, &config.options)?;
        self.with(|state| {
            check_not_ending(state)?;
            state.core.look_at_clock();
            let connection = Connection::open(stream, config, user, state.core.now);
            let id = Connection::enter(connection, &mut state.core, &mut state.connections)?;
            let (connection, core) = state.connection(id)?;
            connection.announce(core);
            Ok(id)
        })
    }

    /// [`EventLoop::write`] of one; gives how many bytes wait.
    pub fn send(&self, id: Id, data: &[u8]) -> Result<usize> {
        self.with(|state| {
            let (connection, core) = state.connection(id)?;
            connection.send(core, &[IoSlice::new(data)], data.len())
        })
    }

    /// Reads what is there, without waiting; 0: the peer sends no more.
    ///
    /// Errors: `EINVAL` for an empty buffer; `EAGAIN`; `ENOTCONN`; `EBADF`; how it ended.
    pub fn read(&self, id: Id, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        self.with_connection(id, |connection, core| {
            core.look_at_clock();
            connection.take_now(core, buffer)
        })
    }

    pub fn set_reading(&self, id: Id, mode: Reading) -> Result<()> {
        self.with_connection(id, |connection, core| connection.set_reading(core, mode))
    }

    /// Has `sink` get what a connection reads from now on, until it has ended; by whoever polls.
    ///
    /// Errors: `EALREADY` when another does; `ENOTCONN`; `EBADF`; how it ended.
    pub fn feed(&self, id: Id, sink: Arc<dyn Sink>) -> Result<()> {
        self.with_connection(id, |connection, core| connection.feed(core, sink))
    }

    /// Bytes per second; 0: unlimited.
    pub fn set_rate(&self, id: Id, read: u64, write: u64) -> Result<()> {
        self.with_connection(id, |connection, core| connection.set_rate(core, read, write))
    }

    pub fn set_watermarks(&self, id: Id, watermarks: Watermarks) -> Result<()> {
        self.with_connection(id, |connection, core| connection.set_watermarks(core, watermarks))
    }

    /// Nanoseconds; 0: none.
    pub fn set_timeouts(&self, id: Id, idle: i64, write: i64) -> Result<()> {
        self.with_connection(id, |connection, core| connection.set_timeouts(core, idle, write))
    }

    /// Tells the peer that no more will come, after what waits.
    pub fn shutdown_write(&self, id: Id) -> Result<()> {
        self.with_connection(id, |connection, core| connection.shutdown_write(core))
    }

    /// Ends a connection after what waits is sent. Errors: `EBADF`, a second time too.
    pub fn close_connection(&self, id: Id) -> Result<()> {
        self.with_connection(id, |connection, core| {
            if connection.is_closing() {
                return Err(Errno(libc::EBADF));
            }
            core.look_at_clock();
            connection.close(core);
            Ok(())
        })
    }

    /// Ends a connection at once, with a reset. Errors: `EBADF`, when it has ended too.
    pub fn abort(&self, id: Id) -> Result<()> {
        self.with_connection(id, |connection, core| {
            if connection.has_ended() {
                return Err(Errno(libc::EBADF));
            }
            connection.abort(core);
            Ok(())
        })
    }

    /// The address of this side of a connection, or of a listener; `None` for a Unix socket.
    pub fn local(&self, id: Id) -> Result<Option<Addr>> {
        self.with(|state| match state.listeners.get(id) {
            Some(listener) => listener.socket.local(),
            None => state.connection(id)?.0.stream()?.local(),
        })
    }

    /// The address of the other side; `None` for a Unix socket.
    pub fn remote(&self, id: Id) -> Result<Option<Addr>> {
        self.with_connection(id, |connection, _| connection.stream()?.remote())
    }

    /// The descriptor of a connection or listener, which stays the loop's.
    pub fn socket(&self, id: Id) -> Result<RawFd> {
        self.with(|state| match state.listeners.get(id) {
            Some(listener) => Ok(listener.socket.raw()),
            None => state.connection(id)?.0.stream().map(Stream::raw),
        })
    }

    pub fn connection_stats(&self, id: Id) -> Result<ConnectionStats> {
        self.with_connection(id, |connection, _| Ok(connection.stats()))
    }

    fn with_connection<R>(
        &self,
        id: Id,
        body: impl FnOnce(&mut Connection, &mut self::core::Core) -> Result<R>,
    ) -> Result<R> {
        self.with(|state| {
            let (connection, core) = state.connection(id)?;
            body(connection, core)
        })
    }

    /// Ends all in order: listeners at once, connections after what waits is sent, and those that
    /// have not ended after `patience` (`None`: for ever) with a reset. Polls go on giving events,
    /// and then say `ESHUTDOWN`.
    pub fn shutdown(&self, patience: Option<Duration>) -> Result<()> {
        self.with(|state| {
            state.is_ending = true;
            state.core.look_at_clock();
            state.close_listeners();
            for id in state.connections.ids() {
                let (connection, core) = state.connection(id)?;
                if !connection.is_closing() {
                    connection.close(core);
                }
            }
            if let Some(patience) = patience {
                let patience = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
                let deadline = state.core.now.saturating_add(patience);
                state.core.timers.add(deadline, 0, Subject::Shutdown)?;
            }
            Ok(())
        })
    }

    pub fn stats(&self) -> Result<Stats> {
        self.with(|state| Ok(state.stats()))
    }

    /// Ends all at once, a poll in progress too; gives how many bytes were taken and not sent.
    pub fn close(&self) -> u64 {
        let unsent = self.with(|state| Ok(state.close())).unwrap_or(0);
        let _ = self.wake.add(1);
        unsent
    }
}

fn is_callers(timers: &timers::Timers<Subject>, id: Id) -> bool {
    matches!(timers.subject(id), Some(Subject::Caller(_)))
}

fn check_not_ending(state: &State) -> Result<()> {
    if state.is_ending {
        return Err(Errno(libc::ESHUTDOWN));
    }
    Ok(())
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.close();
    }
}
