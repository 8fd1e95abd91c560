//! `virt_*`: domains of libvirt.

use super::handles::{self, Kind};
use super::ph::{ph_need_t, ph_span_t};
use super::sized::{self, Growing};
use super::{check_array, guard, guard32, hand_out, slice_out, write_out, INVALID};
use crate::sys::{Errno, Result};
use crate::virt::{Client, Config, Info, Stats};
use std::ffi::{c_char, CStr, CString};
use std::time::Duration;

/// Connections to hosts with virtual machines ("domains"), by libvirt. Made by `virt_new`, ended by
/// `virt_close`. The value is a token, never an address.
pub struct virt_t {
    _private: [u8; 0],
}

/// Set `size` to sizeof(virt_config_t) and the rest to 0, which means the default everywhere, then what
/// should differ.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct virt_config_t {
    /// sizeof(virt_config_t). Fields are only ever added at the end; what this library does not
    /// know must be 0.
    pub size: usize,
    /// The longest that a call takes, in milliseconds; default 5,000. That the first
    /// `virt_connect` of a process loads libvirt comes on top.
    pub timeout_ms: u32,
    /// 0.
    pub flags: u32,
}

/// A domain's state and share of its host: libvirt's virDomainInfo.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct virt_info_t {
    /// sizeof(virt_info_t), set by the caller.
    pub size: usize,
    /// virDomainState: 0 none, 1 running, 2 blocked, 3 paused, 4 being shut down, 5 shut off, 6 crashed,
    /// 7 suspended by its guest.
    pub state: u32,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory that it may have, and has, in KiB.
    pub max_memory_kib: u64,
    pub memory_kib: u64,
    /// CPU time used, in nanoseconds.
    pub cpu_time_ns: u64,
}

/// Counts since it was made.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct virt_stats_t {
    /// sizeof(virt_stats_t), set by the caller.
    pub size: usize,
    /// Connections opened, those opened again among them.
    pub connects: u64,
    /// Times that a host was asked for a domain by its name; on a kept connection, once for each.
    pub lookups: u64,
    /// Calls of virt_get_info, virt_suspend, virt_resume and virt_list for a host that is connected.
    pub calls: u64,
}

// SAFETY: integers alone.
unsafe impl Growing for virt_config_t {}
// SAFETY: integers alone.
unsafe impl Growing for virt_info_t {}
// SAFETY: integers alone.
unsafe impl Growing for virt_stats_t {}

impl Kind for Client {
    const TAG: u8 = 0xa7;
}

fn client(h: *const virt_t) -> Result<handles::Guard<Client>> {
    handles::enter(h.cast())
}

/// Makes a client without any connection. libvirt itself is loaded by the first `virt_connect`.
///
/// `config`: NULL for the defaults. `out`: the caller's; gets the handle.
///
/// Returns 0. Errors: -EINVAL for a bad configuration or NULL; -EMFILE. `out` is written on success
/// only. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_new(config: *const virt_config_t, out: *mut *mut virt_t) -> i32 {
    guard32(|| {
        // SAFETY: the caller's promise.
        unsafe { hand_out(out, || Client::new(&read_config(config)?)) }
    })
}

/// # Safety
/// `config` must be NULL or good for reading the bytes it says.
unsafe fn read_config(config: *const virt_config_t) -> Result<Config> {
    // SAFETY: the caller's promise.
    let c = unsafe { sized::read(config)? };
    if c.flags != 0 {
        return Err(INVALID);
    }
    Ok(match c.timeout_ms {
        0 => Config::default(),
        timeout_ms => Config { timeout: Duration::from_millis(timeout_ms.into()) },
    })
}

