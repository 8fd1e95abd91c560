//! Messages to, and from, all neighbours: by broadcast, or to a multicast group.

use crate::log::{Level, Logger};
use crate::sys::addr::{Addr, Family};
use crate::sys::eventfd::EventFd;
use crate::sys::mmsg::{Arrival, Departure, PAYLOAD_MAX};
use crate::sys::multicast::{check_group, Setting};
use crate::sys::poll::{self, Interest};
use crate::sys::socket::Opening;
use crate::sys::{clock, interfaces, thread, Errno, Result};
use crate::udp::batch::View;
use crate::udp::peer::{self, Peer};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a broadcast's maker may choose.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The group that messages go to; `None`: IPv4 broadcast. Its port does not matter.
    pub group: Option<Addr>,
    /// Where messages come in and go to; 0 for a free one.
    pub port: u16,
    /// Index of the only interface to use; 0: all of them.
    pub interface: u32,
    /// Longest message that is received whole, 1 to 65,535 bytes.
    pub recv_size: usize,
    /// Routers that a message to a group may cross, and one; 1 to 255.
    pub ttl: u8,
    /// It has a free port of its own, and receives nothing but answers.
    pub send_only: bool,
}

impl Default for Config {
    fn default() -> Config {
        let (group, port, interface) = (None, 0, 0);
        Config { group, port, interface, recv_size: 8192, ttl: 1, send_only: false }
    }
}

/// Counts since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub received: u64,
    pub received_bytes: u64,
    pub truncated: u64,
    pub kernel_drops: u64,
    /// Messages that left, one for each interface.
    pub sent: u64,
    /// Messages that an interface refused, or that found none.
    pub send_errors: u64,
    /// Times that the beacon has tried.
    pub beacons: u64,
}

/// A socket for messages to and from all neighbours.
///
/// Every method may be called from any thread.
pub struct Broadcast {
    shared: Arc<Shared>,
    beacon: Mutex<Slot>,
}

/// Where the beacon is.
enum Slot {
    Idle,
    Running(#[allow(dead_code, reason = "dropping it ends it")] Beacon),
    Closed,
}

struct Shared {
    peer: Peer,
    group: Option<Addr>,
    interface: u32,
    port: u16,
    send_errors: AtomicU64,
    beacons: AtomicU64,
    log: Logger,
}

impl Broadcast {
    /// Opens the socket, binds it and joins the group.
    ///
    /// Errors: as [`crate::sys::socket::UdpSocket::open`], so `EADDRINUSE` when a program has the
    /// port for itself; `EINVAL` for a `recv_size` or `ttl` out of range and for an address that is
    /// no group's; `ENODEV` when no interface takes multicasts, or there is none of this index.
    pub fn new(config: &Config) -> Result<Broadcast> {
        let group = config.group.map(check_group).transpose()?;
        if config.ttl == 0 || !(1..=PAYLOAD_MAX).contains(&config.recv_size) {
            return Err(Errno(libc::EINVAL));
        }
        let device = match config.interface {
            0 => None,
            index => Some(interfaces::name(index)?),
        };
        let port = if config.send_only { 0 } else { config.port };
        let opening = Opening {
            broadcast: true,
            reuse_address: !config.send_only,
            device,
            ..Opening::default()
        };
        let peer = Peer::new(peer::Config {
            address: any(group, port),
            opening,
            arrival: true,
            recv_size: config.recv_size,
            gso: false,
            gro: false,
        })?;
        peer.open()?;
        if let Some(group) = group {
            peer.adjust(Setting::MulticastTtl, config.ttl.into())?;
            if !config.send_only {
                join(&peer, group, config.interface)?;
            }
        }
        let port = if config.port == 0 { peer.address().port } else { config.port };
        let shared = Shared {
            peer,
            group,
            interface: config.interface,
            port,
            send_errors: AtomicU64::new(0),
            beacons: AtomicU64::new(0),
            log: Logger(Level::None),
        };
        Ok(Broadcast { shared: Arc::new(shared), beacon: Mutex::new(Slot::Idle) })
    }

