//! HTTP/1.1.

use sabir_core::name::Name;

use crate::relay::{exchanges, refusals};
use crate::{Operation, SIZES, Work, length};

pub(crate) fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    for len in SIZES {
        for work in [
            Work::Nothing,
            Work::Look(Name::new("x-request-id")),
            Work::Set(Name::new("x-trace"), b"4bf92f3577b3"),
        ] {
            let (ask, answer) = (request(len), response(len));
            all.push(exchanges("http1", &length(len), work, ask, answer));
        }
    }
    let chunks = "64 KiB in chunks of 1 KiB";
    let answer = chunked(65_536);
    all.push(exchanges(
        "http1",
        chunks,
        Work::Nothing,
        request(128),
        answer,
    ));
    all.push(refusals("http1", request(0)));
    all
}

/// A request as browsers and services send it, with a body of `len` bytes.
fn request(len: usize) -> Vec<u8> {
    let head = format!(
        "POST /org.demo.Hello/hi?lane=a HTTP/1.1\r\nHost: demo.example:8080\r\n\
         User-Agent: bench/1.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\
         Content-Type: application/json\r\nX-Request-Id: 4bf92f3577b34da6\r\n\
         Authorization: Bearer abcdefghijklmnop\r\nContent-Length: {len}\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'x'; len]].concat()
}

fn response(len: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nDate: Fri, 20 Nov 2026 15:00:00 GMT\r\nServer: bench\r\n\
         Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n"
    );
    [head.as_bytes(), &vec![b'x'; len]].concat()
}

/// A response of `len` bytes in chunks of 1 KiB.
fn chunked(len: usize) -> Vec<u8> {
    let chunk = [&b"400\r\n"[..], &[b'x'; 1024], b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    [head, chunk.repeat(len / 1024), b"0\r\n\r\n".to_vec()].concat()
}
