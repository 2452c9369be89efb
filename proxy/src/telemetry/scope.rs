//! Counters and gauges of everything of one kind: all listeners, or all clusters, of a worker.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::metric::Metric;
use super::snapshot::ScopeValues;

/// A listener's counters in one worker.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ListenerId(pub(super) u32);

/// A cluster's counters in one worker.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ClusterId(pub(super) u32);

/// What a metric belongs to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Owner {
    /// A listener.
    Listener(ListenerId),
    /// A cluster.
    Cluster(ClusterId),
}

impl From<ListenerId> for Owner {
    fn from(id: ListenerId) -> Self {
        Self::Listener(id)
    }
}

impl From<ClusterId> for Owner {
    fn from(id: ClusterId) -> Self {
        Self::Cluster(id)
    }
}

/// Names in the order they were first seen, with a row of counters and of gauges for each.
#[derive(Debug, Default)]
pub(super) struct Scope {
    names: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
    counters: Vec<u64>,
    gauges: Vec<i64>,
    /// Faults of peers by row and name. There are as many as protocols have names for them.
    faults: BTreeMap<(u32, &'static str), u64>,
    /// What filters counted, by row. Few enough to be looked through.
    filters: BTreeMap<u32, Vec<FilterCounts>>,
}

/// What the filters of one name counted, by result.
#[derive(Debug)]
struct FilterCounts {
    name: Arc<str>,
    results: BTreeMap<&'static str, u64>,
}

impl Scope {
    /// The row of `name`, made if there is none, for `C` and `G`.
    pub(super) fn intern<C: Metric, G: Metric>(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let name: Arc<str> = name.into();
        let id = self.names.len() as u32;
        self.names.push(name.clone());
        self.ids.insert(name, id);
        self.counters.resize(self.names.len() * C::ALL.len(), 0);
        self.gauges.resize(self.names.len() * G::ALL.len(), 0);
        id
    }

    #[inline]
    pub(super) fn add<C: Metric>(&mut self, counter: C, id: u32, count: u64) {
        let at = id as usize * C::ALL.len() + counter.index();
        if let Some(value) = self.counters.get_mut(at) {
            *value = value.wrapping_add(count);
        }
    }

    pub(super) fn fault(&mut self, id: u32, name: &'static str) {
        *self.faults.entry((id, name)).or_default() += 1;
    }

    pub(super) fn filter(&mut self, id: u32, name: &Arc<str>, result: &'static str) {
        let filters = self.filters.entry(id).or_default();
        let known = filters.iter().position(|filter| filter.name == *name);
        let at = known.unwrap_or_else(|| {
            // Names come and go with configurations; counters stay.
            let name = match filters.len() < MOST_FILTERS {
                true => name.clone(),
                false => "_other".into(),
            };
            let at = filters.len().min(MOST_FILTERS);
            if filters.len() == at {
                let results = BTreeMap::new();
                filters.push(FilterCounts { name, results });
            }
            at
        });
        *filters[at].results.entry(result).or_default() += 1;
    }

    #[inline]
    pub(super) fn adjust<G: Metric>(&mut self, gauge: G, id: u32, by: i64) {
        let at = id as usize * G::ALL.len() + gauge.index();
        if let Some(value) = self.gauges.get_mut(at) {
            *value += by;
        }
    }

    pub(super) fn counter<C: Metric>(&self, counter: C, id: u32) -> u64 {
        let at = id as usize * C::ALL.len() + counter.index();
        self.counters.get(at).copied().unwrap_or_default()
    }

    pub(super) fn gauge<G: Metric>(&self, gauge: G, id: u32) -> i64 {
        let at = id as usize * G::ALL.len() + gauge.index();
        self.gauges.get(at).copied().unwrap_or_default()
    }

    pub(super) fn name(&self, id: u32) -> Arc<str> {
        self.names.get(id as usize).cloned().unwrap_or_default()
    }

    /// A copy of every row, by name.
    pub(super) fn rows<C: Metric, G: Metric>(
        &self,
    ) -> impl Iterator<Item = (Arc<str>, ScopeValues)> {
        let counters = self.counters.chunks(C::ALL.len());
        let gauges = self.gauges.chunks(G::ALL.len());
        self.names.iter().zip(counters.zip(gauges)).zip(0..).map(
            |((name, (counters, gauges)), id)| {
                let values = ScopeValues::new(counters, gauges, self.faults_of(id))
                    .with_filters(self.filters_of(id));
                (name.clone(), values)
            },
        )
    }

    fn filters_of(&self, id: u32) -> BTreeMap<(Arc<str>, &'static str), u64> {
        let filters = self.filters.get(&id).into_iter().flatten();
        let counts = filters.flat_map(|FilterCounts { name, results }| {
            let count = |(&result, &count)| ((name.clone(), result), count);
            results.iter().map(count)
        });
        counts.collect()
    }

    fn faults_of(&self, id: u32) -> BTreeMap<&'static str, u64> {
        let of_row = self.faults.range((id, "")..(id + 1, ""));
        of_row.map(|(&(_, name), &count)| (name, count)).collect()
    }
}

/// Names of filters that are told apart for each listener; the others are `_other`.
const MOST_FILTERS: usize = 256;
