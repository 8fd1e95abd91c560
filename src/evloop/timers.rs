//! Points in time: added and cancelled in constant time, however many there are.
//!
//! A hierarchical timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987)
//! holds those that are far away, in slots of about a millisecond that widen by 64 from level to
//! level. As a slot's time comes, its timers move to a finer level, and at last to a list in the
//! exact order of time, which says when to wake: to the nanosecond, and never early. The list also
//! takes the first few timers as they come, so that a loop with few of them knows no slots.

use super::slab::{Id, Kind, Slab};
use crate::sys::Result;
use std::collections::BTreeMap;

const TICK_BITS: u32 = 20;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Enough for 63 bits of nanoseconds, 292 years.
const LEVELS: usize = 8;
/// How many timers the exact list takes beside those that are due within the tick.
const NEAR: usize = 64;
const NONE: u32 = u32::MAX;

/// Timers that stand for a `T` each.
#[derive(Debug)]
pub struct Timers<T> {
    all: Slab<Timer<T>>,
    /// By time, and among equals by when they were added.
    near: BTreeMap<(i64, u64), Id>,
    /// The first timer of each slot.
    slots: [[u32; SLOTS]; LEVELS],
    /// A bit for each slot that has any.
    occupied: [u64; LEVELS],
    /// The tick up to which slots have been emptied.
    tick: u64,
    added: u64,
    pending: usize,
}

#[derive(Debug)]
struct Timer<T> {
    deadline: i64,
    order: u64,
    period: i64,
    place: Place,
    next: u32,
    previous: u32,
    subject: T,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Near,
    Slot {
        level: u8,
        slot: u8,
    },
    /// It was due, and is not any more.
    Out,
    /// So it was, and the caller has been told.
    Told,
}

/// A timer whose time has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due<T> {
    pub id: Id,
    pub subject: T,
    /// How many of its periods have ended since it was last due, 1 at least.
    pub times: u64,
    /// Differs from the timer's when it has been set anew since.
    pub setting: u64,
}

fn tick_of(time: i64) -> u64 {
    time.max(0) as u64 >> TICK_BITS
}

fn time_of(tick: u64) -> i64 {
    (tick << TICK_BITS) as i64
}

impl<T: Copy> Timers<T> {
    pub fn new(now: i64) -> Timers<T> {
        Timers {
            all: Slab::new(Kind::Timer),
            near: BTreeMap::new(),
            slots: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            tick: tick_of(now),
            added: 0,
            pending: 0,
        }
    }

    /// How many have not been due.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Due at `deadline`, nanoseconds of the monotonic clock, and then every `period`, 0 being
    /// never.
    ///
    /// Errors: `EMFILE` when there are 268 million already.
    pub fn add(&mut self, deadline: i64, period: i64, subject: T) -> Result<Id> {
        let place = Place::Out;
        let timer =
            Timer { deadline, order: 0, period, place, next: NONE, previous: NONE, subject };
        let id = self.all.insert(timer)?;
        self.schedule(id, deadline);
        Ok(id)
    }

    /// Due at `deadline` instead; its period counts from there. Gives whether there is such a timer.
    pub fn again(&mut self, id: Id, deadline: i64) -> bool {
        if self.all.get(id).is_none() {
            return false;
        }
        self.unschedule(id);
        self.schedule(id, deadline);
        true
    }

    /// A number that changes each time that the timer is set.
    pub fn setting(&self, id: Id) -> Option<u64> {
        self.all.get(id).map(|timer| timer.order)
    }

    pub fn subject(&self, id: Id) -> Option<T> {
        self.all.get(id).map(|timer| timer.subject)
    }

    pub fn subject_mut(&mut self, id: Id) -> Option<&mut T> {
        self.all.get_mut(id).map(|timer| &mut timer.subject)
    }

