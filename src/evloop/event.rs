//! What a loop tells its caller.

use super::slab::Id;

/// What has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum EventKind {
    /// [`super::EventLoop::wake`] was called, once or more often.
    Wake = 1,
    /// [`super::EventLoop::stop`] was called.
    Stop = 2,
    /// A timer was due, `value` times.
    Timer = 3,
    /// Signal `value` came, `len` times.
    Signal = 4,
    /// A watched descriptor is ready for what `value` says.
    Descriptor = 5,
    /// A connection has come in at the listener that `value` names.
    Accepted = 6,
    Connected = 7,
    /// `len` bytes have come; they lie at `offset` of the caller's buffer.
    Data = 8,
    /// Something is there to be read.
    Readable = 9,
    /// The peer will send no more.
    Eof = 10,
    /// What waits to be sent has become little.
    Drained = 11,
    /// A connection's last event; `len` bytes were taken and not sent.
    Closed = 12,
    /// A listener could not take a connection.
    Refused = 13,
}

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub kind: EventKind,
    /// Whom it is about; `None` for the loop itself.
    pub id: Option<Id>,
    /// What the caller gave with it; for an accepted connection what it gave with the listener.
    pub user: u64,
    /// An errno, or 0.
    pub error: i32,
    pub value: u64,
    pub offset: usize,
    pub len: usize,
    /// Of a timer: which of the times that it was set, or came due, this is about.
    pub setting: u64,
}

impl Event {
    pub fn new(kind: EventKind, id: Option<Id>, user: u64) -> Event {
        Event { kind, id, user, error: 0, value: 0, offset: 0, len: 0, setting: 0 }
    }
}

/// What one poll gives its caller: room for events, and for the data of some.
pub struct Delivery<'a> {
    most: usize,
    given: usize,
    buffer: &'a mut [u8],
    used: usize,
    visit: &'a mut dyn FnMut(&Event),
}

/// A read is not worth its price for less room, unless the whole buffer is smaller.
const ROOM_MIN: usize = 512;

impl<'a> Delivery<'a> {
    pub fn new(
        most: usize,
        buffer: &'a mut [u8],
        visit: &'a mut dyn FnMut(&Event),
    ) -> Delivery<'a> {
        Delivery { most, given: 0, buffer, used: 0, visit }
    }

    pub fn given(&self) -> usize {
        self.given
    }

    /// Half of the events that there is room for, of an odd number one more or one less.
    pub fn half(&self, is_more: bool) -> usize {
        (self.most + usize::from(is_more)) / 2
    }

    pub fn is_full(&self) -> bool {
        self.given == self.most
    }

    /// Where data may be written, if there is room for an event and enough of it.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let left = self.buffer.len() - self.used;
        let is_enough = left >= ROOM_MIN.min(self.buffer.len()) && left > 0;
        (is_enough && !self.is_full()).then(|| &mut self.buffer[self.used..])
    }

    /// Gives an event; one with data has just had it written to the room.
    pub fn give(&mut self, mut event: Event) {
        if event.kind == EventKind::Data {
            event.offset = self.used;
            self.used += event.len;
        }
        self.given += 1;
        (self.visit)(&event);
    }
}
