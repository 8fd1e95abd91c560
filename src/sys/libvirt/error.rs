//! libvirt's errors as numbers.

use super::api::Api;
use crate::sys::Errno;
use std::ffi::{c_int, CStr};

/// What a call of libvirt failed with.
#[derive(Clone, Debug)]
pub struct Error {
    pub errno: Errno,
    /// What libvirt says.
    pub text: String,
    /// There is no such domain, or no more.
    pub is_no_domain: bool,
    /// libvirt says no more than that something of the system's failed.
    pub is_vague: bool,
}

/// virErrorNumber, as far as its members mean something here.
mod code {
    use std::ffi::c_int;

    pub const INTERNAL_ERROR: c_int = 1;
    pub const NO_MEMORY: c_int = 2;
    pub const NO_SUPPORT: c_int = 3;
    pub const UNKNOWN_HOST: c_int = 4;
    pub const NO_CONNECT: c_int = 5;
    pub const INVALID_ARG: c_int = 8;
    pub const OPERATION_DENIED: c_int = 29;
    pub const SYSTEM_ERROR: c_int = 38;
    pub const NO_DOMAIN: c_int = 42;
    pub const AUTH_FAILED: c_int = 45;
    pub const OPERATION_INVALID: c_int = 55;
    pub const CONFIG_UNSUPPORTED: c_int = 67;
    pub const OPERATION_TIMEOUT: c_int = 68;
    pub const ARGUMENT_UNSUPPORTED: c_int = 74;
    pub const AUTH_CANCELLED: c_int = 79;
    pub const OPERATION_UNSUPPORTED: c_int = 84;
    pub const RESOURCE_BUSY: c_int = 87;
    pub const ACCESS_DENIED: c_int = 88;
    pub const AUTH_UNAVAILABLE: c_int = 94;
}

/// The virErrorDomain of what reads URIs; it has no number of its own for one that is none.
const FROM_URI: c_int = 45;

impl Error {
    /// One that libvirt has no part in.
    pub fn plain(errno: Errno) -> Error {
        Error { errno, text: String::new(), is_no_domain: false, is_vague: false }
    }

    /// The error of the call that this thread has just made.
    pub(super) fn last(api: &Api) -> Error {
        // SAFETY: libvirt's functions. The error is this thread's, and good until the reset.
        unsafe {
            let Some(raw) = (api.get_last_error)().as_ref() else {
                return Error::plain(Errno(libc::EIO));
            };
            let text = match raw.message.is_null() {
                true => String::new(),
                false => CStr::from_ptr(raw.message).to_string_lossy().into_owned(),
            };
            let (code, domain, system) = (raw.code, raw.domain, raw.int1);
            (api.reset_last_error)();
            Error {
                errno: number(code, domain, system),
                text,
                is_no_domain: code == code::NO_DOMAIN,
                is_vague: code == code::SYSTEM_ERROR && !is_errno(system),
            }
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        Error::plain(errno)
    }
}

fn number(code: c_int, domain: c_int, system: c_int) -> Errno {
    Errno(match code {
        code::SYSTEM_ERROR if is_errno(system) => system,
        code::INTERNAL_ERROR if domain == FROM_URI => libc::EINVAL,
        code::NO_MEMORY => libc::ENOMEM,
        code::NO_SUPPORT
        | code::CONFIG_UNSUPPORTED
        | code::ARGUMENT_UNSUPPORTED
        | code::OPERATION_UNSUPPORTED => libc::EOPNOTSUPP,
        code::UNKNOWN_HOST => return Errno::NAME,
        code::NO_CONNECT => libc::EPROTONOSUPPORT,
        code::INVALID_ARG => libc::EINVAL,
        code::OPERATION_DENIED
        | code::ACCESS_DENIED
        | code::AUTH_FAILED
        | code::AUTH_CANCELLED
        | code::AUTH_UNAVAILABLE => libc::EACCES,
        code::NO_DOMAIN => libc::ENOENT,
        code::OPERATION_INVALID | code::RESOURCE_BUSY => libc::EBUSY,
        code::OPERATION_TIMEOUT => libc::ETIMEDOUT,
        _ => libc::EIO,
    })
}

fn is_errno(number: c_int) -> bool {
    (1..4096).contains(&number)
}
