//! Protocols by name: what configuration refers to and drivers ask for connections.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use thiserror::Error;

use crate::connection::Connection;
use crate::frame::StreamId;
use crate::head::Head;
use crate::name::Name;

/// A protocol with its options: makes the two kinds of connections.
pub trait Protocol: Send + Sync {
    /// Name in configuration, metrics and logs.
    fn name(&self) -> &'static str;

    /// What the protocol can carry, so that configuration asking for more is refused when loaded.
    fn capabilities(&self) -> Capabilities;

    /// Whether `first`, the first bytes of a connection, are this protocol's; for listeners that
    /// speak several. Asked again with more bytes after [`Sniff::More`].
    fn sniff(&self, _first: &[u8]) -> Sniff {
        Sniff::No
    }

    /// The protocol `name`, of those this one stands for; `None` for all that stand for themselves.
    fn member(&self, _name: &str) -> Option<Arc<dyn Protocol>> {
        None
    }

    /// Whether messages that came in the protocol `other` can be passed on in this one, and the
    /// answers back. The protocol itself by default.
    fn understands(&self, other: &str) -> bool {
        other == self.name()
    }

    /// Largest name of a stream that a driver may [open](Connection::open), for protocols with ids of
    /// fewer than 64 bits; one less than a power of two.
    fn max_stream(&self) -> StreamId {
        StreamId(u64::MAX)
    }

    /// Whether servers can say of a request that they did not look at it
    /// ([`Reason::Refused`](crate::frame::Reason::Refused)): drivers then keep requests until they
    /// are answered, to send them elsewhere.
    fn can_refuse(&self) -> bool {
        false
    }

    /// How long the caller of `request` waits from when its head was complete, if it says so. May
    /// parse the metadata.
    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        request.timeout
    }

    /// Says in `request` that its caller waits for `left` and no longer, in this protocol's words,
    /// where it has some and the request has a place for them. Nothing by default.
    fn set_timeout(&self, _request: &mut Head, _left: Duration) {}

    /// What `response` says of asking again, if it says anything. Asked only of responses that
    /// would be retried.
    fn retry_after(&self, _response: &Head) -> Option<RetryAfter> {
        None
    }

    /// A new connection that plays `role`, opened at `now`.
    fn connection(&self, role: Role, limits: &Limits, now: Instant) -> Box<dyn Connection>;
}

/// What a server says of asking it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// Not before this time has passed.
    After(Duration),
    /// Not at all.
    Never,
}

/// Whether bytes are a protocol's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sniff {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// They may be: more of them will tell.
    More,
}

/// Which side of a connection we are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// We accepted it; the peer sends requests.
    Server,
    /// We opened it; the peer answers requests.
    Client,
}

/// Bounds of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest message, in bytes. Longer ones end the connection before anything is allocated.
    pub max_message_bytes: usize,
    /// Exchanges of the peer's at a time, for protocols that can tell the peer.
    pub max_streams: usize,
    /// Silence after which a keep-alive is sent, for protocols that have one; `None` sends none.
    /// A connection that stays silent for three times as long is given up.
    pub keepalive: Option<Duration>,
}

impl Default for Limits {
    /// 8 MiB, as Dubbo's `payload`, any number of exchanges, and no keep-alives.
    fn default() -> Self {
        Self {
            max_message_bytes: 8 << 20,
            max_streams: usize::MAX,
            keepalive: None,
        }
    }
}

/// What a protocol can carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// Pairs can be set and removed on requests.
    pub request_metadata: bool,
    /// Pairs can be set and removed on responses.
    pub response_metadata: bool,
    /// Well-known names whose value can be rewritten on requests.
    pub rewritable: &'static [&'static str],
    /// Many exchanges at once on one connection.
    pub multiplexed: bool,
}

impl Capabilities {
    /// Whether a request's `name` can be set or removed.
    pub fn can_write_request(&self, name: &Name) -> bool {
        if name.is_protocol() {
            return false;
        }
        match name.field() {
            Some(field) => self.rewritable.contains(&field.as_str()),
            None => self.request_metadata,
        }
    }

    /// Whether a response's `name` can be set or removed.
    pub fn can_write_response(&self, name: &Name) -> bool {
        self.response_metadata && name.field().is_none() && !name.is_protocol()
    }
}

/// Makes a protocol from the `protocol_options` of configuration.
pub type Factory = fn(options: &Value) -> Result<Arc<dyn Protocol>, OptionsError>;

/// Why `protocol_options` were refused; says which option and what it may be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{0}")]
pub struct OptionsError(pub String);

/// Makes a protocol that stands for others, which it finds in the registry.
pub type GroupFactory =
    fn(options: &Value, registry: &Registry) -> Result<Arc<dyn Protocol>, OptionsError>;

/// Protocols by name. Open: an embedder adds its own beside the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<&'static str, Make>);

#[derive(Clone, Copy, Debug)]
enum Make {
    One(Factory),
    Group(GroupFactory),
}

impl Registry {
    /// Adds a protocol, or replaces the one of this name.
    pub fn add(&mut self, name: &'static str, factory: Factory) -> &mut Self {
        self.0.insert(name, Make::One(factory));
        self
    }

    /// Adds a protocol that stands for others, or replaces the one of this name.
    pub fn add_group(&mut self, name: &'static str, factory: GroupFactory) -> &mut Self {
        self.0.insert(name, Make::Group(factory));
        self
    }

    /// Makes the protocol `name`; `None` if there is none.
    pub fn make(
        &self,
        name: &str,
        options: &Value,
    ) -> Option<Result<Arc<dyn Protocol>, OptionsError>> {
        self.0.get(name).map(|make| match make {
            Make::One(factory) => factory(options),
            Make::Group(factory) => factory(options, self),
        })
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}
