//! Endpoints that requests of one kind choose from: all of a cluster, or a subset.
//!
//! ```text
//! Group ─▶ Level (priority) ─▶ Pool (locality) ─▶ endpoint
//!       by load             by weight          by policy
//! ```

use super::edf::Edf;
use super::load::{Census, Loads};
use super::pool::Pool;
use super::scene::{Chance, Member, Scene, Tier};
use crate::cluster::LocalityId;
use crate::hash::{mix, scale};
use crate::slots::EndpointId;

/// Endpoints by priority.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    levels: Vec<Level>,
    loads: Loads,
}

/// An endpoint that was chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picked {
    pub(super) id: EndpointId,
    /// Whatever its health, as too few others are left.
    pub(super) in_panic: bool,
}

/// Endpoints of one priority by locality.
#[derive(Clone, Debug)]
struct Level {
    pools: Vec<Pool>,
    /// Turns of the pools, by tier.
    turns: [Edf<usize>; 3],
    /// Sums of the weights of the pools, by tier.
    bounds: [Vec<u64>; 3],
}

impl Group {
    /// Makes `members` those to choose from.
    pub(super) fn update(&mut self, members: &[Member], scene: &Scene<'_>) {
        let levels = members.iter().map(|m| m.priority as usize + 1).max();
        let levels = levels.unwrap_or_default();
        self.levels.truncate(levels);
        self.levels.resize_with(levels, || Level::new(scene.seed));
        for (priority, level) in (0..).zip(&mut self.levels) {
            let own = members.iter().filter(|m| m.priority == priority);
            level.update(own.copied().collect(), scene);
        }
        self.file(scene);
    }

    /// Takes over how fit the endpoints are now.
    pub(super) fn refresh(&mut self, scene: &Scene<'_>) {
        let pools = self.levels.iter_mut().flat_map(|level| &mut level.pools);
        pools.for_each(|pool| pool.count(scene));
        self.file(scene);
    }

    /// Whether no endpoint is fit.
    pub(super) fn is_down(&self) -> bool {
        let fit = |pool: &Pool| pool.census.healthy + pool.census.degraded > 0;
        !self.levels.iter().flat_map(|l| &l.pools).any(fit)
    }

    /// Whether a level uses all it has.
    pub(super) fn panics(&self) -> bool {
        (0..self.levels.len()).any(|level| self.loads.panics(level))
    }

    pub(super) fn pick(&mut self, chance: &mut Chance<'_>) -> Option<Picked> {
        let first = self.loads.only().or_else(|| {
            let random = chance.hash.map(mix).unwrap_or_else(|| (chance.random)());
            self.loads.at(scale(random, 100))
        })?;
        let picked = self.pick_from(first, chance);
        picked.or_else(|| {
            // None there is usable just now: anybody that is fit is better than nobody.
            let levels = 0..self.levels.len();
            let tiers = [Tier::Healthy, Tier::Degraded].into_iter();
            let mut others = tiers.flat_map(|tier| levels.clone().map(move |level| (level, tier)));
            others.find_map(|other| (other != first).then(|| self.pick_from(other, chance))?)
        })
    }

    fn pick_from(
        &mut self,
        (level, tier): (usize, Tier),
        chance: &mut Chance<'_>,
    ) -> Option<Picked> {
        let in_panic = self.loads.panics(level);
        chance.tier = if in_panic { Tier::All } else { tier };
        let id = self.levels[level].pick(chance)?;
        Some(Picked { id, in_panic })
    }

    fn file(&mut self, scene: &Scene<'_>) {
        let census: Vec<_> = self.levels.iter().map(Level::census).collect();
        let balancing = scene.balancing;
        let factor = balancing.overprovisioning_factor;
        self.loads = Loads::new(&census, factor, balancing.panic_threshold);
        for (at, level) in self.levels.iter_mut().enumerate() {
            level.file(self.loads.panics(at), scene);
        }
    }
}

