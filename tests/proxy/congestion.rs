//! Peers that do not read: who writes to them is held back, and goes on once they do.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sabir::Options;
use sabir::proxy::server::Server;
use sabir::proxy::telemetry::access_log::Writer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backend::Backend;
use crate::dubbo::{Message, Peer};
use crate::running::Setup;

/// Writes `message` over and over, and counts how often it went out.
fn flood(mut peer: Peer, message: Message, count: usize) -> (Arc<AtomicUsize>, JoinHandle<Peer>) {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = written.clone();
    let task = tokio::spawn(async move {
        for id in 0..count {
            peer.send(&message.clone().with_id(id as u64)).await;
            counter.fetch_add(1, Ordering::Relaxed);
        }
        peer
    });
    (written, task)
}

/// The count once it rises no more.
async fn settled(count: &AtomicUsize) -> usize {
    let mut last = usize::MAX;
    let mut quiet = 0;
    while quiet < 5 {
        let now = count.load(Ordering::Relaxed);
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        sleep(Duration::from_millis(30)).await;
    }
    last
}

#[tokio::test]
async fn an_endpoint_that_does_not_read_holds_its_callers_back() {
    let mut backend = Backend::narrow();
    let proxy = Setup::one([backend.address])
        .cluster("per_connection_buffer_limit_bytes: 65536")
        .start()
        .await;
    let size = 256 << 10;
    // More than the system takes in on the way: a socket may hold 32 MiB.
    let count = 240;
    let request = Message::call(0, "hi", &"x".repeat(size)).one_way();
    let (written, task) = flood(proxy.client().await, request, count);
    let mut upstream = backend.accept().await;
    let accepted = settled(&written).await;
    assert!(accepted < count, "all went to nobody");
    let received = proxy.metric("sabir_downstream_cx_rx_bytes_total").await;
    let buffered = received.saturating_sub(proxy.metric("sabir_upstream_cx_tx_bytes_total").await);
    assert!(buffered < 4 << 20, "{buffered} bytes in the proxy");
    for _ in 0..count {
        assert_eq!(upstream.next().await.unwrap().argument().len(), size);
    }
    task.await.unwrap().assert_quiet(1).await;
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    let size = 64 << 10;
    let text = "y".repeat(size);
    let backend = Backend::answering(move |request| {
        counter.fetch_add(1, Ordering::Relaxed);
        Some(Message::answer(request.id, &text))
    })
    .await;
    let proxy = Setup::one([backend])
        .listener("per_connection_buffer_limit_bytes: 65536")
        .listener("max_concurrent_streams: 4")
        .start()
        .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let client = socket.connect(proxy.at("in")).await.unwrap();
    let count = 500;
    let (_, task) = flood(Peer::new(client), Message::call(0, "hi", "x"), count);
    let taken = settled(&answered).await;
    assert!(taken < count / 2, "{taken} answers for nobody");
    let received = proxy.metric("sabir_upstream_cx_rx_bytes_total").await;
    let buffered =
        received.saturating_sub(proxy.metric("sabir_downstream_cx_tx_bytes_total").await);
    assert!(buffered < 1 << 20, "{buffered} bytes in the proxy");
    // Others are served meanwhile.
    let mut other = proxy.client().await;
    let answer = other.call(&Message::call(1, "hi", "x")).await;
    assert_eq!(answer.value().len(), size);
    let mut client = task.await.unwrap();
    let mut seen = vec![false; count];
    for _ in 0..count {
        let answer = client.next().await.unwrap();
        assert!(!std::mem::replace(&mut seen[answer.id as usize], true));
    }
    client.assert_quiet(0).await;
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn what_comes_on_top_of_the_limit_waits_its_turn() {
    let mut backend = Backend::start().await;
    let proxy = Setup::one([backend.address])
        .listener("max_concurrent_streams: 2")
        .start()
        .await;
    let mut client = proxy.client().await;
    // All at once, so that one read finds them.
    let calls = (0..10).map(|id| Message::call(id, "hi", "x").bytes());
    let calls: Vec<u8> = calls.flatten().collect();
    client.io.write_all(&calls).await.unwrap();
    let mut upstream = backend.accept().await;
    let mut open = VecDeque::new();
    for left in (1..=10).rev() {
        while open.len() < 2.min(left) {
            open.push_back(upstream.next().await.unwrap());
        }
        let active = proxy.metric("sabir_upstream_rq_active").await;
        assert_eq!(active, open.len() as u64);
        let answered = open.pop_front().unwrap();
        upstream.send(&Message::answer(answered.id, "done")).await;
        assert_eq!(client.next().await.unwrap().value(), "done");
    }
    proxy.assert_balanced().await;
}

#[tokio::test]
async fn a_client_that_stalls_is_closed_and_one_that_is_slow_is_not() {
    let text = "y".repeat(8 << 20);
    let backend = Backend::answering(move |r| Some(Message::answer(r.id, &text))).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let setup = Setup::one([backend]).cluster("max_message_bytes: 9000000");
    std::fs::write(file.path(), setup.yaml()).unwrap();
    let mut snapshot = Options::new(file.path()).check().unwrap();
    let listener = Arc::get_mut(&mut snapshot.listeners[0]).unwrap();
    listener.bounds.stall_timeout = Duration::from_millis(700);
    let totals = Arc::default();
    let writer = Writer::spawn(totals, 1 << 20).unwrap();
    let mut server = Server::start(snapshot.startup.workers, &writer.handle()).unwrap();
    server.apply(Arc::new(snapshot)).await.unwrap();
    let address = server.address("in").unwrap();
    let connect = async || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        Peer::new(socket.connect(address).await.unwrap())
    };
    let mut stalled = connect().await;
    let mut slow = connect().await;
    for client in [&mut stalled, &mut slow] {
        client.send(&Message::call(1, "hi", "x")).await;
        client.send(&Message::call(2, "hi", "x")).await;
    }
    let mut read = 0;
    let mut chunk = vec![0; 256 << 10];
    // Three times as long as a client may stall.
    for _ in 0..40 {
        sleep(Duration::from_millis(50)).await;
        read += slow.io.read_exact(&mut chunk).await.unwrap();
    }
    assert!(read < 12 << 20, "it was never behind: {read}");
    while read < 2 * ((8 << 20) + 16) {
        let n = slow.io.read(&mut chunk).await;
        let n = n.unwrap();
        assert_ne!(n, 0, "closed after {read} bytes");
        read += n;
    }
    let mut got = 0;
    while let Some(answer) = stalled.next().await {
        got += answer.body.len();
    }
    assert!(got < 12 << 20, "it was not closed");
}
