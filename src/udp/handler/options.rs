//! The options that a handler needs on the caller's socket.

use crate::sys::socket::{Switch, UdpSocket};
use crate::sys::{Errno, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// Switches changed, and changed back when the handler is done: the socket may live on.
pub struct Options {
    socket: Arc<UdpSocket>,
    /// With what each was before.
    changed: Mutex<Vec<(Switch, bool)>>,
}

impl Options {
    pub fn new(socket: &Arc<UdpSocket>) -> Options {
        Options { socket: Arc::clone(socket), changed: Mutex::default() }
    }

    pub fn turn_on(&self, switch: Switch) -> Result<()> {
        self.change(switch, true)
    }

    /// A kernel that does not know the switch has it off.
    pub fn turn_off(&self, switch: Switch) -> Result<()> {
        match self.change(switch, false) {
            Err(Errno(libc::ENOPROTOOPT)) => Ok(()),
            changed => changed,
        }
    }

    fn change(&self, switch: Switch, on: bool) -> Result<()> {
        if self.socket.is_on(switch)? != on {
            self.socket.set(switch, on)?;
            self.changed.lock().unwrap_or_else(PoisonError::into_inner).push((switch, !on));
        }
        Ok(())
    }

    pub fn restore(&self) {
        for (switch, was) in self.changed.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Nothing can be done about a socket that refuses what it had before.
            let _ = self.socket.set(switch, was);
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        self.restore();
    }
}
