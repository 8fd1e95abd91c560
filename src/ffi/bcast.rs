//! `bcast_*`: messages to and from all neighbours.

use super::datagram::{ph_arrival_t, ph_datagram_t, Output};
use super::handles::{self, Kind};
use super::ph::ph_addr_t;
use super::sized::{self, Growing};
use super::{guard, guard32, hand_out, slice_in, INVALID};
use crate::sys::{thread, Errno, Result};
use crate::udp::broadcast::{Broadcast, Config, Stats};
use std::time::Duration;

/// A socket for messages to and from all neighbours, by broadcast or to a multicast group. Made by
/// `bcast_new`, ended by `bcast_close`. The value is a token, never an address.
pub struct bcast_t {
    _private: [u8; 0],
}

/// For `flags` of the configuration: it has a free port of its own instead of `port`, and joins
/// nothing; it only receives what is sent to that port.
pub const BCAST_SEND_ONLY: u32 = 1;

/// How messages travel. Set `size` to sizeof(bcast_config_t) and the rest to 0, which means the
/// default everywhere, then what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct bcast_config_t {
    /// sizeof(bcast_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// A multicast group, IPv4 or IPv6, its port playing no part; default, family 0: broadcast over
    /// IPv4.
    pub group: ph_addr_t,
    /// Port that messages come in at and go to, 0 to 65535; 0: a free one.
    pub port: u32,
    /// Index of the only interface to use (SO_BINDTODEVICE); default 0: all of them, for a group
    /// those that are up now.
    pub interface: u32,
    /// Longest message received whole, in bytes, at most 65,535; default 8,192.
    pub recv_size: u32,
    /// Routers that a message to a group may cross, and one, 1 to 255; default 1: none.
    pub ttl: u32,
    /// BCAST_SEND_ONLY.
    pub flags: u32,
}

/// Counts since it was made.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct bcast_stats_t {
    /// sizeof(bcast_stats_t), set by the caller.
    pub size: usize,
    /// Messages and payload bytes handed to the caller.
    pub received: u64,
    pub received_bytes: u64,
    /// Of these, messages whose end was lost.
    pub truncated: u64,
    /// Messages that the kernel dropped, its receive buffer being full or the checksum wrong.
    pub kernel_drops: u64,
    /// Messages that left, one for each interface, and those that an interface refused or that found
    /// none.
    pub sent: u64,
    pub send_errors: u64,
    /// Times that the beacon has tried to send.
    pub beacons: u64,
}

// SAFETY: integers alone.
unsafe impl Growing for bcast_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for bcast_stats_t {}

impl Kind for Broadcast {
    const TAG: u8 = 0xa3;
}

fn broadcast(h: *const bcast_t) -> Result<handles::Guard<Broadcast>> {
    handles::enter(h.cast())
}

/// Opens a socket for messages to and from all neighbours.
///
/// Several may have one port (SO_REUSEADDR), in this process and others: each gets every message.
///
/// `config`: NULL for the defaults. `out`: the caller's; gets the handle.
///
/// Errors: -EADDRINUSE when a program has the port for itself; -EACCES for a port below 1024 without
/// the privilege; -EINVAL for a bad configuration, a group that is none, NULL; -ENODEV for an
/// interface that does not exist, or when none takes multicasts; -EPERM for naming an interface
/// before Linux 5.7 without the privilege; -ENOBUFS for too many groups; -EMFILE. `out` is written on
/// success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn bcast_new(config: *const bcast_config_t, out: *mut *mut bcast_t) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, || Broadcast::new(&read_config(config)?)) }
    })
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const bcast_config_t) -> Result<Config> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    if c.flags & !BCAST_SEND_ONLY != 0 {
        return Err(INVALID);
    }
    let default = Config::default();
    Ok(Config {
        group: if c.group.family == 0 { None } else { Some(c.group.try_into()?) },
        port: u16::try_from(c.port).map_err(|_| INVALID)?,
        interface: c.interface,
        recv_size: if c.recv_size == 0 { default.recv_size } else { c.recv_size as usize },
        ttl: if c.ttl == 0 { default.ttl } else { u8::try_from(c.ttl).map_err(|_| INVALID)? },
        send_only: c.flags & BCAST_SEND_ONLY != 0,
    })
}

