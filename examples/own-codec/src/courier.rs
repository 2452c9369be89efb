//! Courier, an invented RPC protocol, as a codec for sabir.
//!
//! ```text
//!  0      1      2          6           8          12
//! +------+------+----------+-----------+----------+------------------------------+------+
//! | 0xC0 | kind | id (u32) | meta size | body size | klen key vlen(u16) value ... | body |
//! +------+------+----------+-----------+----------+------------------------------+------+
//! ```
//!
//! Integers are big-endian. The pairs `service` and `method` say what a request is for.

use bytes::Bytes;
use sabir::core::connection::Written;
use sabir::core::frame::StreamId;
use sabir::core::head::{Echo, Head, Kind};
use sabir::core::message::{Decoded, MessageCodec, u32_at};
use sabir::core::metadata::{Malformed, Metadata, Span};
use sabir::core::name::{Field, METHOD, SERVICE};
use sabir::core::outcome::{Outcome, Reply};
use sabir::core::output::Output;
use sabir::core::protocol::Capabilities;

/// Codec for Courier.
#[derive(Debug, Default)]
pub struct Courier;

impl MessageCodec for Courier {
    const NAME: &'static str = "courier";
    const MAX_ID: u64 = u32::MAX as u64;
    const CAPABILITIES: Capabilities = Capabilities {
        request_metadata: true,
        response_metadata: true,
        rewritable: &[],
        multiplexed: true,
    };

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        if buf.first().is_some_and(|&byte| byte != MAGIC) {
            return Err(Malformed { part: "magic", at: 0 });
        }
        let sizes = buf.get(META_SIZE..BODY_SIZE).zip(u32_at(buf, BODY_SIZE));
        let len = |(meta, body)| HEADER + u16_of(meta) + body as usize;
        Ok(sizes.map(len))
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        let malformed = |part, at| Malformed { part, at };
        let id = u32_at(&wire, ID).ok_or(malformed("id", ID))?;
        let kind = match wire.get(1) {
            Some(1) => Kind::Request,
            Some(2) => Kind::OneWay,
            Some(3 | 4) => Kind::Response,
            Some(5) => Kind::Ping,
            Some(6) => Kind::Pong,
            _ => return Err(malformed("kind", 1)),
        };
        let failed = wire[1] == FAILURE;
        let mut head = Head::new(Self::NAME, kind, wire.clone(), parse);
        for pair in pairs(&wire) {
            match pair {
                Ok([key, value, _]) if key.of(&wire) == SERVICE.as_bytes() => {
                    head.set_field_span(Field::Service, value);
                }
                Ok([key, value, _]) if key.of(&wire) == METHOD.as_bytes() => {
                    head.set_field_span(Field::Method, value);
                }
                Ok(_) => {}
                Err(fault) => head.set_fault(fault),
            }
        }
        if failed {
            head.outcome = Outcome::BUSINESS_ERROR;
        }
        Ok(Decoded { stream: StreamId(id.into()), head })
    }

    fn encode(&self, stream: StreamId, head: &Head, out: &mut Output) -> Written {
        let wire = head.wire();
        let kind = if head.kind == Kind::Ping { 6 } else { wire[1] };
        let meta = HEADER..HEADER + u16_of(&wire[META_SIZE..]);
        let (metadata, modified) = (head.metadata(), head.is_modified());
        let added: usize = metadata.added().map(|(k, v)| k.len() + v.len() + 3).sum();
        let removed: usize = metadata.removed().map(|span| span.len()).sum();
        let size = u16::try_from(meta.len() + added - removed);
        let fits = metadata.added().all(|(k, v)| k.len() < 256 && v.len() < 65_536);
        let (true, true, Ok(size)) = (modified, fits, size) else {
            start(kind, stream, &wire[META_SIZE..HEADER], out);
            out.put_slice(wire, HEADER..wire.len());
            return if modified { Written::Unmodified } else { Written::Whole };
        };
        start(kind, stream, &size.to_be_bytes(), out);
        out.put(&wire[BODY_SIZE..HEADER]);
        let mut at = meta.start;
        for cut in metadata.removed() {
            out.put(&wire[at..cut.start as usize]);
            at = cut.end as usize;
        }
        out.put(&wire[at..meta.end]);
        metadata.added().for_each(|(key, value)| put_pair(key, value, out));
        out.put_slice(wire, meta.end..wire.len());
        Written::Whole
    }

    fn reply(&self, stream: StreamId, _: Echo, reply: &Reply, out: &mut Output) {
        let code = reply.outcome.code.as_str().as_bytes();
        let message = reply.message.as_bytes();
        start(FAILURE, stream, &(code.len() as u16 + 8).to_be_bytes(), out);
        out.put(&(message.len() as u32).to_be_bytes());
        put_pair(b"error", code, out);
        out.put(message);
    }

    fn ping(&self, stream: StreamId, out: &mut Output) -> bool {
        start(5, stream, &[0; 6], out);
        true
    }
}

fn start(kind: u8, StreamId(id): StreamId, rest: &[u8], out: &mut Output) {
    out.put(&[MAGIC, kind]);
    out.put(&(id as u32).to_be_bytes());
    out.put(rest);
}

fn put_pair(key: &[u8], value: &[u8], out: &mut Output) {
    out.put(&[key.len() as u8]);
    out.put(key);
    out.put(&(value.len() as u16).to_be_bytes());
    out.put(value);
}

fn parse(head: &Head, metadata: &mut Metadata) {
    for pair in pairs(head.wire()) {
        match pair {
            Ok([key, value, whole]) => metadata.push(key, value, whole),
            Err(fault) => metadata.set_fault(fault),
        }
    }
}

/// Key, value, and both with their lengths, of each pair; ends at the first that is not whole.
fn pairs(wire: &[u8]) -> impl Iterator<Item = Result<[Span; 3], Malformed>> {
    let end = HEADER + wire.get(META_SIZE..).map_or(0, u16_of);
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let start = at;
        let key = Span::new(at + 1, at + 1 + usize::from(*wire.get(at..end)?.first()?));
        let length = wire.get(key.end as usize..end).unwrap_or_default();
        let value = key.end as usize + 2;
        let value = Span::new(value, value + u16_of(length));
        at = value.end as usize;
        let whole = length.len() >= 2 && at <= end;
        let malformed = Malformed { part: "pair", at: start };
        at = if whole { at } else { end };
        Some(whole.then_some([key, value, Span::new(start, at)]).ok_or(malformed))
    })
}

fn u16_of(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |&b| u16::from_be_bytes(b).into())
}

const MAGIC: u8 = 0xc0;
const ID: usize = 2;
const META_SIZE: usize = 6;
const BODY_SIZE: usize = 8;
const HEADER: usize = 12;
const FAILURE: u8 = 4;
