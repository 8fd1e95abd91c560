//! Control messages (cmsg(3)): what the kernel tells of a datagram, and is told about one.

use super::addr::{Addr, Family};
use std::mem;
use std::ptr;

/// How a datagram arrived. Each part is known where the socket asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The address of this host that it came to, port 0; for a broadcast, or an IPv4 multicast, the
    /// interface's own. `None` for an IPv6 multicast.
    pub local: Option<Addr>,
    /// Index of the interface that it came in by; 0: unknown.
    pub interface: u32,
    /// TOS (IPv4, RFC 791) or traffic class (IPv6, RFC 8200); the low two bits are ECN (RFC 3168).
    pub tos: Option<u8>,
    /// Kernel's receive time in nanoseconds since 1970.
    pub stamp: Option<i64>,
}

/// How a datagram is to leave, where it is not as the socket and the route say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departure {
    /// Source address, one of this host's; its port does not matter.
    pub source: Option<Addr>,
    /// Index of the interface; 0: the route's choice.
    pub interface: u32,
    /// TOS or traffic class.
    pub tos: Option<u8>,
}

/// Room for the control messages of one datagram: those of an [`Arrival`] and a segment size coming
/// in, behind whatever else the caller has asked the socket for; those of a [`Departure`] and a
/// segment size going out. Aligned as a cmsghdr must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; 256]);

impl Control {
    pub(super) const EMPTY: Control = Control([0; 256]);

    /// Writes what a message to `to` needs; gives the length, 0 for nothing.
    pub(super) fn fill(&mut self, to: &Addr, segment: u16, departure: &Departure) -> usize {
        let mut at = 0;
        if segment > 0 {
            at = self.put(at, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
        if departure.source.is_some() || departure.interface > 0 {
            at = self.put_source(at, to, departure);
        }
        if let Some(tos) = departure.tos {
            let tos = libc::c_int::from(tos);
            at = match to.is_ipv4() {
                true => self.put(at, libc::SOL_IP, libc::IP_TOS, tos),
                false => self.put(at, libc::SOL_IPV6, libc::IPV6_TCLASS, tos),
            };
        }
        at
    }

    fn put_source(&mut self, at: usize, to: &Addr, departure: &Departure) -> usize {
        let source = departure.source;
        if to.is_ipv4() {
            // A dual-stack socket takes the IPv4 form too, and none other without a source.
            let v4 = source.and_then(|source| source.on(Family::V4).ok());
            let [a, b, c, d, ..] = v4.map_or([0; 16], |source| source.ip());
            let info = libc::in_pktinfo {
                ipi_ifindex: departure.interface as libc::c_int,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes([a, b, c, d]) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            return self.put(at, libc::SOL_IP, libc::IP_PKTINFO, info);
        }
        let s6_addr = source.map_or([0; 16], |source| source.ip());
        let ipi6_ifindex = departure.interface as libc::c_uint;
        let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr }, ipi6_ifindex };
        self.put(at, libc::SOL_IPV6, libc::IPV6_PKTINFO, info)
    }

    /// Appends one control message behind the first `at` bytes; gives the length with it.
    fn put<T>(&mut self, at: usize, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
        let size = mem::size_of::<T>() as libc::c_uint;
        // SAFETY: these two only compute lengths.
        let (length, space) = unsafe { (libc::CMSG_LEN(size), libc::CMSG_SPACE(size)) };
        let end = at + space as usize;
        let room = &mut self.0[at..end];
        // SAFETY: `room` holds a whole control message, and starts aligned, as CMSG_SPACE keeps
        // whatever follows aligned; the value is written unaligned.
        unsafe {
            let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = length as usize;
            ptr::write_unaligned(libc::CMSG_DATA(header).cast(), value);
        }
        end
    }
}

/// Reads the control messages of a datagram: how it arrived, and the length of each datagram of a
/// run (UDP GRO), 0 for a single one.
///
/// # Safety
/// The kernel must have written `msg_controllen` bytes of whole control messages to where
/// `msg_control` points.
pub(super) unsafe fn read(header: &libc::msghdr) -> (Arrival, usize) {
    let mut arrival = Arrival::default();
    let mut segment = 0;
    // Of an IPv4 datagram a dual-stack socket gives both: where it went to, and what to answer from.
    let (mut went_to, mut answer_from) = (None, None);
    // SAFETY: the caller's promise; the macros stay inside, and each payload is read unaligned in
    // the type that its level and kind define.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = next.as_ref() {
            let data = libc::CMSG_DATA(control);
            match (control.cmsg_level, control.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let time: libc::timespec = ptr::read_unaligned(data.cast());
                    arrival.stamp = Some(time.tv_sec * 1_000_000_000 + time.tv_nsec);
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    let size: libc::c_int = ptr::read_unaligned(data.cast());
                    segment = usize::try_from(size).unwrap_or(0);
                }
                (libc::SOL_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                    arrival.interface = info.ipi_ifindex as u32;
                    let ip = info.ipi_spec_dst.s_addr.to_ne_bytes();
                    answer_from = (ip != [0; 4]).then(|| Addr::v4(ip, 0));
                }
                (libc::SOL_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                    arrival.interface = info.ipi6_ifindex;
                    went_to = local_v6(info.ipi6_addr.s6_addr, info.ipi6_ifindex);
                }
                (libc::SOL_IP, libc::IP_TOS) => arrival.tos = Some(ptr::read(data)),
                (libc::SOL_IPV6, libc::IPV6_TCLASS) => {
                    let class: libc::c_int = ptr::read_unaligned(data.cast());
                    arrival.tos = Some(class as u8);
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(header, control);
        }
    }
    arrival.local = match (went_to, answer_from) {
        (Some(_), Some(own)) => own.on(Family::V6).ok(),
        _ => went_to.or(answer_from),
    };
    (arrival, segment)
}

/// `None` for a group, which nothing can be sent from.
fn local_v6(ip: [u8; 16], interface: u32) -> Option<Addr> {
    let is_group = ip[0] == 0xff;
    let is_link_local = ip[0] == 0xfe && ip[1] & 0xc0 == 0x80;
    let scope = if is_link_local { interface } else { 0 };
    (!is_group).then(|| Addr::v6(ip, scope, 0))
}
