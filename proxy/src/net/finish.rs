//! How exchanges end: the answer of our own, the books, the log.

use std::time::Duration;

use sabir_core::connection::ConnectionError;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Exchange, Place};
use super::link::LinkError;
use super::pool::EndpointPool;
use super::session::{Addresses, Session};
use crate::telemetry::access_log::{Downstream, Record, Upstream};
use crate::telemetry::{ClusterCounter, ClusterGauge, ListenerCounter, ListenerGauge};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Answers the caller ourselves, unless it awaits no answer.
    pub(super) fn answer(&mut self, key: DefaultKey, why: Why, reply: Reply) {
        let exchange = &mut self.exchanges[key];
        exchange.why = Some(why);
        if exchange.has_answer_begun() {
            // Half an answer is there already: few protocols can say more than that no more comes.
            let stream = exchange.stream;
            self.link
                .with(|conn, turn| conn.cut_short(stream, &reply, turn));
        } else if exchange.one_way {
            self.count(ListenerCounter::RqOneWayDropped);
        } else {
            let (stream, echo) = (exchange.stream, exchange.echo);
            self.link
                .with(|conn, turn| conn.reply(stream, echo, &reply, turn));
        }
        self.finish(key, reply.outcome);
    }

    /// The caller is gone, or gave its request up.
    pub(super) fn abandon(&mut self, key: DefaultKey) {
        self.count(ListenerCounter::RqCancelled);
        let exchange = &mut self.exchanges[key];
        exchange.why = Some(Why::CallerGone);
        if let Some(cluster) = &exchange.routed.cluster {
            self.worker
                .count(cluster.stats_id, ClusterCounter::RqCancelled);
        }
        let outcome = Outcome::new(Party::Caller, Executed::Maybe, Code::Cancelled);
        self.finish(key, outcome);
    }

    /// Answers what is still in flight when the time to drain is over.
    pub(super) fn cut_off(&mut self) {
        let keys: Vec<_> = self.exchanges.keys().collect();
        for key in keys {
            let outcome = Outcome::new(Party::Proxy, Executed::Maybe, Code::Overloaded);
            let message = "the proxy was told to stop and could not wait any longer";
            self.answer(key, Why::Draining, Reply::new(outcome, message));
        }
    }

    /// Closes the books on an exchange, whichever way it ended.
    pub(super) fn finish(&mut self, key: DefaultKey, outcome: Outcome) {
        let Some(mut exchange) = self.exchanges.remove(key) else {
            return;
        };
        if let Place::Upstream(upstream, stream) = &exchange.place {
            upstream.cancel(*stream, &self.worker);
            self.report(&exchange, &upstream.endpoint, outcome);
        }
        if !self.streams.is_empty() {
            self.streams.remove(&exchange.stream);
        }
        self.give_back(&exchange);
        if let Some(tries) = exchange.tries.take() {
            self.give_permit_back(&exchange, *tries);
        }
        exchange.cx.now = self.link.now();
        exchange.tell_filters(outcome);
        exchange.book_filters(&self.worker, self.listener.stats_id);
        let elapsed = exchange
            .cx
            .now
            .saturating_duration_since(exchange.cx.started);
        self.book(&mut exchange, outcome, elapsed);
        if exchange.log.is_some() {
            self.log(&exchange, outcome, elapsed);
        }
    }

    /// Tells those who compare endpoints how one did. Streams are as fast as their answer begins.
    pub(super) fn report(&self, exchange: &Exchange, endpoint: &EndpointPool, outcome: Outcome) {
        // That a one-way request was written says nothing about who will read it.
        if exchange.one_way && outcome.is_ok() {
            return;
        }
        let (routed, now) = (&exchange.routed, self.link.now());
        let elapsed = routed.sent.map_or(Duration::ZERO, |sent| {
            let end = routed.answered.unwrap_or(now);
            end.saturating_duration_since(sent)
        });
        endpoint.report(outcome, elapsed, now);
    }

    fn book(&self, exchange: &mut Exchange, outcome: Outcome, elapsed: Duration) {
        let mut stats = self.worker.stats.borrow_mut();
        stats.adjust(ListenerGauge::RqActive, self.listener.stats_id, -1);
        let routed = &mut exchange.routed;
        if let Some(cluster) = &routed.cluster {
            stats.adjust(ClusterGauge::RqActive, cluster.stats_id, -1);
            if let Some(permit) = routed.permit.take() {
                cluster.release(permit);
            }
        }
        if let Some(series) = exchange.series {
            stats.record(series, outcome, elapsed);
        }
    }

    fn log(&self, exchange: &Exchange, outcome: Outcome, duration: Duration) {
        let Some(logged) = &exchange.log else { return };
        let listener = &exchange.routed.config.listener;
        let route = exchange.routed.route();
        let cluster = exchange.routed.cluster.as_ref().map(|c| c.config());
        let record = Record {
            start: logged.started,
            duration,
            protocol: listener.protocol.name(),
            service: logged.request.service(),
            method: logged.request.method(),
            request: Some(&logged.request),
            outcome,
            details: exchange.why.map_or("", Why::as_str),
            downstream: Downstream {
                listener: &listener.name,
                peer: self.addresses.peer,
                local: self.addresses.local,
            },
            upstream: Upstream {
                route: route.map_or("", |r| &r.rule.name),
                cluster: cluster.as_ref().map(|c| &*c.name),
                endpoint: exchange.cx.endpoint,
                attempts: exchange.routed.attempts,
            },
            bytes_received: logged.received,
            bytes_sent: logged.sent,
        };
        self.worker.logs.write(&listener.access_log, &record);
    }

    /// Closes the books; says whether the client is to hear a farewell.
    pub(super) fn on_end(&mut self, ended: &Result<Ended, LinkError>) -> bool {
        self.settle_accounts();
        self.say_how_it_ended(ended);
        self.cancel_all();
        // Best effort: the peer may be gone.
        !matches!(ended, Err(LinkError::Io(_)))
    }

    /// Counts what the caller's protocol, or a limit, does not allow.
    pub(super) fn count_fault(&self, name: &'static str) {
        self.count(ListenerCounter::ProtocolError);
        let mut stats = self.worker.stats.borrow_mut();
        stats.fault(self.listener.stats_id, name);
    }

    /// Counts why the caller's connection ended.
    fn say_how_it_ended(&self, ended: &Result<Ended, LinkError>) {
        let counter = match ended {
            Ok(Ended::ByPeer | Ended::Finished) => ListenerCounter::CxDestroyRemote,
            Ok(Ended::Unbound) => ListenerCounter::CxDestroyUpstream,
            Ok(Ended::Idle) => ListenerCounter::CxDestroyIdle,
            Ok(Ended::NoFirstMessage) => ListenerCounter::CxDestroyFirstMessage,
            Ok(Ended::SlowReader) => ListenerCounter::CxDestroySlowReader,
            Ok(Ended::Drained) => ListenerCounter::CxDestroyDrain,
            Ok(Ended::DrainTimeout) => ListenerCounter::CxDestroyDrainTimeout,
            Err(LinkError::Protocol(_)) => ListenerCounter::CxDestroyProtocol,
            Err(LinkError::Io(_)) => ListenerCounter::CxDestroyIo,
        };
        self.count(counter);
        if let Err(LinkError::Protocol(error)) = ended {
            self.count_fault(error.name());
            if let ConnectionError::TooLong { .. } = error {
                self.count(ListenerCounter::RqTooLarge);
            }
            let Addresses { peer, local } = self.addresses;
            tracing::debug!(%peer, %local, %error, "connection closed: not this protocol");
        }
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// The client closed.
    ByPeer,
    /// Nothing happened for too long.
    Idle,
    /// The client sent nothing valid in time.
    NoFirstMessage,
    /// The client reads nothing while answers wait.
    SlowReader,
    /// The listener drains, and nothing is in flight.
    Drained,
    /// The listener drains, and what is in flight has had its time.
    DrainTimeout,
    /// The connection it was bound to is gone.
    Unbound,
    /// The protocol has said its last word.
    Finished,
}

