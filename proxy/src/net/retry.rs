//! Requests that are given to another endpoint, or over another connection.
//!
//! Of some it is certain that nothing was done: they never left the proxy, or the endpoint said that
//! it did not look at them. They are sent again without anybody asking for it, a few times.

use sabir_core::head::Head;
use sabir_router::slots::EndpointId;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Exchange, Place};
use super::pool::Attempt;
use super::session::Session;
use super::upstream::{Failed, Upstream};
use crate::telemetry::ClusterCounter;

/// What an exchange holds whose request may be given to another endpoint.
#[derive(Debug)]
pub(crate) struct Tries {
    /// The request as it was sent.
    request: Head,
    /// Endpoints that did not do it.
    pub(crate) failed: Vec<EndpointId>,
    /// It was sent again because an old connection had ended.
    refreshed: bool,
}

/// Why nothing was done, or nothing that cannot be done twice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Undone {
    /// The connection failed.
    Failed(Failed),
    /// The endpoint said that it did not look at it.
    Refused,
}

impl Exchange {
    /// Keeps what is sent to `upstream` if it may have to be sent again.
    ///
    /// That costs a copy of the head, and the read buffer it lies in until there is an answer, so
    /// it is not done for the many of which nobody could ever say that nothing was done.
    pub(super) fn keep(&mut self, request: &Head, upstream: &Upstream) {
        let may_return = request.idempotent || !request.end || upstream.protocol.can_refuse();
        if self.tries.is_none() && may_return && !self.one_way {
            self.tries = Some(Box::new(Tries {
                request: request.clone(),
                failed: Vec::new(),
                refreshed: false,
            }));
        }
    }

    /// The endpoint it was given to has failed it; `false` if no other could take its place.
    fn leave_endpoint(&mut self, undone: Undone) -> bool {
        let place = std::mem::replace(&mut self.place, Place::Here);
        let Place::Upstream(upstream, _) = place else {
            return true;
        };
        if let Some(tries) = &mut self.tries
            && undone == Undone::Refused
        {
            tries.failed.push(upstream.endpoint.id);
        }
        // What is bound to a connection cannot go on over another.
        upstream.owner.is_none() || undone == Undone::Failed(Failed::Unconnected)
    }

    /// How it is to be sent again, if it may be.
    fn again(&mut self, undone: Undone) -> Option<Attempt> {
        let attempt = match undone {
            Undone::Failed(Failed::Unconnected) => Attempt::Elsewhere,
            Undone::Failed(Failed::Untouched) => Attempt::Afresh,
            Undone::Refused => Attempt::Again,
            Undone::Failed(Failed::Stale) => {
                // RFC 9112 §9.3.1: once, and only what may be done twice.
                let tries = self.tries.as_mut().filter(|t| t.request.idempotent)?;
                let again = !std::mem::replace(&mut tries.refreshed, true);
                return again.then_some(Attempt::Afresh);
            }
            Undone::Failed(Failed::Lost | Failed::Unwritable) => return None,
        };
        self.routed.undone += 1;
        (self.routed.undone <= RESENDS).then_some(attempt)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Gives a request, `unsent` if it came back, to an endpoint once more; whether it may be.
    pub(super) fn resend(
        &mut self,
        key: DefaultKey,
        undone: Undone,
        unsent: Option<Box<Head>>,
    ) -> bool {
        let exchange = &mut self.exchanges[key];
        let replaceable = exchange.leave_endpoint(undone);
        if !replaceable || exchange.has_answer_begun() {
            return false;
        }
        let Some(attempt) = exchange.again(undone) else {
            return false;
        };
        let kept = exchange.tries.as_ref();
        let request = unsent.map_or_else(|| kept.map(|t| t.request.clone()), |head| Some(*head));
        let Some(request) = request else {
            return false;
        };
        if !exchange.rewind() {
            return false;
        }
        if let Some(cluster) = &exchange.routed.cluster {
            self.worker
                .count(cluster.stats_id, ClusterCounter::RqResent);
        }
        self.send(key, request, attempt);
        true
    }
}

/// How often a request is sent again of which it is certain that nothing was done.
const RESENDS: u8 = 3;
