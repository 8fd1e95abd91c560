//! Receiving: waiting for messages, and for one's turn among readers.

use super::inlet::Inlet;
use super::naps::Naps;
use super::output::Output;
use super::readiness::Readiness;
use super::reading::{Reading, Step};
use super::waiting::{Looks, Patience};
use super::Shared;
use crate::sys::nap::nap;
use crate::sys::{clock, poll, Result};
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A pipe's way out.
pub struct Receiver {
    /// Locked only while something is read, never during a wait.
    reading: Mutex<Reading>,
    readiness: Readiness,
    naps: Mutex<Naps>,
}

impl Receiver {
    pub fn new(shared: &Shared) -> Result<Receiver> {
        let inlet = Inlet::open(shared)?;
        let readiness = Readiness::new(&inlet, &shared.stop)?;
        let reading = Mutex::new(Reading::new(inlet));
        Ok(Receiver { reading, readiness, naps: Mutex::default() })
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
                Step::Done => {
                    self.naps().count(output.count());
                    return Ok(());
                }
                Step::Busy => looks.pause(&shared.stop, patience),
                Step::Empty(until) => {
                    looks = Looks::default();
                    self.wait(shared, until, patience)
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
    fn wait(&self, shared: &Shared, until: Option<i64>, patience: &Patience) -> Result<()> {
        let now = clock::monotonic();
        let most = patience.left()?.min(until.map_or(i64::MAX, |until| until - now));
        if let Some(nap_ns) = self.naps().before_wait(now).filter(|nap_ns| *nap_ns < most) {
            return nap(shared.stop.borrow(), nap_ns).map(drop);
        }
        let timeout_ms = match most {
            i64::MAX => -1,
            nanoseconds => poll::timeout_ms(nanoseconds),
        };
        self.readiness.wait(timeout_ms)
    }

    fn naps(&self) -> MutexGuard<'_, Naps> {
        self.naps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
