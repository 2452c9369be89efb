//! Flow control in both directions.

use sabir_codecs::http2::Options;
use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::connection::SendError;
use sabir_core::frame::{Frame, Reason};
use sabir_core::protocol::{Limits, Role};

use crate::side::{
    GET, Seen, Side, data, get, headers, raw, reset, response, rst, shuttle, window_update,
};

const DEFAULT: usize = 65_535;

/// A server that has begun an answer on streams 1 and 3.
fn answering() -> Side {
    let mut server = Side::greeted_server();
    for stream in [1, 3] {
        server.feed(&headers(stream, true, &GET)).unwrap();
        let head = Frame::Head(response(false, "200"));
        server.send(stream.into(), head).unwrap();
    }
    server.seen();
    server.written();
    server
}

#[test]
fn nothing_beyond_the_windows_is_sent() {
    let mut server = answering();
    assert_eq!(server.capacity(1), DEFAULT);
    server.data(1, &vec![0; 40_000], false).unwrap();
    assert_eq!(server.capacity(1), DEFAULT - 40_000);
    assert_eq!(
        server.capacity(3),
        DEFAULT - 40_000,
        "the connection's window"
    );
    let too_much = server.data(3, &vec![0; 30_000], false);
    assert_eq!(too_much, Err(SendError::Unsupported));
    server.data(3, &vec![0; DEFAULT - 40_000], false).unwrap();
    assert_eq!((server.capacity(1), server.capacity(3)), (0, 0));
    let lens: Vec<_> = server.frames().iter().map(|f| f.head.len).collect();
    assert_eq!(lens, [16_384, 16_384, 7_232, 16_384, 9_151]);
}

#[test]
fn streams_are_told_when_there_is_room_again() {
    let mut server = answering();
    server.data(1, &vec![0; DEFAULT], false).unwrap();
    server.feed(&window_update(1, 100)).unwrap();
    assert_eq!(
        server.seen(),
        [""; 0],
        "the connection's window is still shut"
    );
    server.feed(&window_update(0, 50)).unwrap();
    assert_eq!(server.seen(), ["1 writable", "3 writable"]);
    assert_eq!((server.capacity(1), server.capacity(3)), (50, 50));
    server.data(1, &[0; 50], false).unwrap();
    server.feed(&window_update(0, 10)).unwrap();
    assert_eq!(
        server.seen(),
        ["3 writable", "1 writable"],
        "another one first"
    );
}

#[test]
fn a_window_that_is_taken_back_goes_below_zero() {
    let mut server = answering();
    server.feed(&window_update(0, 1 << 20)).unwrap();
    server.data(1, &vec![0; 60_000], false).unwrap();
    server.feed(&raw(4, 0, 0, b"\0\x04\0\0\x40\0")).unwrap();
    assert_eq!((server.capacity(1), server.capacity(3)), (0, 16_384));
    server.feed(&window_update(1, 43_616)).unwrap();
    assert_eq!((server.capacity(1), server.seen().len()), (0, 0));
    server.feed(&window_update(1, 1)).unwrap();
    assert_eq!(
        (server.capacity(1), server.seen()),
        (1, vec!["1 writable".to_owned()])
    );
    server.feed(&raw(4, 0, 0, b"\0\x04\0\0\0\0")).unwrap();
    assert_eq!((server.capacity(1), server.capacity(3)), (0, 0));
    server.feed(&raw(4, 0, 0, b"\0\x04\0\x01\0\0")).unwrap();
    let mut seen = server.seen();
    seen.sort();
    assert_eq!(seen, ["1 writable", "3 writable"]);
}

#[test]
fn windows_beyond_their_largest_cost_what_they_are_of() {
    let mut server = answering();
    server.feed(&window_update(1, (1 << 31) - 1)).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 3)]);
    server.feed(&window_update(3, 0)).unwrap();
    assert_eq!(server.codes(), [(FrameKind::Reset, 3, 1)]);
}

#[test]
fn trailers_and_the_end_need_no_window() {
    let mut server = answering();
    server.data(1, &vec![0; DEFAULT], false).unwrap();
    server.data(1, b"", true).unwrap();
    assert_eq!(server.data(1, b"", true), Err(SendError::Closed));
}

/// How much `frames` grant, on a stream.
fn granted(frames: &[Seen], stream: u32) -> u32 {
    let of = |f: &&Seen| f.head.kind == FrameKind::WindowUpdate && f.head.stream == stream;
    let increment = |f: &Seen| u32::from_be_bytes(f.payload[..].try_into().unwrap());
    frames.iter().filter(of).map(increment).sum()
}

fn small() -> Options {
    Options {
        stream_window: 65_535,
        connection_window: 131_070,
        ..Options::default()
    }
}

#[test]
fn only_what_was_consumed_is_granted_again() {
    let mut server = Side::greeted(small());
    server.feed(&headers(1, false, &GET)).unwrap();
    for _ in 0..3 {
        server.feed(&data(1, false, &[0; 16_384])).unwrap();
    }
    assert_eq!(server.written(), b"", "nothing was consumed");
    server.consumed(1, 32_766);
    assert_eq!(server.written(), b"", "less than half of a window");
    server.consumed(1, 1);
    let frames = server.frames();
    assert_eq!((granted(&frames, 1), granted(&frames, 0)), (32_767, 0));
    server.feed(&data(1, false, &[0; 16_384])).unwrap();
    server.feed(&data(1, false, &[0; 16_384])).unwrap();
    server.feed(&data(1, false, &[0; 16_384])).unwrap();
    assert_eq!(
        server.codes(),
        [(FrameKind::Reset, 1, 3)],
        "more than was granted"
    );
}

