//! Connecting: the addresses of a name are tried in turn, each with a head start (RFC 8305).

use super::Connection;
use crate::evloop::core::Core;
use crate::evloop::slab::Id;
use crate::sys::addr::Addr;
use crate::sys::stream::{Options, Stream, StreamAddr};
use crate::sys::{Errno, Result};
use std::collections::VecDeque;

/// RFC 8305, section 5: the Connection Attempt Delay.
const HEAD_START: i64 = 250_000_000;

/// How long to wait before asking a busy Unix socket again.
const BUSY_PAUSE: i64 = 10_000_000;

/// A way that is being tried.
#[derive(Debug)]
pub struct Attempt {
    pub connection: Id,
    pub stream: Stream,
}

/// The state of a connection that is not one yet.
#[derive(Debug)]
pub struct Dial {
    options: Options,
    /// Those not tried yet.
    addresses: VecDeque<StreamAddr>,
    attempts: Vec<Id>,
    /// When to try the next, though another is still under way.
    pub next_at: Option<i64>,
    /// How the last one failed.
    error: Errno,
}

impl Dial {
    pub fn new(options: &Options) -> Dial {
        Dial {
            options: options.clone(),
            addresses: VecDeque::new(),
            attempts: Vec::new(),
            next_at: None,
            error: Errno::NAME,
        }
    }

    pub fn set_addresses(&mut self, addresses: Vec<StreamAddr>) {
        self.addresses = interleave(addresses).into();
    }

    /// Begins with the next address; gives the stream when that is connected at once, `None` while
    /// there is something to wait for.
    ///
    /// Errors: how the last one failed, when all have.
    pub fn try_next(&mut self, connection: Id, core: &mut Core) -> Result<Option<Stream>> {
        while let Some(address) = self.addresses.pop_front() {
            match self.begin(&address, connection, core) {
                Ok(Some(stream)) => return Ok(Some(stream)),
                Ok(None) => {
                    let has_more = !self.addresses.is_empty();
                    self.next_at = has_more.then(|| core.now + HEAD_START);
                    return Ok(None);
                }
                Err(Errno(libc::EAGAIN)) if address.is_unix() => {
                    // Its listener has more waiting than it wants; nothing tells when it has not.
                    self.addresses.push_front(address);
                    self.next_at = Some(core.now + BUSY_PAUSE);
                    return Ok(None);
                }
                Err(error) => self.error = error,
            }
        }
        self.next_at = None;
        if self.attempts.is_empty() {
            return Err(self.error);
        }
        Ok(None)
    }

    fn begin(
        &mut self,
        address: &StreamAddr,
        connection: Id,
        core: &mut Core,
    ) -> Result<Option<Stream>> {
        let (stream, is_connected) = Stream::connect(address, &self.options)?;
        if is_connected {
            return Ok(Some(stream));
        }
        let fd = stream.raw();
        let attempt = core.attempts.insert(Attempt { connection, stream })?;
        if let Err(error) = core.poller.follow(fd, attempt.bits()) {
            core.attempts.remove(attempt);
            return Err(error);
        }
        self.attempts.push(attempt);
        Ok(None)
    }

    /// Looks how an attempt went that was reported: `None` when it is still under way.
    pub fn outcome(&mut self, attempt: Id, core: &mut Core) -> Option<Result<Stream>> {
        let stream = &core.attempts.get(attempt)?.stream;
        let error = stream.take_error();
        if error.is_none() && stream.remote().is_err() {
            return None;
        }
        self.attempts.retain(|other| *other != attempt);
        let stream = release(attempt, core)?;
        Some(match error {
            Some(error) => {
                self.error = error;
                Err(error)
            }
            None => Ok(stream),
        })
    }

    /// Gives up all that is under way.
    pub fn abandon(&mut self, connection: Id, core: &mut Core) {
        core.resolver.cancel(connection);
        for attempt in self.attempts.drain(..) {
            release(attempt, core);
        }
    }
}

fn release(attempt: Id, core: &mut Core) -> Option<Stream> {
    let stream = core.attempts.remove(attempt)?.stream;
    core.poller.remove(stream.raw(), attempt.bits());
    Some(stream)
}

/// IPv6 and IPv4 in turn, beginning with the family that the system prefers (RFC 8305, section 4).
fn interleave(addresses: Vec<StreamAddr>) -> Vec<StreamAddr> {
    let first = addresses.first().is_some_and(StreamAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut all = Vec::new();
    loop {
        let pair = (preferred.next(), others.next());
        if pair.0.is_none() && pair.1.is_none() {
            return all;
        }
        all.extend(pair.0);
        all.extend(pair.1);
    }
}

/// The address that `host` and `service` are without being looked up: a Unix socket ("unix:/path",
/// or "unix:@name" for one without a file), or numbers.
///
/// Errors: `EINVAL` for a Unix path that is empty or too long, and for a port above 65535, which the
/// system would cut down to another.
pub fn literal(host: &str, service: &str) -> Result<Option<StreamAddr>> {
    if let Some(path) = host.strip_prefix("unix:") {
        let name = match path.strip_prefix('@') {
            Some(name) => [b"\0", name.as_bytes()].concat(),
            None => path.as_bytes().to_vec(),
        };
        if name.iter().all(|byte| *byte == 0) {
            return Err(Errno(libc::EINVAL));
        }
        return StreamAddr::unix(&name).map(Some);
    }
    let port = service.parse::<u16>().ok();
    let is_number = !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && port.is_none() {
        return Err(Errno(libc::EINVAL));
    }
    Ok(port.and_then(|port| Addr::parse(host, port).ok()).map(StreamAddr::from))
}

impl Connection {
    /// Goes on with connecting: `next` is how the last step went.
    pub fn dial_on(&mut self, core: &mut Core, next: Result<Option<Stream>>) {
        match next {
            Ok(None) => self.arm(core),
            Ok(Some(stream)) => self.connected(core, stream),
            Err(error) => self.end(core, error.0),
        }
    }

    /// Takes the addresses that a name has, or how it failed.
    pub fn resolved(&mut self, core: &mut Core, found: Result<Vec<StreamAddr>>) {
        let Some(dial) = &mut self.dial else { return };
        let next = found.and_then(|addresses| {
            dial.set_addresses(addresses);
            dial.try_next(self.id, core)
        });
        self.dial_on(core, next);
    }

    /// Something was reported of an attempt of this connection's.
    pub fn attempted(&mut self, core: &mut Core, attempt: Id) {
        let Some(dial) = &mut self.dial else { return };
        let next = match dial.outcome(attempt, core) {
            None => return,
            Some(Ok(stream)) => Ok(Some(stream)),
            Some(Err(_)) => dial.try_next(self.id, core),
        };
        self.dial_on(core, next);
    }
}
