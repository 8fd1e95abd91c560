//! The send reactor: drains the queue of dispatched datagrams into the socket.

use super::shared::Shared;
use super::stats::ReactorCounters;
use crate::log::Level;
use crate::sys::mmsg::Sender;
use crate::sys::poll::{self, Interest};
use crate::sys::{clock, Errno};
use crate::udp::batch::Batch;
use crate::udp::errors::{ErrorKind, Retry};
use crate::udp::pace::Pace;
use crate::udp::plan::{self, Message};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// First and longest pause when the kernel is out of buffers (ENOBUFS).
const BACKOFF_FIRST: Duration = Duration::from_micros(200);
const BACKOFF_LONGEST: Duration = Duration::from_millis(20);

/// Pauses, two seconds in all, after which a datagram is given up.
const PAUSES_MAX: u32 = 100;

/// Runs until the queue is closed and drained, or the drain deadline has come.
pub fn run(shared: &Shared, index: usize) {
    let mut reactor = SendReactor {
        shared,
        counters: &shared.counters.send[index],
        sender: Sender::default(),
        batch: Batch::default(),
        messages: Vec::new(),
    };
    let mut pace = Pace::new(usize::MAX);
    while shared.send_queue.wait_filled() && !shared.is_past_deadline() {
        let views = reactor.take();
        reactor.send_all();
        // Each view was one call of the program's, or a share of one.
        match pace.nap(views, 0) {
            Some(nap) if shared.send_queue.is_empty() => std::thread::sleep(nap),
            _ => {}
        }
    }
}

struct SendReactor<'a> {
    shared: &'a Shared,
    counters: &'a ReactorCounters,
    sender: Sender,
    batch: Batch,
    messages: Vec<Message>,
}

impl SendReactor<'_> {
    /// Takes datagrams in hand and plans their messages; gives how many views they were.
    fn take(&mut self) -> usize {
        let in_hand = &self.shared.in_hand;
        // Counted before the queue forgets them: what is queued never seems to be gone.
        self.shared.send_queue.take(&mut self.batch, |count| {
            in_hand.fetch_add(count as u64, Relaxed);
        });
        plan::plan(&self.batch, self.shared.gso_limit.load(Relaxed), &mut self.messages);
        self.batch.views().count()
    }

    fn send_all(&mut self) {
        let mut next = 0;
        let mut patience = Patience::default();
        while next < self.messages.len() {
            let outgoing = self.messages[next..].iter().map(|m| m.outgoing(self.batch.payloads()));
            match self.sender.send(&self.shared.socket, outgoing, self.shared.send_flags) {
                Ok(sent) => {
                    self.account(next, sent);
                    next += sent;
                    patience = Patience::default();
                }
                Err(error) => next += self.recover(error, next, &mut patience),
            }
            if self.shared.is_past_deadline() {
                self.abandon(next);
                return;
            }
        }
    }

    fn account(&self, first: usize, count: usize) {
        let now = clock::monotonic();
        let (mut datagrams, mut bytes, mut offloaded) = (0, 0, 0);
        for message in &self.messages[first..first + count] {
            self.shared.counters.sent_after(now - message.stamp, message.datagrams);
            datagrams += message.datagrams;
            bytes += message.end - message.start;
            offloaded += usize::from(message.datagrams > 1);
        }
        self.counters.datagrams.add(datagrams);
        self.counters.bytes.add(bytes);
        self.counters.offloaded.add(offloaded);
        self.counters.batches.add(1);
        self.shared.in_hand.fetch_sub(datagrams as u64, Relaxed);
        let log = self.shared.log;
        log.log(Level::Trace, format_args!("sent {datagrams} datagrams, {bytes} bytes"));
    }

    /// Does what `error` on the message at `next` asks for; gives how many messages are done with.
    fn recover(&mut self, error: Errno, next: usize, patience: &mut Patience) -> usize {
        match error.0 {
            libc::EINTR => {}
            libc::EAGAIN => {
                self.shared.counters.send_retries.add(1);
                // An ICMP error that nobody takes would end every wait at once.
                self.shared.errors.drain(&self.shared.socket);
                self.wait_writable();
            }
            libc::ENOBUFS | libc::ENOMEM => {
                self.shared.counters.send_retries.add(1);
                // A datagram may be larger than the buffer can ever take.
                if patience.pauses == PAUSES_MAX {
                    patience.retry = Retry::default();
                    return self.give_up(error, next);
                }
                patience.pause(self.shared);
            }
            _ => {
                if !patience.retry.again(&self.shared.errors, &self.shared.socket) {
                    patience.retry = Retry::default();
                    return self.give_up(error, next);
                }
            }
        }
        0
    }

    /// Gives a message up that is at fault; one of several datagrams is first sent one by one.
    fn give_up(&mut self, error: Errno, next: usize) -> usize {
        if self.messages[next].datagrams > 1 {
            self.send_singly(error, next);
            return 0;
        }
        let message = &self.messages[next];
        for _ in 0..message.datagrams {
            self.shared.errors.push(error, ErrorKind::Send, message.to);
        }
        self.shared.counters.send_errors.add(message.datagrams);
        self.shared.in_hand.fetch_sub(message.datagrams as u64, Relaxed);
        1
    }

    /// Sends the datagrams of a message one by one, as they cannot go together.
    fn send_singly(&mut self, error: Errno, next: usize) {
        let segment = self.messages[next].segment;
        plan::lower(&self.shared.gso_limit, error, segment);
        let log = self.shared.log;
        log.log(Level::Info, format_args!("GSO of {segment} bytes: {error}; sent one by one"));
        let singles: Vec<Message> = self.messages[next].singles().collect();
        self.messages.splice(next..=next, singles);
    }

    /// Waits for room in the socket's send buffer, at most until the drain deadline.
    fn wait_writable(&self) {
        let socket = (self.shared.socket.as_fd(), Interest::Writable);
        let waited = match self.shared.drain_time_left() {
            None => {
                let stop = (self.shared.stop.borrow(), Interest::Readable);
                poll::wait(&[socket, stop], -1)
            }
            Some(left) => poll::wait(&[socket], poll::timeout_ms(left)),
        };
        if let Err(error) = waited {
            self.shared.log.log(Level::Debug, format_args!("waiting for room: {error}"));
        }
    }

    /// Counts the messages from `next` on as unsent.
    fn abandon(&self, next: usize) {
        let unsent: usize = self.messages[next..].iter().map(|m| m.datagrams).sum();
        self.shared.counters.send_unsent.add(unsent);
        self.shared.in_hand.fetch_sub(unsent as u64, Relaxed);
    }
}

/// How long a reactor has been trying the same message.
#[derive(Default)]
struct Patience {
    retry: Retry,
    pauses: u32,
}

impl Patience {
    /// Sleeps, each time twice as long as before.
    fn pause(&mut self, shared: &Shared) {
        let pause = (BACKOFF_FIRST * 2u32.saturating_pow(self.pauses)).min(BACKOFF_LONGEST);
        self.pauses += 1;
        let left = shared.drain_time_left().unwrap_or(i64::MAX).max(0) as u64;
        std::thread::sleep(pause.min(Duration::from_nanos(left)));
    }
}
