//! poll(2) and select(2): the whole list goes to the kernel at each wait.

use super::super::{check, clock, socket, Errno, Result};
use super::{Interest, Ready};
use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Poll,
    Select,
}

#[derive(Debug)]
pub struct List {
    call: Call,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Entry>,
    /// Where in `all` a descriptor is.
    places: HashMap<RawFd, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    fd: RawFd,
    token: u64,
    interest: Interest,
    /// Its owner remembers what was reported, errors too: they are not reported for ever.
    is_followed: bool,
    /// It was reported to have failed.
    has_failed: bool,
}

/// The list as one wait hands it over.
#[derive(Default)]
pub struct Copies {
    entries: Vec<Entry>,
    polled: Vec<libc::pollfd>,
    readable: Vec<u64>,
    writable: Vec<u64>,
    failed: Vec<u64>,
}

const MISSING: Errno = Errno(libc::ENOENT);

impl List {
    pub fn new(call: Call) -> List {
        List { call, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, fd: RawFd, token: u64, interest: Interest) -> Result<()> {
        self.insert(Entry { fd, token, interest, is_followed: false, has_failed: false })
    }

    pub fn follow(&self, fd: RawFd, token: u64) -> Result<()> {
        let interest = Interest { readable: true, writable: true };
        self.insert(Entry { fd, token, interest, is_followed: true, has_failed: false })
    }

    fn insert(&self, entry: Entry) -> Result<()> {
        let fd = entry.fd;
        socket::check_open(fd)?;
        let mut entries = self.entries();
        if let Some(place) = entries.places.get(&fd).copied() {
            if !entry.is_followed {
                return Err(Errno(libc::EEXIST));
            }
            // The loop has just made it: who had the number before has closed it.
            entries.all[place] = entry;
            return Ok(());
        }
        let place = entries.all.len();
        entries.places.insert(fd, place);
        entries.all.push(entry);
        Ok(())
    }

    pub fn modify(&self, fd: RawFd, interest: Interest) -> Result<()> {
        let mut entries = self.entries();
        let place = *entries.places.get(&fd).ok_or(MISSING)?;
        entries.all[place].interest = interest;
        Ok(())
    }

    /// Nothing happens when the number is another's.
    pub fn remove(&self, fd: RawFd, token: u64) {
        let mut entries = self.entries();
        let place = entries.places.get(&fd).copied();
        let Some(place) = place.filter(|place| entries.all[*place].token == token) else { return };
        entries.places.remove(&fd);
        entries.all.swap_remove(place);
        if let Some(moved) = entries.all.get(place).map(|entry| entry.fd) {
            entries.places.insert(moved, place);
        }
    }

    pub fn clear(&self) {
        *self.entries() = Entries::default();
    }

    pub fn wait(
        &self,
        copies: &mut Copies,
        ready: &mut Vec<Ready>,
        timeout_ns: Option<i64>,
    ) -> Result<()> {
        copies.entries.clear();
        copies.entries.extend_from_slice(&self.entries().all);
        match self.call {
            Call::Poll => copies.poll(ready, timeout_ns)?,
            Call::Select => copies.select(ready, timeout_ns)?,
        }
        self.note_failed(ready);
        Ok(())
    }

    /// Remembers what has failed, which poll(2) would report for ever.
    fn note_failed(&self, ready: &[Ready]) {
        let failed: HashSet<u64> =
            ready.iter().filter(|one| one.failed).map(|one| one.token).collect();
        if !failed.is_empty() {
            for entry in &mut self.entries().all {
                entry.has_failed |= entry.is_followed && failed.contains(&entry.token);
            }
        }
    }
}

impl Copies {
    fn poll(&mut self, ready: &mut Vec<Ready>, timeout_ns: Option<i64>) -> Result<()> {
        self.polled.clear();
        self.polled.extend(self.entries.iter().map(|entry| {
            let readable = if entry.interest.readable { libc::POLLIN | libc::POLLRDHUP } else { 0 };
            let writable = if entry.interest.writable { libc::POLLOUT } else { 0 };
            // Its owner knows, and expects nothing more.
            let is_over = entry.has_failed && entry.interest == Interest::default();
            let fd = if is_over { !entry.fd } else { entry.fd };
            libc::pollfd { fd, events: readable | writable, revents: 0 }
        }));
        let time = timeout_ns.map(clock::timespec);
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the list is valid for reading and writing its entries, `time` is NULL or valid.
        check(unsafe {
            let count = self.polled.len() as libc::nfds_t;
            libc::ppoll(self.polled.as_mut_ptr(), count, time, ptr::null())
        })?;
        for (entry, polled) in self.entries.iter().zip(&self.polled) {
            let has = |flags: i16| polled.revents & flags != 0;
            if polled.revents != 0 {
                let failed = has(libc::POLLERR | libc::POLLHUP);
                ready.push(Ready {
                    token: entry.token,
                    readable: failed || has(libc::POLLIN | libc::POLLRDHUP),
                    writable: failed || has(libc::POLLOUT),
                    ended: failed || has(libc::POLLRDHUP),
                    urgent: false,
                    failed,
                    closed: has(libc::POLLNVAL),
                });
            }
        }
        Ok(())
    }

