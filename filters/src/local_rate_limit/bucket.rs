//! A token bucket that threads share without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a bucket fills: full at first, then by `tokens_per_fill` each `fill_interval`, never above
/// `max_tokens`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rate {
    pub(super) max_tokens: u32,
    pub(super) tokens_per_fill: u32,
    pub(super) fill_interval: Duration,
}

impl Rate {
    /// Tokens that were filled in until `age`, whether there was room for them or not.
    pub(super) fn filled(&self, age: Duration) -> u64 {
        let fills = age.as_nanos() / self.fill_interval.as_nanos().max(1);
        // 2^64 tokens last for thousands of years at 2^32 a millisecond.
        (fills as u64).saturating_mul(self.tokens_per_fill.into())
    }
}

/// A bucket: one number.
///
/// It is what was ever taken out, or ran over because the bucket was full. What is in it is then
/// `max_tokens + filled - gone`, and a bucket with more than `max_tokens` is one that has run over
/// meanwhile: `gone` is at least `filled`. So time that passes writes nothing, and a request is
/// **one compare-exchange** if it gets a token and a plain load if it does not.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    gone: AtomicU64,
}

impl Bucket {
    /// Takes a token when `filled` tokens have been filled in; whether there was one.
    ///
    /// Threads whose clocks differ a little do no harm: to the one behind, the bucket holds what
    /// it held then, less what was taken since.
    pub(super) fn take(&self, rate: &Rate, filled: u64) -> bool {
        let full = filled.saturating_add(rate.max_tokens.into());
        // Nothing else is published by the number, so that no order is asked for.
        let taken = self
            .gone
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |gone| {
                let gone = gone.max(filled);
                (gone < full).then_some(gone.saturating_add(1))
            });
        taken.is_ok()
    }

    /// Puts a token back that [`take`](Self::take) gave.
    pub(super) fn put_back(&self) {
        // If it falls below what was filled in, the bucket is full. It is zero only if somebody
        // filled the bucket up meanwhile.
        let put = |gone: u64| gone.checked_sub(1);
        // Then there is nothing to put back.
        let _: Result<_, _> = self
            .gone
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, put);
    }

    /// What it lacks to be full when `filled` tokens have been filled in.
    pub(super) fn lacks(&self, filled: u64) -> u64 {
        self.gone.load(Ordering::Relaxed).saturating_sub(filled)
    }

    /// Makes it full.
    pub(super) fn fill_up(&self) {
        self.gone.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;

    /// A bucket that is filled whenever its clock says so.
    struct Naive {
        rate: Rate,
        tokens: u32,
        next_fill: Duration,
    }

    impl Naive {
        fn new(rate: Rate) -> Self {
            Self {
                rate,
                tokens: rate.max_tokens,
                next_fill: rate.fill_interval,
            }
        }

        fn advance(&mut self, now: Duration) {
            while self.next_fill <= now {
                let tokens = self.tokens + self.rate.tokens_per_fill;
                self.tokens = tokens.min(self.rate.max_tokens);
                self.next_fill += self.rate.fill_interval;
            }
        }

        fn take(&mut self) -> bool {
            let is_there = self.tokens > 0;
            self.tokens -= u32::from(is_there);
            is_there
        }
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1..20u32, 1..30u32, 1..50u64).prop_map(|(max_tokens, tokens_per_fill, millis)| Rate {
            max_tokens,
            tokens_per_fill,
            fill_interval: Duration::from_millis(millis),
        })
    }

    proptest! {
        #[test]
        fn it_is_the_bucket_that_a_clock_fills(
            rate in rates(),
            steps in proptest::collection::vec((0..40u64, 0..6usize, any::<bool>()), 1..200),
        ) {
            let (bucket, mut naive) = (Bucket::default(), Naive::new(rate));
            let mut now = Duration::ZERO;
            for (pause, takes, returns) in steps {
                now += Duration::from_millis(pause);
                naive.advance(now);
                let filled = rate.filled(now);
                for _ in 0..takes {
                    prop_assert_eq!(bucket.take(&rate, filled), naive.take());
                }
                if returns && bucket.take(&rate, filled) {
                    bucket.put_back();
                }
                let lacks = u64::from(rate.max_tokens - naive.tokens);
                prop_assert_eq!(bucket.lacks(filled), lacks);
            }
        }
    }

    #[test]
    fn threads_get_as_many_tokens_as_there_are() {
        let rate = Rate {
            max_tokens: 1000,
            tokens_per_fill: 500,
            fill_interval: Duration::from_secs(1),
        };
        let (bucket, taken) = (Bucket::default(), AtomicUsize::new(0));
        for (second, tokens) in [(0, 1000), (1, 500), (9, 1000)] {
            taken.store(0, Ordering::Relaxed);
            let filled = rate.filled(Duration::from_secs(second));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..1000 {
                            let got = bucket.take(&rate, filled);
                            taken.fetch_add(usize::from(got), Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(taken.load(Ordering::Relaxed), tokens, "{second}");
        }
    }
}