/// Connects to a host, and keeps the connection for the calls that name it. It is watched by libvirt's
/// keep-alive messages; when it has died, the next call opens it again.
///
/// `host`: NUL-terminated; the caller's name for it, any text. A name that is connected already is
/// connected anew, and on success what was there is closed when its last call has ended. `uri`:
/// NUL-terminated; where to (<https://libvirt.org/uri.html>), as "qemu+ssh://root@example.com/system"; NULL
/// or "" for libvirt's own default.
///
/// The first call of a process loads libvirt, gives it an event loop, which runs on a thread of this
/// library, and an error function that is silent: libvirt has one of each for the whole process. A program
/// that uses libvirt itself registers its event loop (virEventRegisterImpl) and error function
/// (virSetErrorFunc) before, and goes on running that loop until the last connection is closed; one that
/// loads libvirt without registering a loop gets this library's. fork(3) waits until libvirt is loaded
/// and the first connection open, but for no more than the first second of each.
///
/// Returns 0. Errors: PH_ENOLIBVIRT when libvirt.so.0 is not installed, -ENOSYS when it is older than
/// 0.9.13; -EPROTONOSUPPORT for a kind of URI that libvirt does not know; -EINVAL for a bad one, or NULL
/// for `host`; -ECONNREFUSED, -EHOSTUNREACH, -ENOENT for a Unix socket that is not there, PH_ENONAME,
/// PH_ERESOLVE and others as the system says; -EACCES when the daemon does not let the caller in;
/// -ETIMEDOUT; -EAGAIN when no thread can be started, or too many hang in attempts that only the system
/// can end; -EIO for all else, as ssh's failures; -ESHUTDOWN; -EBADF. libvirt's own words go to the log, at
/// PH_LOG_WARNING. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_connect(
    h: *mut virt_t,
    host: *const c_char,
    uri: *const c_char,
) -> i32 {
    guard32(|| {
        let client = client(h)?;
        // SAFETY: the caller's promise.
        let (host, uri) = unsafe { (text(host)?, text(uri)) };
        let uri = uri.ok().filter(|uri| !uri.is_empty());
        client.connect(host, uri).map(|()| 0)
    })
}

/// Reads a domain's state and share of its host.
///
/// The connection is kept, and so is what libvirt knows of the domain, by its UUID: a name is looked up
/// once on each connection, and anew when the domain is gone. One that is renamed keeps its old name here
/// until then. A dead connection is opened again, once, within the call's time.
///
/// Calls to the daemon of one host are made one after the other, in the order they came (many
/// versions of libvirt are unsafe with more than one thread on a connection, CVE-2024-4418); those
/// for several hosts, and for a driver without a daemon, as test:///default, together. A daemon that
/// does not answer in time loses the connection: calls that wait go on over a new one, within their
/// own times. A signal handler does not end the wait.
///
/// `host`: as it was connected. `domain`: NUL-terminated. `out`: the caller's, its `size` set; as much
/// is written as that says, and on success only.
///
/// Returns 0. Errors: -ENOTCONN for a host that was never connected; -ENOENT when it has no such
/// domain; -ETIMEDOUT; those of `virt_connect` when the connection is opened again; -EACCES, -EOPNOTSUPP,
/// -EIO and others as libvirt says (its words go to the log); -EINVAL for NULL or a `size` not set;
/// -ESHUTDOWN when closed during the call; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_get_info(
    h: *mut virt_t,
    host: *const c_char,
    domain: *const c_char,
    out: *mut virt_info_t,
) -> i32 {
    guard32(|| {
        let client = client(h)?;
        // SAFETY: the caller's promise.
        unsafe {
            sized::size(out)?;
            let info = client.info(text(host)?, text(domain)?)?;
            sized::write(out, &info.into())?;
        }
        Ok(0)
    })
}

/// Stops a domain's CPUs; its memory stays. One that is suspended already stays so.
///
/// `host`, `domain`: as `virt_get_info`. When the connection is lost before the answer comes, it is sent
/// again on the new one; should that fail and the domain be in the state asked for, it returns 0.
///
/// Returns 0. Errors: as `virt_get_info`; -EBUSY when the domain's state does not allow it, as that of one
/// that does not run. After -ETIMEDOUT, -ESHUTDOWN or -EIO it may have happened or not.
/// Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_suspend(
    h: *mut virt_t,
    host: *const c_char,
    domain: *const c_char,
) -> i32 {
    guard32(|| {
        let client = client(h)?;
        // SAFETY: the caller's promise.
        unsafe { client.suspend(text(host)?, text(domain)?)? };
        Ok(0)
    })
}

/// Has a suspended domain go on.
///
/// `host`, `domain`: as `virt_get_info`. Sent again as in `virt_suspend`.
///
/// Returns 0. Errors: as `virt_suspend`; what libvirt's driver says of one that is not suspended (-EBUSY,
/// -EIO). Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_resume(
    h: *mut virt_t,
    host: *const c_char,
    domain: *const c_char,
) -> i32 {
    guard32(|| {
        let client = client(h)?;
        // SAFETY: the caller's promise.
        unsafe { client.resume(text(host)?, text(domain)?)? };
        Ok(0)
    })
}

