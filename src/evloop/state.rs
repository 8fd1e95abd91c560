//! All that is in a loop, and what each report does to it.

use super::core::{Core, Stats, Subject};
use super::event::{Delivery, Event, EventKind};
use super::resolver::Resolver;
use super::slab::{Id, Kind, Slab};
use super::tcp::{Connection, Listener};
use super::watch::Watches;
use crate::sys::epoll::{Epoll, Watch};
use crate::sys::poller::{Interest, Poller, Ready};
use crate::sys::signals::Signals;
use crate::sys::timerfd::TimerFd;
use crate::sys::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

/// The token of the eventfd that ends a wait, and of the one that signals write to.
pub const WAKE: u64 = 0;
const SIGNALS: u64 = 1;

#[derive(Debug)]
pub struct State {
    pub core: Core,
    pub watches: Watches,
    pub listeners: Slab<Listener>,
    pub connections: Slab<Box<Connection>>,
    signals: Option<Signals>,
    /// The signals heard: their numbers, and what the caller gave with them.
    heard: Slab<(i32, u64)>,
    /// Ids whose last event the caller has had; they are good until it comes for more.
    spent: Vec<Id>,
    /// The loop's thread waits until this time, `None`: for ever; outer `None`: it does not wait.
    pub waits_until: Option<Option<i64>>,
    /// The loop's own descriptor, once it is asked for.
    outer: Option<Outer>,
    /// How many events the last iteration had no room for; they are the oldest.
    leftovers: usize,
    /// The poller could not be filled anew: it is tried again.
    pub is_deaf: bool,
    /// Batches of messages handed in so far.
    pub batches: u64,
    /// All are to end.
    pub is_ending: bool,
    pub is_closed: bool,
}

/// A descriptor that is readable when the poller has something, or at the loop's next time.
#[derive(Debug)]
struct Outer {
    epoll: Epoll,
    timer: TimerFd,
    /// What the timer is set to.
    next: Option<i64>,
}

/// Reads of an iteration that go into sinks: they take none of the caller's room, and must not keep
/// everything else waiting.
const FED_MAX: usize = 64;

impl State {
    pub fn new(poller: Arc<Poller>, resolver: Resolver) -> State {
        State {
            core: Core::new(poller, resolver),
            watches: Watches::new(),
            listeners: Slab::new(Kind::Listener),
            connections: Slab::new(Kind::Connection),
            signals: None,
            heard: Slab::new(Kind::Signal),
            spent: Vec::new(),
            waits_until: None,
            outer: None,
            leftovers: 0,
            is_deaf: false,
            batches: 0,
            is_ending: false,
            is_closed: false,
        }
    }

    /// Lets go of what the caller has had the last event of.
    pub fn forget_spent(&mut self) {
        while let Some(id) = self.spent.pop() {
            // A timer may have been set again.
            if self.core.timers.is_told(id) {
                self.core.timers.remove(id);
            }
            self.connections.remove(id);
        }
    }

    /// Gives what the last iteration had no room for; whether there was any.
    pub fn deliver_leftovers(&mut self, delivery: &mut Delivery<'_>) -> bool {
        while self.leftovers > 0 && !delivery.is_full() {
            self.leftovers -= 1;
            if !self.drop_stale() {
                self.deliver_one(delivery);
            }
        }
        let has_given = delivery.given() > 0;
        if has_given {
            self.core.stats.events += delivery.given() as u64;
            self.set_alarm();
        }
        has_given
    }

    /// Takes the oldest event away when it says that a descriptor is ready which is not any more:
    /// the caller may have read it in answer to another.
    fn drop_stale(&mut self) -> bool {
        let Some(event) = self.core.events.front() else { return false };
        let is_watch = event.kind == EventKind::Descriptor && event.error == 0;
        let is_stale = is_watch && event.id.is_some_and(|id| !self.watches.is_ready(id));
        if is_stale {
            self.core.events.pop_front();
        }
        is_stale
    }

