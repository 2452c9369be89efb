//! When requests are due: at once when a place is free (closed loop), or at the points of a Poisson process (open).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Decides how many requests may start and from when each one's latency counts.
#[derive(Debug)]
pub(crate) enum Pace {
    /// A request is due whenever a place is free.
    Closed,
    /// So many requests are due at once, and none after them.
    Counted {
        /// Not taken yet.
        left: u64,
    },
    /// Requests become due by the clock; those that find no place wait, and their latency counts from when they were
    /// due. So a stall of the proxy shows in every request that it delayed.
    Open {
        /// Mean number a second.
        rate: f64,
        /// When the next request becomes due.
        next: Instant,
        /// Due, but not sent yet.
        waiting: VecDeque<Instant>,
    },
}

impl Pace {
    /// A closed loop, or an open one at `rate` requests a second that begins at `now`.
    pub(crate) fn new(rate: Option<f64>, now: Instant) -> Self {
        match rate {
            None => Self::Closed,
            Some(rate) => Self::Open {
                rate,
                next: now + gap(rate),
                waiting: VecDeque::new(),
            },
        }
    }

    /// Lets the clock advance to `now`, but makes nothing due at `end` or later.
    pub(crate) fn advance(&mut self, now: Instant, end: Instant) {
        if let Self::Open {
            rate,
            next,
            waiting,
        } = self
        {
            while *next <= now && *next < end {
                waiting.push_back(*next);
                *next += gap(*rate);
            }
        }
    }

    /// Takes a due request: the moment from which its latency counts. `None` if none is due.
    pub(crate) fn take(&mut self, now: Instant, end: Instant) -> Option<Instant> {
        match self {
            Self::Closed => (now < end).then_some(now),
            Self::Counted { left } => {
                *left = left.checked_sub(1)?;
                Some(now)
            }
            Self::Open { waiting, .. } => waiting.pop_front(),
        }
    }

    /// How long to wait at most before the clock makes something due.
    pub(crate) fn wait(&self, now: Instant, end: Instant) -> Option<Duration> {
        match self {
            Self::Open { next, .. } if *next < end => Some(next.saturating_duration_since(now)),
            Self::Open { .. } | Self::Counted { .. } | Self::Closed => None,
        }
    }

    /// Requests that are due and were never sent.
    pub(crate) fn unsent(&self) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Counted { left } => *left,
            Self::Open { waiting, .. } => waiting.len() as u64,
        }
    }
}

/// The time to the next point of a Poisson process.
fn gap(rate: f64) -> Duration {
    Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_is_always_due_until_the_end() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut pace = Pace::new(None, start);
        assert_eq!(pace.take(start, end), Some(start));
        assert_eq!(pace.take(end, end), None);
        assert_eq!(pace.wait(start, end), None);
    }

    #[test]
    fn an_open_loop_keeps_its_rate_and_the_times_at_which_requests_were_due() {
        fastrand::seed(7);
        let start = Instant::now();
        let end = start + Duration::from_secs(10);
        let mut pace = Pace::new(Some(1000.0), start);
        // The proxy stalls: the generator comes round only once, at the end.
        pace.advance(end + Duration::from_secs(5), end);
        let due: Vec<_> = std::iter::from_fn(|| pace.take(end, end)).collect();
        // Ten thousand arrivals have a standard deviation of a hundred.
        assert!((9_500..10_500).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted());
        assert!(due.iter().all(|&moment| moment >= start && moment < end));
        assert_eq!(pace.unsent(), 0);
    }

    #[test]
    fn what_is_counted_is_due_so_often() {
        let now = Instant::now();
        let mut pace = Pace::Counted { left: 2 };
        assert_eq!(pace.take(now, now), Some(now));
        assert_eq!(pace.unsent(), 1);
        assert_eq!(pace.take(now, now), Some(now));
        assert_eq!(pace.take(now, now), None);
    }

    #[test]
    fn what_no_one_takes_is_counted() {
        let start = Instant::now();
        let end = start + Duration::from_secs(1);
        let mut pace = Pace::new(Some(100.0), start);
        pace.advance(end, end);
        let due = pace.unsent();
        assert!(due > 0);
        assert!(pace.take(end, end).is_some());
        assert_eq!(pace.unsent(), due - 1);
    }
}
