//! `peer_*`: the peer.

use super::datagram::{ph_arrival_t, ph_datagram_t, ph_error_t, write_errors, Output};
use super::handles::{self, Kind};
use super::ph::ph_addr_t;
use super::sized::{self, Growing};
use super::{check_array, guard, guard32, hand_out, slice_in, slice_out, write_out, INVALID};
use crate::sys::addr::Addr;
use crate::sys::mmsg::PAYLOAD_MAX;
use crate::sys::multicast::{check_group, Setting};
use crate::sys::socket::Opening;
use crate::sys::Result;
use crate::udp::peer::{Config, Peer, Stats};
use std::ffi::c_void;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// A UDP socket that the caller's own threads receive from and send to; it never waits unless asked
/// to. Made by `peer_new`, ended by `peer_close`. The value is a token, never an address.
pub struct peer_t {
    _private: [u8; 0],
}

/// For `flags` of the configuration: sending to broadcast addresses is allowed (SO_BROADCAST).
pub const PEER_BROADCAST: u32 = 1;
/// For `flags` of the configuration: the kernel tells of each datagram where it came to, by which
/// interface, with which TOS, and when: `ph_arrival_t`, and `delay_ns` of `ph_datagram_t`.
pub const PEER_ARRIVAL: u32 = 2;
/// For `flags` of the configuration: do without UDP GSO.
pub const PEER_NO_GSO: u32 = 4;
/// For `flags` of the configuration: do without UDP GRO.
pub const PEER_NO_GRO: u32 = 8;
/// For `flags` of the configuration: an IPv6 socket for IPv6 alone, where it would take IPv4 too.
pub const PEER_V6_ONLY: u32 = 16;

/// For `peer_set`: routers that a datagram may cross (TTL, hop limit), 1 to 255.
pub const PEER_TTL: u32 = 1;
/// For `peer_set`: TOS or traffic class of what is sent, 0 to 255.
pub const PEER_TOS: u32 = 2;
/// For `peer_set`: whether sending to broadcast addresses is allowed, 0 or 1.
pub const PEER_SET_BROADCAST: u32 = 3;
/// For `peer_set`: routers that a multicast may cross, and one, 0 to 255; 0: it stays on this host.
pub const PEER_MULTICAST_TTL: u32 = 4;
/// For `peer_set`: whether this host receives its own multicasts, 0 or 1.
pub const PEER_MULTICAST_LOOP: u32 = 5;
/// For `peer_set`: index of the interface that multicasts leave by; 0: the route's choice.
pub const PEER_MULTICAST_INTERFACE: u32 = 6;

/// How a peer works. Set `size` to sizeof(peer_config_t) and the rest to 0, which means the default
/// everywhere, then what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct peer_config_t {
    /// sizeof(peer_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// Address and port to bind to; port 0: a free one. Family 0: any IPv4 address.
    pub addr: ph_addr_t,
    /// PEER_BROADCAST, PEER_ARRIVAL, PEER_NO_GSO, PEER_NO_GRO, PEER_V6_ONLY.
    pub flags: u32,
    /// Longest datagram received whole, in bytes; default, and most, 65,535. Less does without GRO.
    pub recv_size: u32,
    /// The socket's buffers are made at least so large, in bytes, as far as the system allows;
    /// default 0: they stay as they are.
    pub send_buffer: u32,
    pub recv_buffer: u32,
}

/// Counts of a peer since it was made, however often it was opened.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct peer_stats_t {
    /// sizeof(peer_stats_t), set by the caller.
    pub size: usize,
    /// Datagrams and payload bytes sent.
    pub sent: u64,
    pub sent_bytes: u64,
    /// Datagrams and payload bytes handed to the caller.
    pub received: u64,
    pub received_bytes: u64,
    /// Of these, datagrams whose end was lost.
    pub truncated: u64,
    /// Datagrams received and not yet handed out when the peer was closed or reopened; those that
    /// were still in the socket are not counted.
    pub unread: u64,
    /// Datagrams that the kernel dropped, its receive buffer being full or the checksum wrong.
    pub kernel_drops: u64,
    /// ICMP errors taken, and those that nobody asked for before there were too many.
    pub icmp_errors: u64,
    pub errors_dropped: u64,
    /// 1 where the kernel splits and joins datagrams for this peer, otherwise 0. GRO is turned on by
    /// the first `peer_receive` of 64 datagrams or more.
    pub uses_gso: u32,
    pub uses_gro: u32,
}

