//! Where a caller wants messages: one after the other in its memory.

/// The caller's memory, and what is in it.
pub struct Output<'a> {
    bytes: &'a mut [u8],
    used: usize,
    most: usize,
    count: usize,
    /// Told of each message: its number, where it begins, its length.
    place: &'a mut dyn FnMut(usize, usize, usize),
    /// Length of the message that does not fit.
    pub(super) need: usize,
    /// Whether the message that is begun is being put here.
    pub(super) is_borrower: bool,
}

impl<'a> Output<'a> {
    /// Room for `most` messages in `bytes`; `place` is told of each: its number, where it begins and
    /// its length.
    pub fn new(
        bytes: &'a mut [u8],
        most: usize,
        place: &'a mut dyn FnMut(usize, usize, usize),
    ) -> Output<'a> {
        Output { bytes, used: 0, most, count: 0, place, need: 0, is_borrower: false }
    }

    /// Messages that are in it, and their bytes.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn used(&self) -> usize {
        self.used
    }

    /// Length of the message that did not fit.
    pub fn need(&self) -> usize {
        self.need
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == self.most
    }

    /// Whether a message of `length` bytes has room behind what is there.
    pub(super) fn fits(&self, length: u64) -> bool {
        length <= (self.bytes.len() - self.used) as u64
    }

    /// At most `most` bytes of the room behind what is there and the next message's first `begun`.
    pub(super) fn room(&mut self, begun: usize, most: usize) -> &mut [u8] {
        let room = &mut self.bytes[self.used + begun..];
        let most = most.min(room.len());
        &mut room[..most]
    }

    /// The first `begun` bytes of the next message.
    pub(super) fn begun(&self, begun: usize) -> &[u8] {
        &self.bytes[self.used..self.used + begun]
    }

    /// The next message is there, in its place.
    pub(super) fn push(&mut self, length: usize) {
        (self.place)(self.count, self.used, length);
        self.count += 1;
        self.used += length;
    }
}
