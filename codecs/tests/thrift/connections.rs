//! Whose turn it is, and whom an answer is for.

use bytes::Bytes;
use sabir_codecs::thrift::{Choice, Names, Options};
use sabir_core::connection::{ConnectionError, SendError, Written};
use sabir_core::frame::StreamId;
use sabir_core::head::Kind;
use sabir_core::metadata::Malformed;
use sabir_core::name::Name;
use sabir_core::outcome::{Code, Reply};
use sabir_core::protocol::Role;

use crate::driven::Driven;
use crate::messages::*;
use crate::vectors::bytes;
use crate::{decode, get};

const MULTIPLEXING: Options = Options {
    transport: Choice::Auto,
    protocol: Choice::Auto,
    multiplexing: true,
    validate: false,
    one_way: Names::NONE,
};

/// A void result of `hi` with sequence id `seqid`.
fn answer(seqid: u32) -> Bytes {
    framed(&format!("80010002000000026869{seqid:08x}00"))
}

/// A call of `hi` without arguments with sequence id `seqid`.
fn call(seqid: u32) -> Bytes {
    framed(&format!("80010001000000026869{seqid:08x}00"))
}

#[test]
fn a_server_answers_before_it_reads_on() {
    let mut server = Driven::server();
    let two = [framed(T1), unframed(T3)].concat();
    let (stream, head) = server.recv_one(&two);
    assert_eq!((head.method(), head.kind), (&b"hi"[..], Kind::Request));
    assert_eq!(server.unread(), bytes(T3).len());
    assert!(
        !server.wants_read(),
        "nobody buffers what it may not look at"
    );
    server.refuse(stream, Code::NotFound);
    assert!(server.wants_read());
    assert_eq!(
        server.sent(),
        framed("80010003000000026869000000010b0001000000026e6f0800020000000100")
    );
    let (stream, _) = server.recv_one(b"");
    assert!(server.wants_read(), "to hear whether the client leaves");
    server.refuse(stream, Code::TimedOut);
    assert_eq!(server.sent(), unframed("8261010268691802 6e6f150c00"));
}

#[test]
fn calls_without_answer_do_not_hold_back_the_next() {
    let mut server = Driven::server();
    let three = [unframed(T3N), unframed(T3N), unframed(T1)].concat();
    let kinds: Vec<_> = server
        .recv(&three)
        .unwrap()
        .iter()
        .map(|(_, head)| head.kind)
        .collect();
    assert_eq!(kinds, [Kind::OneWay, Kind::OneWay, Kind::Request]);
    let mut client = Driven::client();
    for stream in [1, 2] {
        assert!(client.open(StreamId(stream)));
        let sent = client.send(StreamId(stream), decode(&unframed(T3N)));
        assert_eq!(sent, Ok(Written::Whole));
        assert_eq!(client.sent(), unframed(T3N));
    }
    assert!(client.open(StreamId(3)));
}

/// Clients of the Go library give one-way calls the type of ordinary ones.
#[test]
fn calls_that_nobody_answers_may_be_known_by_name() {
    let names = ["hi", "Calc:add"].map(str::to_owned);
    let options = Options {
        one_way: names.into_iter().collect(),
        ..Options::default()
    };
    let mut server = Driven::new(Role::Server, &options);
    let other_service = T4.replace("43616c63", "436f7265");
    let all = [framed(T1), unframed(T3), unframed(T4)].concat();
    let heads = server.recv(&[&all[..], &unframed(&other_service)].concat());
    let heads = heads.unwrap();
    let kinds: Vec<_> = heads.iter().map(|(_, head)| head.kind).collect();
    assert_eq!(
        kinds,
        [Kind::OneWay, Kind::OneWay, Kind::OneWay, Kind::Request]
    );
    assert_eq!(get(&heads[0].1, ":type").as_deref(), Some("call"));

    let mut client = Driven::client();
    let sent = client.send(StreamId(1), heads[0].1.clone());
    assert_eq!((sent, client.sent()), (Ok(Written::Whole), framed(T1)));
    assert!(client.open(StreamId(2)), "no answer is awaited");
}

