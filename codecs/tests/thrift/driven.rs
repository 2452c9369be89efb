//! A connection with everything a driver would hold.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use sabir_codecs::thrift::{Options, Thrift};
use sabir_core::connection::{
    Connection, ConnectionError, Event, EventKind, SendError, Turn, Written,
};
use sabir_core::frame::{Frame, Reason, StreamId};
use sabir_core::head::Head;
use sabir_core::outcome::{Code, Reply};
use sabir_core::output::Output;
use sabir_core::protocol::{Limits, Protocol, Role};

use crate::LONGEST;

/// One side of a connection, its buffers, and what it said.
pub(crate) struct Driven {
    conn: Box<dyn Connection>,
    events: VecDeque<Event>,
    out: Output,
    input: BytesMut,
}

impl Driven {
    pub(crate) fn new(role: Role, options: &Options) -> Self {
        let limits = Limits {
            max_message_bytes: LONGEST,
            ..Limits::default()
        };
        Self {
            conn: Thrift::new(options.clone()).connection(role, &limits, Instant::now()),
            events: VecDeque::new(),
            out: Output::default(),
            input: BytesMut::new(),
        }
    }

    pub(crate) fn server() -> Self {
        Self::new(Role::Server, &Options::default())
    }

    pub(crate) fn client() -> Self {
        Self::new(Role::Client, &Options::default())
    }

    /// Lets `bytes` arrive behind what is unread; returns the heads that arrived.
    pub(crate) fn recv(&mut self, bytes: &[u8]) -> Result<Vec<(StreamId, Head)>, ConnectionError> {
        let (heads, result) = self.recv_until_error(bytes);
        result.map(|()| heads)
    }

    /// As [`recv`](Self::recv), with the heads that arrived before an error.
    pub(crate) fn recv_until_error(
        &mut self,
        bytes: &[u8],
    ) -> (Vec<(StreamId, Head)>, Result<(), ConnectionError>) {
        self.input.extend_from_slice(bytes);
        let mut input = std::mem::take(&mut self.input);
        let result = self.with(|conn, turn| conn.recv(&mut input, turn));
        self.input = input;
        let heads = self.events.drain(..).map(|event| match event.kind {
            EventKind::Frame(Frame::Head(head)) => (event.stream, head),
            other => panic!("{other:?}"),
        });
        (heads.collect(), result)
    }

    /// Lets `bytes` arrive, which are one message that is passed on.
    pub(crate) fn recv_one(&mut self, bytes: &[u8]) -> (StreamId, Head) {
        let mut heads = self.recv(bytes).expect("a sound message");
        assert_eq!(heads.len(), 1);
        heads.remove(0)
    }

    pub(crate) fn send(&mut self, stream: StreamId, head: Head) -> Result<Written, SendError> {
        self.with(|conn, turn| conn.send(stream, Frame::Head(head), turn))
    }

    pub(crate) fn reset(&mut self, stream: StreamId) {
        let reset = Frame::Reset(Reason::Cancelled);
        let sent = self.with(|conn, turn| conn.send(stream, reset, turn));
        assert_eq!(sent, Ok(Written::Whole));
    }

    /// Answers with a refusal that says `no`.
    pub(crate) fn refuse(&mut self, stream: StreamId, code: Code) {
        self.reply(stream, &Reply::refused(code, "no"));
    }

    pub(crate) fn reply(&mut self, stream: StreamId, reply: &Reply) {
        self.with(|conn, turn| conn.reply(stream, [0; 8], reply, turn));
    }

    pub(crate) fn open(&mut self, stream: StreamId) -> bool {
        self.conn.open(stream)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.conn.is_finished()
    }

    pub(crate) fn wants_read(&self) -> bool {
        self.conn.wants_read()
    }

    /// Bytes that arrived and were not consumed.
    pub(crate) fn unread(&self) -> usize {
        self.input.len()
    }

    /// What was written since it was last asked.
    pub(crate) fn sent(&mut self) -> Bytes {
        std::mem::take(&mut self.out).to_vec().into()
    }

    fn with<R>(&mut self, f: impl FnOnce(&mut dyn Connection, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: Instant::now(),
            events: &mut self.events,
            out: &mut self.out,
        };
        f(&mut *self.conn, &mut turn)
    }
}
