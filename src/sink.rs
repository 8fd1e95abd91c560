//! Where a source puts what it receives, when not its caller is to have it.

use crate::sys::addr::Addr;
use crate::sys::eventfd::EventFd;
use crate::sys::{Errno, Result};
use std::fmt;
use std::sync::Arc;

/// Takes what a source receives.
///
/// A source has one at most, and gives to its caller again when that has ended.
pub trait Sink: Send + Sync {
    /// Takes a message, or a piece of a stream, and where it came from (`None`: no address).
    /// `false`: it has ended, and the source keeps the message.
    fn take(&self, from: Option<Addr>, message: &[u8]) -> bool;

    /// Nothing more will come: the source has ended. Once is enough.
    fn finish(&self);

    fn has_ended(&self) -> bool;

    /// Adds 1 to `bell` when it has ended, at once if it has already: for a source that waits.
    fn when_ended(&self, bell: Arc<EventFd>);
}

/// Whether a source that has `current` may have another.
///
/// Errors: `EALREADY` while that has not ended.
pub fn check_free(current: Option<&Arc<dyn Sink>>) -> Result<()> {
    match current {
        Some(sink) if !sink.has_ended() => Err(Errno(libc::EALREADY)),
        _ => Ok(()),
    }
}

impl fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("has_ended", &self.has_ended()).finish()
    }
}