    /// Forgets a timer; gives what it stood for, unless it was its last time and the caller knows.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        self.unschedule(id);
        let timer = self.all.remove(id)?;
        (timer.place != Place::Told).then_some(timer.subject)
    }

    /// Notes that the caller knows that a timer was due.
    pub fn tell(&mut self, id: Id) {
        if let Some(timer) = self.all.get_mut(id).filter(|timer| timer.place == Place::Out) {
            timer.place = Place::Told;
        }
    }

    /// Whether the timer exists and will not be due again of itself, as the caller knows.
    pub fn is_told(&self, id: Id) -> bool {
        self.all.get(id).is_some_and(|timer| timer.place == Place::Told)
    }

    /// When to look again: no timer is due before. It may be earlier than the first deadline.
    pub fn next(&self) -> Option<i64> {
        let near = self.near.first_key_value().map(|((deadline, _), _)| *deadline);
        let slot = self.first_slot().map(|(_, _, start)| time_of(start));
        near.into_iter().chain(slot).min()
    }

    /// The next timer that is due at `now`, if any.
    pub fn pop(&mut self, now: i64) -> Option<Due<T>> {
        self.advance(tick_of(now));
        let (&(deadline, _), &id) = self.near.first_key_value()?;
        if deadline > now {
            return None;
        }
        self.unschedule(id);
        let timer = self.all.get(id)?;
        let (subject, period) = (timer.subject, timer.period);
        let mut times = 1;
        if period > 0 {
            let missed = (now - deadline) / period;
            times += missed as u64;
            self.schedule(id, deadline.saturating_add((missed + 1).saturating_mul(period)));
        }
        Some(Due { id, subject, times, setting: self.setting(id)? })
    }

    fn schedule(&mut self, id: Id, deadline: i64) {
        self.added += 1;
        let order = self.added;
        if let Some(timer) = self.all.get_mut(id) {
            timer.deadline = deadline;
            timer.order = order;
            self.pending += 1;
            self.put(id);
        }
    }

    /// Puts a timer where its deadline belongs.
    fn put(&mut self, id: Id) {
        let Some(timer) = self.all.get_mut(id) else { return };
        let tick = tick_of(timer.deadline);
        if tick <= self.tick || self.near.len() < NEAR {
            timer.place = Place::Near;
            self.near.insert((timer.deadline, timer.order), id);
            return;
        }
        // The highest digit in which the two ticks differ.
        let level = (63 - (tick ^ self.tick).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        let level = level as usize;
        let index = id.index() as u32;
        let first = self.slots[level][slot];
        timer.place = Place::Slot { level: level as u8, slot: slot as u8 };
        timer.previous = NONE;
        timer.next = first;
        if let Some((_, second)) = self.all.at(first as usize) {
            second.previous = index;
        }
        self.slots[level][slot] = index;
        self.occupied[level] |= 1 << slot;
    }

    fn unschedule(&mut self, id: Id) {
        let Some(timer) = self.all.get_mut(id) else { return };
        let (next, previous) = (timer.next, timer.previous);
        match timer.place {
            Place::Out | Place::Told => return,
            Place::Near => {
                self.near.remove(&(timer.deadline, timer.order));
            }
            Place::Slot { level, slot } => {
                let (level, slot) = (usize::from(level), usize::from(slot));
                if let Some((_, after)) = self.all.at(next as usize) {
                    after.previous = previous;
                }
                match self.all.at(previous as usize) {
                    Some((_, before)) => before.next = next,
                    None => self.slots[level][slot] = next,
                }
                if self.slots[level][slot] == NONE {
                    self.occupied[level] &= !(1 << slot);
                }
            }
        }
        if let Some(timer) = self.all.get_mut(id) {
            (timer.place, timer.next, timer.previous) = (Place::Out, NONE, NONE);
        }
        self.pending -= 1;
    }

    /// The earliest slot that has timers, and the tick at which it begins. All of a level come
    /// before those of the next, as they share more digits with the present.
    fn first_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = level as u32 * SLOT_BITS;
        let above = self.tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        Some((level, slot, above | (slot as u64) << shift))
    }

    /// Empties all slots that begin up to `tick`.
    fn advance(&mut self, tick: u64) {
        while let Some((level, slot, start)) = self.first_slot().filter(|(.., at)| *at <= tick) {
            self.tick = start;
            let mut index = self.slots[level][slot];
            self.slots[level][slot] = NONE;
            self.occupied[level] &= !(1 << slot);
            while let Some((id, timer)) = self.all.at(index as usize) {
                index = timer.next;
                (timer.next, timer.previous) = (NONE, NONE);
                self.put(id);
            }
        }
        self.tick = self.tick.max(tick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    /// Numbers that are as good as random, the same in each run.
    fn numbers() -> impl Iterator<Item = u64> {
        let mut state = 88_172_645_463_325_252u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
    }

    #[test]
    fn each_is_due_once_in_order_and_never_early() {
        let mut random = numbers();
        let start = 5_000 * MS;
        let mut timers = Timers::new(start);
        let mut expected = Vec::new();
        for n in 0..20_000u64 {
            let range = 1 << (random.next().unwrap() % 40);
            let deadline = start + (random.next().unwrap() % range) as i64;
            let id = timers.add(deadline, 0, n).unwrap();
            if n % 3 == 0 {
                assert_eq!(timers.remove(id), Some(n));
            } else {
                expected.push((deadline, n));
            }
        }
        expected.sort();
        let mut due = Vec::new();
        while let Some(now) = timers.next() {
            while let Some(one) = timers.pop(now) {
                due.push((now, one.subject));
                assert_eq!(timers.remove(one.id), Some(one.subject));
            }
        }
        // Woken at the very time of each: late by nothing.
        assert_eq!(due, expected);
        assert_eq!((timers.pending(), timers.all.len()), (0, 0));
    }

    #[test]
    fn far_and_past_ones_are_timers_too() {
        let mut timers = Timers::new(1_000 * MS);
        for filler in 0..NEAR {
            timers.add(i64::MAX - 1, 0, filler as u64).unwrap();
        }
        let far = timers.add(i64::MAX, 0, 1_000).unwrap();
        let past = timers.add(-5, 0, 2_000).unwrap();
        assert_eq!(timers.pop(1_000 * MS).map(|due| due.id), Some(past));
        assert!(timers.pop(i64::MAX - 2).is_none());
        for _ in 0..NEAR {
            assert!(timers.pop(i64::MAX - 1).is_some_and(|due| due.id != far));
        }
        assert!(timers.pop(i64::MAX - 1).is_none());
        assert_eq!(timers.pop(i64::MAX).map(|due| due.id), Some(far));
    }

    #[test]
    fn a_period_has_no_drift_and_tells_what_was_missed() {
        let mut timers = Timers::new(0);
        let id = timers.add(10, 10, ()).unwrap();
        assert!(timers.pop(9).is_none());
        assert_eq!(timers.pop(13).map(|due| due.times), Some(1));
        assert_eq!(timers.next(), Some(20));
        assert_eq!(timers.pop(55).map(|due| due.times), Some(4));
        assert_eq!(timers.next(), Some(60));
        assert!(timers.again(id, 100));
        assert_eq!(timers.pop(100).map(|due| due.times), Some(1));
        assert_eq!(timers.next(), Some(110));
    }

    #[test]
    fn one_that_was_due_can_be_set_again_until_it_is_removed() {
        let mut timers = Timers::new(0);
        let id = timers.add(1, 0, ()).unwrap();
        assert!(timers.pop(1).is_some());
        timers.tell(id);
        assert!(timers.is_told(id));
        assert!(timers.again(id, 5) && !timers.is_told(id));
        timers.tell(id);
        assert_eq!((timers.pending(), timers.is_told(id)), (1, false));
        assert!(timers.pop(5).is_some());
        timers.tell(id);
        assert_eq!(timers.remove(id), None, "the caller knows");
        assert!(!timers.again(id, 9));
        assert_eq!((timers.pending(), timers.next()), (0, None));
    }
}
