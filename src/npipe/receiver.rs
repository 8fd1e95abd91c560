//! Receiving: waiting for messages, and for one's turn among readers.

use super::inlet::Inlet;
use super::naps::Naps;
use super::output::Output;
use super::readiness::Readiness;
use super::reading::{Reading, Step};
use super::waiting::Looks;
use super::Shared;
use crate::sys::nap::nap;
use crate::sys::poll::{self, Patience};
use crate::sys::{clock, Result};
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
            let (until, waited) = match step {
                Step::Done => {
                    self.naps().count(output.count());
                    return Ok(());
                }
                Step::Busy => (None, looks.pause(&shared.stop, patience)),
                Step::Empty(until) => {
                    looks = Looks::default();
                    (until, self.wait(shared, until, patience))
                }
            };
            if waited.is_err() {
                self.reading().put_by(shared, &self.readiness, output, until);
                return waited;
            }
        }
    }

    /// See [`super::Pipe::fd`].
    pub fn fd(&self) -> RawFd {
        self.reading().look_after_path(&self.readiness);
        self.readiness.raw()
    }

    /// Waits for anything new, but not beyond `until`.
    fn wait(&self, shared: &Shared, until: Option<i64>, patience: &Patience) -> Result<()> {
        let now = clock::monotonic();
        let most = patience.left()?.min(until.map_or(i64::MAX, |until| until - now));
        if let Some(nap_ns) = self.naps().before_wait(now).filter(|nap_ns| *nap_ns < most) {
            return nap(shared.stop.borrow(), nap_ns).map(drop);
        }
        self.readiness.wait(poll::timeout_ms(most))
    }

    fn naps(&self) -> MutexGuard<'_, Naps> {
        self.naps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
