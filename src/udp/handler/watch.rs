//! A handler that only sends has a thread for the errors that come back.

use super::shared::Shared;
use crate::log::Level;
use crate::sys::epoll::{Epoll, Watch, READY_MAX};
use crate::sys::{Errno, Result};
use std::os::fd::AsFd;

/// Takes ICMP errors as they come, on a thread of a handler that only sends, until it stops.
///
/// The program may read the socket itself then, and an error that nobody takes makes every wait of
/// its own end at once.
pub fn run(shared: &Shared) {
    if let Err(error) = run_until_stop(shared) {
        shared.log.log(Level::Error, format_args!("watching for errors: {error}"));
    }
}

fn run_until_stop(shared: &Shared) -> Result<()> {
    const SOCKET: u64 = 0;
    const STOP: u64 = 1;
    let epoll = Epoll::new()?;
    epoll.add(shared.socket.as_fd(), SOCKET, Watch::Errors)?;
    epoll.add(shared.stop.borrow(), STOP, Watch::Level)?;
    let mut ready = [0; READY_MAX];
    loop {
        match epoll.wait(&mut ready) {
            Ok(tokens) if tokens.contains(&STOP) => return Ok(()),
            Ok(_) => while shared.errors.drain(&shared.socket) > 0 {},
            Err(Errno(libc::EINTR)) => {}
            Err(error) => return Err(error),
        }
    }
}
