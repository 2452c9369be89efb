//! Requests that are given to another endpoint, or over another connection.
//!
//! Of some it is certain that nothing was done: they never left the proxy, or the endpoint said that
//! it did not look at them. They are sent again without anybody asking for it, a few times. Others
//! are sent again as the route's policy says.
//!
//! ```text
//! failed ──▶ resend: certainly undone? ──▶ retry: does the policy cover it? ──▶ answer
//!                  │ at once                       │ after a pause
//!                  └──────────▶ send ◀─────────────┘
//! ```

use std::time::Instant;

use sabir_core::head::Head;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::protocol::RetryAfter;
use sabir_router::limits::{Permit, Resource};
use sabir_router::retry::{Failure, RetryPolicy};
use sabir_router::slots::EndpointId;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Exchange, Place};
use super::finish::Why;
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
    /// How often the policy had it sent again.
    retries: u32,
    /// Allows the present retry.
    permit: Option<Permit>,
    /// When the present attempt, or the pause before the next one, ends.
    pub(crate) wake: Option<Instant>,
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
    /// That costs a copy of the head, so it is not done for the many of which nobody could ever say
    /// that they may be.
    pub(super) fn keep(&mut self, request: &Head, upstream: &Upstream, now: Instant) {
        let policy = self.routed.forward().and_then(|f| f.retry.as_ref());
        let may_return = request.idempotent || !request.end || upstream.protocol.can_refuse();
        if self.one_way || !(may_return || policy.is_some()) {
            return;
        }
        let per_try = policy.and_then(|policy| policy.per_try_timeout);
        let ends = per_try.and_then(|per_try| now.checked_add(per_try));
        if let Some(tries) = &mut self.tries {
            tries.wake = ends;
            return;
        }
        // One allocation, for those that pay for more than that in their bodies and fields, or whose
        // route asks for it.
        self.tries = Some(Box::new(Tries {
            request: request.kept(),
            failed: Vec::new(),
            refreshed: false,
            retries: 0,
            permit: None,
            wake: ends,
        }));
    }

    /// The endpoint it was given to has failed it; `false` if no other could take its place.
    fn leave_endpoint(&mut self, undone: Undone) -> bool {
        if let Undone::Failed(Failed::Untouched | Failed::Stale) = undone {
            // It is no fault of the endpoint's that the connection was old.
        } else if let (Some(tries), Place::Upstream(upstream, _)) = (&mut self.tries, &self.place) {
            tries.failed.push(upstream.endpoint.id);
        }
        let place = std::mem::replace(&mut self.place, Place::Here);
        let Place::Upstream(upstream, _) = place else {
            return true;
        };
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

    /// The policy, if it covers what became of the request.
    fn policy(&self, failure: Failure, outcome: Outcome) -> Option<(&RetryPolicy, &Tries)> {
        let policy = self.routed.forward()?.retry.as_ref()?;
        let tries = self.tries.as_deref()?;
        let bound = match &self.place {
            Place::Upstream(upstream, _) => upstream.owner.is_some(),
            Place::Filtering(_) | Place::Delayed(_) | Place::Here => false,
        };
        let covered = policy.covers(failure, outcome, &tries.request);
        (covered && !bound && !self.has_answer_begun()).then_some((policy, tries))
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
        if !self.exchanges[key].leave_endpoint(undone) {
            self.seal(key, LOST);
            return false;
        }
        let exchange = &mut self.exchanges[key];
        if exchange.has_answer_begun() {
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
        self.count_try(key, ClusterCounter::RqResent);
        self.send(key, request, attempt);
        true
    }

    /// Has a request sent again if the route's policy covers what became of it; whether it does.
    pub(super) fn retry(
        &mut self,
        key: DefaultKey,
        failure: Failure,
        outcome: Outcome,
        asked: Option<RetryAfter>,
    ) -> bool {
        let exchange = &self.exchanges[key];
        let Some((policy, tries)) = exchange.policy(failure, outcome) else {
            return false;
        };
        if tries.retries >= policy.num_retries {
            self.count_try(key, ClusterCounter::RqRetryLimitExceeded);
            return false;
        }
        let pause = policy.back_off.delay(tries.retries, fastrand::u64(..));
        let pause = match asked {
            Some(RetryAfter::Never) => return false,
            Some(RetryAfter::After(least)) => pause.max(least),
            None => pause,
        };
        let Some(wake) = self.link.now().checked_add(pause) else {
            return false;
        };
        // Nobody would wait for the answer.
        if exchange.is_expired(wake) {
            return false;
        }
        self.pause(key, wake, outcome)
    }

    /// As [`retry`](Self::retry), after an answer.
    pub(super) fn retry_answered(&mut self, key: DefaultKey, head: &Head) -> bool {
        let exchange = &self.exchanges[key];
        let covered =
            !head.outcome.is_ok() && exchange.policy(Failure::Answered, head.outcome).is_some();
        if !covered {
            self.seal(key, head.outcome);
            return false;
        }
        let asked = match &exchange.place {
            Place::Upstream(upstream, _) => upstream.protocol.retry_after(head),
            Place::Filtering(_) | Place::Delayed(_) | Place::Here => None,
        };
        let again = self.retry(key, Failure::Answered, head.outcome, asked);
        if !again {
            self.seal(key, head.outcome);
        }
        again
    }

    /// Lets a request that ended with `outcome` wait until `wake` to be sent again; `false` if there
    /// is no more to be had.
    fn pause(&mut self, key: DefaultKey, wake: Instant, outcome: Outcome) -> bool {
        let exchange = &mut self.exchanges[key];
        let (Some(tries), Some(cluster)) = (&mut exchange.tries, &exchange.routed.cluster) else {
            return false;
        };
        if let Some(permit) = tries.permit.take() {
            cluster.release(permit);
        }
        let Some(permit) = cluster.try_acquire(Resource::Retries) else {
            self.count_try(key, ClusterCounter::RqRetryOverflow);
            return false;
        };
        tries.permit = Some(permit);
        if !exchange.rewind() {
            return false;
        }
        if let Some(tries) = &mut exchange.tries {
            tries.retries += 1;
            tries.wake = Some(wake);
            if let Place::Upstream(upstream, _) = &exchange.place {
                tries.failed.push(upstream.endpoint.id);
            }
        }
        let place = std::mem::replace(&mut exchange.place, Place::Here);
        if let Place::Upstream(upstream, stream) = place {
            upstream.cancel(stream, &self.worker);
            self.report(&self.exchanges[key], &upstream.endpoint, outcome);
        }
        self.count_try(key, ClusterCounter::RqRetry);
        self.rename(key);
        self.watch(Some(wake));
        true
    }

    /// Gives an exchange another key, so that what is still under way from the endpoint that it has
    /// left finds nobody.
    fn rename(&mut self, key: DefaultKey) {
        let Some(exchange) = self.exchanges.remove(key) else {
            return;
        };
        let stream = exchange.stream;
        let new = self.exchanges.insert(exchange);
        if let Some(of_stream) = self.streams.get_mut(&stream).filter(|of| **of == key) {
            *of_stream = new;
        }
    }

    /// The pause before a retry has passed.
    pub(super) fn end_pause(&mut self, key: DefaultKey) {
        if let Some(tries) = &mut self.exchanges[key].tries
            && tries.wake.take().is_some()
        {
            let request = tries.request.clone();
            self.send(key, request, Attempt::Again);
        }
    }

    /// An attempt took as long as the policy allows.
    pub(super) fn on_slow_attempt(&mut self, key: DefaultKey) {
        if let Some(tries) = &mut self.exchanges[key].tries {
            tries.wake = None;
        }
        self.count_try(key, ClusterCounter::RqPerTryTimeout);
        let outcome = self.exchanges[key].overdue();
        if !self.retry(key, Failure::PerTryTimeout, outcome, None) {
            let message = "no answer within the time of one attempt";
            self.answer(key, Why::PerTryTimeout, Reply::new(outcome, message));
        }
    }

    /// The request has its answer, of `outcome` so far: nothing is kept for another attempt.
    fn seal(&mut self, key: DefaultKey, outcome: Outcome) {
        let Some(tries) = self.exchanges[key].tries.take() else {
            return;
        };
        if tries.retries > 0 && outcome.is_ok() {
            self.count_try(key, ClusterCounter::RqRetrySuccess);
        }
        self.give_permit_back(&self.exchanges[key], *tries);
    }

    /// Gives back what allowed the retry of an exchange that has ended.
    pub(super) fn give_permit_back(&self, exchange: &Exchange, tries: Tries) {
        if let (Some(permit), Some(cluster)) = (tries.permit, &exchange.routed.cluster) {
            cluster.release(permit);
        }
    }

    fn count_try(&self, key: DefaultKey, counter: ClusterCounter) {
        if let Some(cluster) = &self.exchanges[key].routed.cluster {
            self.worker.count(cluster.stats_id, counter);
        }
    }
}

/// What a connection that nobody can replace leaves of an exchange.
const LOST: Outcome = Outcome::new(Party::Network, Executed::Maybe, Code::Unavailable);

/// How often a request is sent again of which it is certain that nothing was done.
const RESENDS: u8 = 3;
