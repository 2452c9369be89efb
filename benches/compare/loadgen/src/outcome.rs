//! What is counted, and the line of JSON that is printed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Longest latency told apart from longer ones, nanoseconds.
const LONGEST: u64 = 120_000_000_000;

/// Running totals.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    started: Instant,
    last: Instant,
    answered: u64,
    errors: BTreeMap<String, u64>,
    /// Of the phase that lasts.
    latency: Histogram<u64>,
    /// Those before it.
    phases: Vec<Histogram<u64>>,
}

/// The line that is printed at the end.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Requests that got a reply, right or wrong.
    pub(crate) requests: u64,
    /// Wrong replies, lost requests, and requests that were due and never sent.
    pub(crate) errors: u64,
    /// The errors by kind.
    pub(crate) error_kinds: BTreeMap<String, u64>,
    /// From the first request to the last reply, seconds.
    seconds: f64,
    /// Right replies a second.
    pub(crate) rps: f64,
    /// Latency of right replies, microseconds.
    p50_us: f64,
    /// The same, 99th percentile.
    p99_us: f64,
    /// The same, 99.9th percentile.
    p999_us: f64,
    /// The longest.
    max_us: f64,
    /// Processor time of this process, seconds.
    cpu_seconds: f64,
    /// The parts that the run was divided into, if it was.
    pub(crate) phases: Vec<Phase>,
}

/// Right replies of one part of the run, by the moment they arrived.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    /// How many.
    pub(crate) replies: u64,
    /// Their latency, microseconds.
    p50_us: f64,
    /// The same, 99th percentile.
    p99_us: f64,
    /// The longest.
    max_us: f64,
}

impl Phase {
    fn of(latency: &Histogram<u64>) -> Self {
        Self {
            replies: latency.len(),
            p50_us: microseconds(latency, 0.5),
            p99_us: microseconds(latency, 0.99),
            max_us: microseconds(latency, 1.0),
        }
    }
}

impl Outcome {
    /// Starts the clock.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            last: now,
            answered: 0,
            errors: BTreeMap::new(),
            latency: empty(),
            phases: Vec::new(),
        }
    }

    /// What arrives from now on belongs to another part of the run.
    pub(crate) fn begin_phase(&mut self) {
        self.phases
            .push(std::mem::replace(&mut self.latency, empty()));
    }

    /// A right reply at `now` to a request that was due at `due`.
    pub(crate) fn right(&mut self, due: Instant, now: Instant) {
        self.answered += 1;
        self.last = now;
        let nanoseconds = now.saturating_duration_since(due).as_nanos();
        self.latency
            .saturating_record(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    }

    /// A wrong reply.
    pub(crate) fn wrong(&mut self, kind: &str, now: Instant) {
        self.answered += 1;
        self.last = now;
        self.failed(kind, 1);
    }

    /// `count` requests that got no reply at all.
    pub(crate) fn failed(&mut self, kind: &str, count: u64) {
        if count > 0 {
            *self.errors.entry(kind.to_owned()).or_insert(0) += count;
        }
    }

    /// Closes the books.
    pub(crate) fn report(self) -> Report {
        let seconds = self
            .last
            .saturating_duration_since(self.started)
            .as_secs_f64();
        let (mut all, mut phases) = (empty(), Vec::new());
        if !self.phases.is_empty() {
            let parts = self.phases.iter().chain([&self.latency]);
            phases = parts.map(Phase::of).collect();
        }
        for part in self.phases.iter().chain([&self.latency]) {
            all.add(part).expect("all have the same bounds");
        }
        Report {
            requests: self.answered,
            errors: self.errors.values().sum(),
            seconds,
            rps: if seconds > 0.0 {
                all.len() as f64 / seconds
            } else {
                0.0
            },
            p50_us: microseconds(&all, 0.5),
            p99_us: microseconds(&all, 0.99),
            p999_us: microseconds(&all, 0.999),
            max_us: microseconds(&all, 1.0),
            cpu_seconds: cpu_time().as_secs_f64(),
            phases,
            error_kinds: self.errors,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("the bounds are valid: 1, more than 2, 0 to 5")
}

fn microseconds(latency: &Histogram<u64>, quantile: f64) -> f64 {
    latency.value_at_quantile(quantile) as f64 / 1000.0
}

/// Processor time that this process has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_wrong_and_lost_are_told_apart() {
        let start = Instant::now();
        let mut outcome = Outcome::new(start);
        for milliseconds in 1..=100 {
            let now = start + Duration::from_millis(milliseconds);
            outcome.right(start, now);
        }
        outcome.wrong("status 60", start + Duration::from_millis(200));
        outcome.failed("no reply", 3);
        outcome.failed("connection", 0);
        let report = outcome.report();
        assert_eq!((report.requests, report.errors), (101, 4));
        assert_eq!(report.error_kinds.len(), 2);
        assert!((report.rps - 500.0).abs() < 1.0, "{}", report.rps);
        assert!(
            (report.p50_us / 50_000.0 - 1.0).abs() < 0.01,
            "{}",
            report.p50_us
        );
        assert!(
            (report.p99_us / 99_000.0 - 1.0).abs() < 0.01,
            "{}",
            report.p99_us
        );
    }

    #[test]
    fn phases_have_figures_of_their_own_and_the_whole_has_all() {
        let start = Instant::now();
        let mut outcome = Outcome::new(start);
        outcome.right(start, start + Duration::from_millis(1));
        outcome.begin_phase();
        for _ in 0..3 {
            outcome.right(start, start + Duration::from_millis(9));
        }
        let report = outcome.report();
        let replies: Vec<_> = report.phases.iter().map(|phase| phase.replies).collect();
        assert_eq!(replies, [1, 3]);
        assert_eq!(report.requests, 4);
        assert!(report.phases[0].max_us < 1_100.0 && report.max_us > 8_900.0);
    }
}
