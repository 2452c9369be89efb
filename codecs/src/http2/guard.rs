//! Limits on what costs us more than the peer.
//!
//! Each kind of frame is counted over ten seconds. Useful ones, heads and data, earn a peer more of
//! the others, so that what a busy connection does in passing is no flood.
//!
//! RFC 9113 §10.5 names the dangers; how much is too much, nobody does.

use std::time::{Duration, Instant};

use super::error::{Fatal, Flood};

/// Counts of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    since: Instant,
    counts: [usize; COUNTED],
    /// Streams opened in this time.
    opened: usize,
    /// Heads and data that came or went in this time.
    useful: usize,
    empty_in_a_row: usize,
}

impl Guard {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            counts: [0; COUNTED],
            opened: 0,
            useful: 0,
            empty_in_a_row: 0,
        }
    }

    /// A stream was opened.
    pub(super) fn opened(&mut self) {
        self.opened += 1;
        self.useful += 1;
    }

    /// Data came or went.
    pub(super) fn useful(&mut self) {
        self.useful += 1;
        self.empty_in_a_row = 0;
    }

    /// A DATA frame came without data, and did not end anything.
    pub(super) fn empty_data(&mut self) -> Result<(), Fatal> {
        self.empty_in_a_row += 1;
        let (flood, limit) = (Flood::EmptyData, EMPTY_IN_A_ROW);
        let within = self.empty_in_a_row <= limit;
        within.then_some(()).ok_or(Fatal::Flood { flood, limit })
    }

    /// One more of what may become a flood.
    pub(super) fn count(&mut self, flood: Flood, now: Instant) -> Result<(), Fatal> {
        if now.saturating_duration_since(self.since) >= INTERVAL {
            *self = Self {
                empty_in_a_row: self.empty_in_a_row,
                ..Self::new(now)
            };
        }
        let count = &mut self.counts[flood as usize];
        *count += 1;
        let limit = match flood {
            Flood::Resets | Flood::Provoked => RESETS + self.opened / 2,
            Flood::Settings => SETTINGS,
            _ => OTHERS + EARNED * self.useful,
        };
        let within = *count <= limit;
        within.then_some(()).ok_or(Fatal::Flood { flood, limit })
    }
}

/// How long is counted over.
const INTERVAL: Duration = Duration::from_secs(10);

/// Kinds that are counted.
const COUNTED: usize = Flood::Stalled as usize + 1;

/// Streams that may be reset beside half of those that were opened.
const RESETS: usize = 100;

/// SETTINGS frames. Peers change them rarely.
const SETTINGS: usize = 100;

/// Frames of every other kind, beside those that were earned.
const OTHERS: usize = 1_000;

/// Frames that each useful one earns: a WINDOW_UPDATE for stream and connection, a PING to measure
/// the bandwidth, and as many again.
const EARNED: usize = 6;

/// DATA frames without data in a row.
const EMPTY_IN_A_ROW: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn until_flood(guard: &mut Guard, flood: Flood, now: Instant) -> usize {
        let counted = (0..100_000).take_while(|_| guard.count(flood, now).is_ok());
        counted.count()
    }

    #[test]
    fn each_kind_has_its_limit_and_time_forgives() {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        assert_eq!(until_flood(&mut guard, Flood::Resets, now), RESETS);
        assert_eq!(until_flood(&mut guard, Flood::Settings, now), SETTINGS);
        assert_eq!(until_flood(&mut guard, Flood::Pings, now), OTHERS);
        let later = now + INTERVAL;
        assert_eq!(until_flood(&mut guard, Flood::Pings, later), OTHERS);
    }

    #[test]
    fn what_is_useful_earns_more() {
        let now = Instant::now();
        let mut guard = Guard::new(now);
        for _ in 0..1_000 {
            guard.opened();
        }
        assert_eq!(until_flood(&mut guard, Flood::Resets, now), RESETS + 500);
        let pings = until_flood(&mut guard, Flood::Pings, now);
        assert_eq!(pings, OTHERS + EARNED * 1_000);
    }

    #[test]
    fn empty_frames_are_counted_in_a_row() {
        let mut guard = Guard::new(Instant::now());
        for _ in 0..3 {
            for _ in 0..EMPTY_IN_A_ROW {
                guard.empty_data().unwrap();
            }
            guard.useful();
        }
        for _ in 0..EMPTY_IN_A_ROW {
            guard.empty_data().unwrap();
        }
        assert!(guard.empty_data().is_err());
    }
}
