//! `ph_*`: what concerns the whole library.

use super::{check_array, guard32, slice_in, write_out, INVALID};
use crate::log::{self, Level};
use crate::sys::addr::{Addr, Family};
use crate::sys::{Errno, Result};
use std::ffi::{c_char, c_void, CStr, CString};
use std::sync::OnceLock;

/// A panic inside the library was caught. The handle that was used may be out of order and should
/// be closed; all others go on.
pub const PH_EPANIC: i32 = -4096;

/// There is no such host, or no such service.
pub const PH_ENONAME: i32 = -4097;

/// A name cannot be looked up at present.
pub const PH_ERESOLVE: i32 = -4098;

/// libvirt.so.0 is not installed; `ph_strerror` names the package that has it.
pub const PH_ENOLIBVIRT: i32 = -4099;

/// Version of the ABI: raised when a symbol, a structure or a meaning changes in a way that a
/// program built before would notice.
pub const PH_ABI_VERSION: i32 = 1;

/// Log levels. A message is passed on when its level is at most the one set.
pub const PH_LOG_NONE: i32 = 0;
pub const PH_LOG_ERROR: i32 = 1;
pub const PH_LOG_WARNING: i32 = 2;
pub const PH_LOG_INFO: i32 = 3;
/// Life cycle of threads and sockets.
pub const PH_LOG_DEBUG: i32 = 4;
/// Each batch.
pub const PH_LOG_TRACE: i32 = 5;
/// The same as PH_LOG_TRACE.
pub const PH_LOG_WIRE: i32 = 6;

/// Longest text of an address with its final NUL: IPv6, '%', a 10-digit interface index.
pub const PH_ADDR_TEXT_MAX: usize = 64;

/// An IPv4 or IPv6 address with its port.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ph_addr_t {
    /// IPv6: all 16 bytes; IPv4: the first 4, in network order, the others being 0.
    /// An IPv4-mapped IPv6 address (::ffff:a.b.c.d), what a dual-stack socket reports, is IPv6.
    pub ip: [u8; 16],
    /// Interface index of a link-local IPv6 address (RFC 4007), otherwise 0.
    pub scope_id: u32,
    /// Port in host byte order.
    pub port: u16,
    /// 4 or 6; 0 where there is no address.
    pub family: u8,
    /// 0.
    pub reserved: u8,
}

impl ph_addr_t {
    /// No address: its family is 0.
    pub(super) const NONE: ph_addr_t =
        ph_addr_t { ip: [0; 16], scope_id: 0, port: 0, family: 0, reserved: 0 };
}

impl From<Addr> for ph_addr_t {
    fn from(addr: Addr) -> ph_addr_t {
        ph_addr_t {
            ip: addr.ip(),
            scope_id: addr.scope,
            port: addr.port,
            family: addr.family as u8,
            reserved: 0,
        }
    }
}

impl TryFrom<ph_addr_t> for Addr {
    type Error = Errno;

    fn try_from(addr: ph_addr_t) -> Result<Addr> {
        let ph_addr_t { ip, scope_id, port, family, .. } = addr;
        match family {
            4 => Ok(Addr::new(Family::V4, ip, 0, port)),
            6 => Ok(Addr::new(Family::V6, ip, scope_id, port)),
            _ => Err(INVALID),
        }
    }
}

/// A stretch of bytes of the caller's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ph_bytes_t {
    /// NULL only with 0.
    pub data: *const u8,
    pub len: usize,
}

impl ph_bytes_t {
    /// Errors: as [`slice_in`].
    ///
    /// # Safety
    /// As [`slice_in`].
    pub(super) unsafe fn read<'a>(self) -> Result<&'a [u8]> {
        // SAFETY: the caller's promise.
        unsafe { slice_in(self.data, self.len) }
    }
}

/// Where something lies in the buffer that the caller gave.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ph_span_t {
    /// Bytes from the buffer's beginning.
    pub offset: usize,
    pub len: usize,
}

/// How much room a call takes, or would take.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ph_need_t {
    /// Entries of the array.
    pub items: usize,
    /// Bytes of the buffer.
    pub bytes: usize,
}

/// Called with each log message.
///
/// `user` is the pointer given to `ph_log_set`; `level` one of PH_LOG_*; `message` NUL-terminated
/// UTF-8 that is valid during the call. It runs on whichever thread has something to say, the
/// library's own among them, one call at a time or several at once; it must not block for long,
/// nor unwind (no C++ exception, no longjmp). What the library would log because of what the
/// callback does is not logged.
pub type ph_log_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, level: i32, message: *const c_char)>;

/// Version of the library, as "MAJOR.MINOR.PATCH": a static string.
///
/// Errors: none. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn ph_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// PH_ABI_VERSION of the library that is loaded, to be compared with the header's.
///
/// Errors: none. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn ph_abi_version() -> i32 {
    PH_ABI_VERSION
}

