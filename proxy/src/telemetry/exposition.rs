//! Metrics as Prometheus and OpenMetrics read them.
//!
//! The two texts differ in how a counter's family is named and in how the text ends.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::metric::{
    ClusterCounter, ClusterGauge, Counter, Gauge, Label, ListenerCounter, ListenerGauge, Metric,
};
use super::process::Process;
use super::snapshot::{ScopeValues, SeriesLabels, Summary};

/// Which text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Prometheus text format 0.0.4, which everything reads.
    Prometheus,
    /// OpenMetrics 1.0, for those that ask for it.
    OpenMetrics,
}

impl Format {
    /// The one that a request with this `Accept` header asks for.
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// What to put into the response's `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics as text.
pub fn expose(summary: &Summary, process: &Process, format: Format) -> String {
    let mut text = Exposition {
        out: String::new(),
        format,
    };
    text.process(summary, process);
    text.requests(summary);
    text.counters::<ListenerCounter>("listener", &summary.listeners);
    text.gauges::<ListenerGauge>("listener", &summary.listeners);
    let help = "What callers did that their protocol or a limit does not allow, by what it was.";
    text.faults(
        "sabir_downstream_fault_total",
        help,
        "listener",
        &summary.listeners,
    );
    text.filters(&summary.listeners);
    text.counters::<ClusterCounter>("cluster", &summary.clusters);
    text.gauges::<ClusterGauge>("cluster", &summary.clusters);
    let help = "What endpoints did that their protocol or a limit does not allow, by what it was.";
    text.faults(
        "sabir_upstream_fault_total",
        help,
        "cluster",
        &summary.clusters,
    );
    if format == Format::OpenMetrics {
        text.out.push_str("# EOF\n");
    }
    text.out
}

struct Exposition {
    out: String,
    format: Format,
}

/// Type of a family.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Exposition {
    fn process(&mut self, summary: &Summary, process: &Process) {
        let workers = process.workers();
        let silent = workers.saturating_sub(summary.workers);
        let accepted = process.last_accepted().map_or(0.0, unix_seconds);
        let version = [("version", process.version())];
        let started = unix_seconds(process.started_at());
        self.single("sabir_build_info", "The version of sabir.", &version, 1);
        let help = "When the process started, in seconds since 1970.";
        self.single("process_start_time_seconds", help, &[], started);
        self.single("sabir_workers", "Worker threads.", &[], workers);
        let help =
            "Worker threads whose counters are missing here, as they did not answer in time.";
        self.single("sabir_workers_unresponsive", help, &[], silent);
        let help = "When a configuration was last put in force, in seconds since 1970.";
        let name = "sabir_config_last_success_timestamp_seconds";
        self.single(name, help, &[], accepted);

        let updates = [
            ("accepted", process.configs_accepted()),
            ("rejected", process.configs_rejected()),
        ];
        let help = "Configurations put in force, and refused.";
        self.results("sabir_config_updates_total", help, &updates);
        let log = process.access_log();
        let lines = [
            ("written", log.written()),
            ("dropped", log.dropped()),
            ("failed", log.failed()),
        ];
        let help = "Lines of access logs written, dropped because the writer did not keep up, \
                    and lost because their file failed.";
        self.results("sabir_access_log_lines_total", help, &lines);
    }

    fn requests(&mut self, summary: &Summary) {
        let name = "sabir_series_overflow_total";
        let help =
            "Requests counted under the service and method _other, to bound the number of series.";
        self.family(name, Kind::Counter, help);
        self.sample(name, &[], summary.series_overflow);

        let name = "sabir_requests_total";
        self.family(name, Kind::Counter, "Requests that have ended, by how.");
        for (labels, values) in &summary.series {
            let [listener, cluster, service, method] = pairs(labels);
            for tally in &values.tallies {
                let code = ("code", tally.code.as_str());
                let party = ("party", tally.party.as_str());
                let labels = [listener, cluster, service, method, code, party];
                self.sample(name, &labels, tally.count);
            }
        }

        let name = "sabir_request_duration_seconds";
        let help = "Time from a request's arrival to the end of its response.";
        self.family(name, Kind::Histogram, help);
        for (labels, values) in &summary.series {
            let [listener, cluster, service, method] = pairs(labels);
            for (bound, count) in values.histogram.cumulative() {
                let bound = format!("{:?}", bound as f64 / 1e6);
                let labels = [listener, cluster, service, method, ("le", bound.as_str())];
                self.sample("sabir_request_duration_seconds_bucket", &labels, count);
            }
            let count = values.histogram.count();
            let labels = [listener, cluster, service, method, ("le", "+Inf")];
            self.sample("sabir_request_duration_seconds_bucket", &labels, count);
            let sum = values.histogram.sum_seconds();
            self.sample("sabir_request_duration_seconds_sum", &labels[..4], sum);
            self.sample("sabir_request_duration_seconds_count", &labels[..4], count);
        }
    }

