//! The libvirt client: connections that are kept, each with the domains looked up on it.
//!
//! A call runs on its caller's thread, on a connection that is open already, one at a time on each, and is
//! bounded by a time after which the connection's sockets are shut down: keep-alive finds a daemon that
//! is dead or stopped, but not one that answers it and nothing else, as when a virtual machine hangs.
//! Connections are opened on threads of their own, as nothing can be done about a TCP connect or an ssh
//! that takes its time. One that is dead is opened again, once for each call, within the call's time.

mod host;
mod open;
mod uri;

pub use crate::sys::libvirt::Info;

use crate::log::{Level, Logger};
use crate::sys::libvirt::{Connection, Domain, Error, Outcome};
use crate::sys::{clock, Errno, Result};
use host::Host;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What a client's maker may choose.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The longest that a call takes.
    pub timeout: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config { timeout: Duration::from_secs(5) }
    }
}

/// Counts since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections opened, those opened again among them.
    pub connects: u64,
    /// Domains that libvirt was asked for by their names.
    pub lookups: u64,
    /// Calls of the program's that had a host to go to.
    pub calls: u64,
}

/// What the hosts of a client share.
#[derive(Default)]
struct Common {
    timeout_ns: i64,
    connects: AtomicU64,
    lookups: AtomicU64,
    calls: AtomicU64,
    /// Threads that nothing but libvirt can end: see [`THREADS_MAX`].
    threads: AtomicUsize,
}

/// How many threads of a client may hang in libvirt; then it refuses what would take another. Those that
/// close a connection that nothing bounds are not among them: there is one at most for each connection.
const THREADS_MAX: usize = 256;

const LOG: Logger = Logger(Level::None);

/// Connections to hosts, each known by a name of the program's.
///
/// Every method may be called from any thread. Calls to the daemon of one host follow each other, those
/// for several hosts run together.
pub struct Client {
    common: Arc<Common>,
    hosts: Mutex<Hosts>,
}

#[derive(Default)]
struct Hosts {
    kept: HashMap<CString, Arc<Host>>,
    /// Those that are being connected for the first time.
    begun: Vec<Arc<Host>>,
    /// Those whose names are others' now, while calls are inside.
    replaced: Vec<Weak<Host>>,
    is_closed: bool,
}

impl Client {
    /// Errors: `EINVAL` for a time of 0.
    pub fn new(config: &Config) -> Result<Client> {
        let timeout_ns = i64::try_from(config.timeout.as_nanos()).unwrap_or(i64::MAX / 4);
        if timeout_ns == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let common = Arc::new(Common { timeout_ns, ..Common::default() });
        Ok(Client { common, hosts: Mutex::default() })
    }

    /// Connects to `uri` (`None`: libvirt's default) under the name `host`, in place of what had this
    /// name before, which stays when that fails.
    ///
    /// Errors: [`Errno::LIBVIRT`] when libvirt is not installed; `ETIMEDOUT`; `EAGAIN` when threads
    /// are short; `ESHUTDOWN` when closed; what libvirt says.
    pub fn connect(&self, host: &CStr, uri: Option<&CStr>) -> Result<()> {
        Connection::load()?;
        let fresh = Arc::new(Host::new(uri, &self.common));
        self.begin(&fresh)?;
        let outcome = fresh.connection(self.deadline()).map(drop);
        let mut hosts = self.hosts();
        hosts.begun.retain(|begun| !Arc::ptr_eq(begun, &fresh));
        outcome?;
        if hosts.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        if let Some(former) = hosts.kept.insert(host.to_owned(), fresh) {
            hosts.replaced.retain(|host| host.strong_count() > 0);
            hosts.replaced.push(Arc::downgrade(&former));
            drop(hosts);
            // Its daemon may take its time to answer the good-bye; only where no thread can be had is
            // that this call's as well.
            let _ = open::start(&self.common, "virt-close", move || drop(former));
        }
        Ok(())
    }

    fn begin(&self, fresh: &Arc<Host>) -> Result<()> {
        let mut hosts = self.hosts();
        if hosts.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        hosts.begun.push(Arc::clone(fresh));
        Ok(())
    }

