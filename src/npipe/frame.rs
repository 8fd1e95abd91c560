//! A message as packets: the header that each begins with, and which headers can be.
//!
//! Bytes of a header, little-endian:
//!
//! ```text
//!   0  4   magic, "npm1"
//!   4  1   1 the message's first packet, 2 its last, 4 given up by its writer
//!   5  3   0
//!   8  8   the message's id: random for each writer, counted up
//!  16  8   bytes of the whole message
//! ```
//!
//! Every packet but a message's last is full.

use crate::sys::fifo::PACKET;

/// Bytes of a packet's header, and the most that come behind it.
pub const HEADER: usize = 24;
pub const PAYLOAD_MAX: usize = PACKET - HEADER;

const MAGIC: [u8; 4] = *b"npm1";
const FIRST: u8 = 1;
const LAST: u8 = 2;
const ABORTED: u8 = 4;

/// What a packet says of its message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub id: u64,
    /// Bytes of the whole message.
    pub total: u64,
    flags: u8,
}

impl Header {
    /// That of packet `index` of a message.
    pub fn new(id: u64, total: usize, index: usize) -> Header {
        let first = if index == 0 { FIRST } else { 0 };
        let last = if index + 1 == packets(total) { LAST } else { 0 };
        Header { id, total: total as u64, flags: first | last }
    }

    /// That of the packet which says that the message's writer has given it up.
    pub fn aborted(id: u64, total: usize) -> Header {
        Header { id, total: total as u64, flags: LAST | ABORTED }
    }

    pub fn is_first(self) -> bool {
        self.flags & FIRST != 0
    }

    /// Whether nothing of the message follows.
    pub fn is_last(self) -> bool {
        self.flags & LAST != 0
    }

    pub fn is_aborted(self) -> bool {
        self.flags & ABORTED != 0
    }

    pub fn encode(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.flags;
        bytes[8..16].copy_from_slice(&self.id.to_le_bytes());
        bytes[16..].copy_from_slice(&self.total.to_le_bytes());
        bytes
    }

    /// Whether it is of a message of one packet.
    pub fn is_only(self) -> bool {
        self.is_first() && self.is_last()
    }

    /// Reads the header of a packet with `payload` bytes behind it; `None` for what no writer
    /// writes.
    pub fn decode(bytes: &[u8; HEADER], payload: usize) -> Option<Header> {
        Header::read(bytes).filter(|header| header.payload() == Some(payload as u64))
    }

    fn read(bytes: &[u8; HEADER]) -> Option<Header> {
        let [m0, m1, m2, m3, flags, 0, 0, 0, rest @ ..] = *bytes else { return None };
        let (id, total) = rest.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).ok();
        let header = Header { id: number(id)?, total: number(total)?, flags };
        ([m0, m1, m2, m3] == MAGIC).then_some(header)
    }

    /// Bytes behind it; `None` where no writer would write it.
    fn payload(self) -> Option<u64> {
        const FULL: u64 = PAYLOAD_MAX as u64;
        const ONLY: u8 = FIRST | LAST;
        const GIVEN_UP: u8 = LAST | ABORTED;
        match self.flags {
            ONLY => Some(self.total).filter(|total| *total <= FULL),
            FIRST => Some(FULL).filter(|_| self.total > FULL),
            0 => Some(FULL).filter(|_| self.total > 2 * FULL),
            LAST => Some((self.total.max(1) - 1) % FULL + 1).filter(|_| self.total > FULL),
            GIVEN_UP => Some(0).filter(|_| self.total > FULL),
            _ => None,
        }
    }
}

/// Packets of a message of `total` bytes.
pub fn packets(total: usize) -> usize {
    total.div_ceil(PAYLOAD_MAX).max(1)
}

