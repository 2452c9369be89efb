use bytes::Bytes;
use sabir_core::output::Output;

use super::*;
use crate::http2::error::{ErrorCode, Fault};

fn written(write: impl FnOnce(&mut Output)) -> Vec<u8> {
    let mut out = Output::default();
    write(&mut out);
    out.to_vec()
}

fn head(octets: &[u8]) -> (Head, &[u8]) {
    let head = Head::load(octets).unwrap();
    assert_eq!(octets.len(), HEAD_LEN + head.len);
    (head, &octets[HEAD_LEN..])
}

#[test]
fn frames_read_back_as_they_were_written() {
    let wire = written(|out| {
        let code = ErrorCode::CANCEL;
        Reset { code }.encode(1, out);
    });
    // H5 of the collected vectors.
    assert_eq!(wire, b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
    let (of, payload) = head(&wire);
    assert_eq!(Reset::load(of, payload).unwrap().code, ErrorCode::CANCEL);

    let (last, code) = (0, ErrorCode::ENHANCE_YOUR_CALM);
    let wire = written(|out| GoAway { last, code }.encode(b"too_many_pings", out));
    // H6.
    assert_eq!(
        wire,
        b"\0\0\x16\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0btoo_many_pings"
    );
    let (of, payload) = head(&wire);
    assert_eq!(GoAway::load(of, payload), Ok(GoAway { last, code }));

    for ack in [false, true] {
        let ping = Ping {
            ack,
            payload: *b"12345678",
        };
        let wire = written(|out| ping.encode(out));
        // H7.
        assert_eq!(wire[..9], [0, 0, 8, 6, ack.into(), 0, 0, 0, 0]);
        let (of, payload) = head(&wire);
        assert_eq!(Ping::load(of, payload), Ok(ping));
    }

    let increment = 70_000;
    let wire = written(|out| WindowUpdate { increment }.encode(3, out));
    let (of, payload) = head(&wire);
    assert_eq!(
        WindowUpdate::load(of, payload),
        Ok(WindowUpdate { increment })
    );
}

#[test]
fn settings_read_back_as_they_were_written() {
    let settings = [
        Setting::HeaderTableSize(0),
        Setting::EnablePush(false),
        Setting::MaxConcurrentStreams(100),
        Setting::InitialWindowSize(1 << 20),
        Setting::MaxFrameSize(1 << 20),
        Setting::MaxHeaderListSize(1 << 16),
        Setting::EnableConnectProtocol(true),
    ];
    let wire = written(|out| encode_settings(&settings, out));
    let (of, payload) = head(&wire);
    let loaded = Settings::load(of, payload).unwrap();
    let values: Vec<_> = loaded.values().map(Result::unwrap).collect();
    assert_eq!(values, settings);
    let wire = written(encode_settings_ack);
    let (of, payload) = head(&wire);
    assert_eq!(Settings::load(of, payload), Ok(Settings::Ack));
}

#[test]
fn settings_out_of_range_have_the_code_of_their_own() {
    let value = |id: u8, value: u32| {
        let [a, b, c, d] = value.to_be_bytes();
        let payload = [0, id, a, b, c, d];
        let settings = Settings::Values(&payload);
        settings.values().next().map(|s| s.map_err(Fatal::code))
    };
    let protocol = Some(Err(ErrorCode::PROTOCOL_ERROR));
    assert_eq!(value(2, 2), protocol);
    assert_eq!(value(4, 1 << 31), Some(Err(ErrorCode::FLOW_CONTROL_ERROR)));
    assert_eq!(value(5, 16_383), protocol);
    assert_eq!(value(5, 1 << 24), protocol);
    assert_eq!(value(8, 2), protocol);
    assert_eq!(value(99, 2), None);
}

#[test]
fn padding_is_cut_off_and_never_longer_than_the_frame() {
    let padded = Head::new(Kind::Data, flags::PADDED, 1, 6);
    let data = Data::load(padded, b"\x03ab\0\0\0").unwrap();
    assert_eq!(data.body, 1..3);
    assert_eq!(Data::load(padded, b"\x05\0\0\0\0\0").unwrap().body, 1..1);
    let too_long = Data::load(padded, b"\x06\0\0\0\0\0").unwrap_err();
    assert_eq!(too_long.code(), ErrorCode::PROTOCOL_ERROR);
    let missing = Data::load(padded, b"").unwrap_err();
    assert_eq!(missing.code(), ErrorCode::FRAME_SIZE_ERROR);
}

#[test]
fn priorities_are_skipped_and_checked() {
    let both = Head::new(Kind::Headers, flags::PADDED | flags::PRIORITY, 1, 9);
    let headers = Headers::load(both, b"\x02\x80\0\0\x01\x10x\0\0").unwrap();
    assert_eq!(headers.fragment, 6..7);
    assert!(headers.depends_on_itself && !headers.end_headers);
    let short = Headers::load(both, b"\x03\x80\0\0\x01\x10\0\0").unwrap_err();
    assert_eq!(short.code(), ErrorCode::FRAME_SIZE_ERROR);

    let priority = Head::new(Kind::Priority, 0, 5, 5);
    let load = |octets: &[u8]| Priority::load(priority, octets);
    assert_eq!(load(b"\0\0\0\x03\0"), Ok(Priority { dependency: 3 }));
    let stream = |fault| match fault {
        Err(Fault::Stream { id, code, .. }) => (id, code),
        other => panic!("{other:?}"),
    };
    let itself = stream(load(b"\0\0\0\x05\0"));
    assert_eq!(itself, (5, ErrorCode::PROTOCOL_ERROR));
    assert_eq!(stream(load(b"\0\0")), (5, ErrorCode::FRAME_SIZE_ERROR));
}

#[test]
fn wrong_lengths_and_streams_are_refused() {
    let on = |stream, kind| Head::new(kind, 0, stream, 0);
    let code = |fatal: Fatal| fatal.code();
    let (size, protocol) = (ErrorCode::FRAME_SIZE_ERROR, ErrorCode::PROTOCOL_ERROR);
    assert_eq!(
        Reset::load(on(1, Kind::Reset), b"123").map_err(code),
        Err(size)
    );
    assert_eq!(
        Reset::load(on(0, Kind::Reset), b"1234").map_err(code),
        Err(protocol)
    );
    assert_eq!(
        Ping::load(on(0, Kind::Ping), b"1234567").map_err(code),
        Err(size)
    );
    assert_eq!(
        Ping::load(on(1, Kind::Ping), b"12345678").map_err(code),
        Err(protocol)
    );
    assert_eq!(
        GoAway::load(on(0, Kind::GoAway), b"1234567").map_err(code),
        Err(size)
    );
    assert_eq!(
        GoAway::load(on(1, Kind::GoAway), b"12345678").map_err(code),
        Err(protocol)
    );
    let settings = |stream, flags, octets| {
        let head = Head::new(Kind::Settings, flags, stream, 0);
        Settings::load(head, octets).err().map(code)
    };
    assert_eq!(settings(0, 0, b"12345"), Some(size));
    assert_eq!(settings(0, flags::ACK, b"123456"), Some(size));
    assert_eq!(settings(1, 0, b""), Some(protocol));
    assert!(Data::load(on(0, Kind::Data), b"").is_err());
    assert!(Headers::load(on(0, Kind::Headers), b"").is_err());
    assert!(WindowUpdate::load(on(1, Kind::WindowUpdate), b"\0\0\0").is_err());
    assert!(WindowUpdate::load(on(1, Kind::WindowUpdate), b"\x80\0\0\0").is_err());
}

#[test]
fn long_bodies_and_blocks_take_several_frames() {
    let body = Bytes::from(vec![b'x'; 25]);
    let wire = written(|out| Data::encode(1, body, true, 10, out));
    let lens: Vec<_> = frames(&wire)
        .iter()
        .map(|h| (h.kind, h.len, h.flags))
        .collect();
    assert_eq!(
        lens,
        [
            (Kind::Data, 10, 0),
            (Kind::Data, 10, 0),
            (Kind::Data, 5, flags::END_STREAM)
        ]
    );
    let wire = written(|out| encode_block(1, &[0; 25], true, 10, out));
    let lens: Vec<_> = frames(&wire)
        .iter()
        .map(|h| (h.kind, h.len, h.flags))
        .collect();
    assert_eq!(
        lens,
        [
            (Kind::Headers, 10, flags::END_STREAM),
            (Kind::Continuation, 10, 0),
            (Kind::Continuation, 5, flags::END_HEADERS)
        ]
    );
    let wire = written(|out| Data::encode(1, Bytes::new(), true, 10, out));
    assert_eq!(frames(&wire).len(), 1);
}

fn frames(mut wire: &[u8]) -> Vec<Head> {
    let mut heads = Vec::new();
    while let Some(head) = Head::load(wire) {
        wire = &wire[HEAD_LEN + head.len..];
        heads.push(head);
    }
    heads
}
