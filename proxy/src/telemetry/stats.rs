//! Counters of one worker, written by it alone.

use std::sync::Arc;
use std::time::Duration;

use sabir_core::outcome::Outcome;

use super::metric::{ClusterCounter, ClusterGauge, Counter, Gauge, ListenerCounter, ListenerGauge};
use super::scope::{ClusterId, ListenerId, Owner, Scope};
use super::series::{Series, SeriesId, SeriesTable};
use super::snapshot::{SeriesCopy, SeriesLabels, Snapshot};

/// Series of requests that each worker tells apart, unless configured otherwise.
pub const DEFAULT_MAX_SERIES: usize = 2000;

/// Counters of one worker: plain numbers, which nobody else reads. Whoever wants to know asks the
/// worker for a [`snapshot`](Self::snapshot).
///
/// Ids are one worker's own. They stay valid, and mean the same name, for as long as it lives;
/// what is no longer configured keeps its counters, as Prometheus expects.
#[derive(Debug)]
pub struct WorkerStats {
    listeners: Scope,
    clusters: Scope,
    series: SeriesTable,
}

impl WorkerStats {
    /// Counters that tell at most `max_series` series of requests apart, plus one `_other` for
    /// each listener and cluster.
    pub fn new(max_series: usize) -> Self {
        Self {
            listeners: Scope::default(),
            clusters: Scope::default(),
            series: SeriesTable::new(max_series),
        }
    }

    /// The id of the listener of this name; the same name always has the same one.
    pub fn listener(&mut self, name: &str) -> ListenerId {
        let id = self
            .listeners
            .intern::<ListenerCounter, ListenerGauge>(name);
        ListenerId(id)
    }

    /// The id of the cluster of this name; the same name always has the same one.
    pub fn cluster(&mut self, name: &str) -> ClusterId {
        let id = self.clusters.intern::<ClusterCounter, ClusterGauge>(name);
        ClusterId(id)
    }

    /// The series of a request for `service` and `method` that came through `listener` and goes to
    /// `cluster`, or to none. Allocates only when the series is new.
    ///
    /// Names are told apart by their first 128 bytes. When there is no room for another series,
    /// service and method are `_other`.
    pub fn series(
        &mut self,
        listener: ListenerId,
        cluster: Option<ClusterId>,
        service: &[u8],
        method: &[u8],
    ) -> SeriesId {
        self.series.find(listener, cluster, service, method)
    }

    /// Counts a request of `series` that took `elapsed` and ended with `outcome`.
    #[inline]
    pub fn record(&mut self, series: SeriesId, outcome: Outcome, elapsed: Duration) {
        self.series.record(series, outcome, elapsed);
    }

    /// Adds `count` to a counter of a listener or cluster.
    #[inline]
    pub fn add<C: Counter>(&mut self, counter: C, of: C::Id, count: u64) {
        match of.into() {
            Owner::Listener(id) => self.listeners.add(counter, id.0, count),
            Owner::Cluster(id) => self.clusters.add(counter, id.0, count),
        }
    }

    /// Counts what a peer of a listener or cluster did that its protocol or a limit does not allow.
    pub fn fault(&mut self, of: impl Into<Owner>, name: &'static str) {
        match of.into() {
            Owner::Listener(id) => self.listeners.fault(id.0, name),
            Owner::Cluster(id) => self.clusters.fault(id.0, name),
        }
    }

    /// Counts a result of the filter of this name. Beyond 256 names for a listener, it is `_other`.
    pub fn filter(&mut self, of: ListenerId, name: &Arc<str>, result: &'static str) {
        self.listeners.filter(of.0, name, result);
    }

    /// Changes a gauge of a listener or cluster.
    #[inline]
    pub fn adjust<G: Gauge>(&mut self, gauge: G, of: G::Id, by: i64) {
        match of.into() {
            Owner::Listener(id) => self.listeners.adjust(gauge, id.0, by),
            Owner::Cluster(id) => self.clusters.adjust(gauge, id.0, by),
        }
    }

    /// What `counter` says.
    pub fn counter<C: Counter>(&self, counter: C, of: C::Id) -> u64 {
        match of.into() {
            Owner::Listener(id) => self.listeners.counter(counter, id.0),
            Owner::Cluster(id) => self.clusters.counter(counter, id.0),
        }
    }

    /// What `gauge` says.
    pub fn gauge<G: Gauge>(&self, gauge: G, of: G::Id) -> i64 {
        match of.into() {
            Owner::Listener(id) => self.listeners.gauge(gauge, id.0),
            Owner::Cluster(id) => self.clusters.gauge(gauge, id.0),
        }
    }

    /// A copy of everything, to be sent to whoever asked.
    pub fn snapshot(&self) -> Snapshot {
        let listeners = self.listeners.rows::<ListenerCounter, ListenerGauge>();
        let clusters = self.clusters.rows::<ClusterCounter, ClusterGauge>();
        let series = self.series.iter();
        Snapshot {
            listeners: listeners.collect(),
            clusters: clusters.collect(),
            series: series.map(|s| self.copy(s)).collect(),
            series_overflow: self.series.overflow,
        }
    }

