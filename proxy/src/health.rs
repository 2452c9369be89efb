//! What metrics say of the health of a cluster's endpoints, the same for all workers.

use std::time::Instant;

use sabir_router::cluster::{Cluster, Health};
use sabir_router::outlier::Cause;

use crate::config::resolved::Snapshot;
use crate::telemetry::{ClusterCounter, ClusterGauge, Summary};

/// Adds it for every cluster of `snapshot`, as of now also where no call has come by since.
pub(crate) fn add(summary: &mut Summary, snapshot: &Snapshot) {
    for cluster in &snapshot.clusters {
        let balancing = &cluster.balancing;
        if let Some(detector) = balancing.detector() {
            detector.sweep(Instant::now(), || fastrand::u64(..));
        }
        let (counters, gauges) = (ejections(balancing), membership(balancing));
        summary.set_cluster(&cluster.name, counters, gauges);
    }
}

fn membership(cluster: &Cluster) -> [(ClusterGauge, i64); 4] {
    let health = cluster.endpoints().iter().map(|e| cluster.health(e));
    let count = |is: fn(Health) -> bool| health.clone().filter(|h| is(*h)).count() as i64;
    let ejected = cluster.detector().map_or(0, |detector| detector.ejected());
    [
        (ClusterGauge::MembershipSize, count(|_| true)),
        (
            ClusterGauge::MembershipHealthy,
            count(|h| h <= Health::Healthy),
        ),
        (
            ClusterGauge::MembershipDegraded,
            count(|h| h == Health::Degraded),
        ),
        (ClusterGauge::EjectionsActive, ejected as i64),
    ]
}

fn ejections(cluster: &Cluster) -> Vec<(ClusterCounter, u64)> {
    let Some(detector) = cluster.detector() else {
        return Vec::new();
    };
    let counters = Cause::ALL.into_iter().flat_map(|cause| {
        let (detected, enforced) = counters(cause);
        [
            (detected, detector.detected(cause)),
            (enforced, detector.enforced(cause)),
        ]
    });
    let overflow = (ClusterCounter::EjectionsOverflow, detector.overflow());
    counters.chain([overflow]).collect()
}

/// What counts how often a cause was found, and how often it took an endpoint out.
fn counters(cause: Cause) -> (ClusterCounter, ClusterCounter) {
    use ClusterCounter as C;
    match cause {
        Cause::ConsecutiveFailure => (C::DetectedFailure, C::EnforcedFailure),
        Cause::ConsecutiveGatewayFailure => (C::DetectedGatewayFailure, C::EnforcedGatewayFailure),
        Cause::ConsecutiveLocalOriginFailure => {
            (C::DetectedLocalOriginFailure, C::EnforcedLocalOriginFailure)
        }
        Cause::SuccessRate => (C::DetectedSuccessRate, C::EnforcedSuccessRate),
        Cause::LocalOriginSuccessRate => (
            C::DetectedLocalOriginSuccessRate,
            C::EnforcedLocalOriginSuccessRate,
        ),
        Cause::FailurePercentage => (C::DetectedFailurePercentage, C::EnforcedFailurePercentage),
        Cause::LocalOriginFailurePercentage => (
            C::DetectedLocalOriginFailurePercentage,
            C::EnforcedLocalOriginFailurePercentage,
        ),
        Cause::Probation => (C::DetectedProbation, C::EnforcedProbation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metric;

    #[test]
    fn causes_are_counted_under_their_names() {
        for cause in Cause::ALL {
            let (detected, enforced) = counters(cause);
            let label = Some(("type", cause.as_str()));
            assert_eq!((detected.label(), enforced.label()), (label, label));
        }
    }
}
