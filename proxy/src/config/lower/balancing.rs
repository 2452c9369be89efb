//! Endpoints of a cluster, and how they are chosen.

use std::collections::BTreeMap;
use std::time::Duration;

use sabir_proto::config::v1;
use sabir_proto::config::v1::cluster::{LbConfig, LbPolicy as Given};
use sabir_proto::path::FieldPath;
use sabir_router::cluster::{Cluster, Endpoint, Fallback, Health, LocalityId};
use sabir_router::policy::{
    Balancing, LbPolicy, LeastRequest, LoadBound, Maglev, PeakEwma, RingHash, SlowStart, is_prime,
};

use super::outlier_detection::outlier_detection;
use super::problem::{Fault, Problems};
use super::scalar::Unique;

/// The endpoints of a cluster at `path`, their subsets' fallback, and how they are chosen.
pub(super) fn read(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Cluster) -> Cluster {
    let balancing = policies(problems, path, given);
    let assignment = path.field("load_assignment");
    let list = assignment.field("endpoints");
    let mut addresses = Unique::default();
    let mut localities = Localities::default();
    let endpoints = given.load_assignment.iter().flat_map(|a| &a.endpoints);
    let endpoints = endpoints.enumerate().filter_map(|(i, given)| {
        let path = list.index(i);
        let locality = localities.id(given.locality.as_ref());
        let endpoint = endpoint(problems, &path, given, locality)?;
        let (field, address) = (path.field("address"), endpoint.address.to_string());
        addresses.take(problems, &field, &path, &address);
        Some(endpoint)
    });
    let endpoints = endpoints.collect();
    // The errors there are were reported above, where the position is known.
    let mut cluster = Cluster::new(endpoints, balancing).unwrap_or_default();
    let weights = localities.weights(problems, &assignment, given);
    cluster.set_locality_weights(weights);
    let field = path.field("outlier_detection");
    let given_detection = given.outlier_detection.as_ref();
    let detection = given_detection.map(|given| outlier_detection(problems, &field, given));
    // As above: what is wrong was reported and replaced.
    let _: Result<(), _> = cluster.set_outlier_detection(detection);
    if let Some(subsets) = &given.lb_subset_config {
        let config = path.field("lb_subset_config");
        let policy = config.field("fallback_policy");
        let policy = fallback(problems, &policy, subsets.fallback_policy);
        cluster.set_fallback(policy, subsets.default_subset.clone());
    }
    cluster
}

/// The policy of this number.
pub(super) fn fallback(problems: &mut Problems, path: &FieldPath<'_>, number: i32) -> Fallback {
    match problems.choice(path, number) {
        v1::LbSubsetFallbackPolicy::NoFallback => Fallback::NoFallback,
        v1::LbSubsetFallbackPolicy::AnyEndpoint => Fallback::AnyEndpoint,
        v1::LbSubsetFallbackPolicy::DefaultSubset => Fallback::DefaultSubset,
    }
}

/// Localities by their names, numbered as they occur. The first one has no names.
#[derive(Default)]
struct Localities(Vec<v1::Locality>);

impl Localities {
    fn id(&mut self, given: Option<&v1::Locality>) -> LocalityId {
        let nowhere = v1::Locality::default();
        let given = given.unwrap_or(&nowhere);
        if *given == nowhere {
            return LocalityId::default();
        }
        let position = self.0.iter().position(|known| known == given);
        let position = position.unwrap_or_else(|| {
            self.0.push(given.clone());
            self.0.len() - 1
        });
        LocalityId(position as u32 + 1)
    }

    /// Their weights, where the cluster chooses by them.
    fn weights(
        mut self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        given: &v1::Cluster,
    ) -> BTreeMap<LocalityId, u32> {
        let list = path.field("localities");
        let assignment = given.load_assignment.as_ref();
        let localities = assignment.map_or(&[][..], |a| &a.localities);
        let common = given.common_lb_config.as_ref();
        let wanted = common.is_some_and(|c| c.locality_weighted_lb_config.is_some());
        match (wanted, localities.is_empty()) {
            (true, true) => problems.add(&list, Fault::Required),
            (false, false) => problems.add(&list, Fault::UnusedLocalities),
            _ => {}
        }
        let endpoints = assignment.map_or(&[][..], |a| &a.endpoints);
        let nowhere = v1::Locality::default();
        let mut weights = BTreeMap::new();
        let mut names = Unique::default();
        for (i, given) in localities.iter().enumerate() {
            let path = list.index(i);
            let field = path.field("locality");
            let locality = given.locality.as_ref().unwrap_or(&nowhere);
            if given.locality.is_none() {
                problems.add(&field, Fault::Required);
            } else if !endpoints
                .iter()
                .any(|e| e.locality.as_ref().unwrap_or(&nowhere) == locality)
            {
                problems.add(&field, Fault::EmptyLocality);
            }
            let name = format!(
                "{}/{}/{}",
                locality.region, locality.zone, locality.sub_zone
            );
            names.take(problems, &field, &path, &name);
            let field = path.field("load_balancing_weight");
            let weight = given.load_balancing_weight.unwrap_or_else(|| {
                problems.add(&field, Fault::Required);
                1
            });
            let weight = problems.number(&field, weight, 0..=MAX_LOCALITY_WEIGHT);
            weights.insert(self.id(Some(locality)), weight);
        }
        if !localities.is_empty() && weights.values().all(|weight| *weight == 0) {
            problems.add(&list, Fault::NoLocalityWeight);
        }
        weights
    }
}

