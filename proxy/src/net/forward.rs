//! What a session does with requests: route, endpoint, and the answer.

use std::rc::Rc;
use std::time::SystemTime;

use sabir_core::filter::Context;
use sabir_core::frame::StreamId;
use sabir_core::head::{Head, Kind};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_router::action::{Action, Target};
use sabir_router::balancer::Pick;
use sabir_router::limits::Resource;
use sabir_router::retry::Failure;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::due;
use super::exchange::{Exchange, Logged, Passed, Place, Routed};
use super::finish::Why;
use super::pool::{Attempt, Cluster};
use super::session::{Addresses, Session};
use super::upstream::{Caller, State, Upstream};
use crate::telemetry::{ClusterCounter, ClusterGauge, ListenerCounter, ListenerGauge};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// A request arrived.
    pub(super) fn on_request(&mut self, stream: StreamId, mut head: Head) {
        self.touch();
        self.count_request(head.kind);
        let key = self.begin(stream, &head);
        if head.fault().is_some() {
            return self.no_route(key, &head);
        }
        if self.exchanges[key]
            .routed
            .config
            .listener
            .filters
            .is_empty()
        {
            return self.route(key, head);
        }
        self.name(key, &head);
        let exchange = &mut self.exchanges[key];
        let chain = &exchange.routed.config.listener.filters;
        let step = chain.on_request(0, &mut head, &mut exchange.cx);
        self.after_listener_filters(key, head, step);
    }

    /// Answers a request for which there is no room.
    pub(super) fn overflow(&mut self, stream: StreamId, head: &Head) {
        self.count_request(head.kind);
        let key = self.begin(stream, head);
        self.name(key, head);
        let message = "the connection has its limit of calls in flight";
        self.answer(
            key,
            Why::Overflow,
            Reply::refused(Code::Overloaded, message),
        );
    }

    fn count_request(&self, kind: Kind) {
        let id = self.listener.stats_id;
        let mut stats = self.worker.stats.borrow_mut();
        stats.add(ListenerCounter::RqTotal, id, 1);
        stats.adjust(ListenerGauge::RqActive, id, 1);
        if kind == Kind::OneWay {
            stats.add(ListenerCounter::RqOneWay, id, 1);
        }
    }

    /// Takes an exchange into the books.
    fn begin(&mut self, stream: StreamId, head: &Head) -> DefaultKey {
        let config = self.listener.current();
        let log = (!config.listener.access_log.is_empty()).then(|| {
            Box::new(Logged {
                request: head.clone(),
                started: SystemTime::now(),
                received: head.wire().len() as u64,
                sent: 0,
            })
        });
        let Addresses { peer, local } = self.addresses;
        let mut cx = Context::new(peer, local, self.link.now());
        cx.random = random;
        let key = self.exchanges.insert(Exchange {
            stream,
            echo: head.echo,
            one_way: head.kind == Kind::OneWay,
            cx,
            place: Place::Here,
            routed: Routed::new(config),
            passed: Passed::default(),
            series: None,
            log,
            why: None,
            body: None,
            tries: None,
        });
        if !head.end {
            self.streams.insert(stream, key);
        }
        key
    }

    /// Finds the counters of an exchange, by where its request goes.
    fn name(&mut self, key: DefaultKey, head: &Head) {
        let exchange = &mut self.exchanges[key];
        let cluster = exchange.routed.cluster.as_ref().map(|c| c.stats_id);
        let (service, method) = (head.service(), head.method());
        let mut stats = self.worker.stats.borrow_mut();
        let series = stats.series(self.listener.stats_id, cluster, service, method);
        exchange.series = Some(series);
    }

    /// Finds the route and does what it says.
    pub(super) fn route(&mut self, key: DefaultKey, mut head: Head) {
        let exchange = &mut self.exchanges[key];
        let config = exchange.routed.config.clone();
        let Some((position, route)) = config.listener.routes.find(&head) else {
            return self.no_route(key, &head);
        };
        exchange.routed.route = Some(position);
        // Filters of the route that wait do so within its timeout.
        if let Action::Forward(forward) = &route.rule.action {
            let started = exchange.cx.started;
            exchange.cx.deadline = due::deadline(&config.listener, forward, &head, started);
            let idle_at = match head.end {
                true => None,
                false => exchange.note_move(started),
            };
            let deadline = exchange.cx.deadline;
            self.watch(deadline);
            self.watch(idle_at);
        }
        let exchange = &mut self.exchanges[key];
        if route.filters.is_empty() {
            return self.act(key, head);
        }
        let step = route.filters.on_request(0, &mut head, &mut exchange.cx);
        self.after_route_filters(key, head, step);
    }

    fn no_route(&mut self, key: DefaultKey, head: &Head) {
        self.name(key, head);
        if let Some(fault) = head.fault() {
            self.count(ListenerCounter::RqMalformed);
            let outcome = Outcome::new(Party::Caller, Executed::No, Code::BadRequest);
            return self.answer(key, Why::Malformed, Reply::new(outcome, fault.to_string()));
        }
        self.count(ListenerCounter::RqNoRoute);
        let (service, method) = (lossy(head.service()), lossy(head.method()));
        let message = format!("no route for {service}.{method}");
        self.answer(key, Why::NoRoute, Reply::refused(Code::NotFound, message));
    }

    /// Does what the route says.
    pub(super) fn act(&mut self, key: DefaultKey, mut head: Head) {
        // A malformed body is found out only if a filter or the route looked into it.
        if head.fault().is_some() {
            return self.no_route(key, &head);
        }
        let exchange = &mut self.exchanges[key];
        let config = exchange.routed.config.clone();
        let Some(route) = exchange
            .routed
            .route
            .and_then(|at| config.listener.routes.route(at))
        else {
            return self.no_route(key, &head);
        };
        let forward = match &route.rule.action {
            Action::Forward(forward) => forward,
            Action::DirectResponse(reply) => {
                let reply = reply.clone();
                self.count(ListenerCounter::RqDirectResponse);
                self.name(key, &head);
                return self.answer(key, Why::DirectResponse, reply);
            }
        };
        if exchange.is_expired(self.link.now()) {
            self.name(key, &head);
            return self.on_deadline(key);
        }
        let target = forward.target(&head, random);
        exchange.routed.target = Some(target);
        exchange.routed.hash = forward.hash_policy.hash(&head, self.addresses.peer);
        let cluster = config.clusters[target.cluster.0 as usize].clone();
        exchange.routed.cluster = Some(cluster.clone());
        self.name(key, &head);
        let exchange = &mut self.exchanges[key];
        if !route.rule.request.is_empty() {
            route.rule.request.apply(&mut head, &exchange.cx);
        }
        let permit = cluster.try_acquire(Resource::Requests);
        let full = permit.is_none();
        exchange.routed.permit = permit;
        self.worker
            .adjust(cluster.stats_id, ClusterGauge::RqActive, 1);
        if full {
            self.worker
                .count(cluster.stats_id, ClusterCounter::RqOverflow);
            let message = format!(
                "cluster {} has its limit of requests in flight",
                cluster.config().name
            );
            return self.answer(
                key,
                Why::Overflow,
                Reply::refused(Code::Overloaded, message),
            );
        }
        self.send(key, head, Attempt::First);
    }

    /// Chooses an endpoint and gives it the request.
    pub(super) fn send(&mut self, key: DefaultKey, mut head: Head, attempt: Attempt) {
        if self.exchanges[key].is_expired(self.link.now()) {
            return self.on_deadline(key);
        }
        let routed = &self.exchanges[key].routed;
        let (Some(cluster), Some(target)) = (routed.cluster.clone(), routed.target) else {
            return; // every request that is sent was routed
        };
        let upstream = match self.upstream(key, &cluster, target, attempt, &head) {
            Ok(upstream) => upstream,
            Err((why, reply)) => return self.fail_to_send(key, attempt, why, reply),
        };
        let waits = match upstream.would_wait() {
            false => None,
            true => match cluster.try_acquire(Resource::PendingRequests) {
                Some(permit) => Some(permit),
                None => return self.refuse_to_wait(key, &cluster),
            },
        };
        let (now, exchange) = (self.link.now(), &mut self.exchanges[key]);
        exchange.routed.attempts += 1;
        exchange.routed.sent = Some(now);
        exchange.routed.answered = None;
        exchange.cx.endpoint = Some(upstream.endpoint.address);
        exchange.keep(&head, &upstream, now);
        exchange.tell_time_left(&mut head, &upstream, now);
        let attempt_ends = exchange.tries.as_ref().and_then(|tries| tries.wake);
        self.watch(attempt_ends);
        let inbox = self.inbox.clone();
        let caller = Caller { inbox, key };
        let Some(stream) = upstream.request(caller, head, waits, &self.worker) else {
            let reply = Reply::refused(Code::Overloaded, "the connection to the endpoint is full");
            return self.answer(key, Why::Overflow, reply);
        };
        let congested = upstream.is_congested();
        if congested {
            upstream.hold_back(self.inbox.clone());
            self.waits.held_back += 1;
        }
        let exchange = &mut self.exchanges[key];
        exchange.place = Place::Upstream(upstream, stream);
        let early = exchange.body.is_some();
        self.worker.count(cluster.stats_id, ClusterCounter::RqTotal);
        if early {
            self.send_early(key);
        }
        if congested {
            self.count(ListenerCounter::PausedReading);
        }
    }

    /// There is nowhere to send a request: because no endpoint could be reached, if that was tried.
    fn fail_to_send(&mut self, key: DefaultKey, attempt: Attempt, why: Why, reply: Reply) {
        let outcome = reply.outcome;
        if attempt == Attempt::Elsewhere && self.retry(key, Failure::Connect, outcome, None) {
            return;
        }
        self.answer(key, why, reply);
    }

    fn refuse_to_wait(&mut self, key: DefaultKey, cluster: &Rc<Cluster>) {
        self.worker
            .count(cluster.stats_id, ClusterCounter::RqPendingOverflow);
        let message = format!(
            "cluster {} has its limit of requests that wait for a connection",
            cluster.config().name
        );
        let reply = Reply::refused(Code::Overloaded, message);
        self.answer(key, Why::Overflow, reply);
    }

    fn upstream(
        &mut self,
        key: DefaultKey,
        cluster: &Rc<Cluster>,
        target: Target,
        attempt: Attempt,
        head: &Head,
    ) -> Result<Rc<Upstream>, (Why, Reply)> {
        if let Some(upstream) = self.bound_to(cluster) {
            return Ok(upstream);
        }
        let tries = self.exchanges[key].tries.as_ref();
        let failed = tries.map_or(&[][..], |tries| &tries.failed);
        let pick = Pick::from(target.subset).hash(self.exchanges[key].routed.hash);
        let picked = cluster.pick(pick.exclude(failed), attempt, self.link.now());
        let Some(endpoint) = picked else {
            self.worker
                .count(cluster.stats_id, ClusterCounter::NoneHealthy);
            let message = format!("cluster {} has no healthy endpoint", cluster.config().name);
            let reply = Reply::refused(Code::Unavailable, message);
            return Err((Why::NoHealthyEndpoint, reply));
        };
        if cluster.picked_in_panic() {
            self.worker
                .count(cluster.stats_id, ClusterCounter::LbHealthyPanic);
        }
        let bind = head.bound || cluster.binds();
        let owner = bind.then_some(&self.inbox);
        match endpoint.connection(&self.worker, owner, head.protocol(), attempt) {
            Ok(upstream) if bind => {
                self.bound.retain(|u| u.state() != State::Closed);
                self.worker.count(cluster.stats_id, ClusterCounter::CxBound);
                self.bound.push(upstream.clone());
                Ok(upstream)
            }
            Ok(upstream) => Ok(upstream),
            Err(code) => {
                let message = format!(
                    "cluster {} has its limit of connections",
                    cluster.config().name
                );
                Err((Why::Overflow, Reply::refused(code, message)))
            }
        }
    }

    /// The connection this session is bound to in `cluster`, if it is.
    fn bound_to(&self, cluster: &Rc<Cluster>) -> Option<Rc<Upstream>> {
        let same =
            |u: &&Rc<Upstream>| Rc::ptr_eq(&u.endpoint.cluster, cluster) && u.takes_requests();
        self.bound.iter().find(same).cloned()
    }
}

fn lossy(name: &[u8]) -> String {
    let name = &name[..name.len().min(LONGEST_NAME)];
    String::from_utf8_lossy(name).escape_default().to_string()
}

fn random() -> u64 {
    fastrand::u64(..)
}

/// Bytes of a name that a message quotes.
const LONGEST_NAME: usize = 200;
