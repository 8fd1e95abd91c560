//! The way of a datagram from the program into the send queue.

use super::queue::{Closed, Policy, Pusher, Waited};
use super::shared::Shared;
use crate::sys::addr::Addr;
use crate::sys::{clock, Errno, Result};
use crate::udp::batch::View;
use std::time::{Duration, Instant};

/// Datagrams put before the queue is let go of, and the send reactors are woken.
const TURN: usize = 256;

/// Puts datagrams into the queue, in order: see [`super::Handler::dispatch`].
pub fn run<'a>(
    shared: &Shared,
    datagrams: impl Iterator<Item = (Addr, &'a [u8])>,
    patience: Option<Duration>,
) -> Result<usize> {
    let stamp = clock::monotonic();
    let mut call =
        Dispatching { shared, patience, deadline: None, stamp, pusher: None, last: None, taken: 0 };
    for (to, payload) in datagrams {
        match call.put(to, payload) {
            Ok(()) => {}
            Err(error) if call.taken == 0 => {
                let is_full = matches!(error.0, libc::EAGAIN | libc::ETIMEDOUT);
                shared.counters.send_refused.add(usize::from(is_full));
                return Err(error);
            }
            Err(_) => break,
        }
    }
    Ok(call.taken)
}

/// A call of `dispatch` under way.
struct Dispatching<'a> {
    shared: &'a Shared,
    patience: Option<Duration>,
    /// When patience ends; set when it is first needed.
    deadline: Option<Instant>,
    stamp: i64,
    pusher: Option<Pusher<'a>>,
    /// Destination, as the caller named it, and length of the datagram put last.
    last: Option<(Addr, usize)>,
    taken: usize,
}

impl<'a> Dispatching<'a> {
    #[inline]
    fn put(&mut self, to: Addr, payload: &[u8]) -> Result<()> {
        let kind = Some((to, payload.len()));
        if self.taken % TURN == 0 {
            self.pusher = None;
        } else if self.last == kind && self.repeat(payload) {
            return Ok(());
        }
        self.put_checked(to, payload)?;
        self.last = kind;
        Ok(())
    }

    /// Puts a datagram of the last one's destination and length where there is room right behind
    /// it: most of a long batch goes this way, for a fraction of the price.
    fn repeat(&mut self, payload: &[u8]) -> bool {
        let is_put = self.pusher.as_mut().is_some_and(|pusher| pusher.repeat(payload));
        self.taken += usize::from(is_put);
        is_put
    }

    // Kept apart, so that the way through `repeat` stays small enough to be inlined.
    #[inline(never)]
    fn put_checked(&mut self, to: Addr, payload: &[u8]) -> Result<()> {
        let to = to.on(self.shared.socket.family())?;
        if to.port == 0 {
            return Err(Errno(libc::EINVAL));
        }
        if payload.len() > to.payload_max() || !self.shared.send_queue.could_hold(payload.len()) {
            return Err(Errno(libc::EMSGSIZE));
        }
        let view = View::single(to, self.stamp, payload);
        while self.open()?.append(&view) == 0 {
            if !self.make_room(&view)? {
                break;
            }
        }
        self.taken += 1;
        Ok(())
    }

    fn open(&mut self) -> Result<&mut Pusher<'a>> {
        let pusher = match self.pusher.take() {
            Some(pusher) => pusher,
            None => self.shared.send_queue.push().map_err(|Closed| self.shared.closed_reason())?,
        };
        Ok(self.pusher.insert(pusher))
    }

    /// Does what the policy says when the queue is full; `false`: throw the datagram away.
    fn make_room(&mut self, view: &View<'_>) -> Result<bool> {
        let Shared { send_queue, counters, send_policy, .. } = self.shared;
        self.pusher = None;
        match send_policy {
            Policy::Refuse => Err(Errno(libc::EAGAIN)),
            Policy::DropNewest => {
                counters.send_dropped_newest.add(1);
                Ok(false)
            }
            Policy::DropOldest => {
                let dropped = &counters.send_dropped_oldest;
                send_queue.drop_oldest_for(view, |count| dropped.add(count));
                Ok(true)
            }
            Policy::Wait => self.wait_for_room(view.payload.len()),
        }
    }

    fn wait_for_room(&mut self, length: usize) -> Result<bool> {
        if let (None, Some(patience)) = (self.deadline, self.patience) {
            self.deadline = Instant::now().checked_add(patience);
        }
        match self.shared.send_queue.wait_room(length, self.deadline) {
            // Where it is closed, trying again says so.
            Waited::Room | Waited::Closed => Ok(true),
            Waited::TimedOut if self.patience == Some(Duration::ZERO) => Err(Errno(libc::EAGAIN)),
            Waited::TimedOut => Err(Errno(libc::ETIMEDOUT)),
        }
    }
}
