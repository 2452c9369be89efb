//! What is known of one endpoint by all workers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Verdict;
use super::settings::OutlierDetection;

/// An endpoint that is watched.
#[derive(Debug)]
pub(crate) struct Host {
    /// See [`Standing`].
    standing: AtomicU64,
    /// How often it was taken out, less one for each sweep that found it in.
    times: AtomicU32,
    streaks: [AtomicU32; 3],
    /// One for each worker, if there are as many.
    tallies: Box<[Tally]>,
}

/// Whether an endpoint takes requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// It does.
    Live,
    /// It takes a few, to see how they go.
    Probation,
    /// It does not, until this moment.
    Ejected(u64),
}

/// Failures without a success between them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Streak {
    Failures,
    Gateway,
    Local,
}

/// Numbers of requests, and of those that failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Share {
    pub(super) all: u64,
    pub(super) failed: u64,
}

/// What one worker counted since the last sweep, on a cache line of its own: requests in the
/// upper half of a number, failures in the lower.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Tally {
    answers: AtomicU64,
    local: AtomicU64,
}

impl Host {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            standing: AtomicU64::new(LIVE),
            times: AtomicU32::new(0),
            streaks: Default::default(),
            tallies: (0..workers.max(1)).map(|_| Tally::default()).collect(),
        }
    }

    /// Counts for shares. Where local failures are apart, every answer is a local success.
    pub(super) fn tally(&self, seat: usize, verdict: Verdict, split: bool) {
        let tally = &self.tallies[seat % self.tallies.len()];
        let one = |failed: bool| REQUEST + u64::from(failed);
        if split {
            let lost = verdict == Verdict::LocalFailure;
            tally.local.fetch_add(one(lost), Ordering::Relaxed);
            if lost {
                return;
            }
        }
        let failed = verdict.is_failure();
        tally.answers.fetch_add(one(failed), Ordering::Relaxed);
    }

    /// Lengthens streaks and ends others; tells of one that is long enough, which starts anew.
    pub(super) fn advance(
        &self,
        verdict: Verdict,
        split: bool,
        settings: &OutlierDetection,
    ) -> Option<Streak> {
        let grows = |streak| match (streak, verdict) {
            (Streak::Local, Verdict::LocalFailure) => split.then_some(true),
            // A request that did not get there says nothing of answers.
            (_, Verdict::LocalFailure) => (!split).then_some(true),
            (Streak::Failures, Verdict::Failure | Verdict::GatewayFailure)
            | (Streak::Gateway, Verdict::GatewayFailure) => Some(true),
            _ => Some(false),
        };
        let mut hit = None;
        for streak in [Streak::Failures, Streak::Gateway, Streak::Local] {
            let count = &self.streaks[streak as usize];
            match grows(streak) {
                Some(true) => {
                    let threshold = settings.consecutive(streak).threshold;
                    if count.fetch_add(1, Ordering::Relaxed) + 1 >= threshold {
                        count.store(0, Ordering::Relaxed);
                        // If chance spares it for one, the others have their own.
                        hit = hit.filter(|_| settings.consecutive(streak).enforcing == 0);
                        hit = hit.or(Some(streak));
                    }
                }
                Some(false) if count.load(Ordering::Relaxed) > 0 => {
                    count.store(0, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        hit
    }

    /// Takes it out until a moment, if it still stands as it did.
    pub(super) fn eject(&self, from: Standing, until: u64) -> bool {
        let to = Standing::Ejected(until).code();
        let order = Ordering::AcqRel;
        let ejected = self
            .standing
            .compare_exchange(from.code(), to, order, Ordering::Relaxed);
        if ejected.is_ok() {
            self.times.fetch_add(1, Ordering::Relaxed);
        }
        ejected.is_ok()
    }

    /// Brings it back, as if nothing had been seen of it.
    pub(super) fn bring_back(&self, standing: Standing) {
        for streak in &self.streaks {
            streak.store(0, Ordering::Relaxed);
        }
        self.standing.store(standing.code(), Ordering::Release);
    }

    /// A sweep found it in.
    pub(super) fn forgive(&self) {
        let less = |times: u32| times.checked_sub(1);
        let order = Ordering::Relaxed;
        let _: Result<u32, u32> = self.times.fetch_update(order, order, less);
    }

    /// How often it was taken out lately.
    pub(super) fn times(&self) -> u32 {
        self.times.load(Ordering::Relaxed)
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.standing.load(Ordering::Acquire) {
            LIVE => Standing::Live,
            PROBATION => Standing::Probation,
            until => Standing::Ejected(until),
        }
    }

    /// What all workers counted since it was last asked: of answers, and of reaching it.
    pub(super) fn take(&self) -> [Share; 2] {
        let sum = |of: fn(&Tally) -> &AtomicU64| {
            let tallies = self.tallies.iter();
            let counted = tallies.map(|tally| of(tally).swap(0, Ordering::Relaxed));
            counted.fold(Share::default(), |sum, packed| Share {
                all: sum.all + packed / REQUEST,
                failed: sum.failed + packed % REQUEST,
            })
        };
        [sum(|tally| &tally.answers), sum(|tally| &tally.local)]
    }
}

impl Standing {
    fn code(self) -> u64 {
        match self {
            Self::Live => LIVE,
            Self::Probation => PROBATION,
            // Nothing is ejected for less than a nanosecond.
            Self::Ejected(until) => until.max(PROBATION + 1),
        }
    }
}

const LIVE: u64 = 0;
const PROBATION: u64 = 1;
const REQUEST: u64 = 1 << 32;
