//! The peer on real sockets, through its Rust face: every offload, both families, one thread.

use pyhelpers::sys::addr::Addr;
use pyhelpers::sys::mmsg::Departure;
use pyhelpers::sys::poll::{self, Interest};
use pyhelpers::sys::socket::Opening;
use pyhelpers::sys::Errno;
use pyhelpers::udp::peer::{Config, Peer};
use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::thread;
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
        let single = receiver.receive_from(&mut buffer).unwrap();
        assert_eq!((single.length, &buffer[..single.filled]), (payload.len(), &payload[..]));
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

#[test]
fn a_free_port_is_nobody_elses() {
    let peers: Vec<_> = (0..500).map(|_| open("127.0.0.1", Config::default())).collect();
    let ports: HashSet<u16> = peers.iter().map(|(_, bound)| bound.port).collect();
    assert_eq!(ports.len(), peers.len());
    // It may be shared all the same, by whoever asks for it.
    let second = Peer::new(Config { address: peers[0].1, ..Config::default() }).unwrap();
    assert_eq!(second.open(), Ok(()));
}

#[test]
fn the_port_is_free_when_close_returns_whoever_still_waits() {
    for _ in 0..50 {
        let (peer, bound) = open("127.0.0.1", Config::default());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| peer.receive(1, 9, PATIENCE_MS, |_, _, _| 1));
            thread::yield_now();
            peer.close();
            // A plain socket does not share.
            assert!(std::net::UdpSocket::bind(std::net::SocketAddr::from(bound)).is_ok());
            let ended = waiting.join().unwrap();
            assert_eq!(ended, Err(Errno(libc::ESHUTDOWN)));
        });
    }
}

#[test]
fn an_error_met_half_way_leaves_nothing_to_spin_on() {
    let (sender, _) = open("127.0.0.1", Config::default());
    let (_sink, live) = open("127.0.0.1", Config::default());
    // Bound, and connected elsewhere: it refuses what others send.
    let refusing = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    refusing.connect(std::net::SocketAddr::from(live)).unwrap();
    let dead = Addr::from(refusing.local_addr().unwrap());
    assert!(!is_readable(&sender, 0));
    assert_eq!(sender.send([(dead, &b"x"[..]), (live, &b"y"[..])].into_iter()), Ok(2));
    // The error makes it readable at most until somebody looks.
    assert_eq!(sender.receive(1, 9, 0, |_, _, _| 1), Err(Errno(libc::EAGAIN)));
    assert!(!is_readable(&sender, 0));
    let errors = sender.errors(9);
    assert_eq!(errors.iter().map(|error| error.to).collect::<Vec<_>>(), [dead]);
}

#[test]
fn what_is_left_in_the_middle_of_a_close_is_counted() {
    let (sender, _) = open("127.0.0.1", Config::default());
    let (receiver, to) = open("127.0.0.1", Config::default());
    let payloads = numbered(7);
    assert_eq!(sender.send(payloads.iter().map(|p| (to, &p[..]))), Ok(7));
    let mut is_first = true;
    let taken = receiver.receive(7, 9_999, PATIENCE_MS, |_, _, _| {
        receiver.close();
        usize::from(std::mem::take(&mut is_first))
    });
    assert_eq!(taken, Ok(1));
    assert_eq!((receiver.stats().received, receiver.stats().unread), (1, 6));
}

#[test]
fn a_dual_stack_socket_treats_ipv4_as_an_ipv4_socket_does() {
    let config = Config { arrival: true, ..Config::default() };
    let (both, bound) = open("::", config.clone());
    let opening = Opening { broadcast: true, ..config.opening.clone() };
    let (asker, _) = open("127.0.0.1", Config { opening, ..config });
    const LOOPBACK: u32 = 1;
    let by_loopback = Departure { interface: LOOPBACK, ..Departure::default() };
    let group = Addr::parse("239.255.77.3", bound.port).unwrap();
    both.join(group, LOOPBACK).unwrap();
    assert_eq!(asker.send_by(std::iter::once((group, &b"to all"[..], by_loopback))), Ok(1));
    assert_eq!(take(&both, 1, 9), [b"to all"]);
    both.leave(group, LOOPBACK).unwrap();
    let all = Addr::parse("127.255.255.255", bound.port).unwrap();
    assert_eq!(asker.send_by(std::iter::once((all, &b"?"[..], by_loopback))), Ok(1));
    let mut question = None;
    let taken = both.receive(1, 9, PATIENCE_MS, |view, _, arrival| {
        question = Some((view.addr, arrival));
        1
    });
    assert_eq!(taken, Ok(1));
    let (from, arrival) = question.unwrap();
    assert_eq!(arrival.local.map(|local| local.to_string()), Some("::ffff:127.0.0.1".into()));
    for source in [arrival.local, None] {
        let how = Departure { source, interface: arrival.interface, tos: Some(0x2a) };
        assert_eq!(both.send_by(std::iter::once((from, &b"!"[..], how))), Ok(1));
        assert_eq!(take(&asker, 1, 9), [b"!"]);
    }
}

/// CPU time of the calling thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
