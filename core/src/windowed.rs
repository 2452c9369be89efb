//! A miniature of HTTP/2 (data frames, window updates) that checks that the traits carry streaming.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::Pump;
use crate::connection::{Connection, ConnectionError, Event, EventKind, SendError, Turn, Written};
use crate::frame::{Frame, StreamId};
use crate::head::{Echo, Head, Kind};
use crate::outcome::Reply;
use crate::output::Output;

const WINDOW: usize = 64 * 1024;

#[derive(Default)]
struct Windowed {
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
            let len = u32::from_be_bytes(input[5..9].try_into().unwrap()) as usize;
            if input.len() < 9 + len {
                break;
            }
            let stream = StreamId(u32::from_be_bytes(input[1..5].try_into().unwrap()).into());
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
                    let more = u32::from_be_bytes(bytes[..].try_into().unwrap());
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

fn head(wire: Bytes) -> Head {
    let mut head = Head::new("windowed", Kind::Request, wire, |_, _| {});
    head.end = false;
    head
}

/// One end of a wire with everything a driver would hold.
struct End {
    conn: Windowed,
    events: VecDeque<Event>,
    out: Output,
    now: Instant,
}

impl End {
    fn new() -> Self {
        Self {
            conn: Windowed::default(),
            events: VecDeque::new(),
            out: Output::default(),
            now: Instant::now(),
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut Windowed, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut self.conn, &mut turn)
    }

    fn hear(&mut self, from: &mut Self) {
        let bytes = from.out.to_vec();
        from.out.advance(bytes.len());
        let mut input = BytesMut::from(&bytes[..]);
        self.with(|conn, turn| conn.recv(&mut input, turn)).unwrap();
    }

    fn frames(&mut self) -> Vec<Frame> {
        let frame = |event: Event| match event.kind {
            EventKind::Frame(frame) => Some(frame),
            _ => None,
        };
        self.events.drain(..).filter_map(frame).collect()
    }
}

/// Client, the two sides of the proxy and server, joined by in-memory wires.
#[test]
fn slow_server_stops_fast_client_within_one_window() {
    const TOTAL: usize = 1 << 20;
    let [mut client, mut down, mut up, mut server] = std::array::from_fn(|_| End::new());
    let mut pump = Pump::default();
    let (id, up_id) = (StreamId(1), StreamId(7));
    let start = Frame::Head(head(Bytes::from_static(b"head")));
    let _ = client
        .with(|conn, turn| conn.send(id, start, turn))
        .unwrap();
    let (mut sent, mut got, mut peak, mut turns, mut ended) = (0, 0, 0, 0, false);
    while !ended {
        let n = client.conn.capacity(id).min(TOTAL - sent);
        if n > 0 {
            sent += n;
            let (bytes, end) = (Bytes::from(vec![0; n]), sent == TOTAL);
            let chunk = Frame::Data { bytes, end };
            let _ = client
                .with(|conn, turn| conn.send(id, chunk, turn))
                .unwrap();
        }
        down.hear(&mut client);
        down.frames().into_iter().for_each(|f| pump.push(f));
        let moved = up.with(|conn, turn| pump.run(conn, up_id, turn)).unwrap();
        down.with(|conn, turn| conn.consumed(id, moved.bytes, turn));
        peak = peak.max(pump.held());
        turns += 1;
        if turns % 5 == 0 {
            server.hear(&mut up);
        }
        for frame in server.frames() {
            if let Frame::Data { bytes, end } = frame {
                got += bytes.len();
                ended = end;
                server.with(|conn, turn| conn.consumed(up_id, bytes.len(), turn));
            }
        }
        up.hear(&mut server);
        client.hear(&mut down);
    }
    assert_eq!(got, TOTAL);
    assert!(peak > 0 && peak <= WINDOW, "held {peak} bytes");
}
