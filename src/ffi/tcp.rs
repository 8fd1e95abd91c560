//! `tcp_*`: connections over TCP and Unix sockets, in an event loop.

use super::evloop::{enter, evloop_t, id_of, number_of};
use super::ph::ph_addr_t;
use super::{check_array, guard, guard32, sized, slice_in, slice_out, write_out, INVALID};
use crate::evloop::tcp::{Config, ConnectionStats, Reading, Watermarks};
use crate::evloop::Message;
use crate::sys::addr::Addr;
use crate::sys::stream::Options;
use crate::sys::Result;
use std::ffi::{c_char, c_void, CStr};

/// For `flags` of a configuration. Others may listen at the same address and port; the kernel deals
/// the connections out (SO_REUSEPORT).
pub const TCP_REUSEPORT: u32 = 1;
/// IPv6 alone, where the address is IPv6; IPv4 as well otherwise.
pub const TCP_V6ONLY: u32 = 2;
/// Small messages wait for others (Nagle's algorithm, RFC 896); otherwise they leave at once.
pub const TCP_DELAY: u32 = 4;
/// A listener's port is not taken while connections of a former one are in TIME_WAIT.
pub const TCP_NO_REUSEADDR: u32 = 8;
/// `linger_s` is set.
pub const TCP_LINGER: u32 = 16;

/// For `reading`: what is there comes with TCP_DATA.
pub const TCP_READ_DATA: u32 = 0;
/// TCP_READABLE says that something is there, for `tcp_read`.
pub const TCP_READ_NOTICE: u32 = 1;
/// Nothing; the peer has to wait when the kernel's buffers are full.
pub const TCP_READ_OFF: u32 = 2;

/// How connections are to be: those of a listener, or one. Zero means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tcp_config_t {
    /// `sizeof(tcp_config_t)`.
    pub size: usize,
    /// TCP_REUSEPORT and so on.
    pub flags: u32,
    /// Connections that the kernel holds until they are taken; 0: as many as the system allows.
    pub backlog: i32,
    /// TCP_READ_DATA (the default), TCP_READ_NOTICE or TCP_READ_OFF.
    pub reading: u32,
    /// Seconds of silence after which the peer is probed (SO_KEEPALIVE); 0: never. Up to 32,767.
    pub keepalive_s: u32,
    /// With TCP_LINGER: seconds that closing goes on trying in the background (SO_LINGER); 0: closing
    /// resets the connection.
    pub linger_s: u32,
    /// Bytes of the kernel's buffers (SO_RCVBUF, SO_SNDBUF); 0: as the system has it.
    pub recv_buffer: u32,
    pub send_buffer: u32,
    /// Most bytes of one TCP_DATA event; 65,536 by default.
    pub recv_size: u32,
    /// Milliseconds for a whole connect, looking up the name included; 30,000 by default.
    pub connect_timeout_ms: u32,
    /// Milliseconds without a byte in either direction, after which it is closed with ETIMEDOUT;
    /// 0: never.
    pub idle_timeout_ms: u32,
    /// Milliseconds with bytes waiting and none going out, after which it is reset with ETIMEDOUT;
    /// time in which `write_rate` holds them back does not count. 0: never, and 30,000 after
    /// `tcp_close`.
    pub write_timeout_ms: u32,
    /// Bytes that wait to be sent: TCP_DRAINED comes when no more than `low` do (16,384 by default)
    /// after more than `high` did (65,536).
    pub low: u32,
    pub high: u32,
    /// A message that would have more than this wait is refused, unless nothing waits; 16 MiB by
    /// default.
    pub limit: u32,
    /// 0.
    pub reserved: u32,
    /// Bytes per second each way, evened out over 10 ms; 0: unlimited.
    pub read_rate: u64,
    pub write_rate: u64,
}

/// A message for a connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tcp_message_t {
    /// The connection.
    pub id: i64,
    /// What to send; NULL only with 0.
    pub data: *const u8,
    pub len: usize,
    /// Set by `tcp_write`: how many bytes of this connection wait now, or a negated errno.
    pub result: i64,
}

/// Counts of one connection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tcp_stats_t {
    /// `sizeof(tcp_stats_t)`, set by the caller.
    pub size: usize,
    /// Reads that brought something.
    pub received: u64,
    pub received_bytes: u64,
    /// Messages taken.
    pub sent: u64,
    /// Bytes that the kernel has taken.
    pub sent_bytes: u64,
    /// Bytes that wait to be sent.
    pub waiting: u64,
}