/// What `peer_receive_room` receives into: set once, used again and again.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct peer_room_t {
    /// The handle.
    pub peer: *mut peer_t,
    /// The caller's; gets the payload.
    pub buf: *mut u8,
    /// Bytes of `buf`.
    pub cap: usize,
    /// The sender of the last datagram; any address before the first.
    pub from: ph_addr_t,
}

/// Added to what `peer_receive_room` returns when the sender is not that of the datagram before.
pub const PEER_OTHER_SENDER: i64 = 0x1_0000_0000;

/// Called with each datagram that a peer has sent or received.
///
/// `user` is the pointer given to `peer_wire_log`; `is_sent` 1 for sent, 0 for received; `who` the
/// other side; `data`, `len` the payload, good during the call. It runs inside the call that sends
/// or receives, on the caller's thread, and must not unwind (no C++ exception, no longjmp). It may
/// call any function of this library.
pub type peer_wire_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        is_sent: i32,
        who: *const ph_addr_t,
        data: *const u8,
        len: usize,
    ),
>;

// SAFETY: integers alone.
unsafe impl Growing for peer_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for peer_stats_t {}

/// What a handle stands for.
struct Wired {
    peer: Peer,
    wire: RwLock<Option<Wire>>,
    /// Whether there is one: most peers have none, and should not pay for the lock.
    is_wired: AtomicBool,
}

impl Kind for Wired {
    const TAG: u8 = 0xa2;
}

/// A peer that stays while a thread of ours uses it.
pub(super) struct InUse(handles::Guard<Wired>);

impl Deref for InUse {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.0.peer
    }
}

pub(super) fn in_use(h: *const peer_t) -> Result<InUse> {
    Ok(InUse(peer(h)?))
}

/// A wire log callback with the pointer that it gets back.
#[derive(Clone, Copy)]
struct Wire {
    callback: unsafe extern "C" fn(*mut c_void, i32, *const ph_addr_t, *const u8, usize),
    user: *mut c_void,
}

// SAFETY: the library never looks at what the pointer points to; the callback, which runs on
// whichever thread sends or receives, does.
unsafe impl Send for Wire {}
// SAFETY: as for Send.
unsafe impl Sync for Wire {}

impl Wired {
    fn new(peer: Peer) -> Wired {
        Wired { peer, wire: RwLock::new(None), is_wired: AtomicBool::new(false) }
    }

    fn wire(&self) -> Option<Wire> {
        if !self.is_wired.load(Ordering::Acquire) {
            return None;
        }
        *self.wire.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_wire(&self, wire: Option<Wire>) {
        let mut current = self.wire.write().unwrap_or_else(PoisonError::into_inner);
        *current = wire;
        self.is_wired.store(wire.is_some(), Ordering::Release);
    }

    /// Tells the wire log, where there is one, of the first `count` items.
    ///
    /// # Safety
    /// These items must be there, with payloads that are.
    unsafe fn tell(&self, is_sent: bool, items: *const ph_datagram_t, count: usize) {
        // Copied, so that the callback may set another.
        let Some(Wire { callback, user }) = self.wire() else { return };
        for index in 0..count {
            // SAFETY: the caller's promise; the callback is good by the contract of `peer_wire_log`.
            unsafe {
                let ph_datagram_t { addr, data, len, .. } = items.add(index).read();
                callback(user, i32::from(is_sent), &addr, data, len);
            }
        }
    }

    /// The same for one datagram.
    fn tell_one(&self, is_sent: bool, who: &ph_addr_t, payload: &[u8]) {
        let Some(Wire { callback, user }) = self.wire() else { return };
        // SAFETY: as above.
        unsafe { callback(user, i32::from(is_sent), who, payload.as_ptr(), payload.len()) };
    }
}

fn peer(h: *const peer_t) -> Result<handles::Guard<Wired>> {
    handles::enter(h.cast())
}

/// Makes a peer, which `peer_open` opens. It has no thread, and no descriptor before that.
///
/// `config`: NULL for the defaults. `out`: the caller's; gets the handle.
///
/// The socket is opened with SO_REUSEADDR and SO_REUSEPORT: others that do the same may share
/// its port, and datagrams are then dealt out among those of one user by sender. Of multicasts it receives those of the groups
/// that it has joined, where Linux otherwise gives it those that any socket has (IP_MULTICAST_ALL).
///
/// Errors: -EINVAL for a bad configuration or NULL; -EMFILE when 65,536 handles are open. `out` is
/// written on success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_new(config: *const peer_config_t, out: *mut *mut peer_t) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, || Ok(Wired::new(Peer::new(read_config(config)?)?))) }
    })
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const peer_config_t) -> Result<Config> {
    const FLAGS: u32 = PEER_BROADCAST | PEER_ARRIVAL | PEER_NO_GSO | PEER_NO_GRO | PEER_V6_ONLY;
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    if c.flags & !FLAGS != 0 {
        return Err(INVALID);
    }
    let default = Config::default();
    Ok(Config {
        address: if c.addr.family == 0 {
            default.address.with_port(c.addr.port)
        } else {
            c.addr.try_into()?
        },
        opening: Opening {
            only_v6: c.flags & PEER_V6_ONLY != 0,
            broadcast: c.flags & PEER_BROADCAST != 0,
            send_buffer: c.send_buffer as usize,
            recv_buffer: c.recv_buffer as usize,
            ..default.opening
        },
        arrival: c.flags & PEER_ARRIVAL != 0,
        recv_size: if c.recv_size == 0 { PAYLOAD_MAX } else { c.recv_size as usize },
        gso: c.flags & PEER_NO_GSO == 0,
        gro: c.flags & PEER_NO_GRO == 0,
    })
}

