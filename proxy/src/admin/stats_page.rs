//! Counters and latencies, for people and for scripts.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::telemetry::{
    ClusterCounter, ClusterGauge, Counter, Gauge, ListenerCounter, ListenerGauge, Metric, Process,
    ScopeValues, SeriesLabels, SeriesValues, Summary,
};

/// All that is counted, as text.
pub(super) fn text(summary: &Summary, process: &Process) -> String {
    let mut out = String::new();
    process_text(&mut out, summary, process);
    let listeners = values::<ListenerCounter, ListenerGauge>(&summary.listeners);
    scope_text(&mut out, "listener", &listeners);
    let clusters = values::<ClusterCounter, ClusterGauge>(&summary.clusters);
    scope_text(&mut out, "cluster", &clusters);
    for (labels, values) in &summary.series {
        series_text(&mut out, labels, values);
    }
    if summary.series_overflow > 0 {
        let count = summary.series_overflow;
        line(
            &mut out,
            format_args!("\n{count} requests are counted as _other: too many services and methods"),
        );
    }
    out
}

/// All that is counted, as JSON.
pub(super) fn json(summary: &Summary, process: &Process) -> Value {
    let log = process.access_log();
    let requests: Vec<Value> = summary.series.iter().map(series_json).collect();
    json!({
        "version": process.version(),
        "uptime_seconds": process.uptime().as_secs_f64(),
        "workers": process.workers(),
        "workers_unresponsive": silent(summary, process),
        "config": {
            "accepted": process.configs_accepted(),
            "rejected": process.configs_rejected(),
            "last_accepted_seconds_ago": process.last_accepted().map(|at| since(at).as_secs_f64()),
        },
        "access_log": {
            "written": log.written(),
            "dropped": log.dropped(),
            "failed": log.failed(),
        },
        "listeners": values::<ListenerCounter, ListenerGauge>(&summary.listeners),
        "clusters": values::<ClusterCounter, ClusterGauge>(&summary.clusters),
        "requests": requests,
        "series_overflow": summary.series_overflow,
    })
}

fn process_text(out: &mut String, summary: &Summary, process: &Process) {
    let (version, workers) = (process.version(), process.workers());
    let up = process.uptime().as_secs();
    line(
        out,
        format_args!("sabir {version}, up {up} s, {workers} workers"),
    );
    let silent = silent(summary, process);
    if silent > 0 {
        let text = "workers did not answer in time: their counters are missing below";
        line(out, format_args!("{silent} of {workers} {text}"));
    }
    let (accepted, rejected) = (process.configs_accepted(), process.configs_rejected());
    let last = match process.last_accepted() {
        Some(at) => format!("the last accepted {} s ago", since(at).as_secs()),
        None => "none in force".to_owned(),
    };
    line(
        out,
        format_args!("configurations: {accepted} accepted, {rejected} rejected, {last}"),
    );
    let log = process.access_log();
    let (written, dropped, failed) = (log.written(), log.dropped(), log.failed());
    line(
        out,
        format_args!("access log lines: {written} written, {dropped} dropped, {failed} failed"),
    );
}

fn scope_text(out: &mut String, owner: &str, scopes: &Map<String, Value>) {
    for (name, values) in scopes {
        line(out, format_args!("\n{owner} {name}"));
        for (metric, value) in values.as_object().into_iter().flatten() {
            line(out, format_args!("  {metric} {value}"));
        }
    }
}

fn series_text(out: &mut String, labels: &SeriesLabels, values: &SeriesValues) {
    let SeriesLabels {
        listener,
        cluster,
        service,
        method,
    } = labels;
    let cluster = cluster.as_deref().unwrap_or("-");
    let [service, method] = [service, method].map(|name| if name.is_empty() { "-" } else { name });
    line(
        out,
        format_args!("\nrequests {listener} -> {cluster} {service} {method}"),
    );
    for tally in &values.tallies {
        let (code, party) = (tally.code.as_str(), tally.party.as_str());
        line(out, format_args!("  {code} ({party}) {}", tally.count));
    }
    let shown = QUANTILES.map(|(name, share)| format!("{name} {}", millis(values, share)));
    line(out, format_args!("  {} ms", shown.join("  ")));
}

fn series_json((labels, values): (&SeriesLabels, &SeriesValues)) -> Value {
    let outcome = |tally: &crate::telemetry::Tally| {
        let (code, party) = (tally.code.as_str(), tally.party.as_str());
        json!({ "code": code, "party": party, "count": tally.count })
    };
    let outcomes: Vec<Value> = values.tallies.iter().map(outcome).collect();
    let mut object = json!({
        "listener": &*labels.listener,
        "cluster": labels.cluster.as_deref(),
        "service": &*labels.service,
        "method": &*labels.method,
        "count": values.count(),
        "outcomes": outcomes,
    });
    for (name, share) in QUANTILES {
        let duration = values.histogram.quantile(share);
        object[format!("{name}_seconds")] = duration.map(|d| d.as_secs_f64()).into();
    }
    object
}

/// The quantile of `values` in milliseconds.
fn millis(values: &SeriesValues, share: f64) -> impl Display {
    match values.histogram.quantile(share) {
        Some(duration) => format!("{:.3}", duration.as_secs_f64() * 1e3),
        None => "-".to_owned(),
    }
}

/// Every counter and gauge, by owner and by name.
fn values<C: Counter, G: Gauge>(rows: &BTreeMap<Arc<str>, ScopeValues>) -> Map<String, Value> {
    let of = |values: &ScopeValues| {
        let counters = C::ALL.iter().map(|&c| (name(c), values.counter(c).into()));
        let gauges = G::ALL.iter().map(|&g| (name(g), values.gauge(g).into()));
        counters.chain(gauges).collect()
    };
    let pair =
        |(name, values): (&Arc<str>, &ScopeValues)| (name.to_string(), Value::Object(of(values)));
    rows.iter().map(pair).collect()
}

fn name<M: Metric>(metric: M) -> String {
    match metric.label() {
        Some((_, value)) => format!("{}.{value}", metric.family()),
        None => metric.family().to_owned(),
    }
}

fn silent(summary: &Summary, process: &Process) -> usize {
    process.workers().saturating_sub(summary.workers)
}

fn since(time: SystemTime) -> Duration {
    time.elapsed().unwrap_or_default()
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];
