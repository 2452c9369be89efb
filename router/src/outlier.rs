//! Passive health: endpoints that fail are taken out for a while.
//!
//! ```text
//! workers ──report──▶ Host: streaks, a tally of each worker ──sweep──▶ shares of failures
//!                      │ streak is long enough                            │ worse than others
//!                      ▼                                                  ▼
//!          Live ──────────────────────────▶ Ejected ◀──────────────────────
//!            ▲                                 │ time is over
//!            └────────── some went well ── Probation (a few calls each worker)
//! ```
//!
//! As `outlier_detection` of xDS v3, `envoy.config.cluster.v3.OutlierDetection`, over neutral
//! outcomes; probation is sabir's own. All workers share one [`Detector`] and take no locks:
//!
//! - a streak is one number, which a success writes only if it is not zero;
//! - what is counted for shares is counted by each worker in a cache line of its own;
//! - sweeps belong to whichever worker first comes past the moment that one is due, which it
//!   claims by writing the next one;
//! - workers learn of a change by a number that all read and only changes write.

mod host;
mod settings;
mod sweep;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sabir_core::outcome::{Code, Outcome, Party};

use crate::hash::scale;
use host::Streak;
pub(crate) use host::{Host, Standing};
pub use settings::{
    Ejection, FailurePercentage, OutlierDetection, Rule, SettingsError, SuccessRate,
};

/// Watches the endpoints of a cluster for all workers.
#[derive(Debug)]
pub struct Detector {
    settings: OutlierDetection,
    hosts: HashMap<SocketAddr, Arc<Host>>,
    board: Arc<Board>,
}

/// What outlives changes of a cluster.
#[derive(Debug)]
struct Board {
    /// What moments are counted from.
    origin: Instant,
    /// Grows with every change of what an endpoint is fit for.
    epoch: AtomicU64,
    /// When the next sweep is due.
    due: AtomicU64,
    ejected: AtomicU32,
    seats: AtomicU32,
    counts: Counts,
}

/// What the endpoint's part in an outcome was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It answered, if only that the request is wrong.
    Success,
    /// It failed.
    Failure,
    /// It failed as a gateway does: it is overloaded or unavailable, was not in time, or its
    /// answer could not be understood.
    GatewayFailure,
    /// It could not be reached, or was lost, or did not answer in time.
    LocalFailure,
}

/// Why an endpoint is taken out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Failures without a success between them.
    ConsecutiveFailure,
    /// Gateway failures without anything else between them.
    ConsecutiveGatewayFailure,
    /// Failures to reach it without an answer between them.
    ConsecutiveLocalOriginFailure,
    /// It fails more often than the others do.
    SuccessRate,
    /// It is reached less often than the others are.
    LocalOriginSuccessRate,
    /// It fails too often.
    FailurePercentage,
    /// It is not reached too often.
    LocalOriginFailurePercentage,
    /// It failed while it was on probation.
    Probation,
}

/// What was counted since the cluster began to be watched.
#[derive(Debug, Default)]
struct Counts {
    detected: [AtomicU64; Cause::ALL.len()],
    enforced: [AtomicU64; Cause::ALL.len()],
    overflow: AtomicU64,
}

impl Verdict {
    /// The endpoint's part in `outcome`; `None` if that says nothing about it.
    ///
    /// Errors of business logic are answers, and so is the word that a request is malformed, not
    /// known, not allowed or one too many for its caller.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match (outcome.party, outcome.code) {
            (Party::Nobody | Party::Business, _) => Some(Self::Success),
            (Party::Proxy, _) | (_, Code::Cancelled) => None,
            (Party::Network, _) => Some(Self::LocalFailure),
            (Party::Caller, _) => Some(Self::Success),
            (Party::Infrastructure, code) => Some(match code {
                Code::Internal => Self::Failure,
                Code::Unavailable | Code::TimedOut | Code::Overloaded | Code::BadResponse => {
                    Self::GatewayFailure
                }
                _ => Self::Success,
            }),
        }
    }

    /// Whether it is a failure of any kind.
    pub fn is_failure(self) -> bool {
        self != Self::Success
    }
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 8] = [
        Self::ConsecutiveFailure,
        Self::ConsecutiveGatewayFailure,
        Self::ConsecutiveLocalOriginFailure,
        Self::SuccessRate,
        Self::LocalOriginSuccessRate,
        Self::FailurePercentage,
        Self::LocalOriginFailurePercentage,
        Self::Probation,
    ];

    /// Name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConsecutiveFailure => "consecutive_failure",
            Self::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            Self::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
            Self::SuccessRate => "success_rate",
            Self::LocalOriginSuccessRate => "local_origin_success_rate",
            Self::FailurePercentage => "failure_percentage",
            Self::LocalOriginFailurePercentage => "local_origin_failure_percentage",
            Self::Probation => "probation",
        }
    }
}

impl Detector {
    /// Watches endpoints at `addresses` for so many `workers`. Those that `previous` watched are
    /// known as they are; its counts go on.
    pub fn new(
        settings: OutlierDetection,
        addresses: impl IntoIterator<Item = SocketAddr>,
        workers: usize,
        previous: Option<&Self>,
        now: Instant,
    ) -> Self {
        let board = previous.map_or_else(|| Arc::new(Board::new(now)), |p| p.board.clone());
        let known = |address: &SocketAddr| previous?.hosts.get(address).cloned();
        let host = |address: SocketAddr| {
            let host = known(&address).unwrap_or_else(|| Arc::new(Host::new(workers)));
            (address, host)
        };
        let hosts = addresses.into_iter().map(host).collect();
        let detector = Self {
            settings,
            hosts,
            board,
        };
        detector.count_ejected();
        if previous.is_none_or(|p| p.settings.interval != detector.settings.interval) {
            let due = detector.board.moment(now + detector.settings.interval);
            detector.board.due.store(due, Ordering::Relaxed);
        }
        detector
    }

