//! A worker's clusters: endpoints, the connections to them, and which may be used.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sabir_core::outcome::{Code, Outcome};
use sabir_core::protocol::Protocol;
use sabir_router::balancer::{LoadBalancer, Pick};
use sabir_router::limits::{Permit, Resource};
use sabir_router::slots::EndpointId;

use super::connect;
use super::session::Inbox;
use super::upstream::{State, Upstream};
use super::worker::{EndpointView, Worker};
use crate::config::resolved::{self, PoolMode};
use crate::telemetry::{ClusterCounter, ClusterId};

/// A cluster as one worker sees it. Outlives changes of its configuration.
pub(crate) struct Cluster {
    pub(crate) stats_id: ClusterId,
    config: RefCell<Arc<resolved::Cluster>>,
    balancer: RefCell<LoadBalancer>,
    endpoints: RefCell<Vec<Option<Rc<EndpointPool>>>>,
    /// Choices whatever the health that somebody was told of.
    panics: Cell<u64>,
}

/// An endpoint and the connections one worker has to it.
pub(crate) struct EndpointPool {
    pub(crate) cluster: Rc<Cluster>,
    pub(crate) address: SocketAddr,
    pub(crate) id: EndpointId,
    connections: RefCell<Vec<Rc<Upstream>>>,
    avoid: Cell<Option<Instant>>,
    failures: Cell<u32>,
    draining: Cell<bool>,
}

/// Which endpoints a request may go to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Attempt {
    /// If all endpoints seem unreachable, one is tried all the same.
    First,
    /// Another endpoint could not be reached: only those that seem reachable.
    Elsewhere,
    /// A connection ended before it did anything: over a new one, since others that are as old may
    /// have ended too.
    Afresh,
    /// An endpoint did not do it: another one, if there is any.
    Again,
}

impl Cluster {
    pub(crate) fn new(config: Arc<resolved::Cluster>, stats_id: ClusterId) -> Rc<Self> {
        let balancer = LoadBalancer::new(&config.balancing, fastrand::u64(..), Instant::now());
        let cluster = Rc::new(Self {
            stats_id,
            balancer: RefCell::new(balancer),
            config: RefCell::new(config),
            endpoints: RefCell::default(),
            panics: Cell::new(0),
        });
        cluster.adopt_endpoints();
        cluster
    }

    /// Takes over a changed configuration; connections to endpoints that stay are kept.
    pub(crate) fn update(self: &Rc<Self>, config: Arc<resolved::Cluster>) {
        let changes = self
            .balancer
            .borrow_mut()
            .update(&config.balancing, Instant::now());
        *self.config.borrow_mut() = config;
        for id in changes.removed {
            self.remove(id);
        }
        self.adopt_endpoints();
    }

    /// The cluster is configured no longer: calls in flight finish, then connections close.
    pub(crate) fn retire(&self) {
        for endpoint in self.endpoints.take().into_iter().flatten() {
            endpoint.close();
        }
    }

    pub(crate) fn config(&self) -> Arc<resolved::Cluster> {
        self.config.borrow().clone()
    }

    /// Chooses an endpoint, rather none of those that are not wanted; `None` if there is none to
    /// choose.
    pub(crate) fn pick(
        &self,
        mut pick: Pick<'_>,
        attempt: Attempt,
        now: Instant,
    ) -> Option<Rc<EndpointPool>> {
        let endpoints = self.endpoints.borrow();
        let endpoint = |id: EndpointId| endpoints.get(id.slot()).and_then(Option::as_ref);
        let mut balancer = self.balancer.borrow_mut();
        let reachable = |id| endpoint(id).is_some_and(|e| !e.draining.get() && e.seems_up(now));
        let mut picked = balancer.pick(pick, now, reachable, || fastrand::u64(..));
        if picked.is_none() && !pick.exclude.is_empty() {
            pick = pick.exclude(&[]);
            picked = balancer.pick(pick, now, reachable, || fastrand::u64(..));
        }
        if picked.is_none() && attempt != Attempt::Elsewhere {
            let open = |id| endpoint(id).is_some_and(|e| !e.draining.get());
            picked = balancer.pick(pick, now, open, || fastrand::u64(..));
        }
        picked.and_then(endpoint).cloned()
    }

    /// Whether an endpoint was chosen whatever its health since this was last asked.
    pub(crate) fn picked_in_panic(&self) -> bool {
        let panics = self.balancer.borrow().panics();
        self.panics.replace(panics) != panics
    }

    /// One unit of a limited resource, or nothing if the limit is reached.
    pub(crate) fn try_acquire(&self, resource: Resource) -> Option<Permit> {
        self.config.borrow().breaker.try_acquire(resource)
    }