/// Opens a peer's socket and binds it.
///
/// Returns 0. Errors: -EADDRINUSE when a program has the port for itself; -EACCES for a port below
/// 1024 without the privilege; -EADDRNOTAVAIL for an address that is none of this host's; -EMFILE;
/// -EISCONN when it is open; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_open(h: *mut peer_t) -> i32 {
    guard32(|| peer(h)?.peer.open().map(|()| 0))
}

/// Closes a peer's socket, if it is open, and opens it on the address that it had; a free port that
/// it was given stays its port. Calls that wait on the old one end with -ESHUTDOWN. What `peer_set`
/// and `peer_join` did is to be done again.
///
/// Returns 0. Errors: as `peer_open`; the peer is closed then, and may be opened. Thread safety: any
/// thread.
#[no_mangle]
pub extern "C" fn peer_reopen(h: *mut peer_t) -> i32 {
    guard32(|| peer(h)?.peer.reopen().map(|()| 0))
}

/// Receives up to `n` datagrams, oldest first.
///
/// `items`, `n`: the caller's, at least 1; filled from the first on. `arrivals`: NULL, or the
/// caller's `n`: filled likewise; needs PEER_ARRIVAL to say anything. `buf`, `cap`: the caller's;
/// gets the payloads one after the other, to which `items[].data` point; 65,535 bytes are enough
/// for any one datagram. `timeout_ms`: how long to wait for a first one, -1 for ever, 0 not at all.
/// A caller who waits, and has taken all there was, is given more than 40,000 datagrams a second in
/// batches, at most 0.3 ms late, instead of being woken for each.
///
/// Returns how many. What was received and did not fit is kept and comes first the next time: a
/// datagram longer than the rest of `buf`, or the end of a run, with UDP GRO, which calls with `n`
/// of 64 or more turn on. Errors: -EAGAIN when there is none;
/// -ETIMEDOUT when the time is over; -EMSGSIZE when not even the first fits `buf`, nothing being
/// lost; -EINTR when a signal handler ran during the wait; -ESHUTDOWN when closed during the wait;
/// -ENOTCONN when not open; -EINVAL for NULL or `n` 0; -EBADF. ICMP errors are none: see
/// `peer_get_error`. Thread safety: any thread; each datagram goes to one caller.
#[no_mangle]
pub unsafe extern "C" fn peer_receive(
    h: *mut peer_t,
    items: *mut ph_datagram_t,
    arrivals: *mut ph_arrival_t,
    n: usize,
    buf: *mut u8,
    cap: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let wired = peer(h)?;
        let mut output = Output::new(items, arrivals, n, buf, cap)?;
        let taken = output.receive(timeout_ms, |timeout_ms, visit| {
            wired.peer.receive(n, cap, timeout_ms, visit)
        })?;
        // SAFETY: so many have just been written.
        unsafe { wired.tell(false, items, taken) };
        Ok(taken as i64)
    })
}

