//! The crate `h2` as the peer, in both roles, in memory.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sabir_core::connection::{Connection, Event, EventKind};
use sabir_core::frame::{Frame, StreamId};
use sabir_core::head::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::side::{CALL, Side, foreign, value};

/// Runs one of our sides on a pipe: `act` sees each event and may answer it.
async fn drive(mut side: Side, mut io: DuplexStream, mut act: impl FnMut(&mut Side, Event)) {
    let mut buffer = BytesMut::new();
    loop {
        while let Some(event) = side.events.pop_front() {
            act(&mut side, event);
        }
        io.write_all(&side.written()).await.unwrap();
        if side.conn.is_finished() || io.read_buf(&mut buffer).await.unwrap() == 0 {
            return;
        }
        side.feed(&buffer).unwrap();
        buffer.advance(buffer.len());
    }
}

/// Echoes the body of each request, and counts its octets in a trailer.
fn echo(side: &mut Side, event: Event, waiting: &mut Vec<(StreamId, BytesMut, usize)>) {
    let stream = event.stream;
    let at = waiting.iter().position(|(s, ..)| *s == stream);
    match event.kind {
        EventKind::Frame(Frame::Head(head)) => {
            let lane = value(&head, "x-lane").unwrap_or_default();
            let pairs = [(":status", "200"), ("x-lane", &*lane)];
            let head = foreign(Kind::Response, false, &pairs);
            side.send(stream.0, Frame::Head(head)).unwrap();
            waiting.push((stream, BytesMut::new(), 0));
        }
        EventKind::Frame(Frame::Data { bytes, end }) => {
            side.consumed(stream.0, bytes.len());
            let (_, body, _) = &mut waiting[at.unwrap()];
            body.extend_from_slice(&bytes);
            if end {
                waiting[at.unwrap()].2 = body_len(&waiting[at.unwrap()].1);
            }
        }
        EventKind::Frame(Frame::Trailers(_)) => {
            waiting[at.unwrap()].2 = body_len(&waiting[at.unwrap()].1);
        }
        _ => {}
    }
    waiting.retain_mut(|(stream, body, ended)| !flush(side, *stream, body, *ended));
}

/// Never zero, which stands for a body that has not ended.
fn body_len(body: &BytesMut) -> usize {
    body.len() + 1
}

/// Sends what there is room for; whether that was all.
fn flush(side: &mut Side, stream: StreamId, body: &mut BytesMut, ended: usize) -> bool {
    if ended == 0 {
        return false;
    }
    let n = body.len().min(side.capacity(stream.0));
    let bytes = body.split_to(n).freeze();
    side.send(stream.0, Frame::Data { bytes, end: false })
        .unwrap();
    if !body.is_empty() {
        return false;
    }
    let len = (ended - 1).to_string();
    let trailers = foreign(Kind::Response, true, &[("x-len", &len)]);
    side.send(stream.0, Frame::Trailers(trailers)).unwrap();
    true
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(async {
        let all = tokio::time::timeout(Duration::from_secs(60), future);
        all.await.expect("both sides come to an end")
    })
}

async fn call(mut sender: h2::client::SendRequest<Bytes>, n: usize, len: usize) {
    let request = http::Request::post("http://example.com/echo?x=1");
    let request = request
        .header("x-lane", format!("lane {n}"))
        .body(())
        .unwrap();
    sender = sender.ready().await.unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    let sent: Vec<u8> = (0..len).map(|i| (i * 7 + n) as u8).collect();
    let mut rest = Bytes::from(sent.clone());
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let granted = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
        let granted = granted.unwrap().unwrap();
        body.send_data(rest.split_to(granted.min(rest.len())), false)
            .unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-lane"], format!("lane {n}"));
    let mut body = response.into_body();
    let mut received = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.unwrap();
        body.flow_control().release_capacity(chunk.len()).unwrap();
        received.extend_from_slice(&chunk);
    }
    assert!(received == sent, "stream {n} echoes its own body");
    let trailers = body.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["x-len"], len.to_string());
}

#[test]
fn their_client_and_our_server() {
    run(async {
        let (ours, theirs) = tokio::io::duplex(10_000);
        let mut waiting = Vec::new();
        let server = drive(Side::server(), ours, move |side, event| {
            echo(side, event, &mut waiting);
        });
        let client = async {
            let (sender, connection) = h2::client::handshake(theirs).await.unwrap();
            let calls = async {
                let lens = [0, 1, 5_000, 70_000, 300_000, 1_000_000];
                let calls = (0..24).map(|n| call(sender.clone(), n, lens[n % lens.len()]));
                let calls: tokio::task::JoinSet<()> = { calls }
                    .collect::<Vec<_>>()
                    .into_iter()
                    .fold(tokio::task::JoinSet::new(), |mut set, call| {
                        set.spawn(call);
                        set
                    });
                calls.join_all().await;
            };
            tokio::select! {
                ended = connection => panic!("{ended:?}"),
                () = calls => {}
            }
        };
        tokio::join!(server, client);
    });
}

#[test]
fn our_client_and_their_server() {
    const CALLS: u64 = 40;
    run(async {
        let (ours, theirs) = tokio::io::duplex(10_000);
        let mut side = Side::client();
        for name in 0..CALLS {
            let head = foreign(Kind::Request, name % 2 == 0, &CALL);
            side.request(name, head).unwrap();
            if name % 2 == 1 {
                side.data(name, &vec![name as u8; 1_000], true).unwrap();
            }
        }
        let mut ended = Vec::new();
        let mut received = vec![0; CALLS as usize];
        let mut act = |side: &mut Side, event: Event| {
            let name = event.stream.0;
            match event.kind {
                EventKind::Frame(Frame::Head(head)) => {
                    assert_eq!(value(&head, ":status").as_deref(), Some("200"));
                }
                EventKind::Frame(Frame::Data { bytes, .. }) => {
                    received[name as usize] += bytes.len();
                    side.consumed(name, bytes.len());
                }
                EventKind::Frame(Frame::Trailers(head)) => {
                    assert!(head.outcome.is_ok());
                    ended.push(name);
                }
                other => panic!("{other:?}"),
            }
            if ended.len() as u64 == CALLS {
                side.turn(|conn, turn| conn.drain(turn));
            }
        };
        tokio::join!(drive(side, ours, &mut act), serve(theirs));
        assert_eq!(ended.len() as u64, CALLS);
        assert!(received.iter().all(|&n| n == 100_000));
    });
}

/// Answers every call with a long body and the trailers of gRPC.
async fn serve(io: DuplexStream) {
    let mut connection = h2::server::handshake(io).await.unwrap();
    let mut calls = tokio::task::JoinSet::new();
    while let Some(request) = connection.accept().await {
        let Ok((request, mut respond)) = request else {
            break; // the client hung up when it had all
        };
        calls.spawn(async move {
            assert_eq!(request.uri().path(), "/demo.Greeter/Hi");
            let mut body = request.into_body();
            while let Some(chunk) = body.data().await {
                let n = chunk.unwrap().len();
                body.flow_control().release_capacity(n).unwrap();
            }
            let response = http::Response::new(());
            let mut body = respond.send_response(response, false).unwrap();
            body.send_data(Bytes::from(vec![1; 100_000]), false)
                .unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            body.send_trailers(trailers).unwrap();
        });
    }
}
