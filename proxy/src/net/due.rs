//! What is due of exchanges: their deadlines, the end of attempts, of pauses between them, and of
//! delays.

use std::time::Instant;

use sabir_core::head::Head;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_router::action::{CallerDeadline, Forward};
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Exchange, Place};
use super::finish::Why;
use super::session::Session;
use super::upstream::Upstream;
use crate::config::resolved::Listener;
use crate::telemetry::{ClusterCounter, ListenerCounter};

impl Exchange {
    /// When something is due of it.
    fn due(&self) -> Option<Instant> {
        let attempt = self.tries.as_ref().and_then(|tries| tries.wake);
        let held = match &self.place {
            Place::Delayed(delayed) => Some(delayed.until),
            _ => None,
        };
        let moments = [self.cx.deadline, attempt, self.idle_at(), held];
        moments.into_iter().flatten().min()
    }

    /// When it has stood still for too long, if it is streamed.
    fn idle_at(&self) -> Option<Instant> {
        let moved = self.body.as_ref()?.moved?;
        moved.checked_add(self.routed.forward()?.idle_timeout?)
    }

    /// Says in the request how long its caller waits, where the route wants that.
    pub(super) fn tell_time_left(&self, request: &mut Head, upstream: &Upstream, now: Instant) {
        if !self.routed.forward().is_some_and(|f| f.forward_deadline) {
            return;
        }
        let attempt = self.tries.as_ref().and_then(|tries| tries.wake);
        if let Some(at) = self.cx.deadline.into_iter().chain(attempt).min() {
            let left = at.saturating_duration_since(now);
            upstream.protocol.set_timeout(request, left);
        }
    }

    /// Whether its deadline is `now` or was before.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.cx.deadline.is_some_and(|at| at <= now)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Does what is due of exchanges.
    pub(super) fn expire(&mut self) {
        let now = self.link.now();
        if self.waits.deadline.is_none_or(|at| at > now) {
            return;
        }
        let due = |e: &Exchange| e.due().is_some_and(|at| at <= now);
        let due = self.exchanges.iter().filter(|(_, e)| due(e));
        let due: Vec<_> = due.map(|(key, _)| key).collect();
        for key in due {
            self.on_due(key, now);
        }
        self.waits.deadline = self.exchanges.values().filter_map(Exchange::due).min();
    }

    /// Watches a moment at which something is due of an exchange.
    pub(super) fn watch(&mut self, moment: Option<Instant>) {
        let earliest = self.waits.deadline.into_iter().chain(moment).min();
        self.waits.deadline = earliest;
    }

    fn on_due(&mut self, key: DefaultKey, now: Instant) {
        let exchange = &self.exchanges[key];
        if exchange.is_expired(now) {
            return self.on_deadline(key);
        }
        if exchange.idle_at().is_some_and(|at| at <= now) {
            return self.on_standstill(key);
        }
        match exchange.place {
            Place::Upstream(..) => self.on_slow_attempt(key),
            Place::Here => self.end_pause(key),
            Place::Delayed(_) => self.end_delay(key, now),
            Place::Filtering(_) => {}
        }
    }

    /// An exchange's deadline has passed.
    pub(super) fn on_deadline(&mut self, key: DefaultKey) {
        let exchange = &self.exchanges[key];
        let waited = exchange.cx.deadline.map(|at| at - exchange.cx.started);
        let was_sent = exchange.routed.attempts > 0;
        match &exchange.routed.cluster {
            Some(cluster) if was_sent => {
                let id = cluster.stats_id;
                self.worker.count(id, ClusterCounter::RqTimeout);
            }
            _ => self.count(ListenerCounter::RqExpired),
        }
        let waited = waited.unwrap_or_default().as_millis();
        let reply = Reply::new(exchange.overdue(), format!("no answer within {waited} ms"));
        self.answer(key, Why::Deadline, reply);
    }

    /// Neither side of a streamed exchange has said anything for too long.
    fn on_standstill(&mut self, key: DefaultKey) {
        self.count(ListenerCounter::RqIdleTimeout);
        let outcome = self.exchanges[key].overdue();
        let reply = Reply::new(outcome, "the call stood still for too long");
        self.answer(key, Why::Idle, reply);
    }
}

impl Exchange {
    /// How it ends for want of time.
    pub(super) fn overdue(&self) -> Outcome {
        let (party, executed) = match self.routed.attempts {
            0 => (Party::Proxy, Executed::No),
            _ => (Party::Network, Executed::Maybe),
        };
        Outcome::new(party, executed, Code::TimedOut)
    }
}

/// When a request that arrived at `started` and goes by `forward` has to be answered.
pub(super) fn deadline(
    listener: &Listener,
    forward: &Forward,
    head: &Head,
    started: Instant,
) -> Option<Instant> {
    let callers = match forward.caller_deadline {
        CallerDeadline::Auto => head.timeout,
        CallerDeadline::Read => read(listener, head),
        CallerDeadline::Ignore => None,
    };
    let shorter = match (forward.timeout, callers) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (ours, theirs) => ours.or(theirs),
    };
    // A time that cannot be counted is none that anybody will see the end of.
    started.checked_add(shorter?)
}

/// What the caller says in its protocol's words.
fn read(listener: &Listener, head: &Head) -> Option<std::time::Duration> {
    let protocol = &listener.protocol;
    if protocol.name() == head.protocol() {
        return protocol.caller_timeout(head);
    }
    protocol.member(head.protocol())?.caller_timeout(head)
}
