//! Polling: one iteration of the loop after the other, until there is something to give.

use super::event::{Delivery, Event};
use super::state::{self, State};
use super::EventLoop;
use crate::sys::poller::Scratch;
use crate::sys::{clock, Errno, Result};
use std::sync::MutexGuard;
use std::time::Duration;

/// What polls use again and again.
#[derive(Default)]
pub(super) struct Memory {
    scratch: Scratch,
    /// For [`Turn::collect`], made when it is used first.
    events: Vec<Event>,
    data: Vec<u8>,
}

/// The right to poll.
pub struct Turn<'a> {
    pub(super) owner: &'a EventLoop,
    pub(super) memory: MutexGuard<'a, Memory>,
}

/// When to try again to fill the poller.
const RETRY: i64 = 100_000_000;

/// How many events, and how many bytes, [`Turn::collect`] takes.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

impl Turn<'_> {
    /// Waits at most for `patience` (`None`: for ever) until there are events, and gives up to
    /// `most` of them to `visit`. The data of [`super::EventKind::Data`] lie in `buffer`, one behind the
    /// other.
    ///
    /// A caller who ends something in answer to one event may be about to see another of it that
    /// was given in the same call: [`EventLoop::is_current`] tells.
    ///
    /// Gives how many. Errors: `EINVAL` for no room at all; `EAGAIN` when there was nothing and no
    /// patience, `ETIMEDOUT` when it was over; `EINTR` when a signal handler ran on this thread;
    /// `ESHUTDOWN` when the loop is closed, or a shutdown has ended.
    pub fn poll(
        &mut self,
        most: usize,
        buffer: &mut [u8],
        patience: Option<Duration>,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<usize> {
        if most == 0 || buffer.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        let until = patience.map(|patience| {
            let patience = i64::try_from(patience.as_nanos()).unwrap_or(i64::MAX);
            if patience == 0 {
                0
            } else {
                clock::monotonic().saturating_add(patience)
            }
        });
        let mut delivery = Delivery::new(most, buffer, visit);
        loop {
            self.iterate(until, &mut delivery)?;
            if delivery.given() > 0 {
                return Ok(delivery.given());
            }
            match until {
                Some(0) => return Err(Errno(libc::EAGAIN)),
                Some(until) if clock::monotonic() >= until => return Err(Errno(libc::ETIMEDOUT)),
                _ => {}
            }
        }
    }

    /// [`Turn::poll`] into memory of the loop's own: gives the events, and where their data lie.
    pub fn collect(&mut self, patience: Option<Duration>) -> Result<(&[Event], &[u8])> {
        let mut events = std::mem::take(&mut self.memory.events);
        let mut data = std::mem::take(&mut self.memory.data);
        events.clear();
        data.resize(BATCH_BYTES, 0);
        let outcome = self.poll(BATCH, &mut data, patience, &mut |event| events.push(*event));
        (self.memory.events, self.memory.data) = (events, data);
        outcome.map(|_| (&self.memory.events[..], &self.memory.data[..]))
    }

    /// One iteration, as the numbers of [`super`] say.
    fn iterate(&mut self, until: Option<i64>, delivery: &mut Delivery<'_>) -> Result<()> {
        let mut state = self.owner.lock();
        state.forget_spent();
        check_alive(&state)?;
        if state.deliver_leftovers(delivery) {
            return Ok(());
        }
        let timeout = time_to_wait(&mut state, until);
        drop(state);
        let waited = self.owner.poller.wait(&mut self.memory.scratch, timeout);
        let mut state = self.owner.lock();
        state.waits_until = None;
        if state.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        if let Err(error) = waited {
            // It may be a signal that the loop itself hears.
            state.take_signals();
            if state.core.events.is_empty() {
                return Err(error);
            }
        }
        if state.is_deaf {
            state.rebuild();
        }
        state.core.stats.iterations += 1;
        state.core.look_at_clock();
        state.run_timers();
        self.look_at_ready(&mut state);
        state.give(delivery);
        Ok(())
    }

    fn look_at_ready(&mut self, state: &mut State) {
        for ready in &self.memory.scratch.ready {
            if ready.token == state::WAKE {
                self.owner.wake.clear();
                self.owner.take_asked(state);
                state.take_resolved();
            }
            state.on_ready(*ready);
        }
    }
}

/// Nanoseconds, `None` for ever; the state says then that the loop's thread waits.
fn time_to_wait(state: &mut State, until: Option<i64>) -> Option<i64> {
    let retry = state.is_deaf.then(|| clock::monotonic() + RETRY);
    let until = [until, state.core.next_time(), retry].into_iter().flatten().min();
    if until == Some(0) {
        return Some(0);
    }
    state.waits_until = Some(until);
    until.map(|until| until.saturating_sub(clock::monotonic()).max(0))
}

/// Errors: `ESHUTDOWN` when the loop is closed, or a shutdown has ended.
fn check_alive(state: &State) -> Result<()> {
    if state.is_closed || state.has_ended() {
        return Err(Errno(libc::ESHUTDOWN));
    }
    Ok(())
}
