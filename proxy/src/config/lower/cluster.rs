//! Clusters: endpoints, limits, and the protocol where only the routes tell it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sabir_core::protocol::{self, Protocol, Registry};
use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;
use sabir_router::action::{ClusterId, Forward, Target};
use sabir_router::cluster::{self, Fallback};
use sabir_router::limits::{self, CircuitBreaker};
use serde_json::Value;

use super::balancing;
use super::listener::{self, Spoken};
use super::mutation::Change;
use super::problem::{Fault, Problems};
use super::retry;
use super::scalar::{Unique, free_form};
use crate::config::resolved::{Cluster, PoolMode};

/// The clusters while routes are resolved, which add subsets to them.
pub(super) struct Clusters<'a> {
    drafts: Vec<Draft<'a>>,
    positions: HashMap<&'a str, usize>,
}

/// A cluster without what its users say.
struct Draft<'a> {
    given: &'a v1::Cluster,
    balancing: cluster::Cluster,
    /// Positions of the listeners whose routes lead here, in order.
    listeners: Vec<usize>,
    /// What these routes change on requests.
    changes: Vec<Arc<[Change]>>,
}

/// What a route asks a cluster for.
pub(super) struct Request<'a> {
    /// Name of the cluster.
    pub(super) name: &'a str,
    /// Labels that its endpoints must have; if there are none, any will do.
    pub(super) labels: BTreeMap<String, String>,
    /// What to do without such endpoints, where the route says.
    pub(super) fallback: Option<Fallback>,
    /// Position of the listener whose routes these are, if one uses them.
    pub(super) listener: Option<usize>,
}

impl<'a> Clusters<'a> {
    /// Reads names, endpoints and policies.
    pub(super) fn read(
        problems: &mut Problems,
        path: &FieldPath<'_>,
        given: &'a [v1::Cluster],
    ) -> Self {
        let mut names = Unique::default();
        let mut positions = HashMap::new();
        let mut drafts = Vec::with_capacity(given.len());
        for (i, given) in given.iter().enumerate() {
            let path = path.index(i);
            let field = path.field("name");
            if given.name.is_empty() {
                problems.add(&field, Fault::Required);
            } else {
                names.take(problems, &field, &path, &given.name);
                positions.entry(given.name.as_str()).or_insert(i);
            }
            let balancing = balancing::read(problems, &path, given);
            drafts.push(Draft {
                given,
                balancing,
                listeners: Vec::new(),
                changes: Vec::new(),
            });
        }
        Self { drafts, positions }
    }

    /// What a route at `path` asks for.
    pub(super) fn target(
        &mut self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        request: Request<'_>,
    ) -> Option<Target> {
        if request.name.is_empty() {
            problems.add(path, Fault::Required);
            return None;
        }
        let Some(&position) = self.positions.get(request.name) else {
            let names = self.drafts.iter().map(|draft| draft.given.name.as_str());
            problems.unknown(path, "cluster", request.name, names);
            return None;
        };
        let draft = &mut self.drafts[position];
        if let Some(listener) = request.listener
            && draft.listeners.last() != Some(&listener)
        {
            // Routes are resolved listener by listener.
            draft.listeners.push(listener);
        }
        let labelled = !request.labels.is_empty();
        let subset = labelled.then(|| draft.balancing.subset(request.labels, request.fallback));
        Some(Target {
            cluster: ClusterId(position as u32),
            subset,
        })
    }

    /// Notes what a route changes on the requests that it sends as `forward` says.
    pub(super) fn demand(&mut self, forward: &Forward, changes: &Arc<[Change]>) {
        for target in forward.targets().filter(|_| !changes.is_empty()) {
            let draft = &mut self.drafts[target.cluster.0 as usize];
            draft.changes.push(Arc::clone(changes));
        }
    }

