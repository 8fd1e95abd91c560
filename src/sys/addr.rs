//! A UDP address: IP, port, and the interface a link-local address belongs to.

use super::{Errno, Result};
use std::ffi::CString;
use std::fmt;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

/// Which IP protocol an address, or a socket, speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Family {
    V4 = 4,
    V6 = 6,
}

/// An IPv4 or IPv6 address with its port, in 24 bytes.
///
/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, what a dual-stack socket reports) stays IPv6, so
/// that it reads the same when it goes out again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Addr {
    /// The bytes of [`Addr::ip`] in words, as these are compared for each
    /// datagram: an array of bytes would go through memory, and stall, each time.
    ip: [u64; 2],
    /// Interface index of a link-local IPv6 address (RFC 4007), otherwise 0.
    pub scope: u32,
    /// Host byte order.
    pub port: u16,
    pub family: Family,
}

const MAPPED_PREFIX: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Addr {
    pub fn v4(ip: [u8; 4], port: u16) -> Addr {
        let mut wide = [0; 16];
        wide[..4].copy_from_slice(&ip);
        Addr::new(Family::V4, wide, 0, port)
    }

    pub fn v6(ip: [u8; 16], scope: u32, port: u16) -> Addr {
        Addr::new(Family::V6, ip, scope, port)
    }

    /// IPv4 takes the first four bytes of `ip`, the rest being 0.
    #[inline]
    pub fn new(family: Family, ip: [u8; 16], scope: u32, port: u16) -> Addr {
        let bits = u128::from_le_bytes(ip);
        Addr { ip: [bits as u64, (bits >> 64) as u64], scope, port, family }
    }

    /// Network order; IPv4 in the first four, the rest being 0.
    #[inline]
    pub fn ip(&self) -> [u8; 16] {
        (u128::from(self.ip[1]) << 64 | u128::from(self.ip[0])).to_le_bytes()
    }

    /// The address alone, in two words that differ when addresses do.
    pub fn ip_words(&self) -> [u64; 2] {
        self.ip
    }

    pub fn with_port(self, port: u16) -> Addr {
        Addr { port, ..self }
    }

    pub fn with_scope(self, scope: u32) -> Addr {
        Addr { scope, ..self }
    }

    /// Whether packets to it are IPv4, from a dual-stack socket too.
    pub fn is_ipv4(&self) -> bool {
        self.family == Family::V4 || self.is_mapped()
    }

    fn is_mapped(&self) -> bool {
        self.ip()[..12] == MAPPED_PREFIX
    }

    /// Reads `192.0.2.1`, `2001:db8::1` or `fe80::1%eth0` (`%2` for an interface index).
    ///
    /// Names are not looked up: resolving may block, and a datagram must not wait for it.
    /// Errors: `EINVAL` for any other text, `ENODEV` for an interface that does not exist.
    pub fn parse(text: &str, port: u16) -> Result<Addr> {
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Addr::v4(ip.octets(), port));
        }
        let (ip, zone) = match text.split_once('%') {
            Some((ip, zone)) => (ip, Some(zone)),
            None => (text, None),
        };
        let ip: Ipv6Addr = ip.parse().map_err(|_| Errno(libc::EINVAL))?;
        let scope = zone.map_or(Ok(0), interface_index)?;
        Ok(Addr::v6(ip.octets(), scope, port))
    }

    /// The form in which a socket of `family` names this peer.
    ///
    /// Errors: `EAFNOSUPPORT` for an IPv6 peer of an IPv4 socket.
    pub fn on(&self, family: Family) -> Result<Addr> {
        match (self.family, family) {
            (Family::V4, Family::V6) => {
                let mut mapped = [0; 16];
                mapped[..12].copy_from_slice(&MAPPED_PREFIX);
                mapped[12..].copy_from_slice(&self.ip()[..4]);
                Ok(Addr::v6(mapped, 0, self.port))
            }
            (Family::V6, Family::V4) if self.is_mapped() => {
                let [.., a, b, c, d] = self.ip();
                Ok(Addr::v4([a, b, c, d], self.port))
            }
            (Family::V6, Family::V4) => Err(Errno(libc::EAFNOSUPPORT)),
            _ => Ok(*self),
        }
    }

    /// Longest payload of a datagram to this peer: what a packet of 65,535 bytes (IPv4, RFC 791),
    /// or such a packet body (IPv6, RFC 8200), holds beside the headers.
    pub fn payload_max(&self) -> usize {
        if self.is_ipv4() {
            65_535 - 20 - 8
        } else {
            65_535 - 8
        }
    }
}

/// The address without its port: what [`Addr::parse`] reads.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::V4 => {
                let [a, b, c, d, ..] = self.ip();
                Ipv4Addr::new(a, b, c, d).fmt(f)
            }
            Family::V6 => {
                Ipv6Addr::from(self.ip()).fmt(f)?;
                if self.scope != 0 {
                    write!(f, "%{}", self.scope)?;
                }
                Ok(())
            }
        }
    }
}

