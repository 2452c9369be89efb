//! Heads of responses, taken apart and checked.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Span;

use super::field::{Known, Lines};
use super::length::{Declared, Length};
use super::refusal::Refusal;
use super::request::{Connection, complete, room};
use super::status::outcome;
use super::{NAME, pairs};

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
pub(super) fn read(block: Bytes, lines: usize) -> Result<Response, Refusal> {
    {
        let mut headers = room(lines);
        let parsed = httparse::Response::new(&mut headers).parse(&block);
        complete(parsed, &block)?;
    }
    let (status, minor) = status_line(&block).ok_or_else(|| Refusal::bad("status line", 0))?;
    let has_no_length = matches!(status, 100..=199 | 204);
    let mut declared = Declared::default();
    let mut connection = Connection::default();
    let mut upgrade = None;
    for line in Lines::of_head(&block) {
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
    Ok(Response {
        head,
        status,
        length,
        persists: minor == 1 && !connection.close,
        upgrade,
    })
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
