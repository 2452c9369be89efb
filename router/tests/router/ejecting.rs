//! Passive ejection: what endpoints are taken out for, for how long, and how they come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sabir_core::outcome::{Code, Executed, Outcome, Party};
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::cluster::{Cluster, Health};
use sabir_router::outlier::{
    Cause, Detector, Ejection, FailurePercentage, OutlierDetection, Rule, SettingsError,
    SuccessRate, Verdict,
};
use sabir_router::policy::{Balancing, LbPolicy};

use crate::scene::{LEAST_REQUEST, address, now, weighted};

const LOST: Outcome = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);
const FAILED: Outcome = Outcome::new(Party::Infrastructure, Executed::Maybe, Code::Internal);
const BUSY: Outcome = Outcome::new(Party::Infrastructure, Executed::No, Code::Overloaded);

/// Workers of one cluster at a moment.
struct Stage {
    workers: Vec<LoadBalancer>,
    detector: Arc<Detector>,
    cluster: Cluster,
    at: Instant,
}

impl Stage {
    fn new(endpoints: usize, workers: usize, settings: OutlierDetection) -> Self {
        Self::of(
            &vec![1; endpoints],
            workers,
            settings,
            LbPolicy::RoundRobin.into(),
        )
    }

    fn of(
        weights: &[u32],
        workers: usize,
        settings: OutlierDetection,
        balancing: Balancing,
    ) -> Self {
        let mut cluster = Cluster::new(weighted(weights), balancing).unwrap();
        cluster.set_outlier_detection(Some(settings)).unwrap();
        cluster.watch(workers, None, now());
        let worker = |_| LoadBalancer::new(&cluster, 0, now());
        Self {
            workers: (0..workers).map(worker).collect(),
            detector: cluster.detector().unwrap().clone(),
            cluster,
            at: now(),
        }
    }

    fn report(&mut self, worker: usize, port: u16, outcome: Outcome) {
        let balancer = &mut self.workers[worker];
        let id = balancer.id_of(address(port)).unwrap();
        balancer.report(id, outcome, Duration::ZERO, self.at, || 0);
    }

    fn reports(&mut self, port: u16, outcome: Outcome, times: usize) {
        (0..times).for_each(|_| self.report(0, port, outcome));
    }

    fn pass(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
    }

