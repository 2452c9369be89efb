//! Weighted round robin: earliest deadline first.
//!
//! An endpoint of weight `w` is due at 1/2w, 3/2w, 5/2w, … in a time that only picks advance. So
//! in every unit of that time each endpoint is picked exactly `w` times, evenly spread.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::{Chance, Member};
use crate::slots::EndpointId;

#[derive(Clone, Debug)]
pub(super) struct RoundRobin {
    turns: BinaryHeap<Turn>,
    /// Turns of endpoints that were not usable; empty between picks, kept for its memory.
    skipped: Vec<Turn>,
    now: Moment,
    seed: u64,
}

/// When an endpoint is due. The greatest is the next one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Turn {
    due: Moment,
    /// Order among those that are due at the same moment.
    rank: u32,
    id: EndpointId,
}

/// The fraction `halves / 2 weight`, kept exact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Moment {
    halves: u64,
    weight: u32,
}

impl RoundRobin {
    pub(super) fn new(seed: u64) -> Self {
        let start = Moment {
            halves: 0,
            weight: 1,
        };
        Self {
            turns: BinaryHeap::new(),
            skipped: Vec::new(),
            now: start,
            seed,
        }
    }

    /// Members that stay keep their turns, new ones have theirs as soon as their weight allows.
    pub(super) fn update(&mut self, members: &[Member]) {
        let old: HashMap<_, _> = self.turns.drain().map(|turn| (turn.id, turn)).collect();
        let mut turns: Vec<_> = members
            .iter()
            .enumerate()
            .map(|(position, member)| match old.get(&member.id) {
                Some(turn) if turn.due.weight == member.weight => *turn,
                Some(turn) => Turn {
                    due: self.now.next(member.weight),
                    ..*turn
                },
                None => Turn {
                    due: self.now.next(member.weight),
                    rank: (old.len() + position) as u32,
                    id: member.id,
                },
            })
            .collect();
        turns.sort_by_key(|turn| turn.rank);
        if old.is_empty() && !turns.is_empty() {
            let start = self.seed % turns.len() as u64;
            turns.rotate_left(start as usize);
        }
        for (rank, turn) in turns.iter_mut().enumerate() {
            turn.rank = rank as u32;
        }
        self.skipped.reserve(turns.len());
        self.turns = turns.into();
    }

    pub(super) fn pick(&mut self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        let picked = loop {
            match self.turns.pop() {
                Some(turn) if (chance.usable)(turn.id) => break Some(turn),
                Some(turn) => self.skipped.push(turn),
                None => break None,
            }
        };
        let Some(turn) = picked else {
            self.turns.extend(self.skipped.drain(..));
            return None;
        };
        self.now = turn.due;
        // Who was skipped has lost the turn: it is not made up for when the endpoint is back.
        let passed = self.skipped.drain(..).chain([turn]);
        self.turns.extend(passed.map(|t| t.after(turn.due)));
        Some(turn.id)
    }
}

impl Turn {
    /// The first turn after `moment`, or this one if it is later.
    fn after(self, moment: Moment) -> Self {
        let due = match self.due.cmp(&moment) {
            Ordering::Greater => self.due,
            _ => moment.next(self.due.weight),
        };
        Self { due, ..self }
    }
}

impl Moment {
    /// The first moment after this one at which an endpoint of `weight` is due.
    fn next(self, weight: u32) -> Self {
        let product = u128::from(self.halves) * u128::from(weight);
        let passed = (product / u128::from(self.weight)) as u64;
        let halves = (passed + 1) | 1;
        Self { halves, weight }
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |a: &Self, b: &Self| u128::from(a.halves) * u128::from(b.weight);
        scaled(self, other).cmp(&scaled(other, self))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let due = other.due.cmp(&self.due);
        due.then(other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
