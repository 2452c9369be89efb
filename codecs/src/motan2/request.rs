//! Requests, responses and heartbeats: who is called, and how it ended.
//!
//! Specification: `MotanV2Codec` of weibocom/motan.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::message::u64_at;
use sabir_core::metadata::Malformed;
use sabir_core::name::Field;

use super::header::{self, Header};
use super::{NAME, exception, metadata, reply};

/// The head of a request; one-way ones may be `answered`, too.
pub(super) fn decode(header: Header, wire: Bytes, answered: bool) -> Head {
    let kind = if header.has(header::ONE_WAY) && !answered {
        Kind::OneWay
    } else {
        Kind::Request
    };
    let mut head = Head::new(NAME, kind, wire, metadata::parse);
    head.echo = reply::echo_of(header);
    let fault = metadata::read_fields(&mut head).err();
    if let Some(fault) = fault.or_else(|| missing(&head)) {
        head.set_fault(fault);
    }
    head
}

/// What a request cannot do without.
fn missing(head: &Head) -> Option<Malformed> {
    let needed = [(Field::Service, "M_p"), (Field::Method, "M_m")];
    let absent = |&(field, _): &(Field, _)| head.field(field).is_none_or(<[u8]>::is_empty);
    let (_, part) = needed.into_iter().find(absent)?;
    let at = header::METADATA_AT;
    Some(Malformed { part, at })
}

/// The head of a response.
pub(super) fn decode_response(header: Header, wire: Bytes) -> Head {
    // Java takes every status but zero for an exception.
    let outcome = (header.status != 0).then(|| exception::outcome(&wire));
    let mut head = Head::new(NAME, Kind::Response, wire, metadata::parse);
    if let Some(outcome) = outcome {
        head.outcome = outcome;
    }
    head
}

/// The header of a response to the request that starts `buf`, if it is one that awaits a response.
pub(super) fn answerable(buf: &[u8], answer_one_way: bool) -> Option<Header> {
    let (&[_, _, flags, _, serialization], id) =
        (buf.first_chunk()?, u64_at(buf, header::ID.start)?);
    let request = Header {
        flags,
        status: 0,
        serialization,
        id,
    };
    let is_request = flags & (header::HEARTBEAT | header::RESPONSE) == 0;
    let is_answered = answer_one_way || flags & header::ONE_WAY == 0;
    (is_request && is_answered).then(|| reply::header_of(id, reply::echo_of(request)))
}

/// A heartbeat as Java sends it.
pub(super) fn ping(id: u64) -> Vec<u8> {
    let header = Header {
        flags: header::HEARTBEAT,
        status: 0,
        serialization: 1 << 3,
        id,
    };
    empty(header)
}

/// The answer to the heartbeat `ping`, under `id`.
pub(super) fn pong(id: u64, ping: &[u8]) -> Vec<u8> {
    let asked = ping.get(2).copied().unwrap_or_default();
    let header = Header {
        flags: header::HEARTBEAT | header::RESPONSE | asked & header::PROXY,
        status: 0,
        serialization: ping.get(4).copied().unwrap_or_default(),
        id,
    };
    empty(header)
}

/// A message without metadata and body.
fn empty(header: Header) -> Vec<u8> {
    [&header.octets(0)[..], &0_u32.to_be_bytes()].concat()
}