    /// What endpoints are taken out for.
    pub fn settings(&self) -> &OutlierDetection {
        &self.settings
    }

    /// Endpoints that are out now.
    pub fn ejected(&self) -> usize {
        let out = |host: &&Arc<Host>| matches!(host.standing(), Standing::Ejected(_));
        self.hosts.values().filter(out).count()
    }

    /// Whether the endpoint at `address` is out now.
    pub fn is_ejected(&self, address: SocketAddr) -> bool {
        let host = self.hosts.get(&address);
        host.is_some_and(|host| matches!(host.standing(), Standing::Ejected(_)))
    }

    /// How often endpoints would have been taken out for `cause`.
    pub fn detected(&self, cause: Cause) -> u64 {
        self.board.counts.detected[cause as usize].load(Ordering::Relaxed)
    }

    /// How often endpoints were taken out for `cause`.
    pub fn enforced(&self, cause: Cause) -> u64 {
        self.board.counts.enforced[cause as usize].load(Ordering::Relaxed)
    }

    /// How often an endpoint stayed because too many others were out.
    pub fn overflow(&self) -> u64 {
        self.board.counts.overflow.load(Ordering::Relaxed)
    }

    /// Brings endpoints back whose time is over, and looks for those that do worse than others,
    /// if that is due. Any number of workers may ask; one does it.
    pub fn sweep(&self, now: Instant, random: impl FnMut() -> u64) {
        let moment = self.board.moment(now);
        let due = self.board.due.load(Ordering::Relaxed);
        if moment < due {
            return;
        }
        let next = self.board.moment(now + self.settings.interval);
        let claimed =
            self.board
                .due
                .compare_exchange(due, next, Ordering::AcqRel, Ordering::Relaxed);
        if claimed.is_ok() {
            self.sweep_now(moment, random);
        }
    }

    /// A number that changes when an endpoint is taken out, or comes back.
    pub(crate) fn epoch(&self) -> u64 {
        self.board.epoch.load(Ordering::Acquire)
    }

    /// Where a worker that asks for the first time counts.
    pub(crate) fn seat(&self) -> usize {
        self.board.seats.fetch_add(1, Ordering::Relaxed) as usize
    }

    /// Who is at `address`, if it is watched.
    pub(crate) fn host(&self, address: SocketAddr) -> Option<&Arc<Host>> {
        self.hosts.get(&address)
    }

    /// Takes in how a request to `host` ended, from the worker of this seat.
    pub(crate) fn report(
        &self,
        host: &Host,
        seat: usize,
        verdict: Verdict,
        now: Instant,
        random: impl FnMut() -> u64,
    ) {
        let split = self.settings.split_local_origin;
        host.tally(seat, verdict, split);
        let hit = host.advance(verdict, split, &self.settings);
        let cause = match hit {
            Some(Streak::Failures) => Cause::ConsecutiveFailure,
            Some(Streak::Gateway) => Cause::ConsecutiveGatewayFailure,
            Some(Streak::Local) => Cause::ConsecutiveLocalOriginFailure,
            None if verdict.is_failure() && host.standing() == Standing::Probation => {
                Cause::Probation
            }
            None => return,
        };
        self.detect(host, cause, self.board.moment(now), random);
    }

    /// Takes an endpoint out, if chance and the number of those that are out allow it.
    fn detect(&self, host: &Host, cause: Cause, moment: u64, mut random: impl FnMut() -> u64) {
        let standing = host.standing();
        if let Standing::Ejected(_) = standing {
            return;
        }
        let counts = &self.board.counts;
        counts.detected[cause as usize].fetch_add(1, Ordering::Relaxed);
        if scale(random(), 100) >= self.settings.enforcing(cause).into() {
            return;
        }
        if !self.may_eject() {
            counts.overflow.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let jitter = self.settings.ejection.jitter.as_nanos() as u64;
        let time = self.settings.ejection.time(host.times() + 1).as_nanos() as u64;
        let until = moment + time + scale(random(), jitter);
        if host.eject(standing, until) {
            counts.enforced[cause as usize].fetch_add(1, Ordering::Relaxed);
            self.board.epoch.fetch_add(1, Ordering::Release);
        } else {
            // Another worker was faster.
            self.board.ejected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts one more as out, if not too many are. One may always be.
    fn may_eject(&self) -> bool {
        let (all, most) = (self.hosts.len() as u64, self.settings.ejection.max_percent);
        let more = |out: u32| {
            let fits = (u64::from(out) + 1) * 100 <= u64::from(most) * all;
            (out == 0 || fits).then_some(out + 1)
        };
        let ejected = &self.board.ejected;
        let order = Ordering::Relaxed;
        ejected.fetch_update(order, order, more).is_ok()
    }

    /// Counts anew those that are out: the endpoints may have changed while some were.
    fn count_ejected(&self) {
        let out = self.ejected() as u32;
        self.board.ejected.store(out, Ordering::Relaxed);
    }
}

impl PartialEq for Detector {
    /// Whether the same is watched for; what was seen is not compared.
    fn eq(&self, other: &Self) -> bool {
        let addresses = || self.hosts.keys().all(|a| other.hosts.contains_key(a));
        self.settings == other.settings && self.hosts.len() == other.hosts.len() && addresses()
    }
}

impl Board {
    fn new(now: Instant) -> Self {
        Self {
            origin: now,
            epoch: AtomicU64::new(0),
            due: AtomicU64::new(0),
            ejected: AtomicU32::new(0),
            seats: AtomicU32::new(0),
            counts: Counts::default(),
        }
    }

    fn moment(&self, at: Instant) -> u64 {
        let since: Duration = at.saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
