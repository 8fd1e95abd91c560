//! `rq_*`: the receive queue.

use super::handles::{self, Kind};
use super::ph::{ph_bytes_t, ph_need_t};
use super::sized::{self, Growing};
use super::{check_array, guard, guard32, hand_out, patience, slice_in, slice_out, INVALID};
use crate::rq::{Buffer, Config, Policy, Queue, Stats};
use crate::sys::{Errno, Result};

/// A receive queue. Made by `rq_new`, ended by `rq_close`. The value is a token, never an address.
pub struct rq_t {
    _private: [u8; 0],
}

/// For `policy` of `rq_new`. No more is promised than that each buffer by itself is whole.
pub const RQ_UNSYNC: u32 = 0;
/// Receivers run together; `rq_extract_all` sees its group as it is at one instant.
pub const RQ_RW: u32 = 1;
/// One at a time, whatever it does: one lock for all of it.
pub const RQ_EXCLUSIVE: u32 = 2;

/// Limits. Set `size` to sizeof(rq_config_t) and the rest to 0, which means the default, then what
/// should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rq_config_t {
    /// sizeof(rq_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// Buffers of all groups at most; default 1,048,576.
    pub buffers_max: u64,
    /// Bytes of memory of all values and keys at most, about 40 for each value and 192 for each
    /// buffer beside their contents; default 1 GiB.
    pub bytes_max: u64,
}

/// A value that was extracted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct rq_value_t {
    /// Where its idx lies in `out`; both 0 where the caller has named the idx.
    pub idx_offset: usize,
    pub idx_len: usize,
    /// Where it lies in `out`.
    pub offset: usize,
    pub len: usize,
}

/// Counts since it was made, and what is there now.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct rq_stats_t {
    /// sizeof(rq_stats_t), set by the caller.
    pub size: usize,
    /// Buffers, and values in them.
    pub buffers: u64,
    pub values: u64,
    /// Bytes of memory that count for `bytes_max`.
    pub bytes: u64,
    /// Values that were taken.
    pub received: u64,
    /// Values that fell out of a full buffer, or whose buffer was forgotten.
    pub discarded: u64,
    /// Values that a limit kept out.
    pub refused: u64,
}

/// Counts of one buffer.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct rq_buffer_stats_t {
    /// sizeof(rq_buffer_stats_t), set by the caller.
    pub size: usize,
    /// Values that were taken.
    pub received: u64,
    /// Values that fell out.
    pub discarded: u64,
    /// Values that are there, and their bytes.
    pub held: u64,
    pub bytes: u64,
}

// SAFETY: integers alone.
unsafe impl Growing for rq_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for rq_stats_t {}
// SAFETY: integers alone.
unsafe impl Growing for rq_buffer_stats_t {}
impl Kind for Queue {
    const TAG: u8 = 0xa5;
}

pub(super) fn queue(q: *const rq_t) -> Result<handles::Guard<Queue>> {
    handles::enter(q.cast())
}

/// Makes a receive queue: groups of buffers, each of which keeps the last values of one sender.
///
/// `groups`, `n`: the names, 1 to 4,096, any bytes, each once. `length`: values of a buffer, 1 to 16,777,216; when
/// one more comes the oldest falls out. `policy`: RQ_UNSYNC, RQ_RW or RQ_EXCLUSIVE. `config`: NULL for
/// the default limits. `out`: the caller's; gets the handle.
///
/// Errors: -EINVAL for too few or too many groups, one twice, a length or policy out of range, a bad configuration,
/// NULL; -EMFILE. `out` is written on success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_new(
    groups: *const ph_bytes_t,
    n: usize,
    length: usize,
    policy: u32,
    config: *const rq_config_t,
    out: *mut *mut rq_t,
) -> i32 {
    guard32(|| {
        let make = || {
            // SAFETY: the caller's promise.
            let (groups, config) = unsafe { (byte_strings(groups, n)?, sized::read(config)?) };
            let or = |value: u64, default: u64| if value == 0 { default } else { value };
            let config = Config {
                length,
                policy: match policy {
                    RQ_UNSYNC => Policy::Unsynchronized,
                    RQ_RW => Policy::ReadWrite,
                    RQ_EXCLUSIVE => Policy::Exclusive,
                    _ => return Err(INVALID),
                },
                buffers_max: or(config.buffers_max, 1 << 20),
                bytes_max: or(config.bytes_max, 1 << 30),
            };
            Queue::new(&groups, &config)
        };
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, make) }
    })
}

