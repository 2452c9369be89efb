//! The pump between two connections of a protocol with windows.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::Pump;
use crate::connection::{Connection, Event, EventKind, Turn};
use crate::frame::{Frame, StreamId};
use crate::kit::windowed::{WINDOW, Windowed, head};
use crate::output::Output;

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
        let moved = up
            .with(|conn, turn| pump.run(conn, up_id, usize::MAX, turn))
            .unwrap();
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
