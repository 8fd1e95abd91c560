//! `udph_*`: the UDP handler.

use super::datagram::{ph_datagram_t, ph_error_t, write_errors, Output};
use super::handles::{self, Kind};
use super::ph::ph_addr_t;
use super::sized::{self, Growing};
use super::{check_array, guard, guard32, hand_out, patience, slice_in, INVALID};
use crate::histogram::Percentiles;
use crate::log::Level;
use crate::sys::addr::Addr;
use crate::sys::mmsg::{Arrival, PAYLOAD_MAX};
use crate::sys::{thread, Errno, Result};
use crate::udp::handler::{Config, Handler, Policy, QueueConfig, ReactorStats, Stats};
use std::ptr;
use std::time::Duration;

/// A UDP handler: a socket with native threads that receive and send. Made by `udph_new`, ended by
/// `udph_close`. The value is a token, never an address.
pub struct udph_t {
    _private: [u8; 0],
}

// SAFETY: integers alone.
unsafe impl Growing for udph_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for udph_stats_t {}

impl Kind for Handler {
    const TAG: u8 = 0xa1;
}

/// What a full queue does with a datagram; for `send_policy` and `recv_policy`.
///
/// The call is refused with -EAGAIN; an arriving datagram stays in the kernel's buffer, unless it
/// is larger than the whole queue: then it is thrown away, and counted.
pub const UDPH_REFUSE: u32 = 0;
/// The oldest in the queue is thrown away, and counted.
pub const UDPH_DROP_OLDEST: u32 = 1;
/// The new one is thrown away, and counted.
pub const UDPH_DROP_NEWEST: u32 = 2;
/// The call waits for room; an arriving datagram is treated as by UDPH_REFUSE.
pub const UDPH_WAIT: u32 = 3;

/// For `flags` of the configuration: do without UDP GSO.
pub const UDPH_NO_GSO: u32 = 1;
/// For `flags` of the configuration: do without UDP GRO.
pub const UDPH_NO_GRO: u32 = 2;

/// How a handler works. Set `size` to sizeof(udph_config_t) and the rest to 0, which means the
/// default everywhere, then what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct udph_config_t {
    /// sizeof(udph_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// Sending threads, 1 to 256; default 1. One alone keeps the order of dispatching.
    pub send_reactors: u32,
    /// Receiving threads, 0 to 256; default 0: the handler does not receive.
    pub recv_reactors: u32,
    /// Sockets of each receiving thread, at least 1, at most 4096 in all; default 4. Where SO_REUSEPORT is set on the
    /// socket, further ones join its port group; otherwise all threads share the one socket. A
    /// broadcast or multicast datagram comes to each socket of a group.
    pub recv_sockets_a_reactor: u32,
    /// Flags for sendto(2): MSG_DONTWAIT, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL.
    pub send_flags: i32,
    /// An eventfd to which the number of datagrams received is added, one write a batch; duplicated,
    /// so that the caller's stays the caller's. 0 or less: none.
    pub event_fd: i32,
    /// UDPH_NO_GSO, UDPH_NO_GRO.
    pub flags: u32,
    /// UDPH_REFUSE (default), UDPH_DROP_OLDEST, UDPH_DROP_NEWEST or UDPH_WAIT.
    pub send_policy: u32,
    pub recv_policy: u32,
    /// Bounds of the two queues in datagrams (default 1,048,576) and payload bytes (default
    /// 67,108,864). Beside its payload a datagram takes 48 bytes, or fewer in a run to one peer;
    /// growing, a batch of up to 128 KiB may take twice what is in it.
    pub send_queue_items: u64,
    pub send_queue_bytes: u64,
    pub recv_queue_items: u64,
    pub recv_queue_bytes: u64,
    /// Longest datagram received whole, in bytes; default, and most, 65,535. Less does without GRO.
    pub recv_size: u32,
    /// PH_LOG_*: messages of this handler that are logged whatever `ph_log_set` says.
    pub debug_level: i32,
}

