//! A token bucket: so many bytes a second, and no more than a hundredth of them at once.

/// Bytes that may pass, growing with time (RFC 2697 calls the size of the bucket its burst).
#[derive(Debug)]
pub struct Bucket {
    /// Bytes per second.
    rate: f64,
    burst: f64,
    tokens: f64,
    /// When `tokens` was right, in nanoseconds.
    at: i64,
}

const BURST_SECONDS: f64 = 0.01;

impl Bucket {
    /// `None` for a rate of 0, which is no limit.
    pub fn new(rate: u64, now: i64) -> Option<Box<Bucket>> {
        let burst = (rate as f64 * BURST_SECONDS).max(1.0);
        let bucket = Bucket { rate: rate as f64, burst, tokens: burst, at: now };
        (rate > 0).then(|| Box::new(bucket))
    }

    /// How many bytes may pass now; when 0, also from when on it is worth another try.
    pub fn available(&mut self, now: i64) -> Result<usize, i64> {
        let elapsed = (now - self.at).max(0) as f64 / 1e9;
        self.tokens = (self.tokens + elapsed * self.rate).min(self.burst);
        self.at = self.at.max(now);
        if self.tokens >= 1.0 {
            return Ok(self.tokens as usize);
        }
        // Half a burst, so that a slow flow does not wake the loop for every byte.
        let missing = (self.burst / 2.0).max(1.0) - self.tokens;
        Err(now.saturating_add((missing / self.rate * 1e9) as i64 + 1))
    }

    pub fn take(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_passes_as_the_rate_says() {
        for rate in [1, 7, 1_000, 1_000_000, 10_000_000_000] {
            let mut bucket = Bucket::new(rate, 0).unwrap();
            let (mut now, mut passed) = (0, 0u64);
            while now < 10_000_000_000 {
                match bucket.available(now) {
                    Ok(bytes) => {
                        bucket.take(bytes);
                        passed += bytes as u64;
                    }
                    Err(later) => {
                        assert!(later > now);
                        now = later;
                    }
                }
            }
            let expected = rate * 10;
            let error = passed.abs_diff(expected) as f64;
            assert!(error <= (rate as f64 / 50.0).max(2.0), "{passed} of {expected}");
        }
        assert!(Bucket::new(0, 0).is_none());
    }
}
