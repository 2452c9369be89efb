//! GOAWAY both ways, and keep-alives.

use std::time::Duration;

use sabir_codecs::http2::Options;
use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::connection::{Connection, ConnectionError};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::protocol::{Limits, Role};

use crate::side::{GET, Side, get, headers, raw, response, shuttle};

const LARGEST: u32 = (1 << 31) - 1;

fn go_away(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    raw(7, 0, 0, &payload)
}

#[test]
fn a_server_drains_in_two_steps() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.turn(|conn, turn| conn.drain(turn));
    let frames = server.frames();
    let kinds: Vec<_> = frames.iter().map(|f| f.head.kind).collect();
    assert_eq!(kinds, [FrameKind::GoAway, FrameKind::Ping]);
    assert_eq!(frames[0].payload[..4], LARGEST.to_be_bytes());
    // A request that crossed the notice is still served.
    server.feed(&headers(3, true, &GET)).unwrap();
    assert_eq!(server.seen().len(), 2);
    server.feed(&raw(6, 1, 0, &frames[1].payload)).unwrap();
    assert_eq!(server.codes(), [(FrameKind::GoAway, 3, 0)]);
    server.feed(&headers(5, true, &GET)).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 5, 7)]);
    for stream in [1, 3] {
        assert!(!server.conn.is_finished());
        server
            .send(stream, Frame::Head(response(true, "200")))
            .unwrap();
    }
    assert!(server.conn.is_finished());
}

#[test]
fn a_client_that_does_not_answer_the_ping_is_not_waited_for() {
    let mut server = Side::greeted_server();
    server.turn(|conn, turn| conn.drain(turn));
    server.turn(|conn, turn| conn.drain(turn));
    assert_eq!(
        server.codes(),
        [(FrameKind::GoAway, LARGEST, 0)],
        "it is said once"
    );
    let due = server.conn.next_timeout().unwrap() - server.now;
    server.wait(due).unwrap();
    assert_eq!(server.codes(), [(FrameKind::GoAway, 0, 0)]);
    assert!(server.conn.is_finished());
}

#[test]
fn a_client_opens_nothing_after_goaway_and_learns_what_was_not_seen() {
    let mut client = Side::greeted_client(get(true));
    for name in [8, 9] {
        client.request(name, get(true)).unwrap();
    }
    client.feed(&go_away(LARGEST, 0)).unwrap();
    assert_eq!(client.seen(), ["Retired"]);
    assert!(!client.conn.open(StreamId(10)));
    client.feed(&go_away(3, 0)).unwrap();
    assert_eq!(client.seen(), ["9 reset Refused"]);
    client
        .feed(&headers(1, true, &[(":status", "200")]))
        .unwrap();
    assert!(!client.conn.is_finished());
    client
        .feed(&headers(3, true, &[(":status", "200")]))
        .unwrap();
    assert!(client.conn.is_finished());
    assert_eq!(client.seen().len(), 2);
}

#[test]
fn both_sides_finish_together() {
    let (mut client, mut server) = (Side::client(), Side::server());
    client.request(1, get(true)).unwrap();
    shuttle(&mut client, &mut server);
    server.turn(|conn, turn| conn.drain(turn));
    shuttle(&mut client, &mut server);
    server.send(1, Frame::Head(response(true, "200"))).unwrap();
    shuttle(&mut client, &mut server);
    assert!(client.conn.is_finished() && server.conn.is_finished());
}

#[test]
fn a_client_of_ours_that_drains_opens_nothing() {
    let mut client = Side::greeted_client(get(true));
    client.turn(|conn, turn| conn.drain(turn));
    assert!(!client.conn.open(StreamId(8)));
    client
        .feed(&headers(1, true, &[(":status", "200")]))
        .unwrap();
    assert!(client.conn.is_finished());
}

fn limits(seconds: u64) -> Limits {
    Limits {
        keepalive: Some(Duration::from_secs(seconds)),
        ..Limits::default()
    }
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let mut server = Side::new(Role::Server, Options::default(), &limits(10));
    server.feed(&crate::side::greeting()).unwrap();
    server.written();
    server.wait(Duration::from_secs(9)).unwrap();
    assert_eq!(server.written(), b"");
    server.wait(Duration::from_secs(1)).unwrap();
    let ping = server.frames();
    assert_eq!(ping[0].head.kind, FrameKind::Ping);
    server.wait(Duration::from_secs(5)).unwrap();
    server.feed(&raw(6, 1, 0, &ping[0].payload)).unwrap();
    server.wait(Duration::from_secs(10)).unwrap();
    assert_eq!(server.frames().len(), 1, "asked again after it answered");
    let silent = server.wait(Duration::from_secs(20));
    let silence = Duration::from_secs(30);
    assert_eq!(silent, Err(ConnectionError::Silent { silence }));
    assert_eq!(server.codes(), [(FrameKind::GoAway, 0, 0)]);
}

#[test]
fn servers_are_asked_only_for_a_stream_and_not_too_often() {
    let mut client = Side::new(Role::Client, Options::default(), &limits(10));
    client.feed(&raw(4, 0, 0, b"")).unwrap();
    assert_eq!(client.conn.next_timeout(), None);
    client.request(1, get(true)).unwrap();
    client.written();
    assert_eq!(
        client.conn.next_timeout(),
        Some(client.now + Duration::from_secs(300))
    );
    client.wait(Duration::from_secs(300)).unwrap();
    assert_eq!(client.frames()[0].head.kind, FrameKind::Ping);
    assert!(client.wait(Duration::from_secs(20)).is_err());
}

#[test]
fn pings_are_answered_with_what_they_brought() {
    let mut server = Side::greeted_server();
    server.feed(b"\0\0\x08\x06\0\0\0\0\x0012345678").unwrap();
    // H7 of the collected vectors.
    assert_eq!(server.written(), b"\0\0\x08\x06\x01\0\0\0\x0012345678");
}

/// A client that takes all its windows allow, and never opens them again.
fn shut(options: Options, settings: &[u8]) -> Side {
    let mut server = Side::greeted(options);
    server.feed(&raw(4, 0, 0, settings)).unwrap();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server
}

const STALL: Duration = Duration::from_secs(300);

#[test]
fn a_connection_that_stays_shut_without_streams_is_not_due_for_ever() {
    let mut server = shut(Options::default(), &[0, 4, 0, 1, 0, 0]);
    server.data(1, &[0; 65_535], true).unwrap();
    assert_eq!(server.wait(STALL), Ok(()));
    let due = server.conn.next_timeout();
    assert!(due.is_none_or(|due| due > server.now), "{due:?}");
}

#[test]
fn streams_that_begin_with_a_shut_window_are_not_waited_for_for_ever() {
    let mut server = shut(Options::default(), &[0, 4, 0, 0, 0, 0]);
    server.written();
    assert!(server.conn.next_timeout().is_some());
    assert_eq!(server.wait(STALL), Ok(()));
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 11)]);
}

#[test]
fn streams_whose_window_was_shut_by_settings_are_not_waited_for_for_ever() {
    let mut server = shut(Options::default(), &[]);
    server.data(1, b"x", false).unwrap();
    server.feed(&raw(4, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    server.written();
    assert_eq!(server.wait(STALL), Ok(()));
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 11)]);
}
