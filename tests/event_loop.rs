//! The event loop on real sockets, through its Rust face: every poller, small rooms, all threads.

use pyhelpers::evloop::tcp::{Config, Reading, Watermarks};
use pyhelpers::evloop::{Backend, Event, EventKind, EventLoop, Id, Interest, Message};
use pyhelpers::sys::eventfd::EventFd;
use pyhelpers::sys::stream::Options;
use pyhelpers::sys::Errno;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ALL: [Backend; 3] = [Backend::Epoll, Backend::Poll, Backend::Select];
const PATIENCE: Duration = Duration::from_secs(20);

/// Numbers as good as random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Events of one batch with their data.
fn poll(owner: &EventLoop, most: usize, room: usize) -> Vec<(Event, Vec<u8>)> {
    let mut buffer = vec![0; room];
    let mut events = Vec::new();
    let outcome = owner.turn().unwrap().poll(most, &mut buffer, Some(PATIENCE), &mut |event| {
        events.push(*event);
    });
    assert_eq!(outcome, Ok(events.len()));
    let data = |event: &Event| match event.kind {
        EventKind::Data => buffer[event.offset..event.offset + event.len].to_vec(),
        _ => Vec::new(),
    };
    events.iter().map(|event| (*event, data(event))).collect()
}

fn listen(owner: &EventLoop, host: &str, config: Config) -> (Id, String) {
    let id = owner.listen(host, "0", config, 0).unwrap();
    let port = owner.local(id).unwrap().map_or(0, |addr| addr.port);
    (id, port.to_string())
}

/// What a server that sends back all it gets knows of a connection.
#[derive(Default)]
struct Echo {
    waiting: Vec<u8>,
    has_ended: bool,
}

impl Echo {
    /// Hands over what waits, in messages of all sizes; says that it was all when it was.
    fn push(&mut self, owner: &EventLoop, id: Id, random: &mut Numbers) {
        while !self.waiting.is_empty() {
            let size = self.waiting.len().min(1 + random.below(9_000));
            match owner.send(id, &self.waiting[..size]) {
                Ok(_) => drop(self.waiting.drain(..size)),
                Err(error) => return assert_eq!(error, Errno(libc::EAGAIN)),
            }
        }
        if self.has_ended {
            let _ = owner.shutdown_write(id);
        }
    }
}

