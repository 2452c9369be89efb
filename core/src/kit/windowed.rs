//! A miniature of HTTP/2 that streams within windows: a protocol to test drivers with.
//!
//! ```text
//! | kind (1): H head, D data, E last data, W window update | stream (4) | length (4) | payload |
//! ```

use std::collections::HashMap;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use crate::connection::{Connection, ConnectionError, Event, EventKind, SendError, Turn, Written};
use crate::frame::{Frame, StreamId};
use crate::head::{Echo, Head, Kind};
use crate::outcome::Reply;
use crate::output::Output;
use crate::protocol::{Capabilities, Limits, Protocol, Role};

/// Bytes a stream may send before it is granted more.
pub const WINDOW: usize = 64 * 1024;

/// A connection of the toy protocol, for either side.
#[derive(Debug, Default)]
pub struct Windowed {
    send: HashMap<StreamId, usize>,
    owed: HashMap<StreamId, usize>,
}

impl Windowed {
    fn credit(&mut self, stream: StreamId, more: usize, turn: &mut Turn<'_>) {
        let window = self.send.entry(stream).or_insert(WINDOW);
        *window += more;
        if *window == more {
            let kind = EventKind::Writable;
            turn.events.push_back(Event { stream, kind });
        }
    }
}

impl Connection for Windowed {
    fn recv(&mut self, input: &mut BytesMut, turn: &mut Turn<'_>) -> Result<(), ConnectionError> {
        while input.len() >= 9 {
            let len = u32::from_be_bytes(input[5..9].try_into().unwrap_or_default()) as usize;
            if input.len() < 9 + len {
                break;
            }
            let stream =
                StreamId(u32::from_be_bytes(input[1..5].try_into().unwrap_or_default()).into());
            let kind = input[0];
            input.advance(9);
            let bytes = input.split_to(len).freeze();
            let frame = match kind {
                b'H' => Frame::Head(head(bytes)),
                b'D' | b'E' => Frame::Data {
                    bytes,
                    end: kind == b'E',
                },
                _ => {
                    let more = u32::from_be_bytes(bytes[..].try_into().unwrap_or_default());
                    self.credit(stream, more as usize, turn);
                    continue;
                }
            };
            let kind = EventKind::Frame(frame);
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
        let (kind, bytes) = match frame {
            Frame::Head(head) => (b'H', head.wire().clone()),
            Frame::Data { bytes, end } => {
                let window = self.send.entry(stream).or_insert(WINDOW);
                *window = window
                    .checked_sub(bytes.len())
                    .expect("driver respects capacity");
                (if end { b'E' } else { b'D' }, bytes)
            }
            _ => return Err(SendError::Unsupported),
        };
        put(turn.out, kind, stream, bytes);
        Ok(Written::Whole)
    }

    fn reply(&mut self, stream: StreamId, _: Echo, _: &Reply, turn: &mut Turn<'_>) {
        put(turn.out, b'E', stream, Bytes::new());
    }

    fn open(&mut self, _: StreamId) -> bool {
        true
    }

    fn capacity(&self, stream: StreamId) -> usize {
        self.send.get(&stream).copied().unwrap_or(WINDOW)
    }

    fn consumed(&mut self, stream: StreamId, bytes: usize, turn: &mut Turn<'_>) {
        let owed = self.owed.entry(stream).or_default();
        *owed += bytes;
        if *owed >= WINDOW / 2 {
            let more = std::mem::take(owed) as u32;
            let more = Bytes::copy_from_slice(&more.to_be_bytes());
            put(turn.out, b'W', stream, more);
        }
    }
}

fn put(out: &mut Output, kind: u8, stream: StreamId, bytes: Bytes) {
    out.put(&[kind]);
    out.put(&(stream.0 as u32).to_be_bytes());
    out.put(&(bytes.len() as u32).to_be_bytes());
    out.put_bytes(bytes);
}

/// The head of a stream; `r` makes it a response, anything else a request.
pub fn head(wire: Bytes) -> Head {
    let kind = match wire.first() {
        Some(b'r') => Kind::Response,
        _ => Kind::Request,
    };
    let mut head = Head::new("windowed", kind, wire, |_, _| {});
    head.end = false;
    head
}

/// The toy protocol by name.
#[derive(Debug)]
pub struct WindowedProtocol;

impl Protocol for WindowedProtocol {
    fn name(&self) -> &'static str {
        "windowed"
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

    fn connection(&self, _: Role, _: &Limits, _: Instant) -> Box<dyn Connection> {
        Box::new(Windowed::default())
    }
}