/// Reads the names of all domains of a host, running or not, in the order of their bytes.
///
/// `host`: as `virt_get_info`. `names`, `n`: the caller's array; each entry gets where its name lies in
/// `out`, without a NUL. `out`, `cap`: the caller's buffer. NULL only with 0. `need`: how many entries and
/// bytes there are; written on success and with -EMSGSIZE; may be NULL.
///
/// Returns how many domains there are. Errors: -EMSGSIZE when `n` or `cap` is too small, nothing but
/// `need` being written; each call asks the host anew; those of `virt_get_info`. Thread safety: any
/// thread.
#[no_mangle]
pub unsafe extern "C" fn virt_list(
    h: *mut virt_t,
    host: *const c_char,
    names: *mut ph_span_t,
    n: usize,
    out: *mut u8,
    cap: usize,
    need: *mut ph_need_t,
) -> i64 {
    guard(|| {
        let client = client(h)?;
        check_array(names.cast_const(), n)?;
        if !need.is_null() {
            check_array(need.cast_const(), 1)?;
        }
        // SAFETY: the caller's promise.
        let (host, out) = unsafe { (text(host)?, slice_out(out, cap)?) };
        let found = client.list(host)?;
        let bytes = found.iter().map(|name| name.count_bytes()).sum();
        if !need.is_null() {
            // SAFETY: the caller's promise.
            unsafe { write_out(need, ph_need_t { items: found.len(), bytes })? };
        }
        if found.len() > n || bytes > cap {
            return Err(Errno(libc::EMSGSIZE));
        }
        // SAFETY: `names` was checked above, and has room for all.
        unsafe { write_names(&found, names, out) };
        Ok(found.len() as i64)
    })
}

/// # Safety
/// `names` must have room for as many as `found`, and `out` for their bytes.
unsafe fn write_names(found: &[CString], names: *mut ph_span_t, out: &mut [u8]) {
    let mut offset = 0;
    for (index, name) in found.iter().enumerate() {
        let len = name.count_bytes();
        out[offset..offset + len].copy_from_slice(name.as_bytes());
        // SAFETY: the caller's promise.
        unsafe { names.add(index).write(ph_span_t { offset, len }) };
        offset += len;
    }
}

/// Reads all counts. `out`: the caller's, its `size` set; as much is written as that says.
///
/// Returns 0. Errors: -EINVAL for NULL or a `size` not set; -EBADF. Thread safety: any thread.
#[no_mangle]
pub unsafe extern "C" fn virt_stats(h: *mut virt_t, out: *mut virt_stats_t) -> i32 {
    guard32(|| {
        let client = client(h)?;
        // SAFETY: the caller's promise.
        unsafe { sized::write(out, &client.stats().into())? };
        Ok(0)
    })
}

/// Ends it, and closes all connections; a daemon that does not answer is not waited for longer than a
/// quarter of a second. From the first moment on every other call with this handle, from any thread,
/// answers -EBADF; calls that wait inside end with -ESHUTDOWN.
///
/// Returns 0. Errors: -EBADF, for a second close too. Thread safety: any thread.
#[no_mangle]
pub extern "C" fn virt_close(h: *mut virt_t) -> i32 {
    guard32(|| {
        handles::remove::<Client>(h.cast())?.close();
        Ok(0)
    })
}

/// Errors: `EINVAL` for NULL.
///
/// # Safety
/// The text must be NULL or NUL-terminated and outlive the result.
unsafe fn text<'a>(text: *const c_char) -> Result<&'a CStr> {
    if text.is_null() {
        return Err(INVALID);
    }
    // SAFETY: not null; the rest is the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) })
}

impl From<Info> for virt_info_t {
    fn from(info: Info) -> virt_info_t {
        virt_info_t {
            size: size_of::<virt_info_t>(),
            state: info.state,
            vcpus: info.vcpus,
            max_memory_kib: info.max_memory_kib,
            memory_kib: info.memory_kib,
            cpu_time_ns: info.cpu_time_ns,
        }
    }
}

impl From<Stats> for virt_stats_t {
    fn from(s: Stats) -> virt_stats_t {
        virt_stats_t {
            size: size_of::<virt_stats_t>(),
            connects: s.connects,
            lookups: s.lookups,
            calls: s.calls,
        }
    }
}
