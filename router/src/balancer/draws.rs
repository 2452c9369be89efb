//! Random choices by weight: one endpoint, or the best of several.
//!
//! The power of two choices (Mitzenmacher): of a few endpoints drawn by weight, the one with the
//! lightest load gets the request. While the loads are equal, requests are spread by weight alone.

use super::scene::{Chance, Member};
use crate::hash::scale;
use crate::slots::EndpointId;

/// Endpoints to draw from.
#[derive(Clone, Debug, Default)]
pub(super) struct Draws {
    members: Vec<Member>,
    /// For each member, the sum of the weights up to and with its own; empty if all are equal.
    bounds: Vec<u64>,
}

impl Draws {
    pub(super) fn update(&mut self, members: &[Member]) {
        self.members = members.to_vec();
        self.bounds.clear();
        if self.are_even() {
            return;
        }
        self.bounds
            .extend(members.iter().scan(0, |sum: &mut u64, member| {
                *sum += u64::from(member.weight);
                Some(*sum)
            }));
    }

    /// Whether all weights are equal.
    pub(super) fn are_even(&self) -> bool {
        let first = self.members.first().map(|m| m.weight);
        self.members.iter().all(|m| Some(m.weight) == first)
    }

    /// One of them, by weight.
    pub(super) fn pick(&self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        self.draw(chance, None).map(|member| member.id)
    }

    /// Of `choices` drawn by weight, each another than the best so far, the first of those with
    /// the smallest load per weight.
    pub(super) fn lightest(
        &self,
        chance: &mut Chance<'_>,
        choices: u32,
        load: impl Fn(EndpointId) -> f64,
    ) -> Option<EndpointId> {
        let mut best = self.draw(chance, None)?;
        let per_weight = |m: Member| load(m.id) / f64::from(m.weight);
        let mut least = per_weight(best);
        for _ in 1..choices {
            let Some(other) = self.draw(chance, Some(best.id)) else {
                break;
            };
            let its = per_weight(other);
            if its < least {
                (best, least) = (other, its);
            }
        }
        Some(best.id)
    }

    /// An acceptable member other than `taken`, at random by weight.
    fn draw(&self, chance: &mut Chance<'_>, taken: Option<EndpointId>) -> Option<Member> {
        for _ in 0..DRAWS {
            let member = *self.members.get(self.position((chance.random)()))?;
            if taken != Some(member.id) && chance.accepts(member.id) && keeps(chance, member) {
                return Some(member);
            }
        }
        self.select(chance, taken)
    }

    fn position(&self, random: u64) -> usize {
        match self.bounds.last() {
            Some(&sum) => {
                let point = scale(random, sum);
                self.bounds.partition_point(|&bound| bound <= point)
            }
            None => scale(random, self.members.len() as u64) as usize,
        }
    }

    /// As [`draw`](Self::draw), in one pass over all members: each one replaces the choice so far
    /// with the probability of its share among those seen.
    fn select(&self, chance: &mut Chance<'_>, taken: Option<EndpointId>) -> Option<Member> {
        let mut chosen = None;
        let mut sum = 0;
        for &member in &self.members {
            if taken == Some(member.id) || !chance.accepts(member.id) {
                continue;
            }
            let weight = u64::from(chance.scene.warmed(member.id, member.weight));
            sum += weight;
            if scale((chance.random)(), sum) < weight {
                chosen = Some(member);
            }
        }
        chosen
    }
}

/// Whether an endpoint that was drawn by its full weight is kept, in proportion to what it has of
/// that weight now.
fn keeps(chance: &mut Chance<'_>, member: Member) -> bool {
    let factor = chance.scene.warmth(member.id);
    factor >= 1.0 || (chance.random)() as f64 <= factor * u64::MAX as f64
}

/// Draws before all members are looked at. Enough while at least half of the weight is usable.
const DRAWS: usize = 4;