/// Appends values to a buffer, oldest first; it is made when this is its first.
///
/// `group`, `idx`: names of the group and of the buffer, any bytes. `values`, `n`: copied.
///
/// Returns how many were taken; fewer than `n` mean that the next one is refused, and that calling
/// from it on tells why. Errors, for the first: -ENOENT for an unknown group; -ENOSPC for a new buffer
/// beyond `buffers_max`; -ENOBUFS beyond `bytes_max`; -ENOMEM; -EINVAL; -EBADF. Thread safety: any
/// thread.
#[no_mangle]
pub unsafe extern "C" fn rq_receive(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    idx: *const u8,
    idx_len: usize,
    values: *const ph_bytes_t,
    n: usize,
) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let (group, idx) = unsafe { (slice_in(group, group_len)?, slice_in(idx, idx_len)?) };
        // SAFETY: the caller's promise.
        let values = unsafe { slice_in(values, n)? };
        for value in values {
            // SAFETY: the caller's promise.
            unsafe { value.read()? };
        }
        // SAFETY: the caller's promise; none is bad, as was just found.
        let values = values.iter().map(|value| unsafe { value.read() }.unwrap_or_default());
        let taken = queue.receive(group, idx, values).map_err(closed)?;
        Ok(i32::try_from(taken).unwrap_or(i32::MAX))
    })
}

/// Copies what a buffer holds, oldest first; it stays there.
///
/// `values`, `n`, `out`, `cap`: the caller's; get the values and their bytes. `need`: NULL, or gets how
/// much of both the buffer takes.
///
/// Returns the number of values, 0 for an idx never seen. Errors: -EMSGSIZE when there is not room for
/// all, nothing but `need` being written; -ENOENT for an unknown group; -EINVAL; -EBADF. Thread safety:
/// any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_extract(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    idx: *const u8,
    idx_len: usize,
    values: *mut rq_value_t,
    n: usize,
    out: *mut u8,
    cap: usize,
    need: *mut ph_need_t,
) -> i64 {
    guard(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let (group, idx) = unsafe { (slice_in(group, group_len)?, slice_in(idx, idx_len)?) };
        // SAFETY: the caller's promise.
        let mut room = unsafe { Room::new(values, n, out, cap, need)? };
        let write = |buffer: Option<&Buffer>| {
            room.check(buffer.into_iter().map(|buffer| (buffer.held(), buffer.bytes())))?;
            Ok(buffer.map_or(0, |buffer| room.write(buffer, (0, 0))))
        };
        queue.extract(group, idx, write).map_err(closed)?.map(|count| count as i64)
    })
}

/// Copies what all buffers of a group hold; it stays there. The values of one buffer stand together,
/// oldest first, and share the place of its idx.
///
/// `values`, `n`, `out`, `cap`, `need`: as `rq_extract`; the bytes are those of the idx texts and of the
/// values.
///
/// Returns the number of values. Errors: as `rq_extract`. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_extract_all(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    values: *mut rq_value_t,
    n: usize,
    out: *mut u8,
    cap: usize,
    need: *mut ph_need_t,
) -> i64 {
    guard(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let group = unsafe { slice_in(group, group_len)? };
        // SAFETY: the caller's promise.
        let mut room = unsafe { Room::new(values, n, out, cap, need)? };
        let snapshot = queue.extract_all(group).map_err(closed)?;
        let sizes =
            snapshot.buffers().map(|buffer| (buffer.held(), buffer.idx().len() + buffer.bytes()));
        room.check(sizes)?;
        let mut count = 0;
        for buffer in snapshot.buffers() {
            let idx = room.put(buffer.idx());
            count += room.write(buffer, idx);
        }
        Ok(count as i64)
    })
}

/// The caller's room for values.
struct Room<'a> {
    values: *mut rq_value_t,
    n: usize,
    out: &'a mut [u8],
    need: *mut ph_need_t,
    /// How much of it is written.
    items: usize,
    bytes: usize,
}

impl<'a> Room<'a> {
    /// Errors: `EINVAL` for bad pointers and lengths.
    ///
    /// # Safety
    /// Valid pointers must be good for writing until the call ends.
    unsafe fn new(
        values: *mut rq_value_t,
        n: usize,
        out: *mut u8,
        cap: usize,
        need: *mut ph_need_t,
    ) -> Result<Room<'a>> {
        check_array(values.cast_const(), n)?;
        if !need.is_null() {
            check_array(need.cast_const(), 1)?;
        }
        // SAFETY: the caller's promise.
        let out = unsafe { slice_out(out, cap)? };
        Ok(Room { values, n, out, need, items: 0, bytes: 0 })
    }

    /// Says how much all of `sizes`, values and bytes, take. Errors: `EMSGSIZE` for too much.
    fn check(&mut self, sizes: impl Iterator<Item = (usize, usize)>) -> Result<()> {
        let add = |sum: (usize, usize), size: (usize, usize)| (sum.0 + size.0, sum.1 + size.1);
        let (items, bytes) = sizes.fold((0, 0), add);
        if !self.need.is_null() {
            // SAFETY: checked in `new`; the rest is the caller's promise.
            unsafe { self.need.write(ph_need_t { items, bytes }) };
        }
        if items > self.n || bytes > self.out.len() {
            return Err(Errno(libc::EMSGSIZE));
        }
        Ok(())
    }

    /// Copies bytes there was found room for; gives where they lie.
    fn put(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.bytes;
        self.bytes += bytes.len();
        self.out[start..self.bytes].copy_from_slice(bytes);
        (start, bytes.len())
    }

    /// Copies the values of a buffer; gives how many.
    fn write(&mut self, buffer: &Buffer, (idx_offset, idx_len): (usize, usize)) -> usize {
        for value in buffer.values() {
            let (offset, len) = self.put(value);
            debug_assert!(self.items < self.n);
            // SAFETY: `check` found room for all; the rest is the caller's promise.
            unsafe {
                let value = rq_value_t { idx_offset, idx_len, offset, len };
                self.values.add(self.items).write(value);
            }
            self.items += 1;
        }
        buffer.held()
    }
}

