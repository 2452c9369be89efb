//! HTTP/2, and gRPC over it.
//!
//! ```text
//! connection.rs   one side of a connection; the folder's other parts are drawn there
//! frame/          a file for each type of frame
//! hpack/          compression of header fields
//! streams/        states, windows and the table of streams
//! message.rs      what makes messages well-formed       heads.rs   heads to fields and back
//! status.rs       statuses as outcomes                  grpc.rs    the same for gRPC
//! guard.rs        limits on floods                      error.rs   faults by what they cost
//! ```
//!
//! Both roles, with prior knowledge; no pushes, no priorities, no upgrade from HTTP/1.1. A server's
//! `service` is the authority and its `method` the path without the query; of gRPC, which is told
//! by its content type, they are those of the path `/service/method`. All fields are pairs, the
//! pseudo-header fields among them by their names (`:path`), and so are the parameters of the query
//! (`query:page`), which are for matching alone.
//!
//! Specification: RFC 9113, RFC 7541, RFC 8441.

mod blocks;
mod connection;
pub mod error;
pub mod frame;
pub mod grpc;
mod guard;
mod heads;
pub mod hpack;
mod lifetime;
mod message;
mod options;
mod receive;
mod reply;
mod settings;
mod status;
mod streams;
mod transmit;
mod windows;

use std::time::{Duration, Instant};

use sabir_core::connection::Connection;
use sabir_core::head::Head;
use sabir_core::name;
use sabir_core::protocol::{Capabilities, Limits, Protocol, RetryAfter, Role, Sniff};

use crate::http1::{self, semantics};

pub use connection::Http2Connection;
pub use options::{Options, factory};

/// Name in configuration, metrics and logs.
pub const NAME: &str = "http2";

/// The protocol.
#[derive(Clone, Debug, Default)]
pub struct Http2 {
    options: Options,
}

impl Http2 {
    /// The protocol with `options`.
    pub fn new(options: Options) -> Self {
        Self { options }
    }
}

impl Protocol for Http2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            request_metadata: true,
            response_metadata: true,
            rewritable: &[name::SERVICE, name::METHOD],
            multiplexed: true,
        }
    }

    fn understands(&self, other: &str) -> bool {
        other == NAME || other == http1::NAME
    }

    fn sniff(&self, first: &[u8]) -> Sniff {
        let len = first.len().min(frame::PREFACE.len());
        match first[..len] == frame::PREFACE[..len] {
            true if len == frame::PREFACE.len() => Sniff::Yes,
            true => Sniff::More,
            false => Sniff::No,
        }
    }

    fn can_refuse(&self) -> bool {
        true
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        let of_grpc = request.timeout.or_else(|| grpc::caller_timeout(request));
        of_grpc.or_else(|| semantics::caller_timeout(request))
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        if grpc::is_request(request) {
            grpc::set_timeout(request, left);
        } else {
            semantics::set_timeout(request, left);
        }
    }

    fn retry_after(&self, response: &Head) -> Option<RetryAfter> {
        grpc::retry_after(response).or_else(|| semantics::retry_after(response))
    }

    fn connection(&self, role: Role, limits: &Limits, now: Instant) -> Box<dyn Connection> {
        Box::new(Http2Connection::new(self.options, role, limits, now))
    }
}
