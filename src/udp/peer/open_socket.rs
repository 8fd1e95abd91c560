//! A peer's open socket, and what was received from it before anybody had room.

use super::Config;
use crate::sink::{self, Sink};
use crate::sys::addr::Addr;
use crate::sys::epoll::{Epoll, Watch};
use crate::sys::eventfd::EventFd;
use crate::sys::mmsg::{
    Arrival, Incoming, Receiver, BATCH, GSO_PAYLOAD_MAX, GSO_SEGMENTS_MAX, PAYLOAD_MAX,
};
use crate::sys::poll::{self, Interest};
use crate::sys::socket::{Switch, UdpSocket};
use crate::sys::{clock, Errno, Result};
use crate::udp::batch::View;
use crate::udp::errors::{ErrorLog, Retry};
use crate::udp::pace::{self, Pace};
use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

thread_local! {
    /// Buffers are a thread's, not a peer's: there may be thousands of peers. A call takes them
    /// away while it uses them.
    static RECEIVER: Cell<Option<Box<Receiver>>> = const { Cell::new(None) };
}

pub struct OpenSocket {
    pub socket: UdpSocket,
    /// Longest datagram that may go out with others by GSO; 0: none.
    pub gso_limit: AtomicUsize,
    pending: Mutex<VecDeque<Pending>>,
    /// Readable while something is pending, and once the socket is closed.
    wakeup: EventFd,
    has_pending: AtomicBool,
    is_closed: AtomicBool,
    /// Datagrams that nobody will ask for any more: the peer's count.
    unread: Arc<AtomicU64>,
    /// Whether GRO was asked for, and whether the kernel agreed.
    asked_gro: AtomicBool,
    uses_gro: AtomicBool,
    /// Bytes and datagrams of the largest message of the last batch: what to expect of the next.
    expected_bytes: AtomicUsize,
    expected_datagrams: AtomicUsize,
    /// What the program waits on: the socket and `wakeup`.
    epoll: OnceLock<Epoll>,
    is_watched: AtomicBool,
    pacing: Mutex<Pacing>,
    /// Who gets what is received, by a thread of ours.
    sink: Mutex<Option<Arc<dyn Sink>>>,
}

/// When a caller that may wait should look again.
struct Pacing {
    pace: Pace,
    /// Monotonic time before which it would only find the first few of a batch.
    next: i64,
}

/// A message, or the end of one, that the program had no room for.
struct Pending {
    from: Addr,
    arrival: Arrival,
    payload: Vec<u8>,
    segment: usize,
    truncated: bool,
}

impl Pending {
    fn of(view: &View<'_>, arrival: Arrival) -> Pending {
        let View { addr, payload, segment, truncated, .. } = *view;
        Pending { from: addr, arrival, payload: payload.to_vec(), segment, truncated }
    }

    fn view(&self) -> View<'_> {
        View {
            addr: self.from,
            stamp: 0,
            payload: &self.payload,
            segment: self.segment,
            truncated: self.truncated,
        }
    }
}

impl OpenSocket {
    /// `unread`: where datagrams are counted that nobody will ask for any more.
    pub fn new(socket: UdpSocket, gso: bool, unread: &Arc<AtomicU64>) -> Result<OpenSocket> {
        let uses_gso = gso && socket.has_gso();
        let pace = Pace::new(socket.recv_buffer()? / 4);
        Ok(OpenSocket {
            socket,
            gso_limit: AtomicUsize::new(if uses_gso { GSO_PAYLOAD_MAX } else { 0 }),
            pending: Mutex::default(),
            wakeup: EventFd::new()?,
            has_pending: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            unread: Arc::clone(unread),
            asked_gro: AtomicBool::new(false),
            uses_gro: AtomicBool::new(false),
            expected_bytes: AtomicUsize::new(0),
            expected_datagrams: AtomicUsize::new(1),
            epoll: OnceLock::new(),
            is_watched: AtomicBool::new(false),
            pacing: Mutex::new(Pacing { pace, next: 0 }),
            sink: Mutex::default(),
        })
    }

