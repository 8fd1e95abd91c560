//! Datagrams and errors as they cross the C boundary, the same for every UDP family.

use super::ph::ph_addr_t;
use super::{check_array, slice_in, INVALID};
use crate::sys::addr::Addr;
use crate::sys::mmsg::{Arrival, Departure};
use crate::sys::{Errno, Result};
use crate::udp::batch::View;
use crate::udp::errors::SendError;

/// For `flags` of a received datagram: its end is lost, `recv_size` being too small.
pub const PH_TRUNCATED: u32 = 1;

/// A datagram to send, or one received.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ph_datagram_t {
    /// Where it goes, or where it came from.
    pub addr: ph_addr_t,
    /// Payload; NULL only with `len` 0. A received one lies in the buffer given to the call.
    pub data: *const u8,
    /// Bytes of payload; a datagram may be empty.
    pub len: usize,
    /// Received: nanoseconds from the kernel's receive timestamp to this call. Ignored on sending.
    pub delay_ns: i64,
    /// Received: PH_TRUNCATED or 0. Ignored on sending.
    pub flags: u32,
    /// Received: index of an earlier datagram of this call from the same IP address, of whatever
    /// port, or its own: so that an address is looked at once, not once a datagram. Ignored on
    /// sending.
    pub same_addr_as: u32,
}

/// How a datagram arrived, or how one is to be sent.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ph_arrival_t {
    /// Received: the local address that it came to, and from which it can be answered; of a
    /// broadcast, or an IPv4 multicast, the interface's own; family 0 where there is none. To send:
    /// the source address, one of this host's; family 0: the route's choice. Port and scope are ignored: for a link-local one name the interface.
    pub local: ph_addr_t,
    /// Index of the interface that it came in by, or is to leave by; 0: unknown, the route's choice.
    pub interface: u32,
    /// Received: TOS (IPv4) or traffic class (IPv6), whose low two bits are ECN (RFC 3168); -1:
    /// unknown. To send: the same; -1: the socket's.
    pub tos: i32,
    /// Received: nanoseconds since 1970 at which the kernel took it in; 0: unknown. Ignored on
    /// sending.
    pub time_ns: i64,
}

/// For `kind` of an error: the kernel refused to send the datagram.
pub const PH_ERROR_SEND: u32 = 1;
/// For `kind` of an error: the network, or the destination, reported it later (ICMP).
pub const PH_ERROR_ICMP: u32 = 2;

/// A datagram that did not get to its destination.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ph_error_t {
    /// Where it was going.
    pub addr: ph_addr_t,
    /// Nanoseconds since 1970 at which the error was seen.
    pub time_ns: i64,
    /// errno(3), positive: ECONNREFUSED, EMSGSIZE, ENETUNREACH, …
    pub error: i32,
    /// PH_ERROR_SEND or PH_ERROR_ICMP.
    pub kind: u32,
}

impl From<Arrival> for ph_arrival_t {
    fn from(arrival: Arrival) -> ph_arrival_t {
        let Arrival { local, interface, tos, stamp } = arrival;
        ph_arrival_t {
            local: local.map_or(ph_addr_t::NONE, ph_addr_t::from),
            interface,
            tos: tos.map_or(-1, i32::from),
            time_ns: stamp.unwrap_or(0),
        }
    }
}

impl ph_arrival_t {
    /// Errors: `EINVAL` for a TOS that is none.
    pub(super) fn departure(&self) -> Result<Departure> {
        let tos = match self.tos {
            -1 => None,
            tos => Some(u8::try_from(tos).map_err(|_| INVALID)?),
        };
        let source = match self.local.family {
            0 => None,
            _ => Some(self.local.try_into()?),
        };
        Ok(Departure { source, interface: self.interface, tos })
    }
}

impl ph_datagram_t {
    /// Destination and payload.
    ///
    /// Errors: `EINVAL` for another family, and for NULL with a length.
    ///
    /// # Safety
    /// `data` must be good for reading `len` bytes until the caller's call ends.
    pub(super) unsafe fn read<'a>(&self) -> Result<(Addr, &'a [u8])> {
        // SAFETY: the caller's promise.
        Ok((self.addr.try_into()?, unsafe { slice_in(self.data, self.len)? }))
    }
}

impl From<SendError> for ph_error_t {
    fn from(error: SendError) -> ph_error_t {
        let SendError { errno, kind, to, time } = error;
        ph_error_t { addr: to.into(), time_ns: time, error: errno.0, kind: kind as u32 }
    }
}

