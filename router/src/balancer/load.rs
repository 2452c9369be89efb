//! How requests are spread over priorities, and when health is disregarded.
//!
//! As Envoy's "Priority levels", "Degraded endpoints" and "Panic threshold" say. What a level can
//! carry is `min(100, factor * healthy / total)` percent of all requests. Lower levels get what
//! those above cannot carry; then degraded endpoints, level by level, what healthy ones cannot. If
//! all together cannot carry everything, each gets its share of what they can, and those with
//! fewer available endpoints than the threshold use all they have.

use super::scene::Tier;

/// Endpoints of one level, or one locality of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Census {
    pub(super) healthy: u64,
    pub(super) degraded: u64,
    /// All, with those that are neither.
    pub(super) total: u64,
}

/// Percentages of requests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Loads {
    /// Of healthy endpoints by level, then of degraded ones; their sum is 100 or 0.
    shares: Vec<u64>,
    /// Levels that use all they have.
    panicking: Vec<bool>,
}

impl Census {
    pub(super) fn add(&mut self, other: Self) {
        self.healthy += other.healthy;
        self.degraded += other.degraded;
        self.total += other.total;
    }

    /// Percentage of the requests that were meant for it that its healthy, or degraded, endpoints
    /// can carry.
    pub(super) fn capacity(&self, tier: Tier, factor: u32) -> u64 {
        let able = match tier {
            Tier::Healthy => self.healthy,
            Tier::Degraded => self.degraded,
            Tier::All => self.total,
        };
        let percent = (able * u64::from(factor)).checked_div(self.total);
        percent.unwrap_or_default().min(100)
    }

    fn available_percent(&self) -> u64 {
        let available = (self.healthy + self.degraded) * 100;
        available.checked_div(self.total).unwrap_or_default()
    }
}

impl Loads {
    /// For levels of these endpoints.
    pub(super) fn new(levels: &[Census], factor: u32, threshold: u32) -> Self {
        let capacity = |tier| levels.iter().map(move |l| l.capacity(tier, factor));
        let capacities: Vec<_> = capacity(Tier::Healthy)
            .chain(capacity(Tier::Degraded))
            .collect();
        let sum: u64 = capacities.iter().sum();
        let lacks = |l: &Census| sum < 100 && l.available_percent() < threshold.into();
        let panicking = levels.iter().map(lacks).collect();
        let shares = match sum {
            0 => all_to_the_first(levels, threshold),
            1..100 => in_proportion(&capacities, sum),
            _ => as_far_as_it_goes(&capacities),
        };
        Self { shares, panicking }
    }

    /// The level and tier for a request, by a `point` from 0 to 99.
    pub(super) fn at(&self, point: u64) -> Option<(usize, Tier)> {
        let mut sum = 0;
        let position = self.shares.iter().position(|share| {
            sum += share;
            point < sum
        });
        position.map(|at| self.name(at))
    }

    /// The level and tier that get every request, if it is one alone.
    pub(super) fn only(&self) -> Option<(usize, Tier)> {
        let position = self.shares.iter().position(|share| *share > 0)?;
        (self.shares[position] == 100).then(|| self.name(position))
    }

    /// Whether a level uses all it has.
    pub(super) fn panics(&self, level: usize) -> bool {
        self.panicking.get(level).copied().unwrap_or_default()
    }

    /// Percentages by level, of healthy endpoints and of degraded ones.
    #[cfg(test)]
    pub(super) fn shares(&self) -> (&[u64], &[u64]) {
        self.shares.split_at(self.panicking.len())
    }

    fn name(&self, position: usize) -> (usize, Tier) {
        let levels = self.panicking.len();
        match position < levels {
            true => (position, Tier::Healthy),
            false => (position - levels, Tier::Degraded),
        }
    }
}

/// Nobody can carry anything.
fn all_to_the_first(levels: &[Census], threshold: u32) -> Vec<u64> {
    let first = levels.iter().position(|l| l.total > 0);
    let first = first.filter(|_| threshold > 0);
    let share = |at| if Some(at) == first { 100 } else { 0 };
    (0..levels.len() * 2).map(share).collect()
}

fn as_far_as_it_goes(capacities: &[u64]) -> Vec<u64> {
    let mut rest = 100;
    let take = |capacity: &u64| {
        let share = rest.min(*capacity);
        rest -= share;
        share
    };
    capacities.iter().map(take).collect()
}

/// Whole percents that add up to 100: what rounding leaves goes to those that lost most by it.
fn in_proportion(capacities: &[u64], sum: u64) -> Vec<u64> {
    let mut shares: Vec<_> = capacities.iter().map(|c| c * 100 / sum).collect();
    let rest = 100 - shares.iter().sum::<u64>();
    let mut order: Vec<_> = (0..capacities.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(capacities[at] * 100 % sum));
    for at in order.into_iter().take(rest as usize) {
        shares[at] += 1;
    }
    shares
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
