//! The handler: a UDP socket, its two queues, and the reactors between them.
//!
//! ```text
//! receiving   socket → recvmmsg + GRO → receive reactor → Queue → Handler::receive → caller
//!                                                       or → Sink
//! sending     caller → Handler::dispatch → Queue → send reactor → sendmmsg + GSO → socket
//! ```

mod config;
mod dispatch;
mod options;
mod queue;
mod recv;
mod send;
mod shared;
mod stats;
mod watch;

pub use config::{Config, QueueConfig};
pub use queue::Policy;
pub use stats::{ReactorStats, Stats};

use self::options::Options;
use self::recv::Port;
use self::shared::Shared;
use crate::log::Level;
use crate::sink::Sink;
use crate::sys::addr::Addr;
use crate::sys::mmsg::PAYLOAD_MAX;
use crate::sys::poll::Patience;
use crate::sys::socket::{check_open, Switch, UdpSocket};
use crate::sys::{clock, thread, Errno, Result};
use crate::udp::batch::View;
use crate::udp::errors::SendError;
use std::os::fd::RawFd;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A UDP socket served by native threads.
///
/// Every method may be called from any thread.
pub struct Handler {
    shared: Arc<Shared>,
    ports: Vec<Arc<Port>>,
    options: Options,
    threads: Mutex<Threads>,
    uses_gro: bool,
    /// What the kernel had dropped on the caller's socket before.
    drops_before: u32,
}

#[derive(Default)]
struct Threads {
    send: Vec<JoinHandle<()>>,
    recv: Vec<JoinHandle<()>>,
}

impl Handler {
    /// Takes a second descriptor for the UDP socket `fd`; the caller may close its own at once.
    ///
    /// While the handler lives the socket has IP_RECVERR set and, when it receives, SO_TIMESTAMPNS
    /// and UDP_GRO: reading it elsewhere at the same time would give runs of datagrams as one.
    /// The close turns off what was turned on. Of several handlers on one socket the one made
    /// first should therefore be closed last.
    ///
    /// Errors: as [`UdpSocket::duplicate`] and [`crate::sys::eventfd::EventFd::duplicate`]; `EINVAL` for a
    /// configuration out of range; `EMFILE`, `ENFILE`, `EAGAIN` when descriptors or threads are
    /// short, nothing being left behind.
    pub fn new(fd: RawFd, config: &Config) -> Result<Handler> {
        config.check()?;
        // Before anything is opened: a closed descriptor's number may be given out again.
        check_open(fd)?;
        config.event_fd.map(check_open).transpose()?;
        let receives = config.recv_reactors > 0;
        let socket = Arc::new(UdpSocket::duplicate(fd)?);
        let options = Options::new(&socket);
        options.turn_on(Switch::ReceiveErrors)?;
        let shared = Arc::new(Shared::new(socket, config)?);
        let drops_before = shared.socket.kernel_drops().unwrap_or(0);
        let ports = open_ports(&shared, config)?;
        // A short buffer would cut a run of datagrams of which each fits.
        let wants_gro = config.gro && config.recv_size == PAYLOAD_MAX;
        let uses_gro = receives && wants_gro && turn_on(Switch::Gro, &options, &ports).is_ok();
        if receives {
            if !uses_gro {
                options.turn_off(Switch::Gro)?;
            }
            turn_on(Switch::Timestamps, &options, &ports)?;
            // The kernel gives an ICMP error to whichever socket of the group it picks.
            turn_on(Switch::ReceiveErrors, &options, &ports)?;
        }
        let threads = Mutex::default();
        let handler = Handler { shared, ports, options, threads, uses_gro, drops_before };
        // From here on dropping the handler stops what was started.
        handler.start(config)?;
        Ok(handler)
    }

    fn start(&self, config: &Config) -> Result<()> {
        let mut threads = self.threads();
        for index in 0..config.send_reactors {
            let name = format!("udph-send-{index}");
            threads.send.push(self.spawn(name, move |shared| send::run(shared, index))?);
        }
        for index in 0..config.recv_reactors {
            let name = format!("udph-recv-{index}");
            let port = Arc::clone(&self.ports[index % self.ports.len()]);
            threads.recv.push(self.spawn(name, move |shared| recv::run(shared, index, &port))?);
        }
        if self.ports.is_empty() {
            let watching = self.spawn("udph-errors".into(), watch::run)?;
            threads.recv.push(watching);
        }
        let (send, recv) = (config.send_reactors, config.recv_reactors);
        let log = self.shared.log;
        log.log(
            Level::Debug,
            format_args!("handler started: {send} send, {recv} receive reactors"),
        );
        Ok(())
    }