/// Percentiles of a time in nanoseconds, at most 1/16 above the true value; `max` is exact.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ph_percentiles_t {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// One reactor's part of the work.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct udph_reactor_stats_t {
    /// Datagrams and payload bytes sent or received.
    pub datagrams: u64,
    pub bytes: u64,
    /// System calls that moved at least one datagram.
    pub batches: u64,
    /// Messages that held several datagrams: GSO runs sent, GRO runs received.
    pub offloaded: u64,
    /// Wake-ups that found nothing to receive.
    pub idle_wakeups: u64,
}

/// Counts of a handler since it was made.
///
/// Once it is closed, dispatched = sent + send_errors + send_dropped + send_unsent, and
/// received = delivered + recv_dropped + recv_unread.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct udph_stats_t {
    /// Set by the caller to sizeof(udph_stats_t). Fields are only ever added at the end.
    pub size: usize,
    /// Datagrams that udph_dispatch took.
    pub dispatched: u64,
    /// Datagrams and payload bytes that the kernel took.
    pub sent: u64,
    pub sent_bytes: u64,
    /// System calls that sent, and the messages of several datagrams among theirs (GSO).
    pub send_batches: u64,
    pub gso_messages: u64,
    /// Calls that took nothing and gave -EAGAIN or -ETIMEDOUT.
    pub send_refused: u64,
    /// Thrown away by a full send queue.
    pub send_dropped: u64,
    /// Left unsent at the close.
    pub send_unsent: u64,
    /// Datagrams that the kernel refused to send (see udph_get_error).
    pub send_errors: u64,
    /// Times that sending waited for the kernel (EAGAIN, ENOBUFS).
    pub send_retries: u64,
    /// ICMP errors (see udph_get_error).
    pub icmp_errors: u64,
    /// Errors that udph_get_error will never give: the newest 1,024 are kept.
    pub errors_dropped: u64,
    /// Datagrams and payload bytes that reactors took from the kernel.
    pub received: u64,
    pub received_bytes: u64,
    /// System calls that received, and the messages of several datagrams among theirs (GRO).
    pub recv_batches: u64,
    pub gro_messages: u64,
    /// Picked up by udph_get_recved, or given to a feed (rq_feed_udph).
    pub delivered: u64,
    /// Thrown away by a full receive queue.
    pub recv_dropped: u64,
    /// Not picked up before the close.
    pub recv_unread: u64,
    /// Dropped by the kernel before a reactor could take them (SO_MEMINFO).
    pub kernel_drops: u64,
    /// Datagrams longer than `recv_size`.
    pub truncated: u64,
    /// Datagrams in the queues now; queued_send includes what is being sent.
    pub queued_send: u64,
    pub queued_recved: u64,
    /// From udph_dispatch to the kernel's taking it.
    pub send_latency: ph_percentiles_t,
    /// From the kernel's receive timestamp to udph_get_recved.
    pub recv_delay: ph_percentiles_t,
    /// Whether the offloads are in use: 1 or 0.
    pub uses_gso: u32,
    pub uses_gro: u32,
    /// Threads: how many udph_reactor_stats can tell of.
    pub send_reactors: u32,
    pub recv_reactors: u32,
}

/// Makes a handler for the UDP socket `fd` and starts its threads.
///
/// `fd`: an IPv4 or IPv6 UDP socket, bound as it should be; duplicated, so that the caller may
/// close its own at once. While the handler lives, IP_RECVERR is set on the socket and, when it
/// receives, SO_TIMESTAMPNS and UDP_GRO: nobody else should read it. The close turns off what was
/// turned on; of several handlers on one socket, close the one made first last.
/// `config`: NULL for defaults. `out`: gets the handle, the caller's to close.
///
/// Errors: -EINVAL for NULL, a configuration out of range, an `event_fd` that is no eventfd;
/// -EBADF for a closed descriptor; -ENOTSOCK; -EPROTOTYPE for a socket that is not UDP;
/// -EAFNOSUPPORT for one that is neither IPv4 nor IPv6; -EMFILE, -ENFILE, -EAGAIN when
/// descriptors or threads are short. Nothing is left behind, and `out` is not written.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_new(
    fd: i32,
    config: *const udph_config_t,
    out: *mut *mut udph_t,
) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, || Handler::new(fd, &read_config(config)?)) }
    })
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const udph_config_t) -> Result<Config> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    if c.flags & !(UDPH_NO_GSO | UDPH_NO_GRO) != 0 {
        return Err(INVALID);
    }
    let default = Config::default();
    let or = |value: u32, default: usize| if value == 0 { default } else { value as usize };
    Ok(Config {
        send_reactors: or(c.send_reactors, default.send_reactors),
        recv_reactors: c.recv_reactors as usize,
        recv_sockets: or(c.recv_sockets_a_reactor, default.recv_sockets),
        send_flags: c.send_flags,
        event_fd: (c.event_fd > 0).then_some(c.event_fd),
        send_queue: queue_config(c.send_queue_items, c.send_queue_bytes, c.send_policy)?,
        recv_queue: queue_config(c.recv_queue_items, c.recv_queue_bytes, c.recv_policy)?,
        recv_size: or(c.recv_size, PAYLOAD_MAX),
        gso: c.flags & UDPH_NO_GSO == 0,
        gro: c.flags & UDPH_NO_GRO == 0,
        log_level: Level::from_number(c.debug_level).ok_or(INVALID)?,
    })
}