/// The packets that `bytes` end with, behind some that are none: where each begins, and its header.
/// Such bytes are those of a program that knows nothing of packets; the kernel puts packets that come
/// next behind them, as long as they fit the page.
pub fn find_packets(bytes: &[u8]) -> Vec<(usize, Header)> {
    // Of each place, from behind, whether packets and nothing else lie from there to the end.
    let mut is_good = vec![false; bytes.len() + 1];
    is_good[bytes.len()] = true;
    let mut first = bytes.len();
    for at in (1..bytes.len()).rev() {
        is_good[at] = packet_at(bytes, at).is_some_and(|(_, end)| is_good[end]);
        if is_good[at] {
            first = at;
        }
    }
    let mut found = Vec::new();
    while let Some((header, end)) = packet_at(bytes, first) {
        found.push((first, header));
        first = end;
    }
    found
}

/// The header of a packet that begins there, and where it ends.
fn packet_at(bytes: &[u8], at: usize) -> Option<(Header, usize)> {
    let (head, payload) = bytes.get(at..)?.split_first_chunk::<HEADER>()?;
    let header = Header::read(head)?;
    let length = usize::try_from(header.payload()?).ok()?;
    (length <= payload.len()).then_some((header, at + HEADER + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payload bytes of each packet of a message.
    fn payloads(total: usize) -> Vec<usize> {
        let full = |index: usize| PAYLOAD_MAX.min(total - index * PAYLOAD_MAX);
        (0..packets(total)).map(full).collect()
    }

    #[test]
    fn every_packet_of_every_length_is_read_back() {
        for total in [0, 1, 64, PAYLOAD_MAX - 1, PAYLOAD_MAX, PAYLOAD_MAX + 1, 3 * PAYLOAD_MAX] {
            let payloads = payloads(total);
            for (index, payload) in payloads.iter().enumerate() {
                let header = Header::new(7, total, index);
                assert_eq!(Header::decode(&header.encode(), *payload), Some(header));
                assert_eq!(header.is_first(), index == 0);
                assert_eq!(header.is_last(), index + 1 == payloads.len());
                for other in [payload + 1, payload.wrapping_sub(1), payload / 2 + 1] {
                    let read = Header::decode(&header.encode(), other);
                    assert!(other == *payload || read.is_none(), "{total} {index} {other}");
                }
            }
        }
        let aborted = Header::aborted(7, PAYLOAD_MAX + 1);
        assert_eq!(Header::decode(&aborted.encode(), 0), Some(aborted));
        assert!(Header::decode(&aborted.encode(), 1).is_none());
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let good = Header::new(1, 10, 0).encode();
        for (at, value) in [(0, b'N'), (3, 0), (4, 0), (4, 8), (4, 5), (4, 7), (5, 1), (7, 1)] {
            let mut bad = good;
            bad[at] = value;
            assert!(Header::decode(&bad, 10).is_none(), "{at} {value}");
        }
        let longest = Header { id: 1, total: u64::MAX, flags: FIRST }.encode();
        assert!(Header::decode(&longest, PAYLOAD_MAX).is_some());
        assert!(Header::decode(&longest, 10).is_none());
        assert!(Header::decode(&Header { id: 1, total: 0, flags: LAST }.encode(), 1).is_none());
    }

    #[test]
    fn packets_behind_junk_are_found() {
        let packet = |text: &[u8]| [&Header::new(1, text.len(), 0).encode()[..], text].concat();
        let packets = [packet(b"hello"), packet(b""), packet(b"there")].concat();
        for junk in [&b"x"[..], b"npm1", b"npm1npm1\x03", &[0; 5000]] {
            let bytes = [junk, &packets].concat();
            let found = find_packets(&bytes);
            let begins = [0, 29, 53].map(|begin| junk.len() + begin);
            assert_eq!(found.iter().map(|(at, _)| *at).collect::<Vec<_>>(), begins);
            assert_eq!(found[2].1, Header::new(1, 5, 0));
            assert!(find_packets(&bytes[..bytes.len() - 1]).is_empty());
        }
        assert!(find_packets(b"").is_empty());
        assert!(find_packets(b"junk alone, longer than any header is").is_empty());
    }
}
