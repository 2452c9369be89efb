//! Heads of requests, and trailer sections, taken apart and checked.
//!
//! `httparse` checks the grammar; what two parsers on the way could read differently, and what it
//! leaves to its callers, is checked here and refused rather than repaired.

use bytes::Bytes;
use httparse::{EMPTY_HEADER, Error, Header, Status};
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Malformed, Span};
use sabir_core::name::Field;
use smallvec::{SmallVec, smallvec};

use super::field::{Known, Lines, elements, is_token, is_value, lists, number};
use super::length::{Declared, Length};
use super::options::{Options, Underscores};
use super::refusal::Refusal;
use super::semantics::is_idempotent;
use super::target::{RequestLine, Target, is_ambiguous, is_authority, split_query};
use super::{NAME, pairs};

/// A request whose head is sound.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) head: Head,
    pub(super) facts: Facts,
}

/// What the connection itself has to know of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) verb: Verb,
    /// Minor version of HTTP/1.
    pub(super) minor: u8,
    pub(super) length: Option<Length>,
    /// The client lets the connection go on after the response.
    pub(super) persists: bool,
    /// The client waits for 100 before it sends the body.
    pub(super) expects: bool,
    /// The client understands trailers.
    pub(super) trailers: bool,
    /// The client asks for a tunnel that may be granted.
    pub(super) upgrades: bool,
    /// Proxies that may still pass it on, of TRACE and OPTIONS.
    pub(super) hops: Option<u64>,
}

impl Facts {
    /// Facts of a request that was refused before it was understood.
    pub(super) fn nothing(verb: Verb) -> Self {
        Self {
            verb,
            minor: 1,
            length: None,
            persists: false,
            expects: false,
            trailers: false,
            upgrades: false,
            hops: None,
        }
    }
}

/// Methods that change what a response is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Head,
    Connect,
    Options,
    Trace,
    Other,
}

impl Verb {
    pub(super) fn of(verb: &[u8]) -> Self {
        match verb {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            _ => Self::Other,
        }
    }
}

/// Field values that decide what a request is.
#[derive(Default)]
struct Found<'a> {
    host: Option<(&'a [u8], Span)>,
    declared: Declared,
    connection: Connection,
    upgrade: Option<&'a [u8]>,
    expect: Option<(&'a [u8], usize)>,
    trailers: bool,
    hops: Option<u64>,
}

/// Options of `Connection` that mean something to us.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    pub(super) close: bool,
    pub(super) upgrade: bool,
}

impl Connection {
    pub(super) fn add(&mut self, value: &[u8]) {
        self.close |= lists(value, b"close");
        self.upgrade |= lists(value, b"upgrade");
    }
}

/// Reads the head of a request that has `lines` lines.
pub(super) fn read(block: Bytes, lines: usize, options: &Options) -> Result<Request, Refusal> {
    let mut headers = room(lines);
    let parsed = httparse::Request::new(&mut headers).parse(&block);
    complete(parsed, &block)?;
    let line = RequestLine::of(&block).ok_or_else(|| Refusal::bad("request line", 0))?;
    let found = Found::of(&block, options)?;
    let (verb, minor) = (Verb::of(line.verb), line.minor);
    let at = line.verb.len() + 1;
    let target = Target::read(line.verb, line.target).map_err(|part| Refusal::bad(part, at))?;
    let length = found.declared.length(minor)?;
    let facts = facts(&found, verb, minor, length, options)?;
    check_target(&target, &found, minor, options, at)?;
    let spans = Spans::of(&target, &found, &block);
    let mut head = Head::new(NAME, Kind::Request, block.clone(), pairs::of_request);
    if let Some(service) = spans.service {
        head.set_field_span(Field::Service, service);
    }
    match spans.method {
        Some(method) if !method.is_empty() => head.set_field_span(Field::Method, method),
        Some(_) => head.set_field_decoded(Field::Method, root(line.verb)),
        None => {}
    }
    let has_body = matches!(length, Some(Length::Chunked | Length::Known(1..)));
    head.end = !has_body && !facts.upgrades && verb != Verb::Connect;
    head.idempotent = is_idempotent(line.verb) && !facts.upgrades;
    Ok(Request { head, facts })
}