/// Sends back all that comes until so many connections have ended in order.
fn serve(owner: &EventLoop, connections: usize, most: usize, room: usize) {
    let mut random = Numbers(most as u64 * 77 + room as u64);
    let mut echoes = HashMap::<Id, Echo>::new();
    let mut ended = 0;
    while ended < connections {
        for (event, data) in poll(owner, most, room) {
            let Some(id) = event.id else { continue };
            match event.kind {
                EventKind::Accepted => assert!(echoes.insert(id, Echo::default()).is_none()),
                EventKind::Data | EventKind::Drained | EventKind::Eof => {
                    let echo =
                        echoes.get_mut(&id).expect("an event before the first or after the last");
                    assert!(!echo.has_ended || event.kind == EventKind::Drained);
                    echo.waiting.extend(data);
                    echo.has_ended |= event.kind == EventKind::Eof;
                    echo.push(owner, id, &mut random);
                }
                EventKind::Closed => {
                    assert!(echoes.remove(&id).is_some());
                    assert_eq!((event.error, event.len), (0, 0));
                    ended += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Sends a stream of its own and checks that the same comes back.
fn check_stream(address: (&str, u16), seed: u64) {
    use std::io::{Read, Write};
    let mut random = Numbers(seed);
    let sent: Vec<u8> =
        (0..200_000 + random.below(300_000)).map(|_| random.below(256) as u8).collect();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = socket.try_clone().unwrap();
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let size = rest.len().min(1 + random.below(70_000));
                writer.write_all(&rest[..size]).unwrap();
                rest = &rest[size..];
            }
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        socket.read_to_end(&mut received).unwrap();
    });
    assert!(received == sent, "{} of {} bytes", received.len(), sent.len());
}

#[test]
fn streams_come_back_whole_whatever_the_room() {
    for backend in ALL {
        for (most, room) in [(1, 700), (3, 5_000), (256, 256 * 1024)] {
            let owner = EventLoop::new(backend).unwrap();
            let watermarks = Watermarks { low: 4_000, high: 20_000, limit: 50_000 };
            let options = Options { send_buffer: 20_000, ..Options::default() };
            let config = Config { watermarks, options, ..Config::default() };
            let (_, port) = listen(&owner, "127.0.0.1", config);
            let address = ("127.0.0.1", port.parse().unwrap());
            thread::scope(|scope| {
                for seed in 1..=6 {
                    scope.spawn(move || check_stream(address, seed));
                }
                serve(&owner, 6, most, room);
            });
            let stats = owner.stats().unwrap();
            assert_eq!((stats.accepted, stats.closed, stats.connections), (6, 6, 0));
            assert_eq!((stats.received_bytes, stats.unsent_bytes), (stats.sent_bytes, 0));
        }
    }
}

#[test]
fn what_comes_can_be_read_by_the_caller() {
    for backend in ALL {
        let owner = EventLoop::new(backend).unwrap();
        let config = Config { reading: Reading::Notice, ..Config::default() };
        let (_, port) = listen(&owner, "localhost", config);
        let client = owner.connect("localhost", &port, &Config::default(), 0).unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        owner.send(client, &sent).unwrap();
        owner.shutdown_write(client).unwrap();
        let mut received: Vec<u8> = Vec::new();
        let mut buffer = [0; 1_000];
        let mut server = None;
        while received.len() < sent.len() {
            for (event, _) in poll(&owner, 16, 64) {
                if event.kind == EventKind::Readable {
                    server = event.id;
                    let count = owner.read(event.id.unwrap(), &mut buffer).unwrap();
                    received.extend(&buffer[..count]);
                }
            }
        }
        assert!(received == sent);
        let server = server.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while owner.read(server, &mut buffer) != Ok(0) {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
    }
}

#[test]
fn many_threads_write_while_one_polls() {
    const THREADS: u64 = 8;
    const MESSAGES: u64 = 2_000;
    for backend in ALL {
        let owner = EventLoop::new(backend).unwrap();
        let (_, port) = listen(&owner, "::1", Config::default());
        let client = owner.connect("::1", &port, &Config::default(), 0).unwrap();
        let sent = AtomicU64::new(0);
        let write = |thread: u64| {
            for number in 0..MESSAGES {
                let word = (thread << 32 | number).to_le_bytes();
                let message = |_| Message { id: client, data: Ok(&word[..]) };
                owner.write(1, message, |_, outcome| assert!(outcome.is_ok())).unwrap();
                sent.fetch_add(8, Ordering::Relaxed);
            }
        };
        let mut received = Vec::new();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                scope.spawn({
                    let write = &write;
                    move || write(thread)
                });
            }
            while received.len() < (THREADS * MESSAGES * 8) as usize {
                received.extend(poll(&owner, 8, 4_000).into_iter().flat_map(|(_, data)| data));
            }
        });
        let mut next = [0; THREADS as usize];
        for word in received.chunks_exact(8) {
            let word = u64::from_le_bytes(word.try_into().unwrap());
            assert_eq!(word as u32, next[(word >> 32) as usize], "each thread's in its order");
            next[(word >> 32) as usize] += 1;
        }
        assert_eq!(received.len() as u64, sent.load(Ordering::Relaxed));
    }
}

#[test]
fn another_thread_ends_a_wait() {
    for backend in ALL {
        let owner = EventLoop::new(backend).unwrap();
        let event = EventFd::new().unwrap();
        event.add(1).unwrap();
        let kind_after = |change: &(dyn Fn() + Sync)| {
            thread::scope(|scope| {
                scope.spawn(change);
                poll(&owner, 1, 1)[0].0.kind
            })
        };
        let read = Interest { readable: true, writable: false };
        assert_eq!(kind_after(&|| owner.wake().unwrap()), EventKind::Wake);
        assert_eq!(kind_after(&|| owner.stop().unwrap()), EventKind::Stop);
        assert_eq!(
            kind_after(&|| owner.add_timers([(1, 0, 5)].into_iter(), |_| {}).unwrap()),
            EventKind::Timer
        );
        assert_eq!(
            kind_after(&|| assert!(owner.watch(event.raw(), read, 0).is_ok())),
            EventKind::Descriptor
        );
        let mut buffer = [0];
        let ended = thread::scope(|scope| {
            scope.spawn(|| owner.close());
            loop {
                let outcome = owner.turn().unwrap().poll(1, &mut buffer, None, &mut |_| {});
                if outcome.is_err() {
                    break outcome;
                }
            }
        });
        assert_eq!(ended, Err(Errno(libc::ESHUTDOWN)));
    }
}
