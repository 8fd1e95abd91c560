//! Shared libraries opened at run time (dlopen(3)).

use std::ffi::{c_int, c_void, CStr};
use std::mem;
use std::ptr::{self, NonNull};
use std::slice;

/// An open shared library. It is never closed: its code may run on threads of its own.
pub struct Dylib(NonNull<c_void>);

impl Dylib {
    /// Opens a library; `None` when it is not there, or lacks something itself.
    pub fn open(name: &CStr) -> Option<Dylib> {
        Dylib::with(name, libc::RTLD_NOW | libc::RTLD_LOCAL)
    }

    /// Whether the process has it already.
    pub fn is_loaded(name: &CStr) -> bool {
        Dylib::with(name, libc::RTLD_NOW | libc::RTLD_NOLOAD).is_some()
    }

    fn with(name: &CStr, flags: c_int) -> Option<Dylib> {
        if !has_loader() {
            return None;
        }
        // SAFETY: the name is NUL-terminated. The library's constructors run, as those of any that
        // a program is linked with.
        NonNull::new(unsafe { libc::dlopen(name.as_ptr(), flags) }).map(Dylib)
    }

    /// The function of this name.
    ///
    /// # Safety
    /// `F` must be the type of a C function, and the one that the library documents for the name.
    pub unsafe fn function<F: Copy>(&self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>(), "a function pointer") };
        // SAFETY: the library is open, and the name NUL-terminated.
        let address = NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })?;
        // SAFETY: of the same size, as checked above; the type is the caller's promise.
        Some(unsafe { mem::transmute_copy(&address) })
    }
}

/// Whether the program has a dynamic loader. In one that was linked statically as a whole dlopen(3)
/// of a library that uses threads ends the process.
fn has_loader() -> bool {
    // SAFETY: the callback is of the type asked for, and takes no data.
    unsafe { libc::dl_iterate_phdr(Some(asks_for_loader), ptr::null_mut()) == 1 }
}

/// The first object is the program itself, which names the loader that it asks for.
unsafe extern "C" fn asks_for_loader(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the C library gives an object that is valid for this call, and the number of its
    // headers.
    let headers =
        unsafe { slice::from_raw_parts((*object).dlpi_phdr, (*object).dlpi_phnum.into()) };
    let asks = headers.iter().any(|header| header.p_type == libc::PT_INTERP);
    // Anything but 0 ends the iteration.
    if asks {
        1
    } else {
        -1
    }
}