/// Listens for connections: TCP_ACCEPTED comes for each.
///
/// `host`: NUL-terminated; a name, "127.0.0.1", "::1"; NULL or "" for all interfaces, IPv4 and IPv6;
/// "unix:/path" for a Unix socket, "unix:@name" for one without a file. A name is looked up in the
/// call. `service`: NUL-terminated; a number, "0" for a free port (see `tcp_local`), or a name as
/// "http"; unused, and may be NULL, for Unix sockets. `config`: NULL for the defaults; for the listener
/// and its connections. `user`: comes with the events of the listener and its connections.
///
/// Returns the listener's id, for `evloop_del`. Errors: -EADDRINUSE, -EADDRNOTAVAIL; -EACCES for a
/// port below 1024 without the privilege; PH_ENONAME, PH_ERESOLVE; -EINVAL for a bad configuration, bad
/// text or NULL; -EMFILE; -ESHUTDOWN; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_listen(
    h: *mut evloop_t,
    host: *const c_char,
    service: *const c_char,
    config: *const tcp_config_t,
    user: *mut c_void,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let (host, service, config) = unsafe { read_where(host, service, config)? };
        owner.listen(host, service, config, user.addr() as u64).map(number_of)
    })
}

/// Connects, without waiting: TCP_CONNECTED comes, or TCP_CLOSED with the error (ECONNREFUSED,
/// ETIMEDOUT, the number of PH_ENONAME without its sign). Names are looked up on another thread, and
/// their addresses tried in turn, each 250 ms after the one before (RFC 8305). What `tcp_write` takes
/// before is sent then.
///
/// `host`, `service`, `config`: as `tcp_listen`; "" is this host. `user`: comes with its events.
///
/// Returns the connection's id. Errors: -EINVAL for a bad configuration, bad text or NULL; -EAGAIN when
/// no thread can be started; -ESHUTDOWN; -EBADF. All else, descriptors being short too, comes with
/// TCP_CLOSED. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_connect(
    h: *mut evloop_t,
    host: *const c_char,
    service: *const c_char,
    config: *const tcp_config_t,
    user: *mut c_void,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let (host, service, config) = unsafe { read_where(host, service, config)? };
        owner.connect(host, service, &config, user.addr() as u64).map(number_of)
    })
}

/// Reads and writes for the caller a connected stream socket of its own, by a second descriptor. Its
/// flags stay as they are; when the loop closes the connection, it is shut down for all.
///
/// `fd`: stays the caller's, who must not read it. `config`, `user`: as `tcp_connect`.
///
/// Returns the connection's id. Errors: -EBADF, -ENOTSOCK; -EPROTOTYPE for a socket that is no stream;
/// -ENOTCONN; -EINVAL; -EMFILE; -ESHUTDOWN. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_adopt(
    h: *mut evloop_t,
    fd: i32,
    config: *const tcp_config_t,
    user: *mut c_void,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let config = unsafe { read_config(config)? };
        owner.adopt(fd, &config, user.addr() as u64).map(number_of)
    })
}

/// Where to, and how.
///
/// # Safety
/// The texts must be NULL or NUL-terminated and outlive the result, `config` NULL or good for reading
/// the bytes it says.
unsafe fn read_where<'a>(
    host: *const c_char,
    service: *const c_char,
    config: *const tcp_config_t,
) -> Result<(&'a str, &'a str, Config)> {
    // SAFETY: the caller's promise.
    let (host, service) = unsafe { (text(host)?, text(service)?) };
    let is_unix = host.is_some_and(|host| host.starts_with("unix:"));
    let service = service.or(is_unix.then_some("")).ok_or(INVALID)?;
    // SAFETY: the caller's promise.
    Ok((host.unwrap_or(""), service, unsafe { read_config(config)? }))
}

