//! Where the library says what it does: a sink of the program's, or standard error.

use crate::sys::process::PerProcess;
use crate::sys::stderr;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

/// How much is said. A message is passed on when its level is at most the one asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Level {
    None = 0,
    Error = 1,
    Warning = 2,
    Info = 3,
    /// Life cycle of threads and sockets.
    Debug = 4,
    /// Each batch.
    Trace = 5,
    /// The same as `Trace`; there are seven levels as there were in the first handler.
    Wire = 6,
}

impl Level {
    pub const ALL: [Level; 7] = [
        Level::None,
        Level::Error,
        Level::Warning,
        Level::Info,
        Level::Debug,
        Level::Trace,
        Level::Wire,
    ];

    /// `None` for anything but 0 to 6.
    pub fn from_number(number: i32) -> Option<Level> {
        usize::try_from(number).ok().and_then(|number| Level::ALL.get(number).copied())
    }
}

type Sink = Box<dyn Fn(Level, &str) + Send + Sync>;

/// What [`configure`] sets, for one process.
struct Log {
    process: u32,
    level: AtomicU8,
    sink: RwLock<Option<Sink>>,
}

/// A forked child starts silent, with a lock of its own: its parent's may be held by a thread that
/// the child does not have.
static LOG: PerProcess<Log> = PerProcess::new(Log::silent, |log| log.process);

impl Log {
    fn silent(process: u32) -> Log {
        Log { process, level: AtomicU8::new(Level::None as u8), sink: RwLock::new(None) }
    }
}

thread_local! {
    /// Set while this thread runs the sink: what the sink itself causes is not logged.
    static IN_SINK: Cell<bool> = const { Cell::new(false) };
}

/// Replaces the sink (`None`: standard error) and the level of the whole library. When it returns,
/// the former sink is not running and will not be called again.
///
/// Gives `false`, and changes nothing, when called by the sink itself.
pub fn configure(sink: Option<Sink>, level: Level) -> bool {
    if IN_SINK.get() {
        return false;
    }
    let log = LOG.get();
    *log.sink.write().unwrap_or_else(PoisonError::into_inner) = sink;
    log.level.store(level as u8, Relaxed);
    true
}

/// A level of an object's own, beside the library's: the louder of the two counts.
#[derive(Clone, Copy, Debug)]
pub struct Logger(pub Level);

impl Logger {
    /// Passes a message on when its level is asked for; `message` is made only then.
    pub fn log(self, level: Level, message: fmt::Arguments<'_>) {
        let log = LOG.get();
        let wanted = (self.0 as u8).max(log.level.load(Relaxed));
        if level as u8 <= wanted && !IN_SINK.replace(true) {
            deliver(log, level, &message.to_string());
            IN_SINK.set(false);
        }
    }
}

fn deliver(log: &Log, level: Level, message: &str) {
    match &*log.sink.read().unwrap_or_else(PoisonError::into_inner) {
        Some(sink) => sink(level, message),
        None => stderr::write(&format!("pyhelpers: {message}\n")),
    }
}