fn endpoint(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Endpoint,
    locality: LocalityId,
) -> Option<Endpoint> {
    let weight = given.weight.unwrap_or(1);
    let weight = problems.number(&path.field("weight"), weight, 1..=Endpoint::MAX_WEIGHT);
    let health = problems.choice(&path.field("health_status"), given.health_status);
    let field = path.field("priority");
    let priority = problems.number(&field, given.priority, 0..=Endpoint::MAX_PRIORITY);
    let field = path.field("address");
    let address = problems.address(&field, &given.address)?;
    if address.port() == 0 {
        problems.add(&field, Fault::NoPort);
    }
    Some(Endpoint {
        address,
        labels: given.labels.clone(),
        weight,
        health: match health {
            v1::HealthStatus::Unknown => Health::Unknown,
            v1::HealthStatus::Healthy => Health::Healthy,
            v1::HealthStatus::Unhealthy => Health::Unhealthy,
            v1::HealthStatus::Draining => Health::Draining,
            v1::HealthStatus::Degraded => Health::Degraded,
        },
        priority,
        locality,
    })
}

fn policies(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Cluster) -> Balancing {
    let defaults = Balancing::default();
    let common = given.common_lb_config.unwrap_or_default();
    let field = path.field("common_lb_config");
    let threshold = common.healthy_panic_threshold;
    let panic_threshold = threshold.map_or(defaults.panic_threshold, |threshold| {
        let field = field.field("healthy_panic_threshold");
        percent(problems, &field, threshold, 0.0).round() as u32
    });
    let choice = problems.choice(&path.field("lb_policy"), given.lb_policy);
    refuse_other(problems, path, given, choice);
    let hashing = common.consistent_hashing_lb_config;
    let bound = hashing.and_then(|h| h.hash_balance_factor).map(|factor| {
        let field = field.field("consistent_hashing_lb_config");
        problems.number(&field.field("hash_balance_factor"), factor, 100..=u32::MAX)
    });
    let assignment = path.field("load_assignment");
    let assignment = assignment.field("policy");
    let assigned = given.load_assignment.as_ref().and_then(|a| a.policy);
    let factor = assigned.and_then(|policy| policy.overprovisioning_factor);
    let factor = factor.map_or(defaults.overprovisioning_factor, |factor| {
        let field = assignment.field("overprovisioning_factor");
        problems.number(&field, factor, 100..=MAX_OVERPROVISIONING)
    });
    Balancing {
        policy: policy(problems, path, given, choice, LoadBound(bound)),
        slow_start: slow_start(problems, path, given),
        panic_threshold,
        overprovisioning_factor: factor,
        locality_weighted: common.locality_weighted_lb_config.is_some(),
    }
}

/// Reports settings of other policies than the cluster has.
fn refuse_other(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Cluster, policy: Given) {
    let fault = || Fault::OtherPolicy {
        policy: policy.as_str_name(),
    };
    let named = given.lb_config.as_ref().map(|config| match config {
        LbConfig::RoundRobinLbConfig(_) => ("round_robin_lb_config", Given::RoundRobin),
        LbConfig::LeastRequestLbConfig(_) => ("least_request_lb_config", Given::LeastRequest),
        LbConfig::PeakEwmaLbConfig(_) => ("peak_ewma_lb_config", Given::PeakEwma),
        LbConfig::RingHashLbConfig(_) => ("ring_hash_lb_config", Given::RingHash),
        LbConfig::MaglevLbConfig(_) => ("maglev_lb_config", Given::Maglev),
    });
    if let Some((name, _)) = named.filter(|(_, own)| *own != policy) {
        problems.add(&path.field(name), fault());
    }
    let common = given.common_lb_config.unwrap_or_default();
    let by_hash = matches!(policy, Given::RingHash | Given::Maglev);
    if common.consistent_hashing_lb_config.is_some() && !by_hash {
        let path = path.field("common_lb_config");
        problems.add(&path.field("consistent_hashing_lb_config"), fault());
    }
}

