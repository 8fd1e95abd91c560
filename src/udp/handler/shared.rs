//! What a handler's callers and its reactors have in common, and how all of it stops.

use super::config::Config;
use super::queue::{Policy, Queue};

use super::stats::Counters;
use crate::log::{Level, Logger};
use crate::readiness::Readiness;
use crate::sink::{self, Sink};
use crate::sys::eventfd::EventFd;
use crate::sys::mmsg::GSO_PAYLOAD_MAX;
use crate::sys::socket::UdpSocket;
use crate::sys::{clock, Errno, Result};
use crate::udp::errors::ErrorLog;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// The drain deadline before there is one.
const RUNNING: i64 = i64::MAX;

/// What the handler's callers and its reactors have in common.
pub struct Shared {
    pub socket: Arc<UdpSocket>,
    pub send_queue: Queue,
    pub recv_queue: Queue,
    pub send_policy: Policy,
    pub recv_policy: Policy,
    pub send_flags: i32,
    pub recv_size: usize,
    /// Longest datagram that may go out with others by GSO; 0: none.
    pub gso_limit: AtomicUsize,
    /// Datagrams that send reactors have taken from the queue and not yet sent.
    pub in_hand: AtomicU64,
    pub counters: Counters,
    pub log: Logger,
    /// Readable once the handler stops.
    pub stop: EventFd,
    /// Monotonic nanoseconds until which the send queue is drained; [`RUNNING`] before the close.
    drain_deadline: AtomicI64,
    announce_to: Option<EventFd>,
    readiness: Option<Readiness>,
    pub errors: ErrorLog,
    /// Who gets what is received, instead of the queue.
    sink: RwLock<Option<Arc<dyn Sink>>>,
    has_failed: AtomicBool,
}

impl Shared {
    pub fn new(socket: Arc<UdpSocket>, config: &Config) -> Result<Shared> {
        let uses_gso = config.gso && socket.has_gso();
        let receives = config.recv_reactors > 0;
        Ok(Shared {
            socket,
            send_queue: config.send_queue.queue()?,
            recv_queue: config.recv_queue.queue()?,
            send_policy: config.send_queue.policy,
            recv_policy: config.recv_queue.policy,
            send_flags: config.send_flags,
            recv_size: config.recv_size,
            gso_limit: AtomicUsize::new(if uses_gso { GSO_PAYLOAD_MAX } else { 0 }),
            in_hand: AtomicU64::new(0),
            counters: Counters::new(config.send_reactors, config.recv_reactors),
            log: Logger(config.log_level),
            stop: EventFd::new()?,
            drain_deadline: AtomicI64::new(RUNNING),
            announce_to: config.event_fd.map(EventFd::duplicate).transpose()?,
            readiness: if receives { Some(Readiness::new()?) } else { None },
            errors: ErrorLog::new(Logger(config.log_level)),
            sink: RwLock::default(),
            has_failed: AtomicBool::new(false),
        })
    }

    /// Has everything stop, sending what is queued for at most `drain`; `false` when it has
    /// stopped already.
    pub fn stop(&self, drain: Duration) -> bool {
        let drain = i64::try_from(drain.as_nanos()).unwrap_or(i64::MAX);
        let deadline = clock::monotonic().saturating_add(drain).min(RUNNING - 1);
        let state = &self.drain_deadline;
        let order = Ordering::SeqCst;
        if state.compare_exchange(RUNNING, deadline, order, order).is_err() {
            return false;
        }
        self.wake_all();
        true
    }

    /// A reactor has panicked: nobody may wait for it.
    pub fn fail(&self) {
        self.log.log(Level::Error, format_args!("a reactor panicked; the handler is out of order"));
        self.has_failed.store(true, Ordering::SeqCst);
        self.wake_all();
    }

    /// Lets nothing more into the queues; whoever waits finds the handler closed.
    fn wake_all(&self) {
        self.send_queue.close();
        self.recv_queue.close();
        // A counter at 0 has room for 1.
        let _ = self.stop.add(1);
        self.update_readiness();
    }

    /// Has the sink get what is received. Errors: `EALREADY` when another does.
    pub fn set_sink(&self, given: Arc<dyn Sink>) -> Result<()> {
        let mut slot = self.sink.write().unwrap_or_else(PoisonError::into_inner);
        sink::check_free(slot.as_ref())?;
        *slot = Some(given);
        drop(slot);
        // A reactor may be waiting for room in the queue that nobody empties any more.
        self.recv_queue.look_again();
        Ok(())
    }

    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.sink.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of a sink that has ended.
    pub fn drop_sink(&self, ended: &Arc<dyn Sink>) {
        let mut slot = self.sink.write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|sink| Arc::ptr_eq(sink, ended)) {
            *slot = None;
        }
    }

    /// Errors: `EOPNOTSUPP` when the handler does not receive.
    pub fn readiness(&self) -> Result<&Readiness> {
        self.readiness.as_ref().ok_or(Errno(libc::EOPNOTSUPP))
    }

    /// Nanoseconds left for draining, negative when over; `None` while the handler runs.
    pub fn drain_time_left(&self) -> Option<i64> {
        match self.drain_deadline.load(Ordering::Acquire) {
            RUNNING => None,
            deadline => Some(deadline - clock::monotonic()),
        }
    }

    pub fn is_past_deadline(&self) -> bool {
        self.drain_time_left().is_some_and(|left| left <= 0)
    }

    /// Tells the program that `count` datagrams more are there.
    pub fn announce(&self, count: usize) {
        if let Some(event) = &self.announce_to {
            if let Err(error) = event.add(count as u64) {
                self.log.log(Level::Warning, format_args!("event fd: {error}"));
            }
        }
        self.update_readiness();
    }

    pub fn update_readiness(&self) {
        if let Some(readiness) = &self.readiness {
            readiness.update(|| self.has_news());
        }
    }

    /// Whether a thread that waits for datagrams should look: there are some, or never will be.
    pub fn has_news(&self) -> bool {
        !self.recv_queue.is_empty() || self.is_closed()
    }

    /// Why the queues take nothing more.
    pub fn closed_reason(&self) -> Errno {
        if self.has_failed.load(Ordering::SeqCst) {
            Errno::PANIC
        } else {
            Errno(libc::ESHUTDOWN)
        }
    }

    pub fn is_closed(&self) -> bool {
        let is_closing = self.drain_deadline.load(Ordering::SeqCst) != RUNNING;
        is_closing || self.has_failed.load(Ordering::SeqCst)
    }
}
