//! HTTP/2 with prior knowledge, and gRPC's unary calls in it: both sides, as much as an exchange of bodies needs.
//!
//! ```text
//! frame.rs    frames, settings
//! block.rs    prepared header blocks
//! outflow.rs  bodies that leave as far as windows let them
//! peer.rs     what a connection owes to the other side: settings, pings, windows
//! client.rs   the load side
//! server.rs   the backend side
//! ```
//!
//! Fields that a proxy writes are not decoded, but for the status: success has one spelling. A client finds it in the
//! first octet of a reply's first block, and compares of the content every byte. Windows towards this side are so large
//! that they never hold anyone up; those of the other side are kept.
//!
//! Specification: RFC 9113, RFC 7541, gRPC over HTTP/2 (`PROTOCOL-HTTP2.md` of grpc/grpc).

mod block;
mod client;
mod frame;
mod outflow;
mod peer;
mod server;

pub(crate) use client::Caller;
pub(crate) use server::Echo;

use crate::token::filler;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// A body as it is; the service is the authority, the method the path.
    Plain,
    /// A message with its prefix, trailers behind the reply's; service and method are the path.
    Grpc,
}

impl Flavour {
    /// What stands before a message in a body: whether it is compressed, and its length.
    fn body(self, length: u64) -> Content {
        match self {
            Self::Plain => Content {
                bytes: filler(length),
                token_at: 0,
            },
            Self::Grpc => {
                let mut bytes = vec![0];
                bytes.extend_from_slice(&(length as u32).to_be_bytes());
                bytes.extend_from_slice(&filler(length));
                Content { bytes, token_at: 5 }
            }
        }
    }
}

/// A prepared body and where the token stands in it.
#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    token_at: usize,
}

#[cfg(test)]
mod tests;