    /// The clusters, once every route is resolved. All are there if there are no
    /// problems.
    pub(super) fn finish(
        self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        listeners: &[Spoken],
        registry: &Registry,
    ) -> Vec<Cluster> {
        let drafts = self.drafts.into_iter().enumerate();
        let finish = |(i, draft): (usize, Draft<'_>)| {
            let path = path.index(i);
            let protocol = draft.protocol(problems, &path, listeners, registry);
            draft.finish(problems, &path, protocol)
        };
        drafts.filter_map(finish).collect()
    }
}

impl Draft<'_> {
    /// What the endpoints speak, with its options; `None` if that is wrong or cannot be told.
    fn protocol(
        &self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        listeners: &[Spoken],
        registry: &Registry,
    ) -> Option<(Arc<dyn Protocol>, Value)> {
        let users = self.listeners.iter().map(|&at| (at, &listeners[at]));
        let users: Vec<_> = users.filter(|(_, l)| l.protocol.is_some()).collect();
        let name = match self.given.protocol.as_str() {
            "" if !self.listeners.is_empty() => users.first()?.1.name.as_str(),
            "" => common(problems, path, listeners)?,
            name => name,
        };
        let field = path.field("protocol");
        for (at, user) in &users {
            if user.name != name && !translates(registry, &user.name, name) {
                let fault = Fault::NoTranslation {
                    cluster: name.to_owned(),
                    listener: listener::place(*at),
                    spoken: user.name.clone(),
                };
                problems.add(&field, fault);
                return None;
            }
        }
        let inherited = self.inherited(problems, path, &users, name);
        let inherited = inherited.or_else(|| {
            let speaks = |l: &&Spoken| l.name == name && l.protocol.is_some();
            listeners.iter().find(speaks)
        });
        match (inherited, &self.given.protocol_options) {
            (Some(listener), None) => {
                let protocol = listener.protocol.clone()?;
                Some((protocol, listener.options.clone()))
            }
            (_, options) => {
                let options = free_form(options.as_ref());
                let protocol = listener::protocol(problems, path, name, &options, registry)?;
                Some((protocol, options))
            }
        }
    }

    /// The listener whose options the cluster has if it gives none itself.
    fn inherited<'l>(
        &self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        users: &[(usize, &'l Spoken)],
        name: &str,
    ) -> Option<&'l Spoken> {
        let same = users.iter().filter(|(_, l)| l.name == name);
        let same: Vec<_> = same.collect();
        let ((at, first), others) = same.split_first()?;
        let other = others.iter().find(|(_, l)| l.options != first.options);
        if let (Some((other, _)), None) = (other, &self.given.protocol_options) {
            let (first, second) = (listener::place(*at), listener::place(*other));
            let field = path.field("protocol_options");
            problems.add(&field, Fault::UndecidedOptions { first, second });
        }
        Some(first)
    }

    fn finish(
        self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        protocol: Option<(Arc<dyn Protocol>, Value)>,
    ) -> Option<Cluster> {
        let given = self.given;
        let connect_timeout = connect_timeout(problems, path, given);
        let idle = path.field("idle_timeout");
        let idle_timeout = problems.timeout(&idle, given.idle_timeout.as_ref(), DEFAULT_IDLE);
        let (pool, connections_per_endpoint) =
            pool(problems, path, given, protocol.as_ref().map(|(p, _)| &**p));
        let breakers = breakers(problems, &path.field("circuit_breakers"), given);
        let limits = protocol::Limits {
            max_message_bytes: listener::message_limit(problems, path, given.max_message_bytes),
            keepalive: keepalive(problems, path, given),
            ..protocol::Limits::default()
        };
        let buffer = given.per_connection_buffer_limit_bytes;
        let buffer_limit = listener::buffer_limit(problems, path, buffer);
        let (protocol, protocol_options) = protocol?;
        for change in self.changes.iter().flat_map(|changes| changes.iter()) {
            change.check(problems, &given.name, &*protocol);
        }
        Some(Cluster {
            name: given.name.as_str().into(),
            protocol,
            protocol_options,
            balancing: self.balancing,
            limits,
            connect_timeout,
            pool,
            connections_per_endpoint,
            breaker: Arc::new(CircuitBreaker::new(breakers)),
            breaker_limits: breakers,
            idle_timeout,
            buffer_limit,
        })
    }
}

