//! A stopwatch, and the ticks of a periodic task.

use crate::sys::{clock, Errno, Result};

/// When it was started, and when it last ticked: nanoseconds of CLOCK_MONOTONIC, 0 for never. Any
/// other numbers do no harm; what comes of them means nothing.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Stopwatch {
    pub started: i64,
    pub tick: i64,
}

impl Stopwatch {
    /// Starts it, anew if it was started before.
    pub fn tic(&mut self) {
        self.started = now();
    }

    /// Nanoseconds since it was started; it goes on. Errors: `ENODATA` when it never was.
    pub fn toc(&self) -> Result<i64> {
        self.elapsed(now())
    }

    /// [`Stopwatch::toc`] and [`Stopwatch::tic`] at one instant, so that no time falls between two
    /// rounds. Errors: `ENODATA` when it was never started; it is not started then.
    pub fn round(&mut self) -> Result<i64> {
        let now = now();
        let elapsed = self.elapsed(now)?;
        self.started = now;
        Ok(elapsed)
    }

    fn elapsed(&self, now: i64) -> Result<i64> {
        match self.started {
            0 => Err(Errno(libc::ENODATA)),
            started => Ok(now.saturating_sub(started).max(0)),
        }
    }

    /// Sleeps until the next tick and gives 0; gives at once by how many nanoseconds it is late when
    /// that is past already.
    ///
    /// Ticks are `period` nanoseconds apart, counted from the first: from when the stopwatch was
    /// started, or from this call. What is late does not shift those that follow, and those that
    /// were missed are left out. Starting the stopwatch again does not touch them.
    ///
    /// Errors: `EINVAL` for a period below 1; `EINTR` when a signal handler ran on this thread: the
    /// next call goes on sleeping until the same tick.
    pub fn sleep_until_next(&mut self, period: i64) -> Result<i64> {
        if period < 1 {
            return Err(Errno(libc::EINVAL));
        }
        let now = now();
        self.tick = self.last_tick(now);
        let next = self.tick.saturating_add(period);
        if next > now {
            clock::sleep_until(next)?;
            self.tick = next;
            return Ok(0);
        }
        self.tick = now - now.saturating_sub(self.tick) % period;
        Ok(now - next)
    }

    fn last_tick(&self, now: i64) -> i64 {
        let known = [self.tick, self.started].into_iter().find(|time| *time != 0);
        // Never in the future, whatever the numbers say.
        known.map_or(now, |time| time.clamp(0, now))
    }
}

/// 0 stands for never, and for the instant at which the machine was started, when no program ran.
fn now() -> i64 {
    clock::monotonic().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: i64 = 1_000_000_000;

    #[test]
    fn a_late_tick_shifts_none_that_follow() {
        let first = now() - 2 * PERIOD - PERIOD / 2;
        let mut watch = Stopwatch { started: 0, tick: first };
        let late = watch.sleep_until_next(PERIOD).unwrap();
        assert!((PERIOD + PERIOD / 2..2 * PERIOD).contains(&late), "{late}");
        assert_eq!(watch.tick, first + 2 * PERIOD);
    }

    #[test]
    fn it_sleeps_until_a_tick_of_the_first_ones_grid() {
        const SHORT: i64 = 2_000_000;
        let mut watch = Stopwatch { started: now(), tick: 0 };
        let first = watch.started;
        for count in 1..=5 {
            // A busy machine may be late.
            let late = watch.sleep_until_next(SHORT).unwrap();
            assert_eq!((watch.tick - first) % SHORT, 0);
            assert!(now() >= watch.tick + late % SHORT);
            assert!(watch.tick >= first + count * SHORT);
            watch.tic();
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        for time in [i64::MIN, -1, 1, i64::MAX] {
            let mut watch = Stopwatch { started: time, tick: time };
            assert!(watch.toc().unwrap() >= 0);
            assert!(watch.sleep_until_next(1).unwrap() >= 0);
            assert!(watch.round().unwrap() >= 0);
        }
        assert_eq!(Stopwatch::default().round(), Err(Errno(libc::ENODATA)));
        assert_eq!(Stopwatch::default().sleep_until_next(0), Err(Errno(libc::EINVAL)));
    }
}
