//! Events: heartbeats, and what a server says of its readiness.
//!
//! Specification: `ExchangeCodec`, `HeartbeatHandler`, `HeaderExchangeHandler` of apache/dubbo.

use sabir_core::head::Kind;

use super::body::Serialization;
use super::header::{self, Header};

/// The null that is the body of a heartbeat in Hessian 2.0.
pub(super) const NULL: &[u8] = b"N";
/// Says that a server takes no new requests, in Hessian 2.0.
pub(super) const READ_ONLY: &[u8] = b"\x01R";
/// Flags of events that are written, in Hessian 2.0.
pub(super) const FLAGS: u8 = header::REQUEST | header::EVENT | 2;

/// What an event means.
pub(super) fn kind(header: Header, wire: &[u8]) -> Kind {
    if !header.has(header::REQUEST) {
        return Kind::Pong;
    }
    let serialization = Serialization::of(header.serialization());
    let payload = serialization.read(wire, header::LEN, |body| body.string());
    let payload = payload.and_then(Result::ok).flatten();
    match payload.as_ref().map(|text| text.of(wire)) {
        Some(b"R") => Kind::Drain,
        Some(b"W") => Kind::Resume,
        // Only heartbeats ask for an answer; their payload is null in most serializations.
        _ if header.has(header::TWO_WAY) => Kind::Ping,
        _ => Kind::Pong,
    }
}

/// The answer to the heartbeat `ping` that carries `id`.
pub(super) fn pong(id: u64, ping: &[u8]) -> Vec<u8> {
    let serialization = ping.get(2).copied().unwrap_or_default();
    let header = Header {
        flags: serialization,
        status: header::OK,
        id,
    };
    let serialization = header.serialization();
    let body = match Serialization::of(serialization) {
        // dubbo-go appends another null.
        Serialization::Hessian2 => NULL,
        // Java compares with the null of its own serialization, which is what it sent.
        _ => ping.get(header::LEN..).unwrap_or_default(),
    };
    let flags = serialization | header::EVENT;
    let mut pong = Header { flags, ..header }
        .octets(body.len() as u32)
        .to_vec();
    pong.extend_from_slice(body);
    pong
}
