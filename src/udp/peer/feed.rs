//! A peer whose datagrams go into a sink, by a thread of ours.

use super::open_socket::{Budget, OpenSocket};
use super::Peer;
use crate::sink::Sink;
use crate::sys::eventfd::EventFd;
use crate::sys::mmsg::BATCH;
use crate::sys::{thread, Errno, Result};
use crate::udp::batch::BATCH_BYTES;
use crate::udp::pace::{FUTILE_PAUSE, FUTILE_WAITS};
use std::ops::Deref;
use std::sync::Arc;

/// Has `sink` get what the peer receives until either ends, or the peer is opened anew.
///
/// Errors: `EALREADY` when another sink does; `ENOTCONN` when the peer is not open; `EMFILE`; `EAGAIN`
/// when no thread can be started.
pub fn feed(peer: impl Deref<Target = Peer> + Send + 'static, sink: Arc<dyn Sink>) -> Result<()> {
    let open = peer.opened()?;
    if open.lacks_gro(&peer.config, BATCH) {
        let _alone = peer.write();
        open.turn_on_gro();
    }
    let bell = Arc::new(EventFd::new()?);
    open.prepare_wait()?;
    open.set_sink(&sink)?;
    sink.when_ended(Arc::clone(&bell));
    let fed = Arc::clone(&sink);
    let body = move || {
        run(&peer, &open, &*fed, &bell);
        fed.finish();
    };
    let started = thread::spawn("peer-feed".into(), body);
    started.map(drop).inspect_err(|_| sink.finish())
}

/// Runs until the sink has ended or the socket is closed.
fn run(peer: &Peer, open: &OpenSocket, sink: &dyn Sink, bell: &EventFd) {
    let mut futile = 0;
    while !sink.has_ended() {
        open.nap();
        match take(peer, open, sink) {
            Ok(_) => futile = 0,
            Err(Errno(libc::ENOMEM | libc::ENOBUFS)) => std::thread::sleep(FUTILE_PAUSE),
            Err(Errno(libc::EAGAIN)) => {
                if futile > FUTILE_WAITS {
                    std::thread::sleep(FUTILE_PAUSE);
                }
                if open.wait_or(bell).is_err() {
                    return;
                }
                futile = if peer.errors.drain(&open.socket) == 0 { futile + 1 } else { 0 };
            }
            Err(_) => return,
        }
    }
}

fn take(peer: &Peer, open: &OpenSocket, sink: &dyn Sink) -> Result<usize> {
    let budget = Budget::new(usize::MAX, BATCH_BYTES, true);
    peer.take(open, budget, &mut |view, _, _| view.put_into(sink))
}
