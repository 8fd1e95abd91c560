//! The only system calls of the library.
//!
//! Everything above this module is safe Rust. Each file wraps one kernel facility
//! behind a type that owns its descriptors and closes them when it is dropped.

#![allow(unsafe_code)]

pub mod addr;
pub mod clock;
mod control;
mod dylib;
pub mod epoll;
pub mod errqueue;
pub mod eventfd;
pub mod fifo;
mod inherited;
pub mod inotify;
pub mod interfaces;
pub mod libvirt;
pub mod mmsg;
pub mod multicast;
pub mod nap;
pub mod poll;
pub mod poller;
pub mod process;
pub mod resolve;
pub mod signals;
mod sigpipe;
pub mod single;
pub mod socket;
pub mod stderr;
pub mod stream;
pub mod thread;
pub mod timerfd;

use std::fmt;
use std::io;

/// An error number of the operating system (errno(3)), always positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub i32);

/// What a call into the kernel, or anything built on one, gives.
pub type Result<T> = std::result::Result<T, Errno>;

impl Errno {
    /// A panic of ours was caught; above every number of the kernel's.
    pub const PANIC: Errno = Errno(4096);
    /// There is no such host, or no such service (getaddrinfo(3), EAI_NONAME and the like).
    pub const NAME: Errno = Errno(4097);
    /// A name cannot be looked up at present (EAI_AGAIN).
    pub const RESOLVE: Errno = Errno(4098);
    /// libvirt is not installed.
    pub const LIBVIRT: Errno = Errno(4099);

    /// The calling thread's errno, to be read right after a failed call.
    fn last() -> Errno {
        Errno::from(io::Error::last_os_error())
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Errno {
        // An error that std made up itself carries no number; all such errors say "invalid".
        Errno(error.raw_os_error().unwrap_or(libc::EINVAL))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // std adds " (os error 2)" to what the C library says.
        let text = io::Error::from_raw_os_error(self.0).to_string();
        f.write_str(text.split(" (os error").next().unwrap_or(&text))
    }
}

/// The result of a system call that gives -1 and sets errno when it fails.
fn check(result: libc::c_int) -> Result<libc::c_int> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

/// The same for calls that give a count of bytes.
fn check_size(result: libc::ssize_t) -> Result<usize> {
    usize::try_from(result).map_err(|_| Errno::last())
}
