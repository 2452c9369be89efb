//! Heads of responses on their way out.

use sabir_core::connection::{SendError, Written};
use sabir_core::head::Head;
use sabir_core::outcome::Reply;
use sabir_core::output::Output;

use super::edits::Edits;
use super::field::{Block, Known, number};
use super::hops::Hops;
use super::lines_out::{
    Copy, ends_here, foreign_fields, is_foreign, put_added, put_field, put_foreign, put_length,
    put_via,
};
use super::notes;
use super::options::Options;
use super::outbound::{Outbound, put_number};
use super::request::{Facts, Verb};
use super::response::status_line;
use super::status::{of_outcome, reason};

/// What was written, and what it means for the connection.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) written: Written,
    pub(super) stage: Stage,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Another head: this one was 1xx.
    Interim,
    /// The body.
    Final(Outbound),
    /// The bytes of a tunnel.
    Tunnel,
}

/// Writes the head of the response to a request of these facts. `close` says that it is the last.
pub(super) fn write(
    head: &Head,
    request: &Facts,
    close: bool,
    options: &Options,
    out: &mut Output,
) -> Result<Sent, SendError> {
    if is_foreign(head) {
        return foreign(head, request, close, options, out).ok_or(SendError::Unsupported);
    }
    let (edits, written) = match head.is_modified().then(|| Edits::of_response(head)) {
        None => (Edits::default(), Written::Whole),
        Some(Some(edits)) => (edits, Written::Whole),
        Some(None) => (Edits::default(), Written::Unmodified),
    };
    let wire = head.wire();
    let (received, minor) = status_line(wire).ok_or(SendError::Unsupported)?;
    let lines = notes::lines(head, &edits, options);
    let status = edits.status.filter(|_| received >= 200).unwrap_or(received);
    let framing = Framing::of(head, status, declared(wire, &lines, &edits), request);
    let stage = framing.stage().ok_or(SendError::Unsupported)?;
    let from = start(wire, minor, status != received, status, out);
    let hops = Hops::of(wire, lines.iter().copied());
    let mut copy = Copy::new(wire, from);
    for line in &lines {
        let kept = stage == Stage::Tunnel && line.known == Known::Upgrade;
        if !kept && ends_here(line, wire, &hops, &edits, options) {
            copy.skip(line, out);
        }
    }
    copy.finish(out);
    framing.own(stage, close, out);
    let version: &[u8] = if minor == 0 { b"1.0" } else { b"1.1" };
    put_via(version, options, out);
    put_added(&edits, out);
    out.put(b"\r\n");
    Ok(Sent { written, stage })
}

/// Whether `head` is a 1xx that the client cannot understand or did not ask for. RFC 9110 §15.2.
pub(super) fn is_unwanted(head: &Head, request: &Facts) -> bool {
    let status = match is_foreign(head) {
        true => {
            let mut pairs = head.metadata().iter();
            pairs
                .find(|(name, _)| *name == b":status")
                .and_then(|(_, value)| number(value))
        }
        false => status_line(head.wire()).map(|(status, _)| status.into()),
    };
    match status {
        Some(100) => !request.expects,
        Some(102..=199) => request.minor == 0,
        _ => false,
    }
}

/// Writes a whole response of our own: a short text.
pub(super) fn reply(reply: &Reply, status: Option<u16>, verb: Verb, close: bool, out: &mut Output) {
    let status = status.unwrap_or_else(|| of_outcome(reply.outcome));
    put_status(status, out);
    put_field(b"content-type", b"text/plain; charset=utf-8", out);
    let is_empty = matches!(status, 204 | 304);
    if !is_empty {
        put_length(reply.message.len() as u64, out);
    }
    match status {
        // RFC 9110 §15.5.6: methods that would be allowed are not known here.
        405 => put_field(b"allow", b"", out),
        429 | 503 => put_field(b"retry-after", b"1", out),
        _ => {}
    }
    if close {
        put_field(b"connection", b"close", out);
    }
    out.put(b"\r\n");
    if verb != Verb::Head && !is_empty {
        out.put(reply.message.as_bytes());
    }
}

