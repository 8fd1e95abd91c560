//! UDP: three ways for a program to use a socket, over one set of batches.
//!
//! - [`handler`]: native threads receive and send for the program.
//! - [`peer`]: the program's own threads receive and send, many datagrams a call.
//! - [`broadcast`]: one message to, and from, all neighbours.
//! - [`batch`], `plan`: datagrams that lie together, and which of them go out together.
//! - `pace`: when to look again at a socket that is busy.
//! - [`errors`]: sends that failed and ICMP errors, until the program asks for them.

pub mod batch;
pub mod broadcast;
pub mod errors;
pub mod handler;
mod pace;
pub mod peer;
mod plan;
