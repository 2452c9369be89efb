//! The Dubbo codec against messages of real peers, and against what nobody should send.

use bytes::Bytes;
use sabir_codecs::dubbo::{Dubbo, Options};
use sabir_core::frame::StreamId;
use sabir_core::head::Head;
use sabir_core::kit::Samples;
use sabir_core::message::MessageCodec;
use sabir_core::name::Name;
use sabir_core::output::Output;

mod decoding;
mod fuzz;
mod malformed;
mod messages;
mod mutation;
mod replies;
mod serializations;
#[path = "../vectors/mod.rs"]
mod vectors;

sabir_core::codec_kit!(
    Dubbo::default(),
    Samples {
        requests: messages::requests(),
        responses: messages::responses(),
        others: messages::events(),
    },
    |f: &mut dyn FnMut()| allocation_counter::measure(f).bytes_max
);

/// The head of a whole message, which has to be sound.
fn decode(wire: &Bytes) -> Head {
    let decoded = Dubbo::default().decode(wire.clone());
    decoded.expect("a sound message").head
}

/// What `head` is written as under the id `stream`, and whether its changes are part of it.
fn encode(stream: u64, head: &Head) -> (sabir_core::connection::Written, Bytes) {
    let mut out = Output::default();
    let written = Dubbo::default().encode(StreamId(stream), head, &mut out);
    (written, out.to_vec().into())
}

/// The value of a metadata name as text.
fn get(head: &Head, name: &str) -> Option<String> {
    let name = Name::new(name);
    head.get(&name)
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// A codec with another class of exceptions.
fn with_exception_class(class: &str) -> Dubbo {
    Dubbo::new(Options {
        exception_class: class.to_owned(),
        ..Options::default()
    })
}
