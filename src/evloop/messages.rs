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
    let room = connection.room_for(data.len());
    let mut parts = [IoSlice::new(data); tcp::PARTS];
    let (mut length, mut total) = (1, data.len());
    for index in batch.skip(1).take(tcp::PARTS - 1) {
        let Message { id, data: Ok(data) } = message(index) else { break };
        if id != first.id || total.saturating_add(data.len()) > room {
            break;
        }
        parts[length] = IoSlice::new(data);
        total += data.len();
        length += 1;
    }
    let outcome = connection.send(core, &parts[..length], total);
    if let Err(error) = outcome {
        connection.refuse(number, error);
    }
    Run { length, outcome }
}