    /// Errors: `ENOTCONN` when no host has the name; `ENOENT` when it has no such domain; `ETIMEDOUT`,
    /// `ESHUTDOWN`; what libvirt says.
    pub fn info(&self, host: &CStr, domain: &CStr) -> Result<Info> {
        self.on_domain(host, domain, Domain::info, Domain::info)
    }

    /// Errors: as [`info`](Client::info); `EBUSY` when the domain's state does not allow it.
    pub fn suspend(&self, host: &CStr, domain: &CStr) -> Result<()> {
        self.on_domain(host, domain, Domain::suspend, |domain| {
            unless_done(domain, domain.suspend(), &[Info::PAUSED])
        })
    }

    /// Errors: as [`suspend`](Client::suspend).
    pub fn resume(&self, host: &CStr, domain: &CStr) -> Result<()> {
        self.on_domain(host, domain, Domain::resume, |domain| {
            unless_done(domain, domain.resume(), &[Info::RUNNING, Info::BLOCKED])
        })
    }

    /// The names of all domains of a host, in order. Errors: as [`info`](Client::info).
    pub fn list(&self, host: &CStr) -> Result<Vec<CString>> {
        let deadline = self.deadline();
        let mut names = self
            .host(host)?
            .call(deadline, |open, _| open.domain_names(deadline))
            .map_err(|error| complain(host, None, &error))?;
        names.sort_unstable();
        Ok(names)
    }

    /// `again` is for the second try, when the connection was lost in the first.
    fn on_domain<T: Send + 'static>(
        &self,
        host: &CStr,
        domain: &CStr,
        act: fn(&Domain) -> Outcome<T>,
        again: fn(&Domain) -> Outcome<T>,
    ) -> Result<T> {
        let deadline = self.deadline();
        self.host(host)?
            .call(deadline, |open, is_second| {
                open.on_domain(deadline, domain, if is_second { again } else { act })
            })
            .map_err(|error| complain(host, Some(domain), &error))
    }

    pub fn stats(&self) -> Stats {
        Stats {
            connects: self.common.connects.load(Relaxed),
            lookups: self.common.lookups.load(Relaxed),
            calls: self.common.calls.load(Relaxed),
        }
    }

    /// Closes all connections. Calls inside end with `ESHUTDOWN`, so far as anything can end them.
    pub fn close(&self) {
        let Hosts { kept, begun, replaced, .. } =
            std::mem::replace(&mut *self.hosts(), Hosts { is_closed: true, ..Hosts::default() });
        let replaced = replaced.iter().filter_map(Weak::upgrade);
        host::end_all(kept.into_values().chain(begun).chain(replaced));
    }

    fn host(&self, name: &CStr) -> Result<Arc<Host>> {
        let hosts = self.hosts();
        if hosts.is_closed {
            return Err(Errno(libc::ESHUTDOWN));
        }
        let host = hosts.kept.get(name).cloned().ok_or(Errno(libc::ENOTCONN))?;
        self.common.calls.fetch_add(1, Relaxed);
        Ok(host)
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self) -> i64 {
        clock::monotonic().saturating_add(self.common.timeout_ns)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

/// What a second try gave: an error says nothing where the first has had its effect, though its answer was
/// lost, and the domain is in one of the states that were asked for.
fn unless_done(domain: &Domain, outcome: Outcome<()>, asked: &[u32]) -> Outcome<()> {
    outcome.or_else(|error| match domain.info() {
        Ok(info) if asked.contains(&info.state) => Ok(()),
        _ => Err(error),
    })
}

/// libvirt's own words go to the log: a number is all that the caller gets. What has none was the
/// caller's doing, or has been told before, but for the time that is over.
fn complain(host: &CStr, domain: Option<&CStr>, error: &Error) -> Errno {
    let timeout = Errno(libc::ETIMEDOUT).to_string();
    let text = match error.text.as_str() {
        "" if error.errno == Errno(libc::ETIMEDOUT) => &timeout,
        text => text,
    };
    if !text.is_empty() {
        let host = host.to_string_lossy();
        let domain = domain.map(|domain| format!(", domain {}", domain.to_string_lossy()));
        let domain = domain.unwrap_or_default();
        LOG.log(Level::Warning, format_args!("libvirt: host {host}{domain}: {text}"));
    }
    error.errno
}
