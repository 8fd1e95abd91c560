//! Connections and domains.

use super::api::{Api, Pointer, RawInfo};
use super::deadlines;
use super::event_loop::EventLoop;
use super::{loading, Error, Link, Outcome};
use crate::sys::sigpipe::Blocked;
use crate::sys::{clock, thread};
use std::ffi::{c_int, c_uint, c_void, CStr, CString};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;

/// What keeps a call from blocking for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// It never leaves the process: the driver that libvirt has for tests.
    Local,
    /// Its [`Link`] can be ended.
    Link,
    /// Nothing: sockets are unknown, as the program has given libvirt an event loop of its own, or
    /// libvirt talks to the other side through another library.
    Nothing,
}

/// An open connection. Calls need the turn of its [`Link`], but for those that stay in the process:
/// [`is_alive`](Connection::is_alive), the end of a [`Domain`], and all where it is [`Bound::Local`].
pub struct Connection {
    raw: NonNull<c_void>,
    api: &'static Api,
    link: Arc<Link>,
    bound: Bound,
}

// SAFETY: libvirt's connections may be used by any thread, and by several at once.
unsafe impl Send for Connection {}
// SAFETY: as for Send.
unsafe impl Sync for Connection {}

/// How long closing may take that is to tell the daemon.
const FAREWELL_NS: i64 = 250_000_000;

impl Connection {
    /// Connects; `None`: to what libvirt takes for the default. It may block for long, and in part
    /// where ending `link` does not help (a name is looked up, TCP connects, ssh asks), so that it is for
    /// a thread of ours, which nobody waits for and which takes no signals.
    ///
    /// Has the daemon asked for a sign of life after `interval_s` seconds of silence, at least 1, and the
    /// connection ended when it has left `count` of these unanswered.
    pub fn open(
        uri: Option<&CStr>,
        link: &Arc<Link>,
        (interval_s, count): (i32, u32),
    ) -> Outcome<Connection> {
        let api = Api::get()?;
        EventLoop::start()?;
        deadlines::start()?;
        let text = uri.map_or(ptr::null(), CStr::as_ptr);
        let _turn = link.try_turn();
        static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
        // Much of libvirt is made ready when it is first needed.
        let _first = (!HAS_BEGUN.swap(true, Relaxed)).then(loading::lock);
        // SAFETY: the text is NUL-terminated, or NULL; the connection is open. A driver that cannot keep
        // it alive says so, and goes without.
        let raw = link.gather(|| unsafe {
            let raw = NonNull::new((api.connect_open)(text)).ok_or_else(|| Error::last(api))?;
            (api.connect_set_keep_alive)(raw.as_ptr(), interval_s, count as c_uint);
            (api.reset_last_error)();
            Outcome::Ok(raw)
        })?;
        let bound = match uri {
            _ if link.has_sockets() => Bound::Link,
            Some(uri) if uri.to_bytes().starts_with(b"test:///") => Bound::Local,
            _ => Bound::Nothing,
        };
        Ok(Connection { raw, api, link: Arc::clone(link), bound })
    }

    /// Loads libvirt, when it is not yet.
    ///
    /// Errors: [`Errno::LIBVIRT`](crate::sys::Errno::LIBVIRT) when it is not installed; `ENOSYS` for one
    /// older than 0.9.13; `EIO` when it cannot start; `EAGAIN`, `EMFILE`.
    pub fn load() -> crate::sys::Result<()> {
        Api::get().map(drop)
    }

    /// Until when (monotonic nanoseconds) a daemon that is told good-bye now may take to answer.
    pub fn farewell() -> i64 {
        clock::monotonic() + FAREWELL_NS
    }

    pub fn bound(&self) -> Bound {
        self.bound
    }

    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Whether it can still be used, as far as is known without asking the other side.
    pub fn is_alive(&self) -> bool {
        // SAFETY: the connection is open; the call does not leave the process.
        !self.link.is_ended() && unsafe { (self.api.connect_is_alive)(self.raw()) } == 1
    }

    pub fn look_up(self: &Arc<Self>, name: &CStr) -> Outcome<Domain> {
        self.run(|| {
            // SAFETY: the connection is open, the name NUL-terminated.
            let raw = unsafe { (self.api.domain_lookup_by_name)(self.raw(), name.as_ptr()) };
            let raw = NonNull::new(raw).ok_or_else(|| Error::last(self.api))?;
            Ok(Domain { raw, connection: Arc::clone(self) })
        })
    }

