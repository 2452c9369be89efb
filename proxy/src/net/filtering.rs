//! What a session does with the decisions of filters.

use std::time::{Duration, Instant};

use sabir_core::filter::{Decided, Flow, Step};
use sabir_core::head::Head;
use sabir_core::outcome::Reply;
use slotmap::DefaultKey;
use tokio::io::{AsyncRead, AsyncWrite};

use super::exchange::{Delayed, Exchange, Place};
use super::finish::Why;
use super::session::{Session, ToSession};
use super::worker::Worker;
use crate::telemetry::{ListenerCounter, ListenerId};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn after_listener_filters(&mut self, key: DefaultKey, head: Head, step: Step) {
        let exchange = &mut self.exchanges[key];
        exchange.book_filters(&self.worker, self.listener.stats_id);
        match step {
            Step::Done => {
                exchange.passed.listener = exchange.routed.config.listener.filters.len();
                self.route(key, head);
            }
            Step::Reply(passed, reply) => {
                exchange.passed.listener = passed;
                self.refuse(key, reply);
            }
            Step::Delay(passed, delay, then) => {
                exchange.passed.listener = passed;
                self.hold(key, head, delay, then);
            }
            Step::Wait(passed, decision) => {
                exchange.passed.listener = passed;
                self.wait(key, head, decision);
            }
        }
    }

    pub(super) fn after_route_filters(&mut self, key: DefaultKey, head: Head, step: Step) {
        let exchange = &mut self.exchanges[key];
        exchange.book_filters(&self.worker, self.listener.stats_id);
        match step {
            Step::Done => {
                let filters = exchange.routed.route().map_or(0, |r| r.filters.len());
                exchange.passed.route = filters;
                self.act(key, head);
            }
            Step::Reply(passed, reply) => {
                exchange.passed.route = passed;
                self.refuse(key, reply);
            }
            Step::Delay(passed, delay, then) => {
                exchange.passed.route = passed;
                self.hold(key, head, delay, then);
            }
            Step::Wait(passed, decision) => {
                exchange.passed.route = passed;
                self.wait(key, head, decision);
            }
        }
    }

    pub(super) fn refuse(&mut self, key: DefaultKey, reply: Reply) {
        self.count(ListenerCounter::RqFilterResponse);
        self.answer(key, Why::Filter, reply);
    }

    fn wait(&mut self, key: DefaultKey, head: Head, Decided(decision): Decided) {
        self.exchanges[key].place = Place::Filtering(Box::new(head));
        let inbox = self.inbox.clone();
        // Waiting filters pay for a task; those that decide at once never come here.
        self.worker.spawn(async move {
            inbox.push(ToSession::Decided(key, decision.await));
        });
    }

    /// Keeps a request until a moment that the session's alarm watches, as it does deadlines.
    fn hold(&mut self, key: DefaultKey, request: Head, delay: Duration, then: Option<Reply>) {
        // A moment that cannot be counted is none that anybody will see: the deadline ends it.
        let Some(until) = self.link.now().checked_add(delay) else {
            self.exchanges[key].place = Place::Filtering(Box::new(request));
            return;
        };
        // Requests that are held pay for a box; the others never come here.
        self.exchanges[key].place = Place::Delayed(Box::new(Delayed {
            request,
            until,
            then,
        }));
        self.watch(Some(until));
    }

    /// The moment until which a filter held a request has come, if it is `now`.
    pub(super) fn end_delay(&mut self, key: DefaultKey, now: Instant) {
        let place = &mut self.exchanges[key].place;
        match std::mem::replace(place, Place::Here) {
            Place::Delayed(delayed) if delayed.until <= now => {
                *place = Place::Filtering(Box::new(delayed.request));
                let flow = delayed.then.map_or(Flow::Continue, Flow::Reply);
                self.on_decided(key, flow);
            }
            other => *place = other,
        }
    }

    /// A filter that waited has decided.
    pub(super) fn on_decided(&mut self, key: DefaultKey, flow: Flow) {
        let Some(exchange) = self.exchanges.get_mut(key) else {
            return; // it ended meanwhile
        };
        let place = std::mem::replace(&mut exchange.place, Place::Here);
        let Place::Filtering(mut head) = place else {
            return;
        };
        exchange.cx.now = self.link.now();
        match flow {
            Flow::Reply(reply) => return self.refuse(key, reply),
            Flow::Delay(delay, then) => return self.hold(key, *head, delay, then),
            Flow::Wait(decision) => return self.wait(key, *head, Decided(decision)),
            Flow::Continue | Flow::Skip => {}
        }
        let from = exchange.passed;
        if let Some(route) = exchange.routed.route() {
            let filters = route.filters.clone();
            let step = filters.on_request(from.route, &mut head, &mut exchange.cx);
            return self.after_route_filters(key, *head, step);
        }
        let filters = exchange.routed.config.listener.filters.clone();
        let step = filters.on_request(from.listener, &mut head, &mut exchange.cx);
        self.after_listener_filters(key, *head, step);
    }
}

impl Exchange {
    /// Adds what filters have counted to the counters of the worker.
    pub(super) fn book_filters(&mut self, worker: &Worker, listener: ListenerId) {
        let Self { routed, cx, .. } = self;
        let mut counted = cx.take_counted().peekable();
        if counted.peek().is_none() {
            return;
        }
        let chain = &routed.config.listener.filters;
        let route = routed.route().map(|route| &route.filters);
        let mut stats = worker.stats.borrow_mut();
        for (filter, result) in counted {
            let of_route = || route?.counter(filter, result);
            if let Some((name, result)) = chain.counter(filter, result).or_else(of_route) {
                stats.filter(listener, name, result);
            }
        }
    }
}
