//! What costs more than it is worth ends the connection, and says so.

use std::time::Duration;

use sabir_codecs::http2::Options;
use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::connection::ConnectionError;
use sabir_core::frame::Frame;

use crate::side::{GET, Side, data, headers, raw, response, rst, window_update};

const CALM: u32 = 11;

/// Feeds what `frame` makes until the connection ends, and says what there was too much of.
fn flood(server: &mut Side, mut frame: impl FnMut(u32) -> Vec<u8>) -> (&'static str, u32) {
    for n in 0..50_000 {
        match server.feed(&frame(n)) {
            Ok(()) => {}
            Err(ConnectionError::Flood { what, .. }) => {
                let codes = server.codes();
                let (kind, _, code) = *codes.last().unwrap();
                assert_eq!((kind, code), (FrameKind::GoAway, CALM));
                return (what, n);
            }
            Err(other) => panic!("{other}"),
        }
        server.events.clear();
    }
    panic!("nobody stopped it");
}

#[test]
fn rapid_reset() {
    let mut server = Side::greeted_server();
    let (what, n) = flood(&mut server, |n| {
        let stream = 2 * n + 1;
        [headers(stream, true, &GET), rst(stream, 8)].concat()
    });
    assert_eq!(what, "streams reset by the peer");
    assert!((100..300).contains(&n), "after {n}");
}

#[test]
fn clients_that_give_up_now_and_then_are_no_flood() {
    let mut server = Side::greeted_server();
    for n in 0..5_000u32 {
        let stream = 2 * n + 1;
        server.feed(&headers(stream, true, &GET)).unwrap();
        if n % 3 == 0 {
            server.feed(&rst(stream, 8)).unwrap();
        } else {
            let head = Frame::Head(response(true, "200"));
            server.send(stream.into(), head).unwrap();
        }
        server.events.clear();
        server.written();
    }
}

#[test]
fn resets_provoked_from_us() {
    let mut server = Side::greeted_server();
    let (what, n) = flood(&mut server, |n| {
        let stream = 2 * n + 1;
        [headers(stream, true, &GET), window_update(stream, 0)].concat()
    });
    assert_eq!(what, "streams that had to be reset");
    assert!((100..300).contains(&n), "after {n}");
}

#[test]
fn pings_settings_priorities_and_window_updates() {
    let floods: [(&str, u32, Vec<u8>); 5] = [
        ("PING frames", 2_000, raw(6, 0, 0, &[0; 8])),
        ("SETTINGS frames", 200, raw(4, 0, 0, b"")),
        (
            "frames without a meaning",
            2_000,
            raw(2, 0, 1, b"\0\0\0\0\x01"),
        ),
        ("frames without a meaning", 2_000, raw(0xbe, 0, 0, b"")),
        ("WINDOW_UPDATE frames", 2_000, window_update(0, 1)),
    ];
    for (name, most, frame) in floods {
        let mut server = Side::greeted_server();
        let (what, n) = flood(&mut server, |_| frame.clone());
        assert_eq!(what, name);
        assert!(n <= most, "{name} after {n}");
    }
}

#[test]
fn data_without_data() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, false, &GET)).unwrap();
    let (what, n) = flood(&mut server, |_| data(1, false, b""));
    assert_eq!((what, n), ("empty DATA frames", 100));
    let mut padded = Side::greeted_server();
    padded.feed(&headers(1, false, &GET)).unwrap();
    let (what, _) = flood(&mut padded, |_| raw(0, 8, 1, &[3, 0, 0, 0]));
    assert_eq!(what, "empty DATA frames");
}

#[test]
fn continuations() {
    let mut server = Side::greeted_server();
    server.feed(&raw(1, 1, 1, b"")).unwrap();
    let (what, n) = flood(&mut server, |_| raw(9, 0, 1, b""));
    assert_eq!(what, "CONTINUATION frames");
    assert!(n < 50, "after {n}");
    let mut server = Side::greeted_server();
    server.feed(&raw(1, 1, 1, b"")).unwrap();
    let (what, _) = flood(&mut server, |_| raw(9, 0, 1, &[0x88; 16_384]));
    assert_eq!(what, "octets of header fields");
}

#[test]
fn a_small_block_of_large_fields() {
    let mut server = Side::greeted_server();
    // One large field goes into the table, and is then an octet each time.
    let large = "v".repeat(4_000);
    let mut bomb = vec![0x40, 1, b'x', 0x7f];
    bomb.extend([
        (4_000 - 127) as u8 & 0x7f | 0x80,
        ((4_000 - 127) >> 7) as u8,
    ]);
    bomb.extend(large.as_bytes());
    bomb.extend([0xbe; 4_000]);
    let (what, _) = flood(&mut server, |_| raw(1, 5, 1, &bomb));
    assert_eq!(what, "octets of header fields");
}

#[test]
fn a_head_that_is_too_large_is_answered() {
    let options = Options {
        max_header_list: 1_024,
        ..Options::default()
    };
    let big = "v".repeat(200);
    let many: Vec<_> = (0..8).map(|_| ("x-big", &*big)).collect();
    let mut server = Side::greeted(options);
    server
        .feed(&headers(1, true, &[&GET[..], &many].concat()))
        .unwrap();
    assert_eq!(server.faults(), ["header_list"]);
    let frames = server.frames();
    let mut decoder = Default::default();
    let fields = crate::side::decoded(&frames, &mut decoder);
    assert_eq!(fields, [":status=431", "content-length=0"]);
    server.feed(&headers(3, true, &GET)).unwrap();
    assert_eq!(server.seen().len(), 1, "the connection lives on");
}

#[test]
fn time_forgives() {
    let mut server = Side::greeted_server();
    for _ in 0..20 {
        for _ in 0..90 {
            server.feed(&raw(4, 0, 0, b"")).unwrap();
        }
        server.wait(Duration::from_secs(10)).unwrap();
        server.written();
    }
}

#[test]
fn a_window_that_stays_shut_costs_the_stream_or_all_of_them() {
    let minutes = Duration::from_secs(300);
    let mut server = Side::greeted_server();
    server.feed(&raw(4, 0, 0, b"\0\x04\0\0\0\x0a")).unwrap();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.data(1, &[0; 10], false).unwrap();
    server.seen();
    server.written();
    server.wait(minutes / 2).unwrap();
    assert_eq!(server.codes(), []);
    server.wait(minutes / 2).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, CALM)]);
    assert_eq!(server.seen(), ["1 reset Peer"]);

    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.feed(&window_update(1, 1_000)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.data(1, &vec![0; 65_535], false).unwrap();
    server.written();
    assert!(server.wait(minutes).is_err());
    assert_eq!(server.codes(), [(FrameKind::GoAway, 1, CALM)]);
}

#[test]
fn a_window_that_opens_in_time_costs_nothing() {
    let minutes = Duration::from_secs(300);
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.data(1, &vec![0; 65_535], false).unwrap();
    server.wait(minutes / 2).unwrap();
    server.feed(&window_update(0, 1_000)).unwrap();
    server.feed(&window_update(1, 1_000)).unwrap();
    server.written();
    server.wait(minutes * 2).unwrap();
    assert_eq!(server.codes(), []);
}
