//! How a cluster chooses endpoints: the policy, and what is common to all of them.
//!
//! Words and defaults are those of xDS v3, `envoy.config.cluster.v3.Cluster`, where it has them.

use std::time::Duration;

/// How endpoints are chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balancing {
    /// How an endpoint is chosen among those that may be.
    pub policy: LbPolicy,
    /// How endpoints that are new come to their share. `None`: at once. Hash policies ignore it:
    /// it would move their keys twice.
    pub slow_start: Option<SlowStart>,
    /// Percentage of available endpoints of a priority below which all of them are chosen from,
    /// whatever their health, unless other priorities make up for it. 0: never. Default: 50.
    pub panic_threshold: u32,
    /// What the available endpoints of a priority or locality can carry, as a percentage of their
    /// share; at least 100. Default: 140.
    pub overprovisioning_factor: u32,
    /// Whether a locality is chosen by its weight first, then an endpoint in it.
    pub locality_weighted: bool,
}

/// How an endpoint is chosen among those that may be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum LbPolicy {
    /// In turn, in exact proportion to the weights.
    #[default]
    RoundRobin,
    /// The one with fewer requests in flight, of some chosen at random.
    LeastRequest(LeastRequest),
    /// At random, by weight.
    Random,
    /// The one whose answers are expected sooner, of two chosen at random by weight.
    PeakEwma(PeakEwma),
    /// The one that a hash of the request falls to on a ring.
    RingHash(RingHash),
    /// The one that a hash of the request falls to in a table.
    Maglev(Maglev),
}

/// Settings of [`LbPolicy::LeastRequest`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeastRequest {
    /// Endpoints drawn at random, at least 2. Default: 2.
    pub choice_count: u32,
    /// `None`: endpoints are drawn by weight, and the one with the fewest requests in flight per
    /// weight is chosen. Otherwise, and if weights differ, endpoints take turns with the weight
    /// `weight / (active + 1) ^ bias`, as Envoy does, and with 0 as round robin does; at least 0.
    pub active_request_bias: Option<f64>,
}

/// Settings of [`LbPolicy::PeakEwma`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeakEwma {
    /// Time in which what was measured loses 63 % of its weight; more than zero. Default: 10 s.
    pub decay_time: Duration,
    /// What an endpoint is taken for that has not answered yet. Default: 30 ms.
    pub default_rtt: Duration,
    /// What a failure counts for at least, so that failing fast attracts nobody. Default: 5 s.
    pub failure_penalty: Duration,
}

/// Settings of [`LbPolicy::RingHash`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RingHash {
    /// Points on the ring at least, 1 to [`MAX_SIZE`](Self::MAX_SIZE). Default: 1024.
    pub minimum_ring_size: u32,
    /// Points on the ring at most, no less than the minimum; each endpoint has one all the same.
    /// Default: [`MAX_SIZE`](Self::MAX_SIZE).
    pub maximum_ring_size: u32,
    /// How much more than its share an endpoint may have in flight.
    pub bound: LoadBound,
}

/// Settings of [`LbPolicy::Maglev`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Maglev {
    /// Entries of the table: a prime up to [`MAX_SIZE`](Self::MAX_SIZE), well above the number of
    /// endpoints. Default: 65 537.
    pub table_size: u32,
    /// How much more than its share an endpoint may have in flight.
    pub bound: LoadBound,
}

/// How much more than its share an endpoint may have in flight, in percent of its share of all
/// requests of the worker: 150 for one and a half times as much. `None`: any number. At least 100.
///
/// Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded Loads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LoadBound(pub Option<u32>);

/// How endpoints that are new come to their share: theirs is multiplied by
/// `max(min_weight, (age / window) ^ (1 / aggression))` until they are as old as the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowStart {
    /// Age at which an endpoint has its full share; more than zero.
    pub window: Duration,
    /// How fast its share grows at first: 1 is linear, more is faster. More than 0. Default: 1.
    pub aggression: f64,
    /// Percentage of its share that it has at least, more than 0 and at most 100. Default: 10.
    pub min_weight_percent: f64,
}

/// Why a policy makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A number is out of its range.
    #[error("{field} is {value}, not from {min} to {max}")]
    Range {
        /// Which one, in the words of the configuration.
        field: &'static str,
        /// The number.
        value: f64,
        /// The smallest that is allowed.
        min: f64,
        /// The largest that is allowed.
        max: f64,
    },
    /// The size of a maglev table is not a prime number.
    #[error("table_size {0} is not a prime number")]
    NotPrime(u32),
}

impl Balancing {
    /// Whether every number is within its limits.
    pub fn check(&self) -> Result<(), PolicyError> {
        range("healthy_panic_threshold", self.panic_threshold, 0, 100)?;
        let factor = self.overprovisioning_factor;
        range("overprovisioning_factor", factor, 100, u32::MAX)?;
        if let Some(slow_start) = &self.slow_start {
            slow_start.check()?;
        }
        self.policy.check()
    }
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            policy: LbPolicy::default(),
            slow_start: None,
            panic_threshold: 50,
            overprovisioning_factor: 140,
            locality_weighted: false,
        }
    }
}