    /// Gives back what [`try_acquire`](Self::try_acquire) gave.
    pub(crate) fn release(&self, permit: Permit) {
        self.config.borrow().breaker.release(permit);
    }

    /// Bytes that may wait to be written to one connection.
    pub(crate) fn buffer_limit(&self) -> usize {
        self.config.borrow().buffer_limit
    }

    /// Whether every client gets connections of its own.
    pub(crate) fn binds(&self) -> bool {
        self.config.borrow().pool == PoolMode::Bound
    }

    /// Whether connections made under the present configuration are right under `config` too.
    pub(crate) fn can_become(&self, config: &resolved::Cluster) -> bool {
        let present = self.config.borrow();
        present.protocol.name() == config.protocol.name()
            && present.protocol_options == config.protocol_options
            // What was acquired must be given back to whom it was acquired from.
            && Arc::ptr_eq(&present.breaker, &config.breaker)
    }

    /// What operators see.
    pub(crate) fn view(&self, now: Instant) -> Vec<EndpointView> {
        let balancer = self.balancer.borrow();
        let endpoints = self.endpoints.borrow();
        let config = self.config.borrow();
        let detector = config.balancing.detector();
        let view = |pool: &Rc<EndpointPool>| {
            Some(EndpointView {
                cluster: config.name.clone(),
                endpoint: balancer.endpoint(pool.id)?.clone(),
                connections: pool.connections.borrow().len(),
                active: balancer.active(pool.id) as usize,
                health: balancer.health(pool.id),
                ejected: detector.is_some_and(|d| d.is_ejected(pool.address)),
                draining: pool.draining.get(),
                reachable: pool.seems_up(now),
            })
        };
        endpoints.iter().flatten().filter_map(view).collect()
    }

    fn adopt_endpoints(self: &Rc<Self>) {
        let balancer = self.balancer.borrow();
        let mut endpoints = self.endpoints.borrow_mut();
        for (id, endpoint) in balancer.endpoints() {
            if endpoints.len() <= id.slot() {
                endpoints.resize_with(id.slot() + 1, || None);
            }
            let known = endpoints[id.slot()].as_ref().is_some_and(|e| e.id == id);
            if !known {
                let pool = EndpointPool::new(self.clone(), id, endpoint.address);
                endpoints[id.slot()] = Some(Rc::new(pool));
            }
        }
    }

    fn remove(&self, id: EndpointId) {
        let mut endpoints = self.endpoints.borrow_mut();
        let slot = endpoints.get_mut(id.slot());
        if let Some(endpoint) = slot.and_then(|e| e.take_if(|e| e.id == id)) {
            endpoint.close();
        }
    }
}

impl EndpointPool {
    fn new(cluster: Rc<Cluster>, id: EndpointId, address: SocketAddr) -> Self {
        Self {
            cluster,
            address,
            id,
            connections: RefCell::default(),
            avoid: Cell::new(None),
            failures: Cell::new(0),
            draining: Cell::new(false),
        }
    }

    /// A connection for the next request; bound to `owner` if there is one.
    pub(crate) fn connection(
        self: &Rc<Self>,
        worker: &Rc<Worker>,
        owner: Option<&Rc<Inbox>>,
        protocol: &str,
        attempt: Attempt,
    ) -> Result<Rc<Upstream>, Code> {
        let config = self.cluster.config.borrow();
        // Of a cluster that speaks several protocols, the one the request came in.
        let member = match config.protocol.name() == protocol {
            true => None,
            false => config.protocol.member(protocol),
        };
        let spoken = member.as_ref().unwrap_or(&config.protocol);
        let protocol = spoken.name();
        let reused = match owner {
            Some(owner) => self.bound_to(owner, protocol),
            // What is shared is given up by all at once, and opened anew for all.
            None if attempt == Attempt::Afresh && !shares(config.pool, &**spoken) => None,
            None => self.shared(&config, protocol),
        };
        if let Some(upstream) = reused {
            return Ok(upstream);
        }
        if let Some(permit) = config.breaker.try_acquire(Resource::Connections) {
            let mode = mode(config.pool, &**spoken);
            let upstream = Upstream::new(self.clone(), spoken.clone(), mode, owner.cloned());
            let upstream = Rc::new(upstream);
            self.connections.borrow_mut().push(upstream.clone());
            connect::spawn(worker, upstream.clone(), config.clone(), permit);
            return Ok(upstream);
        }
        worker.count(self.cluster.stats_id, ClusterCounter::CxOverflow);
        let busy = if owner.is_none() {
            self.least_active(protocol)
        } else {
            None
        };
        busy.ok_or(Code::Overloaded)
    }

