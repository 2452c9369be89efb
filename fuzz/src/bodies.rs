//! Messages of sound frames, of which only what is inside is anybody's guess.

use bytes::Bytes;
use sabir_codecs::dubbo::Dubbo;
use sabir_codecs::motan2::Motan2;
use sabir_codecs::thrift;
use sabir_core::head::Echo;
use sabir_core::kit::changes::carries_changes;
use sabir_core::kit::script::Script;
use sabir_core::message::MessageCodec;

use crate::samples;

/// Input: the protocol, the changes to make, what the frame says, and what is inside.
pub fn of(input: &[u8]) {
    let mut script = Script::new(input);
    let protocol = script.below(4);
    let mut changes = Script::new(script.piece());
    match protocol {
        0 | 1 => {
            let (flags, status) = (*script.one_of(&DUBBO_FLAGS), script.byte());
            let wire = dubbo(flags, status, script.rest());
            carries_changes(&Dubbo::default(), &wire, echo_of_dubbo(), &mut changes);
        }
        2 => {
            let (flags, status, serialization) = (script.byte(), script.byte(), script.byte());
            let metadata = script.piece();
            let wire = motan2(flags, status, serialization, metadata, script.rest());
            carries_changes(&Motan2::default(), &wire, Echo::default(), &mut changes);
        }
        _ => {
            let transport = script.below(3);
            let codec = thrift::Codec::default();
            let wire = match transport {
                0 => Bytes::copy_from_slice(script.rest()),
                1 => behind_length(script.rest()),
                _ => theader(script.piece(), script.rest()),
            };
            if codec.frame_len(&wire) == Ok(Some(wire.len())) {
                carries_changes(&codec, &wire, Echo::default(), &mut changes);
            }
        }
    }
}

/// A message of Dubbo.
pub fn dubbo(flags: u8, status: u8, body: &[u8]) -> Bytes {
    let len = (body.len() as u32).to_be_bytes();
    let header = [
        &[0xda, 0xbb, flags, status],
        &[0, 0, 0, 0, 0, 0, 0, 7][..],
        &len,
    ];
    [&header.concat(), body].concat().into()
}

/// A message of Motan, version 2.
pub fn motan2(flags: u8, status: u8, serialization: u8, metadata: &[u8], body: &[u8]) -> Bytes {
    let kind = [8 | status & 7, serialization << 3];
    let len = |octets: &[u8]| (octets.len() as u32).to_be_bytes();
    let header = [
        &[0xf1, 0xf1, flags, kind[0], kind[1]],
        &[0, 0, 0, 0, 0, 0, 0, 7][..],
    ];
    let parts = [
        &header.concat(),
        &len(metadata)[..],
        metadata,
        &len(body),
        body,
    ];
    parts.concat().into()
}

fn behind_length(message: &[u8]) -> Bytes {
    let len = (message.len() as u32).to_be_bytes();
    [&len, message].concat().into()
}

/// A message of THeader, whose `header` is padded as it must be.
fn theader(header: &[u8], payload: &[u8]) -> Bytes {
    let mut header = header.to_vec();
    header.resize(header.len().next_multiple_of(4), 0);
    let words = (header.len() as u16 / 4).to_be_bytes();
    let start = [&[0x0f, 0xff, 0, 0], &[0, 0, 0, 7], &words[..]];
    behind_length(&[&start.concat(), &header, payload].concat())
}

/// Echo of a request to which responses with attachments are welcome.
fn echo_of_dubbo() -> Echo {
    let call = samples::dubbo().swap_remove(0).octets;
    let decoded = Dubbo::default().decode(call);
    decoded.expect("a sound call").head.echo
}

/// Requests and responses of each serialization, one-way calls, and events.
const DUBBO_FLAGS: [u8; 11] = [
    0xc2, 0x02, 0xc6, 0x06, 0xd6, 0x16, 0xd7, 0x17, 0x82, 0xe2, 0xc8,
];
