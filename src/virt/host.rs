//! A host: where its connection is, and how it comes back.

use super::open::{self, Open};
use super::uri::explain;
use super::{complain, Common};
use crate::sys::libvirt::{Connection, Error, Link, Outcome};
use crate::sys::{clock, Errno, Result};
use std::ffi::{CStr, CString};
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub struct Host {
    uri: Option<CString>,
    common: Arc<Common>,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by each thread that is at an attempt.
    at_it: Arc<()>,
}

/// Attempts at opening are counted, so that who waits for one knows its outcome from an older one's.
enum State {
    /// The last attempt failed, with an error for those who have waited for it; without one, its time
    /// was over, or what it gave has been lost.
    Down {
        attempt: u64,
        error: Option<Errno>,
    },
    /// A thread is at it. From `until` on (monotonic nanoseconds) nothing that it gives is of use, though
    /// it may hang where only the system can end it.
    Opening {
        attempt: u64,
        until: i64,
        link: Arc<Link>,
    },
    Open {
        attempt: u64,
        open: Arc<Open>,
    },
    /// The client was closed.
    Ended,
}

/// How many attempts for one host may hang, so that hosts which are away leave room for others
/// ([`THREADS_MAX`](super::THREADS_MAX)).
const HANGING_MAX: usize = 8;

impl Host {
    pub fn new(uri: Option<&CStr>, common: &Arc<Common>) -> Host {
        Host {
            uri: uri.map(CStr::to_owned),
            common: Arc::clone(common),
            state: Mutex::new(State::Down { attempt: 0, error: None }),
            changed: Condvar::new(),
            at_it: Arc::default(),
        }
    }

    /// Makes a call on the open connection. Should that turn out to be dead, it is opened again, once,
    /// and `call` told so: the first may have done what it was to do, its answer alone being lost.
    ///
    /// Errors: `ETIMEDOUT` after `deadline`; `ESHUTDOWN` when the client was closed; those of opening;
    /// what `call` says.
    pub fn call<T>(
        self: &Arc<Host>,
        deadline: i64,
        call: impl Fn(&Arc<Open>, bool) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut is_second = false;
        loop {
            let open = self.connection(deadline)?;
            let error = match call(&open, is_second) {
                Err(error) if !open.connection.is_alive() => error,
                outcome => return outcome,
            };
            self.give_up(open)?;
            if clock::monotonic() >= deadline {
                return Err(Errno(libc::ETIMEDOUT).into());
            }
            if mem::replace(&mut is_second, true) {
                return Err(error);
            }
        }
    }

