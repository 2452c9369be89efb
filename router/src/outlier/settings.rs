//! What endpoints are taken out for, and for how long.

use std::time::Duration;

use super::Cause;
use super::host::Streak;

/// What endpoints of a cluster are taken out for. Defaults are those of xDS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierDetection {
    /// Time between sweeps, which bring endpoints back and compare them; more than zero. Default:
    /// 10 s.
    pub interval: Duration,
    /// How long endpoints are out, and how many.
    pub ejection: Ejection,
    /// Failures in a row (`consecutive_5xx` of xDS). Default: 5, always enforced.
    pub consecutive_failure: Rule,
    /// Gateway failures in a row. Default: 5, never enforced.
    pub consecutive_gateway_failure: Rule,
    /// Whether failures to reach an endpoint are counted apart. Default: no, as failures.
    pub split_local_origin: bool,
    /// Failures to reach it in a row, if they are counted apart. Default: 5, always enforced.
    pub consecutive_local_origin_failure: Rule,
    /// Comparison with the others.
    pub success_rate: SuccessRate,
    /// Comparison with a threshold.
    pub failure_percentage: FailurePercentage,
}

/// How long endpoints are out, and how many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ejection {
    /// Time out the first time; each further time adds as much. More than zero. Default: 30 s.
    pub base_time: Duration,
    /// Time out at most, or `base_time` if that is longer. Default: 300 s.
    pub max_time: Duration,
    /// Most that is added to the time at random. Default: none.
    pub jitter: Duration,
    /// Most endpoints that are out, in percent, 0 to 100; one may always be. Default: 10.
    pub max_percent: u32,
    /// Calls that each worker gives to an endpoint that comes back, until a sweep finds that some
    /// went well; a failure takes it out again at once. `None`: it has its full share at once.
    /// At least 1. Default: none.
    pub half_open_requests: Option<u32>,
}

/// A number of failures in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule {
    /// How many; at least 1.
    pub threshold: u32,
    /// Percentage of the times that it is reached at which the endpoint is taken out, 0 to 100.
    pub enforcing: u32,
}

/// Endpoints that succeed less often than the mean of all, less some standard deviations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SuccessRate {
    /// Endpoints with enough requests without which nobody is compared. Default: 5.
    pub minimum_hosts: u32,
    /// Requests between sweeps that are enough. Default: 100.
    pub request_volume: u32,
    /// Standard deviations, in thousandths. Default: 1900.
    pub stdev_factor: u32,
    /// Percentage of the times at which the endpoint is taken out, 0 to 100. Default: 100.
    pub enforcing: u32,
    /// As `enforcing`, for failures to reach it, if they are counted apart. Default: 100.
    pub enforcing_local_origin: u32,
}

/// Endpoints that fail at least this often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailurePercentage {
    /// Percentage of failures, 0 to 100. Default: 85.
    pub threshold: u32,
    /// Endpoints without which nobody is taken out. Default: 5.
    pub minimum_hosts: u32,
    /// Requests between sweeps that are enough. Default: 50.
    pub request_volume: u32,
    /// Percentage of the times at which the endpoint is taken out, 0 to 100. Default: 0.
    pub enforcing: u32,
    /// As `enforcing`, for failures to reach it, if they are counted apart. Default: 0.
    pub enforcing_local_origin: u32,
}

/// Why settings make no sense.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A duration is zero, or a number of calls is.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// A percentage is more than everything.
    #[error("{field} is {value}, more than 100")]
    Percentage {
        /// Which one, in the words of the configuration.
        field: &'static str,
        /// The number.
        value: u32,
    },
}

impl OutlierDetection {
    /// Whether every number is within its limits.
    pub fn check(&self) -> Result<(), SettingsError> {
        let ejection = &self.ejection;
        let positive = [
            ("interval", self.interval.is_zero()),
            ("base_ejection_time", ejection.base_time.is_zero()),
            ("half_open_requests", ejection.half_open_requests == Some(0)),
            (
                "consecutive_failure",
                self.consecutive_failure.threshold == 0,
            ),
            (
                "consecutive_gateway_failure",
                self.consecutive_gateway_failure.threshold == 0,
            ),
            (
                "consecutive_local_origin_failure",
                self.consecutive_local_origin_failure.threshold == 0,
            ),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, zero)| *zero) {
            return Err(SettingsError::Zero(field));
        }
        let mut percentages = vec![
            ("max_ejection_percent", ejection.max_percent),
            (
                "failure_percentage_threshold",
                self.failure_percentage.threshold,
            ),
        ];
        percentages.extend(Cause::ALL.map(|cause| ("enforcing", self.enforcing(cause))));
        match percentages.into_iter().find(|(_, value)| *value > 100) {
            Some((field, value)) => Err(SettingsError::Percentage { field, value }),
            None => Ok(()),
        }
    }

    /// Percentage of the times that `cause` is found at which the endpoint is taken out.
    pub fn enforcing(&self, cause: Cause) -> u32 {
        match cause {
            Cause::ConsecutiveFailure => self.consecutive_failure.enforcing,
            Cause::ConsecutiveGatewayFailure => self.consecutive_gateway_failure.enforcing,
            Cause::ConsecutiveLocalOriginFailure => self.consecutive_local_origin_failure.enforcing,
            Cause::SuccessRate => self.success_rate.enforcing,
            Cause::LocalOriginSuccessRate => self.success_rate.enforcing_local_origin,
            Cause::FailurePercentage => self.failure_percentage.enforcing,
            Cause::LocalOriginFailurePercentage => self.failure_percentage.enforcing_local_origin,
            Cause::Probation => 100,
        }
    }

    pub(super) fn consecutive(&self, streak: Streak) -> Rule {
        match streak {
            Streak::Failures => self.consecutive_failure,
            Streak::Gateway => self.consecutive_gateway_failure,
            Streak::Local => self.consecutive_local_origin_failure,
        }
    }
}

impl Default for OutlierDetection {
    fn default() -> Self {
        let rule = |enforcing| Rule {
            threshold: 5,
            enforcing,
        };
        Self {
            interval: Duration::from_secs(10),
            ejection: Ejection::default(),
            consecutive_failure: rule(100),
            consecutive_gateway_failure: rule(0),
            split_local_origin: false,
            consecutive_local_origin_failure: rule(100),
            success_rate: SuccessRate::default(),
            failure_percentage: FailurePercentage::default(),
        }
    }
}

impl Ejection {
    /// Time out when it is the `times`th time, without jitter.
    pub fn time(&self, times: u32) -> Duration {
        let longest = self.max_time.max(self.base_time);
        self.base_time.saturating_mul(times).min(longest)
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            base_time: Duration::from_secs(30),
            max_time: Duration::from_secs(300),
            jitter: Duration::ZERO,
            max_percent: 10,
            half_open_requests: None,
        }
    }
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            minimum_hosts: 5,
            request_volume: 100,
            stdev_factor: 1900,
            enforcing: 100,
            enforcing_local_origin: 100,
        }
    }
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            threshold: 85,
            minimum_hosts: 5,
            request_volume: 50,
            enforcing: 0,
            enforcing_local_origin: 0,
        }
    }
}
