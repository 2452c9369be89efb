//! A table in which every endpoint has entries in proportion to its weight.
//!
//! Eisenbud et al.: Maglev, A Fast and Reliable Software Network Load Balancer, section 3.4. Each
//! endpoint prefers the entries in an order of its own; in turn, each takes the next one that is
//! free, and one of half the weight takes one every other time.

use crate::balancer::edf::Edf;
use crate::hash::mix;
use crate::policy::Maglev;

/// Whose each entry is.
#[derive(Clone, Debug)]
pub(super) struct Table {
    size: u64,
    entries: Vec<u32>,
}

/// The entries that a member prefers, from the one that is next.
struct Preference {
    next: u64,
    skip: u64,
}

impl Table {
    pub(super) fn new(settings: Maglev) -> Self {
        Self {
            size: settings.table_size.into(),
            entries: Vec::new(),
        }
    }

    /// Places members of these seeds and weights.
    pub(super) fn fill(&mut self, members: &[(u64, u32)]) {
        self.entries.clear();
        if members.is_empty() {
            return;
        }
        self.entries.resize(self.size as usize, FREE);
        let preference = |&(seed, _): &(u64, u32)| Preference {
            next: seed % self.size,
            skip: mix(seed) % (self.size - 1) + 1,
        };
        let mut preferences: Vec<_> = members.iter().map(preference).collect();
        for (member, _) in turns(members).zip(0..self.size) {
            let entry = preferences[member].take(&self.entries, self.size);
            self.entries[entry] = member as u32;
        }
    }

    /// The member whose entry `hash` falls to.
    pub(super) fn at(&self, hash: u64) -> usize {
        self.entries[(hash % self.size) as usize] as usize
    }
}

impl Preference {
    /// The next free entry. There is one, and the size is a prime, so the walk meets it.
    fn take(&mut self, entries: &[u32], size: u64) -> usize {
        loop {
            let entry = self.next as usize;
            self.next = (self.next + self.skip) % size;
            if entries[entry] == FREE {
                return entry;
            }
        }
    }
}

/// Who takes an entry: everybody once, then by weight as if that first one had been by weight too.
fn turns(members: &[(u64, u32)]) -> Box<dyn Iterator<Item = usize>> {
    let weights = members.iter().map(|(_, weight)| u64::from(*weight));
    let weights: Vec<_> = weights.collect();
    let heaviest = weights.iter().copied().max().unwrap_or(1);
    let count = weights.len();
    if heaviest * count as u64 > weights.iter().sum::<u64>() * ROUNDS {
        return by_deadline(members);
    }
    let mut credits = vec![heaviest; count];
    let mut rounds = (0..count).cycle();
    // Who has spent the weight of the heaviest waits until it has as much again.
    Box::new(std::iter::from_fn(move || {
        rounds.find(|&member| {
            let able = credits[member] >= heaviest;
            credits[member] += weights[member];
            credits[member] -= if able { heaviest } else { 0 };
            able
        })
    }))
}

/// The same, where almost everybody would almost always wait.
fn by_deadline(members: &[(u64, u32)]) -> Box<dyn Iterator<Item = usize>> {
    let mut edf = Edf::new(0);
    let weights = members.iter().map(|(_, weight)| *weight);
    edf.update(weights.enumerate(), |_, weight| weight);
    let mut had = vec![false; members.len()];
    let by_weight = std::iter::from_fn(move || edf.pick(|_| true, |_, weight| weight));
    let further = by_weight.filter(move |&member| std::mem::replace(&mut had[member], true));
    Box::new((0..members.len()).chain(further))
}

/// Rounds for each entry that is taken, at most.
const ROUNDS: u64 = 32;

const FREE: u32 = u32::MAX;
