//! One request and its response, as the session that received the request keeps it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sabir_core::filter::Context;
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head};
use sabir_core::outcome::{Outcome, Reply};
use sabir_router::action::{Action, Forward, Target};
use sabir_router::limits::Permit;

use super::finish::Why;
use super::pool::Cluster;
use super::retry::Tries;
use super::stream::Body;
use super::upstream::Upstream;
use crate::config::resolved::{Listener, Route};
use crate::telemetry::SeriesId;

/// One request and its response.
pub(crate) struct Exchange {
    /// Stream on the caller's connection.
    pub(crate) stream: StreamId,
    pub(crate) echo: Echo,
    pub(crate) one_way: bool,
    pub(crate) cx: Context,
    pub(crate) place: Place,
    pub(crate) routed: Routed,
    pub(crate) passed: Passed,
    /// Its counters, once it is known where it goes.
    pub(crate) series: Option<SeriesId>,
    pub(crate) log: Option<Box<Logged>>,
    /// Why the proxy answered itself, if it did.
    pub(crate) why: Option<Why>,
    /// What only an exchange has that is streamed, in either direction.
    pub(crate) body: Option<Box<Body>>,
    /// What only an exchange has whose request may be given to another endpoint.
    pub(crate) tries: Option<Box<Tries>>,
}

/// Where an exchange stands.
pub(crate) enum Place {
    /// A filter decides.
    Filtering(Box<Head>),
    /// A filter holds the request until then.
    Delayed(Box<Delayed>),
    /// The request is with an endpoint.
    Upstream(Rc<Upstream>, StreamId),
    /// The proxy itself has it.
    Here,
}

/// A request that a filter holds.
pub(crate) struct Delayed {
    pub(crate) request: Head,
    pub(crate) until: Instant,
    /// What it is answered then; `None`: it goes on.
    pub(crate) then: Option<Reply>,
}

/// Configuration a request was routed by, whatever is loaded meanwhile.
pub(crate) struct Routed {
    pub(crate) config: Rc<Table>,
    /// Position of the route, once found.
    pub(crate) route: Option<usize>,
    pub(crate) target: Option<Target>,
    /// Hash of what the request is sticky to, if it has that.
    pub(crate) hash: Option<u64>,
    pub(crate) cluster: Option<Rc<Cluster>>,
    pub(crate) permit: Option<Permit>,
    /// How often the request was given to an endpoint that certainly did nothing.
    pub(crate) undone: u8,
    /// How often the request was given to an endpoint.
    pub(crate) attempts: u32,
    /// When it was last given to one.
    pub(crate) sent: Option<Instant>,
    /// When its answer began.
    pub(crate) answered: Option<Instant>,
}

/// How many filters saw the request.
#[derive(Clone, Copy, Default)]
pub(crate) struct Passed {
    pub(crate) listener: usize,
    pub(crate) route: usize,
}

/// A listener's configuration with the worker's clusters that its routes refer to.
pub(crate) struct Table {
    pub(crate) listener: Arc<Listener>,
    pub(crate) clusters: Rc<[Rc<Cluster>]>,
}

/// What the access log says about an exchange and nothing else needs.
pub(crate) struct Logged {
    pub(crate) request: Head,
    pub(crate) started: SystemTime,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Exchange {
    /// Tells the filters that saw the request how it ended.
    pub(crate) fn tell_filters(&mut self, outcome: Outcome) {
        let Self {
            routed, passed, cx, ..
        } = self;
        if let Some(route) = routed.route() {
            route.filters.on_end(passed.route, outcome, cx);
        }
        let chain = &routed.config.listener.filters;
        chain.on_end(passed.listener, outcome, cx);
    }
}

impl Routed {
    pub(crate) fn new(config: Rc<Table>) -> Self {
        Self {
            config,
            route: None,
            target: None,
            hash: None,
            cluster: None,
            permit: None,
            undone: 0,
            attempts: 0,
            sent: None,
            answered: None,
        }
    }

    pub(crate) fn route(&self) -> Option<&Route> {
        self.config.listener.routes.route(self.route?)
    }

    /// Where the route sends it, if that is to a cluster.
    pub(crate) fn forward(&self) -> Option<&Forward> {
        match &self.route()?.rule.action {
            Action::Forward(forward) => Some(forward),
            Action::DirectResponse(_) => None,
        }
    }
}