/// Receives up to `n` messages, oldest first: `peer_receive` with PEER_ARRIVAL, but that it is
/// always open.
///
/// Errors: those of `peer_receive`. Thread safety: any thread; each message goes to one caller.
#[no_mangle]
pub unsafe extern "C" fn bcast_receive(
    h: *mut bcast_t,
    items: *mut ph_datagram_t,
    arrivals: *mut ph_arrival_t,
    n: usize,
    buf: *mut u8,
    cap: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let broadcast = broadcast(h)?;
        let mut output = Output::new(items, arrivals, n, buf, cap)?;
        let taken = output.receive(timeout_ms, |timeout_ms, visit| {
            broadcast.receive(n, cap, timeout_ms, visit)
        })?;
        Ok(taken as i64)
    })
}

/// Sends a message to all neighbours, without waiting: by each interface that is up, to its network's
/// broadcast address, which follows from the prefix where it has none (the loopback's is
/// 127.255.255.255), or to the group. A host that is reached by
/// several interfaces gets several, this one among them where it receives them.
///
/// `data`, `len`: the message; NULL only with 0.
///
/// Returns by how many interfaces it left. Errors, when by none: what the first of them said, as
/// `peer_send`; -ENETUNREACH when there is none; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn bcast_send(h: *mut bcast_t, data: *const u8, len: usize) -> i64 {
    guard(|| {
        let broadcast = broadcast(h)?;
        // SAFETY: the caller's promise.
        let message = unsafe { slice_in(data, len)? };
        Ok(broadcast.send(message)? as i64)
    })
}

/// Sends a message now and then again and again, from a thread of the library's own, in place of the
/// one before. The times are counted from the first, without drift; one that is missed is left out.
///
/// `data`, `len`: the message, copied; NULL only with 0. `period_ms`: from one to the next, in
/// milliseconds; 0: sends nothing more.
///
/// Returns 0. Errors: -EMSGSIZE for a message longer than UDP; -ESHUTDOWN when closed during the call; -EAGAIN or -EMFILE when threads or
/// descriptors are short, nothing being sent any more; -EDEADLK when called by the log callback on a
/// thread of the library's own; -EINVAL for NULL; -EBADF. Thread safety: any other thread.
#[no_mangle]
pub unsafe extern "C" fn bcast_beacon(
    h: *mut bcast_t,
    data: *const u8,
    len: usize,
    period_ms: u32,
) -> i32 {
    guard32(|| {
        let broadcast = broadcast(h)?;
        // SAFETY: the caller's promise.
        let message = unsafe { slice_in(data, len)? };
        let period = (period_ms > 0).then(|| Duration::from_millis(period_ms.into()));
        broadcast.beacon(message, period).map(|()| 0)
    })
}

/// The port that messages come in at and go to.
///
/// Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn bcast_port(h: *mut bcast_t) -> i32 {
    guard32(|| Ok(broadcast(h)?.port().into()))
}

/// A descriptor that poll(2) finds readable exactly while messages are there; it stays the library's,
/// is good until `bcast_close`, and must not be read.
///
/// Errors: -EMFILE; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn bcast_fd(h: *mut bcast_t) -> i32 {
    guard32(|| broadcast(h)?.fd())
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn bcast_stats(h: *mut bcast_t, out: *mut bcast_stats_t) -> i32 {
    guard32(|| {
        let broadcast = broadcast(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &broadcast.stats().into())? };
        Ok(0)
    })
}

impl From<Stats> for bcast_stats_t {
    fn from(s: Stats) -> bcast_stats_t {
        bcast_stats_t {
            size: size_of::<bcast_stats_t>(),
            received: s.received,
            received_bytes: s.received_bytes,
            truncated: s.truncated,
            kernel_drops: s.kernel_drops,
            sent: s.sent,
            send_errors: s.send_errors,
            beacons: s.beacons,
        }
    }
}

/// Ends it: stops the beacon, closes the socket and wakes every waiter. From the first moment on
/// every other call with this handle, from any thread, answers -EBADF; calls that wait inside end
/// with -ESHUTDOWN.
///
/// Returns 0. Errors: -EBADF, for a second close too; -EDEADLK when called by the log callback on a
/// thread of the library's own, the handle staying open. Thread safety: any other thread.
#[no_mangle]
pub extern "C" fn bcast_close(h: *mut bcast_t) -> i32 {
    guard32(|| {
        if thread::is_ours() {
            return Err(Errno(libc::EDEADLK));
        }
        handles::remove::<Broadcast>(h.cast())?.close();
        Ok(0)
    })
}
