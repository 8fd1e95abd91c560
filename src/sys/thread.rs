//! Threads that stay out of the program's way.

use super::{Errno, Result};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

thread_local! {
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is one that [`spawn`] started.
pub fn is_ours() -> bool {
    IS_OURS.get()
}

/// Has the calling thread's sleeps end when they are over: the kernel adds up to 50 microseconds
/// otherwise, to wake several threads at once.
fn sleep_exactly() {
    const SLACK_NS: libc::c_ulong = 1_000;
    // SAFETY: this prctl takes no pointer; should it fail, sleeps are longer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, SLACK_NS) };
}

const STACK_SIZE: usize = 256 * 1024;
/// For code that is not ours, as modules that look names up (nsswitch.conf(5)).
const DEEP_STACK_SIZE: usize = 2 * 1024 * 1024;

/// Starts a thread that takes none of the process's signals.
///
/// An interpreter runs its signal handlers on its own thread; were one of ours to take SIGINT,
/// the interpreter's wait would not be interrupted. The mask is set before the thread exists,
/// as a thread inherits its maker's, so that there is no moment in which a signal could slip in.
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    start(Builder::new().name(name).stack_size(STACK_SIZE), body)
}

/// [`spawn`] with room on the stack for others' code.
pub fn spawn_deep(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    start(Builder::new().name(name).stack_size(DEEP_STACK_SIZE), body)
}

fn start(builder: Builder, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for writing; sigfillset cannot fail on a valid pointer.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = builder.spawn(|| {
        IS_OURS.set(true);
        sleep_exactly();
        body();
    });
    // SAFETY: the first call has filled `before`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    started.map_err(Errno::from)
}
