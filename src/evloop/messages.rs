//! Messages handed in by the batch.

use super::slab::Id;
use super::state::State;
use super::{tcp, EventLoop};
use crate::sys::Result;
use std::io::IoSlice;
use std::ops::Range;

/// One message for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub id: Id,
    /// An error where there are none to be had.
    pub data: Result<&'a [u8]>,
}

impl EventLoop {
    /// Sends `count` messages, each of which is taken whole or not at all: `message` gives one,
    /// `answer` learns how many bytes of its connection wait then, or why it was refused. After one
    /// is refused, so are those behind it to the same connection: none overtakes another. Gives how
    /// many left none waiting.
    ///
    /// Errors of a message: what is in it; `EBADF` for no connection of the caller's; `EAGAIN` over
    /// its limit; `EPIPE` and others where it has ended.
    pub fn write<'a>(
        &self,
        count: usize,
        message: impl Fn(usize) -> Message<'a>,
        mut answer: impl FnMut(usize, Result<usize>),
    ) -> Result<usize> {
        self.with(|state| {
            let (mut sent, mut next) = (0, 0);
            state.batches += 1;
            while next < count {
                let run = next_run(state, next..count, &message);
                for index in next..next + run.length {
                    answer(index, run.outcome);
                }
                next += run.length;
                sent += if run.outcome == Ok(0) { run.length } else { 0 };
            }
            Ok(sent)
        })
    }
}

/// A part of a batch of messages that was sent together.
struct Run {
    length: usize,
    outcome: Result<usize>,
}

/// Sends the first of a batch of messages, with those behind it that go to the same connection.
fn next_run<'a>(
    state: &mut State,
    batch: Range<usize>,
    message: &impl Fn(usize) -> Message<'a>,
) -> Run {
    let first = message(batch.start);
    let number = state.batches;
    let (connection, core) = match state.connection(first.id) {
        Ok(found) => found,
        Err(error) => return Run { length: 1, outcome: Err(error) },
    };
    if let Some(error) = connection.refused_in(number) {
        return Run { length: 1, outcome: Err(error) };
    }
    let data = match first.data {
        Ok(data) => data,
        Err(error) => {
            connection.refuse(number, error);
            return Run { length: 1, outcome: Err(error) };
        }
    };
    // Most go alone, and need no array of parts.
    let goes_alone = batch.len() == 1 || message(batch.start + 1).id != first.id;
    let (length, outcome) = if goes_alone {
        (1, connection.send(core, &[IoSlice::new(data)], data.len()))
    } else {
        let joined = Joined::of(data, batch, connection.room_for(data.len()), message);
        (joined.length, connection.send(core, &joined.parts[..joined.length], joined.total))
    };
    if let Err(error) = outcome {
        connection.refuse(number, error);
    }
    Run { length, outcome }
}

/// Messages of one connection that follow each other.
struct Joined<'a> {
    parts: [IoSlice<'a>; tcp::PARTS],
    length: usize,
    total: usize,
}

impl<'a> Joined<'a> {
    /// `first` is the data of the first of `batch`; there is `room` for so many bytes in all.
    fn of(
        first: &'a [u8],
        batch: Range<usize>,
        room: usize,
        message: &impl Fn(usize) -> Message<'a>,
    ) -> Joined<'a> {
        let mut joined =
            Joined { parts: [IoSlice::new(first); tcp::PARTS], length: 1, total: first.len() };
        let connection = message(batch.start).id;
        for index in batch.skip(1).take(tcp::PARTS - 1) {
            let Message { id, data: Ok(data) } = message(index) else { break };
            if id != connection || joined.total.saturating_add(data.len()) > room {
                break;
            }
            joined.parts[joined.length] = IoSlice::new(data);
            joined.total += data.len();
            joined.length += 1;
        }
        joined
    }
}