    fn copy(&self, series: &Series) -> SeriesCopy {
        SeriesCopy {
            labels: SeriesLabels {
                listener: self.listeners.name(series.listener.0),
                cluster: series.cluster.map(|id| self.clusters.name(id.0)),
                service: series.service.clone(),
                method: series.method.clone(),
            },
            tallies: series.tallies.clone(),
            histogram: series.histogram.as_ref().map(|h| h.pack()),
        }
    }
}

impl Default for WorkerStats {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_SERIES)
    }
}

#[cfg(test)]
mod tests {
    use sabir_core::outcome::Code;

    use super::super::snapshot::Summary;
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn ids_are_stable_and_counters_apart() {
        let mut stats = WorkerStats::default();
        let (a, b) = (stats.listener("a"), stats.listener("b"));
        assert_eq!(stats.listener("a"), a);
        let cluster = stats.cluster("a");
        stats.add(ListenerCounter::CxTotal, a, 2);
        stats.add(ClusterCounter::CxTotal, cluster, 3);
        stats.adjust(ListenerGauge::CxActive, b, 2);
        stats.adjust(ListenerGauge::CxActive, b, -1);
        assert_eq!(stats.counter(ListenerCounter::CxTotal, a), 2);
        assert_eq!(stats.counter(ListenerCounter::CxTotal, b), 0);
        assert_eq!(stats.counter(ClusterCounter::CxTotal, cluster), 3);
        assert_eq!(stats.gauge(ListenerGauge::CxActive, b), 1);
    }

    #[test]
    fn snapshots_have_everything_and_add_up() {
        let mut stats = WorkerStats::default();
        let (listener, cluster) = (stats.listener("l"), stats.cluster("c"));
        let series = stats.series(listener, Some(cluster), b"s", b"m");
        stats.record(series, Outcome::OK, millis(1));
        stats.record(series, Outcome::refused(Code::TimedOut), millis(2));
        stats.record(series, Outcome::OK, millis(3));
        stats.add(ClusterCounter::RqTotal, cluster, 3);
        stats.adjust(ListenerGauge::CxActive, listener, 1);

        let summary = Summary::of([stats.snapshot(), stats.snapshot()]);
        assert_eq!(summary.workers, 2);
        let clusters = &summary.clusters["c"];
        assert_eq!(clusters.counter(ClusterCounter::RqTotal), 6);
        assert_eq!(summary.listeners["l"].gauge(ListenerGauge::CxActive), 2);
        let (labels, values) = summary.series.iter().next().unwrap();
        assert_eq!(labels.cluster.as_deref(), Some("c"));
        let counts: Vec<u64> = values.tallies.iter().map(|t| t.count).collect();
        assert_eq!(counts, [4, 2]);
        assert_eq!(values.histogram.count(), 6);
    }

    #[test]
    fn filters_have_their_results_up_to_a_bound() {
        let mut stats = WorkerStats::default();
        let listener = stats.listener("l");
        for n in 0..300 {
            stats.filter(listener, &n.to_string().into(), "ok");
        }
        stats.filter(listener, &"7".into(), "ok");
        stats.filter(listener, &"7".into(), "denied");
        let summary = Summary::of([stats.snapshot(), stats.snapshot()]);
        let counts: Vec<_> = summary.listeners["l"].filters().collect();
        assert_eq!(counts.len(), 258);
        for count in [("7", "ok", 4), ("7", "denied", 2), ("_other", "ok", 88)] {
            assert!(counts.contains(&count), "{count:?}: {counts:?}");
        }
    }

    #[test]
    fn names_that_look_the_same_are_one_series_to_the_reader() {
        let mut stats = WorkerStats::default();
        let listener = stats.listener("l");
        for service in [b"\xff", b"\xfe"] {
            let series = stats.series(listener, None, service, b"");
            stats.record(series, Outcome::OK, millis(1));
        }
        let summary = Summary::of([stats.snapshot()]);
        assert_eq!(summary.series.len(), 1);
        let values = summary.series.values().next().unwrap();
        assert_eq!(values.histogram.count(), 2);
    }

    #[test]
    fn a_request_of_a_known_series_allocates_nothing() {
        let mut stats = WorkerStats::default();
        let (listener, cluster) = (stats.listener("l"), stats.cluster("c"));
        let filter: Arc<str> = "limit".into();
        let mut count = |times| {
            for _ in 0..times {
                let series = stats.series(listener, Some(cluster), b"service", b"method");
                stats.record(series, Outcome::OK, millis(1));
                stats.add(ListenerCounter::RqTotal, listener, 1);
                stats.filter(listener, &filter, "ok");
                stats.adjust(ClusterGauge::RqActive, cluster, 1);
            }
        };
        count(1);
        let allocations = allocation_counter::measure(|| count(1000));
        assert_eq!(allocations.count_total, 0);
    }
}
