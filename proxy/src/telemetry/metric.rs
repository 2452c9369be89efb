//! The counters and gauges of listeners and clusters, with the names they are exposed under.
//!
//! Names are Envoy's where it has the same thing, after `sabir_`.

use super::scope::{ClusterId, ListenerId, Owner};

/// A label beside the name of the listener or cluster: its name and its value.
pub type Label = (&'static str, &'static str);

/// A counter or gauge that each listener, or each cluster, has one of.
pub trait Metric: Copy + 'static {
    /// What has one of it.
    type Id: Copy + Into<Owner>;

    /// Every one, in the order of [`index`](Self::index). Those of one family are neighbours.
    const ALL: &'static [Self];

    /// Position in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// Name it is exposed under; several share it if a label tells them apart.
    fn family(self) -> &'static str;

    /// What the family counts, in a sentence.
    fn help(self) -> &'static str;

    /// The label that tells it apart in its family.
    fn label(self) -> Option<Label>;
}

/// A metric that only grows.
pub trait Counter: Metric {}

/// A metric that goes up and down.
pub trait Gauge: Metric {}

macro_rules! metrics {
    (
        $(#[$outer:meta])*
        $kind:ident $name:ident of $id:ty {
            $($family:literal $help:literal {
                $($variant:ident $(($key:literal = $value:literal))?,)+
            })+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name {
            $($(
                #[doc = $help]
                $(#[doc = concat!("\n\nThose with the ", $key, " `", $value, "`.")])?
                $variant,
            )+)+
        }

        impl $kind for $name {}

        impl Metric for $name {
            type Id = $id;

            const ALL: &'static [Self] = &[$($(Self::$variant,)+)+];

            fn index(self) -> usize {
                self as usize
            }

            fn family(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => concat!("sabir_", $family),)+
                }
            }

            fn help(self) -> &'static str {
                match self {
                    $($(Self::$variant)|+ => $help,)+
                }
            }

            fn label(self) -> Option<Label> {
                $($($(if matches!(self, Self::$variant) {
                    return Some(($key, $value));
                })?)+)+
                None
            }
        }
    };
}

metrics! {
    /// What is counted for each listener.
    Counter ListenerCounter of ListenerId {
        "downstream_cx_total"
            "Connections accepted." { CxTotal, }
        "downstream_cx_overflow_total"
            "Connections closed as they were accepted, because the listener's limit was reached."
            { CxOverflow, }
        "downstream_cx_destroy_total"
            "Connections closed, by reason." {
            CxDestroyRemote("reason" = "remote"),
            CxDestroyIo("reason" = "io_error"),
            CxDestroyIdle("reason" = "idle_timeout"),
            CxDestroyFirstMessage("reason" = "first_message_timeout"),
            CxDestroyProtocol("reason" = "protocol_error"),
            CxDestroySlowReader("reason" = "slow_reader"),
            CxDestroyUpstream("reason" = "bound_upstream_closed"),
            CxDestroyDrain("reason" = "drain"),
            CxDestroyDrainTimeout("reason" = "drain_timeout"),
        }
        "downstream_cx_protocol_error_total"
            "Times a caller sent what its protocol does not allow, fatal or not." { ProtocolError, }
        "downstream_cx_rx_bytes_total"
            "Bytes received from callers." { RxBytes, }
        "downstream_cx_tx_bytes_total"
            "Bytes sent to callers." { TxBytes, }
        "downstream_flow_control_paused_reading_total"
            "Times a caller was not read from because its answers, or the callee, did not keep up."
            { PausedReading, }
        "downstream_rq_total"
            "Requests received, one-way ones included." { RqTotal, }
        "downstream_rq_one_way_total"
            "One-way requests received." { RqOneWay, }
        "downstream_rq_one_way_dropped_total"
            "One-way requests that were not delivered, of which no caller is told."
            { RqOneWayDropped, }
        "downstream_rq_malformed_total"
            "Requests answered as malformed on a connection that lives on." { RqMalformed, }
        "downstream_rq_too_large_total"
            "Requests larger than the listener's limit." { RqTooLarge, }
        "downstream_rq_cancelled_total"
            "Requests whose caller went away or gave up before the answer." { RqCancelled, }
        "downstream_rq_expired_total"
            "Requests that were sent to nobody because their deadline had passed." { RqExpired, }
        "downstream_rq_idle_timeout_total"
            "Streamed requests that ended because neither side said anything for too long."
            { RqIdleTimeout, }
        "downstream_rq_no_route_total"
            "Requests that no route matched." { RqNoRoute, }
        "downstream_rq_direct_response_total"
            "Requests that a route answered itself." { RqDirectResponse, }
        "downstream_rq_filter_response_total"
            "Requests that a filter answered itself." { RqFilterResponse, }
        "response_mutation_not_written_total"
            "Responses forwarded unchanged because a change of their metadata could not be written."
            { MutationNotWritten, }
        "late_response_dropped_total"
            "Responses dropped because their caller had its answer, or was gone." { LateResponse, }
    }
}

