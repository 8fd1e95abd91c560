//! `stopwatch_*`: elapsed time, and ticks that do not drift.

use super::{check_array, guard, guard32};
use crate::stopwatch::Stopwatch;
use crate::sys::Result;

/// A stopwatch: the caller's memory and nothing else, so there is nothing to close. All 0 before the
/// first use. The numbers are nanoseconds of CLOCK_MONOTONIC, 0 for never, and the functions' alone to
/// set.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct stopwatch_t {
    /// When `stopwatch_tic` or `stopwatch_round` was called last.
    pub started_ns: i64,
    /// The last tick of `stopwatch_sleep_until_next`.
    pub tick_ns: i64,
}

/// Starts it, anew if it was started before.
///
/// `watch`: the caller's.
///
/// Returns 0. Errors: -EINVAL for NULL. Thread safety: any thread, but one at a time for each
/// stopwatch.
#[no_mangle]
pub unsafe extern "C" fn stopwatch_tic(watch: *mut stopwatch_t) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { with(watch, Stopwatch::tic)? };
        Ok(0)
    })
}

/// Nanoseconds since it was started; it goes on.
///
/// `watch`: the caller's.
///
/// Errors: -ENODATA when it was never started; -EINVAL for NULL. Thread safety: as `stopwatch_tic`.
#[no_mangle]
pub unsafe extern "C" fn stopwatch_toc(watch: *const stopwatch_t) -> i64 {
    guard(|| {
        check_array(watch, 1)?;
        // SAFETY: not null and aligned; the rest is the caller's promise.
        unsafe { watch.read() }.core().toc()
    })
}

/// Nanoseconds since it was started; it is started anew at the same instant, so that no time falls
/// between two rounds.
///
/// `watch`: the caller's.
///
/// Errors: -ENODATA when it was never started, nor is now; -EINVAL for NULL. Thread safety: as
/// `stopwatch_tic`.
#[no_mangle]
pub unsafe extern "C" fn stopwatch_round(watch: *mut stopwatch_t) -> i64 {
    // SAFETY: the caller's promise.
    guard(|| unsafe { with(watch, Stopwatch::round)? })
}

/// Sleeps until the next tick of a periodic task.
///
/// Ticks are `period_ns` apart, counted from the first: from when the stopwatch was started, or else
/// from this call. What is late does not shift those that follow, and those that were missed are left
/// out. `stopwatch_tic` does not touch them.
///
/// `watch`: the caller's. `period_ns`: nanoseconds, at least 1.
///
/// Returns 0 after the sleep, or at once by how many nanoseconds the task is late. Errors: -EINTR
/// when a signal handler ran: calling again goes on sleeping until the same tick; -EINVAL. Thread
/// safety: as `stopwatch_tic`.
#[no_mangle]
pub unsafe extern "C" fn stopwatch_sleep_until_next(
    watch: *mut stopwatch_t,
    period_ns: i64,
) -> i64 {
    // SAFETY: the caller's promise.
    guard(|| unsafe { with(watch, |watch| watch.sleep_until_next(period_ns))? })
}

/// Does something to the caller's stopwatch.
///
/// # Safety
/// A valid pointer must be good for reading and writing.
unsafe fn with<R>(watch: *mut stopwatch_t, body: impl FnOnce(&mut Stopwatch) -> R) -> Result<R> {
    check_array(watch.cast_const(), 1)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    let mut core = unsafe { watch.read() }.core();
    let outcome = body(&mut core);
    // SAFETY: as above.
    unsafe { watch.write(stopwatch_t { started_ns: core.started, tick_ns: core.tick }) };
    Ok(outcome)
}

impl stopwatch_t {
    fn core(self) -> Stopwatch {
        Stopwatch { started: self.started_ns, tick: self.tick_ns }
    }
}
