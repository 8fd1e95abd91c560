//! The error queue of a socket (ip(7), IP_RECVERR): which destination an ICMP error is about.

use super::addr::{Addr, SockAddr};
use super::socket::UdpSocket;
use super::{check_size, Errno, Result};
use std::mem;
use std::ptr;

/// An error that the network reported after a datagram was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub errno: Errno,
    /// Where the datagram was going.
    pub to: Addr,
}

/// Takes the oldest ICMP error; `None` when there is none.
///
/// The kernel queues other things there too: errors of this host's own, which the call that sends
/// gives as well, and timestamps that the caller may have asked for. These are passed over.
pub fn take(socket: &UdpSocket) -> Result<Option<Report>> {
    loop {
        match take_any(socket)? {
            Some(Some(report)) => return Ok(Some(report)),
            Some(None) => {}
            None => return Ok(None),
        }
    }
}

/// The oldest entry, and the ICMP error if it is one.
fn take_any(socket: &UdpSocket) -> Result<Option<Option<Report>>> {
    let mut name = SockAddr::zeroed();
    // Room for a sock_extended_err with the reporting host's address, and a timestamp.
    let mut control = [0u64; 32];
    // SAFETY: all-zero bytes are a header with null pointers and zero lengths.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = SockAddr::SIZE;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = mem::size_of_val(&control);
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to a name and a control buffer of the lengths it says; it has no
    // vector, so that the payload of the failed datagram is not copied.
    match check_size(unsafe { libc::recvmsg(socket.raw(), &mut header, flags) }) {
        Ok(_) => {}
        Err(Errno(libc::EAGAIN)) => return Ok(None),
        Err(error) => return Err(error),
    }
    let report = icmp_error(&header).zip(name.addr());
    Ok(Some(report.map(|(errno, to)| Report { errno, to })))
}

fn icmp_error(header: &libc::msghdr) -> Option<Errno> {
    // SAFETY: the kernel has written whole control messages, `msg_controllen` bytes of them; the
    // macros stay inside, and the payload is read unaligned in the type that its kind defines.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = next.as_ref() {
            let kind = (control.cmsg_level, control.cmsg_type);
            if matches!(
                kind,
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
            ) {
                let error: libc::sock_extended_err =
                    ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                let is_icmp =
                    matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
                let errno = i32::try_from(error.ee_errno).ok().filter(|_| is_icmp);
                return errno.map(Errno);
            }
            next = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}
