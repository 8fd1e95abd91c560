//! `npipe_*`: the named pipe.

use super::handles::{self, Kind};
use super::ph::{ph_bytes_t, ph_span_t};
use super::sized::{self, Growing};
use super::{check_array, guard, guard32, hand_out, patience, slice_in, slice_out, INVALID};
use crate::npipe::{Config, Output, Pipe, Stats};
use crate::sys::fifo::Owner;
use crate::sys::{Errno, Result};
use std::ffi::{c_char, CStr, CString};

/// A named pipe (FIFO, fifo(7)) that carries messages between processes of one host. Made by
/// `npipe_new`, ended by `npipe_close`. The value is a token, never an address.
///
/// One handle sends and receives, from any threads; any number of processes may do either. Each
/// message reaches exactly one reader, whole, and those of several writers never mix. A process that
/// ends in the middle of a message, killed or not, loses that one, and a reader is told; what was
/// sent and not read stays in the pipe as long as anybody has it open.
///
/// On the pipe a message is a row of packets of at most 4,096 bytes, each one write in packet mode
/// (pipe(2), O_DIRECT) with 24 bytes before its payload, little-endian: "npm1"; a byte with 1 for the
/// message's first packet, 2 for its last, 4 for one given up; three bytes 0; 8 of an id; 8 of the
/// message's length. For a message of several packets a writer locks byte 0 of the FIFO (fcntl(2),
/// F_OFD_SETLK); one of a single packet may stand between the packets of another. A reader locks the
/// FIFO (flock(2), LOCK_EX) until its message is whole.
pub struct npipe_t {
    _private: [u8; 0],
}

/// For `flags` of the configuration: plain bytes, for a peer that knows nothing of frames. Each
/// message sent is one write, continued when it is longer than there is room; each one received is
/// what one read gives, at most 65,536 bytes. Nothing keeps those of several writers, or readers,
/// apart, and nobody tells of losses.
pub const NPIPE_UNFRAMED: u32 = 1;
/// For `flags` of the configuration: a FIFO of another user's will do.
pub const NPIPE_ANY_OWNER: u32 = 2;

/// How a named pipe works. Set `size` to sizeof(npipe_config_t) and the rest to 0, which means the
/// default everywhere, then what should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct npipe_config_t {
    /// sizeof(npipe_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// Bytes of the longest message that is sent or received; default 1 GiB. Memory is taken as a
    /// message comes, whatever length it claims.
    pub message_max: u64,
    /// NPIPE_UNFRAMED, NPIPE_ANY_OWNER.
    pub flags: u32,
}

/// Counts since the handle was made.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct npipe_stats_t {
    /// sizeof(npipe_stats_t), set by the caller.
    pub size: usize,
    /// Messages sent whole, and their bytes.
    pub sent: u64,
    pub sent_bytes: u64,
    /// Messages for which there was no reader, or that were begun and given up.
    pub unsent: u64,
    /// Messages handed to the caller, and their bytes.
    pub received: u64,
    pub received_bytes: u64,
    /// Messages that were begun and not ended: -ECONNABORTED.
    pub lost: u64,
    /// Reads that gave no message, or one that is too long: -EBADMSG.
    pub rejected: u64,
}

// SAFETY: integers alone.
unsafe impl Growing for npipe_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for npipe_stats_t {}

impl Kind for Pipe {
    const TAG: u8 = 0xa6;
}

fn pipe(h: *const npipe_t) -> Result<handles::Guard<Pipe>> {
    handles::enter(h.cast())
}

/// Makes a handle for the FIFO at `path`, and the FIFO, which its user alone may use (0600), if
/// nothing is there. It is opened when it is first used.
///
/// `path`: a symbolic link is not followed. `config`: NULL for the defaults. `out`: the caller's;
/// gets the handle.
///
/// Returns 0. Errors: -EEXIST when what is there is no FIFO; -EPERM when it is another user's;
/// -ENOENT when the directory is missing; -EACCES; -ENOTDIR; -ENAMETOOLONG; -EINVAL for NULL or a bad
/// configuration; -EMFILE when descriptors are short, or 65,536 handles are open. `out` is written on
/// success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn npipe_new(
    path: *const c_char,
    config: *const npipe_config_t,
    out: *mut *mut npipe_t,
) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, || Pipe::new(read_path(path)?, read_config(config)?)) }
    })
}