/// Waits until something has come into a group since the last `rq_wait` of it that gave 0, or since
/// `rq_new`. Of several who wait for one group, one gets it.
///
/// `timeout_ms`: milliseconds; -1: for ever, 0: not at all.
///
/// Returns 0. Errors: -EAGAIN when nothing has and no waiting was asked for; -ETIMEDOUT; -EINTR when a
/// signal handler ran; -ESHUTDOWN when the queue is closed meanwhile; -ENOENT for an unknown group;
/// -EMFILE; -EINVAL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_wait(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    timeout_ms: i32,
) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        patience(timeout_ms)?;
        // SAFETY: the caller's promise.
        let group = unsafe { slice_in(group, group_len)? };
        queue.wait(group, timeout_ms).map(|()| 0)
    })
}

/// A descriptor that poll(2) finds readable exactly while `rq_wait` would give 0 for the group; it
/// stays the library's, is good until `rq_close`, and must not be read.
///
/// Errors: -ENOENT for an unknown group; -EMFILE; -EINVAL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_fd(q: *mut rq_t, group: *const u8, group_len: usize) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let group = unsafe { slice_in(group, group_len)? };
        queue.fd(group)
    })
}

/// Drops a buffer with what it holds, and its counts.
///
/// Returns how many values it held, 0 for an idx never seen. Errors: -ENOENT for an unknown group;
/// -EINVAL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_forget(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    idx: *const u8,
    idx_len: usize,
) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let (group, idx) = unsafe { (slice_in(group, group_len)?, slice_in(idx, idx_len)?) };
        // A buffer holds 16,777,216 values at most.
        queue.forget(group, idx).map(|held| held as i32)
    })
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_stats(q: *mut rq_t, out: *mut rq_stats_t) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &queue.stats().into())? };
        Ok(0)
    })
}

impl From<Stats> for rq_stats_t {
    fn from(s: Stats) -> rq_stats_t {
        rq_stats_t {
            size: size_of::<rq_stats_t>(),
            buffers: s.buffers,
            values: s.values,
            bytes: s.bytes,
            received: s.received,
            discarded: s.discarded,
            refused: s.refused,
        }
    }
}

/// Reads the counts of one buffer, all 0 for an idx never seen. `out`: as `rq_stats`.
///
/// Returns 0. Errors: -ENOENT for an unknown group; -EINVAL; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn rq_buffer_stats(
    q: *mut rq_t,
    group: *const u8,
    group_len: usize,
    idx: *const u8,
    idx_len: usize,
    out: *mut rq_buffer_stats_t,
) -> i32 {
    guard32(|| {
        let queue = queue(q)?;
        // SAFETY: the caller's promise.
        let (group, idx) = unsafe { (slice_in(group, group_len)?, slice_in(idx, idx_len)?) };
        let read = |buffer: Option<&Buffer>| buffer.map(rq_buffer_stats_t::from);
        let stats = queue.extract(group, idx, read).map_err(closed)?.unwrap_or_default();
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &stats)? };
        Ok(0)
    })
}

impl From<&Buffer> for rq_buffer_stats_t {
    fn from(buffer: &Buffer) -> rq_buffer_stats_t {
        rq_buffer_stats_t {
            size: size_of::<rq_buffer_stats_t>(),
            received: buffer.received(),
            discarded: buffer.discarded(),
            held: buffer.held() as u64,
            bytes: buffer.bytes() as u64,
        }
    }
}

/// Ends it: ends its feeds, releases all values and wakes every waiter. From the first moment on every
/// other call with this handle, from any thread, answers -EBADF; waits inside end with -ESHUTDOWN.
///
/// Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn rq_close(q: *mut rq_t) -> i32 {
    guard32(|| {
        handles::remove::<Queue>(q.cast())?.close();
        Ok(0)
    })
}

/// A call that waits for nothing was inside when the queue was closed: it came too late.
pub(super) fn closed(error: Errno) -> Errno {
    match error.0 {
        libc::ESHUTDOWN => Errno(libc::EBADF),
        _ => error,
    }
}

/// # Safety
/// Valid pointers must be good for reading until the call ends.
unsafe fn byte_strings<'a>(strings: *const ph_bytes_t, n: usize) -> Result<Vec<&'a [u8]>> {
    // SAFETY: the caller's promise.
    let strings = unsafe { slice_in(strings, n)? };
    // SAFETY: the caller's promise.
    strings.iter().map(|string| unsafe { string.read() }).collect()
}