metrics! {
    /// What goes up and down for each listener.
    Gauge ListenerGauge of ListenerId {
        "downstream_cx_active"
            "Connections open." { CxActive, }
        "downstream_rq_active"
            "Requests in flight." { RqActive, }
    }
}

metrics! {
    /// What is counted for each cluster.
    Counter ClusterCounter of ClusterId {
        "upstream_cx_total"
            "Connections established." { CxTotal, }
        "upstream_cx_connect_fail_total"
            "Attempts to connect that failed." { CxConnectFail, }
        "upstream_cx_connect_timeout_total"
            "Attempts to connect that took too long." { CxConnectTimeout, }
        "upstream_cx_overflow_total"
            "Times a connection was wanted and the limit of connections was reached."
            { CxOverflow, }
        "upstream_cx_bound_total"
            "Connections opened for one caller's connection alone." { CxBound, }
        "upstream_cx_destroy_total"
            "Connections closed, by reason." {
            CxDestroyRemote("reason" = "remote"),
            CxDestroyIo("reason" = "io_error"),
            CxDestroyIdle("reason" = "idle_timeout"),
            CxDestroyProtocol("reason" = "protocol_error"),
            CxDestroyHeartbeat("reason" = "heartbeat_timeout"),
            CxDestroyDownstream("reason" = "bound_downstream_closed"),
            CxDestroyAbandoned("reason" = "abandoned_exchange"),
            CxDestroyEndpointRemoved("reason" = "endpoint_removed"),
        }
        "upstream_cx_protocol_error_total"
            "Times an endpoint sent what its protocol does not allow." { ProtocolError, }
        "upstream_cx_rx_bytes_total"
            "Bytes received from endpoints." { RxBytes, }
        "upstream_cx_tx_bytes_total"
            "Bytes sent to endpoints." { TxBytes, }
        "upstream_cx_endpoint_drain_total"
            "Times an endpoint said that it takes no new requests." { EndpointDrain, }
        "upstream_cx_endpoint_resume_total"
            "Times an endpoint said that it takes requests again." { EndpointResume, }
        "upstream_cx_none_healthy_total"
            "Requests for which there was no endpoint to choose." { NoneHealthy, }
        "lb_healthy_panic_total"
            "Requests given to endpoints whatever their health, as too few healthy ones were left."
            { LbHealthyPanic, }
        "outlier_detection_ejections_detected_total"
            "Times an endpoint was found to fail, by what it did, whether taken out or not." {
            DetectedFailure("type" = "consecutive_failure"),
            DetectedGatewayFailure("type" = "consecutive_gateway_failure"),
            DetectedLocalOriginFailure("type" = "consecutive_local_origin_failure"),
            DetectedSuccessRate("type" = "success_rate"),
            DetectedLocalOriginSuccessRate("type" = "local_origin_success_rate"),
            DetectedFailurePercentage("type" = "failure_percentage"),
            DetectedLocalOriginFailurePercentage("type" = "local_origin_failure_percentage"),
            DetectedProbation("type" = "probation"),
        }
        "outlier_detection_ejections_enforced_total"
            "Times an endpoint was taken out, by what it did." {
            EnforcedFailure("type" = "consecutive_failure"),
            EnforcedGatewayFailure("type" = "consecutive_gateway_failure"),
            EnforcedLocalOriginFailure("type" = "consecutive_local_origin_failure"),
            EnforcedSuccessRate("type" = "success_rate"),
            EnforcedLocalOriginSuccessRate("type" = "local_origin_success_rate"),
            EnforcedFailurePercentage("type" = "failure_percentage"),
            EnforcedLocalOriginFailurePercentage("type" = "local_origin_failure_percentage"),
            EnforcedProbation("type" = "probation"),
        }
        "outlier_detection_ejections_overflow_total"
            "Times an endpoint that fails was left in because too many others were out."
            { EjectionsOverflow, }
        "upstream_flow_control_paused_total"
            "Times requests were held back because an endpoint did not read fast enough."
            { PausedWriting, }
        "upstream_rq_total"
            "Requests sent to endpoints." { RqTotal, }
        "upstream_rq_completed_total"
            "Responses received whose caller still waited." { RqCompleted, }
        "upstream_rq_timeout_total"
            "Requests whose deadline passed." { RqTimeout, }
        "upstream_rq_cancelled_total"
            "Requests abandoned because their caller went away." { RqCancelled, }
        "upstream_rq_rx_reset_total"
            "Requests that ended with the connection, or that the endpoint reset." { RqReset, }
        "upstream_rq_resent_total"
            "Times a request was sent again because nothing had been done that could not be done twice."
            { RqResent, }
        "upstream_rq_retry_total"
            "Retries that the route's policy asked for." { RqRetry, }
        "upstream_rq_retry_success_total"
            "Requests that a retry brought a good answer." { RqRetrySuccess, }
        "upstream_rq_retry_overflow_total"
            "Requests not retried because the cluster's limit of retries was reached."
            { RqRetryOverflow, }
        "upstream_rq_retry_limit_exceeded_total"
            "Requests not retried any more because they had been as often as the policy says."
            { RqRetryLimitExceeded, }
        "upstream_rq_per_try_timeout_total"
            "Attempts that took longer than the policy allows for one." { RqPerTryTimeout, }
        "upstream_rq_overflow_total"
            "Requests refused because the limit of requests in flight was reached." { RqOverflow, }
        "upstream_rq_pending_total"
            "Requests that waited for a connection." { RqPendingTotal, }
        "upstream_rq_pending_overflow_total"
            "Requests refused because the limit of waiting ones was reached." { RqPendingOverflow, }
        "upstream_rq_pending_failure_total"
            "Requests that failed while they waited for a connection." { RqPendingFailure, }
        "upstream_rs_too_large_total"
            "Responses larger than the cluster's limit." { RsTooLarge, }
        "upstream_rs_unknown_id_total"
            "Responses dropped because nothing was asked under their id." { RsUnknownId, }
        "upstream_server_rq_refused_total"
            "Requests of endpoints to their client, refused as many share the connection."
            { ServerRequestRefused, }
        "request_mutation_not_written_total"
            "Requests forwarded unchanged because a change of their metadata could not be written."
            { MutationNotWritten, }
    }
}