/// # Safety
/// `path` must be NULL or NUL-terminated.
unsafe fn read_path(path: *const c_char) -> Result<CString> {
    if path.is_null() {
        return Err(INVALID);
    }
    // SAFETY: not null; the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(path) }.to_owned())
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const npipe_config_t) -> Result<Config> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    if c.flags & !(NPIPE_UNFRAMED | NPIPE_ANY_OWNER) != 0 {
        return Err(INVALID);
    }
    let default = Config::default();
    Ok(Config {
        message_max: if c.message_max == 0 { default.message_max } else { c.message_max },
        framed: c.flags & NPIPE_UNFRAMED == 0,
        owner: if c.flags & NPIPE_ANY_OWNER == 0 { Owner::Own } else { Owner::Any },
    })
}

/// Sends `n` messages, in order.
///
/// `messages`, `n`: the caller's; an empty message is one. `timeout_ms`: how long to wait for room
/// in a full pipe, and for other writers to end their messages; -1 for ever, 0 not at all. A message
/// once begun is given up when the readers take nothing of it for `timeout_ms`, but for 1,000 ms at
/// least, and its reader is told that it is lost. SIGPIPE is never raised.
///
/// Returns how many were sent whole: they are in the pipe, for whichever reader comes to them. 0: at
/// once, as there is no reader, or the last one ended in the middle of the first message. Fewer than
/// `n`: the next one is refused, and sending from it on tells why. With `n` 0: 1 when there is a
/// reader, otherwise 0.
///
/// Errors, about the first one: -EAGAIN with `timeout_ms` 0, and -ETIMEDOUT, when there is no room,
/// or another writer in a message; -ETIMEDOUT when it was given up; -EMSGSIZE for more than
/// `message_max` (with NPIPE_UNFRAMED any length will do); -EINTR when a signal handler ran during
/// the wait (from then on a message once begun is given up as soon as no reader takes anything of it for
/// 1,000 ms); -ESHUTDOWN when the handle is closed meanwhile; -EEXIST, -EPERM, -EACCES for
/// what is at the path by now; -EMFILE; -EINVAL for NULL or a timeout below -1; -EBADF.
/// Thread safety: any thread; one sends while others wait.
#[no_mangle]
pub unsafe extern "C" fn npipe_send(
    h: *mut npipe_t,
    messages: *const ph_bytes_t,
    n: usize,
    timeout_ms: i32,
) -> i32 {
    guard32(|| {
        let pipe = pipe(h)?;
        let timeout = patience(timeout_ms)?;
        if n == 0 {
            return pipe.has_reader(timeout).map(i32::from);
        }
        // SAFETY: the caller's promise.
        let messages = unsafe { slice_in(messages, n.min(i32::MAX as usize))? };
        for message in messages {
            check_array(message.data, message.len)?;
        }
        // SAFETY: the caller's promise. What was checked above cannot fail here.
        let bytes = |m: &ph_bytes_t| unsafe { slice_in(m.data, m.len) }.unwrap_or_default();
        pipe.send(messages.iter().map(bytes), timeout).map(|sent| sent as i32)
    })
}

/// Receives up to `n` whole messages that are there, waiting for a first one, however many writers
/// come and go. From the first call on the handle counts as a reader.
///
/// `messages`, `n`: the caller's, at least 1; filled from the first on. `out`, `cap`: the caller's;
/// gets the messages one after the other, where `messages` says; what lies behind them may be
/// written to as well. `timeout_ms`: how long to wait, -1 for ever, 0 not at all. `need`: NULL, or
/// the caller's; written with -EMSGSIZE only.
///
/// When the path was removed, or another FIFO was made there, the reader goes over to that one as
/// soon as the old one is empty, and makes it if nothing is there.
///
/// When the time is over in the middle of a message, what has come is kept for the next call; until
/// it is whole, other readers wait.
///
/// Returns how many. Errors: -EAGAIN when there is none; -ETIMEDOUT when the time is over; -EMSGSIZE
/// when the next one takes more than `cap`, namely `*need` bytes, nothing being lost; -ECONNABORTED
/// when a message was lost, as its writer ended or gave up, or the reader that had begun it ended; -EBADMSG when
/// bytes that are no message, or a message longer than `message_max`, were thrown away (after both
/// the next call goes on behind it); -EINTR when a signal handler ran during the wait; -ESHUTDOWN
/// when the handle is closed meanwhile; -ENOENT when the directory has gone; -EEXIST, -EPERM, -EACCES
/// for what is at the path by now; -EMFILE; -ENOMEM, the message being lost; -EINVAL for NULL, `n` 0
/// or a timeout below -1; -EBADF. Thread safety: any thread; each message goes to one caller.
#[no_mangle]
pub unsafe extern "C" fn npipe_receive(
    h: *mut npipe_t,
    messages: *mut ph_span_t,
    n: usize,
    out: *mut u8,
    cap: usize,
    timeout_ms: i32,
    need: *mut usize,
) -> i32 {
    guard32(|| {
        let pipe = pipe(h)?;
        let timeout = patience(timeout_ms)?;
        check_array(messages.cast_const(), n)?;
        if n == 0 || !need.is_aligned() {
            return Err(INVALID);
        }
        // SAFETY: the caller's promise.
        let bytes = unsafe { slice_out(out, cap)? };
        let mut place = |index: usize, offset, len| {
            // SAFETY: not null and aligned, and `index` is below `n`; the rest is the caller's promise.
            unsafe { messages.add(index).write(ph_span_t { offset, len }) };
        };
        let mut output = Output::new(bytes, n.min(i32::MAX as usize), &mut place);
        let received = pipe.receive(&mut output, timeout);
        if received == Err(Errno(libc::EMSGSIZE)) && !need.is_null() {
            // SAFETY: not null and aligned; the rest is the caller's promise.
            unsafe { need.write(output.need()) };
        }
        received.map(|()| output.count() as i32)
    })
}

