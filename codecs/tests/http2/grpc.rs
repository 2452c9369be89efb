//! gRPC: outcomes from trailers, and answers that its clients understand.

use sabir_codecs::http2::frame::Kind as FrameKind;
use sabir_core::connection::Connection;
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Kind;
use sabir_core::outcome::{Code, Outcome, Party, Reply};

use crate::side::{CALL, GET, Side, data, decoded, foreign, headers, response};

fn call() -> sabir_core::head::Head {
    foreign(Kind::Request, true, &CALL)
}

const OK: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];

fn called() -> Side {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &CALL)).unwrap();
    server.seen();
    server
}

#[test]
fn the_trailers_say_how_it_ended() {
    for (status, code) in [
        ("0", Code::Ok),
        ("5", Code::BusinessError),
        ("14", Code::Unavailable),
        ("4", Code::TimedOut),
        ("nonsense", Code::BusinessError),
    ] {
        let mut client = Side::greeted_client(call());
        client.feed(&headers(1, false, &OK)).unwrap();
        assert!(client.head().outcome.is_ok());
        client.feed(&data(1, false, b"\0\0\0\0\0")).unwrap();
        client
            .feed(&headers(1, true, &[("grpc-status", status)]))
            .unwrap();
        assert_eq!(client.head().outcome.code, code, "{status}");
    }
}

#[test]
fn h4_trailers_only() {
    let h4 = b"\x00\x00\x46\x01\x05\x00\x00\x00\x01\x88\x0f\x10\x10application/grpc\
        \x00\x0bgrpc-status\x0214\x00\x0cgrpc-message\x13no healthy upstream";
    let mut client = Side::greeted_client(call());
    client.feed(h4).unwrap();
    let head = client.head();
    assert!(head.end);
    assert_eq!(head.outcome.code, Code::Unavailable);
    assert_eq!(head.outcome.party, Party::Infrastructure);
}

#[test]
fn an_answer_without_a_status_is_no_answer() {
    let mut client = Side::greeted_client(call());
    client.feed(&headers(1, true, &OK)).unwrap();
    assert_eq!(client.head().outcome.code, Code::BadResponse);
    let mut client = Side::greeted_client(call());
    client
        .feed(&headers(1, true, &[(":status", "503")]))
        .unwrap();
    assert_eq!(client.head().outcome.code, Code::Unavailable);
    let mut client = Side::greeted_client(call());
    let both = [(":status", "503"), ("grpc-status", "5")];
    client.feed(&headers(1, true, &both)).unwrap();
    assert_eq!(
        client.head().outcome,
        Outcome::BUSINESS_ERROR,
        "grpc-status wins"
    );
}

#[test]
fn replies_are_trailers_only() {
    for (code, status) in [
        (Code::NotFound, "12"),
        (Code::Unavailable, "14"),
        (Code::Overloaded, "14"),
        (Code::TimedOut, "4"),
        (Code::RateLimited, "8"),
        (Code::Denied, "7"),
    ] {
        let mut server = called();
        server.reply(1, &Reply::refused(code, "100% n\u{f6}"));
        let frames = server.frames();
        assert_eq!(frames.len(), 1);
        assert_eq!(
            (frames[0].head.kind, frames[0].head.flags),
            (FrameKind::Headers, 5)
        );
        let fields = decoded(&frames, &mut Default::default());
        let status = format!("grpc-status={status}");
        let want = [
            ":status=200",
            "content-type=application/grpc",
            &status,
            "grpc-message=100%25 n%C3%B6",
        ];
        assert_eq!(fields, want, "{code:?}");
    }
}

#[test]
fn an_answer_that_is_cut_short_ends_with_a_status() {
    let gone = Reply::refused(Code::Unavailable, "it is gone");
    let mut server = called();
    let head = foreign(Kind::Response, false, &OK);
    server.send(1, Frame::Head(head)).unwrap();
    server.data(1, b"half a mess", false).unwrap();
    let mut decoder = Default::default();
    decoded(&server.frames(), &mut decoder);
    server.turn(|conn, turn| conn.cut_short(StreamId(1), &gone, turn));
    let frames = server.frames();
    assert_eq!(frames[0].head.flags, 5, "it is the end");
    let fields = decoded(&frames, &mut decoder);
    assert_eq!(fields, ["grpc-status=14", "grpc-message=it is gone"]);
    // Nothing else has words for it.
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &GET)).unwrap();
    server.send(1, Frame::Head(response(false, "200"))).unwrap();
    server.written();
    server.turn(|conn, turn| conn.cut_short(StreamId(1), &gone, turn));
    assert_eq!(server.codes(), [(FrameKind::Reset, 1, 8)]);
}

#[test]
fn an_answer_of_http_becomes_one_of_grpc() {
    for (http, grpc) in [("503", "14"), ("404", "12"), ("401", "16"), ("500", "2")] {
        let mut server = called();
        server.send(1, Frame::Head(response(false, http))).unwrap();
        let frames = server.frames();
        let fields = decoded(&frames, &mut Default::default());
        assert_eq!(fields[0], ":status=200");
        assert_eq!(fields[2], format!("grpc-status={grpc}"));
        assert_eq!(frames[0].head.flags, 5, "it is the end");
        assert!(
            server.capacity(1) > 1 << 20,
            "what still comes is thrown away"
        );
        server.data(1, b"<html>", false).unwrap();
        server.data(1, b"</html>", true).unwrap();
        assert_eq!(server.written(), b"");
        assert!(server.data(1, b"", true).is_err(), "and it is over");
    }
    let mut server = called();
    let trailers_only = foreign(
        Kind::Response,
        true,
        &[(":status", "503"), ("grpc-status", "5")],
    );
    server.send(1, Frame::Head(trailers_only)).unwrap();
    let fields = decoded(&server.frames(), &mut Default::default());
    assert_eq!(
        fields[0], ":status=503",
        "an answer of gRPC passes as it is"
    );
}

#[test]
fn service_and_method_are_rewritten_in_the_path() {
    let mut server = Side::greeted_server();
    server.feed(&headers(1, true, &CALL)).unwrap();
    let mut head = server.head();
    head.set(&"method".into(), b"Bye");
    let mut client = Side::client();
    client.request(1, head.clone()).unwrap();
    head.set(&"service".into(), b"demo.v2.Greeter");
    client.request(2, head).unwrap();
    let mut upstream = Side::server();
    crate::side::shuttle(&mut client, &mut upstream);
    let paths: Vec<_> = upstream.seen();
    assert!(paths[0].contains(":path=/demo.Greeter/Bye"), "{paths:?}");
    assert!(paths[1].contains(":path=/demo.v2.Greeter/Bye"), "{paths:?}");
    assert!(
        paths[1].contains(":authority=x"),
        "the authority is another thing"
    );
}

#[test]
fn a_call_that_is_given_up_is_given_up_upstream() {
    use sabir_core::frame::Reason;
    let mut client = Side::greeted_client(call());
    client.send(7, Frame::Reset(Reason::Cancelled)).unwrap();
    // H5 of the collected vectors.
    assert_eq!(client.written(), b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
    assert!(!client.conn.is_finished());
}
