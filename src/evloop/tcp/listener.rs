//! Where connections come in.

use super::{literal, Config, Connection};
use crate::evloop::core::{Core, Subject};
use crate::evloop::event::{Event, EventKind};
use crate::evloop::slab::{Id, Slab};
use crate::sys::addr::Addr;
use crate::sys::poller::Interest;
use crate::sys::stream::StreamAddr;
use crate::sys::{resolve, stream, Errno, Result};

#[derive(Debug)]
pub struct Listener {
    pub socket: stream::Listener,
    pub config: Config,
    pub user: u64,
    /// Runs while it rests after it could not accept.
    pub rest: Option<Id>,
}

/// How many connections are taken in at a time, so that others get their turn.
const TURN: usize = 64;

/// How long a listener rests when descriptors or memory are short: looking again at once would
/// keep the processor busy for nothing.
const REST: i64 = 100_000_000;

impl Listener {
    /// Takes in what has come.
    pub fn accept(&mut self, id: Id, core: &mut Core, connections: &mut Slab<Box<Connection>>) {
        for _ in 0..TURN {
            let error = match self.socket.accept() {
                Ok(stream) => match self.admit(id, stream, core, connections) {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(Errno(libc::EAGAIN)) => return,
                Err(error) => error,
            };
            core.stats.accept_errors += 1;
            if !is_of_the_connection(error) {
                return self.pause(id, error, core);
            }
        }
    }

    fn admit(
        &self,
        id: Id,
        stream: stream::Stream,
        core: &mut Core,
        connections: &mut Slab<Box<Connection>>,
    ) -> Result<()> {
        let connection = Connection::open(stream, &self.config, self.user, core.now);
        let new = Connection::enter(connection, core, connections)?;
        core.stats.accepted += 1;
        let mut event = Event::new(EventKind::Accepted, Some(new), self.user);
        event.value = id.bits();
        core.events.push_back(event);
        Ok(())
    }

    fn pause(&mut self, id: Id, error: Errno, core: &mut Core) {
        if !self.socket.has_waiting() {
            // The kernel looks for a descriptor first, and for a connection then.
            return;
        }
        let mut event = Event::new(EventKind::Refused, Some(id), self.user);
        event.error = error.0;
        core.events.push_back(event);
        self.rest = core.timers.add(core.now + REST, 0, Subject::Listener(id)).ok();
        if self.rest.is_some() {
            let _ = core.poller.modify(self.socket.raw(), id.bits(), Interest::default());
        }
    }

    /// Looks again after a rest.
    pub fn resume(&mut self, id: Id, core: &mut Core) {
        if let Some(timer) = self.rest.take() {
            core.timers.remove(timer);
        }
        let _ = core.poller.modify(self.socket.raw(), id.bits(), Interest::READ);
    }

    /// Takes in no more.
    pub fn close(self, id: Id, core: &mut Core) {
        if let Some(timer) = self.rest {
            core.timers.remove(timer);
        }
        core.poller.remove(self.socket.raw(), id.bits());
        self.socket.shutdown();
    }
}

/// Whether a connection has ended before it was taken, which is no fault of the listener's
/// (accept(2), "Error handling").
fn is_of_the_connection(error: Errno) -> bool {
    matches!(
        error.0,
        libc::ECONNABORTED
            | libc::EINTR
            | libc::EPROTO
            | libc::EPERM
            | libc::ENOPROTOOPT
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENONET
            | libc::ETIMEDOUT
    )
}

/// Listens at the first of the addresses that this host has.
pub fn open(host: &str, service: &str, config: &Config) -> Result<stream::Listener> {
    let addresses = match literal(host, service)? {
        Some(address) => vec![address],
        None if host.is_empty() => all_interfaces(service, config.options.only_v6)?,
        None => resolve::lookup(Some(host), service)?.into_iter().map(StreamAddr::from).collect(),
    };
    let mut outcome = Err(Errno::NAME);
    for address in &addresses {
        outcome = stream::Listener::open(address, &config.options, config.backlog);
        // Only a host that has no such address, or no such protocol, is offered another.
        if !matches!(outcome, Err(Errno(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))) {
            break;
        }
    }
    outcome
}

/// IPv6's, which takes IPv4 as well, before IPv4's, for hosts that have no IPv6.
fn all_interfaces(service: &str, only_v6: bool) -> Result<Vec<StreamAddr>> {
    let mut addresses = resolve::lookup(None, service)?;
    addresses.sort_by_key(Addr::is_ipv4);
    addresses.retain(|address| !only_v6 || !address.is_ipv4());
    Ok(addresses.into_iter().map(StreamAddr::from).collect())
}
