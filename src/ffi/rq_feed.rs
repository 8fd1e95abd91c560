//! `rq_feed_*`: sources that fill a receive queue by themselves.

use super::evloop::{self, evloop_t, id_of};
use super::handles;
use super::peer::{self, peer_t};
use super::ph::ph_addr_t;
use super::rq::{closed, queue, rq_t};
use super::sized::{self, Growing};
use super::udph::udph_t;
use super::{guard, guard32, slice_in, INVALID};
use crate::rq::{FeedConfig, FeedStats, Framing, Key, SOURCE_BYTES};
use crate::sys::addr::Addr;
use crate::sys::Result;
use crate::udp::handler::Handler;
use crate::udp::peer::feed;

/// For `key` of a feed: the idx is the sender's ph_addr_t, all its bytes; family 0 where there is no
/// address, as on a Unix socket.
pub const RQ_BY_SOURCE: u32 = 0;
/// The idx is `length` bytes of the message from `offset` on, cut where the message ends.
pub const RQ_BY_RANGE: u32 = 1;

/// For `framing` of a feed: each datagram, and each piece read from a stream, is a value.
pub const RQ_AS_READ: u32 = 0;
/// Of a stream: each line is a value, without its \n; what comes after the last one is too, when the
/// stream or the feed ends. A line longer than 65,536 bytes is cut there.
pub const RQ_LINES: u32 = 1;

/// What a source puts into a queue, and how. Set `size` to sizeof(rq_feed_config_t) and the rest to 0,
/// which means the default, then what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rq_feed_config_t {
    /// sizeof(rq_feed_config_t).
    pub size: usize,
    /// RQ_BY_SOURCE (the default) or RQ_BY_RANGE.
    pub key: u32,
    /// RQ_AS_READ (the default) or RQ_LINES, the latter for connections alone.
    pub framing: u32,
    /// With RQ_BY_RANGE: where the idx lies in the message, in bytes.
    pub offset: usize,
    pub length: usize,
}

/// Counts of one feed.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct rq_feed_stats_t {
    /// sizeof(rq_feed_stats_t), set by the caller.
    pub size: usize,
    /// Values, and bytes in them, that were put into the queue.
    pub received: u64,
    pub received_bytes: u64,
    /// Values that a limit of the queue kept out: they are lost.
    pub refused: u64,
    /// 1 once its source has ended, else 0.
    pub ended: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: integers alone.
unsafe impl Growing for rq_feed_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for rq_feed_stats_t {}

/// Has a UDP handler put what it receives into a group, by its own threads, instead of handing it to
/// `udph_get_recved`. What it had received before stays there.
///
/// `config`: NULL for the defaults. A feed ends with `rq_feed_stop`, with its source or with its queue;
/// the source then gives to its caller again.
///
/// Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -EOPNOTSUPP for a
/// handler that does not receive; -ENOENT for an unknown group; -EINVAL; -EBADF for either handle.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_feed_udph(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    config: *const rq_feed_config_t,
    source: *mut udph_t,
) -> i64 {
    guard(|| {
        let (queue, source) = (queue(q)?, handles::enter::<Handler>(source.cast_const().cast())?);
        // SAFETY: the caller's promise.
        let (group, config) = unsafe { (slice_in(group, group_len)?, feed_config(config)?) };
        queue.feed(group, &of_messages(config)?, |sink| source.feed(sink)).map_err(closed)
    })
}

/// Has a thread of the library's receive from a peer, which must be open, into a group. Who else
/// receives from it gets what that thread does not, and no wire log shows what it does. The feed ends
/// when the peer is closed, or opened anew.
///
/// `config`: as `rq_feed_udph`.
///
/// Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -ENOTCONN for a
/// peer that is not open; -EAGAIN when no thread can be started; -EMFILE; -ENOENT for an unknown group;
/// -EINVAL; -EBADF for either handle. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_feed_peer(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    config: *const rq_feed_config_t,
    source: *mut peer_t,
) -> i64 {
    guard(|| {
        let (queue, source) = (queue(q)?, peer::in_use(source)?);
        // SAFETY: the caller's promise.
        let (group, config) = unsafe { (slice_in(group, group_len)?, feed_config(config)?) };
        queue.feed(group, &of_messages(config)?, |sink| feed(source, sink)).map_err(closed)
    })
}

/// Has a connection put what it receives into a group, by whichever thread polls its loop, which
/// stays inside the poll. TCP_EOF and TCP_CLOSED come as ever; the connection reads as with
/// TCP_READ_DATA from here on.
///
/// `config`: as `rq_feed_udph`. `connection`: its id in `loop_`.
///
/// Returns the feed's number, above 0. Errors: -EALREADY when the source has a feed; -ENOENT for an
/// unknown group; -ENOTCONN while it is being connected; -EINVAL; -EBADF for either handle and for a
/// connection that is closed; how it ended. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_feed_tcp(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    config: *const rq_feed_config_t,
    loop_: *mut evloop_t,
    connection: i64,
) -> i64 {
    guard(|| {
        let (queue, source) = (queue(q)?, evloop::enter(loop_)?);
        // SAFETY: the caller's promise.
        let (group, config) = unsafe { (slice_in(group, group_len)?, feed_config(config)?) };
        let connection = id_of(connection);
        queue.feed(group, &config, |sink| source.feed(connection, sink)).map_err(closed)
    })
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn feed_config(config: *const rq_feed_config_t) -> Result<FeedConfig> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    let key = match c.key {
        RQ_BY_SOURCE => Key::Source(source_bytes),
        RQ_BY_RANGE => Key::Range(c.offset..c.offset.checked_add(c.length).ok_or(INVALID)?),
        _ => return Err(INVALID),
    };
    let framing = match c.framing {
        RQ_AS_READ => Framing::AsRead,
        RQ_LINES => Framing::Lines,
        _ => return Err(INVALID),
    };
    Ok(FeedConfig { key, framing })
}

/// Errors: `EINVAL` for lines, which datagrams are not.
fn of_messages(config: FeedConfig) -> Result<FeedConfig> {
    if config.framing == Framing::Lines {
        return Err(INVALID);
    }
    Ok(config)
}

fn source_bytes(from: Option<Addr>) -> [u8; SOURCE_BYTES] {
    let addr = from.map_or(ph_addr_t::NONE, ph_addr_t::from);
    // SAFETY: as many bytes, none of them padding.
    unsafe { std::mem::transmute(addr) }
}

/// Reads the counts of a feed. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -ENOENT for a number never given out, or stopped; -EINVAL; -EBADF. Thread
/// safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_feed_stats(q: *mut rq_t, feed: i64, out: *mut rq_feed_stats_t) -> i32 {
    guard32(|| {
        let stats = queue(q)?.feed_stats(feed)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &stats.into())? };
        Ok(0)
    })
}

impl From<FeedStats> for rq_feed_stats_t {
    fn from(s: FeedStats) -> rq_feed_stats_t {
        rq_feed_stats_t {
            size: size_of::<rq_feed_stats_t>(),
            received: s.received,
            received_bytes: s.received_bytes,
            refused: s.refused,
            ended: s.has_ended.into(),
            reserved: 0,
        }
    }
}

/// Ends a feed, if its source has not, and forgets its counts. What came before is in the queue; a
/// value that is on its way at this moment may still come.
///
/// Returns 0. Errors: -ENOENT for a number never given out, or stopped; -EBADF. Thread safety: any
/// thread.
#[no_mangle]
pub extern "C" fn rq_feed_stop(q: *mut rq_t, feed: i64) -> i32 {
    guard32(|| queue(q)?.feed_stop(feed).map(|()| 0))
}
