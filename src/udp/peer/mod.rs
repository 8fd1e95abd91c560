//! The peer: a UDP socket that the program's own threads receive from and send to.
//!
//! ```text
//! receiving   socket → recvmmsg + GRO → caller; what the caller had no room for → pending → caller
//! fed         socket → recvmmsg + GRO → Sink, on a thread of ours
//! sending     caller → batch → sendmmsg + GSO → socket
//! ```
//!
//! No thread of ours is involved unless a sink is fed, and no call waits unless asked to.

mod feed;
mod open_socket;
mod outbox;

pub use feed::feed;

use self::open_socket::{is_own, Budget, OpenSocket};
use crate::log::{Level, Logger};
use crate::sys::addr::Addr;
use crate::sys::mmsg::{Arrival, Departure, PAYLOAD_MAX};
use crate::sys::multicast::Setting;
use crate::sys::poll::Patience;
use crate::sys::socket::{Opening, Switch, UdpSocket};
use crate::sys::{clock, single, Errno, Result};
use crate::udp::batch::View;
use crate::udp::errors::{ErrorLog, SendError};
use crate::udp::pace::{FUTILE_PAUSE, FUTILE_WAITS};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What a peer's maker may choose.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it is bound; port 0 for a free one.
    pub address: Addr,
    pub opening: Opening,
    /// Whether the kernel tells how each datagram arrived.
    pub arrival: bool,
    /// Longest datagram that is received whole, 1 to 65,535 bytes.
    pub recv_size: usize,
    /// Whether UDP GSO and GRO are used where the kernel has them.
    pub gso: bool,
    pub gro: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            address: Addr::v4([0; 4], 0),
            opening: Opening { reuse_address: true, reuse_port: true, ..Opening::default() },
            arrival: false,
            recv_size: PAYLOAD_MAX,
            gso: true,
            gro: true,
        }
    }
}

/// Counts since the peer was made, however often it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub sent: u64,
    pub sent_bytes: u64,
    /// Datagrams handed to the program.
    pub received: u64,
    pub received_bytes: u64,
    /// Of these, those whose end was lost.
    pub truncated: u64,
    /// Datagrams that were received and not yet handed out when the peer was closed.
    pub unread: u64,
    /// Datagrams that the kernel dropped before they could be received.
    pub kernel_drops: u64,
    pub icmp_errors: u64,
    /// Errors that nobody asked for before there were too many.
    pub errors_dropped: u64,
    pub gso: bool,
    pub gro: bool,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
    truncated: AtomicU64,
    unread: Arc<AtomicU64>,
    /// Of sockets that are closed.
    kernel_drops: AtomicU64,
}

/// A datagram that was received by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// Bytes that it had, or more than `recv_size` when its end is lost.
    pub length: usize,
    /// Bytes of it that are there.
    pub filled: usize,
    pub from: Addr,
}

/// A UDP socket that is opened, closed and opened again.
///
/// Every method may be called from any thread.
pub struct Peer {
    config: Config,
    state: RwLock<State>,
    counters: Counters,
    errors: ErrorLog,
}

struct State {
    open: Option<Arc<OpenSocket>>,
    /// Nobody will open it any more.
    has_ended: bool,
    /// Where it is bound, or will be.
    address: Addr,
}

impl State {
    /// Errors: `ENOTCONN` when it is not open, `ESHUTDOWN` when it never will be.
    fn opened(&self) -> Result<&Arc<OpenSocket>> {
        let error = if self.has_ended { libc::ESHUTDOWN } else { libc::ENOTCONN };
        self.open.as_ref().ok_or(Errno(error))
    }
}

impl Peer {
    /// A peer that is not open yet. Errors: `EINVAL` for a `recv_size` out of range.
    pub fn new(config: Config) -> Result<Peer> {
        if !(1..=PAYLOAD_MAX).contains(&config.recv_size) {
            return Err(Errno(libc::EINVAL));
        }
        let state = RwLock::new(State { open: None, has_ended: false, address: config.address });
        let errors = ErrorLog::new(Logger(Level::None));
        Ok(Peer { config, state, counters: Counters::default(), errors })
    }

