//! The codec as a connection: heartbeats, limits, and the last word.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use sabir_codecs::motan2::Motan2;
use sabir_core::connection::{Connection, ConnectionError, Event, EventKind, Turn};
use sabir_core::frame::Frame;
use sabir_core::message::MessageConnection;
use sabir_core::outcome::Code;
use sabir_core::output::Output;
use sabir_core::protocol::Limits;

use crate::messages::{self, message};
use crate::vectors::bytes;
use crate::{get, head};

/// What a connection made of some bytes.
struct Heard {
    result: Result<(), ConnectionError>,
    events: usize,
    said: Vec<u8>,
}

fn hear(wire: &[u8], limits: Limits) -> Heard {
    let now = Instant::now();
    let mut conn = MessageConnection::new(Arc::new(Motan2::default()), &limits, now);
    let (mut events, mut out) = (VecDeque::<Event>::new(), Output::default());
    let mut turn = Turn {
        now,
        events: &mut events,
        out: &mut out,
    };
    let result = conn.recv(&mut BytesMut::from(wire), &mut turn);
    Heard {
        result,
        events: events.len(),
        said: out.to_vec(),
    }
}

#[test]
fn heartbeats_are_answered_and_go_no_further() {
    for (ping, pong) in [
        (messages::m4a(), messages::m4b().to_vec()),
        (
            messages::m4c(),
            bytes("f1f113083000000000000000020000000000000000"),
        ),
        (
            message(0x10, 0, 1, b"a\nb", b"N"),
            message(0x11, 0, 1, b"", b"").to_vec(),
        ),
        (messages::m6(), messages::m6r().to_vec()),
        (messages::m4b(), Vec::new()),
    ] {
        let heard = hear(&ping, Limits::default());
        assert_eq!((heard.result, heard.events, heard.said), (Ok(()), 0, pong));
    }
}

#[test]
fn a_long_body_arrives_in_pieces() {
    let wire = messages::long_request();
    for len in [1, 1460, 4096, wire.len() - 1] {
        let now = Instant::now();
        let limits = Limits::default();
        let mut conn = MessageConnection::new(Arc::new(Motan2::default()), &limits, now);
        let (mut events, mut out) = (VecDeque::<Event>::new(), Output::default());
        let mut input = BytesMut::new();
        for piece in wire.chunks(len) {
            assert!(events.is_empty(), "nothing is told before the last byte");
            input.extend_from_slice(piece);
            let mut turn = Turn {
                now,
                events: &mut events,
                out: &mut out,
            };
            assert_eq!(conn.recv(&mut input, &mut turn), Ok(()));
        }
        let Some(EventKind::Frame(Frame::Head(head))) = events.pop_front().map(|e| e.kind) else {
            panic!("no message from pieces of {len}");
        };
        assert_eq!((head.wire(), events.len(), input.len()), (&wire, 0, 0));
    }
}

#[test]
fn a_silent_peer_is_asked_whether_it_lives() {
    let every = Duration::from_secs(5);
    let limits = Limits {
        keepalive: Some(every),
        ..Limits::default()
    };
    let start = Instant::now();
    let mut conn = MessageConnection::new(Arc::new(Motan2::default()), &limits, start);
    let (mut events, mut out) = (VecDeque::new(), Output::default());
    let mut turn = Turn {
        now: start + every,
        events: &mut events,
        out: &mut out,
    };
    assert_eq!(conn.handle_timeout(&mut turn), Ok(()));
    assert_eq!(
        out.to_vec(),
        bytes("f1f110080800000000000000010000000000000000")
    );
}

#[test]
fn a_request_that_is_too_long_is_told_so() {
    let limits = Limits {
        max_message_bytes: 1000,
        ..Limits::default()
    };
    let mut bomb = messages::m1().to_vec();
    bomb[13..17].copy_from_slice(&[0xff; 4]);
    let long = message(0x02, 0, 8, b"M_p\nS\nM_m\nf", &[0; 1000]);
    for (wire, header) in [
        (&bomb[..17], "f1f10109300000000000000001"),
        (&long[..32], "f1f10309400000000000000001"),
    ] {
        let heard = hear(wire, limits);
        assert!(heard.result.is_err());
        assert_eq!(heard.said[..13], bytes(header));
        let answer = heard.said.into();
        assert!(get(&head(&answer), "M_e").is_some_and(|said| {
            said.starts_with(r#"{"errcode":10201,"errmsg":""#)
                && said.ends_with(r#"","errtype":1}"#)
        }));
        assert_eq!(head(&answer).outcome.code, Code::BadRequest);
    }
    let long = messages::motan1(0, 1, 0, &[0; 1000]);
    let heard = hear(&long[..32], limits);
    assert_eq!(
        heard.result,
        Err(ConnectionError::TooLong {
            len: 1032,
            limit: 1000
        })
    );
    let answer = head(&heard.said.into());
    assert_eq!(answer.outcome.code, Code::Internal);
}

#[test]
fn nobody_else_hears_a_last_word() {
    let limits = Limits {
        max_message_bytes: 100,
        ..Limits::default()
    };
    let named = b"M_p\nS\nM_m\nf";
    let mut version = messages::m4a().to_vec();
    version[3] = 0x10;
    // One-way, a response, a heartbeat; another version; no Motan at all; M5 with its metadata cut.
    for wire in [
        message(0x04, 0, 6, named, &[0; 100]).to_vec(),
        message(0x01, 0, 6, b"", &[0; 100]).to_vec(),
        message(0x10, 0, 6, b"", &[0; 100]).to_vec(),
        messages::motan1(1, 1, 1, &[0; 100]).to_vec(),
        version,
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [&messages::m5()[..16], b"\x0a", &messages::m5()[17..]].concat(),
    ] {
        let heard = hear(&wire, limits);
        assert!(heard.result.is_err(), "{wire:?}");
        assert_eq!(heard.said, [0; 0], "{wire:?}");
    }
}

#[test]
fn a_body_of_gigabytes_is_not_awaited() {
    let mut wire = messages::m5().to_vec();
    wire[16] = 0x0a;
    let heard = hear(&wire, Limits::default());
    assert!(matches!(
        heard.result,
        Err(ConnectionError::TooLong {
            len: 0x6600_001f,
            ..
        })
    ));
}