fn put_status(status: u16, out: &mut Output) {
    out.put(b"HTTP/1.1 ");
    put_number(status.into(), out);
    out.put(b" ");
    out.put(reason(status).as_bytes());
    out.put(b"\r\n");
}

/// Writes the status line, unless it may be copied; returns where copying starts.
fn start(wire: &[u8], minor: u8, changed: bool, status: u16, out: &mut Output) -> usize {
    if !changed && minor == 1 {
        return 0;
    }
    if !changed {
        out.put(b"HTTP/1.1");
        return 8;
    }
    put_status(status, out);
    memchr::memchr(b'\n', wire).map_or(wire.len(), |lf| lf + 1)
}

fn declared(wire: &[u8], lines: &Block, edits: &Edits<'_>) -> Option<u64> {
    let is =
        |line: &&super::field::Line| line.known == Known::ContentLength && !edits.drops(line.raw);
    number(lines.iter().find(is)?.value.of(wire))
}

/// What decides where a response ends. RFC 9112 §6.3.
struct Framing {
    status: u16,
    end: bool,
    length: Option<u64>,
    request: Facts,
}

impl Framing {
    fn of(head: &Head, status: u16, length: Option<u64>, request: &Facts) -> Self {
        Self {
            status,
            end: head.end,
            length,
            request: *request,
        }
    }

    /// `None` for a switch of protocols that nobody asked for.
    fn stage(&self) -> Option<Stage> {
        let Self { request, .. } = self;
        let body = match self.status {
            101 => return request.upgrades.then_some(Stage::Tunnel),
            100..=199 => return Some(Stage::Interim),
            200..=299 if request.verb == Verb::Connect => return Some(Stage::Tunnel),
            204 | 304 => Outbound::Nothing,
            _ if request.verb == Verb::Head || self.end => Outbound::Nothing,
            _ => match self.length {
                Some(length) => Outbound::Known(length),
                None if request.minor == 1 => Outbound::Chunked,
                None => Outbound::Raw,
            },
        };
        Some(Stage::Final(body))
    }

    /// Writes the fields that each hop writes itself.
    fn own(&self, stage: Stage, close: bool, out: &mut Output) {
        match stage {
            Stage::Interim => return,
            Stage::Tunnel => {
                if self.status == 101 {
                    out.put(b"connection: upgrade\r\n");
                }
                return;
            }
            Stage::Final(Outbound::Chunked) => out.put(b"transfer-encoding: chunked\r\n"),
            Stage::Final(Outbound::Known(length)) => put_length(length, out),
            Stage::Final(Outbound::Raw) => {}
            Stage::Final(Outbound::Nothing) => self.own_without_body(out),
        }
        if close {
            put_field(b"connection", b"close", out);
        }
    }

    fn own_without_body(&self, out: &mut Output) {
        match (self.status, self.length) {
            (204, _) => {}
            // What a GET would have had: RFC 9110 §8.6.
            (304, length) => length
                .into_iter()
                .for_each(|length| put_length(length, out)),
            (_, length) if self.request.verb == Verb::Head => {
                length
                    .into_iter()
                    .for_each(|length| put_length(length, out));
            }
            _ => put_length(0, out),
        }
    }
}

/// Writes a response that another protocol brought; `None` if it is none, or would be another here.
fn foreign(
    head: &Head,
    request: &Facts,
    close: bool,
    options: &Options,
    out: &mut Output,
) -> Option<Sent> {
    let mut pairs = head.metadata().iter();
    let (_, status) = pairs.find(|(name, _)| *name == b":status")?;
    let status = number(status).filter(|s| (100..1000).contains(s))? as u16;
    let fields = foreign_fields(head)?;
    let length = fields
        .iter()
        .find(|(name, _)| Known::of(name) == Known::ContentLength);
    let length = match length {
        Some((_, value)) => Some(number(value)?),
        None => None,
    };
    let framing = Framing::of(head, status, length, request);
    let stage = framing.stage().filter(|stage| *stage != Stage::Tunnel)?;
    put_status(status, out);
    put_foreign(&fields, options, out);
    framing.own(stage, close, out);
    put_via(b"2", options, out);
    out.put(b"\r\n");
    Some(Sent {
        written: Written::Whole,
        stage,
    })
}
