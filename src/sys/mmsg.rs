//! Many datagrams a system call: recvmmsg(2) with UDP GRO, sendmmsg(2) with UDP GSO.

use super::addr::{Addr, Family, SockAddr};
use super::control::{self, Control};
use super::socket::UdpSocket;
use super::{check, Result};
use std::mem;
use std::ptr;

pub use super::control::{Arrival, Departure};

/// Messages a call. The kernel's cost of a call is paid back at about 30.
pub const BATCH: usize = 64;

/// Largest UDP payload that the kernel can hand over, GRO runs included.
pub const PAYLOAD_MAX: usize = 65_535;

/// Largest payload of one GSO message: what fits an IPv4 packet with its headers, and
/// therefore also the largest datagram that IPv4 can carry.
pub const GSO_PAYLOAD_MAX: usize = 65_507;

/// Datagrams in one GSO message (UDP_MAX_SEGMENTS was 64 until Linux 6.9 doubled it).
pub const GSO_SEGMENTS_MAX: usize = 64;

/// A datagram, or a run of them from one sender, as the kernel handed it over.
pub struct Incoming<'a> {
    pub from: Addr,
    /// The datagrams one after the other.
    pub payload: &'a [u8],
    /// Length of each datagram but the last, which may be shorter; 0 for a single one.
    pub segment: usize,
    pub arrival: Arrival,
    /// The datagram was longer than the buffer; its end is lost.
    pub truncated: bool,
}