/// Whether requests of the protocol `from` can be given to endpoints that speak `to`.
fn translates(registry: &Registry, from: &str, to: &str) -> bool {
    let made = registry.make(to, &Value::Object(serde_json::Map::new()));
    made.is_some_and(|made| made.is_ok_and(|protocol| protocol.understands(from)))
}

/// The protocol that all listeners speak, for a cluster that no route leads to.
fn common<'l>(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    listeners: &'l [Spoken],
) -> Option<&'l str> {
    let first = listeners.first();
    let same = first.filter(|first| listeners.iter().all(|l| l.name == first.name));
    let Some(first) = same else {
        problems.add(&path.field("protocol"), Fault::UndecidedProtocol);
        return None;
    };
    // That there is no such protocol is the listener's problem.
    first.protocol.as_ref().map(|_| first.name.as_str())
}

fn pool(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Cluster,
    protocol: Option<&dyn Protocol>,
) -> (PoolMode, usize) {
    use v1::connection_pool::Mode;
    let path = path.field("connection_pool");
    let given = given.connection_pool.unwrap_or_default();
    let connections = given.connections_per_endpoint.unwrap_or(1);
    let field = path.field("connections_per_endpoint");
    let connections = problems.number(&field, connections, 1..=MAX_CONNECTIONS_PER_ENDPOINT);
    let field = path.field("mode");
    let without_ids = protocol.filter(|p| !p.capabilities().multiplexed);
    let mode = match (problems.choice(&field, given.mode), without_ids) {
        (Mode::Multiplexed, Some(protocol)) => {
            let protocol = protocol.name();
            problems.add(&field, Fault::NotMultiplexed { protocol });
            PoolMode::Exclusive
        }
        (Mode::Auto, _) => PoolMode::Auto,
        (Mode::Exclusive, _) => PoolMode::Exclusive,
        (Mode::Multiplexed, None) => PoolMode::Multiplexed,
        (Mode::Bound, _) => PoolMode::Bound,
    };
    (mode, connections as usize)
}

fn breakers(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Cluster) -> limits::Limits {
    let given = given.circuit_breakers.unwrap_or_default();
    let defaults = limits::Limits::default();
    let mut limit = |name, given: Option<u32>, default, min| {
        let read = |value| problems.number(&path.field(name), value, min..=u32::MAX);
        given.map(read).or(default)
    };
    let default = defaults.max_pending_requests;
    let pending = limit(
        "max_pending_requests",
        given.max_pending_requests,
        default,
        0,
    );
    limits::Limits {
        max_connections: limit(
            "max_connections",
            given.max_connections,
            defaults.max_connections,
            1,
        ),
        max_pending_requests: pending,
        max_requests: limit("max_requests", given.max_requests, defaults.max_requests, 1),
        retries: retry::retries(problems, path, &given),
    }
}

fn connect_timeout(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Cluster) -> Duration {
    let path = path.field("connect_timeout");
    let timeout = problems.duration(&path, given.connect_timeout.as_ref(), DEFAULT_CONNECT);
    if timeout.is_zero() {
        problems.add(&path, Fault::ZeroDuration);
    }
    timeout
}

fn keepalive(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Cluster,
) -> Option<Duration> {
    let path = path.field("keepalive_interval");
    let interval = given.keepalive_interval.as_ref();
    let interval = problems.timeout(&path, interval, DEFAULT_KEEPALIVE)?;
    if interval < MIN_KEEPALIVE {
        let (value, min, zero) = (interval, MIN_KEEPALIVE, true);
        problems.add(&path, Fault::TooShort { value, min, zero });
    }
    Some(interval)
}

const DEFAULT_CONNECT: Duration = Duration::from_secs(5);
const DEFAULT_IDLE: Duration = Duration::from_secs(3600);
const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(60);
const MIN_KEEPALIVE: Duration = Duration::from_millis(100);
const MAX_CONNECTIONS_PER_ENDPOINT: u32 = 1024;