#[test]
fn padding_counts_and_is_given_back_at_once() {
    let mut server = Side::greeted(small());
    server.feed(&headers(1, false, &GET)).unwrap();
    let padded = [&[255][..], b"x", &[0; 255]].concat();
    let mut granted_on = [0, 0];
    for _ in 0..500 {
        server.feed(&raw(0, 8, 1, &padded)).unwrap();
        let frames = server.frames();
        granted_on[0] += granted(&frames, 1);
        granted_on[1] += granted(&frames, 0);
    }
    // 256 of each 257 octets are padding, of which less than half a window is saved up.
    assert!(granted_on[0] > 500 * 256 - 32_768, "{granted_on:?}");
    assert!(granted_on[1] > 500 * 256 - 65_536, "{granted_on:?}");
}

#[test]
fn streams_that_end_early_give_the_connections_window_back() {
    for how in 0..4 {
        let mut server = Side::greeted(small());
        let mut granted_again = 0;
        for stream in (1..41).step_by(2) {
            server.feed(&headers(stream, false, &GET)).unwrap();
            server.feed(&data(stream, how == 3, &[0; 16_384])).unwrap();
            match how {
                0 => server.feed(&rst(stream, 8)).unwrap(),
                1 => server
                    .send(stream.into(), reset(Reason::Cancelled))
                    .unwrap(),
                // Answered, with data unread, and with the request ended or not.
                _ => {
                    let head = Frame::Head(response(true, "200"));
                    server.send(stream.into(), head).unwrap();
                }
            }
            server.consumed(stream.into(), 16_384);
            granted_again += granted(&server.frames(), 0);
        }
        assert!(
            granted_again >= 20 * 16_384 - 65_535,
            "{how}: {granted_again}"
        );
        assert!(granted_again <= 20 * 16_384, "{how}: once only");
    }
}

#[test]
fn data_that_crossed_our_reset_still_counts() {
    let mut server = Side::greeted(small());
    server.feed(&headers(1, false, &GET)).unwrap();
    server.send(1, reset(Reason::Cancelled)).unwrap();
    server.written();
    let mut granted_again = 0;
    for _ in 0..20 {
        server.feed(&data(1, false, &[0; 16_384])).unwrap();
        granted_again += granted(&server.frames(), 0);
    }
    assert!(granted_again > 10 * 16_384, "{granted_again}");
}

#[test]
fn a_response_that_is_whole_is_held_to_the_window_until_it_was_read() {
    let options = small();
    let mut client = Side::new(Role::Client, options, &Limits::default());
    client.feed(&raw(4, 0, 0, b"")).unwrap();
    let mut stream = 1;
    for name in 0..7 {
        client.request(name, get(true)).unwrap();
        client
            .feed(&headers(stream, false, &[(":status", "200")]))
            .unwrap();
        client.feed(&data(stream, true, &[0; 16_384])).unwrap();
        stream += 2;
    }
    client.written();
    for name in 0..4 {
        client.consumed(name, 16_384);
    }
    assert_eq!(granted(&client.frames(), 0), 65_536);
    let mut more = |name| {
        client.request(name, get(true)).unwrap();
        let head = headers(stream, false, &[(":status", "200")]);
        let result = client.feed(&[head, data(stream, true, &[0; 16_384])].concat());
        stream += 2;
        result
    };
    for name in 10..14 {
        more(name).unwrap();
    }
    assert!(more(14).is_err(), "81 918 were left of the window");
    // A reset gives back what nobody will read, in streams that are over too.
    let mut client = Side::greeted_client(get(true));
    client
        .feed(&headers(1, false, &[(":status", "200")]))
        .unwrap();
    client.feed(&data(1, true, &[0; 100])).unwrap();
    client.send(7, reset(Reason::Cancelled)).unwrap();
    assert_eq!(client.codes(), [], "there is nothing to reset");
}

#[test]
fn a_body_of_a_megabyte_passes_in_windows() {
    let (mut client, mut server) = (Side::client(), Side::server());
    client.request(1, get(false)).unwrap();
    shuttle(&mut client, &mut server);
    server.seen();
    let (mut sent, mut received) = (0, 0);
    while sent < 1 << 20 {
        let n = client.capacity(1).min((1 << 20) - sent);
        assert!(n > 0, "stuck at {sent}");
        client.data(1, &vec![7; n], sent + n == 1 << 20).unwrap();
        sent += n;
        shuttle(&mut client, &mut server);
        let mut held = 0;
        for event in std::mem::take(&mut server.events) {
            if let sabir_core::connection::EventKind::Frame(Frame::Data { bytes, .. }) = event.kind
            {
                held += bytes.len();
            }
        }
        assert!(held <= Options::default().stream_window as usize);
        received += held;
        server.consumed(1, held);
        shuttle(&mut client, &mut server);
    }
    assert_eq!(received, 1 << 20);
}
