//! One datagram a system call, for callers to whom it is all they have.

use super::addr::{Addr, SockAddr};
use super::socket::UdpSocket;
use super::{check_size, Result};

/// Takes one datagram into `buffer`, without waiting; gives its length, which is more than the
/// buffer's when its end is lost. The socket must not have UDP GRO on: a run would pass for one.
///
/// Errors: as [`super::mmsg::Receiver::receive`].
pub fn recv_from(socket: &UdpSocket, buffer: &mut [u8]) -> Result<(usize, Option<Addr>)> {
    let mut name = SockAddr::zeroed();
    let mut size = SockAddr::SIZE;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: `buffer` and `name` are valid for writing the lengths given.
    let length = check_size(unsafe {
        let to = buffer.as_mut_ptr().cast();
        libc::recvfrom(socket.raw(), to, buffer.len(), flags, (&raw mut name).cast(), &mut size)
    })?;
    Ok((length, name.addr()))
}

/// Sends one datagram, without waiting.
///
/// Errors: as [`super::mmsg::Sender::send`].
pub fn send_to(socket: &UdpSocket, to: Addr, payload: &[u8]) -> Result<()> {
    let name = SockAddr::from(to);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `payload` and `name` are valid for reading the lengths given.
    check_size(unsafe {
        let from = payload.as_ptr().cast();
        let size = SockAddr::length(to.family);
        let name = (&raw const name).cast();
        libc::sendto(socket.raw(), from, payload.len(), flags, name, size)
    })
    .map(drop)
}
