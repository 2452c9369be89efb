//! Least request: the power of two choices.
//!
//! Two endpoints are drawn by weight; the one with fewer requests in flight per weight gets the
//! next. When nothing is in flight, requests are therefore spread by weight alone.

use super::{Chance, Member};
use crate::hash::scale;
use crate::slots::EndpointId;

#[derive(Clone, Debug, Default)]
pub(super) struct LeastRequest {
    members: Vec<Member>,
    /// For each member, the sum of the weights up to and with its own.
    bounds: Vec<u64>,
}

impl LeastRequest {
    pub(super) fn update(&mut self, members: &[Member]) {
        self.members = members.to_vec();
        self.bounds = members
            .iter()
            .scan(0, |sum, member| {
                *sum += u64::from(member.weight);
                Some(*sum)
            })
            .collect();
    }

    pub(super) fn pick(&self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        let first = self.draw(chance, None)?;
        let Some(second) = self.draw(chance, Some(first.id)) else {
            return Some(first.id);
        };
        let load =
            |a: Member, b: Member| u64::from(chance.slots.active(a.id)) * u64::from(b.weight);
        let is_lighter = load(second, first) < load(first, second);
        Some(if is_lighter { second.id } else { first.id })
    }

    /// A usable member other than `taken`, at random by weight.
    fn draw(&self, chance: &mut Chance<'_>, taken: Option<EndpointId>) -> Option<Member> {
        let sum = *self.bounds.last()?;
        for _ in 0..DRAWS {
            let point = scale((chance.random)(), sum);
            let member = self.members[self.bounds.partition_point(|&b| b <= point)];
            if taken != Some(member.id) && (chance.usable)(member.id) {
                return Some(member);
            }
        }
        self.select(chance, taken)
    }

    /// As [`draw`](Self::draw), in one pass over all members: each one replaces the choice so far
    /// with the probability of its share among those seen.
    fn select(&self, chance: &mut Chance<'_>, taken: Option<EndpointId>) -> Option<Member> {
        let mut chosen = None;
        let mut sum = 0;
        for &member in &self.members {
            if taken == Some(member.id) || !(chance.usable)(member.id) {
                continue;
            }
            sum += u64::from(member.weight);
            if scale((chance.random)(), sum) < u64::from(member.weight) {
                chosen = Some(member);
            }
        }
        chosen
    }
}

/// Draws before all members are looked at. Enough while at least half of the weight is usable.
const DRAWS: usize = 4;