    /// Hands messages to `visit`: see [`Peer::receive`].
    pub fn receive(
        &self,
        most: usize,
        room: usize,
        timeout_ms: i32,
        visit: impl FnMut(&View<'_>, i64, Arrival) -> usize,
    ) -> Result<usize> {
        self.shared.peer.receive(most, room, timeout_ms, visit)
    }

    /// Sends a message by every interface, without waiting; gives by how many it left.
    ///
    /// Errors: when by none, what the first of them said; `ENETUNREACH` when there is none.
    pub fn send(&self, message: &[u8]) -> Result<usize> {
        self.shared.send(message)
    }

    /// Sends a message now and then once every `period`, from a thread of ours, in place of the one
    /// before; `None` stops it.
    ///
    /// Errors: `EMSGSIZE` for one longer than UDP can carry; `ESHUTDOWN` when closed; `EAGAIN`, `EMFILE` when threads or
    /// descriptors are short, the one before being stopped; `EDEADLK` on a thread of ours.
    pub fn beacon(&self, message: &[u8], period: Option<Duration>) -> Result<()> {
        if thread::is_ours() {
            return Err(Errno(libc::EDEADLK));
        }
        let longest = any(self.shared.group, 0).payload_max();
        if message.len() > longest {
            return Err(Errno(libc::EMSGSIZE));
        }
        let mut slot = self.slot();
        if matches!(*slot, Slot::Closed) {
            return Err(Errno(libc::ESHUTDOWN));
        }
        // Only when the one before has ended may the next begin.
        *slot = Slot::Idle;
        if let Some(period) = period {
            *slot = Slot::Running(Beacon::start(&self.shared, message.to_vec(), period)?);
        }
        Ok(())
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.beacon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where messages come in and go to.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// A descriptor that is readable exactly while messages are there, valid until the close.
    pub fn fd(&self) -> Result<RawFd> {
        self.shared.peer.fd()
    }

    pub fn stats(&self) -> Stats {
        let peer = self.shared.peer.stats();
        Stats {
            received: peer.received,
            received_bytes: peer.received_bytes,
            truncated: peer.truncated,
            kernel_drops: peer.kernel_drops,
            sent: peer.sent,
            send_errors: self.shared.send_errors.load(Relaxed),
            beacons: self.shared.beacons.load(Relaxed),
        }
    }

    /// Ends the beacon, wakes whoever waits and closes the socket.
    pub fn close(&self) {
        *self.slot() = Slot::Closed;
        self.shared.peer.close();
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn send(&self, message: &[u8]) -> Result<usize> {
        let destinations = self.destinations().inspect_err(|_| self.count_refusal())?;
        let mut sent = 0;
        let mut refusal = None;
        for (to, interface) in destinations {
            let departure = Departure { interface, ..Departure::default() };
            match self.peer.send_by(std::iter::once((to, message, departure))) {
                Ok(count) => sent += count,
                Err(error) => {
                    self.count_refusal();
                    let complaint = format_args!("to {to} by interface {interface}: {error}");
                    self.log.log(Level::Warning, complaint);
                    refusal.get_or_insert(error);
                }
            }
        }
        match refusal {
            _ if sent > 0 => Ok(sent),
            Some(error) => Err(error),
            None => {
                self.count_refusal();
                Err(Errno(libc::ENETUNREACH))
            }
        }
    }

    fn count_refusal(&self) {
        self.send_errors.fetch_add(1, Relaxed);
    }

    /// Asked for each time: interfaces come and go.
    fn destinations(&self) -> Result<Vec<(Addr, u32)>> {
        let is_meant = |interface: u32| self.interface == 0 || self.interface == interface;
        let port = self.port;
        Ok(match self.group {
            None => interfaces::broadcasts()?
                .into_iter()
                .filter(|broadcast| is_meant(broadcast.interface))
                .map(|broadcast| (broadcast.to.with_port(port), broadcast.interface))
                .collect(),
            Some(group) => interfaces::for_multicast(group.family)?
                .into_iter()
                .filter(|interface| is_meant(*interface))
                .map(|interface| (on_link(group.with_port(port), interface), interface))
                .collect(),
        })
    }
}

/// Any address of the family that the messages have.
fn any(group: Option<Addr>, port: u16) -> Addr {
    match group.map(|group| group.family) {
        Some(Family::V6) => Addr::v6([0; 16], 0, port),
        _ => Addr::v4([0; 4], port),
    }
}

/// A link-local IPv6 group is one of this interface (RFC 4007).
fn on_link(group: Addr, interface: u32) -> Addr {
    match group.family {
        Family::V4 => group,
        Family::V6 => group.with_scope(interface),
    }
}

/// Joins the group on the interface, or on all of them.
fn join(peer: &Peer, group: Addr, interface: u32) -> Result<()> {
    if interface != 0 {
        return peer.join(group, interface);
    }
    let mut outcome = Err(Errno(libc::ENODEV));
    for index in interfaces::for_multicast(group.family)? {
        match peer.join(group, index) {
            Ok(()) => outcome = Ok(()),
            // One interface that cannot does not keep the others from it.
            Err(error) => {
                let complaint = format_args!("joining {group} on interface {index}: {error}");
                Logger(Level::None).log(Level::Warning, complaint);
                outcome = outcome.or(Err(error));
            }
        }
    }
    outcome
}

/// A thread that sends the same message again and again, until it is dropped.
struct Beacon {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Beacon {
    fn start(shared: &Arc<Shared>, message: Vec<u8>, period: Duration) -> Result<Beacon> {
        let stop = Arc::new(EventFd::new()?);
        let (shared, stopped) = (Arc::clone(shared), Arc::clone(&stop));
        let period = i64::try_from(period.as_nanos()).unwrap_or(i64::MAX).max(1);
        let body = move || run_beacon(&shared, &stopped, &message, period);
        let thread = Some(thread::spawn("bcast-beacon".into(), body)?);
        Ok(Beacon { stop, thread })
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        // A counter at 0 has room for 1.
        let _ = self.stop.add(1);
        if let Some(thread) = self.thread.take() {
            // A panic was already reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Sends at once and then every `period` nanoseconds after that, counted from the first: a late one
/// does not make the next ones late, and those that were missed are left out.
fn run_beacon(shared: &Shared, stop: &EventFd, message: &[u8], period: i64) {
    let mut next = clock::monotonic();
    loop {
        if let Err(error) = shared.send(message) {
            shared.log.log(Level::Warning, format_args!("beacon: {error}"));
        }
        // Counted whether it went out or not: that it goes on is what the program wants to know.
        shared.beacons.fetch_add(1, Relaxed);
        let now = clock::monotonic();
        next = next.saturating_add(period.saturating_mul(1 + (now - next) / period));
        loop {
            let left = poll::timeout_ms(next - clock::monotonic());
            match poll::wait(&[(stop.borrow(), Interest::Readable)], left) {
                Ok(true) => return,
                Ok(false) if clock::monotonic() >= next => break,
                Ok(false) | Err(Errno(libc::EINTR)) => {}
                Err(error) => {
                    shared.log.log(Level::Error, format_args!("beacon ends: {error}"));
                    return;
                }
            }
        }
    }
}
