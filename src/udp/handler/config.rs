//! How a handler works: what its maker may choose.

use super::queue::{Limits, Policy, Queue};
use crate::log::Level;
use crate::sys::mmsg::PAYLOAD_MAX;
use crate::sys::{Errno, Result};
use std::os::fd::RawFd;

const REACTORS_MAX: usize = 256;
const SOCKETS_MAX: usize = 4096;

/// Flags of sendto(2) that make sense for whole datagrams sent by a thread of ours.
const SEND_FLAGS: i32 =
    libc::MSG_DONTWAIT | libc::MSG_CONFIRM | libc::MSG_DONTROUTE | libc::MSG_NOSIGNAL;

/// Bounds and policy of one queue.
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    /// Datagrams, at least 1.
    pub items: u64,
    /// Payload bytes, at least 1.
    pub bytes: u64,
    pub policy: Policy,
}

impl Default for QueueConfig {
    fn default() -> QueueConfig {
        QueueConfig { items: 1 << 20, bytes: 64 << 20, policy: Policy::Refuse }
    }
}

impl QueueConfig {
    pub fn queue(&self) -> Result<Queue> {
        if self.items == 0 || self.bytes == 0 {
            return Err(Errno(libc::EINVAL));
        }
        Ok(Queue::new(Limits { items: self.items, bytes: self.bytes }))
    }
}

/// How a [`super::Handler`] works.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Sending threads, 1 to 256. One alone keeps the order in which datagrams were dispatched.
    pub send_reactors: usize,
    /// Receiving threads, 0 to 256; 0: the handler does not receive.
    pub recv_reactors: usize,
    /// Sockets of each receive reactor, at least 1, where the socket's port group (SO_REUSEPORT)
    /// lets more join; all reactors share one socket otherwise.
    pub recv_sockets: usize,
    /// Flags for sendto(2): MSG_DONTWAIT, MSG_CONFIRM, MSG_DONTROUTE, MSG_NOSIGNAL.
    pub send_flags: i32,
    /// An eventfd of the caller's to which the number of datagrams received is added.
    pub event_fd: Option<RawFd>,
    pub send_queue: QueueConfig,
    pub recv_queue: QueueConfig,
    /// Longest datagram that is received whole, 1 to 65,535 bytes; less does without GRO.
    pub recv_size: usize,
    /// Whether UDP GSO and GRO are used where the kernel has them.
    pub gso: bool,
    pub gro: bool,
    pub log_level: Level,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            send_reactors: 1,
            recv_reactors: 0,
            recv_sockets: 4,
            send_flags: 0,
            event_fd: None,
            send_queue: QueueConfig::default(),
            recv_queue: QueueConfig::default(),
            recv_size: PAYLOAD_MAX,
            gso: true,
            gro: true,
            log_level: Level::None,
        }
    }
}

impl Config {
    pub fn check(&self) -> Result<()> {
        let is_valid = (1..=REACTORS_MAX).contains(&self.send_reactors)
            && self.recv_reactors <= REACTORS_MAX
            && (1..=SOCKETS_MAX).contains(&self.recv_sockets)
            && self.recv_reactors * self.recv_sockets <= SOCKETS_MAX
            && (1..=PAYLOAD_MAX).contains(&self.recv_size)
            && self.send_flags & !SEND_FLAGS == 0;
        if is_valid {
            Ok(())
        } else {
            Err(Errno(libc::EINVAL))
        }
    }
}
