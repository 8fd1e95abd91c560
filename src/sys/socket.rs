//! The UDP socket a caller hands over: checks, options, and further members of its port group.

use super::addr::Family;
use super::{check, Errno, Result};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Errors: `EBADF` when `fd` is not an open descriptor.
pub fn check_open(fd: RawFd) -> Result<()> {
    // SAFETY: fcntl takes any number for a descriptor.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) }).map(drop)
}

/// A second descriptor for `fd`, closed on exec.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd> {
    // SAFETY: fcntl takes any number for a descriptor and answers EBADF when it is none.
    let copy = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel has just made `copy`, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// A socket option that is on or off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// The kernel keeps ICMP errors with the destination they are about (IP_RECVERR).
    ReceiveErrors,
    /// Each datagram comes with the time at which the kernel took it in (SO_TIMESTAMPNS).
    Timestamps,
    /// The kernel hands over runs of equal datagrams of one flow as one message (UDP GRO,
    /// Linux 5.0).
    Gro,
}

impl Switch {
    fn number(self, family: Family) -> (libc::c_int, libc::c_int) {
        match (self, family) {
            (Switch::ReceiveErrors, Family::V4) => (libc::SOL_IP, libc::IP_RECVERR),
            (Switch::ReceiveErrors, Family::V6) => (libc::SOL_IPV6, libc::IPV6_RECVERR),
            (Switch::Timestamps, _) => (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
            (Switch::Gro, _) => (libc::SOL_UDP, libc::UDP_GRO),
        }
    }
}

/// A UDP socket, and what is known of it once and for all.
#[derive(Debug)]
pub struct UdpSocket {
    fd: OwnedFd,
    family: Family,
}

impl UdpSocket {
    /// A second descriptor for the caller's socket `fd`.
    ///
    /// Errors: `EBADF`, `ENOTSOCK`; `EPROTOTYPE` for a socket that is not UDP; `EAFNOSUPPORT` for
    /// one that is neither IPv4 nor IPv6.
    pub fn duplicate(fd: RawFd) -> Result<UdpSocket> {
        let fd = duplicate(fd)?;
        let socket = SockRef::from(&fd);
        let family = match socket.domain()? {
            Domain::IPV4 => Family::V4,
            Domain::IPV6 => Family::V6,
            _ => return Err(Errno(libc::EAFNOSUPPORT)),
        };
        if socket.r#type()? != Type::DGRAM || socket.protocol()? != Some(Protocol::UDP) {
            return Err(Errno(libc::EPROTOTYPE));
        }
        Ok(UdpSocket { fd, family })
    }

    /// A further socket on the same address and port, which the kernel deals part of the arriving
    /// datagrams to. `None` when the socket is not in a group that others may join (SO_REUSEPORT),
    /// or this process may not.
    pub fn sibling(&self) -> Result<Option<UdpSocket>> {
        let model = SockRef::from(&self.fd);
        let address = model.local_addr()?;
        let is_bound = address.as_socket().is_some_and(|address| address.port() != 0);
        if !model.reuse_port()? || !is_bound {
            return Ok(None);
        }
        let socket = Socket::new(model.domain()?, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        socket.set_reuse_address(model.reuse_address()?)?;
        if self.family == Family::V6 {
            socket.set_only_v6(model.only_v6()?)?;
        }
        // The kernel doubles what it is asked for, to account for its own bookkeeping.
        socket.set_recv_buffer_size(model.recv_buffer_size()? / 2)?;
        let device = model.device()?;
        let is_bound = device.map_or(Ok(()), |device| socket.bind_device(Some(&device)));
        if is_bound.and_then(|()| socket.bind(&address)).is_err() {
            // Such an address or device takes a privilege that only the caller's socket has.
            return Ok(None);
        }
        Ok(Some(UdpSocket { fd: socket.into(), family: self.family }))
    }

    pub fn family(&self) -> Family {
        self.family
    }

    pub fn is_on(&self, switch: Switch) -> Result<bool> {
        let (level, name) = switch.number(self.family);
        Ok(self.get::<libc::c_int>(level, name)? != 0)
    }

    /// Errors: `ENOPROTOOPT` where the kernel does not know it.
    pub fn set(&self, switch: Switch, on: bool) -> Result<()> {
        let (level, name) = switch.number(self.family);
        self.set_number(level, name, on)?;
        if switch == Switch::ReceiveErrors && self.family == Family::V6 {
            // A dual-stack socket's IPv4 errors; refused, and not needed, when it is IPv6 only.
            let (level, name) = switch.number(Family::V4);
            let _ = self.set_number(level, name, on);
        }
        Ok(())
    }

    /// Whether the kernel splits one message into datagrams of equal size (UDP GSO, Linux 4.18).
    pub fn has_gso(&self) -> bool {
        self.get::<libc::c_int>(libc::SOL_UDP, libc::UDP_SEGMENT).is_ok()
    }

    /// Bytes of the receive buffer (SO_RCVBUF), the kernel's own bookkeeping included.
    pub fn recv_buffer(&self) -> Result<usize> {
        Ok(SockRef::from(&self.fd).recv_buffer_size()?)
    }

    /// Datagrams that the kernel has dropped on this socket since it was made: for want of room in
    /// its receive buffer, or with a wrong checksum.
    pub fn kernel_drops(&self) -> Result<u32> {
        // linux/sock_diag.h, enum sk_meminfo: nine words, the last one the drops.
        const SK_MEMINFO_DROPS: usize = 8;
        let words: [u32; SK_MEMINFO_DROPS + 1] = self.get(libc::SOL_SOCKET, libc::SO_MEMINFO)?;
        Ok(words[SK_MEMINFO_DROPS])
    }

    fn set_number(&self, level: libc::c_int, name: libc::c_int, on: bool) -> Result<()> {
        let value = libc::c_int::from(on);
        let size = mem::size_of_val(&value) as libc::socklen_t;
        // SAFETY: `value` is valid for reading `size` bytes.
        let result =
            unsafe { libc::setsockopt(self.raw(), level, name, (&raw const value).cast(), size) };
        check(result).map(drop)
    }

    /// Reads an option made of plain integers.
    fn get<T: Words>(&self, level: libc::c_int, name: libc::c_int) -> Result<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        let mut size = mem::size_of::<T>() as libc::socklen_t;
        // SAFETY: `value` is valid for writing `size` bytes, and the kernel writes no more.
        let result = unsafe {
            libc::getsockopt(self.raw(), level, name, value.as_mut_ptr().cast(), &mut size)
        };
        check(result)?;
        // SAFETY: any bytes are a value of a type of integers, and all were set to zero before.
        Ok(unsafe { value.assume_init() })
    }

    pub(super) fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Types of integers alone.
///
/// # Safety
/// Any bytes must be a value of the type.
unsafe trait Words: Copy {}
// SAFETY: an integer.
unsafe impl Words for libc::c_int {}
// SAFETY: an array of integers.
unsafe impl<const N: usize> Words for [u32; N] {}
