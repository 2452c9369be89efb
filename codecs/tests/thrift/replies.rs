//! Answers of the proxy's own.

use sabir_core::head::Head;
use sabir_core::outcome::Code;

use crate::decode;
use crate::driven::Driven;
use crate::messages::*;
use crate::vectors::bytes;

/// Exception type that tells of each code.
const TABLE: [(Code, u8); 12] = [
    (Code::BusinessError, 6),
    (Code::BadRequest, 7),
    (Code::NotFound, 1),
    (Code::Unimplemented, 1),
    (Code::Unavailable, 6),
    (Code::TimedOut, 6),
    (Code::Overloaded, 6),
    (Code::RateLimited, 6),
    (Code::Denied, 6),
    (Code::Cancelled, 6),
    (Code::BadResponse, 6),
    (Code::Internal, 6),
];

#[test]
fn every_code_has_an_exception_type() {
    assert_eq!(TABLE.len() + 1, Code::ALL.len());
    for (code, kind) in TABLE {
        let mut server = Driven::server();
        let (stream, _) = server.recv_one(&framed(T1));
        server.refuse(stream, code);
        let told =
            format!("80010003000000026869000000010b0001000000026e6f08000200000 0{kind:02x}00");
        assert_eq!(server.sent(), framed(&told), "{code:?}");
    }
}

#[test]
fn answers_are_in_the_callers_transport_and_protocol() {
    let strict = "80010003000000026869000000010b0001000000026e6f0800020000000600";
    let lax = "00000002686903000000010b0001000000026e6f0800020000000600";
    let compact = "82610102686918026e6f150c00";
    for (call, want) in [
        (unframed(T1), unframed(strict)),
        (framed(T1), framed(strict)),
        (framed(T2), framed(lax)),
        (unframed(T3), unframed(compact)),
        (framed(T3), framed(compact)),
        (unframed(T6), header(1, "0000", &bytes(strict))),
        (unframed(T7), header(1, "0200", &bytes(compact))),
        // The answer to a compressed call need not be compressed.
        (unframed(T9), header(1, "0000", &bytes(strict))),
        (
            header(0xffff_fffe, "0200", &bytes(T3)),
            header(0xffff_fffe, "0200", &bytes(compact)),
        ),
    ] {
        let mut server = Driven::server();
        let (stream, _) = server.recv_one(&call);
        server.refuse(stream, Code::Unavailable);
        assert_eq!(server.sent(), want);
    }
}

#[test]
fn answers_repeat_the_bare_method_and_the_id_whatever_it_is() {
    let mut server = Driven::server();
    let (stream, _) = server.recv_one(&framed(T4));
    server.refuse(stream, Code::NotFound);
    let told: Head = decode(&server.sent());
    assert_eq!(told.method(), b"add");
    let (stream, _) = server.recv_one(&unframed("8221ffffffff0f02686900"));
    server.refuse(stream, Code::NotFound);
    assert_eq!(
        server.sent(),
        unframed("8261ffffffff0f02686918026e6f150200")
    );
}
