//! The Thrift codec against messages of real peers, and against what nobody should send.

use bytes::Bytes;
use sabir_codecs::thrift::{Choice, Codec, Options, Transport, Values};
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

mod allocations;
mod connections;
mod decoding;
mod driven;
mod fuzz;
mod kit;
mod malformed;
mod messages;
mod mutation;
mod persistence;
mod replies;
mod translation;
#[path = "../vectors/mod.rs"]
mod vectors;

/// Longest message, also behind a transform, in bytes.
const LONGEST: usize = 1 << 20;

/// A codec for this transport and protocol alone.
fn only(transport: Transport, protocol: Values) -> Codec {
    let options = Options {
        transport: Choice::Only(transport),
        protocol: Choice::Only(protocol),
        ..Options::default()
    };
    Codec::new(options, LONGEST)
}

/// The head of a whole message, which has to be sound.
fn decode(wire: &Bytes) -> Head {
    let decoded = Codec::default().decode(wire.clone());
    decoded.expect("a sound message").head
}

/// What `head` is written as with sequence id `id`, and whether its changes are part of it.
fn encode(id: u64, head: &Head) -> (sabir_core::connection::Written, Bytes) {
    let mut out = Output::default();
    let written = Codec::default().encode(StreamId(id), head, &mut out);
    (written, out.to_vec().into())
}

/// The value of a metadata name as text.
fn get(head: &Head, name: &str) -> Option<String> {
    let name = Name::new(name);
    head.get(&name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}
