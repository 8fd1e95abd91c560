//! How connections are to be.

use crate::sys::stream::Options;

/// What is done with what a connection has to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reading {
    /// It is read, and comes with the event.
    #[default]
    Data,
    /// An event says that it is there, once until the caller has read.
    Notice,
    /// Nothing.
    Off,
}

/// How a connection, or all that come in at a listener, are to be. Times in nanoseconds.
#[derive(Clone, Debug)]
pub struct Config {
    pub options: Options,
    /// Connections that the kernel holds until they are accepted.
    pub backlog: i32,
    pub reading: Reading,
    /// Most bytes of one event.
    pub recv_size: usize,
    /// For a whole connect, looking up names included.
    pub connect_timeout: i64,
    /// Without a byte in either direction; 0: for ever.
    pub idle_timeout: i64,
    /// With bytes waiting and none going out; 0: for ever.
    pub write_timeout: i64,
    pub watermarks: Watermarks,
    /// Bytes per second; 0: unlimited.
    pub read_rate: u64,
    pub write_rate: u64,
}

/// Bytes that wait to be sent: what counts as little, as much, and as too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watermarks {
    pub low: usize,
    pub high: usize,
    /// A message that would lead beyond is refused, unless nothing waits.
    pub limit: usize,
}

const SECOND: i64 = 1_000_000_000;

/// How long a closed connection may try to send what waits, where no write timeout says otherwise.
pub const CLOSE_TIMEOUT: i64 = 30 * SECOND;

impl Default for Config {
    fn default() -> Config {
        Config {
            options: Options::default(),
            backlog: i32::MAX,
            reading: Reading::Data,
            recv_size: 64 * 1024,
            connect_timeout: 30 * SECOND,
            idle_timeout: 0,
            write_timeout: 0,
            watermarks: Watermarks::default(),
            read_rate: 0,
            write_rate: 0,
        }
    }
}

impl Default for Watermarks {
    fn default() -> Watermarks {
        Watermarks { low: 16 * 1024, high: 64 * 1024, limit: 16 * 1024 * 1024 }
    }
}
