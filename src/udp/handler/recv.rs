//! The receive reactor: drains sockets into the queue of received datagrams, or into a sink.

use super::queue::{Policy, Pusher};
use super::shared::Shared;
use super::stats::ReactorCounters;
use crate::log::Level;
use crate::sink::Sink;
use crate::sys::epoll::{Epoll, Watch, READY_MAX};
use crate::sys::mmsg::{Incoming, Receiver, BATCH};
use crate::sys::socket::UdpSocket;
use crate::sys::{clock, Errno, Result};
use crate::udp::batch::View;
use crate::udp::pace::{self, Pace};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// Full batches taken from one socket before the others get their turn.
const BATCHES_A_TURN: usize = 8;

/// Full batches of a socket of our own that are still counted when the handler closes.
const BATCHES_AT_CLOSE: usize = 1024;

const STOP: u64 = u64::MAX;

/// Sockets, and the epoll that one reactor, or several together, wait on.
pub struct Port {
    epoll: Epoll,
    pub sockets: Vec<Arc<UdpSocket>>,
    watch: Watch,
    /// Part of the smallest receive buffer that may fill while a reactor naps.
    nap_room: usize,
}

impl Port {
    /// Reactors that share a port lead in turn: the socket falls silent when it wakes one of them
    /// and is heard again when that one is done, so that no other wakes for nothing.
    pub fn new(shared: &Shared, sockets: Vec<Arc<UdpSocket>>, reactors: usize) -> Result<Port> {
        let watch = if reactors > 1 { Watch::OneShot } else { Watch::Level };
        let epoll = Epoll::new()?;
        for (token, socket) in sockets.iter().enumerate() {
            epoll.add(socket.as_fd(), token as u64, watch)?;
        }
        epoll.add(shared.stop.borrow(), STOP, Watch::Level)?;
        let buffers = sockets.iter().map(|socket| socket.recv_buffer().unwrap_or(0));
        let nap_room = buffers.min().unwrap_or(0) / 4;
        Ok(Port { epoll, sockets, watch, nap_room })
    }
}

/// Runs until the handler stops.
pub fn run(shared: &Shared, index: usize, port: &Port) {
    let mut reactor = RecvReactor {
        shared,
        counters: &shared.counters.recv[index],
        port,
        receiver: Receiver::new(shared.recv_size),
        pace: Pace::new(port.nap_room),
        messages: 0,
        bytes: 0,
        futile: 0,
    };
    let mut ready = [0; READY_MAX];
    loop {
        if let Some(nap) = reactor.rest() {
            std::thread::sleep(nap);
        }
        let tokens = match port.epoll.wait(&mut ready) {
            Ok(tokens) => tokens,
            Err(Errno(libc::EINTR)) => continue,
            Err(error) => {
                shared.log.log(Level::Error, format_args!("receive reactor: {error}"));
                return;
            }
        };
        if tokens.contains(&STOP) {
            return reactor.count_leftovers();
        }
        for &token in tokens {
            reactor.serve(token);
        }
    }
}

struct RecvReactor<'a> {
    shared: &'a Shared,
    counters: &'a ReactorCounters,
    port: &'a Port,
    receiver: Receiver,
    pace: Pace,
    /// Received since the last rest.
    messages: usize,
    bytes: usize,
    /// Wake-ups in a row that found nothing.
    futile: u32,
}

impl RecvReactor<'_> {
    /// How long to nap before the next look.
    fn rest(&mut self) -> Option<Duration> {
        let messages = std::mem::take(&mut self.messages);
        self.futile = if messages == 0 { self.futile.saturating_add(1) } else { 0 };
        if self.futile > pace::FUTILE_WAITS {
            return Some(pace::FUTILE_PAUSE);
        }
        self.pace.nap(messages, std::mem::take(&mut self.bytes))
    }

    /// Takes what one socket has, up to a turn's worth.
    fn serve(&mut self, token: u64) {
        let socket = &self.port.sockets[token as usize];
        let mut is_silent = self.port.watch == Watch::OneShot;
        for turn in 0..BATCHES_A_TURN {
            match self.receiver.receive(socket, BATCH) {
                Ok(BATCH) => {
                    if std::mem::take(&mut is_silent) {
                        // There is more: another reactor may take it while this one copies.
                        self.rearm(token);
                        self.store();
                        return;
                    }
                    self.store();
                }
                Ok(_) => {
                    self.store();
                    break;
                }
                Err(Errno(libc::EINTR)) => {}
                Err(error) => {
                    // Nothing there, or an ICMP error, which also makes a socket readable.
                    let reports = self.shared.errors.drain(socket);
                    if error.0 == libc::EAGAIN {
                        self.counters.idle_wakeups.add(usize::from(turn == 0 && reports == 0));
                        break;
                    }
                }
            }
        }
        if is_silent {
            self.rearm(token);
        }
    }

    fn rearm(&self, token: u64) {
        let socket = &self.port.sockets[token as usize];
        if let Err(error) = self.port.epoll.rearm(socket.as_fd(), token) {
            self.shared.log.log(Level::Error, format_args!("receive reactor: {error}"));
        }
    }

    /// Puts the receiver's messages into the queue and announces them.
    fn store(&mut self) {
        let now = clock::realtime();
        let before = self.counters.datagrams.get();
        let sink = self.shared.sink();
        let mut storing = Storing { shared: self.shared, sink, pusher: None, unannounced: 0 };
        for message in self.receiver.messages() {
            let view = view(&message, now);
            self.messages += 1;
            // The kernel keeps something beside each datagram of a run.
            self.bytes += view.payload.len() + (view.count() - 1) * pace::OVERHEAD;
            // Counted first: nobody picks up what is not yet counted.
            self.counters.datagrams.add(view.count());
            self.counters.bytes.add(view.payload.len());
            self.counters.offloaded.add(usize::from(view.count() > 1));
            self.shared.counters.truncated.add(usize::from(view.truncated));
            storing.put(view, now);
        }
        self.counters.batches.add(1);
        storing.announce();
        let datagrams = self.counters.datagrams.get() - before;
        self.shared.log.log(Level::Trace, format_args!("received {datagrams} datagrams"));
    }

    /// The sockets that the handler made itself end with it, and what they hold is lost: it is
    /// received once more, so that it is counted. The caller's own socket may live on.
    fn count_leftovers(&mut self) {
        let callers = &self.shared.socket;
        for socket in self.port.sockets.iter().filter(|socket| !Arc::ptr_eq(socket, callers)) {
            for _ in 0..BATCHES_AT_CLOSE {
                if self.receiver.receive(socket, BATCH).is_err() {
                    break;
                }
                self.store();
            }
        }
    }
}