    /// Opens the socket and binds it.
    ///
    /// Errors: as [`UdpSocket::open`]; `EISCONN` when it is open, `ESHUTDOWN` once closed.
    pub fn open(&self) -> Result<()> {
        let mut state = self.write();
        if state.open.is_some() {
            return Err(Errno(libc::EISCONN));
        }
        self.open_in(&mut state)
    }

    /// Closes the socket if it is open, and opens it on the same address. Whoever waits on the old
    /// one finds it closed.
    pub fn reopen(&self) -> Result<()> {
        let mut state = self.write();
        self.close_in(&mut state);
        self.open_in(&mut state)
    }

    /// Closes the socket for good and wakes whoever waits; nothing happens when it is closed.
    /// Opened by a call that is under way, it would keep others waiting for ever.
    pub fn close(&self) {
        let mut state = self.write();
        state.has_ended = true;
        self.close_in(&mut state);
    }

    fn open_in(&self, state: &mut State) -> Result<()> {
        if state.has_ended {
            return Err(Errno(libc::ESHUTDOWN));
        }
        let Config { opening, arrival, gso, .. } = &self.config;
        let socket = UdpSocket::open(state.address, opening)?;
        socket.set(Switch::ReceiveErrors, true)?;
        // Otherwise Linux gives it the datagrams of every group that anybody on this host has
        // joined. A kernel that cannot do without (IPv6 before Linux 4.20) does as it always did.
        let _ = socket.set(Switch::AllGroups, false);
        if *arrival {
            for switch in [Switch::Destination, Switch::Tos, Switch::Timestamps] {
                socket.set(switch, true)?;
            }
        }
        state.address = socket.address()?;
        state.open = Some(Arc::new(OpenSocket::new(socket, *gso, &self.counters.unread)?));
        Ok(())
    }

    fn close_in(&self, state: &mut State) {
        if let Some(open) = state.open.take() {
            let drops = open.socket.kernel_drops().unwrap_or(0);
            self.counters.kernel_drops.fetch_add(drops.into(), Relaxed);
            open.close();
        }
    }

