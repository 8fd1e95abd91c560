//! Structures that start with their own size, so that they can grow.
//!
//! A program built against an older header hands in fewer fields than the library knows, one built
//! against a newer header more. What a side does not know is 0.

use super::{check_array, slice_in, INVALID};
use crate::sys::Result;
use std::mem::MaybeUninit;

/// A structure whose first field is its size.
///
/// # Safety
/// It must be `repr(C)`, its first field a `usize`, and any bytes a value of it.
pub unsafe trait Growing: Copy {}

/// No structure of this library is near this size: a `size` above it was never set.
const MAX_STRUCT: usize = 1 << 16;

/// The caller's structure; all 0, its size too, for NULL.
///
/// Errors: `EINVAL` for a size that was not set, and for anything but 0 in fields that this library
/// does not know.
///
/// # Safety
/// `from` must be NULL or good for reading the bytes it says.
pub unsafe fn read<T: Growing>(from: *const T) -> Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    if !from.is_null() {
        // SAFETY: the caller's promise; what lies beyond the known is the caller's as well.
        unsafe {
            let size = size(from)?;
            let known = size.min(size_of::<T>());
            let unknown = slice_in(from.cast::<u8>().add(known), size - known)?;
            if unknown.iter().any(|byte| *byte != 0) {
                return Err(INVALID);
            }
            let to = value.as_mut_ptr().cast::<u8>();
            to.copy_from_nonoverlapping(from.cast(), known);
        }
    }
    // SAFETY: all bytes were set to 0 first, and any bytes are a value.
    Ok(unsafe { value.assume_init() })
}

/// Writes as much of `value` as the caller knows; what a newer caller knows beyond it is 0. The
/// size stays as the caller set it.
///
/// Errors: `EINVAL` for NULL and for a size that was not set.
///
/// # Safety
/// `out` must be NULL or good for reading its size and writing as many bytes.
pub unsafe fn write<T: Growing>(out: *mut T, value: &T) -> Result<()> {
    // SAFETY: the caller's promise; `value` has `known` bytes.
    unsafe {
        let size = size(out)?;
        let known = size.min(size_of::<T>());
        let from = (&raw const *value).cast::<u8>();
        out.cast::<u8>().copy_from_nonoverlapping(from, known);
        out.cast::<u8>().add(known).write_bytes(0, size - known);
        out.cast::<usize>().write(size);
    }
    Ok(())
}

/// The size that the caller has set.
///
/// # Safety
/// `structure` must be NULL or good for reading a `size_t`.
pub unsafe fn size<T: Growing>(structure: *const T) -> Result<usize> {
    check_array(structure, 1)?;
    // SAFETY: not null and aligned; the rest is the caller's promise.
    let size = unsafe { structure.cast::<usize>().read() };
    if (size_of::<usize>()..=MAX_STRUCT).contains(&size) {
        Ok(size)
    } else {
        Err(INVALID)
    }
}
