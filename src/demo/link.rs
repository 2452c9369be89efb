//! A socket that speaks through the same state machine as the proxy's connections: Dubbo, or what
//! it is told to.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use sabir::codecs::dubbo::Dubbo;
use sabir::core::connection::{Connection, ConnectionError, Event, EventKind, Turn};
use sabir::core::frame::{Frame, StreamId};
use sabir::core::head::{Echo, Head};
use sabir::core::message::MessageConnection;
use sabir::core::outcome::Reply;
use sabir::core::output::Output;
use sabir::core::protocol::Limits;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to the proxy, or from it.
pub(super) struct Link {
    socket: TcpStream,
    connection: Box<dyn Connection>,
    input: BytesMut,
    events: VecDeque<Event>,
    out: Output,
}

/// Why a link cannot go on.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// The system's.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer does not speak the protocol.
    #[error(transparent)]
    Protocol(#[from] ConnectionError),
}

/// Whether more may arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Read {
    /// It may.
    Some,
    /// The peer has closed.
    End,
}

impl Link {
    /// Speaks Dubbo through `socket`.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn new(socket: TcpStream) -> io::Result<Self> {
        let codec = Arc::new(Dubbo::default());
        let connection = MessageConnection::new(codec, &Limits::default(), Instant::now());
        Self::with(socket, Box::new(connection))
    }

    /// Speaks through `socket` as `connection` does.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn with(socket: TcpStream, connection: Box<dyn Connection>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            connection,
            input: BytesMut::new(),
            events: VecDeque::new(),
            out: Output::default(),
        })
    }

    /// Waits for bytes. Heartbeats among them are answered with the next [`flush`](Self::flush).
    /// Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// What ends the link.
    pub(super) async fn read(&mut self) -> Result<Read, LinkError> {
        if self.socket.read_buf(&mut self.input).await? == 0 {
            return Ok(Read::End);
        }
        let turn = &mut Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        self.connection.recv(&mut self.input, turn)?;
        Ok(Read::Some)
    }

    /// The next message that has arrived, of a protocol whose messages are whole.
    pub(super) fn next_message(&mut self) -> Option<(StreamId, Head)> {
        loop {
            if let (stream, Frame::Head(head)) = self.next_frame()? {
                return Some((stream, head));
            }
        }
    }

    /// The next frame that has arrived.
    pub(super) fn next_frame(&mut self) -> Option<(StreamId, Frame)> {
        while let Some(Event { stream, kind }) = self.events.pop_front() {
            let EventKind::Frame(frame) = kind else {
                continue;
            };
            if let Frame::Data { bytes, .. } = &frame {
                let turn = &mut Turn {
                    now: Instant::now(),
                    events: &mut self.events,
                    out: &mut self.out,
                };
                self.connection.consumed(stream, bytes.len(), turn);
            }
            return Some((stream, frame));
        }
        None
    }

    /// Opens a stream towards a server; says whether the server allows one more.
    pub(super) fn open(&mut self, stream: StreamId) -> bool {
        self.connection.open(stream)
    }

    /// Sends a frame with the next [`flush`](Self::flush); says whether the stream takes it.
    pub(super) fn send(&mut self, stream: StreamId, frame: Frame) -> bool {
        let turn = &mut Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        self.connection.send(stream, frame, turn).is_ok()
    }

    /// Writes a whole message with the next [`flush`](Self::flush).
    pub(super) fn put(&mut self, message: &[u8]) {
        self.out.put(message);
    }

    /// Answers the request on `stream` with the next [`flush`](Self::flush).
    pub(super) fn reply(&mut self, stream: StreamId, echo: Echo, reply: &Reply) {
        let turn = &mut Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        self.connection.reply(stream, echo, reply, turn);
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn flush(&mut self) -> Result<(), LinkError> {
        if !self.out.is_empty() {
            self.socket.write_all_buf(&mut self.out).await?;
        }
        Ok(())
    }
}