    /// Hands received datagrams to `visit`, oldest first: a run of them, the nanoseconds since the
    /// kernel took them in (0 when it does not tell), and how they arrived. `visit` gives how many
    /// of a view it takes; it is not called again once it takes fewer than it was shown. What it
    /// does not take comes first the next time. Gives how many were taken.
    ///
    /// `most` datagrams of `room` bytes in all are what `visit` is going to take: no more than is
    /// likely to fit is received. Waits up to `timeout_ms` milliseconds for a first datagram; -1:
    /// for ever, 0: not at all. A caller who waits, and has taken all there was, is given more than
    /// 40,000 messages a second in batches, at most 0.3 ms late.
    ///
    /// Errors: `EAGAIN` when there is none and no waiting was asked for, `ETIMEDOUT` when the time
    /// is over, `EINTR` when a signal handler ran during the wait, `ENOTCONN` when the peer is not
    /// open, `ESHUTDOWN` when it was closed meanwhile.
    pub fn receive(
        &self,
        most: usize,
        room: usize,
        timeout_ms: i32,
        mut visit: impl FnMut(&View<'_>, i64, Arrival) -> usize,
    ) -> Result<usize> {
        let open = self.opened()?;
        if open.lacks_gro(&self.config, most) {
            let _alone = self.write();
            open.turn_on_gro();
        }
        let patience = Patience::from_ms(timeout_ms);
        let mut futile = 0;
        loop {
            let may_wait = timeout_ms != 0;
            if may_wait {
                open.nap();
            }
            match self.take(&open, Budget::new(most, room, may_wait), &mut visit) {
                Err(Errno(libc::EAGAIN)) if may_wait => {}
                Err(Errno(libc::EAGAIN)) => {
                    open.settle(&self.errors);
                    return Err(Errno(libc::EAGAIN));
                }
                taken => return taken,
            }
            if futile > FUTILE_WAITS {
                std::thread::sleep(FUTILE_PAUSE);
            }
            let left_ms = patience.left_ms()?;
            // An error that none of our calls has met would end every wait at once.
            if open.wait(left_ms)? && self.errors.drain(&open.socket) == 0 {
                futile += 1;
            }
        }
    }

    fn take(
        &self,
        open: &OpenSocket,
        budget: Budget,
        visit: &mut impl FnMut(&View<'_>, i64, Arrival) -> usize,
    ) -> Result<usize> {
        let mut now = None;
        open.receive(&self.config, &self.errors, budget, |view, arrival| {
            let delay = arrival.stamp.map_or(0, |stamp| {
                // The clock may have been set back since the datagram came.
                (*now.get_or_insert_with(clock::realtime) - stamp).max(0)
            });
            let taken = visit(view, delay, arrival).min(view.count());
            if taken > 0 {
                self.count_received(taken, view.prefix(taken), view.truncated);
            }
            taken
        })
    }

    /// Takes one datagram, without waiting, into `buffer`.
    ///
    /// Errors: `EAGAIN` when there is none, `ENOTCONN`, `EMSGSIZE` when it does not fit the buffer,
    /// nothing being lost.
    pub fn receive_from(&self, buffer: &mut [u8]) -> Result<Single> {
        match self.receive_plain(buffer) {
            Some(Ok(single)) => Ok(single),
            Some(Err(error)) if is_own(error) && error != Errno(libc::EAGAIN) => Err(error),
            // Nothing, an error that may be an earlier datagram's, or not the time for it.
            other => self.receive_from_runs(other.and_then(Result::err), buffer),
        }
    }

    /// Where each message is a datagram that fits: straight into the buffer, in one call. `None`
    /// elsewhere. The lock is held, so that GRO is not turned on meanwhile.
    fn receive_plain(&self, buffer: &mut [u8]) -> Option<Result<Single>> {
        let size = self.config.recv_size;
        let state = self.read();
        let open = state.open.as_ref().filter(|open| buffer.len() >= size && open.is_plain())?;
        Some(single::recv_from(&open.socket, &mut buffer[..size]).and_then(|(length, from)| {
            let from = from.ok_or(Errno(libc::EAGAIN))?;
            let filled = length.min(size);
            self.count_received(1, filled, length > size);
            Ok(Single { length, filled, from })
        }))
    }

    fn receive_from_runs(&self, error: Option<Errno>, buffer: &mut [u8]) -> Result<Single> {
        let open = self.opened()?;
        if error == Some(Errno(libc::EAGAIN)) {
            open.settle(&self.errors);
            return Err(Errno(libc::EAGAIN));
        }
        let mut received = None;
        let most = Budget::new(1, buffer.len(), false);
        self.take(&open, most, &mut |view, _, _| {
            let payload = view.first(1).payload;
            let Some(room) = buffer.get_mut(..payload.len()) else { return 0 };
            if received.is_some() {
                return 0;
            }
            room.copy_from_slice(payload);
            let filled = payload.len();
            let length = filled + usize::from(view.truncated);
            received = Some(Single { length, filled, from: view.addr });
            1
        })
        .inspect_err(|_| open.settle(&self.errors))?;
        received.ok_or(Errno(libc::EMSGSIZE))
    }

    fn count_received(&self, datagrams: usize, bytes: usize, truncated: bool) {
        self.counters.received.fetch_add(datagrams as u64, Relaxed);
        self.counters.received_bytes.fetch_add(bytes as u64, Relaxed);
        if truncated {
            self.counters.truncated.fetch_add(1, Relaxed);
        }
    }

    /// Sends datagrams in order, without waiting; gives how many were sent. Fewer than there are
    /// means that the next one is refused, and sending from it on tells why.
    ///
    /// Errors, for the first datagram: `EAGAIN` when the kernel has no room; `EMSGSIZE`,
    /// `EAFNOSUPPORT`, `EINVAL` for what no socket, or not this one, can send; `ENOTCONN`; others as
    /// sendmsg(2).
    pub fn send<'a>(&self, datagrams: impl Iterator<Item = (Addr, &'a [u8])>) -> Result<usize> {
        let open = self.opened()?;
        self.count_sent(outbox::send(&open, &self.errors, datagrams))
    }

    /// The same with datagrams that are to leave in a certain way.
    pub fn send_by<'a>(
        &self,
        datagrams: impl Iterator<Item = (Addr, &'a [u8], Departure)>,
    ) -> Result<usize> {
        let open = self.opened()?;
        self.count_sent(outbox::send_by(&open, &self.errors, datagrams))
    }