/// `None` for NULL. Errors: `EINVAL` for what is not UTF-8.
///
/// # Safety
/// The text must be NULL or NUL-terminated and outlive the result.
unsafe fn text<'a>(text: *const c_char) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not null; the rest is the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_str().map(Some).map_err(|_| INVALID)
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const tcp_config_t) -> Result<Config> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    let known = TCP_REUSEPORT | TCP_V6ONLY | TCP_DELAY | TCP_NO_REUSEADDR | TCP_LINGER;
    let most = i32::MAX as u32;
    // What the kernel takes (tcp(7), TCP_KEEPIDLE).
    const KEEPALIVE_MAX: u32 = 32_767;
    if c.keepalive_s > KEEPALIVE_MAX {
        return Err(INVALID);
    }
    if c.flags & !known != 0
        || c.reserved != 0
        || c.backlog < 0
        || c.recv_buffer.max(c.send_buffer) > most
    {
        return Err(INVALID);
    }
    let has = |flag: u32| c.flags & flag != 0;
    let or = |value: u32, default: usize| if value == 0 { default } else { value as usize };
    let default = Config::default();
    // A default gives way to what the caller has set.
    let limit = or(c.limit, default.watermarks.limit.max(c.high.max(c.low) as usize));
    let high = or(c.high, default.watermarks.high.max(c.low as usize).min(limit));
    let low = or(c.low, default.watermarks.low.min(high));
    let connect_timeout = nanoseconds(c.connect_timeout_ms);
    Ok(Config {
        options: Options {
            no_reuse_address: has(TCP_NO_REUSEADDR),
            reuse_port: has(TCP_REUSEPORT),
            only_v6: has(TCP_V6ONLY),
            delay: has(TCP_DELAY),
            keepalive_s: c.keepalive_s,
            linger_s: has(TCP_LINGER).then_some(c.linger_s),
            recv_buffer: c.recv_buffer as usize,
            send_buffer: c.send_buffer as usize,
        },
        backlog: if c.backlog == 0 { default.backlog } else { c.backlog },
        reading: reading(c.reading)?,
        recv_size: or(c.recv_size, default.recv_size),
        connect_timeout: if connect_timeout == 0 {
            default.connect_timeout
        } else {
            connect_timeout
        },
        idle_timeout: nanoseconds(c.idle_timeout_ms),
        write_timeout: nanoseconds(c.write_timeout_ms),
        watermarks: check_watermarks(Watermarks { low, high, limit })?,
        read_rate: c.read_rate,
        write_rate: c.write_rate,
    })
}

fn nanoseconds(milliseconds: u32) -> i64 {
    i64::from(milliseconds) * 1_000_000
}

fn reading(number: u32) -> Result<Reading> {
    match number {
        TCP_READ_DATA => Ok(Reading::Data),
        TCP_READ_NOTICE => Ok(Reading::Notice),
        TCP_READ_OFF => Ok(Reading::Off),
        _ => Err(INVALID),
    }
}

/// Errors: `EINVAL` where they are out of order.
fn check_watermarks(w: Watermarks) -> Result<Watermarks> {
    if w.low > w.high || w.high > w.limit {
        return Err(INVALID);
    }
    Ok(w)
}

/// Hands in messages, each of which is taken whole or not at all. What the kernel does not take at
/// once waits, and is sent when it does; messages that follow each other to one connection leave
/// together.
///
/// `items`, `n`: the caller's; the data are copied, and each gets its `result`: 0 when the kernel has
/// all of that connection's, else how many bytes wait; -EAGAIN when too much waits (TCP_DRAINED comes
/// later), -EPIPE after `tcp_shutdown_write`, -EPIPE, -ECONNRESET, -ETIMEDOUT and others when the
/// connection has ended, -EBADF for what is no connection's id or closed, -EINVAL for NULL. After one
/// that is refused, so are those behind it to the same connection: none overtakes another.
///
/// Returns how many have a result of 0: the others are worth a look when it is less than `n`. Errors:
/// -EINVAL for NULL, -EBADF. Never raises SIGPIPE. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_write(h: *mut evloop_t, items: *mut tcp_message_t, n: usize) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        check_array(items.cast_const(), n)?;
        let message = |index: usize| {
            // SAFETY: the array was checked above.
            let item = unsafe { items.add(index).read() };
            // SAFETY: the caller's promise.
            Message { id: id_of(item.id), data: unsafe { slice_in(item.data, item.len) } }
        };
        let sent = owner.write(n, message, |index, result| {
            // SAFETY: the same, and nobody reads the item meanwhile.
            unsafe { (*items.add(index)).result = number(result) };
        })?;
        Ok(sent as i64)
    })
}

