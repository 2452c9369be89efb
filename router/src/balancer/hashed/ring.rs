//! A ring of hashes, on which every endpoint has points in proportion to its weight.
//!
//! Ketama, with one difference: the number of points per weight is a power of two. When endpoints
//! come or go, the others keep exactly the points they had, until their number has about doubled.

use crate::hash::mix;
use crate::policy::RingHash;

/// Points, and whose they are.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    settings: RingHash,
    /// Hashes in order, with the positions of their members.
    points: Vec<(u64, u32)>,
}

impl Ring {
    pub(super) fn new(settings: RingHash) -> Self {
        Self {
            settings,
            points: Vec::new(),
        }
    }

    /// Places members of these seeds and weights.
    pub(super) fn fill(&mut self, members: &[(u64, u32)]) {
        let counts = self.counts(members);
        let points = members.iter().zip(counts).zip(0..);
        let points = points.flat_map(|(((seed, _), count), position)| {
            (0..count).map(move |number| (mix(seed ^ mix(number + 1)), position))
        });
        self.points = points.collect();
        self.points.sort_unstable();
    }

    /// The member of the point that lies `step` points after the first one past `hash`.
    pub(super) fn after(&self, hash: u64, step: usize) -> usize {
        let at = self.points.partition_point(|(point, _)| *point < hash);
        let (_, position) = self.points[(at + step) % self.points.len()];
        position as usize
    }

    /// How many points each member has.
    fn counts(&self, members: &[(u64, u32)]) -> impl Iterator<Item = u64> {
        let weights = members.iter().map(|(_, weight)| u64::from(*weight));
        let sum: u64 = weights.clone().sum();
        let least = weights.clone().min().unwrap_or(1);
        let (fewest, most) = (
            u64::from(self.settings.minimum_ring_size),
            u64::from(self.settings.maximum_ring_size),
        );
        // Points of the lightest member.
        let needed = (fewest * least).div_ceil(sum.max(1)).next_power_of_two();
        let wanted = move |weight: u64| (needed * weight).div_ceil(least);
        let fits = weights.clone().map(wanted).sum::<u64>() <= most;
        weights.map(move |weight| match fits {
            true => wanted(weight),
            false => (most * weight / sum.max(1)).max(1),
        })
    }
}
