//! HTTP/1.1 and HTTP/1.0, in both roles.
//!
//! ```text
//! server.rs client.rs     the two state machines;   server/   reading and answering
//! scan.rs                 the end of a head, within limits
//! request.rs response.rs  heads taken apart;   field.rs target.rs length.rs   their parts
//! body.rs chunked.rs      bodies on their way in;   inbox.rs   counted until passed on
//! pairs.rs hops.rs        metadata, and what of it ends at this hop
//! edits.rs                changed metadata;   notes.rs   lines that are not simply copied
//! request_out.rs response_out.rs lines_out.rs   heads spliced together
//! outbound.rs             bodies on their way out
//! options.rs status.rs    configuration; outcomes as statuses
//! semantics.rs            asking again and waiting, in HTTP/2 too
//! ```
//!
//! Metadata of requests: the field `service` is the authority and `method` the path without query.
//! Pairs are `:method`, `:scheme`, `:authority`, `:path` (with query), a pair `query:NAME` for each
//! parameter of the query, decoded, and the header fields that are meant for more than one hop.
//! Responses have `:status` and their fields.
//!
//! Changes: fields are set, added and removed; so are `service` (or `:authority`, `host`),
//! `method` (which leaves the query), `:path`, `:method` and `:status`. Parameters of the query are
//! for matching: a message whose `query:NAME` is set leaves unmodified, as one does with a value
//! that no field may have or a field that belongs to the framing.
//!
//! Each hop frames its own messages: received framing is never passed on. Whatever two parsers
//! could read differently is refused rather than repaired. RFC 9110, RFC 9112.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sabir_core::connection::Connection;
use sabir_core::head::Head;
use sabir_core::name;
use sabir_core::protocol::{Capabilities, Limits, Protocol, RetryAfter, Role, Sniff};

mod body;
mod chunked;
mod client;
mod edits;
mod field;
mod hops;
mod inbox;
mod length;
mod lines_out;
mod notes;
mod options;
mod outbound;
pub(crate) mod pairs;
mod refusal;
mod request;
mod request_out;
mod response;
mod response_out;
mod scan;
pub(crate) mod semantics;
mod server;
mod status;
mod target;

use crate::http2;

pub(crate) use options::seconds;
pub use options::{HeadLimits, Options, Underscores, factory};

/// Name in configuration, metrics and logs.
pub const NAME: &str = "http1";

/// The protocol with its options.
#[derive(Clone, Debug, Default)]
pub struct Http1 {
    options: Options,
}

impl Http1 {
    /// HTTP/1.1 with `options`.
    pub fn new(options: Options) -> Self {
        Self { options }
    }
}

impl Protocol for Http1 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            request_metadata: true,
            response_metadata: true,
            rewritable: &[name::SERVICE, name::METHOD],
            multiplexed: false,
        }
    }

    fn understands(&self, other: &str) -> bool {
        other == NAME || other == http2::NAME
    }

    /// A request line as far as it has arrived, but not the preface of HTTP/2.
    fn sniff(&self, first: &[u8]) -> Sniff {
        let is_verb = |b: &&u8| b.is_ascii_uppercase() || b"-_".contains(b);
        let verb = first.iter().take_while(is_verb).count();
        match first.get(verb..) {
            _ if verb > LONGEST_VERB || first.starts_with(b"PRI ") => Sniff::No,
            None | Some([] | [b' ']) => Sniff::More,
            Some([b' ', b'/' | b'*' | b'[', ..]) if verb > 0 => Sniff::Yes,
            Some([b' ', start, ..]) if verb > 0 && start.is_ascii_alphanumeric() => Sniff::Yes,
            Some(_) => Sniff::No,
        }
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        semantics::caller_timeout(request)
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        semantics::set_timeout(request, left);
    }

    fn retry_after(&self, response: &Head) -> Option<RetryAfter> {
        semantics::retry_after(response)
    }

    fn connection(&self, role: Role, limits: &Limits, _now: Instant) -> Box<dyn Connection> {
        let mut options = self.options.clone();
        let head = &mut options.head;
        head.max_bytes = head.max_bytes.min(limits.max_message_bytes);
        head.max_request_line = head.max_request_line.min(head.max_bytes);
        match role {
            Role::Server => Box::new(server::Server::new(Arc::new(options))),
            Role::Client => Box::new(client::Client::new(options)),
        }
    }
}

/// Longest method that is recognised where several protocols may be spoken, in bytes.
const LONGEST_VERB: usize = 20;
