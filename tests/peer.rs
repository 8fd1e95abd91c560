//! The peer on real sockets, through its Rust face: every offload, both families, one thread.

use pyhelpers::sys::addr::Addr;
use pyhelpers::sys::mmsg::Departure;
use pyhelpers::sys::poll::{self, Interest};
use pyhelpers::sys::Errno;
use pyhelpers::udp::peer::{Config, Peer};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

const PATIENCE_MS: i32 = 10_000;

fn open(address: &str, config: Config) -> (Peer, Addr) {
    let address = Addr::parse(address, 0).unwrap();
    let peer = Peer::new(Config { address, ..config }).unwrap();
    peer.open().unwrap();
    let bound = peer.address();
    (peer, bound)
}

/// Takes up to `most` datagrams of `room` bytes in all, waiting for the first.
fn take(peer: &Peer, most: usize, room: usize) -> Vec<Vec<u8>> {
    let (mut all, mut left) = (Vec::new(), room);
    peer.receive(most, room, PATIENCE_MS, |view, _, _| {
        let mut taken = 0;
        while taken < view.count() && all.len() < most {
            let payload = &view.payload[view.prefix(taken)..view.prefix(taken + 1)];
            if payload.len() > left {
                break;
            }
            left -= payload.len();
            all.push(payload.to_vec());
            taken += 1;
        }
        taken
    })
    .unwrap();
    all
}

/// What poll(2) says of the descriptor that programs wait on.
fn is_readable(peer: &Peer, timeout_ms: i32) -> bool {
    // SAFETY: the peer, which is open, has the descriptor.
    let fd = unsafe { BorrowedFd::borrow_raw(peer.fd().unwrap()) };
    poll::wait(&[(fd, Interest::Readable)], timeout_ms).unwrap()
}

fn numbered(count: usize) -> Vec<Vec<u8>> {
    let lengths = [64, 64, 64, 64, 3, 0, 1400, 1400];
    (0..count)
        .map(|index| {
            let length = lengths[index / 7 % lengths.len()];
            index.to_le_bytes().into_iter().cycle().take(length).collect()
        })
        .collect()
}

#[test]
fn every_datagram_arrives_whatever_the_offloads_the_family_and_the_room() {
    let payloads = numbered(1_000);
    for address in ["127.0.0.1", "::1"] {
        for (gso, gro) in [(false, false), (false, true), (true, false), (true, true)] {
            let config = Config { gso, gro, ..Config::default() };
            let (sender, _) = open(address, config.clone());
            let (receiver, to) = open(address, config);
            // Rooms that a run does not fit, and calls that turn GRO on and that do not.
            for (most, room) in [(64, 1 << 20), (3, 1 << 20), (100, 4_000), (1, 1_400)] {
                for share in payloads.chunks(50) {
                    let all = share.iter().map(|payload| (to, &payload[..]));
                    assert_eq!(sender.send(all), Ok(share.len()));
                    let mut got = Vec::new();
                    while got.len() < share.len() {
                        got.extend(take(&receiver, most, room));
                    }
                    assert_eq!(got, share, "{address} gso {gso} gro {gro} {most} of {room}");
                }
            }
            assert_eq!(receiver.stats().received, 4 * 1_000);
            assert_eq!(receiver.stats().gro, gro);
            assert_eq!(sender.stats().sent, 4 * 1_000);
        }
    }
}

#[test]
fn what_does_not_fit_is_kept_and_announced() {
    let (sender, _) = open("127.0.0.1", Config::default());
    let (receiver, to) = open("127.0.0.1", Config::default());
    let mut buffer = [0; 65_535];
    assert_eq!(receiver.receive(64, 1 << 20, 0, |_, _, _| 1), Err(Errno(libc::EAGAIN)));
    let payloads = numbered(7);
    assert_eq!(sender.send(payloads.iter().map(|p| (to, &p[..]))), Ok(7));
    assert_eq!(take(&receiver, 1, 64), payloads[..1]);
    // The rest of the run is out of the socket by now, and must not be forgotten.
    for payload in &payloads[1..] {
        assert!(is_readable(&receiver, PATIENCE_MS));
        assert_eq!(receiver.receive_from(&mut buffer[..9]), Err(Errno(libc::EMSGSIZE)));
        let (length, _) = receiver.receive_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], payload);
    }
    assert!(!is_readable(&receiver, 0));
    assert_eq!(receiver.receive_from(&mut buffer), Err(Errno(libc::EAGAIN)));
}

#[test]
fn an_answer_leaves_from_where_the_question_came_to() {
    let config = Config { arrival: true, ..Config::default() };
    let (asker, _) = open("127.0.0.1", config.clone());
    let (answerer, bound) = open("0.0.0.0", config);
    let to = Addr::parse("127.0.0.9", bound.port).unwrap();
    let how = Departure { tos: Some(0x2b), ..Departure::default() };
    assert_eq!(asker.send_by(std::iter::once((to, &b"?"[..], how))), Ok(1));
    let mut question = None;
    let taken = answerer.receive(1, 9, PATIENCE_MS, |view, delay, arrival| {
        question = Some((view.addr, delay, arrival));
        1
    });
    assert_eq!(taken, Ok(1));
    let (from, delay, arrival) = question.unwrap();
    assert_eq!(arrival.local, Some(to.with_port(0)));
    assert_eq!(arrival.tos, Some(0x2b));
    assert!(arrival.interface > 0 && arrival.stamp.is_some() && delay > 0);
    let how = Departure { source: arrival.local, interface: arrival.interface, tos: None };
    assert_eq!(answerer.send_by(std::iter::once((from, &b"!"[..], how))), Ok(1));
    let mut source = None;
    asker
        .receive(1, 9, PATIENCE_MS, |view, _, _| {
            source = Some(view.addr);
            1
        })
        .unwrap();
    assert_eq!(source, Some(to));
}

#[test]
fn a_wait_on_a_socket_shut_down_for_reading_does_not_spin() {
    let (peer, _) = open("127.0.0.1", Config::default());
    // SAFETY: the peer, which is open, has the descriptor.
    let socket = unsafe { BorrowedFd::borrow_raw(peer.socket_fd().unwrap()) };
    let socket = socket2::SockRef::from(&socket);
    socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], 9)).into()).unwrap();
    socket.shutdown(std::net::Shutdown::Read).unwrap();
    let (started, before) = (Instant::now(), thread_time());
    assert_eq!(peer.receive(1, 9, 200, |_, _, _| 1), Err(Errno(libc::ETIMEDOUT)));
    let (elapsed, busy) = (started.elapsed(), thread_time() - before);
    assert!(busy < elapsed / 4, "{busy:?} of {elapsed:?}");
}

/// CPU time of the calling thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
