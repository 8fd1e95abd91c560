//! Native network I/O for scripts: a Rust library with a C ABI.
//!
//! Each depends only on those above it:
//!
//! - [`sys`]: the only system calls; types that own descriptors, addresses, clocks, threads.
//! - [`histogram`], [`log`]: latencies as percentiles; where messages go.
//! - [`readiness`]: a descriptor that tells whether something is there.
//! - [`sink`]: where a source puts what it receives, when not its caller is to have it.
//! - [`udp`]: the UDP handler, whose native threads receive and send for the program; the peer and
//!   the broadcast receiver, which do so on the caller's own thread.
//! - [`evloop`]: the event loop, with timers and TCP.
//! - [`rq`]: the receive queue, which keeps the last messages of each sender.
//! - [`stopwatch`]: elapsed time, and ticks that do not drift.
//! - [`npipe`]: the named pipe, through which messages go between processes of one host.
//! - [`virt`]: domains of libvirt, on connections that are kept.
//! - [`ffi`]: the C ABI: handles, error codes, and a thin file for each prefix of
//!   `include/pyhelpers.h`, which is generated from it.
//!
//! All but `sys` and `ffi` is safe Rust that a Rust program may use as it stands.

#![deny(unsafe_code)]

pub mod evloop;
pub mod ffi;
pub mod histogram;
pub mod log;
pub mod npipe;
pub mod readiness;
pub mod rq;
pub mod sink;
pub mod stopwatch;
pub mod sys;
pub mod udp;
pub mod virt;
