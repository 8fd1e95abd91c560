//! Shared libraries opened at run time (dlopen(3)).

use std::ffi::{c_void, CStr};
use std::mem;
use std::ptr::NonNull;

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

    fn with(name: &CStr, flags: libc::c_int) -> Option<Dylib> {
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
