//! What a session does with responses, and with the lack of one.

use sabir_core::connection::Written;
use sabir_core::frame::{Frame, Reason};
use sabir_core::head::{Head, Stage};
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_router::retry::Failure;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::finish::Why;
use super::retry::Undone;
use super::session::Session;
use super::upstream::{Failed, LostRequest};
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
        if self.exchanges[key].tries.is_some() && self.retry_answered(key, &head) {
            return;
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
        let begun = self.exchanges[key].has_answer_begun();
        if begun && reason != Reason::Lost {
            return self.stream_down(key, Frame::Reset(reason));
        }
        let (executed, failure) = match reason {
            Reason::Refused => (Executed::No, Failure::Refused),
            _ => (Executed::Maybe, Failure::Reset),
        };
        if executed == Executed::No && self.resend(key, Undone::Refused, None) {
            return;
        }
        let (party, why, message) = match reason {
            Reason::Lost => (Party::Network, Why::ConnectionLost, LOST),
            _ => (
                Party::Infrastructure,
                Why::Reset,
                "the endpoint gave the request up",
            ),
        };
        let outcome = Outcome::new(party, executed, Code::Unavailable);
        if !begun && self.retry(key, failure, outcome, None) {
            return;
        }
        self.answer(key, why, Reply::new(outcome, message));
    }

    /// The endpoint's connection failed.
    pub(super) fn on_failed(&mut self, key: DefaultKey, failure: LostRequest) {
        if self.exchanges.get(key).is_none() {
            return;
        }
        let LostRequest { how, unsent } = failure;
        if self.resend(key, Undone::Failed(how), unsent) {
            return;
        }
        if let Some(cluster) = &self.exchanges[key].routed.cluster {
            self.worker.count(cluster.stats_id, ClusterCounter::RqReset);
        }
        if let Some(failure) = how.failure()
            && self.retry(key, failure, how.outcome(), None)
        {
            return;
        }
        let (why, message) = match how {
            Failed::Unconnected => (Why::ConnectFailure, "the endpoint could not be reached"),
            Failed::Untouched => (
                Why::ConnectionLost,
                "the connection to the endpoint was lost before it took the request",
            ),
            Failed::Stale | Failed::Lost => (Why::ConnectionLost, LOST),
            Failed::Unwritable => (
                Why::Unwritable,
                "the request has no form in the protocol of the endpoint",
            ),
        };
        self.answer(key, why, Reply::new(how.outcome(), message));
    }
}

const LOST: &str = "the connection to the endpoint was lost before it answered";
