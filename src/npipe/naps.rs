//! Naps of a reader that has emptied the pipe.
//!
//! Whoever writes to a pipe on which somebody waits pays several microseconds for waking that
//! process, for each message where they come one by one. When they come fast a reader therefore
//! naps before it waits, and finds several at once. Where it does not, as with a writer that waits
//! for an answer to each, naps are left out for long.

/// Average nanoseconds between two messages below which a reader naps: 40,000 a second.
const BUSY_GAP: i64 = 25_000;

/// How long: what a message may be delayed by, and the kernel adds about as much of its own.
const NAP: i64 = 50_000;

/// Messages that a nap must have gathered.
const WORTH: usize = 3;

/// Waits without a nap after one that was not worth it.
const SKIPPED: u32 = 64;

#[derive(Default)]
pub struct Naps {
    /// Messages since the pipe was found empty last, and when that was.
    taken: usize,
    emptied: i64,
    has_napped: bool,
    skips: u32,
}

impl Naps {
    /// Counts messages that were read.
    pub fn count(&mut self, messages: usize) {
        self.taken += messages;
    }

    /// The pipe is empty at this time of the monotonic clock; gives the nanoseconds to nap for, if a
    /// nap is to come before the wait.
    pub fn before_wait(&mut self, now: i64) -> Option<i64> {
        let taken = std::mem::take(&mut self.taken);
        let elapsed = now - std::mem::replace(&mut self.emptied, now);
        let is_busy = taken > 0 && elapsed / (taken as i64) < BUSY_GAP;
        if std::mem::take(&mut self.has_napped) && taken < WORTH {
            self.skips = SKIPPED;
        }
        if self.skips > 0 {
            self.skips -= 1;
            return None;
        }
        self.has_napped = is_busy;
        is_busy.then_some(NAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many naps there are in a thousand rounds, each of which takes so many messages in so
    /// many nanoseconds.
    fn naps(taken: usize, nanoseconds: i64) -> usize {
        let mut naps = Naps::default();
        let nap = |round: i64| {
            naps.count(taken);
            naps.before_wait((round + 1) * nanoseconds)
        };
        (0..1000).filter_map(nap).count()
    }

    #[test]
    fn only_fast_messages_that_gather_are_napped_for() {
        assert_eq!(naps(1, 100_000), 0);
        assert!(naps(20, 100_000) > 990);
        assert!((1..20).contains(&naps(1, 10_000)));
        assert_eq!(naps(0, 100), 0);
    }
}