fn queue_config(items: u64, bytes: u64, policy: u32) -> Result<QueueConfig> {
    let default = QueueConfig::default();
    let policy = match policy {
        UDPH_REFUSE => Policy::Refuse,
        UDPH_DROP_OLDEST => Policy::DropOldest,
        UDPH_DROP_NEWEST => Policy::DropNewest,
        UDPH_WAIT => Policy::Wait,
        _ => return Err(INVALID),
    };
    Ok(QueueConfig {
        items: if items == 0 { default.items } else { items },
        bytes: if bytes == 0 { default.bytes } else { bytes },
        policy,
    })
}

fn handler(h: *const udph_t) -> Result<handles::Guard<Handler>> {
    handles::enter(h.cast())
}

/// Puts `n` datagrams into the send queue, in order; their payloads are copied.
///
/// `items`, `n`: at least 1; `addr`, `data` and `len` are looked at. `timeout_ms`: how long
/// UDPH_WAIT waits for room, -1 for ever, 0 not at all; other policies never wait.
///
/// Returns how many were taken. Fewer than `n`: the next one is refused, and dispatching from it
/// on tells why. Errors, about the first one: -EAGAIN when the queue is full, -ETIMEDOUT when it
/// stayed so; -EMSGSIZE for a payload longer than UDP (65,507 bytes over IPv4, 65,527 over IPv6)
/// or the queue's bound; -EAFNOSUPPORT for an IPv6 address on an IPv4 socket; -EINVAL for port 0,
/// another family, NULL with a length, `n` 0, a timeout below -1; -ESHUTDOWN when closed during the call; -EBADF.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_dispatch(
    h: *mut udph_t,
    items: *const ph_datagram_t,
    n: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let handler = handler(h)?;
        let patience = patience(timeout_ms)?;
        // SAFETY: the caller's promise.
        let items = unsafe { slice_in(items, n)? };
        // SAFETY: the caller's promise.
        let read = |item: &ph_datagram_t| unsafe { item.read() };
        read(items.first().ok_or(INVALID)?)?;
        let valid = items.iter().map_while(|item| read(item).ok());
        let taken = handler.dispatch(valid, patience)?;
        Ok(taken as i64)
    })
}

/// Puts one datagram into the send queue: `udph_dispatch` for callers to whom filling a structure
/// costs more than the call. It never waits: UDPH_WAIT refuses like UDPH_REFUSE here.
///
/// `to`: where it goes. `port`: 1 to 65535, in place of that of `to`; 0: that of `to`. It is wide,
/// so that a number out of range is refused even where a binding cuts numbers to size.
/// `data`, `len`: the payload, copied; NULL only with 0.
///
/// Returns 0. Errors: as `udph_dispatch`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_dispatch_to(
    h: *mut udph_t,
    to: *const ph_addr_t,
    port: i64,
    data: *const u8,
    len: usize,
) -> i32 {
    guard32(|| {
        let handler = handler(h)?;
        // SAFETY: the caller's promise.
        let (to, payload) = unsafe { (slice_in(to, 1)?[0], slice_in(data, len)?) };
        let mut to = Addr::try_from(to)?;
        if port != 0 {
            to.port = u16::try_from(port).map_err(|_| INVALID)?;
        }
        handler.dispatch(std::iter::once((to, payload)), Some(Duration::ZERO))?;
        Ok(0)
    })
}

