//! The handler on real sockets, through its Rust face: every offload combination, both families.

use pyhelpers::sys::addr::{Addr, Family};
use pyhelpers::sys::Errno;
use pyhelpers::udp::errors::ErrorKind;
use pyhelpers::udp::handler::{Config, Handler, Policy, QueueConfig};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

fn bound(address: &str) -> (UdpSocket, Addr) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, Addr::parse(address, port).unwrap())
}

fn receiving(address: &str, config: Config) -> (Handler, Addr) {
    let (socket, addr) = bound(address);
    (Handler::new(socket.as_raw_fd(), &Config { recv_reactors: 1, ..config }).unwrap(), addr)
}

/// Takes `count` datagrams, waiting for each; gives payloads in order of arrival.
fn take(handler: &Handler, count: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while all.len() < count {
        let result = handler.receive(PATIENCE.as_millis() as i32, |view, _| {
            all.push(view.first(1).payload.to_vec());
            1
        });
        result.unwrap_or_else(|error| panic!("{} of {count}: {error}", all.len()));
    }
    all
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::yield_now();
    }
}

fn send(handler: &Handler, to: Addr, payloads: &[Vec<u8>]) {
    let mut sent = 0;
    while sent < payloads.len() {
        let rest = payloads[sent..].iter().map(|payload| (to, &payload[..]));
        sent += handler.dispatch(rest, None).unwrap();
    }
}

#[test]
fn every_datagram_arrives_whatever_the_offloads_and_the_family() {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for index in 0..3_000usize {
        let length = [64, 64, 64, 64, 3, 0, 1400, 1400][index / 7 % 8];
        payloads.push(index.to_le_bytes().into_iter().cycle().take(length).collect());
    }
    payloads.push(vec![9; 65_507]);
    for address in ["127.0.0.1", "::1"] {
        for (gso, gro) in [(false, false), (false, true), (true, false), (true, true)] {
            let config = Config { gso, gro, ..Config::default() };
            let (receiver, to) = receiving(address, config);
            let (sender, _) = receiving(address, config);
            // Small enough a share at a time for any receive buffer.
            for share in payloads.chunks(50) {
                send(&sender, to, share);
                assert_eq!(take(&receiver, share.len()), share, "{address} gso {gso} gro {gro}");
            }
            // The last datagram may be here before its sender has counted it.
            let (sent, received) = (sender.close(PATIENCE).unwrap(), receiver.stats());
            assert_eq!((sent.gso, received.gro), (gso, gro));
            assert_eq!(sent.sent().datagrams, payloads.len() as u64);
            assert_eq!(received.received().datagrams, payloads.len() as u64);
            assert_eq!(gso, sent.sent().offloaded > 0);
            assert!(gro || received.received().offloaded == 0);
            assert_eq!(received.kernel_drops, 0);
        }
    }
}

