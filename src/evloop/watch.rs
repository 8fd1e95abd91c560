//! Descriptors of the caller's that a loop waits for.

use super::core::Core;
use super::event::{Event, EventKind};
use super::slab::{Id, Kind, Slab};
use crate::sys::poller::{Interest, Ready};
use crate::sys::{poll, socket, Errno, Result};
use std::collections::HashMap;
use std::os::fd::RawFd;

/// For the `value` of an event: what the descriptor is ready for.
pub const READABLE: u64 = 1;
pub const WRITABLE: u64 = 2;
/// It is in error, hung up, or closed.
pub const FAILED: u64 = 4;

/// All watched descriptors. They stay the caller's, who may close them without a word; what the
/// poller says of such a one is kept from the caller's others.
#[derive(Debug)]
pub struct Watches {
    all: Slab<Watch>,
    by_fd: HashMap<RawFd, Id>,
}

#[derive(Debug)]
struct Watch {
    fd: RawFd,
    /// Which file it is, as its number may become another's. Anonymous ones, as eventfds, all pass
    /// for the same.
    file: socket::File,
    interest: Interest,
    user: u64,
}

impl Watch {
    /// Whether its number still means the file that was to be watched: not when the caller has
    /// closed that, whoever has the number now.
    fn is_there(&self) -> bool {
        socket::file_of(self.fd) == Ok(self.file)
    }
}

impl Watches {
    pub fn new() -> Watches {
        Watches { all: Slab::new(Kind::Watch), by_fd: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Errors: `EBADF`; `EEXIST` when it is watched already; `EPERM` for a file that is always
    /// ready.
    pub fn add(&mut self, core: &mut Core, fd: RawFd, interest: Interest, user: u64) -> Result<Id> {
        let file = socket::file_of(fd)?;
        if file.is_on_disk {
            return Err(Errno(libc::EPERM));
        }
        let before = self.by_fd.get(&fd).copied();
        if let Some(before) = before {
            let is_same = self.all.get(before).is_some_and(|watch| watch.file == file);
            if !is_same {
                self.lose(core, before);
            }
        }
        let id = self.all.insert(Watch { fd, file, interest, user })?;
        if let Err(error) = core.poller.add(fd, id.bits(), interest) {
            self.all.remove(id);
            return Err(error);
        }
        if let Some(before) = before.filter(|before| self.all.get(*before).is_some()) {
            // The kernel did not know it: what was watched before has been closed.
            self.tell_lost(core, before);
        }
        self.by_fd.insert(fd, id);
        Ok(id)
    }

    /// Errors: `EBADF` when there is no such watch, or its descriptor is closed.
    pub fn modify(&mut self, core: &Core, id: Id, interest: Interest) -> Result<()> {
        let watch = self.all.get_mut(id).ok_or(Errno(libc::EBADF))?;
        if !watch.is_there() {
            return Err(Errno(libc::EBADF));
        }
        core.poller.modify(watch.fd, id.bits(), interest)?;
        watch.interest = interest;
        Ok(())
    }

    /// Errors: `EBADF` when there is no such watch.
    pub fn remove(&mut self, core: &Core, id: Id) -> Result<()> {
        let watch = self.all.remove(id).ok_or(Errno(libc::EBADF))?;
        self.by_fd.remove(&watch.fd);
        if watch.is_there() {
            core.poller.remove(watch.fd, id.bits());
        }
        Ok(())
    }

    /// Whether any of `value` is what a descriptor is waited for now.
    pub fn wants(&self, id: Id, value: u64) -> bool {
        self.all.get(id).is_some_and(|watch| value & flags(watch.interest) != 0)
    }

    /// Whether a descriptor is ready now. That an event says so may be long ago.
    pub fn is_ready(&self, id: Id) -> bool {
        self.all.get(id).is_some_and(|watch| poll::is_ready(watch.fd, watch.interest))
    }

    pub fn user_mut(&mut self, id: Id) -> Option<&mut u64> {
        self.all.get_mut(id).map(|watch| &mut watch.user)
    }

    /// Something was reported. Gives whether the poller has lost the way: it goes on reporting a
    /// descriptor that is closed here and open in another process, or under another number.
    pub fn on_ready(&mut self, core: &mut Core, id: Id, ready: Ready) -> bool {
        let Some(watch) = self.all.get(id) else { return true };
        if ready.closed || !watch.is_there() {
            let is_removed = core.poller.remove_closed(watch.fd, id.bits());
            self.tell_lost(core, id);
            return !is_removed;
        }
        let mut event = Event::new(EventKind::Descriptor, Some(id), watch.user);
        let found = Interest { readable: ready.readable, writable: ready.writable };
        let failed = if ready.failed { FAILED } else { 0 };
        event.value = (flags(found) & !FAILED | failed) & flags(watch.interest);
        if event.value != 0 {
            core.events.push_back(event);
        }
        false
    }

    /// Watches all anew, as the poller has forgotten them, but those that the caller has closed.
    pub fn follow_all(&mut self, core: &mut Core) -> Result<()> {
        let mut outcome = Ok(());
        for id in self.all.ids() {
            let Some(watch) = self.all.get(id) else { continue };
            if watch.is_there() {
                outcome = outcome.and(core.poller.add(watch.fd, id.bits(), watch.interest));
            } else {
                self.tell_lost(core, id);
            }
        }
        outcome
    }

    /// Forgets a descriptor whose number is another file's now.
    fn lose(&mut self, core: &mut Core, id: Id) {
        if let Some(watch) = self.all.get(id) {
            core.poller.remove_closed(watch.fd, id.bits());
        }
        self.tell_lost(core, id);
    }

    /// The caller has closed a descriptor: that is its last event.
    fn tell_lost(&mut self, core: &mut Core, id: Id) {
        let Some(watch) = self.all.remove(id) else { return };
        self.by_fd.remove(&watch.fd);
        let mut event = Event::new(EventKind::Descriptor, Some(id), watch.user);
        event.value = FAILED;
        event.error = libc::EBADF;
        core.events.push_back(event);
    }
}

/// An interest as the `value` of an event: errors are always one.
fn flags(interest: Interest) -> u64 {
    let flag = |is_set: bool, flag: u64| if is_set { flag } else { 0 };
    flag(interest.readable, READABLE) | flag(interest.writable, WRITABLE) | FAILED
}
