//! UDP: a handler whose native threads receive and send for the program.
//!
//! ```text
//! receiving   socket → recvmmsg + GRO → receive reactor → Queue → Handler::receive → caller
//! sending     caller → Handler::dispatch → Queue → send reactor → sendmmsg + GSO → socket
//! ```

mod batch;
mod config;
mod dispatch;
mod errors;
mod handler;
mod options;
mod pace;
mod queue;
mod readiness;
mod recv;
mod send;
mod shared;
mod stats;

pub use batch::View;
pub use config::{Config, QueueConfig};
pub use errors::{ErrorKind, SendError};
pub use handler::Handler;
pub use queue::Policy;
pub use stats::{ReactorStats, Stats};
