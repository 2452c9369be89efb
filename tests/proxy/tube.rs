//! A protocol of streams with windows, resets and a limit of streams, and a socket that speaks it.
//!
//! ```text
//! | kind (1) | stream (4) | length (4) | payload |
//! H head (of a response, if it starts with `r`) · D data · E last data · W window · R reset
//! ```

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use sabir::core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir::core::frame::{Frame, Reason, StreamId};
use sabir::core::head::{Echo, Head, Kind};
use sabir::core::outcome::Reply;
use sabir::core::output::Output;
use sabir::core::protocol::{Capabilities, Limits, OptionsError, Protocol, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dubbo::PATIENCE;

/// Bytes a stream may send before it is granted more.
pub(crate) const WINDOW: usize = 64 << 10;

/// Makes the protocol; `streams` limits those that are open at once towards a server.
pub(crate) fn factory(options: &serde_json::Value) -> Result<Arc<dyn Protocol>, OptionsError> {
    let streams = options["streams"]
        .as_f64()
        .map_or(usize::MAX, |n| n as usize);
    Ok(Arc::new(Tube { streams }))
}

struct Tube {
    streams: usize,
}

impl Protocol for Tube {
    fn name(&self) -> &'static str {
        "tube"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            request_metadata: false,
            response_metadata: false,
            rewritable: &[],
            multiplexed: true,
        }
    }

    fn max_stream(&self) -> StreamId {
        StreamId(u32::MAX.into())
    }

    fn connection(&self, role: Role, _: &Limits, _: Instant) -> Box<dyn Connection> {
        Box::new(Machine {
            role,
            streams: self.streams,
            open: HashSet::new(),
            windows: HashMap::new(),
        })
    }
}

struct Machine {
    role: Role,
    streams: usize,
    open: HashSet<StreamId>,
    windows: HashMap<StreamId, usize>,
}

impl Machine {
    fn frame(kind: u8, bytes: Bytes) -> Frame {
        match kind {
            b'H' => Frame::Head(head(bytes)),
            b'R' => Frame::Reset(Reason::Peer),
            _ => Frame::Data {
                bytes,
                end: kind == b'E',
            },
        }
    }
}

impl Connection for Machine {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        while input.len() >= 9 {
            let len = u32::from_be_bytes(input[5..9].try_into().unwrap()) as usize;
            if input.len() < 9 + len {
                break;
            }
            let stream = u32::from_be_bytes(input[1..5].try_into().unwrap());
            let (kind, stream) = (input[0], StreamId(stream.into()));
            input.advance(9);
            let bytes = input.split_to(len).freeze();
            let kind = if kind == b'W' {
                let more = u32::from_be_bytes(bytes[..].try_into().unwrap()) as usize;
                let window = self.windows.entry(stream).or_insert(WINDOW);
                *window += more;
                if *window > more {
                    continue;
                }
                EventKind::Writable
            } else {
                if matches!(kind, b'E' | b'R') {
                    self.open.remove(&stream);
                }
                EventKind::Frame(Self::frame(kind, bytes))
            };
            turn.events.push_back(Event { stream, kind });
        }
        Ok(())
    }

    fn send(
        &mut self,
        stream: StreamId,
        frame: Frame,
        turn: &mut Turn<'_>,
    ) -> Result<Written, SendError> {
        if self.role == Role::Client && !self.open.contains(&stream) {
            assert!(!matches!(frame, Frame::Head(_)), "a head on no stream");
            if !matches!(frame, Frame::Reset(_)) {
                return Err(SendError::Closed);
            }
        }
        let (kind, bytes) = match frame {
            Frame::Head(head) => (b'H', head.wire().clone()),
            Frame::Data { bytes, end } => {
                let window = self.windows.entry(stream).or_insert(WINDOW);
                *window = window.checked_sub(bytes.len()).expect("within the window");
                (if end { b'E' } else { b'D' }, bytes)
            }
            Frame::Reset(_) => {
                self.open.remove(&stream);
                (b'R', Bytes::new())
            }
            Frame::Trailers(_) => return Err(SendError::Unsupported),
        };
        put(turn.out, kind, stream, bytes);
        Ok(Written::Whole)
    }

    fn reply(&mut self, stream: StreamId, _: Echo, reply: &Reply, turn: &mut Turn<'_>) {
        let text = reply.outcome.code.as_str();
        put(turn.out, b'H', stream, Bytes::from_static(b"r!"));
        put(turn.out, b'E', stream, Bytes::from_static(text.as_bytes()));
    }

    fn open(&mut self, stream: StreamId) -> bool {
        self.open.len() < self.streams && self.open.insert(stream)
    }

    fn capacity(&self, stream: StreamId) -> usize {
        self.windows.get(&stream).copied().unwrap_or(WINDOW)
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, turn: &mut Turn<'_>) {
        let more = Bytes::copy_from_slice(&(bytes as u32).to_be_bytes());
        put(turn.out, b'W', stream, more);
    }
}

fn put(out: &mut Output, kind: u8, stream: StreamId, bytes: Bytes) {
    out.put(&[kind]);
    out.put(&(stream.0 as u32).to_be_bytes());
    out.put(&(bytes.len() as u32).to_be_bytes());
    out.put_bytes(bytes);
}

fn head(wire: Bytes) -> Head {
    let kind = match wire.first() {
        Some(b'r') => Kind::Response,
        _ => Kind::Request,
    };
    let mut head = Head::new("tube", kind, wire, |_, _| {});
    head.end = false;
    head
}

/// A frame as it arrived: its kind, its stream, its payload.
pub(crate) type Arrived = (u8, u32, Vec<u8>);

/// A socket that speaks it, on either side.
pub(crate) struct TubePeer {
    io: TcpStream,
    unread: Vec<u8>,
}

impl TubePeer {
    pub(crate) fn new(io: TcpStream) -> Self {
        io.set_nodelay(true).unwrap();
        let unread = Vec::new();
        Self { io, unread }
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, kind: u8, stream: u32, payload: &[u8]) {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        bytes.extend_from_slice(payload);
        self.io.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn grant(&mut self, stream: u32, bytes: usize) {
        let bytes = bytes as u32;
        self.send(b'W', stream, &bytes.to_be_bytes()).await;
    }

    /// The next frame; `None` when the other side closed.
    pub(crate) async fn next(&mut self) -> Option<Arrived> {
        let read = timeout(PATIENCE, self.read()).await;
        read.expect("a frame or the end in time")
    }

    /// The next frame that is not about windows.
    pub(crate) async fn next_of_message(&mut self) -> Option<Arrived> {
        loop {
            let arrived = self.next().await?;
            if arrived.0 != b'W' {
                return Some(arrived);
            }
        }
    }

    async fn read(&mut self) -> Option<Arrived> {
        loop {
            if let Some(header) = self.unread.first_chunk::<9>() {
                let stream = u32::from_be_bytes(header[1..5].try_into().unwrap());
                let len = u32::from_be_bytes(header[5..].try_into().unwrap()) as usize;
                let kind = header[0];
                if let Some(payload) = self.unread.get(9..9 + len) {
                    let payload = payload.to_vec();
                    self.unread.drain(..9 + len);
                    return Some((kind, stream, payload));
                }
            }
            match self.io.read_buf(&mut self.unread).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
