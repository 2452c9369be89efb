//! Durations by size: exact counts at the exposed bounds, and fine buckets for quantiles.
//!
//! A fine bucket is an eighth of a power of two wide, so that a quantile is off by less than one
//! eighth of its value:
//!
//! ```text
//! microseconds  0 1 2 … 7 | 8 9 … 15 | 16 18 … 30 | 32 36 … 60 | …   | 2^26 (67 s) and more
//! bucket        0 1 2 … 7 | 8 9 … 15 | 16 17 … 23 | 24 25 … 31 | …
//! ```

use std::time::Duration;

/// Upper bounds of the buckets that are exposed, in microseconds: 0.5 ms to 10 s.
pub const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// How many durations of which size there were.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Histogram {
    coarse: [u64; BOUNDS.len() + 1],
    fine: [u64; FINE],
    sum_nanos: u128,
}

impl Histogram {
    /// Counts `duration`.
    #[inline]
    pub fn record(&mut self, duration: Duration) {
        self.sum_nanos += duration.as_nanos();
        // A bound is inclusive: 500.001 µs is beyond the first.
        let of_second = u64::from(duration.subsec_nanos().div_ceil(1_000));
        let micros = duration
            .as_secs()
            .saturating_mul(1_000_000)
            .saturating_add(of_second);
        self.coarse[BOUNDS.partition_point(|&bound| bound < micros)] += 1;
        self.fine[fine_index(micros)] += 1;
    }

    /// Adds what another one counted.
    pub(super) fn add(&mut self, packed: &Packed) {
        for (to, from) in self.coarse.iter_mut().zip(&packed.coarse) {
            *to += from;
        }
        for (to, from) in self.fine[packed.first..].iter_mut().zip(&packed.fine) {
            *to += from;
        }
        self.sum_nanos += packed.sum_nanos;
    }

    /// A copy without the fine buckets at both ends that are empty, which are most.
    pub(super) fn pack(&self) -> Packed {
        let is_used = |&count: &u64| count > 0;
        let first = self.fine.iter().position(is_used).unwrap_or_default();
        let end = self
            .fine
            .iter()
            .rposition(is_used)
            .map_or(first, |last| last + 1);
        Packed {
            coarse: self.coarse,
            first,
            fine: self.fine[first..end].to_vec(),
            sum_nanos: self.sum_nanos,
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.coarse.iter().sum()
    }

    /// Sum of the durations, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    /// How many durations were not longer than each of [`BOUNDS`].
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.coarse.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS.into_iter().zip(counts)
    }

    /// The duration that the share `quantile` (0 to 1) of all durations does not exceed; `None` if
    /// nothing was counted. Off by less than one eighth; durations over 67 s count as 67 s.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let count = self.count();
        let rank = ((count as f64 * quantile).ceil() as u64).clamp(1, count.max(1));
        let mut sum = 0;
        for (index, &here) in self.fine.iter().enumerate() {
            let before = sum;
            sum += here;
            if sum >= rank {
                let (low, high) = (fine_start(index), fine_start(index + 1));
                let within = ((rank - before) as f64 - 0.5) / here as f64;
                let micros = low as f64 + (high - low) as f64 * within;
                return Some(Duration::from_nanos((micros * 1_000.0) as u64));
            }
        }
        None
    }
}

/// A copy of a histogram, on its way between threads.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    coarse: [u64; BOUNDS.len() + 1],
    first: usize,
    /// Fine buckets from `first` on.
    fine: Vec<u64>,
    sum_nanos: u128,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            coarse: [0; BOUNDS.len() + 1],
            fine: [0; FINE],
            sum_nanos: 0,
        }
    }
}

/// Index of the fine bucket that holds `micros`.
#[inline]
fn fine_index(micros: u64) -> usize {
    if micros < SUB {
        return micros as usize;
    }
    let octave = micros.ilog2() - SUB_BITS;
    let index = (u64::from(octave) * SUB + (micros >> octave)) as usize;
    index.min(FINE - 1)
}

/// The smallest number of microseconds in the fine bucket `index`.
fn fine_start(index: usize) -> u64 {
    let index = index as u64;
    if index < SUB {
        return index;
    }
    let octave = index / SUB - 1;
    (SUB + index % SUB) << octave
}

const SUB_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
/// Buckets up to 2^26 µs, and one for what is longer.
const FINE: usize = (SUB as usize) * (26 - SUB_BITS as usize + 1) + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_buckets_cover_everything_without_gaps() {
        for index in 0..FINE {
            assert_eq!(fine_index(fine_start(index)), index);
            assert_eq!(fine_index(fine_start(index + 1) - 1), index);
        }
        assert_eq!(fine_start(FINE - 1), 1 << 26);
        assert_eq!(fine_index(u64::MAX), FINE - 1);
    }

    #[test]
    fn bounds_are_inclusive() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_micros(500));
        histogram.record(Duration::from_nanos(500_001));
        histogram.record(Duration::from_secs(11));
        let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts[..2], [1, 2]);
        assert_eq!(counts[13], 2);
        assert_eq!(histogram.count(), 3);
        assert!((histogram.sum_seconds() - 11.001_000_001).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_off_by_less_than_an_eighth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        for (quantile, expected) in [(0.0, 1.0), (0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let millis = histogram.quantile(quantile).unwrap().as_secs_f64() * 1e3;
            let off = (millis - expected).abs() / expected;
            assert!(off < 0.125, "p{quantile}: {millis} for {expected}");
        }
    }

    #[test]
    fn packed_copies_add_up() {
        let mut one = Histogram::default();
        let mut sum = Histogram::default();
        sum.add(&one.pack());
        assert_eq!(sum, one);
        for millis in [1, 40, 70_000] {
            one.record(Duration::from_millis(millis));
        }
        sum.add(&one.pack());
        assert_eq!(sum, one);
        sum.add(&one.pack());
        assert_eq!(sum.count(), 6);
        let middle = sum.quantile(0.5).unwrap().as_secs_f64();
        assert!((middle - 0.04).abs() < 0.04 / 8.0, "{middle}");
    }

    #[test]
    fn the_longest_duration_is_counted() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 1);
        assert!(histogram.quantile(1.0).unwrap() >= Duration::from_secs(67));
    }
}