/// Receives one datagram, without waiting: `peer_receive` for callers to whom filling a structure
/// costs more than the call.
///
/// `buf`, `cap`: the caller's; gets the payload. `from`: the caller's; gets the sender.
///
/// Returns the length of the datagram; more than `recv_size` means that its end is lost, `recv_size`
/// bytes being there. Errors: -EAGAIN when there is none; -EMSGSIZE when it does not fit `buf`,
/// nothing being lost; -ENOTCONN; -EINVAL for NULL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_receive_from(
    h: *mut peer_t,
    buf: *mut u8,
    cap: usize,
    from: *mut ph_addr_t,
) -> i64 {
    guard(|| {
        let wired = peer(h)?;
        check_array(from.cast_const(), 1)?;
        // SAFETY: the caller's promise.
        let (length, sender) = unsafe { receive_one(&wired, buf, cap)? };
        // SAFETY: the caller's promise.
        unsafe { write_out(from, sender)? };
        Ok(length)
    })
}

/// Receives one datagram, without waiting: `peer_receive_from` for bindings to which every argument
/// costs, as does every look at an address.
///
/// `room`: the caller's; `from` is written where it changes.
///
/// Returns the length as `peer_receive_from`, with PEER_OTHER_SENDER added when `from` has changed.
/// Errors: as `peer_receive_from`. Thread safety: any thread, each with a room of its own.
#[no_mangle]
pub unsafe extern "C" fn peer_receive_room(room: *mut peer_room_t) -> i64 {
    guard(|| {
        check_array(room.cast_const(), 1)?;
        // SAFETY: not null and aligned; the rest is the caller's promise.
        let peer_room_t { peer: h, buf, cap, from } = unsafe { room.read() };
        // SAFETY: the caller's promise.
        let (length, sender) = unsafe { receive_one(&*peer(h)?, buf, cap)? };
        if sender == from {
            return Ok(length);
        }
        // SAFETY: as above.
        unsafe { (*room).from = sender };
        Ok(length + PEER_OTHER_SENDER)
    })
}

/// # Safety
/// `buf` must be good for writing `cap` bytes.
unsafe fn receive_one(wired: &Wired, buf: *mut u8, cap: usize) -> Result<(i64, ph_addr_t)> {
    // SAFETY: the caller's promise.
    let buffer = unsafe { slice_out(buf, cap)? };
    let single = wired.peer.receive_from(buffer)?;
    let sender = single.from.into();
    wired.tell_one(false, &sender, &buffer[..single.filled]);
    Ok((single.length as i64, sender))
}

/// Sends `n` datagrams, in order, without waiting. Neighbours of one destination and length leave
/// together (UDP GSO) where the kernel can.
///
/// `items`, `n`: at least 1; `addr`, `data` and `len` are looked at. `how`: NULL, or the caller's
/// `n`: how each is to leave.
///
/// Returns how many were sent. Fewer than `n`: the next one is refused, and sending from it on tells
/// why. Errors, about the first one: -EAGAIN when the kernel has no room; -EMSGSIZE for a payload
/// longer than UDP (65,507 bytes over IPv4, 65,527 over IPv6); -EACCES for a broadcast without
/// PEER_BROADCAST; -EAFNOSUPPORT for an IPv6 address on an IPv4 socket; -ENETUNREACH, -EHOSTUNREACH,
/// -EPERM and others of sendmsg(2); -EINVAL for port 0, another family, a TOS out of range, NULL, `n`
/// 0; -EINVAL or -ENETUNREACH for a source address that is none of this host's; -ENOTCONN when not
/// open; -ESHUTDOWN when closed during the call; -EBADF. ICMP
/// errors are none: see `peer_get_error`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_send(
    h: *mut peer_t,
    items: *const ph_datagram_t,
    how: *const ph_arrival_t,
    n: usize,
) -> i64 {
    guard(|| {
        let wired = peer(h)?;
        // SAFETY: the caller's promise.
        let items_in = unsafe { slice_in(items, n)? };
        // SAFETY: the caller's promise.
        let read = |item: &ph_datagram_t| unsafe { item.read() };
        read(items_in.first().ok_or(INVALID)?)?;
        let sent = if how.is_null() {
            wired.peer.send(items_in.iter().map_while(|item| read(item).ok()))?
        } else {
            // SAFETY: the caller's promise.
            let how = unsafe { slice_in(how, n)? };
            how[0].departure()?;
            let ways = how.iter().map_while(|how| how.departure().ok());
            let both = items_in.iter().map_while(|item| read(item).ok()).zip(ways);
            wired.peer.send_by(both.map(|((to, payload), departure)| (to, payload, departure)))?
        };
        // SAFETY: these were looked at before, and their payloads sent.
        unsafe { wired.tell(true, items, sent) };
        Ok(sent as i64)
    })
}

