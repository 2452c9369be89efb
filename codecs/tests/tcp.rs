//! How long a tunnel of raw bytes may be silent.

#![expect(clippy::unwrap_used, reason = "what tests share panics as tests do")]

use std::time::Duration;

use sabir_codecs::registry::built_in;
use sabir_core::connection::EventKind;
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::kit::side::{Promises, Side, Streams};
use sabir_core::protocol::{Limits, Role};
use serde_json::{Value, json};

const STREAM: StreamId = StreamId(1);
const SECOND: Duration = Duration::from_secs(1);

/// A connection of a client's that has just begun.
fn begun(options: &Value) -> Side {
    watched(options, Streams::Exchanges)
}

fn watched(options: &Value, streams: Streams) -> Side {
    let protocol = built_in().make("tcp", options).unwrap().unwrap();
    let promises = Promises {
        streams,
        most_unread: usize::MAX,
        most_input: 0,
    };
    let mut side = Side::new(&*protocol, Role::Server, &Limits::default(), promises);
    side.wait(Duration::ZERO).unwrap();
    let begins = |event: &EventKind| matches!(event, EventKind::Frame(Frame::Head(_)));
    assert!(side.events().iter().any(|event| begins(&event.kind)));
    side
}

/// Whether the tunnel was given up since it was last asked.
fn is_given_up(side: &mut Side) -> bool {
    let reset = |event: &EventKind| {
        let reason = Reason::Cancelled;
        matches!(event, EventKind::Frame(Frame::Reset(why)) if *why == reason)
    };
    let given_up = side.events().iter().any(|event| reset(&event.kind));
    assert_eq!(given_up, side.is_finished());
    given_up
}

fn data(bytes: &'static [u8], end: bool) -> Frame {
    let bytes = bytes.into();
    Frame::Data { bytes, end }
}

#[test]
fn a_tunnel_that_is_silent_both_ways_is_given_up() {
    for (options, limit) in [(json!({}), 3600), (json!({"tunnel_timeout": 5}), 5)] {
        let mut side = begun(&options);
        side.wait(SECOND * (limit - 1)).unwrap();
        assert!(!is_given_up(&mut side));
        side.wait(SECOND).unwrap();
        assert!(is_given_up(&mut side));
    }
}

#[test]
fn either_direction_keeps_a_tunnel() {
    let mut side = begun(&json!({"tunnel_timeout": 5}));
    for _ in 0..10 {
        side.wait(SECOND * 4).unwrap();
        side.feed(b"a word").unwrap();
        side.consumed(STREAM, 6);
        side.wait(SECOND * 4).unwrap();
        assert!(side.send(STREAM, data(b"another", false)).is_ok());
        assert!(!is_given_up(&mut side));
    }
}

#[test]
fn a_tunnel_half_closed_is_given_up_as_any_other() {
    let options = json!({"tunnel_timeout": 5});
    // Elsewhere an exchange is over with its answer, and nothing follows.
    let mut ended_by_server = watched(&options, Streams::Unknown);
    assert!(ended_by_server.send(STREAM, data(b"bye", true)).is_ok());
    let mut ended_by_client = begun(&options);
    ended_by_client.eof().unwrap();
    for mut side in [ended_by_server, ended_by_client] {
        side.wait(SECOND * 4).unwrap();
        assert!(!is_given_up(&mut side));
        side.wait(SECOND).unwrap();
        assert!(is_given_up(&mut side));
    }
}

#[test]
fn a_client_that_is_held_back_is_not_silent() {
    let mut side = begun(&json!({"tunnel_timeout": 5}));
    side.feed(&[0; 64 << 10]).unwrap();
    assert!(!side.wants_read());
    side.wait(SECOND * 9).unwrap();
    assert!(!is_given_up(&mut side));
    side.consumed(STREAM, 64 << 10);
    side.wait(SECOND * 9).unwrap();
    assert!(is_given_up(&mut side));
}

#[test]
fn without_a_limit_a_tunnel_stays() {
    let mut side = begun(&json!({"tunnel_timeout": 0}));
    side.wait(SECOND * 1_000_000).unwrap();
    assert!(!is_given_up(&mut side));
}

#[test]
fn options_are_checked() {
    let refused = [
        (
            json!({"timeout": 1}),
            "unknown option timeout; tcp knows tunnel_timeout",
        ),
        (
            json!({"tunnel_timeout": -1}),
            "tunnel_timeout: not a number of seconds from 0 to a year",
        ),
        (
            json!({"tunnel_timeout": "1s"}),
            "tunnel_timeout: not a number of seconds from 0 to a year",
        ),
    ];
    for (options, expected) in refused {
        let error = built_in().make("tcp", &options).unwrap().err();
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some(expected)
        );
    }
}
