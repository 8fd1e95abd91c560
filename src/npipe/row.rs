//! A message on its way into the pipe, as packets or as it is.

use super::frame::{self, Header, PAYLOAD_MAX};
use crate::sys::fifo::{Fifo, PACKET};
use crate::sys::{Errno, Result};
use std::io::IoSlice;

/// Packets of one system call: enough to be worth it, few enough to be named again after each that
/// was cut short.
const PACKETS: usize = 64;

/// A message on its way.
pub struct Row<'a> {
    pub message: &'a [u8],
    /// `None` for one that goes as it is.
    pub id: Option<u64>,
    /// Packets that are written, or bytes where there are none.
    pub done: usize,
}

impl Row<'_> {
    /// Whether others must not write meanwhile.
    pub fn needs_turn(&self) -> bool {
        self.id.is_some() && frame::packets(self.message.len()) > 1
    }

    pub fn is_done(&self) -> bool {
        let all = match self.id {
            Some(_) => frame::packets(self.message.len()),
            None => self.message.len(),
        };
        self.done == all
    }

    /// Writes as much as there is room for, or as one call takes.
    ///
    /// Errors: `EAGAIN` for nothing at all, `EPIPE`.
    pub fn write(&mut self, fifo: &Fifo) -> Result<()> {
        let Some(id) = self.id else {
            self.done += fifo.write(&[IoSlice::new(&self.message[self.done..])])?;
            return Ok(());
        };
        if self.message.len() / PAYLOAD_MAX > self.done {
            return self.write_full(fifo, id);
        }
        // The last packet, by itself: behind what a program has written that knows nothing of
        // packets, a row that is no multiple of a page would be cut elsewhere.
        let header = Header::new(id, self.message.len(), self.done).encode();
        let rest = &self.message[self.done * PAYLOAD_MAX..];
        fifo.write(&[IoSlice::new(&header), IoSlice::new(rest)])?;
        self.done += 1;
        Ok(())
    }

    fn write_full(&mut self, fifo: &Fifo, id: u64) -> Result<()> {
        let full = (self.message.len() / PAYLOAD_MAX - self.done).min(PACKETS);
        let at = |index: usize| Header::new(id, self.message.len(), index).encode();
        // All between them are alike.
        let (first, middle, last) = (at(self.done), at(1), at(self.done + full - 1));
        let mut slices = [IoSlice::new(&[]); 2 * PACKETS];
        let payloads = self.message[self.done * PAYLOAD_MAX..].chunks_exact(PAYLOAD_MAX);
        for (index, (pair, payload)) in
            slices.chunks_exact_mut(2).zip(payloads).take(full).enumerate()
        {
            let header = match index {
                0 => &first,
                _ if index + 1 == full => &last,
                _ => &middle,
            };
            (pair[0], pair[1]) = (IoSlice::new(header), IoSlice::new(payload));
        }
        let bytes = fifo.write(&slices[..2 * full])?;
        if bytes % PACKET != 0 {
            return Err(Errno(libc::EIO));
        }
        self.done += bytes / PACKET;
        Ok(())
    }

    /// Tells readers of a message that is begun that no more of it comes. Should there be no room,
    /// they find out.
    pub fn give_up(&self, fifo: &Fifo) {
        if let Some(id) = self.id {
            let header = Header::aborted(id, self.message.len()).encode();
            let _ = fifo.write(&[IoSlice::new(&header)]);
        }
    }
}
