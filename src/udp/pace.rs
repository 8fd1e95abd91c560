//! When to look again at a socket that is busy.
//!
//! Waking a sleeping thread costs whoever wakes it a microsecond or several, once a datagram where
//! they come one by one. From a certain rate on whoever receives therefore naps for a short time
//! instead of waiting to be woken, and finds a batch when it looks: what network cards call
//! adaptive interrupt moderation. Below that rate nothing is delayed.

use crate::sys::clock;
use std::time::Duration;

/// Average nanoseconds between two messages below which a reactor naps: 40,000 a second.
const BUSY_GAP: i64 = 25_000;

/// Longest nap, which is what a datagram can be delayed by.
const NAP_MAX: i64 = 300_000;

/// Messages that a nap should gather: enough to pay for the call, few enough for a small buffer.
const GATHERED: i64 = 64;

/// What the kernel keeps beside a datagram's payload in a socket's buffer, generously.
pub const OVERHEAD: usize = 1024;

/// A pause counts as no more than this, so that a flow that starts is soon seen to flow.
const GAP_MAX: i64 = 1_000_000;

/// Waits in a row that found nothing, and the pause after each further one. A socket of which the
/// program has shut the reading side down is readable for ever, and empty.
pub const FUTILE_WAITS: u32 = 16;
pub const FUTILE_PAUSE: Duration = Duration::from_millis(1);

/// The rate of one reactor's messages, and the naps that go with it.
pub struct Pace {
    /// Monotonic time of the last look.
    looked: i64,
    /// Moving average of the nanoseconds between two messages.
    gap: i64,
    /// Moving average of the bytes they take in a socket's buffer.
    size: i64,
    /// Bytes that may gather there during a nap.
    room: i64,
}

impl Pace {
    /// `room`: bytes of a socket's buffer that may fill while the reactor naps.
    pub fn new(room: usize) -> Pace {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        Pace { looked: clock::monotonic(), gap: GAP_MAX, size: OVERHEAD as i64, room }
    }

    /// To be told of each look and what it found; gives how long to nap before the next one.
    pub fn nap(&mut self, messages: usize, bytes: usize) -> Option<Duration> {
        let now = clock::monotonic();
        let elapsed = now - std::mem::replace(&mut self.looked, now);
        let count = messages.max(1) as i64;
        self.gap = (3 * self.gap + (elapsed / count).min(GAP_MAX)) / 4;
        self.size = (3 * self.size + bytes as i64 / count + OVERHEAD as i64) / 4;
        if self.gap >= BUSY_GAP {
            return None;
        }
        let gathered = GATHERED.min(self.room / self.size);
        let nap = NAP_MAX.min(gathered * self.gap);
        u64::try_from(nap).ok().filter(|nap| *nap > 0).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nap after a hundred looks, `gap` nanoseconds apart, that found one message each.
    fn settled(gap: i64, bytes: usize, room: usize) -> Option<Duration> {
        let mut pace = Pace::new(room);
        let mut nap = None;
        for _ in 0..100 {
            pace.looked = clock::monotonic() - gap;
            nap = pace.nap(1, bytes);
        }
        nap
    }

    #[test]
    fn a_slow_flow_is_never_delayed() {
        assert_eq!(settled(100_000, 64, 1 << 20), None);
    }

    #[test]
    fn a_fast_flow_is_gathered_as_long_as_the_buffer_holds_it() {
        let nap = settled(5_000, 64, 1 << 20).unwrap();
        assert!(nap <= Duration::from_nanos(NAP_MAX as u64) && nap > Duration::from_micros(50));
        assert!(settled(5_000, 1_000, 20_000).unwrap() < Duration::from_micros(50));
        assert_eq!(settled(5_000, 1_000, 500), None);
    }
}
