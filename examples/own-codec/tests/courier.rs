//! The codec by sabir's own test suite, and the whole proxy over sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use bytes::Bytes;
use own_codec::courier::Courier;
use sabir::Proxy;
use sabir::core::kit::Samples;

sabir::core::codec_kit!(
    Courier,
    Samples {
        requests: vec![message(1, 7, &CALL, b"body"), message(2, 8, &CALL, b"")],
        responses: vec![message(3, 7, &[], b"fine"), message(4, 7, &[("error", "x")], b"")],
        others: vec![message(5, 9, &[], b""), message(6, 9, &[], b"")],
    }
);

const CALL: [(&str, &str); 3] = [("service", "shop"), ("method", "buy"), ("tenant", "acme")];

fn message(kind: u8, id: u32, pairs: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut meta = Vec::new();
    for (key, value) in pairs {
        meta.push(key.len() as u8);
        meta.extend_from_slice(key.as_bytes());
        meta.extend_from_slice(&(value.len() as u16).to_be_bytes());
        meta.extend_from_slice(value.as_bytes());
    }
    let mut bytes = vec![0xc0, kind];
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.extend_from_slice(&(meta.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&meta);
    bytes.extend_from_slice(body);
    bytes.into()
}

/// A server that answers each request with its own body.
fn echo() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut io, _) = socket.accept().unwrap();
        while let Some((_, id, body)) = read(&mut io) {
            io.write_all(&message(3, id, &[], &body)).unwrap();
        }
    });
    address
}

fn read(io: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut header = [0; 12];
    io.read_exact(&mut header).ok()?;
    let meta = u16::from_be_bytes([header[6], header[7]]) as usize;
    let body = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
    let mut rest = vec![0; meta + body];
    io.read_exact(&mut rest).ok()?;
    let id = u32::from_be_bytes(header[2..6].try_into().unwrap());
    Some((header[1], id, rest.split_off(meta)))
}

#[test]
fn calls_pass_the_proxy_and_strangers_do_not() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let config = include_str!("../courier.yaml")
        .replace("127.0.0.1:7000", "127.0.0.1:0")
        .replace("127.0.0.1:7001", &echo().to_string());
    std::fs::write(file.path(), config).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = own_codec::options(file.path().to_str().unwrap());
    let proxy = runtime.block_on(Proxy::start(options)).unwrap();
    let mut client = TcpStream::connect(proxy.address("courier").unwrap()).unwrap();
    client.write_all(&message(1, 41, &CALL, b"hello")).unwrap();
    assert_eq!(read(&mut client), Some((3, 41, b"hello".to_vec())));
    let stranger = [("service", "shop"), ("method", "buy"), ("tenant", "who")];
    client.write_all(&message(1, 42, &stranger, b"hello")).unwrap();
    assert_eq!(read(&mut client), Some((4, 42, b"unknown tenant".to_vec())));
}
