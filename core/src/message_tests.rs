//! The adapter, with a toy codec: one length byte, one kind byte (`q`, `r`, `p`, `R`), payload.

use std::collections::VecDeque;

use super::*;

struct Tiny;

const CAPABILITIES: Capabilities = Capabilities {
    request_metadata: false,
    response_metadata: false,
    rewritable: &[],
    multiplexed: false,
};

impl MessageCodec for Tiny {
    const NAME: &'static str = "tiny";
    const CORRELATION: Correlation = Correlation::Serial;
    const CAPABILITIES: Capabilities = CAPABILITIES;

    fn frame_len(&self, buf: &[u8]) -> Result<Option<usize>, Malformed> {
        match buf.first() {
            Some(0) => Err(Malformed {
                part: "length",
                at: 0,
            }),
            first => Ok(first.map(|&n| n as usize)),
        }
    }

    fn decode(&self, wire: Bytes) -> Result<Decoded, Malformed> {
        let kind = match wire.get(1) {
            Some(b'q') => Kind::Request,
            Some(b'r') => Kind::Response,
            Some(b'p') => Kind::Ping,
            Some(b'R') => Kind::Drain,
            _ => {
                return Err(Malformed {
                    part: "kind",
                    at: 1,
                });
            }
        };
        let head = Head::new("tiny", kind, wire, |_, _| {});
        Ok(Decoded {
            stream: StreamId(0),
            head,
        })
    }

    fn encode(&self, _: StreamId, head: &Head, out: &mut Output) -> Written {
        out.put(head.wire());
        Written::Whole
    }

    fn reply(&self, _: StreamId, _: Echo, _: &Reply, out: &mut Output) {
        out.put(b"\x03r!");
    }

    fn ping(&self, _: StreamId, out: &mut Output) -> bool {
        out.put(b"\x02p");
        true
    }

    fn last_word(&self, buf: &[u8], _: &ConnectionError, out: &mut Output) {
        out.put(&[3, b'!', buf[0]]);
    }
}

/// A connection with everything a driver would hold.
struct Driven {
    conn: MessageConnection<Tiny>,
    events: VecDeque<Event>,
    out: Output,
    now: Instant,
}

impl Driven {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            conn: MessageConnection::new(Arc::new(Tiny), &limits, now),
            events: VecDeque::new(),
            out: Output::default(),
            now,
        }
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut MessageConnection<Tiny>, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut self.conn, &mut turn)
    }

    fn recv(&mut self, input: &mut BytesMut) -> Result<Vec<StreamId>, ConnectionError> {
        self.with(|conn, turn| conn.recv(input, turn))?;
        Ok(self.events.drain(..).map(|e| e.stream).collect())
    }
}

const OK: Reply = Reply {
    outcome: crate::outcome::Outcome::OK,
    message: std::borrow::Cow::Borrowed(""),
};

#[test]
fn serial_server_answers_before_it_reads_on() {
    let mut server = Driven::new(Limits::default());
    let mut input = BytesMut::from(&b"\x03qa\x03qb"[..]);
    assert_eq!(server.recv(&mut input), Ok(vec![StreamId(1)]));
    assert!(!server.conn.wants_read(), "it has more than it may look at");
    assert_eq!(server.recv(&mut input), Ok(vec![]));
    server.with(|conn, turn| conn.reply(StreamId(1), [0; 8], &OK, turn));
    assert!(server.conn.wants_read());
    assert_eq!(server.recv(&mut input), Ok(vec![StreamId(2)]));
    assert!(
        server.conn.wants_read(),
        "to hear whether the client leaves"
    );
}

#[test]
fn serial_client_has_one_exchange_at_a_time() {
    let mut client = Driven::new(Limits::default());
    let stream = StreamId(9);
    assert!(client.conn.open(stream));
    let head = Tiny.decode(Bytes::from_static(b"\x03qa")).unwrap().head;
    let sent = client.with(|conn, turn| conn.send(stream, Frame::Head(head), turn));
    assert_eq!(sent, Ok(Written::Whole));
    assert!(!client.conn.open(StreamId(10)));
    let mut answer = BytesMut::from(&b"\x03ra"[..]);
    assert_eq!(client.recv(&mut answer), Ok(vec![stream]));
    assert!(client.conn.open(StreamId(10)));
    let mut again = BytesMut::from(&b"\x03ra"[..]);
    assert_eq!(client.recv(&mut again), Err(ConnectionError::Unsolicited));
}

#[test]
fn a_message_over_the_limit_is_refused_by_its_declared_length() {
    let limits = Limits {
        max_message_bytes: 64,
        keepalive: None,
    };
    let mut server = Driven::new(limits);
    let too_long = Err(ConnectionError::TooLong { len: 65, limit: 64 });
    assert_eq!(server.recv(&mut BytesMut::from(&[65][..])), too_long);
    assert_eq!(server.out.to_vec(), [3, b'!', 65], "the last word");
    assert_eq!(server.recv(&mut BytesMut::from(&[64][..])), Ok(vec![]));
}

#[test]
fn a_drain_notice_is_an_event_and_nonsense_an_error() {
    let mut client = Driven::new(Limits::default());
    let mut input = BytesMut::from(&b"\x02R"[..]);
    client
        .with(|conn, turn| conn.recv(&mut input, turn))
        .unwrap();
    assert!(matches!(client.events[0].kind, EventKind::Draining));
    let nonsense = ConnectionError::Malformed(Malformed {
        part: "kind",
        at: 1,
    });
    assert_eq!(
        client.recv(&mut BytesMut::from(&b"\x02?"[..])),
        Err(nonsense)
    );
    let cut = client.with(|conn, turn| conn.recv_eof(&mut BytesMut::from(&b"\x05"[..]), turn));
    assert_eq!(cut, Err(ConnectionError::Truncated { len: 1 }));
}

#[test]
fn idle_peers_are_pinged_and_silent_ones_given_up() {
    let every = Duration::from_secs(60);
    let limits = Limits {
        keepalive: Some(every),
        ..Limits::default()
    };
    let mut client = Driven::new(limits);
    let start = client.now;
    let tick = |client: &mut Driven, secs: u64| {
        client.now = start + Duration::from_secs(secs);
        let result = client.with(|conn, turn| conn.handle_timeout(turn));
        let sent = client.out.to_vec();
        client.out = Output::default();
        result.map(|()| sent)
    };
    client.now = start + Duration::from_secs(30);
    client.recv(&mut BytesMut::from(&b"\x03qa"[..])).unwrap();
    assert_eq!(tick(&mut client, 60), Ok(vec![]));
    assert_eq!(
        client.conn.next_timeout(),
        Some(start + Duration::from_secs(90))
    );
    assert_eq!(tick(&mut client, 90), Ok(b"\x02p".to_vec()));
    assert_eq!(tick(&mut client, 150), Ok(b"\x02p".to_vec()));
    let silence = Duration::from_secs(180);
    assert_eq!(
        tick(&mut client, 210),
        Err(ConnectionError::Silent { silence })
    );
}
