//! Thrift in each transport and protocol.

use sabir_core::name::Name;

use crate::relay::{exchanges, refusals};
use crate::{Operation, SIZES, Work, length};

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    let service = Name::new("service");
    let lane = Name::new("lane");
    for len in SIZES {
        let what = |kind: &str| format!("{kind}, {}", length(len));
        let (call, reply) = (binary(1, len), binary(2, len));
        let exchange = |kind: &str, work, wrap: fn(&[u8]) -> Vec<u8>| {
            exchanges("thrift", &what(kind), work, wrap(&call), wrap(&reply))
        };
        all.push(exchange("framed", Work::Nothing, framed));
        let change = Work::Set(service.clone(), b"Echo2");
        all.push(exchange("framed", change, framed));
        all.push(exchange("unframed", Work::Nothing, <[u8]>::to_vec));
        all.push(exchange("header", Work::Nothing, header));
        all.push(exchange("header", Work::Look(lane.clone()), header));
        let change = Work::Set(lane.clone(), b"green");
        all.push(exchange("header", change, header));
        let (call, reply) = (compact(1, len), compact(2, len));
        let exchange = |kind: &str, wrap: fn(&[u8]) -> Vec<u8>| {
            let (ask, answer) = (wrap(&call), wrap(&reply));
            exchanges("thrift", &what(kind), Work::Nothing, ask, answer)
        };
        all.push(exchange("framed compact", framed));
        all.push(exchange("unframed compact", <[u8]>::to_vec));
    }
    all.push(refusals("thrift", framed(&binary(1, 128))));
    all
}

/// A message of `kind` for `Echo:say` in strict binary with a string of `len` bytes and a list of
/// structs.
fn binary(kind: u8, len: usize) -> Vec<u8> {
    let mut message = b"\x80\x01\0".to_vec();
    message.push(kind);
    message.extend_from_slice(b"\0\0\0\x08Echo:say\0\0\0\0");
    message.extend_from_slice(b"\x0b\0\x01");
    message.extend_from_slice(&(len as u32).to_be_bytes());
    message.resize(message.len() + len, b'x');
    message.extend_from_slice(b"\x0f\0\x02\x0c\0\0\0\x08");
    message.extend_from_slice(&b"\x08\0\x01\0\0\0\x07\x0b\0\x02\0\0\0\x02ab\0".repeat(8));
    message.push(0);
    message
}

/// The same in the compact protocol.
fn compact(kind: u8, len: usize) -> Vec<u8> {
    let mut message = vec![0x82, kind << 5 | 1];
    message.extend_from_slice(b"\0\x08Echo:say\x18");
    let mut left = len;
    while left >= 0x80 {
        message.push(left as u8 | 0x80);
        left >>= 7;
    }
    message.push(left as u8);
    message.resize(message.len() + len, b'x');
    message.extend_from_slice(b"\x19\x8c");
    message.extend_from_slice(&b"\x15\x0e\x18\x02ab\0".repeat(8));
    message.push(0);
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let len = (message.len() as u32).to_be_bytes();
    [&len, message].concat()
}

/// The message in THeader with two pairs.
fn header(message: &[u8]) -> Vec<u8> {
    let rest = b"\x0f\xff\0\0\0\0\0\0\0\x07\0\0\x01\x02\x06client\x03abc\x04lane\x04blue\0\0\0";
    framed(&[rest, message].concat())
}