    /// Sends one datagram, without waiting. Errors: as [`Peer::send`].
    pub fn send_to(&self, to: Addr, payload: &[u8]) -> Result<()> {
        let attempt = {
            let state = self.read();
            let open = state.opened()?;
            let to = open.destination(to, payload)?;
            single::send_to(&open.socket, to, payload).map_err(|error| (error, to))
        };
        match attempt {
            Err((error, _)) if is_own(error) => return Err(open_socket::no_room(error)),
            // It may be an earlier datagram's.
            Err((_, to)) => {
                let open = self.opened()?;
                self.errors.drain(&open.socket);
                open.ask(&self.errors, || single::send_to(&open.socket, to, payload))
                    .map_err(open_socket::no_room)?;
            }
            Ok(()) => {}
        }
        self.counters.sent.fetch_add(1, Relaxed);
        self.counters.sent_bytes.fetch_add(payload.len() as u64, Relaxed);
        Ok(())
    }

    fn count_sent(&self, sent: Result<outbox::Sent>) -> Result<usize> {
        let outbox::Sent { datagrams, bytes } = sent?;
        self.counters.sent.fetch_add(datagrams as u64, Relaxed);
        self.counters.sent_bytes.fetch_add(bytes as u64, Relaxed);
        Ok(datagrams)
    }

    /// Bytes of the send and the receive buffer, the kernel's bookkeeping included; both 0 when it
    /// is not open.
    pub fn buffers(&self) -> Result<(usize, usize)> {
        match &self.read().open {
            Some(open) => Ok((open.socket.send_buffer()?, open.socket.recv_buffer()?)),
            None => Ok((0, 0)),
        }
    }

    /// Where it is bound, or will be.
    pub fn address(&self) -> Addr {
        self.read().address
    }

    /// A descriptor that is readable exactly while datagrams or errors are there, valid until the
    /// peer is closed.
    pub fn fd(&self) -> Result<RawFd> {
        self.opened()?.fd()
    }

    /// The socket's own descriptor, valid until the peer is closed.
    pub fn socket_fd(&self) -> Result<RawFd> {
        Ok(self.opened()?.socket.raw())
    }

    /// Errors: as [`UdpSocket::adjust`].
    pub fn adjust(&self, setting: Setting, value: i32) -> Result<()> {
        self.opened()?.socket.adjust(setting, value)
    }

    /// Errors: as [`UdpSocket::join`].
    pub fn join(&self, group: Addr, interface: u32) -> Result<()> {
        self.opened()?.socket.join(group, interface)
    }

    /// Errors: as [`UdpSocket::leave`].
    pub fn leave(&self, group: Addr, interface: u32) -> Result<()> {
        self.opened()?.socket.leave(group, interface)
    }

    /// Up to `most` errors not yet asked for, oldest first.
    pub fn errors(&self, most: usize) -> Vec<SendError> {
        if let Ok(open) = self.opened() {
            self.errors.drain(&open.socket);
        }
        self.errors.take(most)
    }

    pub fn stats(&self) -> Stats {
        let open = self.opened().ok();
        if let Some(open) = &open {
            self.errors.drain(&open.socket);
        }
        let drops = open.as_ref().map_or(0, |open| open.socket.kernel_drops().unwrap_or(0));
        let counters = &self.counters;
        Stats {
            sent: counters.sent.load(Relaxed),
            sent_bytes: counters.sent_bytes.load(Relaxed),
            received: counters.received.load(Relaxed),
            received_bytes: counters.received_bytes.load(Relaxed),
            truncated: counters.truncated.load(Relaxed),
            unread: counters.unread.load(Relaxed),
            kernel_drops: counters.kernel_drops.load(Relaxed) + u64::from(drops),
            icmp_errors: self.errors.icmp_errors(),
            errors_dropped: self.errors.dropped(),
            gso: open.as_ref().is_some_and(|open| open.uses_gso()),
            gro: open.as_ref().is_some_and(|open| open.uses_gro()),
        }
    }

    fn opened(&self) -> Result<Arc<OpenSocket>> {
        self.read().opened().cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.close();
    }
}
