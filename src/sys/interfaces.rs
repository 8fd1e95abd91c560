//! The network interfaces of this host (getifaddrs(3)).

use super::addr::{Addr, Family, SockAddr};
use super::{check, Errno, Result};
use std::ffi::CStr;
use std::ptr;

/// An address that a broadcast to one interface's neighbours goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broadcast {
    pub interface: u32,
    /// Port 0.
    pub to: Addr,
}

/// One `ifaddrs` entry, as far as it matters here.
struct Entry {
    index: u32,
    flags: u32,
    broadcast: Option<Addr>,
}

impl Entry {
    fn has(&self, flag: libc::c_int) -> bool {
        self.flags & flag as u32 != 0
    }
}

/// Where broadcasts go: the IPv4 broadcast address of each network that this host is in, on
/// interfaces that are up, and the loopback's own.
///
/// An address may be set up without one, as it often is in containers: it follows from the prefix
/// then (RFC 919).
pub fn broadcasts() -> Result<Vec<Broadcast>> {
    let mut found = Vec::new();
    for entry in entries()? {
        let to = match entry.broadcast {
            // It has no such address, yet delivers to it.
            _ if entry.has(libc::IFF_LOOPBACK) => Addr::v4([127, 255, 255, 255], 0),
            Some(to) if entry.has(libc::IFF_BROADCAST) => to,
            _ => continue,
        };
        let broadcast = Broadcast { interface: entry.index, to };
        if entry.has(libc::IFF_UP) && !found.contains(&broadcast) {
            found.push(broadcast);
        }
    }
    Ok(found)
}

/// Indexes of the interfaces that are up and take multicasts. The loopback is among them for IPv4;
/// over IPv6 nothing can be sent to a group by it.
pub fn for_multicast(family: Family) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in entries()? {
        let takes_here = entry.has(libc::IFF_LOOPBACK) && family == Family::V4;
        let takes = entry.has(libc::IFF_MULTICAST) || takes_here;
        if entry.has(libc::IFF_UP) && takes && !found.contains(&entry.index) {
            found.push(entry.index);
        }
    }
    Ok(found)
}

/// Errors: `ENODEV` when there is none of this index.
pub fn name(index: u32) -> Result<String> {
    let mut name = [0 as libc::c_char; libc::IF_NAMESIZE];
    // SAFETY: `name` has room for the longest name and its NUL.
    if unsafe { libc::if_indextoname(index, name.as_mut_ptr()) }.is_null() {
        return Err(Errno(libc::ENODEV));
    }
    // SAFETY: the call has written a NUL-terminated name.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) };
    Ok(name.to_string_lossy().into_owned())
}

fn entries() -> Result<Vec<Entry>> {
    let mut list = ptr::null_mut();
    // SAFETY: `list` is valid for writing.
    check(unsafe { libc::getifaddrs(&mut list) })?;
    let mut entries = Vec::new();
    let mut next = list;
    // SAFETY: each entry of the list is good until it is freed, below.
    while let Some(entry) = unsafe { next.as_ref() } {
        entries.push(Entry {
            // SAFETY: the name is NUL-terminated, as good as the entry.
            index: unsafe { libc::if_nametoindex(entry.ifa_name) },
            flags: entry.ifa_flags,
            // SAFETY: the addresses, where they are, are as good as the entry.
            broadcast: unsafe { broadcast_of(entry) },
        });
        next = entry.ifa_next;
    }
    // SAFETY: the list is the call's, and nothing of it is kept.
    unsafe { libc::freeifaddrs(list) };
    // An interface may have gone in between.
    entries.retain(|entry| entry.index != 0);
    Ok(entries)
}

/// # Safety
/// The entry's addresses must be NULL or whole.
unsafe fn broadcast_of(entry: &libc::ifaddrs) -> Option<Addr> {
    // SAFETY: the caller's promise.
    let [own, mask, told] = unsafe {
        // One field has the broadcast address, or a point-to-point peer's; without either the C
        // library puts the own address there, or nothing.
        [entry.ifa_addr, entry.ifa_netmask, entry.ifa_ifu].map(|at| SockAddr::read_v4(at))
    };
    let [own, mask] = [own?, mask?].map(bits);
    let told = told.map(bits).filter(|told| *told != 0 && *told != own);
    let follows = match mask {
        // A single address has no neighbours by itself.
        u32::MAX => None,
        // Two have no address in common (RFC 3021) but this one, which stays on the link (RFC 919).
        _ if mask | 1 == u32::MAX => Some(u32::MAX),
        _ => Some(own | !mask),
    };
    told.or(follows).map(|to| Addr::v4(to.to_be_bytes(), 0))
}

fn bits(addr: Addr) -> u32 {
    let [a, b, c, d, ..] = addr.ip();
    u32::from_be_bytes([a, b, c, d])
}
