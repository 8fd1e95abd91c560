//! UDP: three ways for a program to use a socket, over one set of batches.
//!
//! - [`handler`]: native threads receive and send for the program.
//! - [`batch`], [`plan`]: datagrams that lie together, and which of them go out together.
//! - [`errors`]: sends that failed and ICMP errors, until the program asks for them.

pub mod batch;
pub mod errors;
pub mod handler;
mod plan;
