//! What workers counted up to a moment, to be sent between threads and added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use sabir_core::outcome::{Code, Party};

use super::histogram::{Histogram, Packed};
use super::metric::{ClusterCounter, ClusterGauge, Counter, Gauge, Metric};

/// A copy of what one worker counted up to a moment, as cheap for the worker as it can be.
/// [`Summary::of`] makes something readable of it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub(super) listeners: Vec<(Arc<str>, ScopeValues)>,
    pub(super) clusters: Vec<(Arc<str>, ScopeValues)>,
    pub(super) series: Vec<SeriesCopy>,
    pub(super) series_overflow: u64,
}

/// A copy of one series.
#[derive(Clone, Debug)]
pub(super) struct SeriesCopy {
    pub(super) labels: SeriesLabels,
    pub(super) tallies: Vec<Tally>,
    /// `None` if no request of it has ended.
    pub(super) histogram: Option<Packed>,
}

/// What all workers together counted up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Summary {
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
    faults: BTreeMap<&'static str, u64>,
    filters: BTreeMap<(Arc<str>, &'static str), u64>,
}

impl Summary {
    /// The sum of what these workers counted. Leave out those that did not answer.
    pub fn of(snapshots: impl IntoIterator<Item = Snapshot>) -> Self {
        let mut sum = Self::default();
        for snapshot in snapshots {
            sum.add(snapshot);
        }
        sum
    }

    /// Says what no worker counts, because it is the same for all of them.
    pub(crate) fn set_cluster(
        &mut self,
        name: &Arc<str>,
        counters: impl IntoIterator<Item = (ClusterCounter, u64)>,
        gauges: impl IntoIterator<Item = (ClusterGauge, i64)>,
    ) {
        let values = self.clusters.entry(name.clone()).or_default();
        values.counters.resize(ClusterCounter::ALL.len(), 0);
        values.gauges.resize(ClusterGauge::ALL.len(), 0);
        for (counter, value) in counters {
            values.counters[counter.index()] = value;
        }
        for (gauge, value) in gauges {
            values.gauges[gauge.index()] = value;
        }
    }

    fn add(&mut self, snapshot: Snapshot) {
        self.workers += 1;
        self.series_overflow += snapshot.series_overflow;
        for (name, values) in snapshot.listeners {
            self.listeners.entry(name).or_default().merge(&values);
        }
        for (name, values) in snapshot.clusters {
            self.clusters.entry(name).or_default().merge(&values);
        }
        for SeriesCopy {
            labels,
            tallies,
            histogram,
        } in snapshot.series
        {
            // It may be there from the same worker: names that differ in bytes nobody can see
            // look the same.
            let values = self.series.entry(labels).or_default();
            values.add(&tallies, histogram.as_ref());
        }
    }
}

impl SeriesValues {
    /// How many requests have ended.
    pub fn count(&self) -> u64 {
        self.tallies.iter().map(|t| t.count).sum()
    }

    fn add(&mut self, tallies: &[Tally], histogram: Option<&Packed>) {
        for tally in tallies {
            let is_same = |t: &&mut Tally| t.code == tally.code && t.party == tally.party;
            match self.tallies.iter_mut().find(is_same) {
                Some(mine) => mine.count += tally.count,
                None => self.tallies.push(*tally),
            }
        }
        if let Some(histogram) = histogram {
            self.histogram.add(histogram);
        }
    }
}

impl ScopeValues {
    pub(super) fn new(
        counters: &[u64],
        gauges: &[i64],
        faults: BTreeMap<&'static str, u64>,
    ) -> Self {
        Self {
            faults,
            counters: counters.to_vec(),
            gauges: gauges.to_vec(),
            filters: BTreeMap::new(),
        }
    }

    pub(super) fn with_filters(mut self, filters: BTreeMap<(Arc<str>, &'static str), u64>) -> Self {
        self.filters = filters;
        self
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

    /// How often peers did what their protocol or a limit does not allow, by name.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.faults.iter().map(|(&name, &count)| (name, count))
    }

    /// What filters counted: name of the filter, result, how often.
    pub fn filters(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        let filters = self.filters.iter();
        filters.map(|((name, result), &count)| (&**name, *result, count))
    }

    fn merge(&mut self, other: &Self) {
        for (key, count) in &other.filters {
            *self.filters.entry(key.clone()).or_default() += count;
        }
        for (name, count) in other.faults() {
            *self.faults.entry(name).or_default() += count;
        }
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