    fn counters<C: Counter>(&mut self, owner: &str, rows: &BTreeMap<Arc<str>, ScopeValues>) {
        self.scope::<C, u64>(Kind::Counter, owner, rows, ScopeValues::counter);
    }

    fn gauges<G: Gauge>(&mut self, owner: &str, rows: &BTreeMap<Arc<str>, ScopeValues>) {
        self.scope::<G, i64>(Kind::Gauge, owner, rows, ScopeValues::gauge);
    }

    /// Faults of peers; those that never came have no sample.
    fn faults(
        &mut self,
        family: &str,
        help: &str,
        owner: &str,
        rows: &BTreeMap<Arc<str>, ScopeValues>,
    ) {
        self.family(family, Kind::Counter, help);
        for (name, values) in rows {
            for (fault, count) in values.faults() {
                self.sample(family, &[(owner, &**name), ("fault", fault)], count);
            }
        }
    }

    /// What filters counted; results that never came have no sample.
    fn filters(&mut self, rows: &BTreeMap<Arc<str>, ScopeValues>) {
        let family = "sabir_filter_results_total";
        let help = "What filters decided about requests, by the filter's name and its result.";
        self.family(family, Kind::Counter, help);
        for (listener, values) in rows {
            for (filter, result, count) in values.filters() {
                let listener = ("listener", &**listener);
                let labels = [listener, ("filter", filter), ("result", result)];
                self.sample(family, &labels, count);
            }
        }
    }

    fn scope<M: Metric, V: Display>(
        &mut self,
        kind: Kind,
        owner: &str,
        rows: &BTreeMap<Arc<str>, ScopeValues>,
        value: fn(&ScopeValues, M) -> V,
    ) {
        for family in M::ALL.chunk_by(|a, b| a.family() == b.family()) {
            self.family(family[0].family(), kind, family[0].help());
            for (name, values) in rows {
                for &metric in family {
                    let labels: Vec<_> = [(owner, &**name)]
                        .into_iter()
                        .chain(metric.label())
                        .collect();
                    self.sample(metric.family(), &labels, value(values, metric));
                }
            }
        }
    }

    /// A gauge with one sample.
    fn single(&mut self, name: &str, help: &str, labels: &[Label], value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(name, labels, value);
    }

    /// A counter of what ended well, and what did not.
    fn results(&mut self, name: &str, help: &str, results: &[(&str, u64)]) {
        self.family(name, Kind::Counter, help);
        for &(result, count) in results {
            self.sample(name, &[("result", result)], count);
        }
    }

    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let (name, kind) = match (kind, self.format) {
            (Kind::Counter, Format::Prometheus) => (name, "counter"),
            (Kind::Counter, Format::OpenMetrics) => (name.trim_end_matches("_total"), "counter"),
            (Kind::Gauge, _) => (name, "gauge"),
            (Kind::Histogram, _) => (name, "histogram"),
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            self.out.push_str(label);
            self.out.push_str("=\"");
            self.out.push_str(&escaped(text));
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "{line}");
    }
}

fn pairs(labels: &SeriesLabels) -> [(&'static str, &str); 4] {
    [
        ("listener", &labels.listener),
        ("cluster", labels.cluster.as_deref().unwrap_or_default()),
        ("service", &labels.service),
        ("method", &labels.method),
    ]
}

/// A label's value: backslash, quote and line feed after a backslash.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return value.into();
    }
    let value = value.replace('\\', r"\\").replace('"', "\\\"");
    value.replace('\n', r"\n").into()
}

