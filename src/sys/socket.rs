//! A UDP socket, new or one that a caller hands over: checks, options, and further members of its
//! port group.

use super::addr::{Addr, Family};
use super::{check, Errno, Result};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Errors: `EBADF` when `fd` is not an open descriptor.
pub fn check_open(fd: RawFd) -> Result<()> {
    // SAFETY: fcntl takes any number for a descriptor.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) }).map(drop)
}

/// The file behind a descriptor (fstat(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct File {
    device: u64,
    number: u64,
    /// A file or folder on a disk, which is always ready and cannot be waited for.
    pub is_on_disk: bool,
}

/// Errors: `EBADF`.
pub fn file_of(fd: RawFd) -> Result<File> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `status` is valid for writing; fstat takes any number for a descriptor.
    check(unsafe { libc::fstat(fd, status.as_mut_ptr()) })?;
    // SAFETY: the call has filled it, and any bytes are a value of this structure of integers.
    let status = unsafe { status.assume_init() };
    let is_on_disk = matches!(status.st_mode & libc::S_IFMT, libc::S_IFREG | libc::S_IFDIR);
    Ok(File { device: status.st_dev, number: status.st_ino, is_on_disk })
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
    /// Each datagram comes with the local address and the interface it came to (IP_PKTINFO).
    Destination,
    /// Each datagram comes with its TOS or traffic class (IP_RECVTOS).
    Tos,
    /// Groups that other sockets of this host have joined are received too (IP_MULTICAST_ALL).
    AllGroups,
}

impl Switch {
    fn number(self, family: Family) -> (libc::c_int, libc::c_int) {
        match (self, family) {
            (Switch::ReceiveErrors, Family::V4) => (libc::SOL_IP, libc::IP_RECVERR),
            (Switch::ReceiveErrors, Family::V6) => (libc::SOL_IPV6, libc::IPV6_RECVERR),
            (Switch::Timestamps, _) => (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
            (Switch::Gro, _) => (libc::SOL_UDP, libc::UDP_GRO),
            (Switch::Destination, Family::V4) => (libc::SOL_IP, libc::IP_PKTINFO),
            (Switch::Destination, Family::V6) => (libc::SOL_IPV6, libc::IPV6_RECVPKTINFO),
            (Switch::Tos, Family::V4) => (libc::SOL_IP, libc::IP_RECVTOS),
            (Switch::Tos, Family::V6) => (libc::SOL_IPV6, libc::IPV6_RECVTCLASS),
            (Switch::AllGroups, Family::V4) => (libc::SOL_IP, libc::IP_MULTICAST_ALL),
            (Switch::AllGroups, Family::V6) => (libc::SOL_IPV6, libc::IPV6_MULTICAST_ALL),
        }
    }

    /// Whether a dual-stack socket has it once more for its IPv4 datagrams.
    fn is_twofold(self) -> bool {
        !matches!(self, Switch::Timestamps | Switch::Gro)
    }
}

/// What a new socket is to be.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    /// IPv6 alone, where the address is IPv6; IPv4 as well otherwise.
    pub only_v6: bool,
    /// Others of the same mind may have the same address and port: all of them get broadcasts and
    /// multicasts, and other datagrams go to the one bound last (SO_REUSEADDR).
    pub reuse_address: bool,
    /// The same, but that other datagrams are dealt out among them (SO_REUSEPORT).
    pub reuse_port: bool,
    pub broadcast: bool,
    /// Name of the only interface to receive from and send by (SO_BINDTODEVICE).
    pub device: Option<String>,
    /// Least sizes of the buffers, in bytes.
    pub send_buffer: usize,
    pub recv_buffer: usize,
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

    /// A new socket on `address`, whose port may be 0 for a free one.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL`; `EACCES` for a port below 1024 without the privilege;
    /// `EMFILE`, `ENFILE` when descriptors are short; `ENODEV`, `EPERM` for the device.
    pub fn open(address: Addr, how: &Opening) -> Result<UdpSocket> {
        let domain = match address.family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.family == Family::V6 {
            socket.set_only_v6(how.only_v6)?;
        }
        let share = || {
            socket.set_reuse_address(how.reuse_address)?;
            socket.set_reuse_port(how.reuse_port)
        };
        if address.port != 0 {
            share()?;
        }
        socket.set_broadcast(how.broadcast)?;
        if let Some(device) = &how.device {
            socket.bind_device(Some(device.as_bytes()))?;
        }
        if socket.send_buffer_size()? < how.send_buffer {
            socket.set_send_buffer_size(how.send_buffer)?;
        }
        if socket.recv_buffer_size()? < how.recv_buffer {
            socket.set_recv_buffer_size(how.recv_buffer)?;
        }
        socket.bind(&std::net::SocketAddr::from(address).into())?;
        if address.port == 0 {
            // Only now: a port that others share would count as free.
            share()?;
        }
        Ok(UdpSocket { fd: socket.into(), family: address.family })
    }

    /// The address and port that it is bound to.
    pub fn address(&self) -> Result<Addr> {
        let address = SockRef::from(&self.fd).local_addr()?;
        address.as_socket().map(Addr::from).ok_or(Errno(libc::EAFNOSUPPORT))
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
        self.put(level, name, libc::c_int::from(on))?;
        if switch.is_twofold() && self.family == Family::V6 {
            // Refused, and not needed, when it is IPv6 only.
            let (level, name) = switch.number(Family::V4);
            let _ = self.put(level, name, libc::c_int::from(on));
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

    /// Bytes of the send buffer (SO_SNDBUF), the same included.
    pub fn send_buffer(&self) -> Result<usize> {
        Ok(SockRef::from(&self.fd).send_buffer_size()?)
    }

    /// Datagrams that the kernel has dropped on this socket since it was made: for want of room in
    /// its receive buffer, or with a wrong checksum.
    pub fn kernel_drops(&self) -> Result<u32> {
        // linux/sock_diag.h, enum sk_meminfo: nine words, the last one the drops.
        const SK_MEMINFO_DROPS: usize = 8;
        let words: [u32; SK_MEMINFO_DROPS + 1] = self.get(libc::SOL_SOCKET, libc::SO_MEMINFO)?;
        Ok(words[SK_MEMINFO_DROPS])
    }

    /// Sets an option made of plain integers.
    pub(super) fn put<T: Words>(
        &self,
        level: libc::c_int,
        name: libc::c_int,
        value: T,
    ) -> Result<()> {
        let size = mem::size_of::<T>() as libc::socklen_t;
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

    /// Closes the socket while others may still have its descriptor: that becomes one of `instead`,
    /// of which every call of theirs says `ENOTSOCK`.
    pub fn retire(&self, instead: BorrowedFd<'_>) -> Result<()> {
        // SAFETY: both descriptors are open, and the call takes no pointer.
        check(unsafe { libc::dup3(instead.as_raw_fd(), self.raw(), libc::O_CLOEXEC) }).map(drop)
    }

    /// The descriptor's number, good as long as the socket.
    pub fn raw(&self) -> RawFd {
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
pub(super) unsafe trait Words: Copy {}
// SAFETY: an integer.
unsafe impl Words for libc::c_int {}
// SAFETY: a structure of integers.
unsafe impl Words for libc::ip_mreqn {}
// SAFETY: an array of integers.
unsafe impl<const N: usize> Words for [u32; N] {}
