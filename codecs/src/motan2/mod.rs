//! The Motan2 protocol of Weibo RPC, and motan1, which peers speak on the same port.
//!
//! ```text
//! header.rs     the octets that start a message
//! metadata.rs   lines of keys and values
//! request.rs    requests and responses: who is called, how it ended
//! exception.rs  exceptions, their codes and types
//! splice.rs     changed metadata, written before a body that nobody touched
//! reply.rs      answers of sabir's own
//! v1/           motan1
//! ```
//!
//! Service, method, group and version stand in the metadata (`M_p`, `M_m`, `M_g`, `M_v`; the
//! parameter types in `M_md`) and are pairs under these keys too. Java clients say the version only
//! under `version`, which counts where `M_v` is absent, as `group` does for `M_g`; what rewrites
//! the one rewrites the other. The body is never looked at, so that every serialization passes,
//! compressed or not. An empty value removes its pair, as peers write none.
//!
//! Specification: `MotanV2Codec` of weibocom/motan, `motanProtocol.go` of weibocom/motan-go.

use std::time::Duration;

use bytes::Bytes;
use sabir_core::connection::{ConnectionError, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::message::{Decoded, MessageCodec};
use sabir_core::metadata::Malformed;
use sabir_core::name;
use sabir_core::outcome::Reply;
use sabir_core::output::Output;
use sabir_core::protocol::Capabilities;
use sabir_core::timeout;

use exception::Exception;
use header::Header;
use splice::Splice;

mod exception;
mod header;
mod metadata;
mod options;
mod reply;
mod request;
mod splice;
mod v1;

pub use options::{Options, factory};

/// Name in configuration, metrics and logs.
pub const NAME: &str = "motan2";

/// The codec.
#[derive(Clone, Debug, Default)]
pub struct Motan2 {
    options: Options,
}

/// Which of the two protocols a message is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    Motan1,
    Motan2,
}

impl Motan2 {
    /// A codec with `options`.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// The version of the message that starts `buf`, once that is known.
    fn version(&self, buf: &[u8]) -> Result<Option<Version>, Malformed> {
        let seen = buf.len().min(header::MAGIC.len());
        if let Some(at) = (0..seen).find(|&at| buf[at] != header::MAGIC[at]) {
            return Err(Malformed { part: "magic", at });
        }
        match buf.get(VERSION_AT).map(|octet| octet >> 3) {
            None => Ok(None),
            Some(header::VERSION) => Ok(Some(Version::Motan2)),
            Some(v1::VERSION) if self.options.motan1 => Ok(Some(Version::Motan1)),
            // Java takes others for Motan2; what they are nobody knows.
            Some(_) => Err(Malformed {
                part: "version",
                at: VERSION_AT,
            }),
        }
    }

    fn header(&self, wire: &[u8]) -> Result<Header, Malformed> {
        Header::read(wire, self.options.max_metadata_bytes)
    }

    /// Writes a message of Motan2 under `id`.
    fn encode_v2(&self, id: u64, head: &Head, out: &mut Output) -> Written {
        let wire = head.wire();
        let is_modified = head.is_modified();
        if is_modified
            && let Ok(header) = self.header(wire)
            && let Some(splice) = Splice::of(head)
            && splice.write(Header { id, ..header }, wire, out).is_some()
        {
            return Written::Whole;
        }
        if let Some(mut octets) = wire.first_chunk::<{ header::METADATA_AT }>().copied() {
            octets[header::ID].copy_from_slice(&id.to_be_bytes());
            out.put(&octets);
            out.put_slice(wire, header::METADATA_AT..wire.len());
        }
        if is_modified {
            Written::Unmodified
        } else {
            Written::Whole
        }
    }
}

impl MessageCodec for Motan2 {
    const NAME: &'static str = NAME;

    const CAPABILITIES: Capabilities = Capabilities {
        request_metadata: true,
        response_metadata: true,
        rewritable: &[name::SERVICE, name::METHOD, name::VERSION, name::GROUP],
        multiplexed: true,
    };

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        match self.version(buf)? {
            Some(Version::Motan2) => header::message_len(buf, self.options.max_metadata_bytes),
            Some(Version::Motan1) => v1::message_len(buf),
            None => Ok(None),
        }
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        if self.version(&wire)? == Some(Version::Motan1) {
            return v1::decode(wire);
        }
        let header = self.header(&wire)?;
        let head = match (header.has(header::HEARTBEAT), header.has(header::RESPONSE)) {
            (true, true) => Head::new(NAME, Kind::Pong, wire, |_, _| {}),
            (true, false) => Head::new(NAME, Kind::Ping, wire, |_, _| {}),
            (false, true) => request::decode_response(header, wire),
            (false, false) => request::decode(header, wire, self.options.answer_one_way),
        };
        let stream = StreamId(header.id);
        Ok(Decoded { stream, head })
    }

    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written {
        let wire = head.wire();
        match (self.version(wire), head.kind) {
            (Ok(Some(Version::Motan1)), Kind::Ping) => out.put(&v1::pong(stream.0)),
            (Ok(Some(Version::Motan1)), _) => return v1::encode(stream.0, head, out),
            (_, Kind::Ping) => out.put(&request::pong(stream.0, wire)),
            _ => return self.encode_v2(stream.0, head, out),
        }
        Written::Whole
    }

    fn reply(&self, stream: StreamId, echo: Echo, reply: &Reply, out: &mut Output) {
        let answer = if v1::is_echo(echo) {
            v1::reply(stream.0, reply)
        } else {
            reply::write(reply::header_of(stream.0, echo), reply)
        };
        out.put(&answer);
    }

    fn caller_timeout(&self, request: &Head) -> Option<Duration> {
        timeout::read_millis(request, &[TIMEOUT])
    }

    fn set_timeout(&self, request: &mut Head, left: Duration) {
        timeout::rewrite_millis(request, &[TIMEOUT], left);
    }

    fn last_word(&self, buf: &[u8], error: &ConnectionError, out: &mut Output) {
        let message = error.to_string();
        match self.version(buf) {
            Ok(Some(Version::Motan2)) => {
                if let Some(header) = request::answerable(buf, self.options.answer_one_way) {
                    out.put(&reply::exception(header, Exception::TOO_LONG, &message));
                }
            }
            Ok(Some(Version::Motan1)) => {
                if let Some(id) = v1::answerable(buf) {
                    out.put(&v1::exception(id, Exception::TOO_LONG, &message));
                }
            }
            Ok(None) | Err(_) => {}
        }
    }

    fn ping(&self, stream: StreamId, out: &mut Output) -> bool {
        out.put(&request::ping(stream.0));
        true
    }
}

/// Where the version stands, in either protocol.
const VERSION_AT: usize = 3;

/// Metadata that says how long the caller waits, in milliseconds.
const TIMEOUT: &str = "M_tmo";