/// Checks the lines of a trailer section.
pub(super) fn validate_trailers(block: &[u8], lines: usize) -> Result<(), Refusal> {
    let mut headers = room(lines);
    let parsed = httparse::parse_headers(block, &mut headers);
    match parsed {
        Ok(Status::Complete(_)) => Ok(()),
        Ok(Status::Partial) | Err(_) => Err(Refusal::bad("trailer section", 0)),
    }
}

/// What stands for an empty path in a request of method `verb`. RFC 9112 §3.2.4.
pub(super) fn root(verb: &[u8]) -> &'static [u8] {
    match verb {
        b"OPTIONS" => b"*",
        _ => b"/",
    }
}

pub(super) fn room<'a>(lines: usize) -> SmallVec<[Header<'a>; 32]> {
    smallvec![EMPTY_HEADER; lines]
}

/// Takes a result of `httparse` for a block that ends where its head does.
pub(super) fn complete(parsed: Result<Status<usize>, Error>, block: &[u8]) -> Result<(), Refusal> {
    let part = match parsed {
        Ok(Status::Complete(len)) if len == block.len() => return Ok(()),
        Ok(_) => "head",
        Err(Error::HeaderName) => "field name",
        Err(Error::HeaderValue) => "field value",
        Err(Error::NewLine) => "line end",
        Err(Error::Version) if is_other_version(block) => {
            let (part, at) = ("HTTP version: neither 1.0 nor 1.1", 0);
            return Err(Refusal::new(505, Malformed { part, at }));
        }
        Err(Error::Version) => "HTTP version",
        Err(Error::Status) => "status line",
        Err(Error::Token) => "request line",
        Err(Error::TooManyHeaders) => "head: fields",
    };
    Err(Refusal::bad(part, locate(block)))
}

