//! The bounded queue between the program and the reactors.
//!
//! Producers append at the tail; whoever consumes detaches whole batches from the front, so that
//! copying out never holds a producer up.

use crate::udp::batch::{Batch, View, BATCH_BYTES, BATCH_DATAGRAMS};
use std::collections::VecDeque;
use std::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Emptied batches that are kept for reuse: enough to smooth a steady flow.
const SPARE_BATCHES: usize = 4;

/// What happens to a datagram that a full queue has no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// It is not taken: the dispatcher is told; an arriving one stays in the kernel's buffer.
    #[default]
    Refuse,
    /// The oldest in the queue makes room for it.
    DropOldest,
    /// It is thrown away and counted.
    DropNewest,
    /// The dispatcher waits for room; an arriving one stays in the kernel's buffer.
    Wait,
}

/// How much a queue holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Datagrams.
    pub items: u64,
    /// Payload bytes.
    pub bytes: u64,
}

struct Tail {
    batches: VecDeque<Batch>,
    spare: Vec<Batch>,
    /// Threads in [`Queue::wait_filled`].
    waiting_filled: u32,
    closed: bool,
}

/// A bounded first-in first-out queue of datagrams.
pub struct Queue {
    limits: Limits,
    /// The batch being consumed. Locked before `tail` where both are.
    head: Mutex<Batch>,
    tail: Mutex<Tail>,
    filled: Condvar,
    room: Condvar,
    waiting_room: AtomicU32,
    /// Written under `tail`'s lock; never less than what was popped.
    pushed: Totals,
    /// Written under `head`'s lock.
    popped: Totals,
}

#[derive(Default)]
struct Totals {
    items: AtomicU64,
    bytes: AtomicU64,
}

impl Totals {
    /// Only the holder of the lock that guards the totals may call this.
    fn add(&self, items: usize, bytes: usize) {
        let add = |total: &AtomicU64, more: usize| {
            total.store(total.load(Ordering::Relaxed) + more as u64, Ordering::Release);
        };
        add(&self.items, items);
        add(&self.bytes, bytes);
    }
}

/// How waiting for room ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    Room,
    Closed,
    TimedOut,
}

/// The queue was closed: nothing more goes in.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

