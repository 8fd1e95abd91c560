//! Stream sockets: TCP over IPv4 and IPv6, and Unix sockets.

use super::addr::Addr;
use super::{check, check_size, poll, socket, Errno, Result};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Where a stream socket is, or goes to.
#[derive(Clone, Debug)]
pub struct StreamAddr(SockAddr);

impl StreamAddr {
    /// A Unix socket; one whose name starts with a NUL has no file (unix(7), abstract).
    ///
    /// Errors: `EINVAL` for a path longer than 107 bytes.
    pub fn unix(path: &[u8]) -> Result<StreamAddr> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        SockAddr::unix(path).map(StreamAddr).map_err(Errno::from)
    }

    pub fn is_unix(&self) -> bool {
        self.0.is_unix()
    }

    pub fn is_ipv6(&self) -> bool {
        self.0.is_ipv6()
    }
}

impl From<Addr> for StreamAddr {
    fn from(addr: Addr) -> StreamAddr {
        StreamAddr(std::net::SocketAddr::from(addr).into())
    }
}

/// What a socket is to be; accepted ones inherit it from their listener.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub no_reuse_address: bool,
    pub reuse_port: bool,
    pub only_v6: bool,
    /// Nagle's algorithm (RFC 896) is on.
    pub delay: bool,
    /// After how many seconds of silence the peer is probed; 0: never.
    pub keepalive_s: u32,
    /// For how many seconds closing waits (SO_LINGER); `Some(0)`: closing resets.
    pub linger_s: Option<u32>,
    /// Bytes of the kernel's buffers; 0: as the system has it.
    pub recv_buffer: usize,
    pub send_buffer: usize,
}

impl Options {
    fn apply(&self, socket: &SockRef<'_>, is_unix: bool) -> Result<()> {
        if self.recv_buffer > 0 {
            socket.set_recv_buffer_size(self.recv_buffer)?;
        }
        if self.send_buffer > 0 {
            socket.set_send_buffer_size(self.send_buffer)?;
        }
        if let Some(seconds) = self.linger_s {
            socket.set_linger(Some(Duration::from_secs(seconds.into())))?;
        }
        if is_unix {
            return Ok(());
        }
        socket.set_tcp_nodelay(!self.delay)?;
        if self.keepalive_s > 0 {
            let time = Duration::from_secs(self.keepalive_s.into());
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))?;
        }
        Ok(())
    }
}

fn open(address: &StreamAddr) -> Result<Socket> {
    let domain = address.0.domain();
    let protocol = (domain != Domain::UNIX).then_some(Protocol::TCP);
    Ok(Socket::new(domain, Type::STREAM.nonblocking(), protocol)?)
}

