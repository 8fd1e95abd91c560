//! getaddrinfo(3): names of hosts and services as addresses.

use super::addr::{Addr, SockAddr};
use super::{Errno, Result};
use std::ffi::{CStr, CString};
use std::mem;
use std::ptr;

/// The TCP addresses of `host` (`None`: of all interfaces, for listening) and `service`, a name or
/// a number, in the order in which the system wants them tried (RFC 6724). It may block for long.
///
/// Errors: [`Errno::NAME`] when there is no such name; [`Errno::RESOLVE`] when that cannot be found
/// out now; `EINVAL` for a name with a NUL in it; `ENOMEM`, or what the system said.
pub fn lookup(host: Option<&str>, service: &str) -> Result<Vec<Addr>> {
    let text = |text: &str| CString::new(text).map_err(|_| Errno(libc::EINVAL));
    let host = host.map(text).transpose()?;
    let service = text(service)?;
    // SAFETY: all-zero bytes are a value of this structure of integers and pointers.
    let mut hints: libc::addrinfo = unsafe { mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = if host.is_none() { libc::AI_PASSIVE } else { 0 };
    let name = host.as_deref().map_or(ptr::null(), CStr::as_ptr);
    let mut list = ptr::null_mut();
    // SAFETY: the texts are NUL-terminated or NULL, `hints` valid for reading, `list` for writing.
    let code = unsafe { libc::getaddrinfo(name, service.as_ptr(), &hints, &mut list) };
    let found = Found(list);
    match code {
        0 => Ok(found.addresses()),
        libc::EAI_AGAIN => Err(Errno::RESOLVE),
        libc::EAI_MEMORY => Err(Errno(libc::ENOMEM)),
        libc::EAI_SYSTEM => Err(Errno::last()),
        _ => Err(Errno::NAME),
    }
}

/// What getaddrinfo gave, freed at the end.
struct Found(*mut libc::addrinfo);

impl Found {
    fn addresses(&self) -> Vec<Addr> {
        let mut all = Vec::new();
        let mut next = self.0;
        // SAFETY: the list is as getaddrinfo made it: each entry is good, the last one's successor
        // NULL.
        while let Some(entry) = unsafe { next.as_ref() } {
            // SAFETY: its address is a whole one of the family that it says.
            let addr = unsafe { SockAddr::read(entry.ai_addr) };
            all.extend(addr.filter(|addr| !all.contains(addr)));
            next = entry.ai_next;
        }
        all
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: getaddrinfo made it, and it is freed once.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}