/// What a code returned by this library means: a static string, never NULL.
///
/// `code`: a negated errno or PH_EPANIC; "success" for 0 and above.
///
/// Errors: none. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn ph_strerror(code: i32) -> *const c_char {
    strerror(code).as_ptr()
}

fn strerror(code: i32) -> &'static CStr {
    const ERRNO_MAX: usize = 134;
    static TEXTS: [OnceLock<CString>; ERRNO_MAX] = [const { OnceLock::new() }; ERRNO_MAX];
    match code {
        0.. => c"success",
        PH_EPANIC => c"the library panicked",
        PH_ENONAME => c"name or service not known",
        PH_ERESOLVE => c"temporary failure in name resolution",
        PH_ENOLIBVIRT => c"libvirt is not installed (Debian: libvirt0)",
        _ => {
            let text = usize::try_from(code.unsigned_abs()).ok().and_then(|at| TEXTS.get(at));
            text.map_or(c"unknown error", |text| {
                let describe = || CString::new(Errno(-code).to_string()).unwrap_or_default();
                text.get_or_init(describe)
            })
        }
    }
}

/// Sets where log messages of the whole library go, and how many.
///
/// `callback`: NULL for standard error. `user`: handed to the callback, never looked at; it must
/// stay good until another `ph_log_set` has returned, after which the former callback is not
/// running and will not be called again. `level`: PH_LOG_NONE to PH_LOG_WIRE; a handle's own level
/// may be higher.
///
/// Errors: -EINVAL for another level; -EDEADLK when called by the callback.
/// Thread safety: any thread.
#[no_mangle]
pub extern "C" fn ph_log_set(callback: ph_log_fn, user: *mut c_void, level: i32) -> i32 {
    guard32(|| {
        let level = Level::from_number(level).ok_or(INVALID)?;
        let user = User(user);
        let sink = callback.map(|callback| {
            Box::new(move |level: Level, message: &str| user.call(callback, level, message)) as _
        });
        if log::configure(sink, level) {
            Ok(0)
        } else {
            Err(Errno(libc::EDEADLK))
        }
    })
}

/// The pointer that a log callback gets back.
struct User(*mut c_void);

// SAFETY: the library never looks at what the pointer points to; the callback, which may run on any
// thread by its contract, does.
unsafe impl Send for User {}
// SAFETY: as for Send.
unsafe impl Sync for User {}

impl User {
    fn call(
        &self,
        callback: unsafe extern "C" fn(*mut c_void, i32, *const c_char),
        level: Level,
        message: &str,
    ) {
        let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the callback and its user pointer are good by the contract of `ph_log_set`;
        // `text` outlives the call.
        unsafe { callback(self.0, level as i32, text.as_ptr()) };
    }
}

/// Reads an address: "192.0.2.1", "2001:db8::1", "fe80::1%eth0" or "fe80::1%2". Names are not
/// looked up, as that may block.
///
/// `text`, `length`: the text, which needs no NUL. `port`: 0 to 65535. `out`: the caller's.
///
/// Errors: -EINVAL for any other text, a port out of range, NULL; -ENODEV for an interface that
/// does not exist. `out` is written on success only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn ph_addr_parse(
    text: *const c_char,
    length: usize,
    port: u32,
    out: *mut ph_addr_t,
) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        let text = unsafe { slice_in(text.cast::<u8>(), length)? };
        let port = u16::try_from(port).map_err(|_| INVALID)?;
        let text = std::str::from_utf8(text).map_err(|_| INVALID)?;
        let addr = Addr::parse(text, port)?;
        // SAFETY: the caller's promise.
        unsafe { write_out(out, addr.into())? };
        Ok(0)
    })
}

/// Writes an address, without its port, as text that `ph_addr_parse` reads, with a final NUL.
///
/// `out`, `capacity`: the caller's; PH_ADDR_TEXT_MAX bytes always do.
///
/// Returns the length without the NUL. Errors: -EINVAL for NULL or a family that is neither 4 nor
/// 6; -ENOSPC when the buffer is too small, nothing being written. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn ph_addr_format(
    addr: *const ph_addr_t,
    out: *mut c_char,
    capacity: usize,
) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        let addr = unsafe { slice_in(addr, 1)? };
        check_array(out.cast_const(), capacity.max(1))?;
        let text = CString::new(Addr::try_from(addr[0])?.to_string()).map_err(|_| INVALID)?;
        let bytes = text.as_bytes_with_nul();
        if bytes.len() > capacity {
            return Err(Errno(libc::ENOSPC));
        }
        // SAFETY: `capacity`, checked above, bounds what is written.
        unsafe { out.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len()) };
        Ok(text.as_bytes().len() as i32)
    })
}