#[test]
fn a_client_has_one_call_at_a_time_and_leaves_its_id_alone() {
    let mut client = Driven::client();
    let stream = StreamId(77);
    assert!(client.open(stream));
    assert_eq!(client.send(stream, decode(&framed(T1))), Ok(Written::Whole));
    assert_eq!(client.sent(), framed(T1));
    assert!(!client.open(StreamId(78)));
    let (answered, head) = client.recv_one(&answer(1));
    assert_eq!((answered, head.kind), (stream, Kind::Response));
    assert!(client.open(StreamId(78)));
    assert_eq!(
        client.recv(&answer(1)).unwrap_err(),
        ConnectionError::Unsolicited
    );
}

#[test]
fn an_answer_to_something_else_ends_the_connection() {
    let other_name = framed("8001000200000003796f750000000100");
    for wrong in [answer(2), other_name] {
        let mut client = Driven::client();
        let _ = client.send(StreamId(1), decode(&framed(T1)));
        assert_eq!(
            client.recv(&wrong).unwrap_err(),
            ConnectionError::Unsolicited
        );
    }
}

#[test]
fn an_abandoned_call_takes_its_connection_along() {
    let mut client = Driven::client();
    let _ = client.send(StreamId(1), decode(&framed(T1)));
    client.reset(StreamId(2));
    assert!(!client.is_finished(), "another stream's");
    client.reset(StreamId(1));
    assert!(client.is_finished());
    assert!(!client.open(StreamId(3)));
    assert_eq!(client.recv(&answer(1)).map(|heads| heads.len()), Ok(0));

    let mut client = Driven::client();
    let _ = client.send(StreamId(1), decode(&framed(T1)));
    client.recv_one(&answer(1));
    client.reset(StreamId(1));
    assert!(!client.is_finished(), "it was answered before");
}

#[test]
fn an_answer_that_cannot_be_completed_ends_the_callers_connection() {
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&framed(T1));
    server.reset(stream);
    assert!(server.is_finished());
}

#[test]
fn multiplexed_calls_get_ids_of_the_connection_and_their_own_back() {
    let mut server = Driven::new(Role::Server, &MULTIPLEXING);
    let mut client = Driven::new(Role::Client, &MULTIPLEXING);
    let both = [call(0), call(0)].concat();
    let calls = server.recv(&both).unwrap();
    assert_eq!(calls.len(), 2);
    let mut callers = Vec::new();
    for (id, (stream, head)) in calls.into_iter().enumerate() {
        let id = StreamId(0x10_0000 + id as u64);
        assert!(client.open(id));
        assert_eq!(client.send(id, head), Ok(Written::Whole));
        callers.push((id, stream));
    }
    assert_eq!(client.sent(), [call(0x10_0000), call(0x10_0001)].concat());
    for seqid in [0x10_0001, 0x10_0000] {
        let (id, head) = client.recv_one(&answer(seqid));
        let (_, caller) = callers.iter().find(|(known, _)| *known == id).unwrap();
        assert_eq!(server.send(*caller, head), Ok(Written::Whole));
        assert_eq!(server.sent(), answer(0));
        assert!(matches!(
            server.send(*caller, decode(&answer(0))),
            Err(SendError::Closed)
        ));
    }
    client.reset(StreamId(0x10_0001));
    assert!(!client.is_finished());
}

#[test]
fn both_ids_of_a_header_are_given_back() {
    let mut server = Driven::new(Role::Server, &MULTIPLEXING);
    let mut client = Driven::new(Role::Client, &MULTIPLEXING);
    let payload = |kind, id: u32| bytes(&format!("8001000{kind}000000026869{id:08x}00"));
    let (stream, head) = server.recv_one(&header(9, "0000", &payload(1, 9)));
    let _ = client.send(StreamId(300), head);
    assert_eq!(client.sent(), header(300, "0000", &payload(1, 300)));
    let (_, head) = client.recv_one(&header(300, "0000", &payload(2, 300)));
    let _ = server.send(stream, head);
    assert_eq!(server.sent(), header(9, "0000", &payload(2, 9)));
}