    /// Closes the socket and wakes whoever waits.
    ///
    /// Calls may still be inside, and hold on to this: their descriptor is made that of `wakeup`, so
    /// that the socket itself, with its port and what comes to it, is gone at once.
    pub fn close(&self) {
        let mut pending = self.pending();
        self.is_closed.store(true, Ordering::SeqCst);
        // A counter at 0 or 1 has room for 1.
        let _ = self.wakeup.add(1);
        for pending in pending.drain(..) {
            self.count_unread(&pending);
        }
        // Without it the socket lives until these calls have left.
        let _ = self.socket.retire(self.wakeup.borrow());
    }

    fn count_unread(&self, pending: &Pending) {
        self.unread.fetch_add(pending.view().count() as u64, Relaxed);
    }

    /// Whether each message in the socket is one datagram, and none came before.
    pub fn is_plain(&self) -> bool {
        !self.uses_gro.load(Relaxed) && !self.has_pending.load(Ordering::Acquire)
    }

    pub fn uses_gro(&self) -> bool {
        self.uses_gro.load(Relaxed)
    }

    pub fn uses_gso(&self) -> bool {
        self.gso_limit.load(Relaxed) > 0
    }

    /// Hands datagrams to `visit`: see [`super::Peer::receive`].
    pub fn receive(
        &self,
        config: &Config,
        errors: &ErrorLog,
        mut budget: Budget,
        mut visit: impl FnMut(&View<'_>, Arrival) -> usize,
    ) -> Result<usize> {
        if self.has_pending.load(Ordering::Acquire) {
            if let Some(taken) = self.take_pending(&mut visit) {
                return Ok(taken);
            }
        }
        let mut receiver = RECEIVER.take().unwrap_or_else(|| Box::new(Receiver::new(PAYLOAD_MAX)));
        let received = self.fill(&mut receiver, config.recv_size, errors, &mut budget, &mut visit);
        RECEIVER.set(Some(receiver));
        match received {
            // An error that comes again is told by the next call.
            Err(_) if budget.taken > 0 => Ok(budget.taken),
            Err(error) => Err(error),
            Ok(()) => Ok(budget.taken),
        }
    }

    /// Naps where datagrams come so fast that a caller who waits would be woken for each: see
    /// [`Pace`].
    pub fn nap(&self) {
        let next = self.pacing.lock().unwrap_or_else(PoisonError::into_inner).next;
        if let Ok(nap @ 1..) = u64::try_from(next - clock::monotonic()) {
            std::thread::sleep(Duration::from_nanos(nap));
        }
    }

    /// Learns from a look that found so many messages. A caller who left some behind, or may have,
    /// need not nap before the next.
    fn learn(&self, messages: usize, bytes: usize, left_some: bool) {
        let mut pacing = self.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        let nap = pacing.pace.nap(messages, bytes).filter(|_| !left_some);
        pacing.next = nap.map_or(0, |nap| clock::monotonic() + nap.as_nanos() as i64);
    }

    /// Receives until the caller has enough or nothing is left.
    fn fill(
        &self,
        receiver: &mut Receiver,
        size: usize,
        errors: &ErrorLog,
        budget: &mut Budget,
        visit: &mut impl FnMut(&View<'_>, Arrival) -> usize,
    ) -> Result<()> {
        loop {
            let wanted = budget
                .messages(self.expected_datagrams.load(Relaxed), self.expected_bytes.load(Relaxed));
            let count = self.ask(errors, || receiver.receive(&self.socket, wanted))?;
            let (mut bytes, mut datagrams, mut sum) = (0, 1, 0);
            for message in receiver.messages() {
                let view = view(&message, size);
                bytes = bytes.max(view.payload.len());
                sum += view.payload.len() + (view.count() - 1) * pace::OVERHEAD;
                datagrams = datagrams.max(view.count());
                self.deliver(&view, message.arrival, budget, visit);
            }
            self.expected_bytes.store(bytes, Relaxed);
            self.expected_datagrams.store(datagrams, Relaxed);
            let is_drained = count < wanted;
            if budget.may_wait {
                self.learn(count, sum, !is_drained || budget.is_full);
            }
            if is_drained || budget.is_full || budget.most == 0 {
                return Ok(());
            }
        }
    }

    fn deliver(
        &self,
        view: &View<'_>,
        arrival: Arrival,
        budget: &mut Budget,
        visit: &mut impl FnMut(&View<'_>, Arrival) -> usize,
    ) {
        let taken = if budget.is_full { 0 } else { visit(view, arrival) };
        budget.taken += taken;
        budget.most = budget.most.saturating_sub(taken);
        budget.room = budget.room.saturating_sub(view.prefix(taken));
        if taken < view.count() {
            budget.is_full = true;
            let pending = if taken == 0 { *view } else { view.after(taken) };
            self.keep(Pending::of(&pending, arrival));
        }
    }

    fn keep(&self, pending: Pending) {
        let mut all = self.pending();
        if self.is_closed.load(Ordering::SeqCst) {
            return self.count_unread(&pending);
        }
        if all.is_empty() {
            let _ = self.wakeup.add(1);
        }
        all.push_back(pending);
        self.has_pending.store(true, Ordering::Release);
    }

    /// `None` when another thread was faster.
    fn take_pending(&self, visit: &mut impl FnMut(&View<'_>, Arrival) -> usize) -> Option<usize> {
        let mut all = self.pending();
        let mut taken = None;
        while let Some(pending) = all.front_mut() {
            let view = pending.view();
            let count = visit(&view, pending.arrival);
            *taken.get_or_insert(0) += count;
            if count < view.count() {
                let done = view.prefix(count);
                pending.payload.drain(..done);
                break;
            }
            all.pop_front();
        }
        if all.is_empty() {
            self.has_pending.store(false, Ordering::Release);
            if !self.is_closed.load(Ordering::SeqCst) {
                self.wakeup.clear();
            }
        }
        taken
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a caller that takes `most` datagrams at a time should have GRO turned on: one that
    /// takes fewer than a run has would only have them kept here.
    pub fn lacks_gro(&self, config: &Config, most: usize) -> bool {
        let is_whole = config.gro && config.recv_size == PAYLOAD_MAX;
        is_whole && most >= GSO_SEGMENTS_MAX && !self.asked_gro.load(Relaxed)
    }

    /// From here on the kernel may hand over runs. No thread may be receiving meanwhile in a way
    /// that takes each message for one datagram.
    pub fn turn_on_gro(&self) {
        self.asked_gro.store(true, Relaxed);
        let agreed = self.socket.set(Switch::Gro, true).is_ok();
        self.uses_gro.store(agreed, Relaxed);
    }

    /// Calls the kernel until its answer is about this call. An ICMP error that an earlier datagram
    /// met is given by whichever call comes next: it is put by for the program to read.
    /// Telling of it may call the program: no lock may be held.
    pub fn ask<T>(&self, errors: &ErrorLog, mut call: impl FnMut() -> Result<T>) -> Result<T> {
        let mut retry = Retry::default();
        loop {
            match call() {
                Err(Errno(libc::EINTR)) => {}
                // No socket is there any more.
                Err(Errno(libc::ENOTSOCK)) => return Err(Errno(libc::ESHUTDOWN)),
                Err(error) if is_own(error) => return Err(error),
                Err(_) if retry.again(errors, &self.socket) => {}
                answer => return answer,
            }
        }
    }

    /// `to` as the socket names it.
    ///
    /// Errors: `EAFNOSUPPORT`, `EINVAL` for port 0, `EMSGSIZE` for a payload that UDP cannot carry.
    pub fn destination(&self, to: Addr, payload: &[u8]) -> Result<Addr> {
        let to = to.on(self.socket.family())?;
        if to.port == 0 {
            return Err(Errno(libc::EINVAL));
        }
        if payload.len() > to.payload_max() {
            return Err(Errno(libc::EMSGSIZE));
        }
        Ok(to)
    }

    /// Waits until there is something to receive, an error, or nothing ever more; gives whether.
    ///
    /// Errors: `ESHUTDOWN` when it is closed, `EINTR` when a signal handler ran on this thread.
    pub fn wait(&self, timeout_ms: i32) -> Result<bool> {
        // Waiting on the socket itself would keep it open after its close.
        let is_ready = poll::wait(&[(self.epoll()?.as_fd(), Interest::Readable)], timeout_ms)?;
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Errno(libc::ESHUTDOWN));
        }
        Ok(is_ready)
    }

    /// Makes what a wait needs, so that no wait can fail for want of it. Errors: `EMFILE`.
    pub fn prepare_wait(&self) -> Result<()> {
        self.epoll().map(drop)
    }

    /// Waits until there is something to receive, or `bell` has rung. Errors: as [`OpenSocket::wait`].
    pub fn wait_or(&self, bell: &EventFd) -> Result<()> {
        let ours = (self.epoll()?.as_fd(), Interest::Readable);
        match poll::wait(&[ours, (bell.borrow(), Interest::Readable)], -1) {
            _ if self.is_closed.load(Ordering::SeqCst) => Err(Errno(libc::ESHUTDOWN)),
            Ok(_) | Err(Errno(libc::EINTR)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Remembers who gets what is received. Errors: `EALREADY` when another does.
    pub fn set_sink(&self, given: &Arc<dyn Sink>) -> Result<()> {
        let mut slot = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink::check_free(slot.as_ref())?;
        *slot = Some(Arc::clone(given));
        Ok(())
    }

    /// A descriptor for the program to wait on.
    pub fn fd(&self) -> Result<RawFd> {
        self.is_watched.store(true, Relaxed);
        Ok(self.epoll()?.as_fd().as_raw_fd())
    }

    /// Takes errors that make the program's descriptor readable, where it has one, and that none of
    /// our calls has met.
    pub fn settle(&self, errors: &ErrorLog) {
        if self.is_watched.load(Relaxed) {
            errors.drain(&self.socket);
        }
    }

    fn epoll(&self) -> Result<&Epoll> {
        if let Some(epoll) = self.epoll.get() {
            return Ok(epoll);
        }
        let fresh = Epoll::new()?;
        fresh.add(self.socket.as_fd(), 0, Watch::Level)?;
        fresh.add(self.wakeup.borrow(), 1, Watch::Level)?;
        // Of two threads that make one, one is kept.
        Ok(self.epoll.get_or_init(|| fresh))
    }
}

/// What a caller has asked for, and got.
pub struct Budget {
    /// Datagrams, and bytes of payload, that it still has room for.
    most: usize,
    room: usize,
    /// Whether it would wait for a datagram.
    may_wait: bool,
    taken: usize,
    is_full: bool,
}

impl Budget {
    pub fn new(most: usize, room: usize, may_wait: bool) -> Budget {
        Budget { most, room, may_wait, taken: 0, is_full: false }
    }

    /// How many messages to ask the kernel for, when each is of this size.
    fn messages(&self, datagrams: usize, bytes: usize) -> usize {
        let fitting = (self.most / datagrams).min(self.room / bytes.max(1));
        fitting.clamp(1, BATCH)
    }
}

fn view<'a>(message: &Incoming<'a>, size: usize) -> View<'a> {
    let payload = &message.payload[..message.payload.len().min(size)];
    let segment = match message.segment {
        0 => payload.len(),
        segment => segment.min(payload.len()),
    };
    let truncated = message.truncated || payload.len() < message.payload.len();
    View { addr: message.from, stamp: 0, payload, segment, truncated }
}

/// Errors that no earlier datagram can have left: Linux makes none of them of an ICMP message.
pub fn is_own(error: Errno) -> bool {
    matches!(error.0, libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EPERM | libc::EINVAL)
}

/// The kernel's ways to say that it has no room, as one.
pub fn no_room(error: Errno) -> Errno {
    match error.0 {
        libc::ENOBUFS | libc::ENOMEM => Errno(libc::EAGAIN),
        _ => error,
    }
}