#[test]
fn a_dual_stack_socket_answers_both_families_at_the_address_it_reports() {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    socket.bind(&"[::]:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let config = Config { recv_reactors: 1, ..Config::default() };
    let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
    for (client, reported) in [("127.0.0.1", "::ffff:127.0.0.1"), ("::1", "::1")] {
        let (client, own) = bound(client);
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(b"?", (own.to_string(), port)).unwrap();
        let mut from = None;
        handler
            .receive(10_000, |view, _| {
                from = Some(view.addr);
                1
            })
            .unwrap();
        let from = from.unwrap();
        assert_eq!((from.to_string().as_str(), from.port), (reported, own.port));
        // Back at the reported address, and at the plain one.
        for to in [Addr::parse(&from.to_string(), from.port).unwrap(), own] {
            assert_eq!(handler.dispatch([(to, &b"!"[..])].into_iter(), None), Ok(1));
            assert_eq!(client.recv(&mut [0; 9]).unwrap(), 1);
        }
    }
    assert_eq!(handler.stats().recv_reactors.len(), 1);
}

#[test]
fn a_full_receive_queue_follows_its_policy_and_counts() {
    for (policy, kept) in [(Policy::DropNewest, 0), (Policy::DropOldest, 90)] {
        let recv_queue = QueueConfig { items: 10, policy, ..QueueConfig::default() };
        let (receiver, to) = receiving("127.0.0.1", Config { recv_queue, ..Config::default() });
        let (socket, _) = bound("127.0.0.1");
        for index in 0..100u8 {
            socket.send_to(&[index], (to.to_string(), to.port)).unwrap();
        }
        wait_until("all received", || receiver.stats().received().datagrams == 100);
        wait_until("all stored", || {
            receiver.stats().recv_dropped + receiver.queued_recved() == 100
        });
        let expected: Vec<Vec<u8>> = (kept..kept + 10).map(|index| vec![index]).collect();
        assert_eq!(take(&receiver, 10), expected, "{policy:?}");
        let stats = receiver.close(Duration::ZERO).unwrap();
        assert_eq!((stats.delivered, stats.recv_dropped, stats.recv_unread), (10, 90, 0));
    }
}

#[test]
fn a_reader_that_stops_leaves_the_rest_to_the_kernel_which_counts() {
    let recv_queue = QueueConfig { items: 10, ..QueueConfig::default() };
    let (socket, to) = bound("127.0.0.1");
    socket2::SockRef::from(&socket).set_recv_buffer_size(4096).unwrap();
    let config = Config { recv_queue, recv_reactors: 1, ..Config::default() };
    let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
    let (client, _) = bound("127.0.0.1");
    const SENT: u64 = 2_000;
    for index in 0..SENT {
        client.send_to(&index.to_le_bytes(), (to.to_string(), to.port)).unwrap();
    }
    let mut received = 0;
    loop {
        match handler.receive(200, |view, _| view.count()) {
            Ok(taken) => received += taken as u64,
            Err(Errno(libc::ETIMEDOUT)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let stats = handler.close(Duration::ZERO).unwrap();
    assert!(stats.kernel_drops > 0);
    assert_eq!(received + stats.kernel_drops, SENT);
    assert_eq!((stats.delivered, stats.recv_dropped), (received, 0));
}

#[test]
fn a_refusing_destination_is_reported_and_the_others_are_served() {
    let (gone, nobody) = bound("127.0.0.1");
    drop(gone);
    let (receiver, to) = receiving("127.0.0.1", Config::default());
    let (socket, _) = bound("127.0.0.1");
    let sender = Handler::new(socket.as_raw_fd(), &Config::default()).unwrap();
    for round in 0..200u8 {
        let pair = [(nobody, &[round][..]), (to, &[round][..])];
        assert_eq!(sender.dispatch(pair.into_iter(), None), Ok(2));
    }
    let expected: Vec<Vec<u8>> = (0..200).map(|round| vec![round]).collect();
    assert_eq!(take(&receiver, 200), expected);
    wait_until("an ICMP error", || sender.stats().icmp_errors > 0);
    let error = sender.errors(1)[0];
    assert_eq!((error.errno, error.kind), (Errno(libc::ECONNREFUSED), ErrorKind::Icmp));
    assert_eq!(error.to, nobody);
    let stats = sender.close(PATIENCE).unwrap();
    assert_eq!((stats.sent().datagrams, stats.send_errors), (400, 0));
}

#[test]
fn the_close_drains_and_a_closed_handler_takes_nothing() {
    let (receiver, to) = receiving("127.0.0.1", Config::default());
    let (socket, _) = bound("127.0.0.1");
    let sender = Handler::new(socket.as_raw_fd(), &Config::default()).unwrap();
    let payloads: Vec<Vec<u8>> = (0..200u8).map(|index| vec![index; 100]).collect();
    send(&sender, to, &payloads);
    let stats = sender.close(PATIENCE).unwrap();
    assert_eq!((stats.sent().datagrams, stats.send_unsent, stats.queued_send), (200, 0, 0));
    assert_eq!(sender.close(PATIENCE), None);
    let late = sender.dispatch([(to, &b"late"[..])].into_iter(), None);
    assert_eq!(late, Err(Errno(libc::ESHUTDOWN)));
    assert_eq!(take(&receiver, 200), payloads);
}

#[test]
fn what_a_close_without_time_leaves_is_counted() {
    let (socket, to) = bound("127.0.0.1");
    let sender = Handler::new(socket.as_raw_fd(), &Config::default()).unwrap();
    let payload = vec![1; 1000];
    let offered = std::iter::repeat_n((to, &payload[..]), 20_000);
    let taken = sender.dispatch(offered, None).unwrap() as u64;
    let stats = sender.close(Duration::ZERO).unwrap();
    assert_eq!(stats.dispatched, taken);
    assert_eq!(stats.sent().datagrams + stats.send_unsent + stats.send_errors, taken);
}

#[test]
fn a_port_group_and_a_shared_socket_give_each_datagram_once() {
    for is_group in [true, false] {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        socket.set_reuse_port(is_group).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let config = Config { recv_reactors: 4, recv_sockets: 2, ..Config::default() };
        let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
        drop(socket);
        let clients: Vec<UdpSocket> = (0..64).map(|_| bound("127.0.0.1").0).collect();
        let mut got = Vec::new();
        for round in 0..20u8 {
            for (index, client) in clients.iter().enumerate() {
                client.send_to(&[round, index as u8], ("127.0.0.1", port)).unwrap();
            }
            got.extend(take(&handler, clients.len()));
        }
        got.sort();
        got.dedup();
        assert_eq!(got.len(), 64 * 20);
        let stats = handler.stats();
        let shares = stats.recv_reactors.iter().filter(|reactor| reactor.datagrams > 0).count();
        assert!(!is_group || shares == 4, "{:?}", stats.recv_reactors);
        let idle: u64 = stats.recv_reactors.iter().map(|reactor| reactor.idle_wakeups).sum();
        assert!(idle <= stats.received().batches / 4 + 4, "{idle} wake-ups for nothing");
    }
}

#[test]
fn bad_sockets_and_configurations_are_refused() {
    let new = |fd, config: Config| Handler::new(fd, &config).err().map(|error| error.0);
    let default = Config::default();
    let (socket, _) = bound("127.0.0.1");
    let fd = socket.as_raw_fd();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = std::os::unix::net::UnixDatagram::unbound().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(new(-1, default), Some(libc::EBADF));
    assert_eq!(new(tcp.as_raw_fd(), default), Some(libc::EPROTOTYPE));
    assert_eq!(new(unix.as_raw_fd(), default), Some(libc::EAFNOSUPPORT));
    assert_eq!(new(file.as_raw_fd(), default), Some(libc::ENOTSOCK));
    let no_event = Config { event_fd: Some(file.as_raw_fd()), recv_reactors: 1, ..default };
    assert_eq!(new(fd, no_event), Some(libc::EINVAL));
    for bad in [
        Config { send_reactors: 0, ..default },
        Config { send_reactors: 257, ..default },
        Config { recv_reactors: 257, ..default },
        Config { recv_reactors: 200, recv_sockets: 200, ..default },
        Config { recv_size: 0, ..default },
        Config { recv_size: 65_536, ..default },
        Config { send_flags: libc::MSG_OOB, ..default },
        Config { send_queue: QueueConfig { items: 0, ..QueueConfig::default() }, ..default },
    ] {
        assert_eq!(new(fd, bad), Some(libc::EINVAL), "{bad:?}");
    }
}

#[test]
fn undeliverable_datagrams_are_refused_before_they_are_queued() {
    let (socket, to) = bound("127.0.0.1");
    let send_queue = QueueConfig { bytes: 100_000, ..QueueConfig::default() };
    let config = Config { send_queue, ..Config::default() };
    let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
    let portless = Addr::parse("127.0.0.1", 0).unwrap();
    let put = |to, payload: &[u8]| handler.dispatch([(to, payload)].into_iter(), None);
    assert_eq!(put(to, &[0; 65_508]), Err(Errno(libc::EMSGSIZE)));
    assert_eq!(put(portless, b"x"), Err(Errno(libc::EINVAL)));
    assert_eq!(put(Addr::parse("::1", 9).unwrap(), b"x"), Err(Errno(libc::EAFNOSUPPORT)));
    assert_eq!(to.on(Family::V4), Ok(to));
    assert_eq!(handler.stats().dispatched, 0);
    // What follows a bad one is not taken: the caller finds it by dispatching from there.
    let mixed = [(to, &b"1"[..]), (portless, b"2"), (to, b"3")];
    assert_eq!(handler.dispatch(mixed.into_iter(), None), Ok(1));
}

#[test]
fn truncation_is_flagged_and_counted() {
    let (receiver, to) = receiving("127.0.0.1", Config { recv_size: 10, ..Config::default() });
    let (client, _) = bound("127.0.0.1");
    client.send_to(&[1; 10], (to.to_string(), to.port)).unwrap();
    client.send_to(&[2; 11], (to.to_string(), to.port)).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        receiver
            .receive(10_000, |view, _| {
                seen.push((view.payload.to_vec(), view.truncated));
                1
            })
            .unwrap();
    }
    assert_eq!(seen, [(vec![1; 10], false), (vec![2; 10], true)]);
    assert_eq!(receiver.stats().truncated, 1);
}

/// Sets a socket option that this library has no name for.
fn set_option(socket: &UdpSocket, name: libc::c_int, value: libc::c_int) {
    let size = size_of_val(&value) as libc::socklen_t;
    // SAFETY: `value` is valid for reading `size` bytes.
    let result = unsafe {
        let value = (&raw const value).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, size)
    };
    assert_eq!(result, 0);
}

#[test]
fn a_run_is_taken_apart_whatever_else_the_caller_asked_the_kernel_for() {
    let (socket, to) = bound("127.0.0.1");
    let software = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    set_option(&socket, libc::SO_TIMESTAMPING, software as libc::c_int);
    set_option(&socket, libc::SO_RXQ_OVFL, 1);
    let config = Config { recv_reactors: 1, ..Config::default() };
    let receiver = Handler::new(socket.as_raw_fd(), &config).unwrap();
    let (sender, _) = receiving("127.0.0.1", Config::default());
    let payloads = vec![vec![7; 64]; 60];
    send(&sender, to, &payloads);
    assert_eq!(take(&receiver, 60), payloads);
    let stats = receiver.stats();
    assert_eq!((stats.truncated, stats.received().datagrams), (0, 60));
}

#[test]
fn each_member_of_a_port_group_reports_its_icmp_errors() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let config = Config { recv_reactors: 2, recv_sockets: 4, ..Config::default() };
    let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
    // Bound, so that nobody else gets these ports, and connected elsewhere, so that they refuse.
    let refusing: Vec<(UdpSocket, Addr)> = (0..40).map(|_| bound("127.0.0.1")).collect();
    for (peer, addr) in &refusing {
        peer.connect(("127.0.0.1", 9)).unwrap();
        assert_eq!(handler.dispatch([(*addr, &b"?"[..])].into_iter(), None), Ok(1));
    }
    let mut reported = std::collections::HashSet::new();
    wait_until("an error for each", || {
        reported.extend(handler.errors(100).iter().map(|error| error.to));
        reported.len() == refusing.len()
    });
}

#[test]
fn a_program_that_reads_the_socket_itself_is_not_kept_awake_by_icmp_errors() {
    let (socket, _) = bound("127.0.0.1");
    let (peer, refusing) = bound("127.0.0.1");
    peer.connect(("127.0.0.1", 9)).unwrap();
    let handler = Handler::new(socket.as_raw_fd(), &Config::default()).unwrap();
    assert_eq!(handler.dispatch([(refusing, &b"?"[..])].into_iter(), None), Ok(1));
    wait_until("the error is taken unasked", || {
        let mut fd = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `fd` is valid for reading and writing.
        let ready = unsafe { libc::poll(&mut fd, 1, 0) };
        handler.queued_send() == 0 && ready == 0
    });
    wait_until("it is reported", || !handler.errors(1).is_empty());
}

#[test]
fn a_refusing_destination_leaves_gso_to_the_others() {
    let (receiver, to) = receiving("127.0.0.1", Config::default());
    let (socket, _) = bound("127.0.0.1");
    let sender = Handler::new(socket.as_raw_fd(), &Config::default()).unwrap();
    // The kernel refuses to send there: broadcasting was not asked for.
    let broadcast = Addr::parse("255.255.255.255", 9).unwrap();
    send(&sender, broadcast, &vec![vec![1; 64]; 10]);
    let payloads = vec![vec![2; 64]; 20];
    send(&sender, to, &payloads);
    assert_eq!(take(&receiver, 20), payloads);
    let stats = sender.close(PATIENCE).unwrap();
    assert_eq!((stats.send_errors, stats.sent().datagrams, stats.gso), (10, 20, true));
    assert!(stats.sent().offloaded > 0);
}

#[test]
fn a_socket_shut_down_for_reading_does_not_keep_a_reactor_busy() {
    let (socket, _) = bound("127.0.0.1");
    // Only a connected socket can be shut down.
    socket.connect(("127.0.0.1", 9)).unwrap();
    let config = Config { recv_reactors: 1, ..Config::default() };
    let handler = Handler::new(socket.as_raw_fd(), &config).unwrap();
    let wakes = || handler.stats().recv_reactors[0].idle_wakeups;
    let shut = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Read);
    shut.unwrap();
    wait_until("the reactor notices", || wakes() > 20);
    let (before, started) = (wakes(), Instant::now());
    wait_until("it goes on looking", || wakes() > before + 20);
    // A pause is never shorter than asked for: so many wake-ups take their milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(19), "{:?}", started.elapsed());
}
