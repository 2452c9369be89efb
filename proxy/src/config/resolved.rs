//! Configuration as the data path uses it: checked, resolved, immutable.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use sabir_core::filter::Chain;
use sabir_core::protocol::{Limits, Protocol};
use sabir_proto::json::Document;
use sabir_router::action;
use sabir_router::cluster;
use sabir_router::limits::{self, CircuitBreaker};
use sabir_router::table::RouteTable;

use crate::telemetry::access_log::AccessLog;

/// One configuration, as a whole. Never changed: a new one takes its place.
#[derive(Debug)]
pub struct Snapshot {
    /// Where calls are accepted.
    pub listeners: Vec<Arc<Listener>>,
    /// Groups of endpoints; routes refer to them by position.
    pub clusters: Vec<Arc<Cluster>>,
    /// How long calls in flight may take once their listener is removed or the process stops.
    pub drain_timeout: Duration,
    /// What counts only when the process starts.
    pub startup: Startup,
    /// The canonical form, for operators.
    pub dump: Document,
}

/// What is read once, when the process starts: a new configuration that says something else takes
/// effect with the next start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Startup {
    /// Who this instance says it is; may be empty.
    pub node_id: Box<str>,
    /// The group of instances it belongs to; may be empty.
    pub node_cluster: Box<str>,
    /// Where operators connect. `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// Worker threads, at least one.
    pub workers: NonZeroUsize,
}

/// Where calls are accepted.
pub struct Listener {
    /// Unique among the listeners.
    pub name: Arc<str>,
    /// Address to listen on.
    pub address: SocketAddr,
    /// What clients speak.
    pub protocol: Arc<dyn Protocol>,
    /// `protocol_options` as they were given; a change of them replaces the listener.
    pub protocol_options: serde_json::Value,
    /// What connections may take.
    pub bounds: Bounds,
    /// Run on every request before it is routed.
    pub filters: Chain,
    /// What is done with requests; the first match decides.
    pub routes: RouteTable<Route>,
    /// Connections that are open, over all workers. Shared by the generations of a listener.
    pub connections: Arc<AtomicU32>,
    /// Where calls are logged.
    pub access_log: Vec<Arc<LogFile>>,
    /// How connections get to the workers.
    pub accept: Accept,
}

/// What a listener's connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bounds of one connection's protocol.
    pub limits: Limits,
    /// A connection without traffic and calls in flight is closed after this.
    pub idle_timeout: Option<Duration>,
    /// A connection that has sent nothing valid is closed after this.
    pub first_message_timeout: Option<Duration>,
    /// Connections open at once, over all workers.
    pub max_connections: u32,
    /// Calls in flight at once on one connection.
    pub max_streams: usize,
    /// Bytes waiting to be written to one connection beyond which nothing is read from it.
    pub buffer_limit: usize,
    /// A connection that takes nothing of what waits for it is closed after this.
    pub stall_timeout: Duration,
}

/// A file and what its lines say.
#[derive(Debug)]
pub struct LogFile {
    /// The file, appended to.
    pub path: Arc<str>,
    /// The form of a line.
    pub format: AccessLog,
}

/// How connections get to the workers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accept {
    /// Each worker has a socket of its own, and the kernel spreads connections.
    ReusePort,
    /// One socket, whose connections go to the workers in turn.
    RoundRobin,
}

/// What happens to the requests that match.
pub struct Route {
    /// Where it goes and what is changed.
    pub rule: action::Route,
    /// Run after the listener's filters.
    pub filters: Chain,
}

/// A group of endpoints.
pub struct Cluster {
    /// Unique among the clusters.
    pub name: Arc<str>,
    /// What endpoints speak.
    pub protocol: Arc<dyn Protocol>,
    /// `protocol_options` as they were given; a change of them replaces the cluster.
    pub protocol_options: serde_json::Value,
    /// Endpoints, subsets and how to choose.
    pub balancing: cluster::Cluster,
    /// Bounds of one connection.
    pub limits: Limits,
    /// How long a connection may take to be established.
    pub connect_timeout: Duration,
    /// Who may use a connection at the same time.
    pub pool: PoolMode,
    /// Connections each worker opens to an endpoint, where calls share them.
    pub connections_per_endpoint: usize,
    /// Limits over all workers, with their counts. Shared by the generations of a cluster whose
    /// limits stay.
    pub breaker: Arc<CircuitBreaker>,
    /// What the breaker's limits become once this configuration is in force.
    pub breaker_limits: limits::Limits,
    /// A connection without a call in flight is closed after this.
    pub idle_timeout: Option<Duration>,
    /// Bytes waiting to be written to one connection beyond which callers are held back.
    pub buffer_limit: usize,
}

/// Who may use a connection at the same time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PoolMode {
    /// Multiplexed where the protocol has request ids, else exclusive.
    Auto,
    /// Calls of many clients at once.
    Multiplexed,
    /// One call at a time.
    Exclusive,
    /// The calls of one client connection only.
    Bound,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("name", &self.name)
            .field("address", &self.address)
            .field("protocol", &self.protocol.name())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .field("protocol", &self.protocol.name())
            .field("balancing", &self.balancing)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("rule", &self.rule)
            .field("filters", &self.filters)
            .finish()
    }
}
