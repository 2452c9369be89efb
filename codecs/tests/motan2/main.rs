//! The Motan2 codec against messages of real peers, and against what nobody should send.

use bytes::Bytes;
use sabir_codecs::motan2::{Motan2, Options};
use sabir_core::connection::Written;
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::kit::Samples;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

mod allocations;
mod connection;
mod decoding;
mod fuzz;
mod malformed;
mod messages;
mod motan1;
mod mutation;
mod outcomes;
mod replies;
#[path = "../vectors/mod.rs"]
mod vectors;

sabir_core::codec_kit!(
    Motan2::default(),
    Samples {
        requests: messages::requests(),
        responses: messages::responses(),
        others: messages::heartbeats(),
    },
    |f: &mut dyn FnMut()| allocation_counter::measure(f).bytes_max
);

/// Most of the suite for a body that is not copied on the way out. Cutting and corrupting it at each
/// byte, which nobody reads, would take most of the time of all tests; [`connection`] cuts it at some.
mod long_body {
    use super::*;

    fn samples() -> Samples {
        Samples {
            requests: vec![messages::long_request()],
            responses: vec![],
            others: vec![],
        }
    }

    #[test]
    fn unchanged_is_identical_but_for_the_id() {
        sabir_core::kit::unchanged_is_identical_but_for_the_id(Motan2::default, &samples());
    }

    #[test]
    fn mutation_keeps_the_rest() {
        sabir_core::kit::mutation_keeps_the_rest(Motan2::default, &samples());
    }

    #[test]
    fn truncation_waits() {
        sabir_core::kit::truncation_waits(Motan2::default, &samples());
    }
}

/// The id and the head of a whole message, which has to be sound.
fn decode(wire: &Bytes) -> (u64, Head) {
    let decoded = Motan2::default().decode(wire.clone());
    let decoded = decoded.expect("a sound message");
    (decoded.stream.0, decoded.head)
}

/// The head alone.
fn head(wire: &Bytes) -> Head {
    decode(wire).1
}

/// What `head` is written as under `id`, and whether its changes are part of it.
fn encode(id: u64, head: &Head) -> (Written, Bytes) {
    let mut out = Output::default();
    let written = Motan2::default().encode(StreamId(id), head, &mut out);
    (written, out.to_vec().into())
}

/// The value of a metadata name as text.
fn get(head: &Head, name: &str) -> Option<String> {
    let name = Name::new(name);
    head.get(&name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// A codec that takes no motan1.
fn without_motan1() -> Motan2 {
    Motan2::new(Options {
        motan1: false,
        ..Options::default()
    })
}
