//! An open connection with the domains looked up on it.

use super::{Common, THREADS_MAX};
use crate::sys::libvirt::{Bound, Connection, Domain, Outcome};
use crate::sys::{thread, Errno};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many domains are kept; one more, and all are looked up anew.
const DOMAINS_MAX: usize = 4096;

pub struct Open {
    /// Before the connection, which they hold as well, so that the daemon is told when both go.
    domains: Mutex<HashMap<CString, Arc<Domain>>>,
    pub connection: Arc<Connection>,
    common: Arc<Common>,
}

impl Open {
    pub fn new(connection: Connection, common: &Arc<Common>) -> Open {
        let (connection, common) = (Arc::new(connection), Arc::clone(common));
        Open { domains: Mutex::default(), connection, common }
    }

    /// Does something with a domain, until `deadline`.
    pub fn on_domain<T: Send + 'static>(
        self: &Arc<Open>,
        deadline: i64,
        name: &CStr,
        act: fn(&Domain) -> Outcome<T>,
    ) -> Outcome<T> {
        if self.connection.bound() == Bound::Nothing {
            let name = name.to_owned();
            return self.within(deadline, move |open| open.act(&name, act));
        }
        self.bounded(deadline, || self.act(name, act))
    }

    pub fn domain_names(self: &Arc<Open>, deadline: i64) -> Outcome<Vec<CString>> {
        if self.connection.bound() == Bound::Nothing {
            return self.within(deadline, |open| open.connection.domain_names());
        }
        self.bounded(deadline, || self.connection.domain_names())
    }

    /// Makes a call on this thread, when it is its turn; at `deadline` the connection's sockets are shut
    /// down. Errors: `ETIMEDOUT` when others use it for so long; what the call says.
    fn bounded<T>(&self, deadline: i64, call: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        if self.connection.bound() == Bound::Local {
            return call();
        }
        let link = self.connection.link();
        let _turn = link.turn(deadline)?;
        let _deadline = link.end_at(deadline);
        call()
    }

    /// Makes a call on a thread of its own, where nothing else can bound it. When the time is over, the
    /// thread is left to itself, and the connection with it, as when another call's time is over or the
    /// client is closed.
    ///
    /// Errors: `EIO` when it is left so; `EAGAIN` when too many such threads hang; what the call says.
    fn within<T: Send + 'static>(
        self: &Arc<Open>,
        deadline: i64,
        call: impl FnOnce(&Open) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let open = Arc::clone(self);
        start(&self.common, "virt-call", move || {
            let link = open.connection.link();
            let outcome = match link.turn(deadline) {
                Ok(_turn) => call(&open),
                Err(error) => Err(error.into()),
            };
            // Nobody may be waiting any more.
            let _ = sender.send(outcome);
            link.wake();
        })?;
        let link = self.connection.link();
        let outcome = link.wait(deadline, || match receiver.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Disconnected) => Some(Err(Errno::PANIC.into())),
            Err(TryRecvError::Empty) => None,
        });
        outcome.unwrap_or_else(|| {
            link.end();
            Err(Errno(libc::EIO).into())
        })
    }

    /// One that was known but is gone is looked up anew: it may have been defined again.
    fn act<T>(&self, name: &CStr, act: fn(&Domain) -> Outcome<T>) -> Outcome<T> {
        let known = self.domains().get(name).cloned();
        if let Some(domain) = known {
            match act(&domain) {
                Err(error) if error.is_no_domain => drop(self.domains().remove(name)),
                outcome => return outcome,
            }
        }
        act(&*self.look_up(name)?)
    }

    fn look_up(&self, name: &CStr) -> Outcome<Arc<Domain>> {
        self.common.lookups.fetch_add(1, Relaxed);
        let domain = Arc::new(self.connection.look_up(name)?);
        let mut domains = self.domains();
        if domains.len() >= DOMAINS_MAX {
            domains.clear();
        }
        domains.insert(name.to_owned(), Arc::clone(&domain));
        Ok(domain)
    }

    fn domains(&self) -> MutexGuard<'_, HashMap<CString, Arc<Domain>>> {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread that may hang in libvirt.
///
/// Errors: `EAGAIN` when too many do, or when the system has no more.
pub fn start(
    common: &Arc<Common>,
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> Result<(), Errno> {
    let mine = Ticket(Arc::clone(common));
    if common.threads.fetch_add(1, Relaxed) >= THREADS_MAX {
        return Err(Errno(libc::EAGAIN));
    }
    let body = move || {
        let _mine = mine;
        body();
    };
    thread::spawn_deep(name.into(), body).map(drop)
}

/// One of the threads that are counted.
struct Ticket(Arc<Common>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Relaxed);
    }
}