fn is_other_version(block: &[u8]) -> bool {
    let line = block.split(|&b| b == b'\r').next().unwrap_or_default();
    let version = line.split(|&b| b == b' ').next_back();
    let version = version.and_then(|v| v.strip_prefix(b"HTTP/"));
    matches!(version, Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// Offset of the first line that is no field line; zero if all are, so that the start line is not.
fn locate(block: &[u8]) -> usize {
    let mut at = 0;
    for (i, line) in block.split_inclusive(|&b| b == b'\n').enumerate() {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        let colon = text.iter().position(|&b| b == b':');
        let is_field = colon.is_some_and(|c| is_token(&text[..c]) && is_value(&text[c + 1..]));
        if i > 0 && !is_field && !text.is_empty() {
            return at;
        }
        at += line.len();
    }
    0
}

impl<'a> Found<'a> {
    fn of(block: &'a [u8], options: &Options) -> Result<Self, Refusal> {
        let mut found = Self::default();
        for line in Lines::of_head(block) {
            let (value, at) = (line.value.of(block), line.raw.start as usize);
            match line.known {
                Known::Host if found.host.is_some() => {
                    return Err(Refusal::bad("Host: more than one", at));
                }
                Known::Host => found.host = Some((value, line.value)),
                Known::ContentLength => found.declared.content_length(value, at)?,
                Known::TransferEncoding => found.declared.transfer_encoding(value, at)?,
                Known::Connection => found.connection.add(value),
                Known::Upgrade => {
                    // Of several, none is granted.
                    found.upgrade = Some(if found.upgrade.is_some() { b"" } else { value });
                }
                Known::Expect if found.expect.is_some() => {
                    return Err(Refusal::bad("Expect: more than one", at));
                }
                Known::Expect => found.expect = Some((value, at)),
                Known::Te => {
                    let weight = |e: &'a [u8]| e.split(|&b| b == b';').next().unwrap_or_default();
                    let is = |e| super::field::trim(weight(e)).eq_ignore_ascii_case(b"trailers");
                    found.trailers |= elements(value).any(is);
                }
                Known::MaxForwards => found.hops = number(value),
                Known::Other
                    if options.underscores == Underscores::Reject
                        && line.name.of(block).contains(&b'_') =>
                {
                    return Err(Refusal::bad("field name: underscore", at));
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn facts(
    found: &Found<'_>,
    verb: Verb,
    minor: u8,
    length: Option<Length>,
    options: &Options,
) -> Result<Facts, Refusal> {
    let has_body = !matches!(length, None | Some(Length::Known(0)));
    let expects = match found.expect {
        // RFC 9110 §10.1.1: of no meaning in HTTP/1.0, and without a body.
        Some(_) if minor == 0 => false,
        Some((value, _)) if value.eq_ignore_ascii_case(b"100-continue") => has_body,
        Some((_, at)) => {
            let part = "Expect: not 100-continue";
            return Err(Refusal::new(417, Malformed { part, at }));
        }
        None => false,
    };
    if let (Some(Length::Known(length)), Some(most)) = (length, options.max_body_bytes)
        && length > most
    {
        let part = "Content-Length: body too long";
        return Err(Refusal::new(413, Malformed { part, at: 0 }));
    }
    // RFC 9110 §9.3.6 and §9.3.8: what would follow means nothing, or another request.
    if matches!(verb, Verb::Connect | Verb::Trace) && length.is_some() {
        return Err(Refusal::bad("body: not with this method", 0));
    }
    let granted = |upgrade: &[u8]| {
        let is = |known: &String| upgrade.eq_ignore_ascii_case(known.as_bytes());
        options.upgrades.iter().any(is)
    };
    let asks = minor == 1 && found.connection.upgrade && !has_body && verb != Verb::Connect;
    Ok(Facts {
        verb,
        minor,
        length,
        // RFC 9112 §9.3: a proxy keeps no connection to an HTTP/1.0 client.
        persists: minor == 1 && !found.connection.close,
        expects,
        trailers: found.trailers,
        upgrades: asks && found.upgrade.is_some_and(granted),
        hops: found
            .hops
            .filter(|_| matches!(verb, Verb::Options | Verb::Trace)),
    })
}

fn check_target(
    target: &Target<'_>,
    found: &Found<'_>,
    minor: u8,
    options: &Options,
    at: usize,
) -> Result<(), Refusal> {
    match found.host {
        // RFC 9112 §3.2: also where the target names the host.
        None if minor == 1 => return Err(Refusal::bad("Host: missing", 0)),
        // Empty where there is no authority, as we write it ourselves for clients of HTTP/1.0.
        Some((host, span)) if !host.is_empty() && !is_authority(host) => {
            return Err(Refusal::bad("Host", span.start as usize));
        }
        _ => {}
    }
    let path = match target {
        Target::Origin(path) | Target::Absolute(_, path) => path,
        Target::Asterisk => return Ok(()),
        Target::Authority(_) if options.connect => return Ok(()),
        Target::Authority(_) => {
            let part = "CONNECT: not allowed";
            return Err(Refusal::new(405, Malformed { part, at: 0 }));
        }
    };
    match options.reject_ambiguous_paths && is_ambiguous(path) {
        true => Err(Refusal::bad("request target: ambiguous path", at)),
        false => Ok(()),
    }
}

/// Where the well-known fields are.
struct Spans {
    service: Option<Span>,
    /// Empty where the target has no path and stands for the root.
    method: Option<Span>,
}

impl Spans {
    fn of(target: &Target<'_>, found: &Found<'_>, block: &[u8]) -> Self {
        let span = |part: &[u8]| {
            let start = (part.as_ptr() as usize).wrapping_sub(block.as_ptr() as usize);
            Span::new(start, start + part.len())
        };
        let host = found.host.map(|(_, span)| span);
        let host = host.filter(|host| !host.is_empty());
        let (service, path) = match *target {
            Target::Origin(path) => (host, Some(path)),
            Target::Absolute(authority, path) => (Some(span(authority)), Some(path)),
            Target::Authority(authority) => (Some(span(authority)), None),
            Target::Asterisk => (host, Some(&b""[..])),
        };
        let method = path.map(|path| span(split_query(path).0));
        Self { service, method }
    }
}
