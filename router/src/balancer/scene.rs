//! What choices are made from: tiers, members, and how a cluster looks at a moment.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::cluster::LocalityId;
use crate::policy::Balancing;
use crate::slots::{EndpointId, Slots};

/// What endpoints are chosen from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tier {
    /// Those that are healthy.
    Healthy,
    /// Those that are degraded.
    Degraded,
    /// Whatever their health, but for those that drain.
    All,
}

impl Tier {
    pub(super) const EACH: [Self; 3] = [Self::Healthy, Self::Degraded, Self::All];
}

/// An endpoint that a group chooses from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Member {
    pub(super) id: EndpointId,
    pub(super) weight: u32,
    pub(super) priority: u32,
    pub(super) locality: LocalityId,
}

/// What a worker knows of a cluster, beside the state of its policy.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) slots: Slots,
    pub(super) balancing: Balancing,
    pub(super) locality_weights: BTreeMap<LocalityId, u32>,
    pub(super) seed: u64,
}

impl Ground {
    /// How it looks at a moment.
    pub(super) fn at(&self, now: Instant) -> Scene<'_> {
        Scene {
            slots: &self.slots,
            balancing: &self.balancing,
            locality_weights: &self.locality_weights,
            seed: self.seed,
            now,
        }
    }
}

/// What is known of a cluster at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) slots: &'a Slots,
    pub(super) balancing: &'a Balancing,
    pub(super) locality_weights: &'a BTreeMap<LocalityId, u32>,
    pub(super) seed: u64,
    pub(super) now: Instant,
}

impl Scene<'_> {
    /// What an endpoint has of its weight while it starts: more than 0, at most 1.
    pub(super) fn warmth(&self, id: EndpointId) -> f64 {
        let slow_start = self.balancing.slow_start.as_ref();
        slow_start.map_or(1.0, |slow| slow.factor(self.slots.age(id, self.now)))
    }

    /// The weight of an endpoint while it starts; comparable among those of one cluster.
    pub(super) fn warmed(&self, id: EndpointId, weight: u32) -> u32 {
        match &self.balancing.slow_start {
            None => weight,
            Some(_) => finely(f64::from(weight) * self.warmth(id)),
        }
    }

    /// The weight of an endpoint with requests in flight, as least request with a bias has it.
    pub(super) fn biased(&self, id: EndpointId, weight: u32, bias: f64) -> u32 {
        let active = f64::from(self.slots.active(id)) + 1.0;
        finely(f64::from(weight) * self.warmth(id) / active.powf(bias))
    }
}

/// What is needed for one choice.
pub(super) struct Chance<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) tier: Tier,
    pub(super) hash: Option<u64>,
    pub(super) exclude: &'a [EndpointId],
    pub(super) usable: &'a mut dyn FnMut(EndpointId) -> bool,
    pub(super) random: &'a mut dyn FnMut() -> u64,
}

impl Chance<'_> {
    /// Whether an endpoint may be chosen.
    pub(super) fn accepts(&mut self, id: EndpointId) -> bool {
        let slots = self.scene.slots;
        slots.is_in(id, self.tier)
            && slots.may_try(id)
            && !self.exclude.contains(&id)
            && (self.usable)(id)
    }
}

/// A fraction of a weight as a weight, 32 768 for one.
fn finely(weight: f64) -> u32 {
    ((weight * 32_768.0) as u32).max(1)
}
