//! A choice by weight, at random or sticky.

use sabir_core::head::Head;
use sabir_core::name::Name;

use crate::hash::{StableHash, scale};

/// A choice between targets in proportion to their weights.
///
/// With names to hash on, requests with the same values get the same target, in every process and
/// version of sabir, as long as the weights stay. When weights shift, only the share of the values
/// that lies between the old and the new boundaries moves: from 90/10 to 80/20 a tenth of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WeightedSplit<T> {
    targets: Vec<T>,
    /// For each target, the sum of the weights up to and with its own.
    bounds: Vec<u64>,
    hash_key: Vec<Name>,
}

/// Why weights cannot be chosen by.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// There are no targets, or all have weight zero.
    #[error("the weights add up to zero")]
    NoWeight,
    /// More than 4 294 967 295.
    #[error("the weights add up to {sum}, more than {}", u32::MAX)]
    TooMuch {
        /// What they add up to.
        sum: u64,
    },
}

impl<T> WeightedSplit<T> {
    /// A choice between `targets` by their weights, sticky to the values of `hash_key` if that is
    /// not empty. A target of weight zero is never chosen.
    pub fn new(targets: Vec<(T, u32)>, hash_key: Vec<Name>) -> Result<Self, SplitError> {
        let mut sum = 0;
        let weigh = |(target, weight): (T, u32)| {
            sum += u64::from(weight);
            (target, sum)
        };
        let (targets, bounds) = targets.into_iter().map(weigh).unzip();
        match sum {
            0 => Err(SplitError::NoWeight),
            sum if sum > u32::MAX.into() => Err(SplitError::TooMuch { sum }),
            _ => Ok(Self {
                targets,
                bounds,
                hash_key,
            }),
        }
    }

    /// Chooses for `head`. `random` is uniform over all 64 bits; it decides unless the request has
    /// a value that the choice is sticky to.
    pub fn pick(&self, head: &Head, random: u64) -> &T {
        self.at(self.sticky_hash(head).unwrap_or(random))
    }

    /// Names whose values the choice is sticky to.
    pub fn hash_key(&self) -> &[Name] {
        &self.hash_key
    }

    /// Targets and their weights, in order.
    pub fn targets(&self) -> impl Iterator<Item = (&T, u32)> {
        let before = std::iter::once(&0).chain(&self.bounds);
        let weights = self.bounds.iter().zip(before).map(|(to, from)| to - from);
        self.targets.iter().zip(weights.map(|weight| weight as u32))
    }

    fn at(&self, point: u64) -> &T {
        let sum = self.bounds.last().copied().unwrap_or_default();
        let point = scale(point, sum);
        let at = self.bounds.partition_point(|&bound| bound <= point);
        // The point lies below the last bound, which `new` made positive.
        &self.targets[at]
    }

    /// Hash of every value of the key's names; `None` if the request has none of them.
    fn sticky_hash(&self, head: &Head) -> Option<u64> {
        let mut hash = StableHash::new();
        let mut found = false;
        for name in &self.hash_key {
            let mut count = 0;
            head.any(name, |value| {
                hash.write_framed(value);
                count += 1;
                false
            });
            hash.write_number(count);
            found |= count > 0;
        }
        found.then(|| hash.finish())
    }
}
