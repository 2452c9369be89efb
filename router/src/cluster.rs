//! What a cluster consists of: endpoints, the parts of it that routes choose from, and how.
//!
//! A [`Cluster`] is a checked description that all workers share; each worker has a
//! [`LoadBalancer`](crate::balancer::LoadBalancer) made from it.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::outlier::{Detector, OutlierDetection, SettingsError};
use crate::policy::{Balancing, LbPolicy, PolicyError};

/// Labels of an endpoint, or those asked for.
pub type Labels = BTreeMap<String, String>;

/// A server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Where it listens; tells endpoints of a cluster apart.
    pub address: SocketAddr,
    /// What subsets select endpoints by.
    pub labels: Labels,
    /// Share of the requests relative to the others, 1 to [`MAX_WEIGHT`](Self::MAX_WEIGHT).
    pub weight: u32,
    /// What is known about it from outside.
    pub health: Health,
    /// Its level: requests go to higher ones only as far as lower ones lack healthy endpoints.
    pub priority: u32,
    /// Where it runs; counts if the cluster chooses by locality.
    pub locality: LocalityId,
}

impl Endpoint {
    /// Largest weight.
    pub const MAX_WEIGHT: u32 = 65_535;

    /// Largest priority.
    pub const MAX_PRIORITY: u32 = 127;

    /// An endpoint at `address` of weight 1 and priority 0, without labels, of unknown health, in
    /// no locality.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            labels: Labels::new(),
            weight: 1,
            health: Health::Unknown,
            priority: 0,
            locality: LocalityId::default(),
        }
    }

    /// Whether it has all of `labels`.
    pub fn has(&self, labels: &Labels) -> bool {
        let carries = |(key, value)| self.labels.get(key) == Some(value);
        labels.iter().all(carries)
    }
}

/// How fit for requests an endpoint is.
///
/// From better to worse: of several things known about an endpoint, the worst counts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Health {
    /// Nothing is known: as healthy.
    #[default]
    Unknown,
    /// It may be chosen.
    Healthy,
    /// It is chosen only as far as healthy ones do not suffice.
    Degraded,
    /// It is not chosen, unless too few others are left.
    Unhealthy,
    /// It is not chosen; calls in flight finish.
    Draining,
}

impl Health {
    /// Whether an endpoint of this health is chosen as long as enough others are.
    pub fn is_available(self) -> bool {
        self <= Self::Degraded
    }
}

/// Position of a locality in its cluster; that of an endpoint in none is the default.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LocalityId(pub u32);

/// What happens if no usable endpoint has all labels asked for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Fallback {
    /// There is no endpoint for the request.
    #[default]
    NoFallback,
    /// Any usable endpoint of the cluster.
    AnyEndpoint,
    /// A usable endpoint with the labels of the cluster's default subset; if there is none, as
    /// [`NoFallback`](Self::NoFallback).
    DefaultSubset,
}

/// Position of a subset in its cluster.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubsetId(pub(crate) u32);

/// Endpoints that have some labels, and what to do without them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Subset {
    /// Labels an endpoint must have.
    pub labels: Labels,
    /// What happens if no usable endpoint has them.
    pub fallback: Fallback,
}

/// Endpoints and how to choose among them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    endpoints: Vec<Endpoint>,
    balancing: Balancing,
    locality_weights: BTreeMap<LocalityId, u32>,
    subsets: Vec<Subset>,
    fallback: Fallback,
    default_subset: Labels,
    outlier_detection: Option<OutlierDetection>,
    detector: Option<Arc<Detector>>,
}

/// Why endpoints do not make a cluster.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A priority that is too large.
    #[error(
        "priority {priority} of endpoint {address} is larger than {}",
        Endpoint::MAX_PRIORITY
    )]
    Priority {
        /// Whose priority it is.
        address: SocketAddr,
        /// The priority.
        priority: u32,
    },
    /// Two endpoints have the same address.
    #[error("endpoint {address} occurs twice")]
    DuplicateAddress {
        /// The address.
        address: SocketAddr,
    },
    /// A weight that is zero or too large.
    #[error(
        "weight {weight} of endpoint {address} is not from 1 to {}",
        Endpoint::MAX_WEIGHT
    )]
    Weight {
        /// Whose weight it is.
        address: SocketAddr,
        /// The weight.
        weight: u32,
    },
}