impl From<SocketAddr> for Addr {
    fn from(address: SocketAddr) -> Addr {
        match address {
            SocketAddr::V4(v4) => Addr::v4(v4.ip().octets(), v4.port()),
            SocketAddr::V6(v6) => Addr::v6(v6.ip().octets(), v6.scope_id(), v6.port()),
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> IpAddr {
        let ip = addr.ip();
        match addr.family {
            Family::V4 => IpAddr::from([ip[0], ip[1], ip[2], ip[3]]),
            Family::V6 => IpAddr::from(ip),
        }
    }
}

impl From<Addr> for SocketAddr {
    fn from(addr: Addr) -> SocketAddr {
        match IpAddr::from(addr) {
            IpAddr::V4(ip) => SocketAddr::from((ip, addr.port)),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, addr.port, 0, addr.scope).into(),
        }
    }
}

fn interface_index(zone: &str) -> Result<u32> {
    if zone.bytes().all(|byte| byte.is_ascii_digit()) {
        return zone.parse().map_err(|_| Errno(libc::EINVAL));
    }
    let name = CString::new(zone).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(Errno(libc::ENODEV)),
        index => Ok(index),
    }
}

/// A socket address as the kernel reads and writes it; large enough for both families.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) union SockAddr {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl SockAddr {
    pub(super) const SIZE: libc::socklen_t = mem::size_of::<SockAddr>() as libc::socklen_t;

    pub(super) fn zeroed() -> SockAddr {
        // SAFETY: all-zero bytes are a value of each member, all of them plain integers.
        unsafe { mem::zeroed() }
    }

    pub(super) fn length(family: Family) -> libc::socklen_t {
        let length = match family {
            Family::V4 => mem::size_of::<libc::sockaddr_in>(),
            Family::V6 => mem::size_of::<libc::sockaddr_in6>(),
        };
        length as libc::socklen_t
    }

    /// The IPv4 address that lies at `at`; `None` for NULL and for other families.
    ///
    /// # Safety
    /// `at` must be NULL or point to a whole socket address of the family it says.
    pub(super) unsafe fn read_v4(at: *const libc::sockaddr) -> Option<Addr> {
        // SAFETY: the caller's promise.
        unsafe { SockAddr::read(at) }.filter(|addr| addr.family == Family::V4)
    }

    /// The address that lies at `at`; `None` for NULL and for families but IPv4 and IPv6.
    ///
    /// # Safety
    /// As [`SockAddr::read_v4`].
    pub(super) unsafe fn read(at: *const libc::sockaddr) -> Option<Addr> {
        // SAFETY: the caller's promise.
        let family = libc::c_int::from(unsafe { at.as_ref() }?.sa_family);
        let mut native = SockAddr::zeroed();
        match family {
            // SAFETY: the caller's promise; it may lie unaligned.
            libc::AF_INET => native.v4 = unsafe { ptr::read_unaligned(at.cast()) },
            // SAFETY: the same.
            libc::AF_INET6 => native.v6 = unsafe { ptr::read_unaligned(at.cast()) },
            _ => return None,
        }
        native.addr()
    }

    /// `None` for anything but IPv4 and IPv6, as the kernel leaves it when there is no address.
    pub(super) fn addr(&self) -> Option<Addr> {
        // SAFETY: every constructor sets the whole union, so each member's bytes are initialised,
        // and any bytes are a value of these integer structs; `family` says which one is meant.
        unsafe {
            match libc::c_int::from(self.family) {
                libc::AF_INET => Some(Addr::v4(
                    self.v4.sin_addr.s_addr.to_ne_bytes(),
                    u16::from_be(self.v4.sin_port),
                )),
                libc::AF_INET6 => Some(Addr::v6(
                    self.v6.sin6_addr.s6_addr,
                    self.v6.sin6_scope_id,
                    u16::from_be(self.v6.sin6_port),
                )),
                _ => None,
            }
        }
    }
}

impl From<Addr> for SockAddr {
    fn from(addr: Addr) -> SockAddr {
        let mut native = SockAddr::zeroed();
        match addr.family {
            Family::V4 => {
                let [a, b, c, d, ..] = addr.ip();
                native.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: addr.port.to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([a, b, c, d]) },
                    sin_zero: [0; 8],
                };
            }
            Family::V6 => {
                native.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: addr.port.to_be(),
                    sin6_flowinfo: 0,
                    sin6_addr: libc::in6_addr { s6_addr: addr.ip() },
                    sin6_scope_id: addr.scope,
                };
            }
        }
        native
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_round_trip() {
        for text in ["127.0.0.1", "::1", "::ffff:10.1.2.3", "fe80::1%1", "2001:db8::a:b"] {
            assert_eq!(Addr::parse(text, 53).unwrap().to_string(), text);
        }
        assert_eq!(Addr::parse("fe80::1%lo", 1), Addr::parse("fe80::1%1", 1));
    }

    #[test]
    fn names_and_garbage_are_refused() {
        for text in ["", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1%", ":::", "1.2.3.4 "]
        {
            assert_eq!(Addr::parse(text, 1), Err(Errno(libc::EINVAL)), "{text:?}");
        }
        assert_eq!(Addr::parse("fe80::1%nosuchif", 1), Err(Errno(libc::ENODEV)));
    }

    #[test]
    fn each_family_is_named_as_the_socket_names_it() {
        let plain = Addr::parse("10.1.2.3", 9).unwrap();
        let mapped = Addr::parse("::ffff:10.1.2.3", 9).unwrap();
        assert_eq!(plain.on(Family::V6), Ok(mapped));
        assert_eq!(mapped.on(Family::V4), Ok(plain));
        let six = Addr::parse("2001:db8::1", 9).unwrap();
        assert_eq!(six.on(Family::V4), Err(Errno(libc::EAFNOSUPPORT)));
        assert_eq!(SockAddr::from(six).addr(), Some(six));
        assert_eq!(SockAddr::from(plain).addr(), Some(plain));
    }
}
