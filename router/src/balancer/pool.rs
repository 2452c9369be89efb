//! The endpoints of one priority and locality, and the policy's state over them.

use super::draws::Draws;
use super::edf::Edf;
use super::hashed::Hashed;
use super::load::Census;
use super::scene::{Chance, Member, Scene, Tier};
use crate::cluster::{Health, LocalityId};
use crate::policy::{LbPolicy, LeastRequest, PeakEwma};
use crate::slots::EndpointId;

/// Endpoints that a policy chooses among.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// `None` where localities do not count.
    pub(super) locality: Option<LocalityId>,
    pub(super) census: Census,
    members: Vec<Member>,
    state: State,
}

/// A policy's state.
#[derive(Clone, Debug)]
enum State {
    /// Over all of them.
    Hashed(Hashed),
    /// Over those of each tier.
    Tiers([Scheduler; 3]),
}

/// A policy and its state over one list of members.
#[derive(Clone, Debug)]
enum Scheduler {
    RoundRobin(Edf<EndpointId>),
    LeastRequest(LeastRequest, Draws),
    /// Least request with a bias, where weights differ.
    Biased(f64, Edf<EndpointId>),
    Random(Draws),
    PeakEwma(PeakEwma, Draws),
}

impl Pool {
    pub(super) fn new(scene: &Scene<'_>, locality: Option<LocalityId>) -> Self {
        let policy = &scene.balancing.policy;
        let state = Hashed::new(policy).map_or_else(
            || State::Tiers(Tier::EACH.map(|_| Scheduler::new(policy, scene.seed))),
            State::Hashed,
        );
        Self {
            locality,
            census: Census::default(),
            members: Vec::new(),
            state,
        }
    }

    /// Makes `members` those to choose from.
    pub(super) fn update(&mut self, members: Vec<Member>, scene: &Scene<'_>) {
        self.members = members;
        if let State::Hashed(hashed) = &mut self.state {
            hashed.update(&self.members, scene.slots);
        }
        self.count(scene);
    }

    /// Takes over how fit the endpoints are now.
    pub(super) fn count(&mut self, scene: &Scene<'_>) {
        self.census = Census::default();
        for member in &self.members {
            let health = scene.slots.health(member.id);
            self.census.add(Census {
                healthy: u64::from(health <= Health::Healthy),
                degraded: u64::from(health == Health::Degraded),
                total: 1,
            });
        }
    }

    /// Files the endpoints under what they are fit for; under [`Tier::All`] only if they are to
    /// be used so.
    pub(super) fn file(&mut self, panics: bool, scene: &Scene<'_>) {
        let tiers = match &mut self.state {
            State::Hashed(hashed) => return hashed.sort_by_health(scene.slots),
            State::Tiers(tiers) => tiers,
        };
        for tier in Tier::EACH {
            let wanted = tier != Tier::All || panics;
            let fit = |m: &&Member| wanted && scene.slots.is_in(m.id, tier);
            let members: Vec<_> = self.members.iter().filter(fit).copied().collect();
            tiers[tier as usize].update(&members, scene);
        }
    }

    pub(super) fn pick(&mut self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        match &mut self.state {
            State::Hashed(hashed) => hashed.pick(chance),
            State::Tiers(tiers) => tiers[chance.tier as usize].pick(chance),
        }
    }
}

impl Scheduler {
    fn new(policy: &LbPolicy, seed: u64) -> Self {
        match policy {
            LbPolicy::LeastRequest(settings) => Self::LeastRequest(*settings, Draws::default()),
            LbPolicy::Random => Self::Random(Draws::default()),
            LbPolicy::PeakEwma(settings) => Self::PeakEwma(*settings, Draws::default()),
            // The others have a state of their own.
            LbPolicy::RoundRobin | LbPolicy::RingHash(_) | LbPolicy::Maglev(_) => {
                Self::RoundRobin(Edf::new(seed))
            }
        }
    }

    fn update(&mut self, members: &[Member], scene: &Scene<'_>) {
        if let LbPolicy::LeastRequest(settings) = scene.balancing.policy {
            self.bias(settings, members, scene.seed);
        }
        match self {
            Self::RoundRobin(turns) => turns.update(weights(members), |id, w| scene.warmed(id, w)),
            Self::Biased(bias, turns) => {
                turns.update(weights(members), |id, w| scene.biased(id, w, *bias));
            }
            Self::LeastRequest(_, draws) | Self::Random(draws) | Self::PeakEwma(_, draws) => {
                draws.update(members);
            }
        }
    }

    /// Decides between the two forms of least request.
    fn bias(&mut self, settings: LeastRequest, members: &[Member], seed: u64) {
        let first = members.first().map(|m| m.weight);
        let is_even = members.iter().all(|m| Some(m.weight) == first);
        match (settings.active_request_bias.filter(|_| !is_even), &self) {
            (Some(bias), Self::LeastRequest(..)) => *self = Self::Biased(bias, Edf::new(seed)),
            (None, Self::Biased(..)) => *self = Self::LeastRequest(settings, Draws::default()),
            _ => {}
        }
    }

    fn pick(&mut self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        let scene = chance.scene;
        match self {
            Self::RoundRobin(turns) => {
                turns.pick(|id| chance.accepts(id), |id, w| scene.warmed(id, w))
            }
            Self::Biased(bias, turns) => {
                turns.pick(|id| chance.accepts(id), |id, w| scene.biased(id, w, *bias))
            }
            Self::LeastRequest(settings, draws) => {
                let active = |id| f64::from(scene.slots.active(id));
                draws.lightest(chance, settings.choice_count, active)
            }
            Self::Random(draws) => draws.pick(chance),
            Self::PeakEwma(settings, draws) => {
                let cost = |id| scene.slots.cost(id, settings, scene.now);
                draws.lightest(chance, 2, cost)
            }
        }
    }
}

fn weights(members: &[Member]) -> impl Iterator<Item = (EndpointId, u32)> {
    members.iter().map(|member| (member.id, member.weight))
}
