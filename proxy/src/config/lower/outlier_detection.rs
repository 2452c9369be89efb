//! What endpoints are taken out for.

use std::time::Duration;

use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;
use sabir_router::outlier::{Ejection, FailurePercentage, OutlierDetection, Rule, SuccessRate};

use super::problem::Problems;

/// The settings at `path`.
pub(super) fn outlier_detection(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::OutlierDetection,
) -> OutlierDetection {
    let defaults = OutlierDetection::default();
    let interval = given.interval.as_ref();
    let interval = problems.positive(&path.field("interval"), interval, defaults.interval);
    let reader = &mut Reader { problems, path };
    OutlierDetection {
        interval,
        ejection: ejection(reader, given),
        consecutive_failure: Rule {
            threshold: reader.count("consecutive_failure", given.consecutive_failure, 5),
            enforcing: reader.percent(
                "enforcing_consecutive_failure",
                given.enforcing_consecutive_failure,
                100,
            ),
        },
        consecutive_gateway_failure: Rule {
            threshold: reader.count(
                "consecutive_gateway_failure",
                given.consecutive_gateway_failure,
                5,
            ),
            enforcing: reader.percent(
                "enforcing_consecutive_gateway_failure",
                given.enforcing_consecutive_gateway_failure,
                0,
            ),
        },
        split_local_origin: given.split_external_local_origin_errors,
        consecutive_local_origin_failure: Rule {
            threshold: reader.count(
                "consecutive_local_origin_failure",
                given.consecutive_local_origin_failure,
                5,
            ),
            enforcing: reader.percent(
                "enforcing_consecutive_local_origin_failure",
                given.enforcing_consecutive_local_origin_failure,
                100,
            ),
        },
        success_rate: success_rate(reader, given),
        failure_percentage: failure_percentage(reader, given),
    }
}

/// Reads fields of one message.
struct Reader<'a, 'p> {
    problems: &'a mut Problems,
    path: &'a FieldPath<'p>,
}

impl Reader<'_, '_> {
    fn count(&mut self, name: &'static str, given: Option<u32>, default: u32) -> u32 {
        let path = self.path.field(name);
        self.problems
            .number(&path, given.unwrap_or(default), 1..=u32::MAX)
    }

    fn percent(&mut self, name: &'static str, given: Option<u32>, default: u32) -> u32 {
        let path = self.path.field(name);
        self.problems
            .number(&path, given.unwrap_or(default), 0..=100)
    }
}

fn ejection(reader: &mut Reader<'_, '_>, given: &v1::OutlierDetection) -> Ejection {
    let defaults = Ejection::default();
    let percent = given.max_ejection_percent;
    let max_percent = reader.percent("max_ejection_percent", percent, defaults.max_percent);
    let half_open = given.half_open_requests;
    let half_open_requests = half_open.map(|_| reader.count("half_open_requests", half_open, 1));
    let Reader { problems, path } = reader;
    let base = given.base_ejection_time.as_ref();
    let longest = given.max_ejection_time.as_ref();
    let jitter = given.max_ejection_time_jitter.as_ref();
    Ejection {
        base_time: problems.positive(&path.field("base_ejection_time"), base, defaults.base_time),
        max_time: problems.positive(&path.field("max_ejection_time"), longest, defaults.max_time),
        jitter: problems.duration(
            &path.field("max_ejection_time_jitter"),
            jitter,
            Duration::ZERO,
        ),
        max_percent,
        half_open_requests,
    }
}

fn success_rate(reader: &mut Reader<'_, '_>, given: &v1::OutlierDetection) -> SuccessRate {
    let defaults = SuccessRate::default();
    let hosts = given.success_rate_minimum_hosts;
    let volume = given.success_rate_request_volume;
    let factor = given.success_rate_stdev_factor;
    SuccessRate {
        minimum_hosts: hosts.unwrap_or(defaults.minimum_hosts),
        request_volume: volume.unwrap_or(defaults.request_volume),
        stdev_factor: factor.unwrap_or(defaults.stdev_factor),
        enforcing: reader.percent(
            "enforcing_success_rate",
            given.enforcing_success_rate,
            defaults.enforcing,
        ),
        enforcing_local_origin: reader.percent(
            "enforcing_local_origin_success_rate",
            given.enforcing_local_origin_success_rate,
            defaults.enforcing_local_origin,
        ),
    }
}

fn failure_percentage(
    reader: &mut Reader<'_, '_>,
    given: &v1::OutlierDetection,
) -> FailurePercentage {
    let defaults = FailurePercentage::default();
    let hosts = given.failure_percentage_minimum_hosts;
    let volume = given.failure_percentage_request_volume;
    FailurePercentage {
        threshold: reader.percent(
            "failure_percentage_threshold",
            given.failure_percentage_threshold,
            defaults.threshold,
        ),
        minimum_hosts: hosts.unwrap_or(defaults.minimum_hosts),
        request_volume: volume.unwrap_or(defaults.request_volume),
        enforcing: reader.percent(
            "enforcing_failure_percentage",
            given.enforcing_failure_percentage,
            defaults.enforcing,
        ),
        enforcing_local_origin: reader.percent(
            "enforcing_failure_percentage_local_origin",
            given.enforcing_failure_percentage_local_origin,
            defaults.enforcing_local_origin,
        ),
    }
}