/// Sends one datagram, without waiting: `peer_send` for callers to whom filling a structure costs
/// more than the call.
///
/// `to`: where it goes. `port`: 1 to 65535, in place of that of `to`; 0: that of `to`. It is wide, so
/// that a number out of range is refused even where a binding cuts numbers to size.
/// `data`, `len`: the payload; NULL only with 0.
///
/// Returns `len`. Errors: as `peer_send`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_send_to(
    h: *mut peer_t,
    to: *const ph_addr_t,
    port: i64,
    data: *const u8,
    len: usize,
) -> i64 {
    guard(|| {
        let wired = peer(h)?;
        // SAFETY: the caller's promise.
        let (to, payload) = unsafe { (slice_in(to, 1)?[0], slice_in(data, len)?) };
        let mut to = Addr::try_from(to)?;
        if port != 0 {
            to.port = u16::try_from(port).map_err(|_| INVALID)?;
        }
        wired.peer.send_to(to, payload)?;
        wired.tell_one(true, &to.into(), payload);
        Ok(len as i64)
    })
}

/// Sizes of the socket's buffers in bytes, the kernel's own bookkeeping included: it doubles what it
/// is asked for (socket(7)). Both 0 when the peer is not open.
///
/// `send`, `recv`: the caller's. Returns 0. Errors: -EINVAL for NULL; -EBADF. Thread safety: any
/// thread.
#[no_mangle]
pub unsafe extern "C" fn peer_actual_buf_sizes(
    h: *mut peer_t,
    send: *mut i32,
    recv: *mut i32,
) -> i32 {
    guard32(|| {
        let wired = peer(h)?;
        check_array(recv.cast_const(), 1)?;
        let sizes = wired.peer.buffers()?;
        // SAFETY: the caller's promise.
        unsafe {
            write_out(send, i32::try_from(sizes.0).unwrap_or(i32::MAX))?;
            write_out(recv, i32::try_from(sizes.1).unwrap_or(i32::MAX))?;
        }
        Ok(0)
    })
}

/// The address and port that the peer is bound to, or was, or will be.
///
/// `out`: the caller's. Returns 0. Errors: -EINVAL for NULL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_addr(h: *mut peer_t, out: *mut ph_addr_t) -> i32 {
    guard32(|| {
        let address = peer(h)?.peer.address();
        // SAFETY: the caller's promise.
        unsafe { write_out(out, address.into())? };
        Ok(0)
    })
}

/// A descriptor that poll(2) finds readable exactly while datagrams are there, or ICMP errors that no
/// call has taken from the socket yet (any that receives does); it stays the peer's, is good until it is closed or reopened, and must not be read. It is never
/// writable: for that, ask poll about `peer_socket`.
///
/// Errors: -ENOTCONN when not open; -EMFILE; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_fd(h: *mut peer_t) -> i32 {
    guard32(|| peer(h)?.peer.fd())
}

/// The socket itself, for options that this header does not name, and to wait for room; it stays the
/// peer's, and is good until it is closed or reopened. To read it would take datagrams away.
///
/// Errors: -ENOTCONN when not open; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_socket(h: *mut peer_t) -> i32 {
    guard32(|| peer(h)?.peer.socket_fd())
}

/// Sets an option of the open socket.
///
/// `option`: PEER_TTL to PEER_MULTICAST_INTERFACE. `value`: as said there.
///
/// Returns 0. Errors: -EINVAL for another option or a value out of range; -EADDRNOTAVAIL or -ENODEV
/// for an interface that does not exist; -ENOTCONN when not open; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_set(h: *mut peer_t, option: u32, value: i32) -> i32 {
    guard32(|| {
        let wired = peer(h)?;
        let (setting, range) = match option {
            PEER_TTL => (Setting::Ttl, 1..=255),
            PEER_TOS => (Setting::Tos, 0..=255),
            PEER_SET_BROADCAST => (Setting::Broadcast, 0..=1),
            PEER_MULTICAST_TTL => (Setting::MulticastTtl, 0..=255),
            PEER_MULTICAST_LOOP => (Setting::MulticastLoop, 0..=1),
            PEER_MULTICAST_INTERFACE => (Setting::MulticastInterface, 0..=i32::MAX),
            _ => return Err(INVALID),
        };
        if !range.contains(&value) {
            return Err(INVALID);
        }
        wired.peer.adjust(setting, value).map(|()| 0)
    })
}

