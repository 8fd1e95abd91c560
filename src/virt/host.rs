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
}

/// Attempts at opening are counted, so that who waits for one knows its outcome from an older one's.
enum State {
    /// The last attempt failed, or what it gave has been lost.
    Down {
        attempt: u64,
        error: Errno,
    },
    /// A thread is at it.
    Opening {
        attempt: u64,
        link: Arc<Link>,
    },
    Open {
        attempt: u64,
        open: Arc<Open>,
    },
    /// The client was closed.
    Ended,
}

impl Host {
    pub fn new(uri: Option<&CStr>, common: &Arc<Common>) -> Host {
        Host {
            uri: uri.map(CStr::to_owned),
            common: Arc::clone(common),
            state: Mutex::new(State::Down { attempt: 0, error: Errno(libc::ENOTCONN) }),
            changed: Condvar::new(),
        }
    }

    /// Makes a call on the open connection. Should that turn out to be dead, it is opened again, once.
    ///
    /// Errors: `ETIMEDOUT` after `deadline`; `ESHUTDOWN` when the client was closed; those of opening;
    /// what `call` says.
    pub fn call<T>(
        self: &Arc<Host>,
        deadline: i64,
        call: impl Fn(&Arc<Open>) -> Outcome<T>,
    ) -> Outcome<T> {
        let mut is_second = false;
        loop {
            let open = self.connection(deadline)?;
            let error = match call(&open) {
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
            match &*state {
                State::Open { open, .. } => return Ok(Arc::clone(open)),
                State::Ended => return Err(Errno(libc::ESHUTDOWN)),
                State::Opening { attempt, .. } => {
                    awaited.get_or_insert(*attempt);
                }
                State::Down { .. } if clock::monotonic() >= deadline => {
                    return Err(Errno(libc::ETIMEDOUT));
                }
                State::Down { attempt, error } => {
                    let is_out_of_time = *error == Errno(libc::ETIMEDOUT);
                    // One that an earlier caller began has had less time than this one has.
                    if awaited.is_some_and(|awaited| *attempt >= awaited) && !is_out_of_time {
                        return Err(*error);
                    }
                    let next = *attempt + 1;
                    *state = self.begin(next)?;
                    awaited = Some(next);
                }
            }
            let left = u64::try_from(deadline - clock::monotonic()).unwrap_or(0);
            if left == 0 {
                return Err(Errno(libc::ETIMEDOUT));
            }
            let wait = self.changed.wait_timeout(state, Duration::from_nanos(left));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts an attempt. Errors: as [`open::start`].
    fn begin(self: &Arc<Host>, attempt: u64) -> Result<State> {
        let link = Link::new();
        let (host, given) = (Arc::clone(self), Arc::clone(&link));
        open::start(&self.common, "virt-open", move || {
            let outcome = host.open(&given);
            host.conclude(attempt, outcome);
        })?;
        Ok(State::Opening { attempt, link })
    }

    /// Opens a connection, on a thread that nobody waits for: it may outlast its time where only the
    /// system can end it, and then be of use to the next call.
    fn open(&self, link: &Arc<Link>) -> Result<Open> {
        let uri = self.uri.as_deref();
        let _deadline = link.end_at(clock::monotonic().saturating_add(self.common.timeout_ns));
        let connection = Connection::open(uri, link).map_err(|error| {
            let errno = if link.is_ended() { Errno(libc::ETIMEDOUT) } else { explain(uri, &error) };
            complain(uri.unwrap_or(c"(default)"), None, &Error { errno, ..error })
        })?;
        let (interval_s, count) = keep_alive(self.common.timeout_ns);
        connection.keep_alive(interval_s, count);
        self.common.connects.fetch_add(1, Relaxed);
        Ok(Open::new(connection, &self.common))
    }

    /// Publishes what an attempt gave.
    fn conclude(&self, attempt: u64, outcome: Result<Open>) {
        let mut state = self.state();
        if !matches!(*state, State::Ended) {
            *state = match outcome {
                Ok(open) => State::Open { attempt, open: Arc::new(open) },
                Err(error) => State::Down { attempt, error },
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
        let error = Errno(libc::ENOTCONN);
        let former = mem::replace(&mut *state, State::Down { attempt, error });
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
