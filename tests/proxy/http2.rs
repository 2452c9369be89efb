//! HTTP/2 and gRPC through the driver, and a client and frames to say anything with.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::dubbo::PATIENCE;
use crate::running::{Running, Setup};

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;

pub(crate) const REFUSED: u32 = 7;
pub(crate) const CALM: u32 = 11;

/// `GET http://x/`.
pub(crate) const GET: &[u8] = b"\x82\x86\x84\x41\x01x";

/// A client of HTTP/2 that says what no other would.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    /// One that has said its settings, and heard the server's.
    pub(crate) async fn greeted(running: &Running, settings: &[u8]) -> Self {
        let mut client = Self(TcpStream::connect(running.at("in")).await.unwrap());
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        client.0.write_all(preface).await.unwrap();
        client.says(SETTINGS, 0, 0, settings).await;
        client.says(SETTINGS, ACK, 0, b"").await;
        let heard = client.hears(|f| f.kind == SETTINGS && f.flags == ACK).await;
        assert!(heard.is_some());
        client
    }

    pub(crate) async fn says(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0
            .write_all(&frame(kind, flags, stream, payload))
            .await
            .unwrap();
    }

    /// Writes what may be more than the server reads before it hangs up.
    pub(crate) async fn pours(&mut self, bytes: &[u8]) {
        let _: std::io::Result<()> = self.0.write_all(bytes).await;
    }

    /// The next frame that `is` what is waited for; `None` if the connection ends before.
    pub(crate) async fn hears(&mut self, is: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = timeout(PATIENCE, Frame::read(&mut self.0)).await;
            let frame = frame.expect("a frame in time")?;
            if is(&frame) {
                return Some(frame);
            }
        }
    }

    /// The code with which the server takes leave.
    pub(crate) async fn told(&mut self) -> u32 {
        let frame = self.hears(|f| f.kind == GO_AWAY).await;
        u32::from_be_bytes(frame.expect("GOAWAY").payload[4..8].try_into().unwrap())
    }

    /// The code with which the server resets a stream.
    pub(crate) async fn reset(&mut self, stream: u32) -> u32 {
        let of_stream = |f: &Frame| f.kind == RESET && f.stream == stream;
        let frame = self.hears(of_stream).await.expect("RST_STREAM");
        u32::from_be_bytes(frame.payload[..4].try_into().unwrap())
    }

    pub(crate) async fn assert_alive(&mut self) {
        self.says(PING, 0, 0, b"are you?").await;
        let alive = self.hears(|f| f.kind == PING && f.flags == ACK).await;
        assert!(alive.is_some());
    }
}

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) async fn read(io: &mut TcpStream) -> Option<Self> {
        let mut head = [0; 9];
        io.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        io.read_exact(&mut payload).await.ok()?;
        Some(Self {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
            payload,
        })
    }
}

/// A frame of any content.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A server that says what it is told to.
struct Server(TcpStream);

impl Server {
    /// The next connection, after its preface and with these settings.
    async fn accept(socket: &TcpListener, settings: &[u8]) -> Self {
        let accepted = timeout(PATIENCE, socket.accept()).await;
        let (mut io, _): (_, SocketAddr) = accepted.expect("a connection").unwrap();
        io.read_exact(&mut [0; 24]).await.unwrap();
        io.write_all(&frame(SETTINGS, 0, 0, settings))
            .await
            .unwrap();
        let mut server = Self(io);
        server.hears(|f| f.kind == SETTINGS && f.flags == ACK).await;
        server
    }

    async fn says(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0
            .write_all(&frame(kind, flags, stream, payload))
            .await
            .unwrap();
    }

    async fn hears(&mut self, is: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = timeout(PATIENCE, Frame::read(&mut self.0)).await;
            let frame = frame.expect("a frame in time").expect("a frame");
            if is(&frame) {
                return frame;
            }
        }
    }
}

async fn start() -> (Running, TcpListener) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let setup = Setup::one([socket.local_addr().unwrap()]).protocol("http2");
    (setup.start().await, socket)
}

#[tokio::test]
async fn an_endpoint_that_takes_no_more_streams_gets_another_connection() {
    const ONE_STREAM: &[u8] = &[0, 3, 0, 0, 0, 1];
    const NO_CONTENT: &[u8] = &[0x89];
    let (running, socket) = start().await;
    let mut client = Client::greeted(&running, b"").await;
    client.says(HEADERS, END_STREAM | END_HEADERS, 1, GET).await;
    let mut first = Server::accept(&socket, ONE_STREAM).await;
    client.says(HEADERS, END_STREAM | END_HEADERS, 3, GET).await;
    let mut second = Server::accept(&socket, ONE_STREAM).await;
    for server in [&mut second, &mut first] {
        let end = END_STREAM | END_HEADERS;
        server.says(HEADERS, end, 1, NO_CONTENT).await;
    }
    for _ in 0..2 {
        let answer = client.hears(|f| f.kind == HEADERS).await.unwrap();
        assert_eq!(answer.flags, END_STREAM | END_HEADERS);
    }
    assert_eq!(running.metric("sabir_upstream_cx_total").await, 2);
    running.assert_balanced().await;
}

#[tokio::test]
async fn an_answer_of_grpc_that_is_lost_ends_with_a_status() {
    const CALL: &[u8] = b"\x83\x86\x04\x10/demo.Greeter/Hi\x41\x01x\x00\x02te\x08trailers\
        \x0f\x10\x10application/grpc";
    let (running, socket) = start().await;
    let mut client = Client::greeted(&running, b"").await;
    client
        .says(HEADERS, END_STREAM | END_HEADERS, 1, CALL)
        .await;
    let mut server = Server::accept(&socket, b"").await;
    server.says(HEADERS, END_HEADERS, 1, &[0x88]).await;
    server.says(0, 0, 1, b"half a mess").await;
    let of_stream = |f: &Frame| f.stream == 1;
    assert_eq!(client.hears(of_stream).await.unwrap().kind, HEADERS);
    assert_eq!(client.hears(of_stream).await.unwrap().kind, 0);
    drop(server);
    let end = client.hears(of_stream).await.unwrap();
    assert_eq!(
        (end.kind, end.flags),
        (HEADERS, END_STREAM | END_HEADERS),
        "trailers, and no reset"
    );
    let series = "sabir_requests_total{listener=\"in\",cluster=\"main\",\
        service=\"demo.Greeter\",method=\"Hi\",code=\"unavailable\"";
    running.until(series, |n| n == 1).await;
    client.assert_alive().await;
    running.assert_balanced().await;
}