/// Buffers for receiving up to [`BATCH`] messages a call.
pub struct Receiver {
    size: usize,
    stride: usize,
    buffer: Box<[u8]>,
    names: Box<[SockAddr; BATCH]>,
    controls: Box<[Control; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
    /// Messages of the last call: their headers hold what the kernel wrote.
    filled: usize,
}

// SAFETY: the raw pointers in `vectors` and `headers` point into the boxes beside them, which stay
// where they are when the value moves to another thread.
unsafe impl Send for Receiver {}

impl Receiver {
    /// Buffers that keep datagrams of up to `size` bytes whole.
    pub fn new(size: usize) -> Receiver {
        // Buffers a power of two apart would compete for the same cache lines.
        let stride = size.next_multiple_of(64) + 3 * 64;
        Receiver {
            size,
            stride,
            buffer: vec![0; stride * BATCH].into_boxed_slice(),
            names: Box::new([SockAddr::zeroed(); BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
            vectors: Box::new([EMPTY_VECTOR; BATCH]),
            headers: Box::new([empty_header(); BATCH]),
            filled: 0,
        }
    }

    /// Takes what has arrived, at most `most` messages and at most [`BATCH`], without waiting.
    ///
    /// Errors: `EAGAIN` when nothing has; an ICMP error's number when one is pending
    /// (see [`super::errqueue`]); others as recvmmsg(2).
    pub fn receive(&mut self, socket: &UdpSocket, most: usize) -> Result<usize> {
        let most = most.min(BATCH);
        self.filled = 0;
        self.prepare(most);
        // SAFETY: each header points to a name, a vector and a control buffer of the lengths it
        // says; all of them live in boxes of `self`, borrowed mutably for the call.
        let count = check(unsafe {
            libc::recvmmsg(
                socket.raw(),
                self.headers.as_mut_ptr(),
                most as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        })?;
        self.filled = count as usize;
        Ok(self.filled)
    }

    /// The messages of the last [`Receiver::receive`].
    pub fn messages(&self) -> impl Iterator<Item = Incoming<'_>> {
        (0..self.filled).filter_map(|index| self.message(index))
    }

    /// `None` for a message without a sender's address, which UDP never gives.
    fn message(&self, index: usize) -> Option<Incoming<'_>> {
        let header = &self.headers[index];
        let length = (header.msg_len as usize).min(self.size);
        // SAFETY: the kernel has written whole control messages into the buffer that `msg_control`
        // points to, `msg_controllen` bytes of them, and nobody has touched it since.
        let (arrival, segment) = unsafe { control::read(&header.msg_hdr) };
        Some(Incoming {
            from: self.names[index].addr()?,
            payload: &self.buffer[index * self.stride..][..length],
            segment,
            arrival,
            // Without its control messages a run of datagrams would pass for a long one.
            truncated: header.msg_hdr.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0,
        })
    }

    /// Points the first headers to their buffers, of which the kernel has written the lengths anew.
    fn prepare(&mut self, count: usize) {
        for (index, header) in self.headers[..count].iter_mut().enumerate() {
            self.vectors[index] = libc::iovec {
                iov_base: self.buffer[index * self.stride..].as_mut_ptr().cast(),
                iov_len: self.size,
            };
            let header = &mut header.msg_hdr;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = SockAddr::SIZE;
            header.msg_control = (&raw mut self.controls[index]).cast();
            header.msg_controllen = mem::size_of::<Control>();
            header.msg_flags = 0;
        }
    }
}

/// A datagram, or a run of them to one destination, on its way out.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    pub to: Addr,
    /// The datagrams one after the other, at most [`GSO_PAYLOAD_MAX`] bytes when several.
    pub payload: &'a [u8],
    /// Length of each datagram but the last, which may be shorter; 0 for a single one.
    pub segment: u16,
    pub departure: Departure,
}

/// Headers for sending up to [`BATCH`] messages a call.
pub struct Sender {
    names: Box<[SockAddr; BATCH]>,
    controls: Box<[Control; BATCH]>,
    vectors: Box<[libc::iovec; BATCH]>,
    headers: Box<[libc::mmsghdr; BATCH]>,
}

// SAFETY: `send` sets every raw pointer that it hands to the kernel; none is used outside it.
unsafe impl Send for Sender {}

impl Default for Sender {
    fn default() -> Sender {
        Sender {
            names: Box::new([SockAddr::zeroed(); BATCH]),
            controls: Box::new([Control::EMPTY; BATCH]),
            vectors: Box::new([EMPTY_VECTOR; BATCH]),
            headers: Box::new([empty_header(); BATCH]),
        }
    }
}

impl Sender {
    /// Sends the first [`BATCH`] of `messages`, without waiting; gives how many went out. A
    /// message goes out whole or not at all.
    ///
    /// Errors: sendmsg(2)'s for the first message, none of them having gone out; or an ICMP
    /// error's number, left by an earlier datagram and no fault of these.
    pub fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        messages: impl Iterator<Item = Outgoing<'a>>,
        flags: i32,
    ) -> Result<usize> {
        let mut count = 0;
        for message in messages.take(BATCH) {
            self.fill(count, &message, socket.family());
            count += 1;
        }
        let flags = flags | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `fill` has pointed the first `count` headers to a name, a vector and a control
        // buffer of the lengths they say. The payloads are borrowed for 'a, which outlives the
        // call; the kernel only reads all of this, and writes `msg_len`.
        let sent = check(unsafe {
            libc::sendmmsg(socket.raw(), self.headers.as_mut_ptr(), count as libc::c_uint, flags)
        })?;
        Ok(sent as usize)
    }

    fn fill(&mut self, index: usize, message: &Outgoing<'_>, family: Family) {
        self.names[index] = SockAddr::from(message.to);
        self.vectors[index] = libc::iovec {
            iov_base: message.payload.as_ptr().cast_mut().cast(),
            iov_len: message.payload.len(),
        };
        let header = &mut self.headers[index].msg_hdr;
        header.msg_name = (&raw mut self.names[index]).cast();
        header.msg_namelen = SockAddr::length(family);
        header.msg_iov = &raw mut self.vectors[index];
        header.msg_iovlen = 1;
        let control = &mut self.controls[index];
        header.msg_controllen = control.fill(&message.to, message.segment, &message.departure);
        header.msg_control = match header.msg_controllen {
            0 => ptr::null_mut(),
            _ => (&raw mut *control).cast(),
        };
    }
}

const EMPTY_VECTOR: libc::iovec = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };

fn empty_header() -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a header with null pointers and zero lengths.
    unsafe { mem::zeroed() }
}