impl Level {
    fn new(seed: u64) -> Self {
        Self {
            pools: Vec::new(),
            turns: Tier::EACH.map(|_| Edf::new(seed)),
            bounds: Default::default(),
        }
    }

    fn update(&mut self, members: Vec<Member>, scene: &Scene<'_>) {
        let locality = |m: &Member| scene.balancing.locality_weighted.then_some(m.locality);
        let mut localities: Vec<_> = members.iter().map(locality).collect();
        localities.sort_unstable();
        localities.dedup();
        let mut old = std::mem::take(&mut self.pools);
        let mut pool = |wanted: Option<LocalityId>| {
            let known = old.iter().position(|pool| pool.locality == wanted);
            let known = known.map(|at| old.swap_remove(at));
            let mut pool = known.unwrap_or_else(|| Pool::new(scene, wanted));
            let own = members.iter().filter(|m| locality(m) == wanted);
            pool.update(own.copied().collect(), scene);
            pool
        };
        self.pools = localities.into_iter().map(&mut pool).collect();
    }

    fn file(&mut self, panics: bool, scene: &Scene<'_>) {
        for pool in &mut self.pools {
            pool.file(panics, scene);
        }
        for tier in Tier::EACH {
            let weights = self.pools.iter().map(|pool| pool_weight(pool, tier, scene));
            let weights: Vec<_> = weights.collect();
            let able = weights.iter().copied().enumerate().filter(|(_, w)| *w > 0);
            self.turns[tier as usize].update(able, |_, weight| weight);
            let sums = weights.iter().scan(0, |sum, weight| {
                *sum += u64::from(*weight);
                Some(*sum)
            });
            self.bounds[tier as usize] = sums.collect();
        }
    }

    fn pick(&mut self, chance: &mut Chance<'_>) -> Option<EndpointId> {
        if let [pool] = &mut self.pools[..]
            && pool.locality.is_none()
        {
            return pool.pick(chance);
        }
        let tier = chance.tier as usize;
        if chance.scene.balancing.policy.is_hash() {
            return self.pick_by_hash(tier, chance);
        }
        let mut picked = None;
        let pools = &mut self.pools;
        let accepts = |at: usize| {
            picked = pools[at].pick(chance);
            picked.is_some()
        };
        self.turns[tier].pick(accepts, |_, weight| weight)?;
        picked
    }

    /// Of the same hash, always the same locality while weights and health stay.
    fn pick_by_hash(&mut self, tier: usize, chance: &mut Chance<'_>) -> Option<EndpointId> {
        let hash = chance.hash.unwrap_or_else(|| (chance.random)());
        let bounds = &self.bounds[tier];
        let sum = bounds.last().copied().filter(|sum| *sum > 0)?;
        // Not the bits that decided about the priority, nor those that will about the endpoint.
        let point = scale(mix(hash ^ LOCALITY), sum);
        let first = bounds.partition_point(|bound| *bound <= point);
        let pools = self.pools.len();
        let weighs = |at: usize| bounds[at] > at.checked_sub(1).map_or(0, |at| bounds[at]);
        let mut order = (first..first + pools).map(|at| at % pools);
        order.find_map(|at| weighs(at).then(|| self.pools[at].pick(chance))?)
    }

    fn census(&self) -> Census {
        let mut sum = Census::default();
        self.pools.iter().for_each(|pool| sum.add(pool.census));
        sum
    }
}

/// The weight of a locality, as far as its endpoints of a tier can carry it.
fn pool_weight(pool: &Pool, tier: Tier, scene: &Scene<'_>) -> u32 {
    let weight = pool.locality.map_or(1, |locality| {
        let weights = scene.locality_weights;
        weights.get(&locality).copied().unwrap_or_default()
    });
    let factor = scene.balancing.overprovisioning_factor;
    let weight = u64::from(weight) * pool.census.capacity(tier, factor);
    weight.min(u32::MAX.into()) as u32
}

const LOCALITY: u64 = 0x6c6f_6361_6c69_7479;