/// Picks up to `n` received datagrams up, oldest first.
///
/// `items`, `n`: the caller's, at least 1; filled from the first on. `buf`, `cap`: the caller's;
/// gets the payloads one after the other, to which `items[].data` point. 65,535 bytes are enough
/// for any one datagram. `timeout_ms`: how long to wait for a first one, -1 for ever, 0 not at all.
///
/// Returns how many were picked up; what did not fit stays. Errors: -EAGAIN when there is none;
/// -ETIMEDOUT when the time is over; -EMSGSIZE when not even the first fits `buf`, nothing being
/// lost; -EINTR when a signal handler ran during the wait; -EOPNOTSUPP for waiting on a handler
/// that does not receive; -ESHUTDOWN when closed during the call; -EINVAL for NULL or `n` 0; -EBADF.
/// Thread safety: any thread; each datagram goes to one caller.
#[no_mangle]
pub unsafe extern "C" fn udph_get_recved(
    h: *mut udph_t,
    items: *mut ph_datagram_t,
    n: usize,
    buf: *mut u8,
    cap: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let handler = handler(h)?;
        let mut output = Output::new(items, ptr::null_mut(), n, buf, cap)?;
        let taken = output.receive(timeout_ms, |timeout_ms, visit| {
            handler.receive(timeout_ms, |view, delay_ns| visit(&view, delay_ns, Arrival::default()))
        })?;
        Ok(taken as i64)
    })
}

/// Datagrams dispatched and not yet sent, those being sent included.
///
/// Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn udph_queued_send(h: *mut udph_t) -> i64 {
    guard(|| Ok(handler(h)?.queued_send() as i64))
}

/// Datagrams received and not yet picked up.
///
/// Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn udph_queued_recved(h: *mut udph_t) -> i64 {
    guard(|| Ok(handler(h)?.queued_recved() as i64))
}

/// Average nanoseconds from dispatch to the kernel's taking it since the last reset; 0 when
/// nothing was sent. `reset`: not 0 starts the average anew.
///
/// Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn udph_stats_send_avg(h: *mut udph_t, reset: i32) -> i64 {
    guard(|| Ok(handler(h)?.send_latency_average(reset != 0) as i64))
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_stats(h: *mut udph_t, out: *mut udph_stats_t) -> i32 {
    guard32(|| {
        let handler = handler(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &udph_stats_t::from(&handler.stats()))? };
        Ok(0)
    })
}

impl From<&Stats> for udph_stats_t {
    fn from(s: &Stats) -> udph_stats_t {
        let (sent, received) = (s.sent(), s.received());
        udph_stats_t {
            size: size_of::<udph_stats_t>(),
            dispatched: s.dispatched,
            sent: sent.datagrams,
            sent_bytes: sent.bytes,
            send_batches: sent.batches,
            gso_messages: sent.offloaded,
            send_refused: s.send_refused,
            send_dropped: s.send_dropped,
            send_unsent: s.send_unsent,
            send_errors: s.send_errors,
            send_retries: s.send_retries,
            icmp_errors: s.icmp_errors,
            errors_dropped: s.errors_dropped,
            received: received.datagrams,
            received_bytes: received.bytes,
            recv_batches: received.batches,
            gro_messages: received.offloaded,
            delivered: s.delivered,
            recv_dropped: s.recv_dropped,
            recv_unread: s.recv_unread,
            kernel_drops: s.kernel_drops,
            truncated: s.truncated,
            queued_send: s.queued_send,
            queued_recved: s.queued_recved,
            send_latency: s.send_latency.into(),
            recv_delay: s.recv_delay.into(),
            uses_gso: u32::from(s.gso),
            uses_gro: u32::from(s.gro),
            send_reactors: s.send_reactors.len() as u32,
            recv_reactors: s.recv_reactors.len() as u32,
        }
    }
}

