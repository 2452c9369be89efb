//! What workers counted up to a moment, to be sent between threads and added up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use sabir_core::outcome::{Code, Party};

use super::histogram::Histogram;
use super::metric::{Counter, Gauge};
use super::series::Series;

/// What workers counted up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How many workers' counters these are.
    pub workers: usize,
    /// By the name of the listener.
    pub listeners: BTreeMap<Arc<str>, ScopeValues>,
    /// By the name of the cluster.
    pub clusters: BTreeMap<Arc<str>, ScopeValues>,
    /// Requests, by what they have in common.
    pub series: BTreeMap<SeriesLabels, SeriesValues>,
    /// Requests that were put under `_other` because there was no room for another series.
    pub series_overflow: u64,
}

/// What the requests of one series have in common.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SeriesLabels {
    /// Name of the listener they came through.
    pub listener: Arc<str>,
    /// Name of the cluster they went to; `None` if to none.
    pub cluster: Option<Arc<str>>,
    /// Service they were for; empty if they did not say.
    pub service: Arc<str>,
    /// Method they were for; empty if they did not say.
    pub method: Arc<str>,
}

/// How the requests of one series ended.
#[derive(Clone, Debug, Default)]
pub struct SeriesValues {
    /// How often each outcome was seen.
    pub tallies: Vec<Tally>,
    /// How long they took.
    pub histogram: Box<Histogram>,
}

/// How often an outcome was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tally {
    /// What happened.
    pub code: Code,
    /// Who brought it about.
    pub party: Party,
    /// How often.
    pub count: u64,
}

/// Counters and gauges of one listener or cluster.
#[derive(Clone, Debug, Default)]
pub struct ScopeValues {
    counters: Vec<u64>,
    gauges: Vec<i64>,
}

impl Snapshot {
    /// Adds what other workers counted.
    pub fn merge(&mut self, other: Self) {
        self.workers += other.workers;
        self.series_overflow += other.series_overflow;
        for (name, values) in other.listeners {
            self.listeners.entry(name).or_default().merge(&values);
        }
        for (name, values) in other.clusters {
            self.clusters.entry(name).or_default().merge(&values);
        }
        for (labels, values) in other.series {
            self.add_series(labels, values);
        }
    }

    pub(super) fn add_series(&mut self, labels: SeriesLabels, values: SeriesValues) {
        match self.series.entry(labels) {
            Entry::Vacant(entry) => {
                entry.insert(values);
            }
            Entry::Occupied(mut entry) => entry.get_mut().merge(&values),
        }
    }
}

impl SeriesValues {
    pub(super) fn of(series: &Series) -> Self {
        Self {
            tallies: series.tallies.clone(),
            histogram: series.histogram.clone().unwrap_or_default(),
        }
    }

    /// How many requests have ended.
    pub fn count(&self) -> u64 {
        self.tallies.iter().map(|t| t.count).sum()
    }

    fn merge(&mut self, other: &Self) {
        for tally in &other.tallies {
            let is_same = |t: &&mut Tally| t.code == tally.code && t.party == tally.party;
            match self.tallies.iter_mut().find(is_same) {
                Some(mine) => mine.count += tally.count,
                None => self.tallies.push(*tally),
            }
        }
        self.histogram.merge(&other.histogram);
    }
}

impl ScopeValues {
    pub(super) fn new(counters: &[u64], gauges: &[i64]) -> Self {
        Self {
            counters: counters.to_vec(),
            gauges: gauges.to_vec(),
        }
    }

    /// What `counter` says.
    pub fn counter<C: Counter>(&self, counter: C) -> u64 {
        let value = self.counters.get(counter.index());
        value.copied().unwrap_or_default()
    }

    /// What `gauge` says.
    pub fn gauge<G: Gauge>(&self, gauge: G) -> i64 {
        let value = self.gauges.get(gauge.index());
        value.copied().unwrap_or_default()
    }

    fn merge(&mut self, other: &Self) {
        self.counters
            .resize(self.counters.len().max(other.counters.len()), 0);
        for (mine, theirs) in self.counters.iter_mut().zip(&other.counters) {
            *mine = mine.wrapping_add(*theirs);
        }
        self.gauges
            .resize(self.gauges.len().max(other.gauges.len()), 0);
        for (mine, theirs) in self.gauges.iter_mut().zip(&other.gauges) {
            *mine += theirs;
        }
    }
}
