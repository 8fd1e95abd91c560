//! What all parts of a loop share: the clock, the timers, the poller and the events to be given.

use super::event::{Event, EventKind};
use super::resolver::Resolver;
use super::slab::{Id, Slab};
use super::tcp::Attempt;
use super::timers::Timers;
use crate::sys::clock;
use crate::sys::poller::Poller;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A timer of the caller's, with its number.
    Caller(u64),
    /// A connection's next deadline.
    Connection(Id),
    /// A listener that could not accept tries again.
    Listener(Id),
    /// The end of an orderly shutdown.
    Shutdown,
}

#[derive(Debug)]
pub struct Core {
    pub poller: Arc<Poller>,
    pub timers: Timers<Subject>,
    /// Ways that connections try at the moment.
    pub attempts: Slab<Attempt>,
    pub resolver: Resolver,
    /// Events that are to be given, oldest first.
    pub events: VecDeque<Event>,
    /// Connections known to have something to read, each once.
    pub readable: VecDeque<Id>,
    /// Nanoseconds of the monotonic clock, as of the last look.
    pub now: i64,
    pub stats: Stats,
}

/// Counts since the loop was made, and what there is now.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    pub iterations: u64,
    pub events: u64,
    pub timers: u64,
    pub timers_fired: u64,
    pub watches: u64,
    pub listeners: u64,
    pub connections: u64,
    pub accepted: u64,
    pub connected: u64,
    pub closed: u64,
    pub accept_errors: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub unsent_bytes: u64,
}

impl Core {
    pub fn new(poller: Arc<Poller>, resolver: Resolver) -> Core {
        let now = clock::monotonic();
        Core {
            poller,
            timers: Timers::new(now),
            attempts: Slab::new(super::slab::Kind::Attempt),
            resolver,
            events: VecDeque::new(),
            readable: VecDeque::new(),
            now,
            stats: Stats::default(),
        }
    }

    pub fn look_at_clock(&mut self) {
        self.now = clock::monotonic();
    }

    pub fn push(&mut self, kind: EventKind, id: Id, user: u64) {
        self.events.push_back(Event::new(kind, Some(id), user));
    }

    /// When there is something to do without anything coming in: `Some(0)` for at once.
    pub fn next_time(&self) -> Option<i64> {
        let has_work = !self.events.is_empty() || !self.readable.is_empty();
        if has_work {
            Some(0)
        } else {
            self.timers.next()
        }
    }
}