    /// The open connection. Where there is none, one thread opens it, and all wait who need it.
    ///
    /// Errors: as [`call`](Host::call).
    pub fn connection(self: &Arc<Host>, deadline: i64) -> Result<Arc<Open>> {
        let mut state = self.state();
        // The attempt whose outcome counts for this caller.
        let mut awaited = None;
        loop {
            let mut wake_at = deadline;
            match &*state {
                State::Open { open, .. } => return Ok(Arc::clone(open)),
                State::Ended => return Err(Errno(libc::ESHUTDOWN)),
                _ if clock::monotonic() >= deadline => return Err(Errno(libc::ETIMEDOUT)),
                State::Opening { attempt, until, .. } if clock::monotonic() < *until => {
                    awaited.get_or_insert(*attempt);
                    wake_at = deadline.min(*until);
                }
                State::Down { attempt, error: Some(error) }
                    if awaited.is_some_and(|awaited| *attempt >= awaited) =>
                {
                    return Err(*error);
                }
                // Until one of them ends.
                _ if Arc::strong_count(&self.at_it) > HANGING_MAX => {}
                State::Opening { attempt, .. } | State::Down { attempt, .. } => {
                    let next = *attempt + 1;
                    *state = self.begin(next)?;
                    awaited = Some(next);
                }
            }
            let left = u64::try_from(wake_at - clock::monotonic()).unwrap_or(0);
            let wait = self.changed.wait_timeout(state, Duration::from_nanos(left));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts an attempt. Errors: as [`open::start`].
    fn begin(self: &Arc<Host>, attempt: u64) -> Result<State> {
        let (link, until) =
            (Link::new(), clock::monotonic().saturating_add(self.common.timeout_ns));
        let (host, given, at_it) = (Arc::clone(self), Arc::clone(&link), Arc::clone(&self.at_it));
        open::start(&self.common, "virt-open", move || {
            let outcome = host.open(&given, until);
            drop(at_it);
            host.conclude(attempt, outcome);
        })?;
        Ok(State::Opening { attempt, until, link })
    }

    /// Opens a connection, on a thread that nobody waits for: it may outlast its time where only the
    /// system can end it.
    fn open(&self, link: &Arc<Link>, until: i64) -> Result<Open> {
        let uri = self.uri.as_deref();
        let _deadline = link.end_at(until);
        let connection = Connection::open(uri, link, keep_alive(self.common.timeout_ns))
            // One that is ended as it is born is of use to nobody.
            .and_then(|connection| match link.is_ended() {
                true => Err(Errno(libc::ETIMEDOUT).into()),
                false => Ok(connection),
            })
            .map_err(|error| {
                let is_late = link.is_ended();
                let errno = if is_late { Errno(libc::ETIMEDOUT) } else { explain(uri, &error) };
                complain(uri.unwrap_or(c"(default)"), None, &Error { errno, ..error })
            })?;
        self.common.connects.fetch_add(1, Relaxed);
        Ok(Open::new(connection, &self.common))
    }

    /// Publishes what an attempt gave, unless another has been begun since, or the client was closed.
    fn conclude(&self, attempt: u64, outcome: Result<Open>) {
        let mut state = self.state();
        if matches!(&*state, State::Opening { attempt: current, .. } if *current == attempt) {
            *state = match outcome {
                Ok(open) => State::Open { attempt, open: Arc::new(open) },
                // Who came while it was made has more time than it had.
                Err(Errno(libc::ETIMEDOUT)) => State::Down { attempt, error: None },
                Err(error) => State::Down { attempt, error: Some(error) },
            };
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Leaves a dead connection behind, if another caller has not done so already.
    ///
    /// Errors: `ESHUTDOWN` when the client was closed.
    fn give_up(&self, dead: Arc<Open>) -> Result<()> {
        // libvirt tells a dead connection to one of the threads that wait for it; the others need this.
        dead.connection.link().end();
        let mut state = self.state();
        let attempt = match &*state {
            State::Ended => return Err(Errno(libc::ESHUTDOWN)),
            State::Open { attempt, open } if Arc::ptr_eq(open, &dead) => *attempt,
            _ => return Ok(()),
        };
        let former = mem::replace(&mut *state, State::Down { attempt, error: None });
        // Closing is for nobody to wait for.
        drop(state);
        drop(former);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends hosts whose client is closed. Who waits is woken; connections with calls inside are cut off, so
/// that these end, and the others closed with due form, for which all have the same short time.
pub fn end_all(hosts: impl Iterator<Item = Arc<Host>>) {
    let mut idle = Vec::new();
    for host in hosts {
        let former = mem::replace(&mut *host.state(), State::Ended);
        host.changed.notify_all();
        match former {
            State::Opening { link, .. } => link.end(),
            State::Open { open, .. } => match Arc::try_unwrap(open) {
                Ok(open) => idle.push(open),
                Err(busy) => busy.connection.link().end(),
            },
            State::Down { .. } | State::Ended => {}
        }
    }
    let at = Connection::farewell();
    let _deadlines: Vec<_> = idle.iter().map(|open| open.connection.link().end_at(at)).collect();
    drop(idle);
}

/// How often the daemon is asked for a sign of life, in seconds, and how many answers may be missing:
/// a connection that is silent is given up after four to five times the interval, and so within the
/// time of a call, but never before four seconds.
fn keep_alive(timeout_ns: i64) -> (i32, u32) {
    const COUNT: u32 = 3;
    let interval_s = timeout_ns / 1_000_000_000 / (i64::from(COUNT) + 2);
    (interval_s.clamp(1, 3600) as i32, COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: Errno = Errno(libc::EIO);

    fn soon() -> i64 {
        clock::monotonic() + 30_000_000_000
    }

    fn host(state: State) -> Arc<Host> {
        let host = Host::new(Some(c"mine"), &Arc::default());
        *host.state() = state;
        Arc::new(host)
    }

    fn opening(attempt: u64, until: i64) -> State {
        State::Opening { attempt, until, link: Link::new() }
    }

    #[test]
    fn what_an_older_attempt_gives_is_ignored() {
        let host = host(opening(2, soon()));
        host.conclude(1, Err(ERROR));
        assert!(matches!(*host.state(), State::Opening { attempt: 2, .. }));
        host.conclude(2, Err(Errno(libc::ETIMEDOUT)));
        assert!(matches!(*host.state(), State::Down { attempt: 2, error: None }));
    }

    #[test]
    fn no_more_attempts_hang_than_may() {
        let host = host(opening(1, 0));
        let hanging = vec![Arc::clone(&host.at_it); HANGING_MAX];
        let outcome = host.connection(clock::monotonic() + 20_000_000);
        assert_eq!(outcome.map(drop), Err(Errno(libc::ETIMEDOUT)));
        assert!(matches!(*host.state(), State::Opening { attempt: 1, .. }));
        drop(hanging);
    }
}