/// `tcp_write` for callers to whom pointers are dear, as an interpreter: all in one piece of memory.
///
/// `messages`, `len`: `n` heads of two words each in the machine's byte order, int64_t id and
/// uint64_t length, with no need to be aligned; behind them the data of all, one behind the other,
/// which must fill the rest. `results`: the caller's, room for `n`; NULL for a caller who does not ask.
///
/// Returns as `tcp_write`. Errors: -EINVAL also for lengths that do not add up, nothing being sent.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_write_packed(
    h: *mut evloop_t,
    messages: *const u8,
    len: usize,
    n: usize,
    results: *mut i64,
) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let messages = unpack(unsafe { slice_in(messages, len)? }, n)?;
        if !results.is_null() {
            check_array(results.cast_const(), n)?;
        }
        let sent = owner.write(
            n,
            |index| messages[index],
            |index, result| {
                if !results.is_null() {
                    // SAFETY: the array was checked above.
                    unsafe { results.add(index).write(number(result)) };
                }
            },
        )?;
        Ok(sent as i64)
    })
}

/// Errors: `EINVAL` when the lengths do not add up.
fn unpack(packed: &[u8], n: usize) -> Result<Vec<Message<'_>>> {
    const HEAD: usize = 16;
    let heads = n.checked_mul(HEAD).filter(|heads| *heads <= packed.len()).ok_or(INVALID)?;
    let (heads, mut data) = packed.split_at(heads);
    let word = |bytes: &[u8]| bytes.try_into().map(i64::from_ne_bytes).unwrap_or_default();
    let mut messages = Vec::with_capacity(n);
    for head in heads.chunks_exact(HEAD) {
        let (id, length) = head.split_at(HEAD / 2);
        let length = usize::try_from(word(length)).map_err(|_| INVALID)?;
        let (own, rest) = data.split_at_checked(length).ok_or(INVALID)?;
        messages.push(Message { id: id_of(word(id)), data: Ok(own) });
        data = rest;
    }
    if data.is_empty() {
        Ok(messages)
    } else {
        Err(INVALID)
    }
}

/// What the `result` of a message is.
fn number(result: Result<usize>) -> i64 {
    result.map_or_else(|error| -i64::from(error.0), |waiting| waiting as i64)
}

/// `tcp_write` of one message, for callers to whom filling a structure costs more than the call.
///
/// Returns what would be its `result`. Errors: those of `tcp_write`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_send(h: *mut evloop_t, id: i64, data: *const u8, len: usize) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let data = unsafe { slice_in(data, len)? };
        Ok(owner.send(id_of(id), data)? as i64)
    })
}

/// Reads what is there, without waiting. For connections whose `reading` is not TCP_READ_DATA; others
/// may have events with what came before.
///
/// `buf`, `cap`: the caller's, at least 1 byte.
///
/// Returns how many bytes; 0: the peer sends no more. Errors: -EAGAIN when nothing is there, or the rate
/// allows nothing; -ENOTCONN before it is connected; what has ended it; -EINVAL, -EBADF.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_read(h: *mut evloop_t, id: i64, buf: *mut u8, cap: usize) -> i64 {
    guard(|| {
        let owner = enter(h)?;
        // SAFETY: the caller's promise.
        let buffer = unsafe { slice_out(buf, cap)? };
        Ok(owner.read(id_of(id), buffer)? as i64)
    })
}

/// Sets what is done with what comes: TCP_READ_DATA, TCP_READ_NOTICE, TCP_READ_OFF. A batch of events
/// that the caller has already may still have data.
///
/// Returns 0. Errors: -EINVAL, -EBADF; what has ended it. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_set_reading(h: *mut evloop_t, id: i64, mode: u32) -> i32 {
    guard32(|| enter(h)?.set_reading(id_of(id), reading(mode)?).map(|()| 0))
}

/// Tells the peer that no more will come (FIN), after what waits. When the peer has done so too the
/// connection ends.
///
/// Returns 0. Errors: -EPIPE a second time; -EBADF; what has ended it. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_shutdown_write(h: *mut evloop_t, id: i64) -> i32 {
    guard32(|| enter(h)?.shutdown_write(id_of(id)).map(|()| 0))
}

/// Ends a connection after what waits is sent. Of its events only TCP_CLOSED comes still; its id is
/// good for `tcp_abort` alone.
///
/// Returns 0. Errors: -EBADF, a second time too. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_close(h: *mut evloop_t, id: i64) -> i32 {
    guard32(|| enter(h)?.close_connection(id_of(id)).map(|()| 0))
}

