//! Dubbo with Hessian2.

use sabir_codecs::dubbo::hessian2::write_string;
use sabir_core::name::Name;

use crate::relay::{exchanges, refusals};
use crate::{Operation, SIZES, Work, length};

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for len in SIZES {
        for work in [
            Work::Nothing,
            Work::Look(Name::new("group")),
            Work::Set(Name::new("x-trace"), b"4bf92f3577b34da6"),
        ] {
            let (ask, answer) = (request(len), response(len));
            all.push(exchanges("dubbo", &length(len), work, ask, answer));
        }
    }
    all.push(refusals("dubbo", request(128)));
    all
}

/// `hi(String)` of `org.demo.Hello` with an argument of `len` characters and five attachments.
fn request(len: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for text in [
        "2.0.2",
        "org.demo.Hello",
        "0.0.0",
        "hi",
        "Ljava/lang/String;",
    ] {
        write_string(text, &mut body);
    }
    write_string(&"x".repeat(len), &mut body);
    body.push(b'H');
    for (key, value) in [
        ("path", "org.demo.Hello"),
        ("interface", "org.demo.Hello"),
        ("version", "0.0.0"),
        ("group", "g1"),
        ("timeout", "1000"),
    ] {
        write_string(key, &mut body);
        write_string(value, &mut body);
    }
    body.push(b'Z');
    framed(0xc2, 0, &body)
}

/// A response with a string of `len` characters and an attachment.
fn response(len: usize) -> Vec<u8> {
    let mut body = vec![0x94];
    write_string(&"x".repeat(len), &mut body);
    body.push(b'H');
    write_string("dubbo", &mut body);
    write_string("2.0.2", &mut body);
    body.push(b'Z');
    framed(0x02, 20, &body)
}

fn framed(flags: u8, status: u8, body: &[u8]) -> Vec<u8> {
    let header = [&[0xda, 0xbb, flags, status][..], &1_u64.to_be_bytes()].concat();
    [&header, &(body.len() as u32).to_be_bytes()[..], body].concat()
}
