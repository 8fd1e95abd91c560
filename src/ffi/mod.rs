//! The C ABI: what `include/pyhelpers.h` is generated from.
//!
//! A function here checks its pointers and lengths, calls the core inside `guard`, and turns the
//! outcome into a number. Nothing else happens in this module. Its comments become the header's.
//!
//! # Safety
//!
//! A function that takes pointers asks the same of each caller: a pointer that is not NULL must be
//! good for as many bytes as its comment says, until the call returns. NULL, misaligned pointers
//! and impossible lengths are found out and answered with `EINVAL`.

#![allow(unsafe_code)]
// The names are C's, and the promise above is every function's.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod bcast;
mod datagram;
mod evloop;
mod handles;
mod npipe;
mod peer;
mod ph;
mod rq;
mod rq_feed;
mod sized;
mod stopwatch;
mod tcp;
mod udph;
mod virt;

pub use bcast::*;
pub use datagram::*;
pub use evloop::*;
pub use npipe::*;
pub use peer::*;
pub use ph::*;
pub use rq::*;
pub use rq_feed::*;
pub use stopwatch::*;
pub use tcp::*;
pub use udph::*;
pub use virt::*;

use crate::sys::{Errno, Result};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;
use std::time::Duration;

/// Runs `body` so that no panic of ours reaches the caller; gives its number or a negated errno.
fn guard(body: impl FnOnce() -> Result<i64>) -> i64 {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Errno::PANIC));
    outcome.unwrap_or_else(|error| -i64::from(error.0))
}

/// [`guard`] for functions that give an `int32_t`.
fn guard32(body: impl FnOnce() -> Result<i32>) -> i32 {
    // Numbers that were an i32 before, or an errno.
    guard(|| body().map(i64::from)) as i32
}

const INVALID: Errno = Errno(libc::EINVAL);

/// The caller's array; empty for NULL with 0.
///
/// Errors: `EINVAL` for NULL with another length, for a misaligned pointer, and for a length that
/// no array can have.
///
/// # Safety
/// A valid pointer must be good for reading `length` items until the call ends.
unsafe fn slice_in<'a, T>(items: *const T, length: usize) -> Result<&'a [T]> {
    check_array(items, length)?;
    if length == 0 {
        return Ok(&[]);
    }
    // SAFETY: not null, aligned, and of a possible size; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(items, length) })
}

/// The caller's bytes to be written; empty for NULL with 0.
///
/// Errors: as [`slice_in`].
///
/// # Safety
/// A valid pointer must be good for reading and writing `length` bytes until the call ends, and
/// nobody else may touch them meanwhile.
unsafe fn slice_out<'a>(bytes: *mut u8, length: usize) -> Result<&'a mut [u8]> {
    check_array(bytes.cast_const(), length)?;
    if length == 0 {
        return Ok(&mut []);
    }
    // SAFETY: not null and of a possible size; the rest is the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(bytes, length) })
}

fn check_array<T>(items: *const T, length: usize) -> Result<()> {
    let bytes = length.checked_mul(size_of::<T>()).filter(|bytes| isize::try_from(*bytes).is_ok());
    let is_there = length == 0 || !items.is_null();
    if bytes.is_none() || !is_there || !items.is_aligned() {
        return Err(INVALID);
    }
    Ok(())
}

/// Writes `value` to the caller's `out`.
///
/// Errors: `EINVAL` for NULL and for a misaligned pointer.
///
/// # Safety
/// A valid pointer must be good for writing.
unsafe fn write_out<T>(out: *mut T, value: T) -> Result<()> {
    check_array(out.cast_const(), 1)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    unsafe { out.write(value) };
    Ok(())
}

/// Makes an object, and writes its handle to the caller's `out`.
///
/// Errors: `EINVAL` for NULL and for a misaligned pointer, before anything is made; `EMFILE` when
/// all handles are in use; what `make` says.
///
/// # Safety
/// A valid pointer must be good for writing.
unsafe fn hand_out<T: handles::Kind, C>(
    out: *mut *mut C,
    make: impl FnOnce() -> Result<T>,
) -> Result<i32> {
    check_array(out.cast_const(), 1)?;
    let token = handles::insert(make()?)?;
    // SAFETY: the caller's promise.
    unsafe { write_out(out, token.cast())? };
    Ok(0)
}

/// `None` for ever. Errors: `EINVAL` below -1.
fn patience(timeout_ms: i32) -> Result<Option<Duration>> {
    match timeout_ms {
        0.. => Ok(Some(Duration::from_millis(timeout_ms.unsigned_abs().into()))),
        -1 => Ok(None),
        _ => Err(INVALID),
    }
}
