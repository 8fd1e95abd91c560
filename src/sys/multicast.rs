//! Settings of a socket that concern groups and single packets (ip(7), ipv6(7)).

use super::addr::{Addr, Family};
use super::socket::UdpSocket;
use super::{Errno, Result};
use socket2::{InterfaceIndexOrAddress, SockRef};
use std::net::IpAddr;

/// A number that every datagram sent goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// Routers that a datagram may cross (TTL, hop limit), 1 to 255.
    Ttl,
    /// TOS or traffic class, 0 to 255.
    Tos,
    /// Whether sending to broadcast addresses is allowed.
    Broadcast,
    /// [`Setting::Ttl`] of multicasts, 0 to 255; 0: they stay on this host.
    MulticastTtl,
    /// Whether this host receives its own multicasts.
    MulticastLoop,
    /// Index of the interface that multicasts leave by.
    MulticastInterface,
}

impl Setting {
    fn number(self, family: Family) -> (libc::c_int, libc::c_int) {
        match (self, family) {
            (Setting::Broadcast, _) => (libc::SOL_SOCKET, libc::SO_BROADCAST),
            (Setting::Ttl, Family::V4) => (libc::SOL_IP, libc::IP_TTL),
            (Setting::Ttl, Family::V6) => (libc::SOL_IPV6, libc::IPV6_UNICAST_HOPS),
            (Setting::Tos, Family::V4) => (libc::SOL_IP, libc::IP_TOS),
            (Setting::Tos, Family::V6) => (libc::SOL_IPV6, libc::IPV6_TCLASS),
            (Setting::MulticastTtl, Family::V4) => (libc::SOL_IP, libc::IP_MULTICAST_TTL),
            (Setting::MulticastTtl, Family::V6) => (libc::SOL_IPV6, libc::IPV6_MULTICAST_HOPS),
            (Setting::MulticastLoop, Family::V4) => (libc::SOL_IP, libc::IP_MULTICAST_LOOP),
            (Setting::MulticastLoop, Family::V6) => (libc::SOL_IPV6, libc::IPV6_MULTICAST_LOOP),
            (Setting::MulticastInterface, Family::V4) => (libc::SOL_IP, libc::IP_MULTICAST_IF),
            (Setting::MulticastInterface, Family::V6) => (libc::SOL_IPV6, libc::IPV6_MULTICAST_IF),
        }
    }
}

impl UdpSocket {
    /// Errors: `EINVAL` for a number out of range, `ENODEV` or `EADDRNOTAVAIL` for an interface
    /// that does not exist.
    pub fn adjust(&self, setting: Setting, value: i32) -> Result<()> {
        self.adjust_for(setting, value, self.family())?;
        if self.family() == Family::V6 && setting != Setting::Broadcast {
            // A dual-stack socket's IPv4 datagrams; refused, and not needed, when it is IPv6 only.
            let _ = self.adjust_for(setting, value, Family::V4);
        }
        Ok(())
    }

    fn adjust_for(&self, setting: Setting, value: i32, family: Family) -> Result<()> {
        let (level, name) = setting.number(family);
        let is_by_index = (setting, family) == (Setting::MulticastInterface, Family::V4);
        if !is_by_index {
            return self.put(level, name, value);
        }
        let any = libc::in_addr { s_addr: 0 };
        let request = libc::ip_mreqn { imr_multiaddr: any, imr_address: any, imr_ifindex: value };
        self.put(level, name, request)
    }

    /// Receives a multicast group's datagrams from now on, by the interface of this index; 0: the
    /// one that the system picks.
    ///
    /// A dual-stack socket may join groups of both families.
    ///
    /// Errors: `EINVAL` for an address that is no group's; `EAFNOSUPPORT` for an IPv6 group of an
    /// IPv4 socket; `EADDRINUSE` when joined already; `ENODEV`; `ENOBUFS` for too many groups.
    pub fn join(&self, group: Addr, interface: u32) -> Result<()> {
        let socket = SockRef::from(self);
        match self.group_ip(group)? {
            IpAddr::V4(ip) => {
                socket.join_multicast_v4_n(&ip, &InterfaceIndexOrAddress::Index(interface))?;
            }
            IpAddr::V6(ip) => socket.join_multicast_v6(&ip, interface_of(group, interface))?,
        }
        Ok(())
    }

    /// Errors: `EADDRNOTAVAIL` for a group that was not joined; otherwise as [`UdpSocket::join`].
    pub fn leave(&self, group: Addr, interface: u32) -> Result<()> {
        let socket = SockRef::from(self);
        match self.group_ip(group)? {
            IpAddr::V4(ip) => {
                socket.leave_multicast_v4_n(&ip, &InterfaceIndexOrAddress::Index(interface))?;
            }
            IpAddr::V6(ip) => socket.leave_multicast_v6(&ip, interface_of(group, interface))?,
        }
        Ok(())
    }

    fn group_ip(&self, group: Addr) -> Result<IpAddr> {
        let own = if group.is_ipv4() { Family::V4 } else { self.family() };
        Ok(IpAddr::from(group.on(own)?))
    }
}

/// An interface may be named by the group's scope as well.
fn interface_of(group: Addr, interface: u32) -> u32 {
    if interface == 0 {
        group.scope
    } else {
        interface
    }
}

/// `addr`, to which datagrams go as to a group (RFC 1112, RFC 4291).
///
/// Errors: `EINVAL` for anything but a group.
pub fn check_group(addr: Addr) -> Result<Addr> {
    let is_group = match addr.on(Family::V4) {
        Ok(v4) => IpAddr::from(v4).is_multicast(),
        Err(_) => IpAddr::from(addr).is_multicast(),
    };
    if is_group {
        Ok(addr)
    } else {
        Err(Errno(libc::EINVAL))
    }
}
