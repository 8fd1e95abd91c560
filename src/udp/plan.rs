//! Which datagrams go out together: the messages of a batch, for sendmmsg(2) with UDP GSO.

use super::batch::{Batch, View};
use crate::sys::addr::Addr;
use crate::sys::mmsg::{Departure, Outgoing, GSO_PAYLOAD_MAX, GSO_SEGMENTS_MAX};
use crate::sys::Errno;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A length that every route takes in one packet (RFC 8200 asks for 1,280 bytes): that datagrams
/// this short cannot go together is never the packet size's fault.
const GSO_SURE: usize = 1200;

/// One system call's message: where its datagrams lie among the batch's payloads.
pub struct Message {
    pub to: Addr,
    pub start: usize,
    pub end: usize,
    /// Length of each datagram but the last.
    pub segment: usize,
    pub datagrams: usize,
    /// Monotonic time at which the first of them was dispatched.
    pub stamp: i64,
}

impl Message {
    fn empty(view: &View<'_>, at: usize) -> Message {
        let (to, segment, stamp) = (view.addr, view.segment, view.stamp);
        Message { to, start: at, end: at, segment, datagrams: 0, stamp }
    }

    /// How many datagrams of `view`'s length may still join; a shorter one may, as the last.
    fn room_for(&self, view: &View<'_>) -> usize {
        let length = self.end - self.start;
        let is_open = self.segment > 0 && length % self.segment == 0;
        let fits = view.segment == self.segment
            || (view.segment < self.segment && view.payload.len() == view.segment);
        if self.to != view.addr || !is_open || !fits {
            return 0;
        }
        let datagrams = GSO_SEGMENTS_MAX - self.datagrams;
        datagrams.min((GSO_PAYLOAD_MAX - length) / self.segment)
    }

    pub fn outgoing<'a>(&self, data: &'a [u8]) -> Outgoing<'a> {
        let segment = if self.datagrams > 1 { self.segment as u16 } else { 0 };
        Outgoing {
            to: self.to,
            payload: &data[self.start..self.end],
            segment,
            departure: Departure::default(),
        }
    }
    /// Its datagrams, each a message of its own.
    pub fn singles(&self) -> impl Iterator<Item = Message> + '_ {
        let Message { to, end, stamp, segment, .. } = *self;
        (self.start..end).step_by(segment).map(move |start| {
            let end = end.min(start + segment);
            Message { to, start, end, segment: end - start, datagrams: 1, stamp }
        })
    }
}

/// Draws the conclusion from a message of datagrams of `segment` bytes that could not go together:
/// the kernel, the device or the route's packet size may not let them, or each of them fails by
/// itself. In the first case the next ones should not be joined either; a wrong guess costs speed
/// alone. `limit`: the longest datagram that goes out with others, 0 for none.
pub fn lower(limit: &AtomicUsize, error: Errno, segment: usize) {
    match error.0 {
        libc::EIO => limit.store(0, Relaxed),
        libc::EMSGSIZE | libc::EINVAL => {
            limit.fetch_min((segment - 1).max(GSO_SURE), Relaxed);
        }
        _ => {}
    }
}

/// Lays out the messages of a batch: neighbours of one destination go together where GSO takes
/// them (`gso_limit`: the longest datagram it does, 0 for none), all others alone.
pub fn plan(batch: &Batch, gso_limit: usize, messages: &mut Vec<Message>) {
    messages.clear();
    let mut start = 0;
    for view in batch.views() {
        plan_view(&view, start, gso_limit, messages);
        start += view.payload.len();
    }
}

fn plan_view(view: &View<'_>, start: usize, gso_limit: usize, messages: &mut Vec<Message>) {
    let can_join = view.segment > 0 && view.segment <= gso_limit;
    let end = start + view.payload.len();
    let mut at = start;
    let mut left = view.count();
    while left > 0 {
        let mut room = match messages.last() {
            Some(open) if can_join && open.segment <= gso_limit => open.room_for(view),
            _ => 0,
        };
        if room == 0 {
            let fresh = Message::empty(view, at);
            room = if can_join { fresh.room_for(view) } else { 1 };
            messages.push(fresh);
        }
        let joining = left.min(room);
        at = end.min(at + joining * view.segment);
        left -= joining;
        if let Some(open) = messages.last_mut() {
            open.end = at;
            open.datagrams += joining;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(payloads: &[(u16, usize, i64)], gso_limit: usize) -> Vec<(usize, usize)> {
        let mut batch = Batch::default();
        for &(port, length, stamp) in payloads {
            let to = Addr::v4([127, 0, 0, 1], port);
            batch.append(&View::single(to, stamp, &vec![7; length]));
        }
        let mut messages = Vec::new();
        plan(&batch, gso_limit, &mut messages);
        assert_eq!(messages.last().map_or(0, |last| last.end), batch.payloads().len());
        messages.iter().map(|m| (m.datagrams, m.end - m.start)).collect()
    }

    #[test]
    fn equal_neighbours_go_together_and_a_shorter_one_ends_them() {
        assert_eq!(
            layout(&[(1, 10, 0), (1, 10, 1), (1, 4, 2), (1, 10, 3)], 99),
            [(3, 24), (1, 10)]
        );
        assert_eq!(layout(&[(1, 10, 0), (2, 10, 0), (1, 10, 0)], 99), [(1, 10), (1, 10), (1, 10)]);
        assert_eq!(layout(&[(1, 4, 0), (1, 10, 1)], 99), [(1, 4), (1, 10)]);
    }

    #[test]
    fn empty_and_over_long_datagrams_go_alone() {
        assert_eq!(layout(&[(1, 0, 0), (1, 0, 0), (1, 5, 0)], 99), [(1, 0), (1, 0), (1, 5)]);
        assert_eq!(layout(&[(1, 100, 0), (1, 100, 0)], 99), [(1, 100), (1, 100)]);
        assert_eq!(layout(&[(1, 100, 0), (1, 50, 0)], 99), [(1, 100), (1, 50)]);
        assert_eq!(layout(&[(1, 10, 0), (1, 10, 0)], 0), [(1, 10), (1, 10)]);
    }

    #[test]
    fn a_message_holds_what_the_kernel_takes() {
        assert_eq!(layout(&[(1, 10, 0); 150], 99), [(64, 640), (64, 640), (22, 220)]);
        assert_eq!(layout(&[(1, 30_000, 0); 5], 60_000)[..2], [(2, 60_000), (2, 60_000)]);
    }
}