/// Why the proxy made an answer itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    /// The request's content is not what its protocol says.
    Malformed,
    /// No route matched.
    NoRoute,
    /// The route answers itself.
    DirectResponse,
    /// A filter answered.
    Filter,
    /// The cluster has its limit of requests or connections.
    Overflow,
    /// There was no endpoint to choose.
    NoHealthyEndpoint,
    /// No endpoint could be reached.
    ConnectFailure,
    /// The connection was lost before the answer.
    ConnectionLost,
    /// The endpoint's protocol has no form for the request.
    Unwritable,
    /// The endpoint gave the request up.
    Reset,
    /// The deadline passed.
    Deadline,
    /// The last attempt took too long.
    PerTryTimeout,
    /// A streamed exchange stood still.
    Idle,
    /// The proxy stops, and the time for what was in flight is over.
    Draining,
    /// The caller did not wait for the answer.
    CallerGone,
}

impl Why {
    /// Name in logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_request",
            Self::NoRoute => "no_route",
            Self::DirectResponse => "direct_response",
            Self::Filter => "filter_response",
            Self::Overflow => "overflow",
            Self::NoHealthyEndpoint => "no_healthy_endpoint",
            Self::ConnectFailure => "connect_failure",
            Self::ConnectionLost => "connection_lost",
            Self::Unwritable => "unwritable_request",
            Self::Reset => "upstream_reset",
            Self::Deadline => "deadline",
            Self::PerTryTimeout => "per_try_timeout",
            Self::Idle => "idle_timeout",
            Self::Draining => "draining",
            Self::CallerGone => "caller_gone",
        }
    }
}