    /// The names of all domains, running or not.
    pub fn domain_names(&self) -> Outcome<Vec<CString>> {
        self.run(|| {
            let mut list = ptr::null_mut();
            // SAFETY: the connection is open, `list` valid for writing; 0 asks for all.
            let count = unsafe { (self.api.connect_list_all_domains)(self.raw(), &mut list, 0) };
            let count = usize::try_from(count).map_err(|_| Error::last(self.api))?;
            let mut names = Vec::with_capacity(count);
            for index in 0..count {
                // SAFETY: libvirt has made an array of `count` domains, each with a name, for the caller to free.
                unsafe {
                    let domain = *list.add(index);
                    let name = (self.api.domain_get_name)(domain);
                    names.push(CStr::from_ptr(name).to_owned());
                    (self.api.domain_free)(domain);
                }
            }
            // SAFETY: the array is the caller's, from malloc, and not used any more.
            unsafe { libc::free(list.cast()) };
            Ok(names)
        })
    }

    fn raw(&self) -> Pointer {
        self.raw.as_ptr()
    }

    /// Makes a call that may write to a socket.
    fn run<T>(&self, call: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        match self.bound {
            Bound::Local => call(),
            Bound::Link | Bound::Nothing => {
                let sigpipe = Blocked::new();
                call().inspect_err(|_| sigpipe.swallow())
            }
        }
    }
}

impl Drop for Connection {
    /// Closing tells the daemon, and waits for its answer, but not for long.
    fn drop(&mut self) {
        let (raw, api) = (Closing(self.raw), self.api);
        match self.bound {
            Bound::Nothing => {
                // Where no thread can be had, the connection stays open: better than to block.
                let _ = thread::spawn_deep("virt-close".into(), move || raw.close(api));
            }
            Bound::Local | Bound::Link => {
                let at = Connection::farewell();
                let _deadline = self.link.end_at(at);
                // The event loop is not in it for long, and no longer than until the link is ended.
                let _turn = self.link.last_turn(at);
                raw.close(api);
            }
        }
    }
}

/// A connection that nobody uses any more.
struct Closing(NonNull<c_void>);

// SAFETY: as for Connection.
unsafe impl Send for Closing {}

impl Closing {
    fn close(self, api: &Api) {
        let sigpipe = Blocked::new();
        // SAFETY: the connection is open, and this is its last use. Should the daemon be gone, there is
        // nobody to be told.
        unsafe {
            (api.connect_close)(self.0.as_ptr());
            (api.reset_last_error)();
        }
        sigpipe.swallow();
    }
}

/// virDomainInfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// virDomainState.
    pub state: u32,
    pub vcpus: u32,
    pub max_memory_kib: u64,
    pub memory_kib: u64,
    pub cpu_time_ns: u64,
}

impl Info {
    pub const RUNNING: u32 = 1;
    /// Waiting for something, as where a hypervisor tells that from running.
    pub const BLOCKED: u32 = 2;
    pub const PAUSED: u32 = 3;
}

/// A domain, known by its UUID.
pub struct Domain {
    raw: NonNull<c_void>,
    connection: Arc<Connection>,
}

// SAFETY: as for Connection.
unsafe impl Send for Domain {}
// SAFETY: as for Connection.
unsafe impl Sync for Domain {}

impl Domain {
    pub fn info(&self) -> Outcome<Info> {
        let mut raw = RawInfo::default();
        let get = self.connection.api.domain_get_info;
        // SAFETY: the domain is good, `raw` valid for writing.
        self.call(|domain| unsafe { get(domain, &mut raw) })?;
        Ok(Info {
            state: raw.state.into(),
            vcpus: raw.virt_cpus.into(),
            max_memory_kib: raw.max_mem,
            memory_kib: raw.memory,
            cpu_time_ns: raw.cpu_time,
        })
    }

    /// Stops its CPUs; what it is and has stays.
    pub fn suspend(&self) -> Outcome<()> {
        let suspend = self.connection.api.domain_suspend;
        // SAFETY: the domain is good.
        self.call(|domain| unsafe { suspend(domain) })
    }

    pub fn resume(&self) -> Outcome<()> {
        let resume = self.connection.api.domain_resume;
        // SAFETY: the domain is good.
        self.call(|domain| unsafe { resume(domain) })
    }

    fn call(&self, call: impl FnOnce(Pointer) -> c_int) -> Outcome<()> {
        self.connection.run(|| match call(self.raw.as_ptr()) {
            0.. => Ok(()),
            _ => Err(Error::last(self.connection.api)),
        })
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: the domain is good, and this is its last use; the call does not leave the process.
        unsafe { (self.connection.api.domain_free)(self.raw.as_ptr()) };
    }
}