fn policy(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Cluster,
    choice: Given,
    bound: LoadBound,
) -> LbPolicy {
    match (choice, &given.lb_config) {
        (Given::RoundRobin, _) => LbPolicy::RoundRobin,
        (Given::Random, _) => LbPolicy::Random,
        (Given::LeastRequest, Some(LbConfig::LeastRequestLbConfig(given))) => {
            let path = path.field("least_request_lb_config");
            LbPolicy::LeastRequest(least_request(problems, &path, given))
        }
        (Given::LeastRequest, _) => LbPolicy::LeastRequest(LeastRequest::default()),
        (Given::PeakEwma, Some(LbConfig::PeakEwmaLbConfig(given))) => {
            let path = path.field("peak_ewma_lb_config");
            LbPolicy::PeakEwma(peak_ewma(problems, &path, given))
        }
        (Given::PeakEwma, _) => LbPolicy::PeakEwma(PeakEwma::default()),
        (Given::RingHash, Some(LbConfig::RingHashLbConfig(given))) => {
            let path = path.field("ring_hash_lb_config");
            LbPolicy::RingHash(RingHash {
                bound,
                ..ring_hash(problems, &path, given)
            })
        }
        (Given::RingHash, _) => LbPolicy::RingHash(RingHash {
            bound,
            ..RingHash::default()
        }),
        (Given::Maglev, config) => {
            let table_size = match config {
                Some(LbConfig::MaglevLbConfig(given)) => given.table_size,
                _ => None,
            };
            let field = path.field("maglev_lb_config");
            let field = field.field("table_size");
            let table_size = table_size.map(|size| table_size_of(problems, &field, size));
            LbPolicy::Maglev(Maglev {
                table_size: table_size.unwrap_or_else(|| Maglev::default().table_size),
                bound,
            })
        }
    }
}

fn least_request(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::LeastRequestLbConfig,
) -> LeastRequest {
    let defaults = LeastRequest::default();
    let choices = given.choice_count.unwrap_or(defaults.choice_count);
    let field = path.field("active_request_bias");
    let bias = given.active_request_bias;
    LeastRequest {
        choice_count: problems.number(&path.field("choice_count"), choices, 2..=u32::MAX),
        active_request_bias: bias
            .map(|bias| problems.fraction(&field, bias, 0.0..=LeastRequest::MAX_BIAS)),
    }
}

fn peak_ewma(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::PeakEwmaLbConfig,
) -> PeakEwma {
    let defaults = PeakEwma::default();
    let decay = given.decay_time.as_ref();
    let rtt = given.default_rtt.as_ref();
    let penalty = given.failure_penalty.as_ref();
    let field = |name| path.field(name);
    PeakEwma {
        decay_time: problems.positive(&field("decay_time"), decay, defaults.decay_time),
        default_rtt: problems.duration(&field("default_rtt"), rtt, defaults.default_rtt),
        failure_penalty: problems.duration(
            &field("failure_penalty"),
            penalty,
            defaults.failure_penalty,
        ),
    }
}

fn ring_hash(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::RingHashLbConfig,
) -> RingHash {
    let most = given.maximum_ring_size.unwrap_or(RingHash::MAX_SIZE);
    let field = path.field("maximum_ring_size");
    let most = problems.number(&field, most, 1..=RingHash::MAX_SIZE);
    // The default gives way to a maximum below it.
    let least = RingHash::default().minimum_ring_size.min(most);
    let least = given.minimum_ring_size.unwrap_or(least);
    RingHash {
        minimum_ring_size: problems.number(&path.field("minimum_ring_size"), least, 1..=most),
        maximum_ring_size: most,
        bound: LoadBound::default(),
    }
}

fn table_size_of(problems: &mut Problems, path: &FieldPath<'_>, given: u32) -> u32 {
    let size = problems.number(path, given, 2..=Maglev::MAX_SIZE);
    if !is_prime(size) {
        problems.add(path, Fault::NotPrime(size));
        return Maglev::default().table_size;
    }
    size
}

fn slow_start(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Cluster,
) -> Option<SlowStart> {
    let (name, given) = match given.lb_config.as_ref()? {
        LbConfig::RoundRobinLbConfig(given) => ("round_robin_lb_config", given.slow_start_config),
        LbConfig::LeastRequestLbConfig(given) => {
            ("least_request_lb_config", given.slow_start_config)
        }
        _ => return None,
    };
    let given = given?;
    let path = path.field(name);
    let path = path.field("slow_start_config");
    let field = path.field("slow_start_window");
    if given.slow_start_window.is_none() {
        problems.add(&field, Fault::Required);
    }
    let window = given.slow_start_window.as_ref();
    let defaults = SlowStart::over(problems.positive(&field, window, Duration::from_secs(1)));
    let aggression = given.aggression.unwrap_or(defaults.aggression);
    let field = path.field("min_weight_percent");
    let least = given.min_weight_percent;
    let least = least.map(|least| percent(problems, &field, least, 0.1));
    Some(SlowStart {
        aggression: problems.fraction(&path.field("aggression"), aggression, 0.01..=100.0),
        min_weight_percent: least.unwrap_or(defaults.min_weight_percent),
        ..defaults
    })
}

fn percent(problems: &mut Problems, path: &FieldPath<'_>, given: v1::Percent, min: f64) -> f64 {
    problems.fraction(&path.field("value"), given.value, min..=100.0)
}

const MAX_LOCALITY_WEIGHT: u32 = 1_000_000;
const MAX_OVERPROVISIONING: u32 = 100_000;