#[test]
fn ids_behind_zlib_are_rewritten_too() {
    let mut client = Driven::new(Role::Client, &MULTIPLEXING);
    assert_eq!(
        client.send(StreamId(300), decode(&unframed(T9))),
        Ok(Written::Whole)
    );
    let sent = client.sent();
    let head = decode(&sent);
    assert_eq!(get(&head, ":seqid").as_deref(), Some("300"));
    assert_eq!(get(&head, "k").as_deref(), Some("v"));
    assert_eq!(sent[14..18], [0, 1, 1, 1], "still behind zlib");
}

#[test]
fn answers_carry_the_name_that_was_asked_for() {
    let mut server = Driven::server();
    let mut client = Driven::client();
    let (stream, mut head) = server.recv_one(&framed(T4));
    head.set(&Name::new("service"), b"Calculator");
    head.set(&Name::new("method"), b"plus");
    let _ = client.send(StreamId(1), head);
    assert_eq!(
        client.sent(),
        framed("800100010000000f43616c63756c61746f723a706c75730000000700")
    );
    let (_, head) = client.recv_one(&framed("8001000200000004706c75730000000700"));
    assert_eq!(server.send(stream, head), Ok(Written::Whole));
    assert_eq!(server.sent(), framed("80010002000000036164640000000700"));
}

#[test]
fn a_server_that_keeps_the_service_in_its_answer_is_understood() {
    let mut server = Driven::server();
    let mut client = Driven::client();
    let (stream, head) = server.recv_one(&framed(T4));
    let _ = client.send(StreamId(1), head);
    let (_, head) = client.recv_one(&framed("800100020000000843616c633a6164640000000700"));
    let _ = server.send(stream, head);
    assert_eq!(server.sent(), framed("80010002000000036164640000000700"));
}

#[test]
fn finagle_is_told_that_there_is_no_upgrade() {
    let mut server = Driven::server();
    assert_eq!(server.recv(&framed(T8)).unwrap().len(), 0);
    let no = decode(&server.sent());
    assert_eq!(no.method(), b"__can__finagle__trace__v3__");
    assert_eq!(no.outcome.code, Code::Unimplemented);
    assert_eq!(server.recv(&framed(T1)).unwrap().len(), 1);
    assert!(Driven::server().recv(&bytes(T10)).is_err());
    assert!(Driven::client().recv(&bytes(T10R)).is_err());
}

#[test]
fn messages_of_the_other_direction_are_refused() {
    let mut server = Driven::server();
    assert_eq!(server.recv(&framed(T5)).unwrap().len(), 0);
    let told = server.sent();
    assert!(
        told.starts_with(&bytes("0000004680010003 00000003 616464 00000007")),
        "{told:?}"
    );
    assert!(told.ends_with(&bytes("0800020000000200")), "exception 2");
    assert_eq!(server.recv(&framed(T1)).unwrap().len(), 1);

    let mut client = Driven::client();
    let _ = client.send(StreamId(1), decode(&framed(T1)));
    assert!(matches!(
        client.recv(&framed(T1)),
        Err(ConnectionError::Malformed(Malformed { .. }))
    ));
    let mut client = Driven::client();
    let response = decode(&framed(T5));
    assert!(matches!(
        client.send(StreamId(1), response),
        Err(SendError::Unsupported)
    ));
}

#[test]
fn a_message_may_arrive_byte_by_byte() {
    for message in [unframed(T1), unframed(T3), framed(T2), unframed(T9)] {
        let mut server = Driven::server();
        let (last, first) = message.split_last().unwrap();
        for byte in first {
            assert_eq!(server.recv(&[*byte]).unwrap().len(), 0);
        }
        let (_, head) = server.recv_one(&[*last]);
        assert_eq!(head.wire(), &message);
    }
}

#[test]
fn a_reply_of_ours_that_is_no_error_is_a_void_result() {
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&framed(T4));
    server.reply(stream, &Reply::refused(Code::Ok, ""));
    assert_eq!(server.sent(), framed("80010002000000036164640000000700"));
    server.reply(stream, &Reply::refused(Code::Ok, ""));
    assert_eq!(server.sent(), "", "once");
}