impl From<Percentiles> for ph_percentiles_t {
    fn from(percentiles: Percentiles) -> ph_percentiles_t {
        let Percentiles { p50, p99, p999, max } = percentiles;
        ph_percentiles_t { p50, p99, p999, max }
    }
}

impl From<&ReactorStats> for udph_reactor_stats_t {
    fn from(stats: &ReactorStats) -> udph_reactor_stats_t {
        let ReactorStats { datagrams, bytes, batches, offloaded, idle_wakeups } = *stats;
        udph_reactor_stats_t { datagrams, bytes, batches, offloaded, idle_wakeups }
    }
}

/// Reads the counts of each reactor: all senders first, then all receivers.
///
/// `out`, `n`: the caller's; the first `n` are written.
///
/// Returns how many there are, which may be more than `n`. Errors: -EINVAL for NULL with a length;
/// -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_reactor_stats(
    h: *mut udph_t,
    out: *mut udph_reactor_stats_t,
    n: usize,
) -> i64 {
    guard(|| {
        let handler = handler(h)?;
        check_array(out.cast_const(), n)?;
        let stats = handler.stats();
        let all = stats.send_reactors.iter().chain(&stats.recv_reactors);
        for (index, reactor) in all.take(n).enumerate() {
            // SAFETY: `index` is below `n`, and the caller promises room for that.
            unsafe { out.add(index).write(reactor.into()) };
        }
        Ok((stats.send_reactors.len() + stats.recv_reactors.len()) as i64)
    })
}

/// Picks up to `n` errors up, oldest first: sends that the kernel refused, and ICMP errors. The
/// newest 1,024 are kept until they are picked up; the rest are counted (errors_dropped).
///
/// `out`, `n`: the caller's, at least 1.
///
/// Returns how many. Errors: -EAGAIN when there is none; -EINVAL for NULL or `n` 0; -EBADF.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn udph_get_error(h: *mut udph_t, out: *mut ph_error_t, n: usize) -> i64 {
    guard(|| {
        let handler = handler(h)?;
        // SAFETY: the caller's promise.
        unsafe { write_errors(out, n, |most| handler.errors(most)) }
    })
}

/// A descriptor that poll(2) finds readable exactly while datagrams are there to pick up; it stays
/// the handler's, is good until `udph_close`, and must not be read.
///
/// Errors: -EOPNOTSUPP when the handler does not receive; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn udph_fd(h: *mut udph_t) -> i32 {
    guard32(|| handler(h)?.fd())
}

/// Ends a handler: stops receiving, sends what is queued, joins the threads, wakes every waiter
/// and closes the descriptors, once the calls inside have left. From the first moment on every other call with this handle, from
/// any thread, answers -EBADF; calls that are inside finish safely with -ESHUTDOWN. What the
/// caller's socket has received by then and no thread has taken stays in that socket.
///
/// `deadline_ms`: how long sending the rest may take, 0 to 2,147,483,647. `last`: NULL, or the
/// caller's with `size` set: gets the final counts.
///
/// Returns how many datagrams were left unsent. Errors: -EBADF, for a second close too; -EINVAL for
/// a negative deadline or a bad `last`, and -EDEADLK when called by the log callback on a thread of
/// the library's own, the handle staying open. Thread safety: any other thread.
#[no_mangle]
pub unsafe extern "C" fn udph_close(
    h: *mut udph_t,
    deadline_ms: i32,
    last: *mut udph_stats_t,
) -> i64 {
    guard(|| {
        let drain = patience(deadline_ms)?.ok_or(INVALID)?;
        if !last.is_null() {
            // SAFETY: the caller's promise. Looked at now, so that a bad one leaves the handle open.
            unsafe { sized::size(last)? };
        }
        if thread::is_ours() {
            return Err(Errno(libc::EDEADLK));
        }
        let handler = handles::remove::<Handler>(h.cast())?;
        let stats = handler.close(drain).ok_or(Errno(libc::EBADF))?;
        if !last.is_null() {
            // SAFETY: as above.
            unsafe { sized::write(last, &udph_stats_t::from(&stats))? };
        }
        Ok(stats.send_unsent as i64)
    })
}
