//! Heads of responses, taken apart and checked.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Span;

use super::field::{Known, Lines, sound_lines};
use super::length::{Declared, Length};
use super::options::HeadLimits;
use super::refusal::Refusal;
use super::request::{Connection, complete, room};
use super::status::outcome;
use super::{NAME, notes, pairs, scan};
use crate::octets::value_len;

/// A response whose head is sound.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) head: Head,
    pub(super) status: u16,
    pub(super) length: Option<Length>,
    /// The server lets the connection go on after the response.
    pub(super) persists: bool,
    /// What the connection is upgraded to.
    pub(super) upgrade: Option<Span>,
}

/// Reads the head of a response that has `lines` lines. What belongs to it is for the caller to say,
/// who knows the request.
pub(super) fn read(block: Bytes, lines: usize, limits: &HeadLimits) -> Result<Response, Refusal> {
    let lines = match sound_start(&block).and_then(|len| sound_lines(&block, len)) {
        Some(lines) => lines,
        // What is wrong with it, if anything.
        None => {
            scan::check(&block, limits)?;
            let mut headers = room(lines);
            let parsed = httparse::Response::new(&mut headers).parse(&block);
            complete(parsed, &block)?;
            Lines::of_head(&block).collect()
        }
    };
    let (status, minor) = status_line(&block).ok_or_else(|| Refusal::bad("status line", 0))?;
    let has_no_length = matches!(status, 100..=199 | 204);
    let mut declared = Declared::default();
    let mut connection = Connection::default();
    let mut upgrade = None;
    for line in &lines {
        let (value, at) = (line.value.of(&block), line.raw.start as usize);
        match line.known {
            Known::ContentLength | Known::TransferEncoding if has_no_length => {}
            Known::ContentLength => declared.content_length(value, at)?,
            Known::TransferEncoding => declared.transfer_encoding(value, at)?,
            Known::Connection => connection.add(value),
            Known::Upgrade if connection_names_it(&block) => upgrade = Some(line.value),
            _ => {}
        }
    }
    let length = declared.length(minor)?;
    let mut head = Head::new(NAME, Kind::Response, block, pairs::of_response);
    head.outcome = outcome(status);
    head.set_notes(notes::note(&lines));
    Ok(Response {
        head,
        status,
        length,
        persists: minor == 1 && !connection.close,
        upgrade,
    })
}

/// Length of the status line of a head that was not validated; `None` unless it is one beyond doubt.
pub(super) fn sound_start(block: &[u8]) -> Option<usize> {
    let (start, rest) = block.split_at_checked(13)?;
    let &[
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        b'0' | b'1',
        b' ',
        a,
        b,
        c,
        b' ',
    ] = start
    else {
        return None;
    };
    let is_status = [a, b, c].iter().all(u8::is_ascii_digit);
    let reason = value_len(rest);
    (is_status && rest[reason..].starts_with(b"\r\n")).then_some(start.len() + reason + 2)
}

/// Status and minor version of a validated head; `None` if the status is none.
pub(super) fn status_line(block: &[u8]) -> Option<(u16, u8)> {
    let digits = block.get(9..12)?;
    let status = super::field::number(digits)? as u16;
    let minor = block.get(7)? - b'0';
    (status >= 100).then_some((status, minor))
}

fn connection_names_it(block: &[u8]) -> bool {
    let mut connection = Connection::default();
    Lines::of_head(block)
        .filter(|line| line.known == Known::Connection)
        .for_each(|line| connection.add(line.value.of(block)));
    connection.upgrade
}
