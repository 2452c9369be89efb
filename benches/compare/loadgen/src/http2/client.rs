//! The load side.

use std::collections::HashMap;

use super::block::{Block, status};
use super::frame::{
    DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM,
    put_head, put_settings,
};
use super::outflow::Ending;
use super::peer::{Handled, Peer, WINDOW};
use super::{Content, Flavour};
use crate::arguments::Call;
use crate::protocol::{CallError, Calls, Step, Ticket, Verdict, Violation};
use crate::token::{TOKEN, token};

/// What a client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Static table: POST, http.
const POST_HTTP: [u8; 2] = [0x83, 0x86];

/// A prepared request and the body that is expected in return.
#[derive(Debug)]
pub(crate) struct Caller {
    flavour: Flavour,
    block: Block,
    content: Content,
}

/// What a connection remembers.
#[derive(Debug)]
pub(crate) struct State {
    connection: u32,
    last_stream: u32,
    exchanges: HashMap<u32, Exchange>,
    peer: Peer,
}

/// A request in flight.
#[derive(Debug)]
struct Exchange {
    ticket: Ticket,
    /// Of the reply, once its head is there.
    status: Option<u16>,
    /// Octets of the reply's body so far.
    received: usize,
    /// Whether all of them were right.
    is_right: bool,
}

impl Caller {
    /// Prepares the request of `call` with a body, or a message, of `body` bytes.
    pub(crate) fn new(call: &Call, flavour: Flavour, body: u64) -> Result<Self, CallError> {
        if call.services > 1 {
            return Err(CallError::Services("http2"));
        }
        let path = format!("/{}/{}", call.service, call.method);
        let content = flavour.body(body);
        let length = content.bytes.len().to_string();
        let mut fields = match flavour {
            Flavour::Plain => vec![
                (":path", call.method.as_str()),
                (":authority", &call.service),
                ("content-type", "application/octet-stream"),
                ("content-length", &length),
            ],
            Flavour::Grpc => vec![
                (":path", path.as_str()),
                (":authority", "bench"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
            ],
        };
        fields.push(("user-agent", "sabir-loadgen"));
        let further = call.attachments.iter();
        fields.extend(further.map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(Self {
            flavour,
            block: Block::new(&POST_HTTP, &fields),
            content,
        })
    }

    /// Takes a piece of a reply's body.
    fn compare(&self, exchange: &mut Exchange, connection: u32, piece: &[u8]) {
        let (start, end) = (exchange.received, exchange.received + piece.len());
        exchange.received = end;
        let Some(expected) = self.content.bytes.get(start..end) else {
            exchange.is_right = false;
            return;
        };
        let first = self.content.token_at;
        if start >= first + TOKEN {
            exchange.is_right &= piece == expected;
            return;
        }
        let token = token(connection, exchange.ticket);
        let right = |(at, &octet): (usize, &u8)| match (start + at).checked_sub(first) {
            Some(place) if place < TOKEN => octet == token[place],
            _ => octet == expected[at],
        };
        // The token is in the first octets; what is behind is compared at once.
        let split = piece.len().min(first + TOKEN - start);
        exchange.is_right &=
            piece[..split].iter().enumerate().all(right) && piece[split..] == expected[split..];
    }

    fn verdict(&self, exchange: &Exchange, last: &Frame<'_>) -> Verdict {
        let has_trailers = last.kind == HEADERS;
        match exchange.status {
            Some(200)
                if exchange.is_right
                    && exchange.received == self.content.bytes.len()
                    && has_trailers == (self.flavour == Flavour::Grpc) =>
            {
                Verdict::Right
            }
            Some(200) => Verdict::Content,
            status => Verdict::Status(status.unwrap_or(0)),
        }
    }

    /// A frame of one exchange.
    fn advance(
        &self,
        state: &mut State,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let consumed = frame.length();
        if frame.kind == DATA {
            state.peer.receive(frame.payload.len(), out);
        }
        // What is left of a stream that was reset.
        let Some(exchange) = state.exchanges.get_mut(&frame.stream) else {
            return Ok(Step::Skip { consumed });
        };
        let verdict = match frame.kind {
            RST_STREAM => Some(Verdict::Reset(frame.number()?)),
            DATA => {
                self.compare(exchange, state.connection, frame.content()?);
                None
            }
            _ => {
                let block = frame.content()?;
                exchange.status.get_or_insert_with(|| status(block));
                None
            }
        };
        let verdict =
            verdict.or_else(|| frame.has(END_STREAM).then(|| self.verdict(exchange, frame)));
        let Some(verdict) = verdict else {
            return Ok(Step::Skip { consumed });
        };
        let ticket = exchange.ticket;
        state.exchanges.remove(&frame.stream);
        state.peer.outflow.forget(frame.stream);
        Ok(Step::Reply {
            consumed,
            ticket,
            verdict,
        })
    }
}

impl Calls for Caller {
    type State = State;

    fn open(&self, connection: u32, out: &mut Vec<u8>) -> State {
        out.extend_from_slice(PREFACE);
        put_settings(&[(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, WINDOW)], out);
        Peer::open_window(out);
        State {
            connection,
            last_stream: 0,
            exchanges: HashMap::new(),
            peer: Peer::default(),
        }
    }

    fn write_request(&self, state: &mut State, ticket: Ticket, out: &mut Vec<u8>) {
        let stream = match state.last_stream {
            0 => 1,
            last => last + 2,
        };
        state.last_stream = stream;
        let start = out.len();
        put_head(0, HEADERS, END_HEADERS, stream, out);
        let block_at = out.len();
        self.block.write(&mut state.peer.table, out);
        let length = ((out.len() - block_at) as u32).to_be_bytes();
        out[start..start + 3].copy_from_slice(&length[1..]);
        let exchange = Exchange {
            ticket,
            status: None,
            received: 0,
            is_right: true,
        };
        state.exchanges.insert(stream, exchange);
        let outflow = &mut state.peer.outflow;
        outflow.push(stream, token(state.connection, ticket));
        outflow.pump(&self.content, Ending::Flag, out);
    }

    fn read_reply(
        &self,
        state: &mut State,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        let frame = match Frame::read(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        match state.peer.handle(&frame, out)? {
            Handled::No => return self.advance(state, &frame, out),
            Handled::Widened => state.peer.outflow.pump(&self.content, Ending::Flag, out),
            Handled::Yes => {}
        }
        Ok(Step::Skip {
            consumed: frame.length(),
        })
    }
}