metrics! {
    /// What goes up and down for each cluster.
    Gauge ClusterGauge of ClusterId {
        "membership_size"
            "Endpoints configured." { MembershipSize, }
        "membership_healthy"
            "Endpoints that are healthy, or of which nothing is known." { MembershipHealthy, }
        "membership_degraded"
            "Endpoints that are degraded." { MembershipDegraded, }
        "outlier_detection_ejections_active"
            "Endpoints that outlier detection has taken out." { EjectionsActive, }
        "upstream_cx_active"
            "Connections open." { CxActive, }
        "upstream_cx_bound_active"
            "Connections open for one caller's connection alone." { CxBoundActive, }
        "upstream_cx_connecting"
            "Connections being established." { CxConnecting, }
        "upstream_rq_active"
            "Requests in flight." { RqActive, }
        "upstream_rq_pending_active"
            "Requests that wait for a connection." { RqPendingActive, }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check<M: Metric>(suffix_is_total: impl Fn(&str) -> bool) {
        let mut seen = HashSet::new();
        let mut last = "";
        for (at, metric) in M::ALL.iter().enumerate() {
            assert_eq!(metric.index(), at);
            assert!(seen.insert((metric.family(), metric.label())));
            assert!(suffix_is_total(metric.family()), "{}", metric.family());
            assert!(metric.help().ends_with('.'));
            if metric.family() == last {
                assert!(metric.label().is_some(), "{last} needs a label");
            }
            last = metric.family();
        }
    }

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let is_counter = |name: &str| name.ends_with("_total");
        check::<ListenerCounter>(is_counter);
        check::<ClusterCounter>(is_counter);
        check::<ListenerGauge>(|name| !is_counter(name));
        check::<ClusterGauge>(|name| !is_counter(name));
    }
}