impl Cluster {
    /// A cluster of `endpoints`, perhaps none, chosen from as `balancing` says.
    pub fn new(
        endpoints: Vec<Endpoint>,
        balancing: impl Into<Balancing>,
    ) -> Result<Self, ClusterError> {
        let balancing = balancing.into();
        balancing.check()?;
        check(&endpoints)?;
        Ok(Self {
            endpoints,
            balancing,
            ..Self::default()
        })
    }

    /// Says what subsets fall back to that do not say themselves, and which labels
    /// [`Fallback::DefaultSubset`] stands for; without labels, it stands for any endpoint.
    pub fn set_fallback(&mut self, fallback: Fallback, default_subset: Labels) {
        self.fallback = fallback;
        self.default_subset = default_subset;
    }

    /// Says how requests are spread over localities, where that is by weight. One without a
    /// weight, or of weight 0, gets none.
    pub fn set_locality_weights(&mut self, weights: impl IntoIterator<Item = (LocalityId, u32)>) {
        self.locality_weights = weights.into_iter().collect();
    }

    /// Says what endpoints are taken out for; on an error, nothing changes.
    pub fn set_outlier_detection(
        &mut self,
        settings: Option<OutlierDetection>,
    ) -> Result<(), SettingsError> {
        settings.iter().try_for_each(OutlierDetection::check)?;
        self.outlier_detection = settings;
        Ok(())
    }

    /// Begins to watch the endpoints for so many workers, if any are to be taken out. What
    /// `previous` knows of endpoints that stay is known further on.
    pub fn watch(&mut self, workers: usize, previous: Option<&Self>, now: Instant) {
        self.detector = self.outlier_detection.map(|settings| {
            let addresses = self.endpoints.iter().map(|endpoint| endpoint.address);
            let previous = previous.and_then(|previous| previous.detector.as_deref());
            Arc::new(Detector::new(settings, addresses, workers, previous, now))
        });
    }

    /// The subset of endpoints that have `labels`; the same one if it was asked for before.
    ///
    /// With `fallback` absent, the cluster's as of now counts: call
    /// [`set_fallback`](Self::set_fallback) first.
    pub fn subset(&mut self, labels: Labels, fallback: Option<Fallback>) -> SubsetId {
        let fallback = fallback.unwrap_or(self.fallback);
        let subset = Subset { labels, fallback };
        let known = self.subsets.iter().position(|s| *s == subset);
        let position = known.unwrap_or_else(|| {
            self.subsets.push(subset);
            self.subsets.len() - 1
        });
        SubsetId(position as u32)
    }

    /// Replaces the endpoints and keeps the rest; on an error, everything.
    pub fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), ClusterError> {
        check(&endpoints)?;
        self.endpoints = endpoints;
        Ok(())
    }

    /// The endpoints in the order of configuration.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How endpoints are chosen.
    pub fn balancing(&self) -> &Balancing {
        &self.balancing
    }

    /// How an endpoint is chosen among those that may be.
    pub fn policy(&self) -> LbPolicy {
        self.balancing.policy
    }

    /// How requests are spread over localities.
    pub fn locality_weights(&self) -> &BTreeMap<LocalityId, u32> {
        &self.locality_weights
    }

    /// How fit an endpoint of the cluster is, as far as all workers know.
    pub fn health(&self, endpoint: &Endpoint) -> Health {
        let detector = self.detector.as_ref();
        match detector.is_some_and(|detector| detector.is_ejected(endpoint.address)) {
            true => endpoint.health.max(Health::Unhealthy),
            false => endpoint.health,
        }
    }

    /// What watches the endpoints, if anything does.
    pub fn detector(&self) -> Option<&Arc<Detector>> {
        self.detector.as_ref()
    }

    /// The subsets that were asked for, by their ids.
    pub fn subsets(&self) -> &[Subset] {
        &self.subsets
    }

    /// Labels that [`Fallback::DefaultSubset`] stands for.
    pub fn default_subset(&self) -> &Labels {
        &self.default_subset
    }
}

fn check(endpoints: &[Endpoint]) -> Result<(), ClusterError> {
    let mut seen = HashSet::new();
    for &Endpoint {
        address,
        weight,
        priority,
        ..
    } in endpoints
    {
        if priority > Endpoint::MAX_PRIORITY {
            return Err(ClusterError::Priority { address, priority });
        }
        if !(1..=Endpoint::MAX_WEIGHT).contains(&weight) {
            return Err(ClusterError::Weight { address, weight });
        }
        if !seen.insert(address) {
            return Err(ClusterError::DuplicateAddress { address });
        }
    }
    Ok(())
}