fn view<'a>(message: &Incoming<'a>, now: i64) -> View<'a> {
    let segment = match message.segment {
        0 => message.payload.len(),
        segment => segment.min(message.payload.len()),
    };
    View {
        addr: message.from,
        stamp: message.arrival.stamp.unwrap_or(now),
        payload: message.payload,
        segment,
        truncated: message.truncated,
    }
}

/// Datagrams on their way into the sink, or into the queue by the policy of the handler.
struct Storing<'a> {
    shared: &'a Shared,
    sink: Option<Arc<dyn Sink>>,
    pusher: Option<Pusher<'a>>,
    /// Datagrams in the queue that the program has not heard of yet.
    unannounced: usize,
}

impl<'a> Storing<'a> {
    fn put(&mut self, view: View<'_>, now: i64) {
        let mut left = Some(view);
        while let Some(view) = left {
            let fed = self.feed(&view, now);
            if fed == view.count() {
                return;
            }
            left = self.enqueue(if fed == 0 { view } else { view.after(fed) });
        }
    }

    /// Gives how many datagrams the sink has taken, 0 where there is none.
    fn feed(&mut self, view: &View<'_>, now: i64) -> usize {
        let Some(sink) = &self.sink else { return 0 };
        let taken = view.put_into(&**sink);
        let counters = &self.shared.counters;
        counters.recv_delay.add((now - view.stamp).max(0), taken as u64);
        counters.delivered.add(taken);
        if taken < view.count() {
            self.shared.drop_sink(sink);
            self.sink = None;
        }
        taken
    }

    /// Gives what is for a sink that has come meanwhile.
    fn enqueue<'v>(&mut self, view: View<'v>) -> Option<View<'v>> {
        let mut rest = view;
        while let Some(pusher) = self.open() {
            let taken = pusher.append(&rest);
            self.unannounced += taken;
            if taken == rest.count() {
                return None;
            }
            rest = rest.after(taken);
            if !self.make_room(&rest) {
                break;
            }
            if self.sink.is_some() {
                return Some(rest);
            }
        }
        let counters = &self.shared.counters;
        let lost =
            if self.pusher.is_none() { &counters.recv_unread } else { &counters.recv_dropped };
        lost.add(rest.count());
        None
    }

    /// `None` when the queue is closed.
    fn open(&mut self) -> Option<&mut Pusher<'a>> {
        if self.pusher.is_none() {
            self.pusher = self.shared.recv_queue.push().ok();
        }
        self.pusher.as_mut()
    }

    /// Does what the policy says when `rest` finds the queue full; `false`: throw `rest` away.
    fn make_room(&mut self, rest: &View<'_>) -> bool {
        let queue = &self.shared.recv_queue;
        if !queue.could_hold(rest.prefix(1)) {
            return false;
        }
        match self.shared.recv_policy {
            Policy::DropNewest => false,
            Policy::DropOldest => {
                self.pusher = None;
                let dropped = &self.shared.counters.recv_dropped;
                queue.drop_oldest_for(rest, |count| dropped.add(count));
                true
            }
            Policy::Refuse | Policy::Wait => {
                self.announce();
                let has_sink = || self.shared.sink().is_some();
                queue.wait_room_unless(rest.prefix(1), None, has_sink);
                self.sink = self.shared.sink();
                true
            }
        }
    }

    /// Tells the program what has come: one write for all of it.
    fn announce(&mut self) {
        self.pusher = None;
        let count = std::mem::take(&mut self.unannounced);
        if count > 0 {
            self.shared.announce(count);
        }
    }
}