/// A socket that connections come in at.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens on `address`; the kernel holds up to `backlog` connections that nobody has taken.
    ///
    /// Errors: `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EMFILE`, `EAFNOSUPPORT`.
    pub fn open(address: &StreamAddr, options: &Options, backlog: i32) -> Result<Listener> {
        let socket = open(address)?;
        let is_unix = address.0.is_unix();
        if address.is_ipv6() {
            socket.set_only_v6(options.only_v6)?;
        }
        if !is_unix {
            socket.set_reuse_address(!options.no_reuse_address)?;
            socket.set_reuse_port(options.reuse_port)?;
        }
        options.apply(&SockRef::from(&socket), is_unix)?;
        socket.bind(&address.0)?;
        socket.listen(backlog)?;
        Ok(Listener(socket.into()))
    }

    /// Takes a connection, if one is there.
    ///
    /// Errors: `EAGAIN` when none is; `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM` when the process or
    /// the system is short of something; `ECONNABORTED` and others for one that ended before.
    pub fn accept(&self) -> Result<Stream> {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no address is asked for.
        let fd = check(unsafe {
            let none = std::ptr::null_mut();
            libc::accept4(self.raw(), none, std::ptr::null_mut(), flags)
        })?;
        // SAFETY: the kernel has just made `fd`, and nobody else knows it.
        Ok(Stream(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Listens no more, whoever else has the socket.
    pub fn shutdown(&self) {
        let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Both);
    }

    /// Whether a connection is there to be taken.
    pub fn has_waiting(&self) -> bool {
        poll::wait(&[(self.0.as_fd(), poll::Interest::Readable)], 0).unwrap_or(true)
    }

    /// The address it listens on; `None` for a Unix socket.
    pub fn local(&self) -> Result<Option<Addr>> {
        local(&self.0)
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A connection, or one to be.
#[derive(Debug)]
pub struct Stream(OwnedFd);

impl Stream {
    /// Begins to connect to `address`; gives whether that is done already. Otherwise the socket
    /// becomes writable with [`Stream::take_error`] saying how it went.
    ///
    /// Errors: `ECONNREFUSED`, `ENETUNREACH` and others that are known at once; `EMFILE`.
    pub fn connect(address: &StreamAddr, options: &Options) -> Result<(Stream, bool)> {
        let socket = open(address)?;
        options.apply(&SockRef::from(&socket), address.0.is_unix())?;
        let outcome = socket.connect(&address.0).map_err(Errno::from);
        let stream = Stream(socket.into());
        match outcome {
            Ok(()) => Ok((stream, true)),
            Err(Errno(libc::EINPROGRESS)) => Ok((stream, false)),
            Err(error) => Err(error),
        }
    }

    /// A second descriptor for the caller's connected socket, whose own flags stay as they are.
    ///
    /// Errors: `EBADF`, `ENOTSOCK`; `EPROTOTYPE` for a socket that is no stream; `ENOTCONN`;
    /// `EMFILE`.
    pub fn adopt(fd: RawFd, options: &Options) -> Result<Stream> {
        let fd = socket::duplicate(fd)?;
        let socket = SockRef::from(&fd);
        if socket.r#type()? != Type::STREAM {
            return Err(Errno(libc::EPROTOTYPE));
        }
        let is_unix = socket.domain()? == Domain::UNIX;
        socket.peer_addr()?;
        options.apply(&socket, is_unix)?;
        Ok(Stream(fd))
    }

    pub fn is_unix(&self) -> bool {
        SockRef::from(&self.0).domain().is_ok_and(|domain| domain == Domain::UNIX)
    }

    /// Takes what is there, at most as much as `buffer` holds, without waiting; 0: the peer sends
    /// no more.
    ///
    /// Errors: `EAGAIN` when nothing is there; `ECONNRESET`, `ETIMEDOUT` and others that end it.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            // SAFETY: `buffer` is valid for writing its length.
            let taken = check_size(unsafe {
                let to = buffer.as_mut_ptr().cast();
                libc::recv(self.raw(), to, buffer.len(), libc::MSG_DONTWAIT)
            });
            if taken != Err(Errno(libc::EINTR)) {
                return taken;
            }
        }
    }

    /// Hands as much of `bytes` to the kernel as it takes, without waiting.
    ///
    /// Errors: `EAGAIN` when it takes nothing; `EPIPE`, `ECONNRESET` and others that end it.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> Result<usize> {
        loop {
            // SAFETY: `bytes` is valid for reading its length.
            let sent = check_size(unsafe {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                libc::send(self.raw(), bytes.as_ptr().cast(), bytes.len(), flags)
            });
            if sent != Err(Errno(libc::EINTR)) {
                return sent;
            }
        }
    }

    /// [`Stream::send`] for bytes that lie in several places.
    pub fn send_vectored(&self, parts: &[IoSlice<'_>]) -> Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        loop {
            let sent = SockRef::from(&self.0).send_vectored_with_flags(parts, flags);
            match sent.map_err(Errno::from) {
                Err(Errno(libc::EINTR)) => {}
                sent => return sent,
            }
        }
    }

    /// Whether something is there to be read.
    pub fn has_unread(&self) -> bool {
        let mut count: libc::c_int = 0;
        // SAFETY: `count` is valid for writing.
        let outcome = unsafe { libc::ioctl(self.raw(), libc::FIONREAD, &mut count) };
        outcome == 0 && count > 0
    }

    /// The error that is pending, which is none afterwards.
    pub fn take_error(&self) -> Option<Errno> {
        SockRef::from(&self.0).take_error().unwrap_or_else(Some).map(Errno::from)
    }

    /// Tells the peer that no more will come.
    pub fn shutdown_write(&self) {
        // It fails only where the connection has ended already.
        let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Write);
    }

    /// Tells the peer so, and the kernel that nothing is read any more, whoever else has the socket.
    pub fn shutdown(&self) {
        let _ = SockRef::from(&self.0).shutdown(std::net::Shutdown::Both);
    }

    /// Resets the connection, whoever else has the socket: connecting a TCP socket to nowhere does
    /// that (connect(2), AF_UNSPEC).
    pub fn reset(&self) {
        let nowhere =
            libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
        let size = std::mem::size_of_val(&nowhere) as libc::socklen_t;
        // SAFETY: `nowhere` is valid for reading its size.
        if check(unsafe { libc::connect(self.raw(), &nowhere, size) }).is_err() {
            self.shutdown();
        }
    }

    /// `None` for a Unix socket.
    pub fn local(&self) -> Result<Option<Addr>> {
        local(&self.0)
    }

    /// `None` for a Unix socket.
    pub fn remote(&self) -> Result<Option<Addr>> {
        Ok(SockRef::from(&self.0).peer_addr()?.as_socket().map(Addr::from))
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn local(fd: &OwnedFd) -> Result<Option<Addr>> {
    Ok(SockRef::from(fd).local_addr()?.as_socket().map(Addr::from))
}
