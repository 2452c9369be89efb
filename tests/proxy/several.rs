//! Several protocols on one listener, and bytes that nobody understands.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::backend::Backend;
use crate::dubbo::{Message, PATIENCE, Peer};
use crate::running::{ClusterSetup, Running, Setup};

const DETECT: &str =
    "protocol_options: {protocols: {dubbo: {}}, fallback: tcp, detection_timeout_ms: 200}";

/// Dubbo goes to `main`, the rest to `raw`.
async fn both(dubbo: SocketAddr, raw: SocketAddr) -> Running {
    Setup::one([dubbo])
        .protocol("auto")
        .listener(DETECT)
        .routes([
            "{match: {metadata: {protocol: {exact: tcp}}}, route: {cluster: raw, timeout: 0s}}",
            "{route: {cluster: main}}",
        ])
        .also(ClusterSetup::new("raw", [raw]))
        .start()
        .await
}

async fn socket() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn each_connection_is_what_its_first_bytes_say() {
    let (raw, address) = socket().await;
    let running = both(Backend::echoing("d").await, address).await;
    let mut dubbo = Peer::to(running.at("in")).await;
    let answer = dubbo.call(&Message::call(7, "hi", "bob")).await;
    assert!(answer.value().contains("bob"));
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    client.write_all(b"GET / nonsense").await.unwrap();
    let (mut server, _) = raw.accept().await.unwrap();
    let mut got = [0; 14];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"GET / nonsense");
    server.write_all(b"what?").await.unwrap();
    let mut got = [0; 5];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"what?");
}

#[tokio::test]
async fn a_server_may_speak_first_and_each_side_may_end_alone() {
    let (raw, address) = socket().await;
    let running = both(Backend::echoing("d").await, address).await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    let (mut server, _) = raw.accept().await.unwrap();
    server.write_all(b"220 ready").await.unwrap();
    let mut got = [0; 9];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"220 ready");
    client.write_all(b"that is all").await.unwrap();
    client.shutdown().await.unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"that is all");
    server.write_all(b"thanks").await.unwrap();
    drop(server);
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"thanks");
}

#[tokio::test]
async fn a_megabyte_each_way_arrives_whole() {
    let (raw, address) = socket().await;
    let running = both(Backend::echoing("d").await, address).await;
    let client = TcpStream::connect(running.at("in")).await.unwrap();
    let (mut read, mut write) = client.into_split();
    let sent: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let (server, _) = raw.accept().await.unwrap();
    let (mut from, mut to) = server.into_split();
    let echoing = tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await.unwrap() });
    let mut got = Vec::new();
    timeout(PATIENCE, read.read_to_end(&mut got))
        .await
        .unwrap()
        .unwrap();
    assert!(got == expected, "{} bytes", got.len());
    assert_eq!(echoing.await.unwrap(), 1 << 20);
    writing.await.unwrap();
}

/// Neither side reads: what the proxy holds is bounded, so the writer is stopped.
#[tokio::test]
async fn a_reader_that_stalls_stops_its_writer() {
    let (raw, address) = socket().await;
    let running = both(Backend::echoing("d").await, address).await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    let (server, _) = raw.accept().await.unwrap();
    let chunk = vec![7; 64 << 10];
    let mut sent = 0;
    // The kernel's buffers of both connections take some; the proxy its limit and no more.
    while timeout(Duration::from_millis(500), client.write_all(&chunk))
        .await
        .is_ok()
    {
        sent += chunk.len();
        assert!(sent < 64 << 20, "nobody stops the client");
    }
    let mut server = server;
    let mut rest = vec![0; 1 << 20];
    let mut got = 0;
    while got < sent {
        got += timeout(PATIENCE, server.read(&mut rest))
            .await
            .unwrap()
            .unwrap();
    }
}

#[tokio::test]
async fn without_a_fallback_what_is_unknown_is_closed() {
    let running = Setup::one([Backend::echoing("d").await])
        .protocol("auto")
        .listener("protocol_options: {protocols: {dubbo: {}}}")
        .start()
        .await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    client.write_all(b"\x16\x03\x01").await.unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert!(all.is_empty());
    let counted = "sabir_downstream_cx_protocol_error_total{listener=\"in\"}";
    running.until(counted, |count| count == 1).await;
}

#[tokio::test]
async fn a_tunnel_to_nobody_ends() {
    let dead = crate::backend::nobody();
    let running = both(Backend::echoing("d").await, dead).await;
    let mut client = TcpStream::connect(running.at("in")).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let mut all = Vec::new();
    let _: Result<usize, _> = timeout(PATIENCE, client.read_to_end(&mut all))
        .await
        .unwrap();
    assert!(all.is_empty());
}
