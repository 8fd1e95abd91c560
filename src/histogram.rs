//! Latencies, counted as they happen and read as percentiles.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps within each power of two: a reading is at most 1/16 above the true value.
const STEPS: usize = 16;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values of 2^40 ns (18 minutes) and more share the last bucket; `max` stays exact.
const VALUE_BITS: u32 = 40;
const BUCKETS: usize = ((VALUE_BITS - STEP_BITS) as usize + 1) * STEPS;

/// A log-linear histogram that any number of threads may add to at once.
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    max: AtomicU64,
}

/// What a [`Histogram`] says, in the unit of its values; all 0 when nothing was counted.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts `count` values of `value`; negative ones as 0.
    pub fn add(&self, value: i64, count: u64) {
        let value = u64::try_from(value).unwrap_or(0);
        self.buckets[bucket(value)].fetch_add(count, Relaxed);
        if value > self.max.load(Relaxed) {
            self.max.fetch_max(value, Relaxed);
        }
    }

    pub fn percentiles(&self) -> Percentiles {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let max = self.max.load(Relaxed);
        let total: u64 = counts.iter().sum();
        let at = |numerator: u64, denominator: u64| {
            let rank = (total * numerator).div_ceil(denominator).max(1);
            let mut seen = 0;
            let index = counts.iter().position(|count| {
                seen += count;
                seen >= rank
            });
            index.map_or(0, |index| upper_bound(index).min(max))
        };
        Percentiles { p50: at(50, 100), p99: at(99, 100), p999: at(999, 1000), max }
    }
}

fn bucket(value: u64) -> usize {
    let value = value.min((1 << VALUE_BITS) - 1);
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEP_BITS + 1);
    // Values below 2 * STEPS have a bucket each; above, the top bits say which.
    shift as usize * STEPS + (value >> shift) as usize
}

/// The largest value that falls into a bucket.
fn upper_bound(index: usize) -> u64 {
    let shift = (index / STEPS).saturating_sub(1);
    let top = (index - shift * STEPS) as u64;
    ((top + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_within_a_sixteenth_below_its_bucket_bound() {
        let mut value = 0u64;
        while value < 1 << VALUE_BITS {
            let bound = upper_bound(bucket(value));
            assert!(bound >= value && bound <= value + value / 16, "{value} {bound}");
            value += 1 + value / 97;
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentiles(), Percentiles::default());
        for value in 1..=10_000 {
            histogram.add(value, 1);
        }
        let read = histogram.percentiles();
        assert_eq!(read.max, 10_000);
        for (read, truth) in [(read.p50, 5_000), (read.p99, 9_900), (read.p999, 9_990)] {
            assert!(read >= truth && read <= truth + truth / 16, "{read} {truth}");
        }
    }

    #[test]
    fn a_negative_delay_counts_as_none() {
        let histogram = Histogram::default();
        histogram.add(-5, 3);
        assert_eq!(histogram.percentiles(), Percentiles::default());
    }
}