/// Writes up to `n` errors, oldest first, that `take` gives.
///
/// Errors: `EAGAIN` when there is none; `EINVAL` for NULL or `n` 0.
///
/// # Safety
/// `out` must be good for writing `n` of them.
pub(super) unsafe fn write_errors(
    out: *mut ph_error_t,
    n: usize,
    take: impl FnOnce(usize) -> Vec<SendError>,
) -> Result<i64> {
    check_array(out.cast_const(), n)?;
    if n == 0 {
        return Err(INVALID);
    }
    let errors = take(n);
    if errors.is_empty() {
        return Err(Errno(libc::EAGAIN));
    }
    for (index, error) in errors.iter().take(n).enumerate() {
        // SAFETY: the caller's promise.
        unsafe { out.add(index).write((*error).into()) };
    }
    Ok(errors.len() as i64)
}

/// What takes a run of datagrams, with their delay in nanoseconds and how they arrived.
pub(super) type Visit<'a> = dyn FnMut(&View<'_>, i64, Arrival) -> usize + 'a;

/// The caller's arrays and buffer while they fill.
pub(super) struct Output {
    items: *mut ph_datagram_t,
    /// NULL where the caller does not ask for them.
    arrivals: *mut ph_arrival_t,
    n: usize,
    buf: *mut u8,
    cap: usize,
    filled: usize,
    used: usize,
    sources: Sources,
}

impl Output {
    /// Errors: `EINVAL` for NULL, misaligned pointers, impossible lengths, and `n` 0.
    pub fn new(
        items: *mut ph_datagram_t,
        arrivals: *mut ph_arrival_t,
        n: usize,
        buf: *mut u8,
        cap: usize,
    ) -> Result<Output> {
        check_array(items.cast_const(), n)?;
        if !arrivals.is_null() {
            check_array(arrivals.cast_const(), n)?;
        }
        check_array(buf.cast_const(), cap)?;
        if n == 0 {
            return Err(INVALID);
        }
        let sources = Sources::new();
        Ok(Output { items, arrivals, n, buf, cap, filled: 0, used: 0, sources })
    }

    /// Fills from `source`, which is given how long to wait and what takes the datagrams; gives how
    /// many there are now.
    ///
    /// Errors: `EINVAL` for a timeout below -1; `EMSGSIZE` when not even the first one fits; what
    /// `source` says.
    pub fn receive(
        &mut self,
        timeout_ms: i32,
        source: impl FnOnce(i32, &mut Visit<'_>) -> Result<usize>,
    ) -> Result<usize> {
        if timeout_ms < -1 {
            return Err(INVALID);
        }
        // SAFETY: `new` has checked the lengths; the rest is the promise of the C caller.
        let taken = source(timeout_ms, &mut |view, delay_ns, arrival| unsafe {
            self.fill(view, delay_ns, arrival)
        })?;
        if taken == 0 {
            return Err(Errno(libc::EMSGSIZE));
        }
        Ok(taken)
    }

    /// Takes as many of the view's datagrams as fit; gives how many.
    ///
    /// # Safety
    /// The arrays must be good for writing `n` items, `buf` for writing `cap` bytes.
    unsafe fn fill(&mut self, view: &View<'_>, delay_ns: i64, arrival: Arrival) -> usize {
        let mut count = view.count().min(self.n - self.filled);
        let room = self.cap - self.used;
        if view.prefix(count) > room {
            count = room / view.segment;
        }
        if count == 0 {
            return 0;
        }
        let payload = view.first(count).payload;
        let same_addr_as = self.sources.index_of(&view.addr, self.filled as u32);
        // SAFETY: `payload` is at most the room left in `buf`, and `count` at most the items left.
        unsafe {
            let start = self.buf.add(self.used);
            start.copy_from_nonoverlapping(payload.as_ptr(), payload.len());
            for index in 0..count {
                let offset = index * view.segment;
                self.items.add(self.filled + index).write(ph_datagram_t {
                    addr: view.addr.into(),
                    data: start.add(offset),
                    len: view.segment.min(payload.len() - offset),
                    delay_ns,
                    flags: if view.truncated { PH_TRUNCATED } else { 0 },
                    same_addr_as,
                });
                if !self.arrivals.is_null() {
                    self.arrivals.add(self.filled + index).write(arrival.into());
                }
            }
        }
        self.filled += count;
        self.used += payload.len();
        count
    }
}

/// Where in a call each of the latest addresses was first seen. Addresses that fall into one place
/// displace each other, so that a repeated one may be taken for new, never the other way round.
struct Sources([Option<(Addr, u32)>; Sources::PLACES]);

impl Sources {
    const PLACES: usize = 64;

    fn new() -> Sources {
        Sources([None; Sources::PLACES])
    }

    fn index_of(&mut self, addr: &Addr, index: u32) -> u32 {
        // Ports play no part: they are given with each datagram.
        let mut addr = *addr;
        addr.port = 0;
        let [first, second] = addr.ip_words();
        let mixed = (first ^ second).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.0[(mixed >> 58) as usize];
        match place {
            Some((known, first)) if *known == addr => *first,
            _ => {
                *place = Some((addr, index));
                index
            }
        }
    }
}
