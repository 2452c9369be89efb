//! What a log line is about.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use sabir_core::head::Head;
use sabir_core::outcome::{Code, Executed, Outcome, Party};

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request arrived.
    pub start: SystemTime,
    /// Time from then to the end of the response.
    pub duration: Duration,
    /// Name of the listener's codec.
    pub protocol: &'a str,
    /// Service the request was for; empty if it did not say.
    pub service: &'a [u8],
    /// Method the request was for; empty if it did not say.
    pub method: &'a [u8],
    /// The request. May be `None` if no log's format [needs it](super::AccessLog::needs_request).
    pub request: Option<&'a Head>,
    /// How the call ended.
    pub outcome: Outcome,
    /// Why, in a word or few, if sabir made the answer; else empty.
    pub details: &'a str,
    /// The side of the caller.
    pub downstream: Downstream<'a>,
    /// The side of the callee.
    pub upstream: Upstream<'a>,
    /// Size of the request in bytes.
    pub bytes_received: u64,
    /// Size of the response in bytes.
    pub bytes_sent: u64,
}

/// The side of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Downstream<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// Address of the caller.
    pub peer: SocketAddr,
    /// Address the caller connected to.
    pub local: SocketAddr,
}

/// The side of the callee.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upstream<'a> {
    /// Name of the route; empty if it has none, or none matched.
    pub route: &'a str,
    /// Name of the cluster; `None` if the call went to none.
    pub cluster: Option<&'a str>,
    /// Address of the endpoint that was chosen last.
    pub endpoint: Option<SocketAddr>,
    /// How often the request was sent to an endpoint.
    pub attempts: u32,
}

/// Envoy's response flag for `outcome`; empty if it has none for it.
pub(super) fn flag(outcome: Outcome) -> &'static str {
    match (outcome.party, outcome.code) {
        (Party::Caller, Code::Cancelled) => "DC",
        (Party::Caller, Code::BadRequest) => "DPE",
        (Party::Proxy, Code::NotFound) => "NR",
        (Party::Proxy, Code::Unavailable) => "UH",
        (Party::Proxy, Code::Overloaded) => "UO",
        (Party::Proxy, Code::RateLimited) => "RL",
        (Party::Proxy, Code::Denied) => "UAEX",
        (Party::Proxy | Party::Network, Code::TimedOut) => "UT",
        (Party::Network, _) if outcome.executed == Executed::No => "UF",
        (Party::Network, _) => "UC",
        (_, Code::BadResponse) => "UPE",
        _ => "",
    }
}
