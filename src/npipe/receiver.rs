//! Receiving: waiting for messages, and for one's turn among readers.

use super::inlet::Inlet;
use super::output::Output;
use super::readiness::Readiness;
use super::reading::{Reading, Step};
use super::waiting::{Looks, Patience};
use super::Shared;
use crate::sys::{clock, poll, Result};
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pipe's way out.
pub struct Receiver {
    /// Locked only while something is read, never during a wait.
    reading: Mutex<Reading>,
    readiness: Readiness,
}

impl Receiver {
    pub fn new(shared: &Shared) -> Result<Receiver> {
        let inlet = Inlet::open(shared)?;
        let readiness = Readiness::new(&inlet, &shared.stop)?;
        Ok(Receiver { reading: Mutex::new(Reading::new(inlet)), readiness })
    }

    /// See [`super::Pipe::receive`].
    pub fn receive(
        &self,
        shared: &Shared,
        output: &mut Output<'_>,
        patience: &Patience,
    ) -> Result<()> {
        let mut looks = Looks::default();
        loop {
            shared.stop.check()?;
            let step = self.reading().step(shared, &self.readiness, output)?;
            let waited = match step {
                Step::Done => return Ok(()),
                Step::Busy => looks.pause(&shared.stop, patience),
                Step::Empty(until) => {
                    looks = Looks::default();
                    self.wait(until, patience)
                }
            };
            if waited.is_err() {
                self.reading().put_by(&self.readiness, output);
                return waited;
            }
        }
    }

    /// See [`super::Pipe::fd`].
    pub fn fd(&self) -> RawFd {
        self.readiness.raw()
    }

    /// Waits for anything new, but not beyond `until`.
    fn wait(&self, until: Option<i64>, patience: &Patience) -> Result<()> {
        let left = patience.left()?;
        let most = until.map_or(i64::MAX, |until| until - clock::monotonic());
        let timeout_ms = match left.min(most) {
            i64::MAX => -1,
            nanoseconds => poll::timeout_ms(nanoseconds),
        };
        self.readiness.wait(timeout_ms)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
