//! libvirt's C API, loaded at run time, as safe types.
//!
//! Declared from libvirt's reference (<https://libvirt.org/html/index.html>). A call blocks for as
//! long as the daemon likes; what bounds it is a [`Link`], whose sockets are shut down when the
//! time is over, so that the call ends with an error on the thread that made it.

mod api;
mod connection;
mod deadlines;
mod error;
mod event_loop;
mod link;
mod loading;
mod registered;
mod turn;

pub use connection::{Bound, Connection, Domain, Info};
pub use error::Error;
pub use link::Link;

/// What a call of libvirt gives.
pub type Outcome<T> = std::result::Result<T, Error>;