impl From<LbPolicy> for Balancing {
    fn from(policy: LbPolicy) -> Self {
        Self {
            policy,
            ..Self::default()
        }
    }
}

impl LbPolicy {
    /// Whether requests are spread by a hash of theirs.
    pub fn is_hash(&self) -> bool {
        matches!(self, Self::RingHash(_) | Self::Maglev(_))
    }

    fn check(&self) -> Result<(), PolicyError> {
        match self {
            Self::RoundRobin | Self::Random => Ok(()),
            Self::LeastRequest(settings) => {
                range("choice_count", settings.choice_count, 2, u32::MAX)?;
                let bias = settings.active_request_bias.unwrap_or_default();
                fraction("active_request_bias", bias, 0.0, LeastRequest::MAX_BIAS)
            }
            Self::PeakEwma(settings) => {
                let decay = settings.decay_time.as_secs_f64();
                fraction("decay_time", decay, f64::MIN_POSITIVE, f64::MAX)
            }
            Self::RingHash(settings) => {
                let (least, most) = (settings.minimum_ring_size, settings.maximum_ring_size);
                range("maximum_ring_size", most, 1, RingHash::MAX_SIZE)?;
                range("minimum_ring_size", least, 1, most)?;
                settings.bound.check()
            }
            Self::Maglev(settings) => {
                range("table_size", settings.table_size, 2, Maglev::MAX_SIZE)?;
                if !is_prime(settings.table_size) {
                    return Err(PolicyError::NotPrime(settings.table_size));
                }
                settings.bound.check()
            }
        }
    }
}

impl LeastRequest {
    /// The largest bias.
    pub const MAX_BIAS: f64 = 100.0;
}

impl Default for LeastRequest {
    fn default() -> Self {
        Self {
            choice_count: 2,
            active_request_bias: None,
        }
    }
}

impl Default for PeakEwma {
    fn default() -> Self {
        Self {
            decay_time: Duration::from_secs(10),
            default_rtt: Duration::from_millis(30),
            failure_penalty: Duration::from_secs(5),
        }
    }
}

impl RingHash {
    /// The most points that a ring may have.
    pub const MAX_SIZE: u32 = 8_388_608;
}

impl Default for RingHash {
    fn default() -> Self {
        Self {
            minimum_ring_size: 1024,
            maximum_ring_size: Self::MAX_SIZE,
            bound: LoadBound::default(),
        }
    }
}

impl Maglev {
    /// The most entries that a table may have.
    pub const MAX_SIZE: u32 = 5_000_011;
}

impl Default for Maglev {
    fn default() -> Self {
        Self {
            table_size: 65_537,
            bound: LoadBound::default(),
        }
    }
}

impl LoadBound {
    fn check(self) -> Result<(), PolicyError> {
        range("hash_balance_factor", self.0.unwrap_or(100), 100, u32::MAX)
    }
}

impl SlowStart {
    /// Over `window`, linearly, from a tenth.
    pub fn over(window: Duration) -> Self {
        Self {
            window,
            aggression: 1.0,
            min_weight_percent: 10.0,
        }
    }

    /// What the share of an endpoint of this age is multiplied by: more than 0, at most 1.
    pub fn factor(&self, age: Duration) -> f64 {
        if age >= self.window {
            return 1.0;
        }
        let time = age.as_secs_f64() / self.window.as_secs_f64();
        let grown = time.powf(self.aggression.recip());
        grown.max(self.min_weight_percent / 100.0).min(1.0)
    }

    fn check(&self) -> Result<(), PolicyError> {
        let positive = f64::MIN_POSITIVE;
        let window = self.window.as_secs_f64();
        fraction("slow_start_window", window, positive, f64::MAX)?;
        fraction("aggression", self.aggression, positive, f64::MAX)?;
        fraction(
            "min_weight_percent",
            self.min_weight_percent,
            positive,
            100.0,
        )
    }
}

fn range(field: &'static str, value: u32, min: u32, max: u32) -> Result<(), PolicyError> {
    fraction(field, value.into(), min.into(), max.into())
}

/// Refuses what is not a number, too.
fn fraction(field: &'static str, value: f64, min: f64, max: f64) -> Result<(), PolicyError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::Range {
        field,
        value,
        min,
        max,
    })
}

/// Whether `number` has no divisor but one and itself.
pub fn is_prime(number: u32) -> bool {
    let divisors = (2..).take_while(|d: &u32| u64::from(*d) * u64::from(*d) <= number.into());
    number > 1 && divisors.into_iter().all(|d| !number.is_multiple_of(d))
}
