//! Connections over TCP and Unix sockets.
//!
//! A [`Connection`] reads and writes without waiting, and remembers what the poller reported:
//! that it is readable, until a read finds nothing; that it is writable, until a write finds no
//! room. So it costs no call to change what is waited for. What cannot be sent at once waits in
//! its buffer; [`Watermarks`] tell when that is much. One timer a connection stands for whichever
//! of its deadlines is next.

mod bucket;
mod config;
mod connection;
mod dial;
mod listener;

pub use config::{Config, Reading, Watermarks};
pub use connection::{Connection, ConnectionStats, PARTS};
pub use dial::{literal, Attempt, Dial};
pub use listener::{open as open_listener, Listener};
