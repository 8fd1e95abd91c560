//! What no writer of this library writes, and what ones that are killed leave behind.

use super::frame::{Header, HEADER, PAYLOAD_MAX};
use super::*;
use crate::sys::fifo::{Fifo, Lock, PACKET};
use crate::sys::Errno;
use std::io::IoSlice;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Instant;

const LOST: Errno = Errno(libc::ECONNABORTED);
const REJECTED: Errno = Errno(libc::EBADMSG);
const NOTHING: Errno = Errno(libc::EAGAIN);
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

/// A reader, and a descriptor that writes packets to it as they come.
struct Bench {
    path: PathBuf,
    reader: Pipe,
    raw: Fifo,
}

impl Bench {
    fn new(name: &str, config: Config) -> Bench {
        let path = std::env::temp_dir().join(format!("npipe-{}-{name}", std::process::id()));
        let text = CString::new(path.clone().into_os_string().into_vec()).unwrap();
        let reader = Pipe::new(text.clone(), config).unwrap();
        reader.fd().unwrap();
        let raw = Fifo::open_writer(&text, Owner::Own, true).unwrap();
        raw.grow();
        Bench { path, reader, raw }
    }

    fn packet(&self, header: Header, payload: &[u8]) {
        self.raw.write(&[IoSlice::new(&header.encode()), IoSlice::new(payload)]).unwrap();
    }

    /// The first packets of a message of `total` bytes.
    fn begin(&self, id: u64, total: usize, count: usize) {
        for index in 0..count {
            self.packet(Header::new(id, total, index), &[id as u8; PAYLOAD_MAX]);
        }
    }

    fn single(&self, text: &str) {
        self.packet(Header::new(99, text.len(), 0), text.as_bytes());
    }

    fn receive(&self, timeout: Option<Duration>) -> Result<String> {
        receive_into(&self.reader, &mut [0; 3 * PACKET], timeout)
    }