/// Ends a connection at once, with a reset; TCP_CLOSED comes. After `tcp_close` too.
///
/// Returns 0. Errors: -EBADF, when it has ended too. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_abort(h: *mut evloop_t, id: i64) -> i32 {
    guard32(|| enter(h)?.abort(id_of(id)).map(|()| 0))
}

/// Limits a connection to so many bytes per second each way, evened out over 10 ms; 0: unlimited.
///
/// Returns 0. Errors: -EBADF; what has ended it. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_set_rate(h: *mut evloop_t, id: i64, read_rate: u64, write_rate: u64) -> i32 {
    guard32(|| enter(h)?.set_rate(id_of(id), read_rate, write_rate).map(|()| 0))
}

/// Sets how many bytes waiting are few, many and too many: see `tcp_config_t`. `low` may be 0.
///
/// Returns 0. Errors: -EINVAL unless `low` <= `high` <= `limit`; -EBADF; what has ended it.
/// Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_set_watermarks(
    h: *mut evloop_t,
    id: i64,
    low: usize,
    high: usize,
    limit: usize,
) -> i32 {
    guard32(|| {
        let owner = enter(h)?;
        let watermarks = check_watermarks(Watermarks { low, high, limit })?;
        owner.set_watermarks(id_of(id), watermarks).map(|()| 0)
    })
}

/// Sets the timeouts of `tcp_config_t`, in milliseconds, counted from now; 0: none.
///
/// Returns 0. Errors: -EBADF; what has ended it. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_set_timeouts(h: *mut evloop_t, id: i64, idle_ms: u32, write_ms: u32) -> i32 {
    guard32(|| {
        let owner = enter(h)?;
        owner.set_timeouts(id_of(id), nanoseconds(idle_ms), nanoseconds(write_ms)).map(|()| 0)
    })
}

/// The address of this side of a connection, or that a listener listens at. `out`: the caller's; its
/// family is 0 for a Unix socket.
///
/// Returns 0. Errors: -EINVAL for NULL; -ENOTCONN before it is connected; -EBADF.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_local(h: *mut evloop_t, id: i64, out: *mut ph_addr_t) -> i32 {
    guard32(|| {
        let address = enter(h)?.local(id_of(id))?;
        // SAFETY: the caller's promise.
        unsafe { write_address(out, address) }
    })
}

/// The address of the other side of a connection.
///
/// `out`, errors: as of `tcp_local`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_remote(h: *mut evloop_t, id: i64, out: *mut ph_addr_t) -> i32 {
    guard32(|| {
        let address = enter(h)?.remote(id_of(id))?;
        // SAFETY: the caller's promise.
        unsafe { write_address(out, address) }
    })
}

/// # Safety
/// A valid pointer must be good for writing.
unsafe fn write_address(out: *mut ph_addr_t, address: Option<Addr>) -> Result<i32> {
    let address = address.map_or(ph_addr_t::NONE, ph_addr_t::from);
    // SAFETY: the caller's promise.
    unsafe { write_out(out, address)? };
    Ok(0)
}

/// The descriptor of a connection or listener, for getsockopt(2) and the like; it stays the library's
/// and is good until the end of either.
///
/// Errors: -ENOTCONN before it is connected, and after its end; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn tcp_socket(h: *mut evloop_t, id: i64) -> i32 {
    guard32(|| enter(h)?.socket(id_of(id)))
}

/// Reads all counts of a connection. `out`: the caller's, its `size` set; as much is written as that
/// says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn tcp_stats(h: *mut evloop_t, id: i64, out: *mut tcp_stats_t) -> i32 {
    guard32(|| {
        let stats = enter(h)?.connection_stats(id_of(id))?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &stats.into())? };
        Ok(0)
    })
}

// SAFETY: `repr(C)`, `size` first, the rest integers.
unsafe impl sized::Growing for tcp_config_t {}
// SAFETY: `repr(C)`, `size` first, the rest integers.
unsafe impl sized::Growing for tcp_stats_t {}

impl From<ConnectionStats> for tcp_stats_t {
    fn from(s: ConnectionStats) -> tcp_stats_t {
        tcp_stats_t {
            size: size_of::<tcp_stats_t>(),
            received: s.received,
            received_bytes: s.received_bytes,
            sent: s.sent,
            sent_bytes: s.sent_bytes,
            waiting: s.waiting,
        }
    }
}
