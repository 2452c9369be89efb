//! What tests of balancers start from.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Instant;

use sabir_router::cluster::Endpoint;
use sabir_router::policy::{LbPolicy, LeastRequest};

/// Least request as it is without settings.
pub(crate) const LEAST_REQUEST: LbPolicy = LbPolicy::LeastRequest(LeastRequest {
    choice_count: 2,
    active_request_bias: None,
});

/// A moment, always the same one.
pub(crate) fn now() -> Instant {
    static NOW: OnceLock<Instant> = OnceLock::new();
    *NOW.get_or_init(Instant::now)
}

pub(crate) fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Endpoints at ports 1, 2, … of these weights.
pub(crate) fn weighted(weights: &[u32]) -> Vec<Endpoint> {
    let endpoints = weights.iter().zip(1u16..);
    let endpoint = |(&weight, port)| Endpoint {
        weight,
        ..Endpoint::new(address(port))
    };
    endpoints.map(endpoint).collect()
}
