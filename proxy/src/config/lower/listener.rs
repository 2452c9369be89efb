//! Listeners: address, protocol and the bounds of connections.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use sabir_core::filter::Chain;
use sabir_core::protocol::{Limits, Protocol, Registry};
use sabir_proto::config::v1;
use sabir_proto::path::FieldPath;
use sabir_router::table::RouteTable;
use serde_json::Value;

use super::access_log;
use super::problem::{Fault, Problems};
use super::scalar::{Unique, free_form};
use crate::config::resolved::{Accept, Bounds, Listener, Route};

/// What a listener's clients speak.
pub(super) struct Spoken {
    /// Name of the protocol as it was given.
    pub(super) name: String,
    /// `None` if there is no such protocol, or its options are wrong.
    pub(super) protocol: Option<Arc<dyn Protocol>>,
    /// Its options as they were given.
    pub(super) options: Value,
}

/// The protocol of the listener at `path`.
pub(super) fn spoken(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Listener,
    registry: &Registry,
) -> Spoken {
    let options = free_form(given.protocol_options.as_ref());
    Spoken {
        name: given.protocol.clone(),
        protocol: protocol(problems, path, &given.protocol, &options, registry),
        options,
    }
}

/// Makes the protocol of the listener or cluster at `path`.
pub(super) fn protocol(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    name: &str,
    options: &Value,
    registry: &Registry,
) -> Option<Arc<dyn Protocol>> {
    let field = path.field("protocol");
    if name.is_empty() {
        problems.add(&field, Fault::Required);
        return None;
    }
    let Some(made) = registry.make(name, options) else {
        let known: Vec<_> = registry.names().collect();
        problems.unknown(&field, "protocol", name, known.iter().copied());
        return None;
    };
    let field = path.field("protocol_options");
    made.map_err(|error| problems.add(&field, Fault::ProtocolOptions(error)))
        .ok()
}

/// How the listener at `position` is called where something else is at fault.
pub(super) fn place(position: usize) -> String {
    FieldPath::ROOT
        .field("listeners")
        .index(position)
        .to_string()
}

/// Names and addresses of the listeners so far.
#[derive(Default)]
pub(super) struct Taken {
    names: Unique,
    addresses: Unique,
}

impl Taken {
    /// Reserves the address of the operators' listener.
    pub(super) fn admin(
        &mut self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        address: std::net::SocketAddr,
    ) {
        self.address(problems, path, path, address);
    }

    fn address(
        &mut self,
        problems: &mut Problems,
        path: &FieldPath<'_>,
        owner: &FieldPath<'_>,
        address: std::net::SocketAddr,
    ) {
        // Port 0 is another one each time.
        if address.port() != 0 {
            self.addresses
                .take(problems, path, owner, &address.to_string());
        }
    }
}

/// The listener at `path`; `None` if something without a default is wrong.
pub(super) fn listener(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: &v1::Listener,
    taken: &mut Taken,
    parts: (&Spoken, Chain, RouteTable<Route>),
) -> Option<Listener> {
    let (spoken, filters, routes) = parts;
    let field = path.field("name");
    if given.name.is_empty() {
        problems.add(&field, Fault::Required);
    } else {
        taken.names.take(problems, &field, path, &given.name);
    }
    let field = path.field("address");
    let address = problems.address(&field, &given.address);
    if let Some(address) = address {
        taken.address(problems, &field, path, address);
    }
    Some(Listener {
        name: given.name.as_str().into(),
        bounds: bounds(problems, path, given),
        access_log: access_log::logs(problems, &path.field("access_log"), &given.access_log),
        accept: accept(problems, path, given),
        address: address?,
        protocol: spoken.protocol.clone()?,
        protocol_options: spoken.options.clone(),
        filters,
        routes,
        connections: Arc::new(AtomicU32::new(0)),
    })
}

fn bounds(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Listener) -> Bounds {
    let mut timeout = |name, given: &Option<prost_types::Duration>, default| {
        problems.timeout(&path.field(name), given.as_ref(), default)
    };
    let idle_timeout = timeout("idle_timeout", &given.idle_timeout, DEFAULT_IDLE);
    let first = &given.first_message_timeout;
    let first_message_timeout = timeout("first_message_timeout", first, DEFAULT_FIRST_MESSAGE);
    let connections = given.max_connections.unwrap_or(DEFAULT_CONNECTIONS);
    let streams = given.max_concurrent_streams.unwrap_or(DEFAULT_STREAMS);
    let streams = problems.number(&path.field("max_concurrent_streams"), streams, 1..=u32::MAX);
    let buffer = given.per_connection_buffer_limit_bytes;
    Bounds {
        limits: Limits {
            max_message_bytes: message_limit(problems, path, given.max_message_bytes),
            max_streams: streams as usize,
            // Clients send theirs; what is silent for too long is closed.
            keepalive: None,
        },
        idle_timeout,
        first_message_timeout,
        max_connections: problems.number(&path.field("max_connections"), connections, 1..=u32::MAX),
        max_streams: streams as usize,
        buffer_limit: buffer_limit(problems, path, buffer),
        stall_timeout: STALL,
    }
}

/// `max_message_bytes` of the listener or cluster at `path`.
pub(super) fn message_limit(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: Option<u32>,
) -> usize {
    let given = given.unwrap_or(DEFAULT_MESSAGE);
    let field = path.field("max_message_bytes");
    problems.number(&field, given, MIN_BYTES..=MAX_MESSAGE) as usize
}

/// `per_connection_buffer_limit_bytes` of the listener or cluster at `path`.
pub(super) fn buffer_limit(
    problems: &mut Problems,
    path: &FieldPath<'_>,
    given: Option<u32>,
) -> usize {
    let given = given.unwrap_or(DEFAULT_BUFFER);
    let field = path.field("per_connection_buffer_limit_bytes");
    problems.number(&field, given, MIN_BYTES..=u32::MAX) as usize
}

fn accept(problems: &mut Problems, path: &FieldPath<'_>, given: &v1::Listener) -> Accept {
    match problems.choice(&path.field("accept_mode"), given.accept_mode) {
        v1::listener::AcceptMode::ReusePort => Accept::ReusePort,
        v1::listener::AcceptMode::RoundRobin => Accept::RoundRobin,
    }
}

const DEFAULT_IDLE: Duration = Duration::from_secs(300);
const DEFAULT_FIRST_MESSAGE: Duration = Duration::from_secs(120);
const STALL: Duration = Duration::from_secs(60);
const DEFAULT_CONNECTIONS: u32 = 65_536;
const DEFAULT_STREAMS: u32 = 1024;
const DEFAULT_MESSAGE: u32 = 8 << 20;
const MAX_MESSAGE: u32 = 1 << 30;
const DEFAULT_BUFFER: u32 = 1 << 20;
const MIN_BYTES: u32 = 1024;