    fn now(&self) -> Result<String> {
        self.receive(Some(Duration::ZERO))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn receive_into(pipe: &Pipe, bytes: &mut [u8], timeout: Option<Duration>) -> Result<String> {
    let mut length = 0;
    let mut place = |_, _, message| length = message;
    pipe.receive(&mut Output::new(bytes, 1, &mut place), timeout)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[test]
fn a_message_that_another_follows_is_lost() {
    let bench = Bench::new("follow", Config::default());
    let total = 2 * PAYLOAD_MAX;
    bench.begin(1, 3 * PAYLOAD_MAX, 2);
    bench.begin(2, total, 2);
    assert_eq!(bench.now(), Err(LOST));
    assert_eq!(bench.now(), Ok("\x02".repeat(total)));
    assert_eq!(bench.now(), Err(NOTHING));
    assert_eq!(bench.reader.stats().lost, 1);
}

#[test]
fn a_message_of_one_packet_may_stand_in_another() {
    let bench = Bench::new("between", Config::default());
    let total = 3 * PAYLOAD_MAX;
    // In the caller's memory, and too long for it.
    for room in [total, PAYLOAD_MAX] {
        bench.begin(1, total, 2);
        bench.single("between");
        bench.packet(Header::new(1, total, 2), &[1; PAYLOAD_MAX]);
        assert_eq!(receive_into(&bench.reader, &mut vec![0; room], None), Ok("between".into()));
        assert_eq!(bench.now(), Ok("\x01".repeat(total)));
    }
    assert_eq!(bench.now(), Err(NOTHING));
    assert_eq!(bench.reader.stats().lost, 0);
}

#[test]
fn a_message_is_lost_though_others_never_end() {
    let bench = Bench::new("endless", Config::default());
    bench.begin(1, 3 * PAYLOAD_MAX, 1);
    let mut received = 0;
    for count in 1.. {
        bench.single("more");
        match bench.now() {
            Ok(_) => received += 1,
            Err(error) => {
                assert_eq!((error, received), (LOST, count - 1));
                break;
            }
        }
        assert!(count < 2000, "the pipe holds fewer packets");
    }
}

#[test]
fn the_rest_of_another_readers_message_is_skipped() {
    let bench = Bench::new("rest", Config::default());
    let total = 4 * PAYLOAD_MAX;
    for index in 1..4 {
        bench.packet(Header::new(1, total, index), &[0; PAYLOAD_MAX]);
    }
    bench.single("next");
    assert_eq!(bench.now(), Err(LOST));
    assert_eq!(bench.now(), Ok("next".into()));
    // One of which no end comes.
    bench.packet(Header::new(2, total, 1), &[0; PAYLOAD_MAX]);
    bench.single("last");
    assert_eq!(bench.now(), Err(LOST));
    assert_eq!(bench.now(), Ok("last".into()));
    assert_eq!(bench.reader.stats().lost, 2);
}

#[test]
fn a_message_is_lost_when_nobody_holds_the_writers_lock() {
    let bench = Bench::new("lock", Config::default());
    assert!(bench.raw.try_lock(Lock::Writers).unwrap());
    // Longer than the caller's room, then as long: kept by the reader, then put there.
    for total in [100 * PAYLOAD_MAX, 3 * PAYLOAD_MAX] {
        bench.begin(1, total, 1);
        let timeout = Some(Duration::from_millis(150));
        assert_eq!(bench.receive(timeout), Err(Errno(libc::ETIMEDOUT)));
        bench.raw.unlock(Lock::Writers);
        let start = Instant::now();
        assert_eq!(bench.receive(PATIENCE), Err(LOST));
        assert!(start.elapsed() < Duration::from_secs(2));
        assert!(bench.raw.try_lock(Lock::Writers).unwrap());
    }
}

#[test]
fn a_message_given_up_is_lost() {
    let bench = Bench::new("aborted", Config::default());
    bench.begin(1, 3 * PAYLOAD_MAX, 1);
    bench.packet(Header::aborted(1, 3 * PAYLOAD_MAX), &[]);
    assert_eq!(bench.now(), Err(LOST));
    bench.single("next");
    assert_eq!(bench.now(), Ok("next".into()));
}

#[test]
fn what_a_header_claims_costs_nothing() {
    let bench = Bench::new("claim", Config { message_max: u64::MAX, ..Config::default() });
    for total in [usize::MAX, usize::MAX / 2, 1 << 40] {
        bench.begin(1, total, 1);
        bench.single("next");
        assert_eq!(bench.now(), Ok("next".into()));
        bench.begin(2, 2 * PAYLOAD_MAX, 2);
        assert_eq!(bench.now(), Err(LOST));
        assert!(bench.now().is_ok());
    }
    let bench = Bench::new("long", Config { message_max: 10, ..Config::default() });
    bench.begin(1, usize::MAX, 1);
    bench.single("as long");
    bench.single("this is longer");
    bench.single("as long");
    assert_eq!(bench.now(), Err(REJECTED));
    assert_eq!(bench.now(), Ok("as long".into()));
    assert_eq!(bench.now(), Err(REJECTED));
    assert_eq!(bench.now(), Ok("as long".into()));
}

#[test]
fn packets_out_of_order_never_make_a_message() {
    let bench = Bench::new("order", Config::default());
    let total = 3 * PAYLOAD_MAX;
    for (first, second) in [(0, 2), (0, 0), (1, 1), (2, 2)] {
        bench.packet(Header::new(5, total, first), &[0; PAYLOAD_MAX]);
        bench.packet(Header::new(5, total, second), &[0; PAYLOAD_MAX]);
        bench.single("next");
        let mut told = 0;
        while bench.now() == Err(LOST) {
            told += 1;
        }
        assert!((1..=2).contains(&told), "{first} {second}: {told}");
        assert_eq!(bench.now(), Err(NOTHING));
    }
    assert_eq!(bench.reader.stats().received, 4);
}

#[test]
fn random_packets_never_stop_what_comes_behind_them() {
    let bench = Bench::new("random", Config::default());
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    for _ in 0..2_000 {
        for _ in 0..random(4) {
            let total = [0, 10, 3 * PAYLOAD_MAX, 50 * PAYLOAD_MAX][random(4)];
            let mut packet = vec![7; PACKET - random(3) * random(PACKET - HEADER) / 2];
            let header = Header::new(random(3) as u64, total, random(4));
            packet[..HEADER].copy_from_slice(&header.encode());
            packet[random(HEADER)] ^= random(2) as u8;
            bench.raw.write(&[IoSlice::new(&packet)]).unwrap();
        }
        bench.single("good");
        let good = loop {
            match bench.now() {
                Ok(text) => break text,
                Err(error) => assert!([LOST, REJECTED].contains(&error), "{error:?}"),
            }
        };
        // A row that happens to be one is a message as well.
        assert!(good == "good" || good.bytes().all(|byte| byte == 7));
        while good != "good" && bench.now() != Ok("good".into()) {}
        // What was begun counts as lost after a while, on a slow machine by now.
        let error = bench.now().unwrap_err();
        assert!([NOTHING, LOST].contains(&error), "{error:?}");
    }
}

#[test]
fn one_reader_leaves_a_fifo_that_is_not_at_its_path_any_more() {
    let bench = Bench::new("path", Config::default());
    bench.single("old");
    std::fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.now(), Ok("old".into()));
    // A writer in the middle of something keeps it there.
    assert!(bench.raw.try_lock(Lock::Writers).unwrap());
    assert_eq!(bench.now(), Err(NOTHING));
    bench.single("older");
    assert_eq!(bench.now(), Ok("older".into()));
    bench.raw.unlock(Lock::Writers);
    assert_eq!(bench.now(), Err(NOTHING));
    let header = Header::new(1, 0, 0).encode();
    assert_eq!(bench.raw.write(&[IoSlice::new(&header)]), Err(Errno(libc::EPIPE)));
    let text = CString::new(bench.path.clone().into_os_string().into_vec()).unwrap();
    let writer = Pipe::new(text, Config::default()).unwrap();
    assert_eq!(writer.send([&b"new"[..]].into_iter(), Some(Duration::ZERO)), Ok(1));
    assert_eq!(bench.now(), Ok("new".into()));
}