    fn spawn(
        &self,
        name: String,
        body: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<JoinHandle<()>> {
        let shared = Arc::clone(&self.shared);
        thread::spawn(name, move || {
            if catch_unwind(AssertUnwindSafe(|| body(&shared))).is_err() {
                shared.fail();
            }
        })
    }

    /// Puts datagrams into the send queue, in order; gives how many were taken. Fewer than there
    /// are means that the next one is refused, and dispatching from it on tells why.
    ///
    /// `patience` is how long [`Policy::Wait`] waits for room (`None`: for ever).
    ///
    /// Errors, for the first datagram: `EAGAIN` when the queue is full (the policy refusing) or
    /// stayed so; `EMSGSIZE` when it is longer than UDP, or the queue, could ever hold;
    /// `EAFNOSUPPORT` when the socket cannot reach such an address; `EINVAL` for port 0;
    /// `ESHUTDOWN` when the handler is closed.
    pub fn dispatch<'a>(
        &self,
        datagrams: impl Iterator<Item = (Addr, &'a [u8])>,
        patience: Option<Duration>,
    ) -> Result<usize> {
        dispatch::run(&self.shared, datagrams, patience)
    }

    /// Hands received datagrams to `visit`, oldest first, each with its delay in nanoseconds from
    /// the kernel's receive timestamp to now. `visit` gives how many of a view it takes; it is not
    /// called again once it takes fewer than it was shown. Gives how many were taken.
    ///
    /// Waits up to `timeout_ms` milliseconds for a first datagram; -1: for ever, 0: not at all.
    ///
    /// Errors: `EAGAIN` when there is none and no waiting was asked for, `ETIMEDOUT` when the time
    /// is over, `EINTR` when a signal handler ran during the wait, `ESHUTDOWN` when the handler
    /// was closed, `EOPNOTSUPP` when waiting on a handler that does not receive.
    pub fn receive(
        &self,
        timeout_ms: i32,
        mut visit: impl FnMut(View<'_>, i64) -> usize,
    ) -> Result<usize> {
        let patience = Patience::from_ms(timeout_ms);
        loop {
            if self.shared.is_closed() {
                return Err(self.shared.closed_reason());
            }
            if let Some(taken) = self.pop(&mut visit) {
                return Ok(taken);
            }
            // Another consumer may have been faster: the wait goes on with what is left of it.
            let left = patience.left_ms()?;
            self.shared.readiness()?.wait(left, || self.shared.has_news())?;
        }
    }

    /// `None` when the queue was empty.
    fn pop(&self, visit: &mut impl FnMut(View<'_>, i64) -> usize) -> Option<usize> {
        let counters = &self.shared.counters;
        let mut started = None;
        let taken = self.shared.recv_queue.pop(|view| {
            let now = *started.get_or_insert_with(clock::realtime);
            // The clock may have been set back since the datagram came.
            let delay = (now - view.stamp).max(0);
            let taken = visit(view, delay).min(view.count());
            if taken > 0 {
                counters.recv_delay.add(delay, taken as u64);
                counters.delivered.add(taken);
            }
            taken
        });
        if taken > 0 {
            self.shared.update_readiness();
        }
        started.map(|_| taken)
    }

    /// Has `sink` get what is received from now on, on the receive reactors, until it has ended.
    ///
    /// Errors: `EALREADY` when another does; `EOPNOTSUPP` when the handler does not receive;
    /// `ESHUTDOWN` when it is closed.
    pub fn feed(&self, sink: Arc<dyn Sink>) -> Result<()> {
        self.shared.readiness()?;
        if self.shared.is_closed() {
            return Err(Errno(libc::ESHUTDOWN));
        }
        self.shared.set_sink(Arc::clone(&sink))?;
        // It may have been closed since, and nobody else would tell the sink.
        if self.shared.is_closed() {
            sink.finish();
            return Err(Errno(libc::ESHUTDOWN));
        }
        Ok(())
    }

    /// Datagrams dispatched and not yet sent.
    pub fn queued_send(&self) -> u64 {
        self.shared.send_queue.items() + self.shared.in_hand.load(Ordering::Relaxed)
    }

    /// Datagrams received and not yet picked up.
    pub fn queued_recved(&self) -> u64 {
        self.shared.recv_queue.items()
    }

    /// Average time from dispatch to the kernel's taking it, in nanoseconds, since the last reset.
    pub fn send_latency_average(&self, reset: bool) -> u64 {
        self.shared.counters.latency_sum.read(reset)
    }

    /// A descriptor that is readable exactly while datagrams are there to pick up, valid until the
    /// handler is dropped.
    ///
    /// Errors: `EOPNOTSUPP` when the handler does not receive.
    pub fn fd(&self) -> Result<RawFd> {
        let readiness = self.shared.readiness()?;
        Ok(readiness.fd(|| self.shared.has_news()))
    }

    /// Up to `most` errors not yet asked for, oldest first.
    pub fn errors(&self, most: usize) -> Vec<SendError> {
        self.drain_error_queues();
        self.shared.errors.take(most)
    }

    /// What a reactor would find a moment later.
    fn drain_error_queues(&self) {
        self.shared.errors.drain(&self.shared.socket);
        for socket in self.ports.iter().flat_map(|port| &port.sockets) {
            self.shared.errors.drain(socket);
        }
    }

    pub fn stats(&self) -> Stats {
        self.drain_error_queues();
        let counters = &self.shared.counters;
        // One reading of it for both figures, so that they agree while others dispatch.
        let dropped_newest = counters.send_dropped_newest.get();
        Stats {
            dispatched: self.shared.send_queue.pushed() + dropped_newest,
            queued_send: self.queued_send(),
            queued_recved: self.queued_recved(),
            send_refused: counters.send_refused.get(),
            send_dropped: counters.send_dropped_oldest.get() + dropped_newest,
            send_unsent: counters.send_unsent.get(),
            send_errors: counters.send_errors.get(),
            send_retries: counters.send_retries.get(),
            recv_dropped: counters.recv_dropped.get(),
            recv_unread: counters.recv_unread.get(),
            kernel_drops: self.kernel_drops(),
            delivered: counters.delivered.get(),
            truncated: counters.truncated.get(),
            icmp_errors: self.shared.errors.icmp_errors(),
            errors_dropped: self.shared.errors.dropped(),
            send_latency: counters.send_latency.percentiles(),
            recv_delay: counters.recv_delay.percentiles(),
            gso: self.shared.gso_limit.load(Ordering::Relaxed) > 0,
            gro: self.uses_gro,
            send_reactors: counters.send.iter().map(Into::into).collect(),
            recv_reactors: counters.recv.iter().map(Into::into).collect(),
        }
    }

    /// Stops receiving, sends what is queued for at most `drain`, ends the threads and wakes
    /// whoever waits; gives the final counts.
    ///
    /// A second close, from whichever thread, gives `None`.
    pub fn close(&self, drain: Duration) -> Option<Stats> {
        if !self.shared.stop(drain) {
            return None;
        }
        let threads = std::mem::take(&mut *self.threads());
        join(threads.recv);
        join(threads.send);
        Some(self.settle())
    }

    /// Counts what no reactor will touch any more, and leaves the caller's socket as it was.
    fn settle(&self) -> Stats {
        let shared = &self.shared;
        shared.send_queue.clear(|count| shared.counters.send_unsent.add(count));
        shared.recv_queue.clear(|count| shared.counters.recv_unread.add(count));
        if let Some(sink) = shared.sink() {
            sink.finish();
        }
        self.options.restore();
        let stats = self.stats();
        let Stats { send_unsent, recv_unread, .. } = stats;
        let level = if send_unsent + recv_unread > 0 { Level::Warning } else { Level::Debug };
        let left = format_args!("{send_unsent} unsent, {recv_unread} not picked up");
        shared.log.log(level, format_args!("handler closed: {left}"));
        stats
    }

    fn kernel_drops(&self) -> u64 {
        let sockets = self.ports.iter().flat_map(|port| &port.sockets);
        let all = sockets.map(|socket| {
            let drops = socket.kernel_drops().unwrap_or(0);
            let is_callers = Arc::ptr_eq(socket, &self.shared.socket);
            drops.wrapping_sub(if is_callers { self.drops_before } else { 0 })
        });
        all.map(u64::from).sum()
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// The sockets of the receive reactors: one port each where the port group lets more sockets join,
/// one for all otherwise.
fn open_ports(shared: &Shared, config: &Config) -> Result<Vec<Arc<Port>>> {
    if config.recv_reactors == 0 {
        return Ok(Vec::new());
    }
    let mut groups: Vec<Vec<Arc<UdpSocket>>> = vec![vec![Arc::clone(&shared.socket)]];
    groups.resize_with(config.recv_reactors, Vec::new);
    for group in &mut groups {
        while group.len() < config.recv_sockets {
            match shared.socket.sibling()? {
                Some(socket) => group.push(Arc::new(socket)),
                None => break,
            }
        }
    }
    groups.retain(|group| !group.is_empty());
    let reactors = if groups.len() == 1 { config.recv_reactors } else { 1 };
    groups.into_iter().map(|group| Ok(Arc::new(Port::new(shared, group, reactors)?))).collect()
}

/// Turns a switch on for the caller's socket, which is to have it back as it was, and for ours.
fn turn_on(switch: Switch, options: &Options, ports: &[Arc<Port>]) -> Result<()> {
    options.turn_on(switch)?;
    ports.iter().flat_map(|port| &port.sockets).try_for_each(|socket| socket.set(switch, true))
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A panic was already reported where it happened.
        let _ = thread.join();
    }
}
