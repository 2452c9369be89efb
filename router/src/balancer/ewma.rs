//! What an answer of an endpoint is expected to cost: a moving average that follows peaks.
//!
//! As in Finagle's peak EWMA: a measurement above the average takes its place at once, one below
//! moves it there in the course of time, and without measurements it fades.

use std::time::{Duration, Instant};

use crate::policy::PeakEwma;

/// The average of an endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    measured: Option<Measured>,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    nanos: f64,
    at: Instant,
}

impl Cost {
    /// Takes in that an answer took `elapsed`, or a failure.
    pub(crate) fn observe(&mut self, policy: &PeakEwma, now: Instant, elapsed: Duration) {
        let sample = elapsed.as_nanos() as f64;
        let nanos = match self.measured {
            Some(before) if before.nanos > sample => {
                let kept = fading(policy, before.at, now);
                before.nanos * kept + sample * (1.0 - kept)
            }
            _ => sample,
        };
        self.measured = Some(Measured { nanos, at: now });
    }

    /// Nanoseconds that an answer is expected to take, with `active` others in flight, by an
    /// endpoint that is there `since` a moment.
    pub(crate) fn expected(
        &self,
        policy: &PeakEwma,
        since: Instant,
        now: Instant,
        active: u32,
    ) -> f64 {
        // What is assumed fades too: else faster ones would keep it from ever being tried.
        let assumed = Measured {
            nanos: policy.default_rtt.as_nanos() as f64,
            at: since,
        };
        let known = self.measured.unwrap_or(assumed);
        let one = known.nanos * fading(policy, known.at, now);
        // So that what is in flight counts also where answers take no time at all.
        one.max(1.0) * (f64::from(active) + 1.0)
    }
}

/// What is left of an average of `then`.
fn fading(policy: &PeakEwma, then: Instant, now: Instant) -> f64 {
    let age = now.saturating_duration_since(then).as_secs_f64();
    (-age / policy.decay_time.as_secs_f64()).exp()
}
