//! The Dubbo TCP protocol (`dubbo://`, Dubbo 2.x and 3.x).
//!
//! ```text
//! header.rs     the 16 octets that start a message
//! event.rs      heartbeats, read-only and writeable events
//! request.rs    service, method and attachments of requests
//! response.rs   outcome and attachments of responses
//! splice.rs     changed metadata, spliced into the bytes that arrived
//! reply.rs      answers of sabir's own
//! body.rs       serializations: hessian2/, jsonb/ (fastjson2), json.rs (fastjson), protobuf.rs
//! ```
//!
//! Framing does not depend on the serialization, so that messages in any of them pass. What the
//! proxy can see and change of them differs:
//!
//! | serialization | strings before the arguments | attachments | changes, exceptions |
//! |---|---|---|---|
//! | hessian2 (2), fastjson2 (23) | yes | yes | yes |
//! | fastjson (6), protobuf (22) | yes | yes | no |
//! | others | no | no | no |
//!
//! Specification: `ExchangeCodec` and `DubboCodec` of apache/dubbo.

use std::time::Duration;

use bytes::Bytes;
use sabir_core::connection::{ConnectionError, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::message::{Decoded, MessageCodec};
use sabir_core::metadata::Malformed;
use sabir_core::name;
use sabir_core::outcome::{Code, Executed, Outcome, Party, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::Capabilities;
use sabir_core::timeout;

use header::Header;
use splice::Splice;

mod attachments;
mod body;
mod cursor;
mod descriptor;
mod event;
mod fault;
mod header;
pub mod hessian2;
mod json;
mod jsonb;
mod options;
mod protobuf;
mod reply;
mod request;
mod response;
mod splice;
mod text;

pub use attachments::{Entry, MapSpan};
pub use cursor::Cursor;
pub use descriptor::count_parameters;
pub use fault::{BodyError, Fault};
pub use options::{Options, factory};
pub use text::Text;

/// Name in configuration, metrics and logs.
pub const NAME: &str = "dubbo";

/// The codec.
#[derive(Clone, Debug, Default)]
pub struct Dubbo {
    options: Options,
}

impl Dubbo {
    /// A codec with `options`.
    pub fn new(options: Options) -> Self {
        Self { options }
    }
}

impl MessageCodec for Dubbo {
    const NAME: &'static str = NAME;

    const CAPABILITIES: Capabilities = Capabilities {
        request_metadata: true,
        response_metadata: true,
        rewritable: &[name::SERVICE, name::METHOD, name::VERSION, name::GROUP],
        multiplexed: true,
    };

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        header::message_len(buf)
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        let header = Header::read(&wire)?;
        let head = if header.has(header::EVENT) {
            let kind = event::kind(header, &wire);
            Head::new(NAME, kind, wire, |_, _| {})
        } else if header.has(header::REQUEST) {
            request::decode(header, wire, self.options.callbacks)
        } else {
            response::decode(header, wire)
        };
        let stream = StreamId(header.id);
        Ok(Decoded { stream, head })
    }

    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written {
        let wire = head.wire();
        if head.kind == Kind::Ping {
            out.put(&event::pong(stream.0, wire));
            return Written::Whole;
        }
        let is_modified = head.is_modified();
        if is_modified
            && let Some(splice) = Splice::of(head)
            && splice.write(stream.0, wire, out).is_some()
        {
            return Written::Whole;
        }
        if let Some(mut octets) = wire.first_chunk::<{ header::LEN }>().copied() {
            octets[4..12].copy_from_slice(&stream.0.to_be_bytes());
            out.put(&octets);
            out.put_slice(wire, header::LEN..wire.len());
        }
        if is_modified {
            Written::Unmodified
        } else {
            Written::Whole
        }
    }

    /// A two-way request whose length is refused is answered before the connection ends.
    fn last_word(&self, buf: &[u8], error: &ConnectionError, out: &mut Output) {
        if let Some((stream, echo)) = header::answerable(buf) {
            let outcome = Outcome::new(Party::Caller, Executed::No, Code::BadRequest);
            self.reply(stream, echo, &Reply::new(outcome, error.to_string()), out);
        }
    }

    fn reply(&self, stream: StreamId, echo: Echo, reply: &Reply, out: &mut Output) {
        out.put(&reply::write(
            stream.0,
            echo,
            reply,
            &self.options.exception_class,
        ));
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        timeout::read_millis(request, &TIMEOUTS)
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        // A consumer that says nothing has its reasons, and providers read nothing into it.
        timeout::rewrite_millis(request, &TIMEOUTS, left);
    }

    fn ping(&self, stream: StreamId, out: &mut Output) -> bool {
        let flags = event::FLAGS | header::TWO_WAY;
        let header = Header {
            flags,
            status: 0,
            id: stream.0,
        };
        out.put(&header.octets(event::NULL.len() as u32));
        out.put(event::NULL);
        true
    }

    fn drain(&self, out: &mut Output) {
        // Never answered, so that the id does not matter.
        let header = Header {
            flags: event::FLAGS,
            status: 0,
            id: 0,
        };
        out.put(&header.octets(event::READ_ONLY.len() as u32));
        out.put(event::READ_ONLY);
    }
}

/// Attachments that say how long the consumer waits, in milliseconds: what is left of it in a chain
/// of calls, and what is configured.
const TIMEOUTS: [&str; 2] = ["_TO", "timeout"];