fn unix_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sabir_core::outcome::{Code, Outcome};

    use super::super::stats::WorkerStats;
    use super::*;

    fn text(format: Format) -> String {
        let mut stats = WorkerStats::default();
        let (listener, cluster) = (stats.listener("in \"1\""), stats.cluster("c\\d"));
        let one = stats.series(listener, Some(cluster), b"s", b"m");
        stats.record(one, Outcome::OK, Duration::from_millis(1));
        stats.record(
            one,
            Outcome::refused(Code::TimedOut),
            Duration::from_secs(11),
        );
        let two = stats.series(listener, None, b"", b"");
        stats.record(
            two,
            Outcome::refused(Code::NotFound),
            Duration::from_micros(10),
        );
        stats.add(ListenerCounter::CxDestroyIdle, listener, 3);
        stats.adjust(ClusterGauge::RqActive, cluster, -1);
        stats.fault(listener, "pings");
        stats.fault(listener, "pings");
        stats.fault(cluster, "malformed");
        let process = Process::new("1.2.3", 2);
        process.config_accepted();
        expose(&Summary::of([stats.snapshot()]), &process, format)
    }

    #[track_caller]
    fn has(text: &str, lines: &str) {
        assert!(text.contains(lines), "{lines}\nis not in\n{text}");
    }

    #[test]
    fn requests_are_exposed() {
        let text = text(Format::Prometheus);
        has(
            &text,
            "# HELP sabir_requests_total Requests that have ended, by how.\n\
             # TYPE sabir_requests_total counter\n",
        );
        let labels = r#"{listener="in \"1\"",cluster="c\\d",service="s",method="m""#;
        has(
            &text,
            &format!("\nsabir_requests_total{labels},code=\"ok\",party=\"nobody\"}} 1\n"),
        );
        has(
            &text,
            &format!("\nsabir_requests_total{labels},code=\"timed_out\",party=\"proxy\"}} 1\n"),
        );
        let bucket = format!("\nsabir_request_duration_seconds_bucket{labels}");
        for (bound, count) in [("0.0005", 0), ("0.001", 1), ("10.0", 1), ("+Inf", 2)] {
            has(&text, &format!("{bucket},le=\"{bound}\"}} {count}\n"));
        }
        has(
            &text,
            &format!("\nsabir_request_duration_seconds_sum{labels}}} 11.001\n"),
        );
        has(
            &text,
            &format!("\nsabir_request_duration_seconds_count{labels}}} 2\n"),
        );
    }

    #[test]
    fn everything_else_is_exposed() {
        let text = text(Format::Prometheus);
        has(&text, "\nsabir_build_info{version=\"1.2.3\"} 1\n");
        has(&text, "\nsabir_workers 2\n");
        has(&text, "\nsabir_workers_unresponsive 1\n");
        has(
            &text,
            "\nsabir_config_updates_total{result=\"accepted\"} 1\n",
        );
        has(
            &text,
            "\nsabir_access_log_lines_total{result=\"dropped\"} 0\n",
        );
        has(
            &text,
            "\nsabir_downstream_cx_destroy_total{listener=\"in \\\"1\\\"\",\
             reason=\"idle_timeout\"} 3\n",
        );
        has(
            &text,
            "\nsabir_downstream_fault_total{listener=\"in \\\"1\\\"\",fault=\"pings\"} 2\n",
        );
        has(
            &text,
            "\nsabir_upstream_fault_total{cluster=\"c\\\\d\",fault=\"malformed\"} 1\n",
        );
        has(&text, "\nsabir_upstream_rq_active{cluster=\"c\\\\d\"} -1\n");
        assert!(!text.contains("EOF"));
    }

    #[test]
    fn each_family_and_each_sample_is_there_once() {
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let text = text(format);
            let mut seen = HashSet::new();
            let names = text.lines().map(|line| line.rsplit_once(' ').unwrap().0);
            assert!(names.into_iter().all(|name| seen.insert(name)));
        }
    }

    #[test]
    fn openmetrics_names_counters_without_their_suffix() {
        let text = text(Format::OpenMetrics);
        has(
            &text,
            "# TYPE sabir_requests counter\nsabir_requests_total{",
        );
        assert!(text.ends_with("\n# EOF\n"));
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
        assert_eq!(Format::accepted(accept), Format::OpenMetrics);
        assert_eq!(Format::accepted("*/*"), Format::Prometheus);
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), r#"a\\b\"c\nd"#);
        assert_eq!(escaped("plain"), "plain");
    }
}
