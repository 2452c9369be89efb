//! Responses: how the call ended, and the attachments of the answer.
//!
//! The body of a response with status 20 is an int that says what follows (exception, value or
//! nothing, with or without attachments), then that. With any other status it is the message.
//!
//! Specification: `DubboCodec.encodeResponseData`, `Response` of apache/dubbo.

use std::ops::Range;

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Metadata;
use sabir_core::outcome::{Code, Executed, Outcome, Party};

use super::NAME;
use super::body::{Body, Serialization};
use super::fault::BodyError;
use super::header::{self, Header};
use super::request::{finish, push};

/// What a response with status 20 holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Content {
    Exception,
    Value,
    Null,
}

/// The int at the start of such a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) content: Content,
    /// Attachments follow the content.
    pub(super) attachments: bool,
}

impl Answer {
    /// Reads it; `None` for an int that means nothing.
    pub(super) fn read(body: &mut dyn Body) -> Result<Option<Self>, BodyError> {
        let int = body.int()?;
        let content = match int {
            0 | 3 => Content::Exception,
            1 | 4 => Content::Value,
            2 | 5 => Content::Null,
            _ => return Ok(None),
        };
        let attachments = int >= 3;
        Ok(Some(Self {
            content,
            attachments,
        }))
    }

    /// Moves past the content.
    fn skip(self, body: &mut dyn Body) -> Result<(), BodyError> {
        match self.content {
            Content::Exception | Content::Value => body.skip(),
            Content::Null => Ok(()),
        }
    }
}

/// Where a response without attachments has room for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Room {
    /// The int that says what follows.
    pub(super) kind: Range<usize>,
    /// What it has to be with attachments.
    pub(super) with_attachments: u8,
    /// Where they belong: behind the content, before anything that dubbo-go may have appended.
    pub(super) at: usize,
}

impl Room {
    /// Finds it; `None` if the response has attachments or cannot have any.
    pub(super) fn find(wire: &[u8], serialization: Serialization) -> Option<Self> {
        if wire.get(3) != Some(&header::OK) {
            return None;
        }
        let found = serialization.read(wire, header::LEN, |body| {
            let start = body.offset();
            let answer = Answer::read(body).ok()??;
            let kind = start..body.offset();
            answer.skip(body).ok()?;
            let with_attachments = match answer.content {
                Content::Exception => 3,
                Content::Value => 4,
                Content::Null => 5,
            };
            let at = body.offset();
            (!answer.attachments).then_some(Self {
                kind,
                with_attachments,
                at,
            })
        });
        found.flatten()
    }
}

/// The head of a response.
pub(super) fn decode(header: Header, wire: Bytes) -> Head {
    let outcome = outcome(header, &wire);
    let mut head = Head::new(NAME, Kind::Response, wire, parse);
    head.outcome = outcome;
    head
}

/// How the call ended.
fn outcome(header: Header, wire: &[u8]) -> Outcome {
    use Executed::{Maybe, No, Yes};
    use Party::{Caller, Infrastructure, Network};
    let (party, executed, code) = match header.status {
        header::OK => return answer_outcome(header, wire),
        25 | 50 => (Infrastructure, Yes, Code::BadResponse),
        30 | 31 => (Infrastructure, Maybe, Code::TimedOut),
        35 => (Network, Maybe, Code::Unavailable),
        // Java says so for a method it does not know, too.
        40 => (Caller, No, Code::BadRequest),
        60 => (Infrastructure, No, Code::NotFound),
        80 => (Infrastructure, Maybe, Code::Unavailable),
        90 => (Infrastructure, Maybe, Code::BadResponse),
        100 => (Infrastructure, No, Code::Overloaded),
        _ => (Infrastructure, Maybe, Code::Internal),
    };
    Outcome::new(party, executed, code)
}

fn answer_outcome(header: Header, wire: &[u8]) -> Outcome {
    let serialization = Serialization::of(header.serialization());
    match serialization.read(wire, header::LEN, Answer::read) {
        Some(Ok(Some(answer))) if answer.content == Content::Exception => Outcome::BUSINESS_ERROR,
        Some(Ok(Some(_))) | None => Outcome::OK,
        // Forwarded as it is: the caller's own decoder has the last word.
        Some(Ok(None)) => BAD_RESPONSE,
        Some(Err(_)) if serialization.is_known_completely() => BAD_RESPONSE,
        Some(Err(_)) => Outcome::OK,
    }
}

/// Lists the attachments of a response.
fn parse(head: &Head, metadata: &mut Metadata) {
    let wire = head.wire();
    let [_, _, flags, header::OK, ..] = wire[..] else {
        return;
    };
    let flags = Header {
        flags,
        status: header::OK,
        id: 0,
    };
    let serialization = Serialization::of(flags.serialization());
    let found = serialization.read(wire, header::LEN, |body| {
        let answer = Answer::read(body)?.filter(|answer| answer.attachments);
        let Some(answer) = answer else {
            return Ok(None);
        };
        answer.skip(body)?;
        body.map(&mut |entry| push(metadata, wire, entry)).map(Some)
    });
    finish(metadata, serialization, found.and_then(Result::transpose));
}

const BAD_RESPONSE: Outcome = Outcome::new(Party::Infrastructure, Executed::Yes, Code::BadResponse);