/// `npipe_send` of one message, for callers to whom filling a structure costs more than the call.
///
/// `data`, `len`: the caller's; NULL with 0. `timeout_ms`, returns: as there. Errors: those of
/// `npipe_send`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn npipe_send_one(
    h: *mut npipe_t,
    data: *const u8,
    len: usize,
    timeout_ms: i32,
) -> i32 {
    guard32(|| {
        let pipe = pipe(h)?;
        let timeout = patience(timeout_ms)?;
        // SAFETY: the caller's promise.
        let message = unsafe { slice_in(data, len)? };
        pipe.send([message].into_iter(), timeout).map(|sent| sent as i32)
    })
}

/// `npipe_receive` of one message.
///
/// `out`, `cap`: the caller's. `timeout_ms`: as there.
///
/// Returns its length. Errors: as there; after -EMSGSIZE `npipe_receive` tells how long it is. Thread
/// safety: as there.
#[no_mangle]
pub unsafe extern "C" fn npipe_receive_one(
    h: *mut npipe_t,
    out: *mut u8,
    cap: usize,
    timeout_ms: i32,
) -> i64 {
    guard(|| {
        let pipe = pipe(h)?;
        let timeout = patience(timeout_ms)?;
        // SAFETY: the caller's promise.
        let bytes = unsafe { slice_out(out, cap)? };
        let mut length = 0;
        let mut place = |_, _, len| length = len;
        pipe.receive(&mut Output::new(bytes, 1, &mut place), timeout)?;
        Ok(length as i64)
    })
}

/// A descriptor to wait on beside others (poll(2), epoll(7)): readable while `npipe_receive` has
/// something to do. Of several readers all are woken for a message that one of them gets; while that
/// one is in it, the others' stay readable. It belongs to the handle, is good until `npipe_close`,
/// and must not be read. From the first call on the handle counts as a reader.
///
/// Errors: -EMFILE; as `npipe_new` for what is at the path by now; -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn npipe_fd(h: *mut npipe_t) -> i32 {
    guard32(|| pipe(h)?.fd())
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn npipe_stats(h: *mut npipe_t, out: *mut npipe_stats_t) -> i32 {
    guard32(|| {
        let pipe = pipe(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &pipe.stats().into())? };
        Ok(0)
    })
}

impl From<Stats> for npipe_stats_t {
    fn from(stats: Stats) -> npipe_stats_t {
        let Stats { sent, sent_bytes, unsent, received, received_bytes, lost, rejected } = stats;
        npipe_stats_t {
            size: 0,
            sent,
            sent_bytes,
            unsent,
            received,
            received_bytes,
            lost,
            rejected,
        }
    }
}

/// Closes the handle; the FIFO stays where it is. Calls that wait inside end with -ESHUTDOWN; a
/// message in the middle of being sent is given up. A message that was begun to be received, or that
/// was kept, is lost.
///
/// Returns 0. Errors: -EBADF. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn npipe_close(h: *mut npipe_t) -> i32 {
    guard32(|| {
        handles::remove::<Pipe>(h.cast())?.close();
        Ok(0)
    })
}
