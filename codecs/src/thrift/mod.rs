//! Apache Thrift: binary and compact protocol, unframed, framed and in THeader.
//!
//! ```text
//! transport.rs   how a message is delimited, and how that is told
//! header.rs      THeader: pairs, transforms, a sequence id of its own
//! zlib.rs        the one transform that is known
//! message.rs     type, name and sequence id
//! varint.rs      numbers of the compact protocol
//! walk.rs        the end of a struct, where nothing else delimits a message
//! packet.rs      a whole message, and its head
//! rewrite.rs     changed names, ids and pairs, spliced into the bytes that arrived
//! translate.rs   a message in another transport or protocol
//! transcode.rs   a struct in the other protocol
//! exception.rs   how calls end
//! persistent.rs  pairs that hold for the rest of a connection
//! connection.rs  whose turn it is, and who asked
//! ```
//!
//! What the proxy can see and change of a message:
//!
//! | transport | service, method | pairs |
//! |---|---|---|
//! | unframed, framed | seen, changed | none |
//! | header | seen, changed, also behind zlib | seen, changed, whatever the transform |
//!
//! `service` is what stands before the colon of a multiplexed name (`Service:method`), and absent
//! from others. Beside the pairs of THeader, metadata names that cannot be changed tell what is on
//! the wire: `:type` (`call`, `reply`, `exception`, `oneway`), `:seqid`, `:transport` and
//! `:protocol`.
//!
//! Clients and servers need not speak the same: a cluster whose options name a transport or a
//! protocol gets its calls in these, and each caller gets its answer in its own. The pairs of THeader
//! are lost on the way to a transport that has none, and its transforms are undone.
//!
//! Specification: doc/specs of apache/thrift.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sabir_core::connection::{Connection, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head};
use sabir_core::message::{Decoded, MessageCodec};
use sabir_core::metadata::Malformed;
use sabir_core::name;
use sabir_core::outcome::Reply;
use sabir_core::output::Output;
use sabir_core::protocol::{Capabilities, Limits, Protocol, Role, Sniff};
use sabir_core::timeout;

use connection::ThriftConnection;
use exception::Addressee;
use packet::{Packet, transport_of};
use rewrite::Rewrite;
use transport::{Start, start};

mod connection;
mod exception;
mod fault;
mod header;
mod message;
mod options;
mod packet;
mod persistent;
mod rewrite;
mod transcode;
mod translate;
mod transport;
mod unanswered;
mod varint;
mod walk;
mod zlib;

pub use options::{Choice, Names, Options, Values, factory};
pub use transport::Transport;

/// Name in configuration, metrics and logs.
pub const NAME: &str = "thrift";

/// The protocol.
#[derive(Clone, Debug, Default)]
pub struct Thrift {
    options: Options,
}

impl Thrift {
    /// The protocol with `options`.
    pub fn new(options: Options) -> Self {
        Self { options }
    }
}

impl Protocol for Thrift {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        let has_pairs = self.options.transport.is(Transport::Header);
        Capabilities {
            request_metadata: has_pairs,
            response_metadata: has_pairs,
            multiplexed: self.options.multiplexing,
            ..CAPABILITIES
        }
    }

    fn sniff(&self, first: &[u8]) -> Sniff {
        // No limit is known here; frames that no peer takes are none.
        match start(first, &self.options, MAX_FRAME) {
            Err(_) => Sniff::No,
            Ok(None) => Sniff::More,
            Ok(Some(Start::Frame(len))) if len > MAX_FRAME => Sniff::No,
            Ok(Some(_)) => Sniff::Yes,
        }
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        timeout::read_millis(request, &[TIMEOUT])
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        timeout::rewrite_millis(request, &[TIMEOUT], left);
    }

    fn max_stream(&self) -> StreamId {
        StreamId(MAX_ID)
    }

    fn connection(&self, role: Role, limits: &Limits, _now: Instant) -> Box<dyn Connection> {
        let codec = Codec {
            options: self.options.clone(),
            longest: limits.max_message_bytes,
        };
        Box::new(ThriftConnection::new(codec, role))
    }
}

/// Single messages, without what a connection has to remember: whose turn it is, the name that an
/// answer has to repeat, and pairs that hold for the rest of the connection.
#[derive(Clone, Debug)]
pub struct Codec {
    options: Options,
    /// Bytes of the longest message, also behind a transform.
    longest: usize,
}

impl Codec {
    /// A codec with `options` that takes messages of `longest` bytes.
    pub fn new(options: Options, longest: usize) -> Self {
        Self { options, longest }
    }

    /// Writes `head`, the message in `packet`, with what `change` makes of it beside the changes that
    /// were made to it.
    fn write(
        &self,
        head: &Head,
        packet: &Packet,
        change: impl Fn(&mut Rewrite),
        out: &mut Output,
    ) -> Written {
        let wire = head.wire();
        if let Some(mut rewrite) = Rewrite::of(head, packet) {
            change(&mut rewrite);
            if rewrite.write(wire, packet, self.longest, out) {
                return Written::Whole;
            }
        }
        let mut rewrite = Rewrite::default();
        change(&mut rewrite);
        if !rewrite.write(wire, packet, self.longest, out) {
            out.put_slice(wire, 0..wire.len());
        }
        unmodified(head)
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new(Options::default(), Limits::default().max_message_bytes)
    }
}

impl MessageCodec for Codec {
    const NAME: &'static str = NAME;

    const MAX_ID: u64 = MAX_ID;

    const CAPABILITIES: Capabilities = CAPABILITIES;

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        match start(buf, &self.options, self.longest)? {
            None => Ok(None),
            Some(Start::Frame(len)) => Ok(Some(len)),
            Some(Start::Struct(mut walk)) => Ok(walk.run(buf)?),
        }
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        let packet = Packet::read(&wire, &self.options, self.longest)?;
        let stream = StreamId(packet.seqid().into());
        let head = packet.head(wire);
        Ok(Decoded { stream, head })
    }

    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written {
        // Ids have 32 bits, as `MAX_ID` says.
        let seqid = stream.0 as u32;
        let wire = head.wire();
        match Packet::peek(wire, transport_of(wire)) {
            Ok(packet) => {
                let change = |rewrite: &mut Rewrite| rewrite.renumber(&packet, seqid, seqid);
                self.write(head, &packet, change, out)
            }
            Err(_) => {
                out.put_slice(wire, 0..wire.len());
                unmodified(head)
            }
        }
    }

    fn reply(&self, stream: StreamId, echo: Echo, reply: &Reply, out: &mut Output) {
        let answer = Addressee::from_echo(echo).answer(b"", stream.0 as u32, reply);
        out.put(&answer);
    }
}

fn unmodified(head: &Head) -> Written {
    if head.is_modified() {
        Written::Unmodified
    } else {
        Written::Whole
    }
}

/// Largest sequence id: they are signed.
const MAX_ID: u64 = i32::MAX as u64;

/// Longest frame of any transport, in bytes: what THeader allows.
const MAX_FRAME: usize = 0x3fff_ffff;

const CAPABILITIES: Capabilities = Capabilities {
    request_metadata: true,
    response_metadata: true,
    rewritable: &[name::SERVICE, name::METHOD],
    multiplexed: true,
};

/// Info header of THeader that says how long the client waits, in milliseconds.
const TIMEOUT: &str = "client_timeout";
