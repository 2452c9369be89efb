//! Pairs of THeader that hold for the rest of a connection.

use bytes::Bytes;
use sabir_core::connection::ConnectionError;
use sabir_core::frame::StreamId;
use sabir_core::outcome::Code;

use crate::driven::Driven;
use crate::messages::*;
use crate::vectors::bytes;

const CALL: &str = "800100010000000268690000000100";

/// What a server would get of `call`.
fn passed(server: &mut Driven, call: &Bytes) -> Bytes {
    let (stream, head) = server.recv_one(call);
    let mut client = Driven::client();
    let _ = client.send(StreamId(1), head);
    server.refuse(stream, Code::NotFound);
    client.sent()
}

#[test]
fn what_a_client_declares_is_in_each_of_its_calls_and_in_no_others() {
    let mut server = Driven::server();
    let payload = bytes(CALL);
    let first = header(0, "00 00 0201 0161 0131", &payload);
    assert_eq!(
        passed(&mut server, &first),
        header(0, "00 00 0101 0161 0131", &payload),
        "as a pair of this call: the connection to the server is shared"
    );
    let plain = header(0, "00 00", &payload);
    assert_eq!(
        passed(&mut server, &plain),
        header(0, "00 00 0101 0161 0131", &payload)
    );
    let own = header(0, "00 00 0101 0162 0132", &payload);
    assert_eq!(
        passed(&mut server, &own),
        header(0, "00 00 0102 0162 0132 0161 0131", &payload)
    );
    let same = header(0, "00 00 0101 0161 0139", &payload);
    assert_eq!(
        passed(&mut server, &same),
        same,
        "its own value comes first"
    );
    let again = header(0, "00 00 0201 0161 0133", &payload);
    passed(&mut server, &again);
    assert_eq!(
        passed(&mut server, &plain),
        header(0, "00 00 0101 0161 0133", &payload),
        "declared anew"
    );
    assert_eq!(passed(&mut server, &framed(CALL)), framed(CALL));
    assert_eq!(passed(&mut Driven::server(), &plain), plain);
}

#[test]
fn what_a_server_declares_does_not_hold_for_the_next_client_unsaid() {
    let mut client = Driven::client();
    let answer = bytes("800100020000000268690000000100");
    let (_, head) = {
        let _ = client.send(StreamId(1), crate::decode(&header(0, "0000", &bytes(CALL))));
        client.recv_one(&header(0, "00 00 0201 0161 0131", &answer))
    };
    assert_eq!(head.wire(), &header(0, "00 00 0101 0161 0131", &answer));
}

#[test]
fn nobody_declares_without_end() {
    let mut server = Driven::server();
    let value = format!("a09c01{}", "78".repeat(20_000));
    for i in 0..3 {
        let call = header(0, &format!("00 00 0201 016{i} {value}"), &bytes(CALL));
        let (stream, _) = server.recv_one(&call);
        server.refuse(stream, Code::NotFound);
    }
    let call = header(0, &format!("00 00 0201 0169 {value}"), &bytes(CALL));
    let limit = 64 << 10;
    assert_eq!(
        server.recv(&call).unwrap_err(),
        ConnectionError::TooLong { len: 80_004, limit }
    );
}