    fn bound_to(&self, owner: &Rc<Inbox>, protocol: &str) -> Option<Rc<Upstream>> {
        let is_owner = |u: &&Rc<Upstream>| {
            let owned = u.owner.as_ref().is_some_and(|o| Rc::ptr_eq(o, owner));
            owned && u.takes_requests() && u.speaks(protocol)
        };
        self.connections.borrow().iter().find(is_owner).cloned()
    }

    /// A connection that others use too, unless a further one should be opened.
    fn shared(&self, config: &resolved::Cluster, protocol: &str) -> Option<Rc<Upstream>> {
        let least = self.least_active(protocol)?;
        let enough = match mode(config.pool, &*least.protocol) {
            PoolMode::Multiplexed => {
                self.open_connections(protocol) >= config.connections_per_endpoint
                    && least.has_room()
            }
            PoolMode::Exclusive | PoolMode::Bound | PoolMode::Auto => false,
        };
        (enough || least.active() == 0).then_some(least)
    }

    fn least_active(&self, protocol: &str) -> Option<Rc<Upstream>> {
        let connections = self.connections.borrow();
        let open = connections
            .iter()
            .filter(|u| u.is_shared() && u.speaks(protocol));
        open.min_by_key(|u| u.active()).cloned()
    }

    fn open_connections(&self, protocol: &str) -> usize {
        let connections = self.connections.borrow();
        let open = |u: &&Rc<Upstream>| u.is_shared() && u.speaks(protocol);
        connections.iter().filter(open).count()
    }

    /// Forgets a connection that is gone.
    pub(crate) fn forget(&self, upstream: &Rc<Upstream>, now: Instant) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|u| !Rc::ptr_eq(u, upstream));
        let drains = |u: &Rc<Upstream>| u.state() == State::Draining;
        if self.draining.get() && !connections.iter().any(drains) {
            // What said farewell is probably gone; the first to ask again finds out.
            self.draining.set(false);
            self.avoid.set(Some(now + FAREWELL));
        }
    }

    /// A connection was established.
    pub(crate) fn reached(&self) {
        self.failures.set(0);
        self.avoid.set(None);
    }

    /// A connection could not be established: avoid the endpoint, longer each time.
    pub(crate) fn unreachable(&self, now: Instant) {
        let failures = self.failures.get();
        self.failures.set(failures.saturating_add(1));
        let avoid = (AVOID_FIRST * 2u32.pow(failures.min(16))).min(AVOID_LONGEST);
        self.avoid.set(Some(now + avoid));
    }

    /// The endpoint wants no new requests.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
    }

    /// The endpoint takes requests again.
    pub(crate) fn resume(&self) {
        self.draining.set(false);
    }

    pub(crate) fn acquire(&self) {
        self.cluster.balancer.borrow_mut().acquire(self.id);
    }

    pub(crate) fn release(&self) {
        self.cluster.balancer.borrow_mut().release(self.id);
    }

    /// How a request ended, and how long it took until the answer began: tells whoever compares
    /// endpoints.
    pub(crate) fn report(&self, outcome: Outcome, elapsed: Duration, now: Instant) {
        let mut balancer = self.cluster.balancer.borrow_mut();
        balancer.report(self.id, outcome, elapsed, now, || fastrand::u64(..));
    }

    /// Whether the last attempt to connect succeeded, or was long enough ago.
    pub(crate) fn seems_up(&self, now: Instant) -> bool {
        self.avoid.get().is_none_or(|until| until <= now)
    }

    fn close(&self) {
        for upstream in self.connections.borrow().iter() {
            upstream.close();
        }
    }
}

/// How connections of `protocol` are used, where configuration leaves it to the protocol.
fn mode(configured: PoolMode, protocol: &dyn Protocol) -> PoolMode {
    match configured {
        PoolMode::Auto if protocol.capabilities().multiplexed => PoolMode::Multiplexed,
        PoolMode::Auto => PoolMode::Exclusive,
        configured => configured,
    }
}

fn shares(configured: PoolMode, protocol: &dyn Protocol) -> bool {
    mode(configured, protocol) == PoolMode::Multiplexed
}

/// How long an endpoint is avoided after the first attempt to connect failed.
const AVOID_FIRST: Duration = Duration::from_millis(250);

/// How long an endpoint is avoided at most.
const AVOID_LONGEST: Duration = Duration::from_secs(10);

/// How long an endpoint is avoided that said farewell and closed.
const FAREWELL: Duration = Duration::from_secs(1);
