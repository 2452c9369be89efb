//! Limits of a cluster over all workers: connections, pending and active requests, retries.

use std::sync::atomic::{AtomicU32, Ordering};

/// What is limited.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resource {
    /// Connections to endpoints.
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    /// Requests in flight.
    Requests,
    /// Retries in flight, or about to be.
    Retries,
}

impl Resource {
    /// Name in configuration and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::PendingRequests => "max_pending_requests",
            Self::Requests => "max_requests",
            Self::Retries => "max_retries",
        }
    }
}

/// Most of each resource at any moment. `None`: no limit, and nothing is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections to endpoints.
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection; with 0, none may.
    pub max_pending_requests: Option<u32>,
    /// Requests in flight.
    pub max_requests: Option<u32>,
    /// Retries in flight, or waiting to be.
    pub retries: Retries,
}

/// Most retries at any moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retries {
    /// As many as this.
    Most(u32),
    /// A share of the requests in flight, which are known only while
    /// [`max_requests`](Limits::max_requests) is a limit.
    Budget {
        /// Per cent of the requests in flight.
        percent: u32,
        /// As many as this in any case.
        min: u32,
    },
}

impl Default for Limits {
    /// 1024 connections, 1024 pending requests, 10 240 requests, 3 retries.
    fn default() -> Self {
        Self {
            max_connections: Some(1024),
            max_pending_requests: Some(1024),
            max_requests: Some(10_240),
            retries: Retries::Most(3),
        }
    }
}

/// Counters of what is limited, shared by all workers of a cluster.
///
/// A counter is written only while its limit is set: without limits, workers share no cache line
/// that anybody writes. Limits may change at any time; what was acquired before stays.
#[derive(Debug)]
pub struct CircuitBreaker {
    connections: Counter,
    pending_requests: Counter,
    requests: Counter,
    /// Limited by a number, or by no less than it.
    retries: Counter,
    /// Per cent of the requests in flight, if that is more.
    retry_percent: AtomicU32,
}

/// One unit of a resource, to be given back with [`CircuitBreaker::release`].
///
/// It does not give itself back when dropped, which would need a reference to the breaker.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "a permit that is not released is never given to anybody else"]
pub struct Permit {
    resource: Resource,
    counted: bool,
}

impl Permit {
    /// What it is a unit of.
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl CircuitBreaker {
    /// A breaker at these limits, with nothing acquired.
    pub fn new(limits: Limits) -> Self {
        let (least, percent) = limits.retries.parts();
        Self {
            retries: Counter::new(Some(least)),
            retry_percent: AtomicU32::new(percent),
            connections: Counter::new(limits.max_connections),
            pending_requests: Counter::new(limits.max_pending_requests),
            requests: Counter::new(limits.max_requests),
        }
    }

    /// Replaces the limits. What exceeds a lower one is not taken back, but nothing more is given.
    pub fn set_limits(&self, limits: Limits) {
        self.connections.set_limit(limits.max_connections);
        self.pending_requests.set_limit(limits.max_pending_requests);
        self.requests.set_limit(limits.max_requests);
        let (least, percent) = limits.retries.parts();
        self.retries.set_limit(Some(least));
        self.retry_percent.store(percent, Ordering::Relaxed);
    }

    /// One unit of `resource`, unless the limit is reached.
    pub fn try_acquire(&self, resource: Resource) -> Option<Permit> {
        let counter = self.counter(resource);
        let limit = self.limit(resource);
        let counted = counter.try_add(limit)?;
        Some(Permit { resource, counted })
    }

    /// Gives back what [`try_acquire`](Self::try_acquire) of the same breaker gave.
    pub fn release(&self, permit: Permit) {
        if permit.counted {
            self.counter(permit.resource).subtract();
        }
    }

    /// Units of `resource` that were acquired while a limit was set, and are not released.
    pub fn in_use(&self, resource: Resource) -> u32 {
        self.counter(resource).used.load(Ordering::Relaxed)
    }

    /// Whether the next [`try_acquire`](Self::try_acquire) of `resource` would fail.
    pub fn is_open(&self, resource: Resource) -> bool {
        let counter = self.counter(resource);
        let limit = self.limit(resource);
        limit != Counter::UNLIMITED && counter.used.load(Ordering::Relaxed) >= limit
    }

    fn limit(&self, resource: Resource) -> u32 {
        let limit = self.counter(resource).limit.load(Ordering::Relaxed);
        if resource != Resource::Retries {
            return limit;
        }
        let percent = self.retry_percent.load(Ordering::Relaxed);
        let requests = u64::from(self.in_use(Resource::Requests));
        let share = requests * u64::from(percent) / 100;
        limit.max(u32::try_from(share).unwrap_or(u32::MAX))
    }

    fn counter(&self, resource: Resource) -> &Counter {
        match resource {
            Resource::Connections => &self.connections,
            Resource::PendingRequests => &self.pending_requests,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }
}

impl Retries {
    /// A number, and the per cent of requests in flight that count if they are more.
    fn parts(self) -> (u32, u32) {
        match self {
            // What cannot be counted is no limit, which nobody can mean here.
            Self::Most(most) => (most.min(Counter::UNLIMITED - 1), 0),
            Self::Budget { percent, min } => (min.min(Counter::UNLIMITED - 1), percent),
        }
    }
}

/// A number of units in use, on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Counter {
    used: AtomicU32,
    limit: AtomicU32,
}

impl Counter {
    /// No limit. As many units as this one could not be counted anyway.
    const UNLIMITED: u32 = u32::MAX;

    fn new(limit: Option<u32>) -> Self {
        Self {
            used: AtomicU32::new(0),
            limit: AtomicU32::new(limit.unwrap_or(Self::UNLIMITED)),
        }
    }

    fn set_limit(&self, limit: Option<u32>) {
        let limit = limit.unwrap_or(Self::UNLIMITED);
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Takes a unit of `limit`, and says whether it was counted; `None` if there is none left.
    fn try_add(&self, limit: u32) -> Option<bool> {
        if limit == Self::UNLIMITED {
            return Some(false);
        }
        // A number is all that is shared, so no order with other memory is needed.
        let more = |used| (used < limit).then_some(used + 1);
        let added = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        added.is_ok().then_some(true)
    }

    fn subtract(&self) {
        self.used.fetch_sub(1, Ordering::Relaxed);
    }
}
