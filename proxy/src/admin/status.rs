//! What the admin listener says about listeners, clusters and endpoints.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// A cluster as one worker, or all of them together, see it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// How endpoints are chosen, as in the configuration.
    pub lb_policy: String,
    /// Requests that wait for a connection.
    pub pending: u64,
    /// In the order of the configuration.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint of a cluster.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EndpointStatus {
    /// Where it listens.
    pub address: SocketAddr,
    /// What routes select it by.
    pub labels: BTreeMap<String, String>,
    /// Its share relative to the others.
    pub weight: u32,
    /// Its level: lower ones are chosen from first.
    pub priority: u32,
    /// Whether it may be chosen.
    pub health: EndpointHealth,
    /// Outlier detection has taken it out.
    pub ejected: bool,
    /// It told a worker that it takes no new requests.
    pub draining: bool,
    /// Connections open to it.
    pub connections: u64,
    /// Requests in flight to it.
    pub active: u64,
}

/// Whether an endpoint may be chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointHealth {
    /// Nothing is known: it may be.
    Unknown,
    /// It may be.
    Healthy,
    /// It is, as far as healthy ones do not suffice.
    Degraded,
    /// It is not.
    Unhealthy,
    /// It is not; calls in flight finish.
    Draining,
}

/// A listener.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Where it listens; the port is the one the system chose if the configuration says 0.
    pub address: SocketAddr,
    /// The name of its codec.
    pub protocol: String,
    /// Whether it takes new connections.
    pub state: ListenerState,
    /// Connections open.
    pub connections: u64,
}

/// Whether a listener takes new connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenerState {
    /// It does.
    Active,
    /// It does not; calls in flight finish.
    Draining,
}

impl ClusterStatus {
    /// Adds what another worker says about the same cluster. Endpoints only it knows are appended.
    pub fn merge(&mut self, other: Self) {
        self.pending += other.pending;
        for theirs in other.endpoints {
            let is_same = |mine: &&mut EndpointStatus| mine.address == theirs.address;
            match self.endpoints.iter_mut().find(is_same) {
                Some(mine) => mine.merge(&theirs),
                None => self.endpoints.push(theirs),
            }
        }
    }
}

impl EndpointStatus {
    fn merge(&mut self, other: &Self) {
        self.ejected |= other.ejected;
        self.draining |= other.draining;
        self.connections += other.connections;
        self.active += other.active;
    }
}

impl EndpointHealth {
    /// Name in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
        }
    }
}

impl ListenerState {
    /// Name in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
        }
    }
}