    /// Ports that a worker chooses in some picks.
    fn ports(&mut self, worker: usize, picks: usize) -> Vec<u16> {
        let balancer = &mut self.workers[worker];
        let mut pick = || {
            balancer
                .pick(Pick::default(), self.at, |_| true, || 0)
                .unwrap()
        };
        let ids: Vec<_> = (0..picks).map(|_| pick()).collect();
        let ports = ids
            .iter()
            .map(|id| balancer.endpoint(*id).unwrap().address.port());
        let mut ports: Vec<_> = ports.collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

fn half() -> OutlierDetection {
    OutlierDetection {
        ejection: Ejection {
            max_percent: 50,
            ..Ejection::default()
        },
        ..OutlierDetection::default()
    }
}

#[test]
fn outcomes_are_judged_by_whose_they_are() {
    let of = |party, code| Verdict::of(Outcome::new(party, Executed::Maybe, code));
    assert_eq!(Verdict::of(Outcome::OK), Some(Verdict::Success));
    assert_eq!(Verdict::of(Outcome::BUSINESS_ERROR), Some(Verdict::Success));
    assert_eq!(Verdict::of(FAILED), Some(Verdict::Failure));
    assert_eq!(Verdict::of(BUSY), Some(Verdict::GatewayFailure));
    assert_eq!(Verdict::of(LOST), Some(Verdict::LocalFailure));
    assert_eq!(
        of(Party::Network, Code::TimedOut),
        Some(Verdict::LocalFailure)
    );
    for code in [
        Code::NotFound,
        Code::Denied,
        Code::BadRequest,
        Code::RateLimited,
    ] {
        assert_eq!(of(Party::Infrastructure, code), Some(Verdict::Success));
    }
    for code in Code::ALL {
        assert_eq!(of(Party::Proxy, code), None, "says nothing of the endpoint");
        assert!(of(Party::Business, code).is_none_or(|v| !v.is_failure()));
    }
    assert_eq!(of(Party::Caller, Code::Cancelled), None);
}

#[test]
fn failures_in_a_row_are_counted_over_all_workers() {
    let mut stage = Stage::new(10, 2, OutlierDetection::default());
    stage.report(0, 3, FAILED);
    stage.report(1, 3, LOST);
    stage.report(0, 3, Outcome::OK);
    for turn in 0..4 {
        stage.report(turn % 2, 3, FAILED);
    }
    assert!(
        stage.ports(0, 20).contains(&3),
        "the success began the row anew"
    );
    stage.report(1, 3, BUSY);
    assert!(stage.detector.is_ejected(address(3)));
    for worker in [0, 1] {
        assert_eq!(stage.ports(worker, 20), [1, 2, 4, 5, 6, 7, 8, 9, 10]);
    }
    let id = stage.workers[0].id_of(address(3)).unwrap();
    assert_eq!(stage.workers[0].health(id), Health::Unhealthy);
    let counts = |cause| {
        (
            stage.detector.detected(cause),
            stage.detector.enforced(cause),
        )
    };
    assert_eq!(counts(Cause::ConsecutiveFailure), (1, 1));
    assert_eq!(counts(Cause::ConsecutiveGatewayFailure), (0, 0));
}

#[test]
fn business_errors_never_count() {
    let mut stage = Stage::new(10, 1, OutlierDetection::default());
    stage.reports(3, Outcome::BUSINESS_ERROR, 1_000);
    stage.pass(20);
    assert_eq!(stage.ports(0, 20).len(), 10);
    assert!(
        Cause::ALL
            .iter()
            .all(|cause| stage.detector.detected(*cause) == 0)
    );
}

#[test]
fn time_out_grows_and_shrinks_again() {
    let mut stage = Stage::new(10, 1, OutlierDetection::default());
    for seconds in [30, 60, 90] {
        stage.reports(1, FAILED, 5);
        stage.pass(seconds - 1);
        assert!(!stage.ports(0, 20).contains(&1), "{seconds}");
        // It comes back with the sweep after that.
        stage.pass(11);
        assert!(stage.ports(0, 20).contains(&1), "{seconds}");
    }
    for _ in 0..3 {
        stage.pass(10);
        stage.ports(0, 1);
    }
    stage.reports(1, FAILED, 5);
    stage.pass(41);
    assert!(stage.ports(0, 20).contains(&1), "as the first time");
    let ejection = Ejection::default();
    assert_eq!(ejection.time(1_000), Duration::from_secs(300));
    let long = Ejection {
        base_time: Duration::from_secs(900),
        ..ejection
    };
    assert_eq!(long.time(2), Duration::from_secs(900));
}

#[test]
fn jitter_adds_to_the_time() {
    let mut settings = OutlierDetection::default();
    settings.ejection.jitter = Duration::from_secs(100);
    let mut stage = Stage::new(10, 1, settings);
    let id = stage.workers[0].id_of(address(1)).unwrap();
    for _ in 0..5 {
        // Chance decides whether it is enforced, then how much is added: half of it.
        let mut chances = [0, 1 << 63].into_iter().cycle();
        let random = || chances.next().unwrap();
        stage.workers[0].report(id, FAILED, Duration::ZERO, stage.at, random);
    }
    stage.pass(75);
    assert!(!stage.ports(0, 20).contains(&1));
    stage.pass(16);
    assert!(stage.ports(0, 20).contains(&1));
}

#[test]
fn a_share_may_be_out_and_one_always() {
    let mut stage = Stage::new(10, 1, half());
    for port in 1..=7 {
        stage.reports(port, FAILED, 5);
    }
    assert_eq!(
        (stage.detector.ejected(), stage.detector.overflow()),
        (5, 2)
    );
    let mut settings = half();
    settings.ejection.max_percent = 0;
    let mut stage = Stage::new(10, 1, settings);
    stage.reports(1, FAILED, 5);
    stage.reports(2, FAILED, 5);
    assert_eq!(stage.ports(0, 20).len(), 9);
}

#[test]
fn all_failing_at_once_is_panic_and_never_nobody() {
    for policy in [LbPolicy::RoundRobin, LEAST_REQUEST, LbPolicy::Random] {
        let mut settings = half();
        settings.ejection.max_percent = 100;
        let mut stage = Stage::of(&[1; 10], 1, settings, policy.into());
        for port in 1..=10 {
            stage.reports(port, LOST, 5);
        }
        assert_eq!(stage.detector.ejected(), 10);
        assert!(!stage.ports(0, 20).is_empty());
        assert!(stage.workers[0].is_panicking() && stage.workers[0].panics() == 20);
    }
}

#[test]
fn what_is_not_enforced_is_only_counted() {
    let mut settings = half();
    settings.consecutive_failure.enforcing = 0;
    let mut stage = Stage::new(10, 1, settings);
    stage.reports(1, FAILED, 10);
    assert_eq!(stage.detector.detected(Cause::ConsecutiveFailure), 2);
    assert_eq!(stage.detector.ejected(), 0);
    settings.consecutive_gateway_failure = Rule {
        threshold: 3,
        enforcing: 100,
    };
    let mut stage = Stage::new(10, 1, settings);
    stage.reports(1, BUSY, 2);
    stage.reports(1, FAILED, 1);
    stage.reports(1, BUSY, 2);
    assert_eq!(stage.detector.ejected(), 0, "not in a row");
    stage.reports(1, BUSY, 1);
    assert_eq!(stage.detector.enforced(Cause::ConsecutiveGatewayFailure), 1);
}

#[test]
fn failures_to_reach_it_can_be_counted_apart() {
    let mut settings = half();
    settings.split_local_origin = true;
    let mut stage = Stage::new(10, 1, settings);
    for _ in 0..4 {
        stage.reports(1, LOST, 1);
        stage.reports(1, FAILED, 1);
    }
    assert_eq!(
        stage.detector.ejected(),
        0,
        "an answer says that it is reached"
    );
    stage.reports(1, FAILED, 1);
    assert_eq!(stage.detector.enforced(Cause::ConsecutiveFailure), 1);
    stage.reports(2, LOST, 5);
    let cause = Cause::ConsecutiveLocalOriginFailure;
    assert_eq!(stage.detector.enforced(cause), 1);
}

#[test]
fn who_does_worse_than_the_others_is_taken_out() {
    let mut settings = half();
    settings.consecutive_failure.enforcing = 0;
    let mut stage = Stage::new(10, 2, settings);
    for port in 1..=10 {
        for turn in 0..200 {
            let fails = turn % 50 == 0 || (port == 4 && turn % 3 == 0);
            let outcome = if fails { FAILED } else { Outcome::OK };
            stage.report(turn % 2, port, outcome);
        }
    }
    assert_eq!(stage.ports(0, 20).len(), 10, "not before the sweep");
    stage.pass(10);
    assert_eq!(stage.ports(1, 20), [1, 2, 3, 5, 6, 7, 8, 9, 10]);
    assert_eq!(stage.detector.enforced(Cause::SuccessRate), 1);
}

#[test]
fn too_few_requests_or_endpoints_are_not_compared() {
    for (endpoints, requests) in [(4, 200), (10, 99)] {
        let mut settings = half();
        settings.consecutive_failure.enforcing = 0;
        settings.failure_percentage.enforcing = 100;
        settings.failure_percentage.request_volume = 100;
        let mut stage = Stage::new(endpoints, 1, settings);
        for port in 1..=endpoints as u16 {
            let outcome = if port == 1 { FAILED } else { Outcome::OK };
            stage.reports(port, outcome, requests);
        }
        stage.pass(10);
        assert_eq!(stage.ports(0, 20).len(), endpoints);
    }
}

#[test]
fn who_fails_too_often_is_taken_out() {
    let mut settings = half();
    settings.consecutive_failure.enforcing = 0;
    settings.success_rate = SuccessRate {
        enforcing: 0,
        ..SuccessRate::default()
    };
    settings.failure_percentage = FailurePercentage {
        enforcing: 100,
        ..FailurePercentage::default()
    };
    let mut stage = Stage::new(5, 1, settings);
    for (port, failures) in [(1, 84), (2, 85), (3, 100)] {
        stage.reports(port, FAILED, failures);
        stage.reports(port, Outcome::OK, 100 - failures);
    }
    stage.pass(10);
    // Half of five endpoints is two.
    assert_eq!(stage.ports(0, 20), [1, 4, 5]);
    assert_eq!(stage.detector.enforced(Cause::FailurePercentage), 2);
    stage.pass(10);
    stage.ports(0, 1);
    assert_eq!(
        stage.detector.detected(Cause::FailurePercentage),
        2,
        "each interval anew"
    );
}

fn probation() -> OutlierDetection {
    let mut settings = half();
    settings.ejection.half_open_requests = Some(3);
    settings
}

/// An endpoint of two that has come back on probation.
fn half_open() -> Stage {
    let mut stage = Stage::new(2, 2, probation());
    stage.reports(1, FAILED, 5);
    stage.pass(40);
    stage
}

fn calls_to_first(stage: &mut Stage, worker: usize) -> usize {
    let first = stage.workers[worker].id_of(address(1));
    let mut pick = || {
        let balancer = &mut stage.workers[worker];
        balancer.pick(Pick::default(), stage.at, |_| true, || 0)
    };
    (0..40).filter(|_| pick() == first).count()
}

#[test]
fn a_few_calls_try_an_endpoint_that_comes_back() {
    let mut stage = half_open();
    for worker in [0, 1] {
        assert_eq!(calls_to_first(&mut stage, worker), 3, "of each worker");
        assert_eq!(calls_to_first(&mut stage, worker), 0);
    }
    stage.reports(1, Outcome::OK, 3);
    assert_eq!(calls_to_first(&mut stage, 0), 0, "until the sweep");
    stage.pass(10);
    assert_eq!(calls_to_first(&mut stage, 0), 20);
    assert_eq!(calls_to_first(&mut stage, 1), 20);
}

#[test]
fn a_failure_on_probation_takes_it_out_at_once_and_longer() {
    let mut stage = half_open();
    assert_eq!(calls_to_first(&mut stage, 0), 3);
    stage.report(0, 1, LOST);
    assert_eq!(stage.detector.enforced(Cause::Probation), 1);
    stage.pass(31);
    assert_eq!(calls_to_first(&mut stage, 0), 0);
    stage.pass(40);
    assert_eq!(calls_to_first(&mut stage, 0), 3);
}

#[test]
fn an_endpoint_that_nobody_tried_is_tried_further() {
    let mut stage = half_open();
    assert_eq!(calls_to_first(&mut stage, 0), 3);
    stage.pass(10);
    assert_eq!(calls_to_first(&mut stage, 0), 3, "those were never sent");
}

#[test]
fn a_change_of_endpoints_keeps_who_is_out() {
    let mut stage = Stage::new(10, 1, half());
    stage.reports(1, FAILED, 5);
    stage.reports(2, FAILED, 4);
    let before = stage.cluster.clone();
    stage.cluster.set_endpoints(weighted(&[1; 12])).unwrap();
    stage.cluster.watch(1, Some(&before), stage.at);
    stage.detector = stage.cluster.detector().unwrap().clone();
    stage.workers[0].update(&stage.cluster, stage.at);
    assert_eq!(stage.ports(0, 24), (2..=12).collect::<Vec<_>>());
    stage.report(0, 2, FAILED);
    assert_eq!(stage.detector.ejected(), 2, "its row went on");
    assert_eq!(stage.detector.enforced(Cause::ConsecutiveFailure), 2);
    let before = stage.cluster.clone();
    let rest = weighted(&[1; 4])[2..].to_vec();
    stage.cluster.set_endpoints(rest).unwrap();
    stage.cluster.watch(1, Some(&before), stage.at);
    assert_eq!(stage.cluster.detector().unwrap().ejected(), 0);
    stage.cluster.set_outlier_detection(None).unwrap();
    stage.cluster.watch(1, Some(&before), stage.at);
    stage.workers[0].update(&stage.cluster, stage.at);
    assert_eq!(stage.ports(0, 10), [3, 4], "nobody watches any longer");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    assert_eq!(OutlierDetection::default().check(), Ok(()));
    let mut settings = probation();
    settings.ejection.half_open_requests = Some(0);
    assert_eq!(
        settings.check(),
        Err(SettingsError::Zero("half_open_requests"))
    );
    let mut settings = half();
    settings.ejection.max_percent = 101;
    let message = settings.check().unwrap_err().to_string();
    assert_eq!(message, "max_ejection_percent is 101, more than 100");
    let mut settings = half();
    settings.interval = Duration::ZERO;
    assert_eq!(settings.check(), Err(SettingsError::Zero("interval")));
}

#[test]
fn many_threads_take_one_out_once() {
    let mut settings = half();
    settings.ejection.max_percent = 34;
    let mut cluster = Cluster::new(weighted(&[1; 3]), LbPolicy::RoundRobin).unwrap();
    cluster.set_outlier_detection(Some(settings)).unwrap();
    cluster.watch(4, None, now());
    let detector = cluster.detector().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut worker = LoadBalancer::new(&cluster, 0, now());
                for turn in 0..3_000 {
                    let id = worker.id_of(address(turn % 3 + 1)).unwrap();
                    worker.report(id, FAILED, Duration::ZERO, now(), || 0);
                    worker.pick(Pick::default(), now(), |_| true, || 0).unwrap();
                }
            });
        }
    });
    assert_eq!(detector.ejected(), 1);
    assert_eq!(detector.enforced(Cause::ConsecutiveFailure), 1);
}
