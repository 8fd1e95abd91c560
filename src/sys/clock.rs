//! The two clocks: one that never goes back, one that the kernel stamps datagrams with.

use super::{Errno, Result};
use std::mem::MaybeUninit;
use std::ptr;

/// Nanoseconds of CLOCK_MONOTONIC: for latencies and deadlines.
pub fn monotonic() -> i64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds since 1970 (CLOCK_REALTIME): what SO_TIMESTAMPNS counts in.
pub fn realtime() -> i64 {
    read(libc::CLOCK_REALTIME)
}

/// Sleeps until CLOCK_MONOTONIC has come to `nanoseconds`; not at all when it has.
///
/// Errors: `EINTR` when a signal handler ran on this thread.
pub fn sleep_until(nanoseconds: i64) -> Result<()> {
    let until = timespec(nanoseconds);
    // SAFETY: `until` is valid for reading; of an absolute sleep nothing is left to be written.
    let error = unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &until, ptr::null_mut())
    };
    // This call alone gives its error instead of setting errno.
    match error {
        0 => Ok(()),
        error => Err(Errno(error)),
    }
}

/// `nanoseconds`, not below 0, as the kernel takes a time.
pub(super) fn timespec(nanoseconds: i64) -> libc::timespec {
    let nanoseconds = nanoseconds.max(0);
    libc::timespec { tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000 }
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is valid for writing, and both clocks exist on every Linux, so the call
    // cannot fail and has filled `time` when it returns.
    let time = unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
