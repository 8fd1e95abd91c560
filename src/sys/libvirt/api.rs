//! The functions of libvirt.so.0.

use super::event_loop::EventLoop;
use super::{loading, registered};
use crate::sys::dylib::Dylib;
use crate::sys::{Errno, Result};
use std::ffi::{c_char, c_int, c_uint, c_void, CStr};
use std::sync::OnceLock;

/// virConnectPtr and virDomainPtr: only ever handed back.
pub type Pointer = *mut c_void;

/// virFreeCallback.
pub type Free = Option<unsafe extern "C" fn(*mut c_void)>;
/// virEventHandleCallback: watch, descriptor, events, opaque.
pub type OnHandle = Option<unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void)>;
/// virEventTimeoutCallback: timer, opaque.
pub type OnTimeout = Option<unsafe extern "C" fn(c_int, *mut c_void)>;

/// virEventAddHandleFunc and its five companions.
pub type AddHandle = extern "C" fn(c_int, c_int, OnHandle, *mut c_void, Free) -> c_int;
pub type UpdateHandle = extern "C" fn(c_int, c_int);
pub type RemoveHandle = extern "C" fn(c_int) -> c_int;
pub type AddTimeout = extern "C" fn(c_int, OnTimeout, *mut c_void, Free) -> c_int;
pub type UpdateTimeout = extern "C" fn(c_int, c_int);
pub type RemoveTimeout = extern "C" fn(c_int) -> c_int;
type RegisterImpl = unsafe extern "C" fn(
    AddHandle,
    UpdateHandle,
    RemoveHandle,
    AddTimeout,
    UpdateTimeout,
    RemoveTimeout,
);

/// virError.
#[repr(C)]
pub struct RawError {
    pub code: c_int,
    pub domain: c_int,
    pub message: *const c_char,
    pub level: c_int,
    pub conn: Pointer,
    pub dom: Pointer,
    pub strings: [*const c_char; 3],
    pub int1: c_int,
    pub int2: c_int,
    pub net: Pointer,
}

/// virDomainInfo.
#[repr(C)]
#[derive(Default)]
pub struct RawInfo {
    pub state: u8,
    pub max_mem: std::ffi::c_ulong,
    pub memory: std::ffi::c_ulong,
    pub virt_cpus: std::ffi::c_ushort,
    pub cpu_time: std::ffi::c_ulonglong,
}

type SetErrorFunc =
    unsafe extern "C" fn(*mut c_void, Option<unsafe extern "C" fn(*mut c_void, *mut RawError)>);
type OfPointer = unsafe extern "C" fn(Pointer) -> c_int;

/// What is used of the library.
pub struct Api {
    initialize: unsafe extern "C" fn() -> c_int,
    set_error_func: SetErrorFunc,
    register_impl: RegisterImpl,
    pub get_last_error: unsafe extern "C" fn() -> *const RawError,
    pub reset_last_error: unsafe extern "C" fn(),
    pub connect_open: unsafe extern "C" fn(*const c_char) -> Pointer,
    pub connect_set_keep_alive: unsafe extern "C" fn(Pointer, c_int, c_uint) -> c_int,
    pub connect_close: OfPointer,
    pub connect_is_alive: OfPointer,
    pub connect_list_all_domains: unsafe extern "C" fn(Pointer, *mut *mut Pointer, c_uint) -> c_int,
    pub domain_lookup_by_name: unsafe extern "C" fn(Pointer, *const c_char) -> Pointer,
    pub domain_get_info: unsafe extern "C" fn(Pointer, *mut RawInfo) -> c_int,
    pub domain_get_name: unsafe extern "C" fn(Pointer) -> *const c_char,
    pub domain_suspend: OfPointer,
    pub domain_resume: OfPointer,
    pub domain_free: OfPointer,
}

static API: OnceLock<Api> = OnceLock::new();

const NAME: &CStr = c"libvirt.so.0";

impl Api {
    /// The library, loaded when it is not yet. One that is not installed is looked for again the next
    /// time.
    ///
    /// Errors: [`Errno::LIBVIRT`] when it is not installed; `ENOSYS` for one older than 0.9.13;
    /// `EIO` when it cannot start.
    pub fn get() -> Result<&'static Api> {
        if let Some(api) = API.get() {
            return Ok(api);
        }
        let _one_at_a_time = loading::lock();
        if let Some(api) = API.get() {
            return Ok(api);
        }
        let was_loaded = Dylib::is_loaded(NAME);
        let library = Dylib::open(NAME).ok_or(Errno::LIBVIRT)?;
        let api = Api::of(&library).ok_or(Errno(libc::ENOSYS))?;
        api.start(was_loaded)?;
        Ok(API.get_or_init(|| api))
    }

    fn of(library: &Dylib) -> Option<Api> {
        // SAFETY: each field has the type that libvirt's reference gives for the name.
        unsafe {
            Some(Api {
                initialize: library.function(c"virInitialize")?,
                set_error_func: library.function(c"virSetErrorFunc")?,
                register_impl: library.function(c"virEventRegisterImpl")?,
                get_last_error: library.function(c"virGetLastError")?,
                reset_last_error: library.function(c"virResetLastError")?,
                connect_open: library.function(c"virConnectOpen")?,
                connect_set_keep_alive: library.function(c"virConnectSetKeepAlive")?,
                connect_close: library.function(c"virConnectClose")?,
                connect_is_alive: library.function(c"virConnectIsAlive")?,
                connect_list_all_domains: library.function(c"virConnectListAllDomains")?,
                domain_lookup_by_name: library.function(c"virDomainLookupByName")?,
                domain_get_info: library.function(c"virDomainGetInfo")?,
                domain_get_name: library.function(c"virDomainGetName")?,
                domain_suspend: library.function(c"virDomainSuspend")?,
                domain_resume: library.function(c"virDomainResume")?,
                domain_free: library.function(c"virDomainFree")?,
            })
        }
    }

    /// Makes libvirt ready: with our event loop, which it ignores where the program has given it one
    /// before, and without its habit of writing errors to standard error, unless the program uses it
    /// too.
    fn start(&self, was_loaded: bool) -> Result<()> {
        // First of all: should the rest fail, the next attempt finds the library loaded.
        if !was_loaded {
            // SAFETY: libvirt's function, and a callback of the type that it documents, which stays for
            // the life of the process, as this library is never unloaded.
            unsafe { (self.set_error_func)(std::ptr::null_mut(), Some(be_silent)) };
        }
        EventLoop::start()?;
        // SAFETY: as above.
        let code = unsafe {
            (self.register_impl)(
                registered::add_handle,
                registered::update_handle,
                registered::remove_handle,
                registered::add_timeout,
                registered::update_timeout,
                registered::remove_timeout,
            );
            (self.initialize)()
        };
        if code < 0 {
            return Err(Errno(libc::EIO));
        }
        Ok(())
    }
}

unsafe extern "C" fn be_silent(_user: *mut c_void, _error: *mut RawError) {}
