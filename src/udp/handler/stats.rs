//! What a handler counts.

use crate::histogram::{Histogram, Percentiles};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count that any thread may add to.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, count: usize) {
        if count > 0 {
            self.0.fetch_add(count as u64, Relaxed);
        }
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counts of one reactor thread.
#[derive(Default)]
pub struct ReactorCounters {
    pub datagrams: Counter,
    pub bytes: Counter,
    pub batches: Counter,
    /// Messages of several datagrams: GRO runs received, GSO runs sent.
    pub offloaded: Counter,
    /// Wake-ups that found nothing to receive.
    pub idle_wakeups: Counter,
}

/// All that a handler counts while it runs.
#[derive(Default)]
pub struct Counters {
    pub send: Vec<ReactorCounters>,
    pub recv: Vec<ReactorCounters>,
    pub send_refused: Counter,
    pub send_dropped_oldest: Counter,
    pub send_dropped_newest: Counter,
    pub send_unsent: Counter,
    pub send_errors: Counter,
    pub send_retries: Counter,
    pub recv_dropped: Counter,
    pub recv_unread: Counter,
    pub delivered: Counter,
    pub truncated: Counter,
    pub send_latency: Histogram,
    pub recv_delay: Histogram,
    pub latency_sum: AverageSince,
}

impl Counters {
    pub fn new(send_reactors: usize, recv_reactors: usize) -> Counters {
        let reactors = |count| std::iter::repeat_with(ReactorCounters::default).take(count);
        Counters {
            send: reactors(send_reactors).collect(),
            recv: reactors(recv_reactors).collect(),
            ..Counters::default()
        }
    }

    /// Notes that `count` datagrams left `nanoseconds` after they were dispatched.
    pub fn sent_after(&self, nanoseconds: i64, count: usize) {
        self.send_latency.add(nanoseconds, count as u64);
        self.latency_sum.add(nanoseconds.max(0) as u64 * count as u64, count as u64);
    }
}

/// An average that can be started anew.
#[derive(Default)]
pub struct AverageSince {
    sum: AtomicU64,
    count: AtomicU64,
}

impl AverageSince {
    fn add(&self, sum: u64, count: u64) {
        self.sum.fetch_add(sum, Relaxed);
        self.count.fetch_add(count, Relaxed);
    }

    /// The average, 0 when nothing was counted.
    pub fn read(&self, reset: bool) -> u64 {
        let (sum, count) = if reset {
            (self.sum.swap(0, Relaxed), self.count.swap(0, Relaxed))
        } else {
            (self.sum.load(Relaxed), self.count.load(Relaxed))
        };
        sum.checked_div(count).unwrap_or(0)
    }
}

/// One reactor's part of the work.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct ReactorStats {
    pub datagrams: u64,
    pub bytes: u64,
    pub batches: u64,
    pub offloaded: u64,
    pub idle_wakeups: u64,
}

impl From<&ReactorCounters> for ReactorStats {
    fn from(counters: &ReactorCounters) -> ReactorStats {
        ReactorStats {
            datagrams: counters.datagrams.get(),
            bytes: counters.bytes.get(),
            batches: counters.batches.get(),
            offloaded: counters.offloaded.get(),
            idle_wakeups: counters.idle_wakeups.get(),
        }
    }
}

/// A handler's counts at one moment. Times are in nanoseconds.
///
/// Once the handler is closed, `dispatched = sent + send_errors + send_dropped + send_unsent` and
/// `received = delivered + recv_dropped + recv_unread`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams that `dispatch` took.
    pub dispatched: u64,
    pub queued_send: u64,
    pub queued_recved: u64,
    /// Calls of `dispatch` that took nothing, the queue being full.
    pub send_refused: u64,
    /// Datagrams thrown away by a full send queue.
    pub send_dropped: u64,
    /// Datagrams left unsent at the close.
    pub send_unsent: u64,
    pub send_errors: u64,
    /// Times that sending waited for the kernel (EAGAIN, ENOBUFS).
    pub send_retries: u64,
    /// Datagrams thrown away by a full receive queue.
    pub recv_dropped: u64,
    /// Datagrams not picked up before the close.
    pub recv_unread: u64,
    /// Datagrams that the kernel dropped before a reactor could take them.
    pub kernel_drops: u64,
    /// Datagrams that the program has picked up.
    pub delivered: u64,
    pub truncated: u64,
    pub icmp_errors: u64,
    /// Errors that made room in the list of errors before anybody asked for them.
    pub errors_dropped: u64,
    /// From `dispatch` to the kernel's taking it.
    pub send_latency: Percentiles,
    /// From the kernel's receive timestamp to the program's picking it up.
    pub recv_delay: Percentiles,
    pub gso: bool,
    pub gro: bool,
    pub send_reactors: Vec<ReactorStats>,
    pub recv_reactors: Vec<ReactorStats>,
}

impl Stats {
    /// All send reactors together: what went out.
    pub fn sent(&self) -> ReactorStats {
        total(&self.send_reactors)
    }

    /// All receive reactors together: what came in.
    pub fn received(&self) -> ReactorStats {
        total(&self.recv_reactors)
    }
}

fn total(reactors: &[ReactorStats]) -> ReactorStats {
    reactors.iter().fold(ReactorStats::default(), |sum, one| ReactorStats {
        datagrams: sum.datagrams + one.datagrams,
        bytes: sum.bytes + one.bytes,
        batches: sum.batches + one.batches,
        offloaded: sum.offloaded + one.offloaded,
        idle_wakeups: sum.idle_wakeups + one.idle_wakeups,
    })
}
