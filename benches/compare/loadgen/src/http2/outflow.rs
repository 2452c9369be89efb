//! Bodies on their way to the peer, as far as its windows let them (RFC 9113 §5.2).

use std::collections::VecDeque;

use super::Content;
use super::frame::{DATA, END_STREAM, put_head};
use crate::token::{TOKEN, Token};

/// RFC 9113 §6.9.2: windows before the peer says otherwise.
const FIRST_WINDOW: i64 = 65_535;
/// RFC 9113 §4.2: the longest payload that every peer takes.
const MAX_PAYLOAD: usize = 16_384;

/// What may still be sent, and the bodies that wait for it.
#[derive(Debug)]
pub(super) struct Outflow {
    /// The connection's window.
    window: i64,
    /// What a new stream's window is.
    initial: i64,
    waiting: VecDeque<Waiting>,
}

/// A body that is not sent in full.
#[derive(Debug)]
struct Waiting {
    stream: u32,
    token: Token,
    sent: usize,
    window: i64,
}

/// What ends a stream: a flag on the last of its body, or a frame of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending<'a> {
    /// The flag.
    Flag,
    /// The payload of a frame with trailers.
    Trailers(&'a [u8]),
}

impl Default for Outflow {
    fn default() -> Self {
        Self {
            window: FIRST_WINDOW,
            initial: FIRST_WINDOW,
            waiting: VecDeque::new(),
        }
    }
}

impl Outflow {
    /// The peer changes the windows of streams, those that wait included (RFC 9113 §6.9.2).
    pub(super) fn resize(&mut self, initial: u32) {
        let change = i64::from(initial) - self.initial;
        self.initial += change;
        for body in &mut self.waiting {
            body.window += change;
        }
    }

    /// The peer lets more pass, on one stream or, as stream 0, on all.
    pub(super) fn widen(&mut self, stream: u32, octets: u32) {
        if stream == 0 {
            self.window += i64::from(octets);
        } else if let Some(body) = self.find(stream) {
            body.window += i64::from(octets);
        }
    }

    /// The stream is over; nothing more of its body leaves.
    pub(super) fn forget(&mut self, stream: u32) {
        self.waiting.retain(|body| body.stream != stream);
    }

    /// The body of `stream`, with this token, waits for its turn; [`Self::pump`] sends it.
    pub(super) fn push(&mut self, stream: u32, token: Token) {
        self.waiting.push_back(Waiting {
            stream,
            token,
            sent: 0,
            window: self.initial,
        });
    }

    /// Sends of the bodies that wait what windows let pass.
    pub(super) fn pump(&mut self, content: &Content, ending: Ending<'_>, out: &mut Vec<u8>) {
        let total = content.bytes.len();
        for body in &mut self.waiting {
            while body.sent < total {
                let room = self.window.min(body.window).max(0);
                let length = (total - body.sent).min(MAX_PAYLOAD).min(room as usize);
                if length == 0 {
                    break;
                }
                self.window -= length as i64;
                body.window -= length as i64;
                body.put(content, length, ending, out);
            }
        }
        while self.waiting.front().is_some_and(|body| body.sent == total) {
            self.waiting.pop_front();
        }
        if !self.waiting.is_empty() {
            self.waiting.retain(|body| body.sent < total);
        }
    }

    fn find(&mut self, stream: u32) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|body| body.stream == stream)
    }
}

impl Waiting {
    /// Appends the next `length` octets, and the stream's end behind the last of them.
    fn put(&mut self, content: &Content, length: usize, ending: Ending<'_>, out: &mut Vec<u8>) {
        let piece = self.sent..self.sent + length;
        let is_last = piece.end == content.bytes.len();
        let flags = match ending {
            Ending::Flag if is_last => END_STREAM,
            Ending::Flag | Ending::Trailers(_) => 0,
        };
        put_head(length, DATA, flags, self.stream, out);
        let start = out.len();
        out.extend_from_slice(&content.bytes[piece.clone()]);
        let token = content.token_at..content.token_at + TOKEN;
        for at in token.start.max(piece.start)..token.end.min(piece.end) {
            out[start + at - piece.start] = self.token[at - token.start];
        }
        self.sent = piece.end;
        if is_last && let Ending::Trailers(block) = ending {
            let flags = END_STREAM | super::frame::END_HEADERS;
            super::frame::put(super::frame::HEADERS, flags, self.stream, block, out);
        }
    }
}