    /// Gives all events and reads connections, as much as there is room for. Where both want more,
    /// each has half of it: neither starves for the other.
    pub fn give(&mut self, delivery: &mut Delivery<'_>) {
        let half = delivery.half(self.core.stats.iterations % 2 == 0);
        while !self.core.events.is_empty() && !delivery.is_full() {
            if delivery.given() >= half && !self.core.readable.is_empty() {
                break;
            }
            self.deliver_one(delivery);
        }
        self.read(delivery);
        while !self.core.events.is_empty() && !delivery.is_full() {
            self.deliver_one(delivery);
        }
        self.leftovers = self.core.events.len();
        self.core.stats.events += delivery.given() as u64;
        self.set_alarm();
    }

    /// Gives the oldest event, unless it has lost its meaning.
    fn deliver_one(&mut self, delivery: &mut Delivery<'_>) {
        let event = self.core.events.pop_front();
        let Some(event) = event.filter(|event| self.is_current(event)) else { return };
        if let Some(id) = event.id {
            self.note_given(id, event.kind);
        }
        delivery.give(event);
    }

    /// What follows from the caller's knowing of an event.
    fn note_given(&mut self, id: Id, kind: EventKind) {
        match kind {
            EventKind::Closed => self.spent.push(id),
            EventKind::Timer => {
                self.core.timers.tell(id);
                self.spent.push(id);
            }
            EventKind::Accepted | EventKind::Connected => {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.announce(&mut self.core);
                }
            }
            _ => {}
        }
    }

    /// Timers whose time has come.
    pub fn run_timers(&mut self) {
        while let Some(due) = self.core.timers.pop(self.core.now) {
            match due.subject {
                Subject::Caller(user) => {
                    self.core.stats.timers_fired += due.times;
                    let mut event = Event::new(EventKind::Timer, Some(due.id), user);
                    event.value = due.times;
                    event.setting = due.setting;
                    self.core.events.push_back(event);
                }
                Subject::Connection(id) => {
                    if let Some(connection) = self.connections.get_mut(id) {
                        connection.on_timer(&mut self.core);
                    }
                }
                Subject::Listener(id) => {
                    if let Some(listener) = self.listeners.get_mut(id) {
                        listener.resume(id, &mut self.core);
                    }
                }
                Subject::Shutdown => {
                    self.core.timers.remove(due.id);
                    self.abort_all(libc::ETIMEDOUT);
                }
            }
        }
    }

    /// What a wait has reported.
    pub fn on_ready(&mut self, ready: Ready) {
        match ready.token {
            WAKE => {}
            SIGNALS => self.take_signals(),
            token => self.on_ready_id(Id::from_bits(token), ready),
        }
    }

    fn on_ready_id(&mut self, id: Id, ready: Ready) {
        match id.kind() {
            Some(Kind::Connection) => {
                if let Some(connection) = self.connections.get_mut(id) {
                    connection.on_ready(&mut self.core, ready);
                }
            }
            Some(Kind::Listener) => {
                if let Some(listener) = self.listeners.get_mut(id) {
                    listener.accept(id, &mut self.core, &mut self.connections);
                }
            }
            Some(Kind::Attempt) => {
                let connection = self.core.attempts.get(id).map(|attempt| attempt.connection);
                let connection = connection.and_then(|id| self.connections.get_mut(id));
                if let Some(connection) = connection {
                    connection.attempted(&mut self.core, id);
                }
            }
            Some(Kind::Watch) => {
                let is_lost = self.watches.on_ready(&mut self.core, id, ready);
                if is_lost {
                    self.rebuild();
                }
            }
            _ => {}
        }
    }

    /// Has the poller forget what it cannot be asked to forget, and watches all else anew. Where
    /// that fails, as descriptors or memory are short, the loop goes on with what is watched, and
    /// tries again soon.
    pub fn rebuild(&mut self) {
        self.is_deaf = self.clear_poller().and_then(|()| self.follow_all()).is_err();
    }

    fn follow_all(&mut self) -> Result<()> {
        let poller = &self.core.poller;
        let mut outcome = poller.add(self.core.resolver.wake_fd(), WAKE, Interest::READ);
        if let Some(signals) = &self.signals {
            outcome = outcome.and(poller.add(signals.raw(), SIGNALS, Interest::READ));
        }
        for (id, listener) in self.listeners.iter() {
            let interest = Interest { readable: listener.rest.is_none(), writable: false };
            outcome = outcome.and(poller.add(listener.socket.raw(), id.bits(), interest));
        }
        for (id, attempt) in self.core.attempts.iter() {
            outcome = outcome.and(poller.follow(attempt.stream.raw(), id.bits()));
        }
        for (_, connection) in self.connections.iter() {
            outcome = outcome.and(connection.follow(poller));
        }
        outcome.and(self.watches.follow_all(&mut self.core))
    }

    /// Names that have been looked up.
    pub fn take_resolved(&mut self) {
        for (id, found) in self.core.resolver.take() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.resolved(&mut self.core, found);
            }
        }
    }

    /// Reads from those that have something, in turn, as long as there is room.
    fn read(&mut self, delivery: &mut Delivery<'_>) {
        let mut fed = 0;
        while let Some(room) = delivery.room() {
            let Some(id) = self.core.readable.pop_front() else { return };
            let Some(connection) = self.connections.get_mut(id) else { continue };
            let count = connection.take_turn(&mut self.core, room);
            if count > 0 && connection.is_fed(&room[..count]) {
                fed += 1;
                if fed == FED_MAX {
                    return;
                }
            } else if count > 0 {
                let mut event = Event::new(EventKind::Data, Some(id), connection.user);
                event.len = count;
                delivery.give(event);
            }
        }
    }

    /// Errors: `EINVAL`, `EEXIST` as [`Signals::add`]; `EMFILE`.
    pub fn add_signal(&mut self, number: i32, user: u64) -> Result<Id> {
        if self.signals.is_none() {
            let signals = Signals::new()?;
            self.core.poller.add(signals.raw(), SIGNALS, Interest::READ)?;
            self.signals = Some(signals);
        }
        let signals = self.signals.as_mut().ok_or(Errno(libc::EMFILE))?;
        signals.add(number)?;
        self.heard.insert((number, user))
    }

    /// Signals that have come since the last time.
    pub fn take_signals(&mut self) {
        let Some(signals) = &mut self.signals else { return };
        for (number, count) in signals.take() {
            let heard = self.heard.iter().find(|(_, (other, _))| *other == number);
            let Some((id, (_, user))) = heard else { continue };
            let mut event = Event::new(EventKind::Signal, Some(id), *user);
            event.value = number as u64;
            event.len = count as usize;
            self.core.events.push_back(event);
        }
    }

    /// Ends a watch, a signal or a listener. Errors: `EBADF` when there is none.
    pub fn remove(&mut self, id: Id) -> Result<()> {
        let bad = Errno(libc::EBADF);
        match id.kind() {
            Some(Kind::Watch) => self.watches.remove(&self.core, id),
            Some(Kind::Listener) => {
                self.listeners.remove(id).ok_or(bad)?.close(id, &mut self.core);
                Ok(())
            }
            Some(Kind::Signal) => {
                let (number, _) = self.heard.remove(id).ok_or(bad)?;
                if let Some(signals) = &mut self.signals {
                    signals.remove(number);
                }
                Ok(())
            }
            _ => Err(bad),
        }
    }

    /// Errors: `EBADF` when there is no such id.
    pub fn set_user(&mut self, id: Id, user: u64) -> Result<()> {
        let place = match id.kind() {
            Some(Kind::Watch) => self.watches.user_mut(id),
            Some(Kind::Signal) => self.heard.get_mut(id).map(|(_, user)| user),
            Some(Kind::Listener) => self.listeners.get_mut(id).map(|listener| &mut listener.user),
            Some(Kind::Connection) => self.connections.get_mut(id).map(|one| &mut one.user),
            Some(Kind::Timer) => match self.core.timers.subject_mut(id) {
                Some(Subject::Caller(user)) => Some(user),
                _ => None,
            },
            _ => None,
        };
        *place.ok_or(Errno(libc::EBADF))? = user;
        Ok(())
    }

    /// Whether an event that was given, or is to be, still means something to the caller: not when
    /// what it is about was ended since. A connection's last event always does.
    pub fn is_current(&self, event: &Event) -> bool {
        let Some(id) = event.id else { return !self.is_closed };
        match event.kind {
            _ if self.is_closed => false,
            EventKind::Wake | EventKind::Stop | EventKind::Closed => true,
            EventKind::Timer => self.core.timers.setting(id) == Some(event.setting),
            // The caller does not know of it yet, and is to before its end.
            EventKind::Accepted => self.connections.get(id).is_some(),
            EventKind::Signal => self.heard.get(id).is_some(),
            EventKind::Descriptor => event.error != 0 || self.watches.wants(id, event.value),
            EventKind::Refused => self.listeners.get(id).is_some(),
            EventKind::Readable => self.connections.get(id).is_some_and(|one| one.is_noticed()),
            _ => self.connections.get(id).is_some_and(|one| !one.is_closing()),
        }
    }

    /// A connection that the caller may use. Errors: `EBADF` when there is none.
    pub fn connection(&mut self, id: Id) -> Result<(&mut Connection, &mut Core)> {
        let connection = self.connections.get_mut(id).ok_or(Errno(libc::EBADF))?;
        Ok((connection, &mut self.core))
    }

    /// Takes back a connection that the caller does not know of yet.
    pub fn withdraw(&mut self, id: Id) {
        if let Some(mut connection) = self.connections.remove(id) {
            connection.let_go(&mut self.core);
        }
    }

    pub fn close_listeners(&mut self) {
        for id in self.listeners.ids() {
            let _ = self.remove(id);
        }
    }

    pub fn abort_all(&mut self, error: i32) {
        for id in self.connections.ids() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.reset(&mut self.core, error);
            }
        }
    }

    /// Whether an orderly shutdown has come to its end.
    pub fn has_ended(&self) -> bool {
        let is_done = self.is_ending && self.core.events.is_empty();
        is_done && self.connections.iter().all(|(_, connection)| connection.has_ended())
    }

    /// Ends all at once; gives how many bytes were not sent.
    pub fn close(&mut self) -> u64 {
        self.is_closed = true;
        self.close_listeners();
        let before = self.core.stats.unsent_bytes;
        for id in self.connections.ids() {
            if let Some(connection) = self.connections.get_mut(id) {
                connection.end(&mut self.core, libc::ESHUTDOWN);
            }
        }
        self.signals = None;
        self.core.stats.unsent_bytes - before
    }

    pub fn stats(&self) -> Stats {
        let open = self.connections.iter().filter(|(_, connection)| !connection.has_ended());
        Stats {
            timers: self.core.timers.pending() as u64,
            watches: self.watches.len() as u64,
            listeners: self.listeners.len() as u64,
            connections: open.count() as u64,
            ..self.core.stats
        }
    }

    /// The loop's own descriptor, made when it is asked for first.
    ///
    /// Errors: `EOPNOTSUPP` where the poller has none; `EMFILE`.
    pub fn outer(&mut self) -> Result<RawFd> {
        if self.outer.is_none() {
            let outer = Outer { epoll: Epoll::new()?, timer: TimerFd::new()?, next: None };
            outer.epoll.add(self.core.poller.descriptor()?, 0, Watch::Level)?;
            outer.epoll.add(outer.timer.as_fd(), 0, Watch::Level)?;
            self.outer = Some(outer);
            self.set_alarm();
        }
        let outer = self.outer.as_ref().ok_or(Errno(libc::EMFILE))?;
        Ok(outer.epoll.as_fd().as_raw_fd())
    }

    /// Has the loop's descriptor be readable in time for the next thing to do.
    pub fn set_alarm(&mut self) {
        if self.outer.is_none() {
            return;
        }
        let next = if self.has_ended() { Some(0) } else { self.core.next_time() };
        let Some(outer) = &mut self.outer else { return };
        if outer.next != next {
            outer.timer.set(next);
            outer.next = next;
        }
    }

    /// Empties the poller, whose descriptor is another file then.
    fn clear_poller(&mut self) -> Result<()> {
        let Some(outer) = &self.outer else { return self.core.poller.clear() };
        outer.epoll.remove(self.core.poller.descriptor()?);
        let outcome = self.core.poller.clear();
        outcome.and(outer.epoll.add(self.core.poller.descriptor()?, 0, Watch::Level))
    }

    /// Whether what another thread has just done is to end the wait.
    pub fn is_to_wake(&self) -> bool {
        let Some(until) = self.waits_until else { return false };
        let is_sooner = match (self.core.next_time(), until) {
            (Some(next), Some(until)) => next < until,
            (Some(_), None) => true,
            (None, _) => false,
        };
        is_sooner || self.is_closed || self.is_ending || !self.core.poller.sees_changes()
    }
}