impl Queue {
    pub fn new(limits: Limits) -> Queue {
        Queue {
            limits,
            head: Mutex::default(),
            tail: Mutex::new(Tail {
                batches: VecDeque::new(),
                spare: Vec::new(),
                waiting_filled: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            room: Condvar::new(),
            waiting_room: AtomicU32::new(0),
            pushed: Totals::default(),
            popped: Totals::default(),
        }
    }

    /// Datagrams in the queue.
    pub fn items(&self) -> u64 {
        let popped = self.popped.items.load(Ordering::Acquire);
        self.pushed.items.load(Ordering::Acquire) - popped
    }

    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    /// Whether the queue could ever hold a payload of this length.
    pub fn could_hold(&self, length: usize) -> bool {
        length as u64 <= self.limits.bytes
    }

    /// Opens the tail for pushing. Waiting consumers hear of it when it is dropped.
    pub fn push(&self) -> std::result::Result<Pusher<'_>, Closed> {
        let tail = lock(&self.tail);
        if tail.closed {
            return Err(Closed);
        }
        let (free_items, free_bytes) = self.free();
        Ok(Pusher { queue: self, tail: Some(tail), free_items, free_bytes, items: 0, bytes: 0 })
    }

    /// Hands views to `visit`, oldest first, until it takes fewer datagrams than it was shown or
    /// none is left. Gives the number of datagrams taken.
    pub fn pop(&self, mut visit: impl FnMut(View<'_>) -> usize) -> usize {
        let mut head = lock(&self.head);
        let mut total = (0, 0);
        loop {
            if head.is_empty() && !self.refill(&mut head) {
                break;
            }
            let Some(view) = head.views().next() else { break };
            let shown = view.count();
            let taken = visit(view).min(shown);
            let bytes = view.prefix(taken);
            if taken > 0 {
                head.consume(bytes, taken == shown);
                total = (total.0 + taken, total.1 + bytes);
            }
            if taken < shown {
                break;
            }
        }
        if total.0 > 0 {
            self.popped.add(total.0, total.1);
            drop(head);
            self.announce_room();
        }
        total.0
    }

    /// Takes the oldest datagrams, as many as one batch has, in exchange for an empty batch: nothing
    /// is copied. `count` is told how many, before they are gone from the totals.
    pub fn take(&self, batch: &mut Batch, count: impl FnOnce(usize)) {
        batch.clear();
        let mut head = lock(&self.head);
        if head.is_empty() && !self.refill(&mut head) {
            return;
        }
        std::mem::swap(&mut *head, batch);
        let (items, bytes) = batch.totals();
        count(items);
        self.popped.add(items, bytes);
        drop(head);
        self.announce_room();
    }

    /// Throws the oldest datagrams away until `view`, or as much of it as the queue can hold, has
    /// room. `count` is told how many, before they are gone from the totals.
    pub fn drop_oldest_for(&self, view: &View<'_>, mut count: impl FnMut(usize)) {
        let mut needed = None;
        self.pop(|oldest| {
            // Looked at now that no consumer can make more room meanwhile.
            let (items, bytes) = needed.get_or_insert_with(|| self.lacking(view));
            let by_bytes = bytes.div_ceil(oldest.segment.max(1));
            let dropped = oldest.count().min(by_bytes.max(*items));
            *items = items.saturating_sub(dropped);
            *bytes = bytes.saturating_sub(oldest.prefix(dropped));
            count(dropped);
            dropped
        });
    }

    /// Datagrams and bytes that must go before `view` has room.
    fn lacking(&self, view: &View<'_>) -> (usize, usize) {
        let (items, bytes) = self.free();
        let lacking = |wanted: usize, free: u64| (wanted as u64).saturating_sub(free) as usize;
        (lacking(view.count(), items), lacking(view.payload.len(), bytes))
    }

    /// Throws away what is left. `count` is told how many, before they are gone from the totals.
    pub fn clear(&self, mut count: impl FnMut(usize)) {
        self.pop(|view| {
            count(view.count());
            view.count()
        });
    }

    /// Datagrams that ever went in.
    pub fn pushed(&self) -> u64 {
        self.pushed.items.load(Ordering::Acquire)
    }

    /// Waits until there is something to pop; `false` when the queue is closed and empty. Another
    /// consumer may have popped it by the time this one tries.
    pub fn wait_filled(&self) -> bool {
        let mut tail = lock(&self.tail);
        loop {
            if !self.is_empty() {
                return true;
            }
            if tail.closed {
                return false;
            }
            tail.waiting_filled += 1;
            tail = self.filled.wait(tail).unwrap_or_else(PoisonError::into_inner);
            tail.waiting_filled -= 1;
        }
    }

    /// Waits until a payload of `length` bytes has room, the queue is closed or `deadline` has
    /// come (`None`: never). Another producer may have taken the room by the time this one tries.
    pub fn wait_room(&self, length: usize, deadline: Option<Instant>) -> Waited {
        self.wait_room_unless(length, deadline, || false)
    }

    /// The same, but [`Waited::Room`] as well when `is_over` says so; who makes it so calls
    /// [`Queue::look_again`].
    pub fn wait_room_unless(
        &self,
        length: usize,
        deadline: Option<Instant>,
        is_over: impl Fn() -> bool,
    ) -> Waited {
        let mut tail = lock(&self.tail);
        self.waiting_room.fetch_add(1, Ordering::SeqCst);
        // Pairs with the fence in `announce_room`: either this thread sees the room, or the
        // consumer sees this thread.
        fence(Ordering::SeqCst);
        let waited = loop {
            if tail.closed {
                break Waited::Closed;
            }
            if self.has_room(length) || is_over() {
                break Waited::Room;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break Waited::TimedOut;
            }
            let patience = left.unwrap_or(Duration::from_secs(3600));
            let woken = self.room.wait_timeout(tail, patience);
            tail = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        self.waiting_room.fetch_sub(1, Ordering::SeqCst);
        waited
    }

    /// Has those who wait for room see whether they still do.
    pub fn look_again(&self) {
        drop(lock(&self.tail));
        self.room.notify_all();
    }

    /// Lets nothing more in, and wakes whoever waits.
    pub fn close(&self) {
        lock(&self.tail).closed = true;
        self.filled.notify_all();
        self.room.notify_all();
    }

    fn has_room(&self, length: usize) -> bool {
        let (items, bytes) = self.free();
        items >= 1 && bytes >= length as u64
    }

    /// Whether those who wait for room would find enough to be worth waking: a batch's worth, or
    /// half of a queue that is smaller.
    fn is_worth_a_wake(&self) -> bool {
        let (items, bytes) = self.free();
        items >= (BATCH_DATAGRAMS as u64).min(self.limits.items / 2)
            && bytes >= (BATCH_BYTES as u64).min(self.limits.bytes / 2)
    }

    /// Datagrams and bytes that may still go in.
    fn free(&self) -> (u64, u64) {
        let free = |limit: u64, pushed: &AtomicU64, popped: &AtomicU64| {
            let popped = popped.load(Ordering::Acquire);
            limit.saturating_sub(pushed.load(Ordering::Acquire) - popped)
        };
        (
            free(self.limits.items, &self.pushed.items, &self.popped.items),
            free(self.limits.bytes, &self.pushed.bytes, &self.popped.bytes),
        )
    }

    fn refill(&self, head: &mut Batch) -> bool {
        let mut tail = lock(&self.tail);
        let Some(next) = tail.batches.pop_front() else { return false };
        let mut emptied = std::mem::replace(head, next);
        // A batch that grew beyond the usual size goes back to the system.
        if tail.spare.len() < SPARE_BATCHES && emptied.memory() <= 3 * BATCH_BYTES {
            emptied.clear();
            tail.spare.push(emptied);
        }
        true
    }

    fn announce_room(&self) {
        fence(Ordering::SeqCst);
        if self.waiting_room.load(Ordering::SeqCst) > 0 && self.is_worth_a_wake() {
            // Whoever waits has let go of the lock, or has not yet looked.
            drop(lock(&self.tail));
            self.room.notify_all();
        }
    }
}

/// The open tail of a queue.
pub struct Pusher<'a> {
    queue: &'a Queue,
    /// `None` only while it is being dropped.
    tail: Option<MutexGuard<'a, Tail>>,
    /// Room when the tail was opened, less what has gone in since: there may be more by now.
    free_items: u64,
    free_bytes: u64,
    /// What has gone in, and is not yet added to the queue's totals.
    items: usize,
    bytes: usize,
}

impl Pusher<'_> {
    /// Appends as many datagrams of `view`, from its first on, as have room; gives how many.
    pub fn append(&mut self, view: &View<'_>) -> usize {
        let mut taken = self.fitting(view);
        if taken < view.count() {
            self.look_for_room();
            taken = self.fitting(view);
        }
        let Some(tail) = &mut self.tail else { return 0 };
        if taken == 0 {
            return 0;
        }
        let view = view.first(taken);
        tail.open_batch(view.payload.len()).append(&view);
        self.free_items -= taken as u64;
        self.free_bytes -= view.payload.len() as u64;
        self.items += taken;
        self.bytes += view.payload.len();
        taken
    }

    /// How many datagrams of `view` have room.
    fn fitting(&self, view: &View<'_>) -> usize {
        let mut fitting = view.count().min(usize::try_from(self.free_items).unwrap_or(usize::MAX));
        while fitting > 0 && view.prefix(fitting) as u64 > self.free_bytes {
            fitting = (fitting - 1).min((self.free_bytes / view.segment as u64) as usize);
        }
        fitting
    }

    /// Takes note of what consumers have popped since the tail was opened.
    fn look_for_room(&mut self) {
        let (items, bytes) = self.queue.free();
        self.free_items = items.saturating_sub(self.items as u64);
        self.free_bytes = bytes.saturating_sub(self.bytes as u64);
    }

    /// Appends a datagram that differs from the last one appended, a single one, in its bytes
    /// alone; `false`, with nothing done, where it cannot join that one's run.
    pub fn repeat(&mut self, payload: &[u8]) -> bool {
        let length = payload.len();
        let has_room = self.free_items > 0 && self.free_bytes >= length as u64;
        let Some(tail) = &mut self.tail else { return false };
        let Some(batch) = tail.batches.back_mut() else { return false };
        if self.items == 0 || length == 0 || !has_room || !batch.may_lengthen(length) {
            return false;
        }
        batch.lengthen(payload);
        self.free_items -= 1;
        self.free_bytes -= length as u64;
        self.items += 1;
        self.bytes += length;
        true
    }
}

impl Drop for Pusher<'_> {
    fn drop(&mut self) {
        if self.items == 0 {
            return;
        }
        // Added while the lock is still held: consumers see the datagrams and their number alike.
        self.queue.pushed.add(self.items, self.bytes);
        let waiting = self.tail.take().map_or(0, |tail| tail.waiting_filled);
        if waiting > 0 {
            self.queue.filled.notify_one();
        }
    }
}

