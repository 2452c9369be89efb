//! What a session does with responses, and with the lack of one.

use sabir_core::connection::Written;
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::Head;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::pump::Pump;
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
        let ends = frame.ends();
        if ends {
            // The upstream side has let go of it.
            exchange.place = Place::Here;
        }
        match frame {
            Frame::Head(head) => self.on_response_head(key, head),
            Frame::Reset(reason) => self.on_upstream_reset(key, reason),
            frame => self.stream_down(key, frame),
        }
    }

    fn on_response_head(&mut self, key: DefaultKey, mut head: Head) {
        let exchange = &mut self.exchanges[key];
        head.echo = exchange.echo;
        exchange.cx.now = self.link.now();
        let config = exchange.routed.config.clone();
        let route = exchange
            .routed
            .route
            .and_then(|at| config.listener.routes.route(at));
        if let Some(route) = route {
            if !route.rule.response.is_empty() {
                route.rule.response.apply(&mut head);
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
            exchange.pump = Some(Box::default());
            let (stream, streams) = (exchange.stream, &mut self.streams);
            streams.insert(stream, key);
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
        if self.exchanges[key].pump.is_some() {
            return self.stream_down(key, Frame::Reset(reason));
        }
        let reply = Reply::new(outcome, "the endpoint gave the request up");
        self.answer(key, Why::Reset, reply);
    }

    /// Moves frames of a streamed response as far as the caller takes them.
    pub(super) fn stream_down(&mut self, key: DefaultKey, frame: Frame) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return;
        };
        let mut pump: Box<Pump> = exchange.pump.take().unwrap_or_default();
        pump.push(frame);
        self.run_pump(key, pump);
    }

    /// Moves what waits for `key` after its caller took some.
    pub(super) fn on_writable(&mut self, stream: StreamId) {
        let Some(&key) = self.streams.get(&stream) else {
            return;
        };
        let pump = self.exchanges.get_mut(key).and_then(|e| e.pump.take());
        if let Some(pump) = pump {
            self.run_pump(key, pump);
        }
    }

    fn run_pump(&mut self, key: DefaultKey, mut pump: Box<Pump>) {
        let stream = self.exchanges[key].stream;
        let moved = self.link.with(|conn, turn| pump.run(conn, stream, turn));
        let Ok(moved) = moved else {
            return self.abandon(key);
        };
        let exchange = &mut self.exchanges[key];
        exchange.pump = Some(pump);
        if let Some(log) = &mut exchange.log {
            log.sent += moved.bytes as u64;
        }
        if let Place::Upstream(upstream, upstream_stream) = &exchange.place
            && moved.bytes > 0
        {
            upstream.consumed(*upstream_stream, moved.bytes);
        }
        if moved.ended {
            self.finish(key, Outcome::OK);
        }
    }

    /// More of a streamed request arrived.
    pub(super) fn on_more(&mut self, stream: StreamId, frame: Frame) {
        let exchange = self
            .streams
            .get(&stream)
            .map(|&key| (key, &mut self.exchanges[key]));
        let Some((key, exchange)) = exchange else {
            // Its exchange has ended: what still comes is thrown away, and said to be.
            if let Frame::Data { bytes, .. } = frame {
                let n = bytes.len();
                self.link.with(|conn, turn| conn.consumed(stream, n, turn));
            }
            return;
        };
        if let Frame::Reset(_) = frame {
            return self.abandon(key);
        }
        if let (Some(log), Frame::Data { bytes, .. }) = (&mut exchange.log, &frame) {
            log.received += bytes.len() as u64;
        }
        if let Place::Upstream(upstream, upstream_stream) = &exchange.place {
            upstream.frame(*upstream_stream, frame);
        }
    }

    /// Body bytes of a request have left: its caller may send as many again.
    pub(super) fn on_consumed(&mut self, key: DefaultKey, bytes: usize) {
        if let Some(exchange) = self.exchanges.get(key) {
            let stream = exchange.stream;
            self.link
                .with(|conn, turn| conn.consumed(stream, bytes, turn));
        }
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
        if let Some(head) = unsent
            && attempts <= REPICKS
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
