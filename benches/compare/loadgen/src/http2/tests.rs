use super::frame::{
    ACK, Frame, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    put, put_settings,
};
use super::{Caller, Echo, Flavour};
use crate::kit;
use crate::protocol::{Answers as _, Calls as _, Step, Ticket, Verdict, Violation};

const FLAVOURS: [Flavour; 2] = [Flavour::Plain, Flavour::Grpc];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn caller(flavour: Flavour, body: u64) -> Caller {
    Caller::new(&kit::call(), flavour, body).expect("one service")
}

/// Feeds `bytes` to a client, and returns its replies.
fn replies(
    caller: &Caller,
    state: &mut <Caller as crate::protocol::Calls>::State,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> Vec<(Ticket, Verdict)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        match caller.read_reply(state, &bytes[at..], out) {
            Ok(Step::Skip { consumed }) => at += consumed,
            Ok(Step::Reply {
                consumed,
                ticket,
                verdict,
            }) => {
                at += consumed;
                found.push((ticket, verdict));
            }
            other => panic!("{other:?} at {at} of {}", bytes.len()),
        }
    }
    found
}

/// Both sides talk until nothing is left to say.
fn talk(flavour: Flavour, body: u64, requests: u64) -> Vec<(Ticket, Verdict)> {
    let (caller, echo) = (caller(flavour, body), Echo::new(flavour, body));
    let mut up = Vec::new();
    let mut state = caller.open(7, &mut up);
    for number in 0..requests {
        let ticket = Ticket::new(number + 1, number as u16);
        caller.write_request(&mut state, ticket, &mut up);
    }
    let (mut answers, mut found) = (Default::default(), Vec::new());
    while !up.is_empty() {
        let (mut down, mut at) = (Vec::new(), 0);
        while at < up.len() {
            match echo.answer(&mut answers, &up[at..], &mut down) {
                Ok(Step::Skip { consumed }) => at += consumed,
                other => panic!("{other:?}"),
            }
        }
        up.clear();
        found.extend(replies(&caller, &mut state, &down, &mut up));
    }
    found
}

#[test]
fn every_request_gets_its_reply_whatever_windows_allow() {
    for flavour in FLAVOURS {
        for body in [16, 1024, 16_384, 65_536, 300_000] {
            let found = talk(flavour, body, 5);
            assert_eq!(found.len(), 5, "{flavour:?} {body}");
            assert!(found.iter().all(|(_, verdict)| *verdict == Verdict::Right));
        }
    }
}

#[test]
fn a_body_waits_for_windows_and_goes_on_when_they_open() {
    let caller = caller(Flavour::Plain, 100_000);
    let mut out = Vec::new();
    let mut state = caller.open(0, &mut out);
    out.clear();
    caller.write_request(&mut state, Ticket::new(1, 0), &mut out);
    assert_eq!(body_octets(&out), 65_535);
    let mut more = Vec::new();
    put_settings(&[(INITIAL_WINDOW_SIZE, 80_000)], &mut more);
    out.clear();
    replies(&caller, &mut state, &more, &mut out);
    // The stream has room now, the connection none.
    assert_eq!(body_octets(&out), 0);
    more.clear();
    put(WINDOW_UPDATE, 0, 0, &50_000_u32.to_be_bytes(), &mut more);
    replies(&caller, &mut state, &more, &mut out);
    assert_eq!(body_octets(&out), 80_000 - 65_535);
    more.clear();
    put(WINDOW_UPDATE, 0, 1, &50_000_u32.to_be_bytes(), &mut more);
    replies(&caller, &mut state, &more, &mut out);
    assert_eq!(body_octets(&out), 100_000 - 65_535);
}

fn body_octets(mut bytes: &[u8]) -> usize {
    let mut octets = 0;
    while let Ok(Ok(frame)) = Frame::read(bytes) {
        if frame.kind == super::frame::DATA {
            octets += frame.payload.len();
        }
        bytes = &bytes[frame.length()..];
    }
    octets
}