/// Receives a multicast group's datagrams from now on.
///
/// `group`: its address; the port plays no part. `interface`: index of the interface to listen on;
/// 0: the one that the system picks, or that the group's scope names.
///
/// Returns 0. Errors: -EINVAL for an address that is no group's, or NULL; -EAFNOSUPPORT for one of
/// the other family; -EADDRINUSE when joined already; -ENODEV; -ENOBUFS for too many groups;
/// -ENOTCONN when not open; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_join(h: *mut peer_t, group: *const ph_addr_t, interface: u32) -> i32 {
    // SAFETY: the caller's promise.
    guard32(|| unsafe { peer(h)?.peer.join(group_in(group)?, interface).map(|()| 0) })
}

/// Receives a multicast group's datagrams no longer. Parameters as `peer_join`, with which it was
/// joined.
///
/// Returns 0. Errors: -EADDRNOTAVAIL for a group that was not joined; otherwise as `peer_join`.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_leave(
    h: *mut peer_t,
    group: *const ph_addr_t,
    interface: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    guard32(|| unsafe { peer(h)?.peer.leave(group_in(group)?, interface).map(|()| 0) })
}

/// # Safety
/// `group` must be NULL or good for reading.
unsafe fn group_in(group: *const ph_addr_t) -> Result<Addr> {
    // SAFETY: the caller's promise.
    check_group(unsafe { slice_in(group, 1)?[0] }.try_into()?)
}

/// Picks up to `n` ICMP errors up, oldest first. The newest 1,024 are kept until they are picked up;
/// the rest are counted (errors_dropped). They never make a call fail.
///
/// `out`, `n`: the caller's, at least 1.
///
/// Returns how many. Errors: -EAGAIN when there is none; -EINVAL for NULL or `n` 0; -EBADF. Thread
/// safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_get_error(h: *mut peer_t, out: *mut ph_error_t, n: usize) -> i64 {
    guard(|| {
        let wired = peer(h)?;
        // SAFETY: the caller's promise.
        unsafe { write_errors(out, n, |most| wired.peer.errors(most)) }
    })
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn peer_stats(h: *mut peer_t, out: *mut peer_stats_t) -> i32 {
    guard32(|| {
        let wired = peer(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &wired.peer.stats().into())? };
        Ok(0)
    })
}

impl From<Stats> for peer_stats_t {
    fn from(s: Stats) -> peer_stats_t {
        peer_stats_t {
            size: size_of::<peer_stats_t>(),
            sent: s.sent,
            sent_bytes: s.sent_bytes,
            received: s.received,
            received_bytes: s.received_bytes,
            truncated: s.truncated,
            unread: s.unread,
            kernel_drops: s.kernel_drops,
            icmp_errors: s.icmp_errors,
            errors_dropped: s.errors_dropped,
            uses_gso: u32::from(s.gso),
            uses_gro: u32::from(s.gro),
        }
    }
}

/// Has every datagram sent and received told to a callback.
///
/// `callback`: NULL for none. `user`: handed to the callback, never looked at. Both must stay good
/// until the calls that send or receive while this one replaces them have returned.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_wire_log(h: *mut peer_t, callback: peer_wire_fn, user: *mut c_void) -> i32 {
    guard32(|| {
        let wired = peer(h)?;
        wired.set_wire(callback.map(|callback| Wire { callback, user }));
        Ok(0)
    })
}

/// Ends a peer: closes its socket and wakes every waiter. From the first moment on every other call
/// with this handle, from any thread, answers -EBADF; calls that wait inside end with -ESHUTDOWN.
///
/// Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn peer_close(h: *mut peer_t) -> i32 {
    guard32(|| {
        let wired = handles::remove::<Wired>(h.cast())?;
        wired.peer.close();
        Ok(0)
    })
}
