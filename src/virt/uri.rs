//! What a URI that could not be connected to is told to lack.

use crate::sys::libvirt::Error;
use crate::sys::{resolve, Errno};
use std::ffi::CStr;

/// Kinds of hosts (<https://libvirt.org/drivers.html>) and ways to them (<https://libvirt.org/uri.html>).
const DRIVERS: &[&str] = &[
    "bhyve",
    "ch",
    "esx",
    "gsx",
    "hyperv",
    "interface",
    "jailhouse",
    "libxl",
    "lxc",
    "network",
    "nodedev",
    "nwfilter",
    "openvz",
    "parallels",
    "phyp",
    "qemu",
    "remote",
    "secret",
    "storage",
    "test",
    "uml",
    "vbox",
    "vmwarefusion",
    "vmwareplayer",
    "vmwarews",
    "vpx",
    "vz",
    "xen",
    "xenapi",
];
const TRANSPORTS: &[&str] = &["ext", "libssh", "libssh2", "ssh", "tcp", "tls", "unix"];

/// The number for an error of opening. libvirt's own says little where a name has no address, where
/// the URI is none, and where it has handed a kind of URI that it does not know to a daemon that is
/// not there.
pub fn explain(uri: Option<&CStr>, error: &Error) -> Errno {
    let Some(uri) = uri.and_then(|uri| uri.to_str().ok()) else { return error.errno };
    // Without a colon it is a name from libvirt's configuration.
    let Some((scheme, rest)) = uri.split_once(':') else { return error.errno };
    if !is_scheme(scheme) {
        return Errno(libc::EINVAL);
    }
    if !is_known(scheme) {
        return Errno(libc::EPROTONOSUPPORT);
    }
    match host(rest) {
        Some(host) if error.is_vague => {
            resolve::lookup(Some(host), "").err().unwrap_or(error.errno)
        }
        _ => error.errno,
    }
}

/// RFC 3986, section 3.1.
fn is_scheme(text: &str) -> bool {
    let may_follow = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(may_follow)
}

fn is_known(scheme: &str) -> bool {
    let (driver, transport) = scheme.split_once('+').unwrap_or((scheme, "tls"));
    let is_one = |all: &[&str], text: &str| all.iter().any(|one| one.eq_ignore_ascii_case(text));
    is_one(DRIVERS, driver) && is_one(TRANSPORTS, transport)
}

/// The host of what follows a URI's scheme (RFC 3986, section 3.2), if it has one.
fn host(rest: &str) -> Option<&str> {
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => place.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found() {
        let found = |uri: &'static str| host(uri.split_once(':').unwrap().1);
        assert_eq!(found("qemu:///system"), None);
        assert_eq!(found("qemu+ssh://root@example.com:22/system"), Some("example.com"));
        assert_eq!(found("qemu+tcp://[::1]:16509/system"), Some("::1"));
        assert_eq!(found("esx://example.com?no_verify=1"), Some("example.com"));
        assert_eq!(found("test:default"), None);
    }

    #[test]
    fn an_error_is_explained_by_the_uri() {
        let vague = Error { is_vague: true, ..Error::plain(Errno(libc::EIO)) };
        let number = |uri| explain(Some(uri), &vague);
        assert_eq!(number(c":::"), Errno(libc::EINVAL));
        assert_eq!(number(c"1qemu:///system"), Errno(libc::EINVAL));
        assert_eq!(number(c"abacus:///system"), Errno(libc::EPROTONOSUPPORT));
        assert_eq!(number(c"qemu+pigeon://host/system"), Errno(libc::EPROTONOSUPPORT));
        assert_eq!(number(c"qemu:///system"), Errno(libc::EIO));
        assert_eq!(number(c"QEMU+unix:///system"), Errno(libc::EIO));
        assert_eq!(number(c"qemu+tcp://127.0.0.1/system"), Errno(libc::EIO));
        assert_eq!(number(c"mine"), Errno(libc::EIO));
        assert_eq!(explain(None, &vague), Errno(libc::EIO));
    }
}
