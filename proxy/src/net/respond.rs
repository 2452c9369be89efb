//! What a session does with responses, and with the lack of one.

use sabir_core::connection::Written;
use sabir_core::frame::{Frame, Reason};
use sabir_core::head::{Head, Stage};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Place, Routed};
use super::finish::Why;
use super::pool::Attempt;
use super::session::Session;
use crate::telemetry::{ClusterCounter, ListenerCounter};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// A piece of a response arrived.
    pub(super) fn on_response(&mut self, key: DefaultKey, frame: Frame) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return self.count(ListenerCounter::LateResponse);
        };
        if frame.ends()
            && let Some(cluster) = &exchange.routed.cluster
        {
            let id = cluster.stats_id;
            self.worker.count(id, ClusterCounter::RqCompleted);
        }
        match frame {
            Frame::Head(head) => self.on_response_head(key, head),
            Frame::Reset(reason) => self.on_upstream_reset(key, reason),
            frame => self.stream_down(key, frame),
        }
    }

    fn on_response_head(&mut self, key: DefaultKey, mut head: Head) {
        if head.stage == Stage::Interim {
            // No answer yet: nothing that filters or the route do to answers concerns it.
            self.streams.insert(self.exchanges[key].stream, key);
            return self.stream_down(key, Frame::Head(head));
        }
        let exchange = &mut self.exchanges[key];
        if head.stage == Stage::Tunnel {
            // Its time was for the tunnel to be granted.
            exchange.cx.deadline = None;
        }
        head.echo = exchange.echo;
        exchange.cx.now = self.link.now();
        exchange.routed.answered = Some(exchange.cx.now);
        let config = exchange.routed.config.clone();
        let route = exchange
            .routed
            .route
            .and_then(|at| config.listener.routes.route(at));
        if let Some(route) = route {
            if !route.rule.response.is_empty() {
                route.rule.response.apply(&mut head, &exchange.cx);
            }
            let passed = exchange.passed;
            let early = route
                .filters
                .on_response(passed.route, &mut head, &mut exchange.cx);
            let chain = &config.listener.filters;
            let early =
                early.or_else(|| chain.on_response(passed.listener, &mut head, &mut exchange.cx));
            if let Some(reply) = early {
                return self.refuse(key, reply);
            }
        }
        if !head.end {
            self.streams.insert(exchange.stream, key);
            return self.stream_down(key, Frame::Head(head));
        }
        self.deliver(key, head);
    }

    /// Writes a response that is complete.
    fn deliver(&mut self, key: DefaultKey, head: Head) {
        let exchange = &mut self.exchanges[key];
        let (stream, outcome) = (exchange.stream, head.outcome);
        if let Some(log) = &mut exchange.log {
            log.sent += head.wire().len() as u64;
        }
        let written = self
            .link
            .with(|conn, turn| conn.send(stream, Frame::Head(head), turn));
        if written == Ok(Written::Unmodified) {
            self.count(ListenerCounter::MutationNotWritten);
        }
        self.finish(key, outcome);
    }

    fn on_upstream_reset(&mut self, key: DefaultKey, reason: Reason) {
        let executed = match reason {
            Reason::Refused => Executed::No,
            _ => Executed::Maybe,
        };
        let outcome = Outcome::new(Party::Infrastructure, executed, Code::Unavailable);
        if self.exchanges[key].has_answer_begun() {
            return self.stream_down(key, Frame::Reset(reason));
        }
        let reply = Reply::new(outcome, "the endpoint gave the request up");
        self.answer(key, Why::Reset, reply);
    }

    /// The endpoint's connection failed.
    pub(super) fn on_failed(
        &mut self,
        key: DefaultKey,
        outcome: Outcome,
        unsent: Option<Box<Head>>,
    ) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        exchange.place = Place::Here;
        exchange.routed.unreachable += 1;
        let Routed {
            cluster,
            target,
            unreachable,
            ..
        } = &exchange.routed;
        let (Some(cluster), Some(target)) = (cluster.clone(), *target) else {
            return;
        };
        let attempts = *unreachable;
        let whole = exchange.body.as_ref().is_none_or(|body| !body.given);
        if let Some(head) = unsent
            && attempts <= REPICKS
            && whole
        {
            return self.send(key, *head, &cluster, target, Attempt::Again);
        }
        self.worker.count(cluster.stats_id, ClusterCounter::RqReset);
        let (why, message) = match outcome.executed {
            Executed::No => (Why::ConnectFailure, "the endpoint could not be reached"),
            _ => (
                Why::ConnectionLost,
                "the connection to the endpoint was lost before it answered",
            ),
        };
        self.answer(key, why, Reply::new(outcome, message));
    }

    /// An exchange's deadline has passed.
    pub(super) fn on_deadline(&mut self, key: DefaultKey) {
        let exchange = &mut self.exchanges[key];
        let waited = exchange.cx.deadline.map(|at| at - exchange.cx.started);
        let executed = match &exchange.place {
            Place::Upstream(..) => Executed::Maybe,
            Place::Filtering(_) | Place::Here => Executed::No,
        };
        if let Some(cluster) = &exchange.routed.cluster {
            self.worker
                .count(cluster.stats_id, ClusterCounter::RqTimeout);
        }
        let message = format!(
            "no answer within {} ms",
            waited.unwrap_or_default().as_millis()
        );
        let outcome = Outcome::new(Party::Network, executed, Code::TimedOut);
        self.answer(key, Why::Deadline, Reply::new(outcome, message));
    }
}

/// Endpoints that may turn out unreachable before a request fails. It was not sent to any of them.
const REPICKS: u8 = 3;