impl Tail {
    /// The last batch where it has room for `length` bytes, or a new one behind it.
    fn open_batch(&mut self, length: usize) -> &mut Batch {
        if !self.batches.back().is_some_and(|last| last.may_append(length)) {
            let fresh = self.spare.pop().unwrap_or_default();
            self.batches.push_back(fresh);
        }
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }
}

/// A panic of another thread leaves its mark on the lock, which says nothing about the data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::addr::Addr;
    use std::sync::Arc;
    use std::thread;

    fn addr(port: u16) -> Addr {
        Addr::v4([127, 0, 0, 1], port)
    }

    fn queue(items: u64, bytes: u64) -> Queue {
        Queue::new(Limits { items, bytes })
    }

    /// Pushes a view; gives how many of its datagrams were taken.
    fn push(queue: &Queue, view: &View<'_>) -> usize {
        queue.push().unwrap().append(view)
    }

    fn push_all(queue: &Queue, payloads: &[&[u8]]) -> usize {
        payloads.iter().map(|p| push(queue, &View::single(addr(1), 0, p))).sum()
    }

    /// Makes room for a view; gives how many datagrams that cost.
    fn dropped_for(queue: &Queue, view: &View<'_>) -> usize {
        let mut dropped = 0;
        queue.drop_oldest_for(view, |count| dropped += count);
        dropped
    }

    /// Every datagram in the queue, singly.
    fn drain(queue: &Queue) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        queue.pop(|view| {
            all.push(view.first(1).payload.to_vec());
            1
        });
        while !queue.is_empty() {
            queue.pop(|view| {
                all.push(view.first(1).payload.to_vec());
                1
            });
        }
        all
    }

    #[test]
    fn datagrams_come_out_one_by_one_in_order_whatever_runs_they_made() {
        let queue = queue(100, 1000);
        let payloads: [&[u8]; 7] = [b"aa", b"bb", b"c", b"", b"", b"dd", b"eeee"];
        assert_eq!(push_all(&queue, &payloads), 7);
        assert_eq!(queue.items(), 7);
        assert_eq!(drain(&queue), payloads);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_run_is_taken_and_shown_in_parts() {
        let queue = queue(4, 1000);
        let run = View { segment: 3, ..View::single(addr(9), 5, b"aaabbbcccddde") };
        assert_eq!(run.count(), 5);
        assert_eq!(push(&queue, &run), 4);
        let mut seen = Vec::new();
        let taken = queue.pop(|view| {
            seen.push((view.count(), view.payload.to_vec(), view.stamp, view.addr));
            3
        });
        assert_eq!((taken, seen), (3, vec![(4, b"aaabbbcccddd".to_vec(), 5, addr(9))]));
        assert_eq!(push(&queue, &run.after(4)), 1);
        assert_eq!(drain(&queue), [b"ddd".to_vec(), b"e".to_vec()]);
    }

    #[test]
    fn both_bounds_hold_to_the_datagram() {
        let by_items = queue(3, 1000);
        assert_eq!(push_all(&by_items, &[b"a", b"", b"c", b"d"]), 3);
        let by_bytes = queue(100, 10);
        assert_eq!(push_all(&by_bytes, &[b"aaaa", b"bbbb", b"cccc", b"dd", b"", b"e"]), 4);
        assert_eq!(drain(&by_bytes), [&b"aaaa"[..], b"bbbb", b"dd", b""]);
        let run = View { segment: 4, ..View::single(addr(1), 0, b"aaaabbbbcc") };
        assert_eq!(push(&by_bytes, &run), 3);
        assert!(by_bytes.could_hold(10) && !by_bytes.could_hold(11));
    }

    #[test]
    fn the_oldest_give_way_even_when_their_batch_is_being_consumed() {
        let queue = queue(4, 1000);
        push_all(&queue, &[b"1", b"2", b"3", b"4"]);
        let mut wanted = 1;
        assert_eq!(queue.pop(|_| std::mem::take(&mut wanted)), 1);
        assert_eq!(push_all(&queue, &[b"5", b"6"]), 1);
        let run = View { segment: 1, ..View::single(addr(1), 0, b"67") };
        assert_eq!(dropped_for(&queue, &run), 2);
        assert_eq!(push(&queue, &run), 2);
        assert_eq!(drain(&queue), [b"4", b"5", b"6", b"7"]);
        assert_eq!(dropped_for(&queue, &run), 0);
    }

    #[test]
    fn no_more_than_needed_gives_way_to_the_bound_in_bytes() {
        let queue = queue(100, 10);
        push_all(&queue, &[b"1", b"22", b"3", b"444444"]);
        assert_eq!(dropped_for(&queue, &View::single(addr(1), 0, b"nnn")), 2);
        assert_eq!(push_all(&queue, &[b"nnn", b"n"]), 1);
        assert_eq!(drain(&queue), [&b"3"[..], b"444444", b"nnn"]);
    }

    #[test]
    fn what_is_taken_whole_leaves_out_what_was_consumed_before() {
        let queue = queue(100, 1000);
        let run = View { segment: 2, ..View::single(addr(1), 0, b"aabbc") };
        assert_eq!(push(&queue, &run), 3);
        assert_eq!(push(&queue, &View::single(addr(2), 0, b"dd")), 1);
        assert_eq!(queue.pop(|_| 1), 1);
        let (mut batch, mut counted) = (Batch::default(), 0);
        queue.take(&mut batch, |count| counted = count);
        assert_eq!((counted, batch.payloads()), (3, &b"bbcdd"[..]));
        assert_eq!(batch.views().map(|view| view.payload.len()).collect::<Vec<_>>(), [3, 2]);
        assert!(queue.is_empty());
        queue.take(&mut batch, |_| panic!("nothing is left"));
        assert!(batch.is_empty());
    }

    #[test]
    fn many_batches_keep_order_and_count() {
        let queue = queue(1 << 20, 64 << 20);
        let big = vec![1u8; 60_000];
        for index in 0..2_000u32 {
            let view =
                View::single(addr(1), i64::from(index), &big[..(index % 50) as usize * 1000]);
            assert_eq!(push(&queue, &view), 1);
        }
        let mut next = 0;
        let taken = queue.pop(|view| {
            assert_eq!(view.stamp, next);
            assert_eq!(view.payload.len(), (next % 50) as usize * 1000);
            next += 1;
            1
        });
        assert_eq!((taken, next), (2_000, 2_000));
    }

    #[test]
    fn a_waiting_producer_and_consumer_hear_of_each_other() {
        let queue = Arc::new(queue(1, 1000));
        let consumer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut seen = 0;
                while queue.wait_filled() {
                    seen += queue.pop(|view| view.count());
                }
                seen
            })
        };
        let mut sent = 0;
        while sent < 10_000 {
            sent += push(&queue, &View::single(addr(1), 0, b"x"));
            assert_eq!(queue.wait_room(1, None), Waited::Room);
        }
        queue.close();
        assert!(matches!(queue.push(), Err(Closed)));
        assert_eq!(consumer.join().unwrap(), 10_000);
    }

    #[test]
    fn waiting_for_room_ends_at_its_deadline_and_at_the_close() {
        let queue = Arc::new(queue(1, 1000));
        push_all(&queue, &[b"x"]);
        let start = Instant::now();
        let deadline = Some(start + Duration::from_millis(20));
        assert_eq!(queue.wait_room(1, deadline), Waited::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(20));
        let waiter = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.wait_room(1, None))
        };
        queue.close();
        assert_eq!(waiter.join().unwrap(), Waited::Closed);
    }

    #[test]
    fn a_queued_datagram_of_64_bytes_takes_less_than_192() {
        let queue = queue(1 << 20, 64 << 20);
        for index in 0..100_000 {
            push(&queue, &View::single(addr(1), index, &[7; 64]));
        }
        let tail = lock(&queue.tail);
        let bytes: usize = tail.batches.iter().map(Batch::memory).sum();
        assert!(bytes <= 192 * 100_000, "{} bytes each", bytes / 100_000);
    }
}
