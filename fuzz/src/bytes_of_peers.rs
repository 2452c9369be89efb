//! What a peer says, in both roles, and what becomes of it in pieces.

use std::sync::Arc;

use sabir_codecs::registry::built_in;
use sabir_core::kit::Samples;
use sabir_core::kit::script::Script;
use sabir_core::kit::side::{Promises, Streams};
use sabir_core::kit::subject::Subject;
use sabir_core::protocol::{Limits, Protocol, Role, Sniff};
use serde_json::json;

use crate::subjects::{LONGEST_INPUT, Name, subject};

/// Input: role and setting, how many cuts, where they are, and what the peer says.
pub fn of(name: Name, input: &[u8]) {
    let mut script = Script::new(input);
    let setting = script.byte();
    let cuts = script.piece();
    let wire = script.rest();
    if wire.len() > LONGEST_INPUT {
        return;
    }
    let role = if setting < 128 {
        Role::Server
    } else {
        Role::Client
    };
    let subject = subject(name, usize::from(setting & 127));
    let peak = allocation_counter::measure(|| {
        let mut side = subject.side(role);
        if role == Role::Client {
            subject.ask(&mut side, sabir_core::frame::StreamId(1), 0);
        }
        if side.feed(wire).is_ok() && !side.is_finished() {
            let _: Result<_, _> = side.eof();
        }
        let _ = side.events();
    });
    let allowed = MEMORY + MEMORY_PER_BYTE * wire.len() as u64;
    assert!(
        peak.bytes_max <= allowed,
        "{} bytes of memory",
        peak.bytes_max
    );
    subject.arrives_alike_in_pieces(role, wire, &mut Script::new(cuts));
}

/// Input: how many cuts, where they are, and what a client says to a listener of all protocols.
///
/// A protocol that has said yes or no does not think better of it, and no two say yes.
pub fn of_unknown(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = script.piece();
    let wire = script.rest();
    let none = json!({});
    let mut takers = Vec::new();
    for name in Name::ALL {
        let protocol = built_in().make(name.as_str(), &none);
        let protocol = protocol.expect("built in").expect("no options are needed");
        if verdict(&*protocol, wire) == Sniff::Yes {
            takers.push(name);
        }
    }
    assert!(takers.len() < 2, "{takers:?} say that it is theirs");
    let subject = all();
    subject.arrives_alike_in_pieces(Role::Server, wire, &mut Script::new(cuts));
}

/// What `protocol` makes of `wire` as it arrives byte by byte, as far as detection goes.
fn verdict(protocol: &dyn Protocol, wire: &[u8]) -> Sniff {
    let mut said = Sniff::More;
    for len in 0..=wire.len().min(1024) {
        let now = protocol.sniff(&wire[..len]);
        let stays = said == Sniff::More || said == now;
        assert!(stays, "{} says {said:?}, then {now:?}", protocol.name());
        said = now;
    }
    said
}

/// A listener of all protocols, one exchange at a time as far as they are concerned.
fn all() -> Subject {
    let protocols = Name::ALL.map(|name| (name.as_str().to_owned(), json!({})));
    let protocols: serde_json::Map<_, _> = protocols.into_iter().collect();
    let auto = built_in().make("auto", &json!({"protocols": protocols}));
    let auto: Arc<dyn Protocol> = auto.expect("built in").expect("options are sound");
    let limits = Limits::default();
    let promises = Promises {
        streams: Streams::Unknown,
        most_unread: 0,
        most_input: limits.max_message_bytes,
    };
    Subject::new(auto, limits, promises, Samples::default())
}

/// Memory that a connection may take whatever it is fed, in bytes.
const MEMORY: u64 = 512 << 10;

/// Memory that each byte of a peer's may take. Headers of HTTP/2 are the dearest.
const MEMORY_PER_BYTE: u64 = 512;
