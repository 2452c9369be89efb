//! Weighted turns: earliest deadline first.
//!
//! Who has weight `w` is due at 1/2w, 3/2w, 5/2w, … in a time that only picks advance. So in every
//! unit of that time each is picked exactly `w` times, evenly spread. A weight that changes counts
//! from the next turn on.

use std::cmp::Ordering;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

/// Turns of whoever is named by a `K`.
#[derive(Clone, Debug)]
pub(super) struct Edf<K> {
    turns: BinaryHeap<Turn<K>>,
    /// Turns of those that were not accepted; empty between picks, kept for its memory.
    skipped: Vec<Turn<K>>,
    now: Moment,
    seed: u64,
}

/// When somebody is due. The greatest is the next one.
#[derive(Clone, Copy, Debug)]
struct Turn<K> {
    due: Moment,
    /// Order among those that are due at the same moment.
    rank: u32,
    /// The weight that was given, of which the present one is made.
    weight: u32,
    key: K,
}

/// The fraction `halves / 2 weight`, kept exact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Moment {
    halves: u64,
    weight: u32,
}

impl<K: Copy + Eq + Hash> Edf<K> {
    /// Nobody. `seed` decides who of the first ones begins.
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

    /// Makes `members`, with weights from 1, those that take turns. Who stays with the same weight
    /// keeps the turn, who is new has one as soon as the weight allows. `weigh` gives the present
    /// weight of one that was given so much; at least 1.
    pub(super) fn update(
        &mut self,
        members: impl Iterator<Item = (K, u32)>,
        mut weigh: impl FnMut(K, u32) -> u32,
    ) {
        let old: HashMap<_, _> = self.turns.drain().map(|turn| (turn.key, turn)).collect();
        let turns = members.enumerate();
        let mut turns: Vec<_> = turns
            .map(|(position, (key, weight))| match old.get(&key) {
                Some(turn) if turn.weight == weight => *turn,
                known => Turn {
                    due: self.now.next(weigh(key, weight)),
                    rank: known.map_or((old.len() + position) as u32, |turn| turn.rank),
                    weight,
                    key,
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

    /// Whose turn it is, of those that `accepts`; the others lose theirs. If there is none, nobody
    /// does.
    pub(super) fn pick(
        &mut self,
        mut accepts: impl FnMut(K) -> bool,
        mut weigh: impl FnMut(K, u32) -> u32,
    ) -> Option<K> {
        let picked = loop {
            match self.turns.peek_mut() {
                Some(mut first) if accepts(first.key) => {
                    let (key, due) = (first.key, first.due);
                    first.due = due.next(weigh(key, first.weight));
                    break Some((key, due));
                }
                Some(first) => self.skipped.push(PeekMut::pop(first)),
                None => break None,
            }
        };
        let Some((key, due)) = picked else {
            self.turns.extend(self.skipped.drain(..));
            return None;
        };
        self.now = due;
        // Who was skipped has lost the turn: it is not made up for when the endpoint is back.
        for turn in self.skipped.drain(..) {
            let due = due.next(weigh(turn.key, turn.weight));
            self.turns.push(Turn { due, ..turn });
        }
        Some(key)
    }
}

impl Moment {
    /// The first moment after this one at which whoever has `weight` is due.
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

impl<K> Ord for Turn<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let due = other.due.cmp(&self.due);
        due.then(other.rank.cmp(&self.rank))
    }
}

impl<K> PartialOrd for Turn<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Turn<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K> Eq for Turn<K> {}
