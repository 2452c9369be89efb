//! The backend side.

use std::collections::HashMap;

use super::block::Block;
use super::client::PREFACE;
use super::frame::{
    DATA, END_HEADERS, END_STREAM, Frame, HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE, RST_STREAM, put_head, put_settings,
};
use super::outflow::Ending;
use super::peer::{Handled, Peer, WINDOW};
use super::{Content, Flavour};
use crate::protocol::{Answers, Step, Violation};
use crate::token::{TOKEN, Token};

/// Streams on one connection at once: more than any load has in flight.
const STREAMS: u32 = 4096;
/// Static table: status 200.
const OK: [u8; 1] = [0x88];
/// `grpc-status: 0`, not for the table (RFC 7541 §6.2.2).
const GRPC_OK: &[u8] = b"\x00\x0bgrpc-status\x010";

/// Answers each request with a body that begins with the request's token.
#[derive(Debug)]
pub(crate) struct Echo {
    flavour: Flavour,
    block: Block,
    content: Content,
}

/// What a connection remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    is_open: bool,
    requests: HashMap<u32, Request>,
    peer: Peer,
}

/// A request that is not here in full.
#[derive(Debug)]
struct Request {
    token: Token,
    /// Octets of the body so far.
    received: usize,
}

impl Echo {
    /// A backend whose replies have a body, or a message, of `body` bytes.
    pub(crate) fn new(flavour: Flavour, body: u64) -> Self {
        let content = flavour.body(body);
        let length = content.bytes.len().to_string();
        let fields = match flavour {
            Flavour::Plain => vec![
                ("content-type", "application/octet-stream"),
                ("content-length", &length),
                ("server", "sabir-loadgen"),
            ],
            Flavour::Grpc => vec![("content-type", "application/grpc")],
        };
        Self {
            flavour,
            block: Block::new(&OK, &fields),
            content,
        }
    }

    fn ending(&self) -> Ending<'static> {
        match self.flavour {
            Flavour::Plain => Ending::Flag,
            Flavour::Grpc => Ending::Trailers(GRPC_OK),
        }
    }

    /// A frame of one exchange.
    fn advance(
        &self,
        state: &mut State,
        frame: &Frame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        let stream = frame.stream;
        match frame.kind {
            RST_STREAM => {
                state.requests.remove(&stream);
                state.peer.outflow.forget(stream);
                return Ok(());
            }
            DATA => {
                state.peer.receive(frame.payload.len(), out);
                let request = state.requests.get_mut(&stream).ok_or(Violation::Kind)?;
                request.take(frame.content()?, self.content.token_at);
            }
            // A head, or trailers behind a body.
            _ => {
                state.requests.entry(stream).or_default();
            }
        }
        if frame.has(END_STREAM) {
            let request = state.requests.remove(&stream).ok_or(Violation::Kind)?;
            self.reply(&mut state.peer, stream, request.token, out);
        }
        Ok(())
    }

    fn reply(&self, peer: &mut Peer, stream: u32, token: Token, out: &mut Vec<u8>) {
        let start = out.len();
        put_head(0, HEADERS, END_HEADERS, stream, out);
        let block_at = out.len();
        self.block.write(&mut peer.table, out);
        let length = ((out.len() - block_at) as u32).to_be_bytes();
        out[start..start + 3].copy_from_slice(&length[1..]);
        peer.outflow.push(stream, token);
        peer.outflow.pump(&self.content, self.ending(), out);
    }
}

impl Request {
    /// Keeps what of `piece` belongs to the token.
    fn take(&mut self, piece: &[u8], token_at: usize) {
        for (at, &octet) in (self.received..token_at + TOKEN).zip(piece) {
            if let Some(place) = at.checked_sub(token_at) {
                self.token[place] = octet;
            }
        }
        self.received += piece.len();
    }
}

impl Default for Request {
    /// Of a generator that sends no token: the filler's beginning.
    fn default() -> Self {
        Self {
            token: *b"abcdefghijklmnop",
            received: 0,
        }
    }
}

impl Answers for Echo {
    type State = State;

    fn answer(
        &self,
        state: &mut State,
        received: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, Violation> {
        if !state.is_open {
            return open(state, received, out);
        }
        let frame = match Frame::read(received)? {
            Ok(frame) => frame,
            Err(needed) => return Ok(Step::Wait { needed }),
        };
        match state.peer.handle(&frame, out) {
            Ok(Handled::No) => self.advance(state, &frame, out)?,
            Ok(Handled::Widened) => state.peer.outflow.pump(&self.content, self.ending(), out),
            // A client that leaves closes when it has its replies.
            Ok(Handled::Yes) | Err(Violation::Leaving) => {}
            Err(violation) => return Err(violation),
        }
        Ok(Step::Skip {
            consumed: frame.length(),
        })
    }
}

fn open(state: &mut State, received: &[u8], out: &mut Vec<u8>) -> Result<Step, Violation> {
    let seen = received.len().min(PREFACE.len());
    if received[..seen] != PREFACE[..seen] {
        return Err(Violation::Magic);
    }
    if seen < PREFACE.len() {
        let needed = PREFACE.len();
        return Ok(Step::Wait { needed });
    }
    state.is_open = true;
    let settings = [
        (MAX_CONCURRENT_STREAMS, STREAMS),
        (INITIAL_WINDOW_SIZE, WINDOW),
        (MAX_FRAME_SIZE, 16_384),
    ];
    put_settings(&settings, out);
    Peer::open_window(out);
    Ok(Step::Skip { consumed: seen })
}