#[test]
fn a_changed_octet_of_the_body_another_connection_or_missing_trailers_are_found() {
    for flavour in FLAVOURS {
        let (caller, echo) = (caller(flavour, 128), Echo::new(flavour, 128));
        let ticket = Ticket::new(1, 0);
        let exchange = || kit::exchange(&caller, &echo, ticket);
        let reply = exchange().reply;
        let body_at = reply.len() - 128 - if flavour == Flavour::Grpc { 24 } else { 0 };
        let judge = |bytes: &[u8]| {
            let mut state = exchange().state;
            replies(&caller, &mut state, bytes, &mut Vec::new())
        };
        assert_eq!(judge(&reply), [(ticket, Verdict::Right)]);
        for at in body_at..body_at + 128 {
            let mut changed = reply.clone();
            changed[at] ^= 1;
            assert_eq!(judge(&changed), [(ticket, Verdict::Content)], "{at}");
        }
        let mut other = caller.open(8, &mut Vec::new());
        caller.write_request(&mut other, ticket, &mut Vec::new());
        let found = replies(&caller, &mut other, &reply, &mut Vec::new());
        assert_eq!(found, [(ticket, Verdict::Content)]);
    }
}

#[test]
fn refusals_and_resets_are_told_apart() {
    let caller = caller(Flavour::Plain, 16);
    let mut state = caller.open(0, &mut Vec::new());
    let tickets = [1, 2, 3].map(|number| Ticket::new(number, number as u16));
    for ticket in tickets {
        caller.write_request(&mut state, ticket, &mut Vec::new());
    }
    let mut bytes = Vec::new();
    put(HEADERS, 5, 1, &[0x8d], &mut bytes);
    put(RST_STREAM, 0, 3, &7_u32.to_be_bytes(), &mut bytes);
    put(HEADERS, 5, 5, b"\x48\x03503", &mut bytes);
    put(HEADERS, 5, 5, &[0x88], &mut bytes);
    let found = replies(&caller, &mut state, &bytes, &mut Vec::new());
    let verdicts = [Verdict::Status(404), Verdict::Reset(7), Verdict::Status(0)];
    assert_eq!(
        found,
        std::array::from_fn::<_, 3, _>(|at| (tickets[at], verdicts[at]))
    );
}

#[test]
fn pings_and_settings_are_acknowledged_and_padding_is_no_content() {
    let (caller, ticket) = (caller(Flavour::Plain, 16), Ticket::new(1, 0));
    let mut state = caller.open(7, &mut Vec::new());
    caller.write_request(&mut state, ticket, &mut Vec::new());
    let mut bytes = Vec::new();
    put(PING, 0, 0, b"12345678", &mut bytes);
    put_settings(&[], &mut bytes);
    put(HEADERS, 4, 1, &[0x88], &mut bytes);
    let padded = [&[3][..], b"0000007000010000", &[0; 3]].concat();
    put(0, 0x09, 1, &padded, &mut bytes);
    let mut out = Vec::new();
    let found = replies(&caller, &mut state, &bytes, &mut out);
    assert_eq!(found, [(ticket, Verdict::Right)]);
    let mut expected = Vec::new();
    put(PING, ACK, 0, b"12345678", &mut expected);
    put(SETTINGS, ACK, 0, &[], &mut expected);
    assert_eq!(out, expected);
}

#[test]
fn what_cannot_be_served_ends_the_connection() {
    let caller = caller(Flavour::Plain, 16);
    let mut state = caller.open(0, &mut Vec::new());
    let mut leaving = Vec::new();
    put(GOAWAY, 0, 0, &[0; 8], &mut leaving);
    let step = caller.read_reply(&mut state, &leaving, &mut Vec::new());
    assert_eq!(step, Err(Violation::Leaving));
    let long = b"\x00\x40\x01\x00\x00\x00\x00\x00\x01";
    let step = caller.read_reply(&mut state, long, &mut Vec::new());
    assert_eq!(step, Err(Violation::TooLarge(16_385)));

    let echo = Echo::new(Flavour::Plain, 16);
    let mut answers = Default::default();
    let step = echo.answer(&mut answers, b"GET / HTTP/1.1\r\n", &mut Vec::new());
    assert_eq!(step, Err(Violation::Magic));
    let step = echo.answer(&mut answers, &PREFACE[..10], &mut Vec::new());
    assert_eq!(step, Ok(Step::Wait { needed: 24 }));
}