    fn select(&mut self, ready: &mut Vec<Ready>, timeout_ns: Option<i64>) -> Result<()> {
        let highest = self.entries.iter().map(|entry| entry.fd).max().unwrap_or(0);
        let words = highest as usize / 64 + 1;
        for set in [&mut self.readable, &mut self.writable, &mut self.failed] {
            set.clear();
            set.resize(words, 0);
        }
        for entry in &self.entries {
            if entry.interest.readable {
                mark(&mut self.readable, entry.fd);
            }
            if entry.interest.writable {
                mark(&mut self.writable, entry.fd);
            }
        }
        let time = timeout_ns.map(clock::timespec);
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the kernel reads and writes as many bits of each set as `highest` says, rounded
        // up to whole words, which is what the sets hold; the C library hands them on unseen, so
        // that FD_SETSIZE does not matter. `time` is NULL or valid.
        let found = check(unsafe {
            libc::pselect(
                highest + 1,
                self.readable.as_mut_ptr().cast(),
                self.writable.as_mut_ptr().cast(),
                self.failed.as_mut_ptr().cast(),
                time,
                ptr::null(),
            )
        });
        match found {
            Err(Errno(libc::EBADF)) => return self.report_closed(ready),
            found => found?,
        };
        for entry in &self.entries {
            let readable = is_marked(&self.readable, entry.fd);
            let writable = is_marked(&self.writable, entry.fd);
            if readable || writable {
                // A hang-up makes it readable, an error both; which one, the next call on it says.
                ready.push(Ready {
                    token: entry.token,
                    readable,
                    writable,
                    ended: readable,
                    urgent: false,
                    failed: false,
                    closed: false,
                });
            }
        }
        Ok(())
    }

    /// select(2) says only that one of them is closed, not which.
    fn report_closed(&self, ready: &mut Vec<Ready>) -> Result<()> {
        ready.extend(self.entries.iter().filter(|entry| !is_open(entry.fd)).map(|entry| Ready {
            token: entry.token,
            readable: false,
            writable: false,
            ended: false,
            urgent: false,
            failed: false,
            closed: true,
        }));
        Ok(())
    }
}

fn is_open(fd: RawFd) -> bool {
    socket::check_open(fd).is_ok()
}

fn mark(set: &mut [u64], fd: RawFd) {
    set[fd as usize / 64] |= 1 << (fd as u32 % 64);
}

fn is_marked(set: &[u64], fd: RawFd) -> bool {
    set[fd as usize / 64] & 1 << (fd as u32 % 64) != 0
}
