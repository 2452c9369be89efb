//! Heads of requests on their way out.

use std::borrow::Cow;

use sabir_core::connection::{SendError, Written};
use sabir_core::head::Head;
use sabir_core::name::Field;
use sabir_core::output::Output;

use super::edits::Edits;
use super::field::{Block, Known, Line, lists, number};
use super::hops::Hops;
use super::lines_out::{
    Copy, ends_here, foreign_fields, is_foreign, put_added, put_field, put_foreign, put_length,
    put_via,
};
use super::notes;
use super::options::Options;
use super::outbound::{Outbound, put_number};
use super::pairs::full_path;
use super::request::{Verb, root};
use super::target::{RequestLine, Target, is_authority, is_path, is_verb, split_query};
use crate::http2::grpc;

/// What was written, and what it means for the response.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) written: Written,
    /// How the body is to be written.
    pub(super) body: Outbound,
    pub(super) verb: Verb,
    /// What the connection may be upgraded to.
    pub(super) upgrade: Option<Box<[u8]>>,
}

/// Writes the head of a request.
pub(super) fn write(head: &Head, options: &Options, out: &mut Output) -> Result<Sent, SendError> {
    if is_foreign(head) {
        return foreign(head, options, out).ok_or(SendError::Unsupported);
    }
    let (edits, written) = match head.is_modified().then(|| Edits::of_request(head)) {
        None => (Edits::default(), Written::Whole),
        Some(Some(edits)) => (edits, Written::Whole),
        Some(None) => (Edits::default(), Written::Unmodified),
    };
    let wire = head.wire();
    let line = RequestLine::of(wire).ok_or(SendError::Unsupported)?;
    let lines = notes::lines(head, &edits, options);
    let facts = Facts::of(head, &line, &lines, &edits);
    let from = facts.start(wire, &line, &edits, out);
    let sent = Sent {
        written,
        body: facts.body(),
        verb: facts.verb,
        upgrade: facts.upgrade.map(Into::into),
    };
    facts.fields(head, &lines, &edits, options, from, out);
    Ok(sent)
}

/// What decides how the lines of a request are written.
struct Facts<'a> {
    verb: Verb,
    minor: u8,
    end: bool,
    length: Option<u64>,
    /// The method gives a body meaning, so that its absence is said.
    says_empty: bool,
    trailers: bool,
    upgrade: Option<&'a [u8]>,
    /// The authority to write as `Host`, if not the line that is there.
    host: Option<&'a [u8]>,
    hops: Hops<'a>,
}

impl<'a> Facts<'a> {
    fn of(head: &'a Head, line: &RequestLine<'a>, lines: &Block, edits: &Edits<'a>) -> Self {
        let wire = head.wire();
        let verb = edits.verb.unwrap_or(line.verb);
        let hops = Hops::of(wire, lines.iter().copied());
        let mut facts = Self {
            verb: Verb::of(verb),
            minor: line.minor,
            end: head.end,
            length: None,
            says_empty: matches!(verb, b"POST" | b"PUT" | b"PATCH"),
            trailers: false,
            upgrade: None,
            host: edits.authority,
            hops,
        };
        let (mut chunked, mut has_host) = (false, false);
        for line in lines {
            let value = line.value.of(wire);
            match line.known {
                Known::ContentLength if !edits.drops(line.raw) => facts.length = number(value),
                Known::ContentLength | Known::TransferEncoding => chunked = true,
                Known::Te => facts.trailers |= lists(value, b"trailers"),
                Known::Upgrade if facts.hops.upgrade => facts.upgrade = Some(value),
                Known::Host => has_host = true,
                _ => {}
            }
        }
        // Only a request that asks for a tunnel is unfinished without a body.
        let tunnels = !head.end && facts.length.is_none() && !chunked;
        facts.upgrade = facts.upgrade.filter(|_| tunnels);
        if facts.host.is_none() && (!has_host || !is_plain(line.target)) {
            facts.host = Some(head.service());
        }
        facts
    }

    fn tunnels(&self) -> bool {
        self.upgrade.is_some() || self.verb == Verb::Connect
    }

    fn body(&self) -> Outbound {
        match (self.end || self.tunnels(), self.length) {
            (true, _) => Outbound::Nothing,
            (false, Some(length)) => Outbound::Known(length),
            (false, None) => Outbound::Chunked,
        }
    }

    /// Writes the start line, unless it may be copied; returns where copying starts.
    fn start(
        &self,
        wire: &[u8],
        line: &RequestLine<'a>,
        edits: &Edits<'a>,
        out: &mut Output,
    ) -> usize {
        let stays = edits.verb.is_none() && edits.path.is_none() && edits.full_path.is_none();
        if stays && line.minor == 1 && is_plain(line.target) && self.host.is_none() {
            return 0;
        }
        out.put(edits.verb.unwrap_or(line.verb));
        out.put(b" ");
        let (path, query) = split_query(full_path(line).unwrap_or_default());
        match (edits.full_path, edits.path, full_path(line)) {
            (Some(full), None, _) => out.put(full),
            (Some(full), Some(path), _) => {
                out.put(path);
                out.put(split_query(full).1);
            }
            (None, Some(path), _) => {
                out.put(path);
                out.put(query);
            }
            (None, None, Some(_)) => {
                out.put(if path.is_empty() {
                    root(line.verb)
                } else {
                    path
                });
                out.put(query);
            }
            (None, None, None) => out.put(authority_form(line, edits)),
        }
        out.put(b" HTTP/1.1\r\n");
        if let Some(host) = self.host {
            put_field(b"host", host, out);
        }
        debug_assert!(line.len <= wire.len());
        line.len
    }

    fn fields(
        &self,
        head: &Head,
        lines: &Block,
        edits: &Edits<'_>,
        options: &Options,
        from: usize,
        out: &mut Output,
    ) {
        let wire = head.wire();
        let mut copy = Copy::new(wire, from);
        let mut hops_left = None;
        for line in lines {
            if line.known == Known::MaxForwards && !edits.drops(line.raw) {
                hops_left = number(line.value.of(wire));
            }
            if self.drops(line) || ends_here(line, wire, &self.hops, edits, options) {
                // A Host that was asked to be removed stays: there is no request without.
                if line.known != Known::Host || self.host.is_some() {
                    copy.skip(line, out);
                }
            } else if line.known == Known::XForwardedProto && options.x_forwarded_proto {
                copy.skip(line, out);
            }
        }
        copy.finish(out);
        let received: &[u8] = if self.minor == 0 { b"1.0" } else { b"1.1" };
        if let Some(hops) = hops_left
            && matches!(self.verb, Verb::Options | Verb::Trace)
        {
            out.put(b"max-forwards: ");
            put_number(hops.saturating_sub(1), out);
            out.put(b"\r\n");
        }
        self.own(received, options, out);
        put_added(edits, out);
        out.put(b"\r\n");
    }

    fn drops(&self, line: &Line) -> bool {
        match line.known {
            Known::Host => self.host.is_some(),
            // RFC 9110 §10.1.1: without a body, and from HTTP/1.0, it is not passed on.
            Known::Expect => self.end || self.minor == 0 || self.tunnels(),
            Known::MaxForwards => matches!(self.verb, Verb::Options | Verb::Trace),
            _ => false,
        }
    }

    /// Writes the fields that each hop writes itself.
    fn own(&self, received: &[u8], options: &Options, out: &mut Output) {
        match self.body() {
            Outbound::Chunked => out.put(b"transfer-encoding: chunked\r\n"),
            Outbound::Known(length) => put_length(length, out),
            Outbound::Nothing | Outbound::Raw => {
                if !self.tunnels() && (self.says_empty || self.length.is_some()) {
                    put_length(0, out);
                }
            }
        }
        match (self.upgrade, self.trailers) {
            (Some(upgrade), _) => {
                out.put(b"connection: upgrade\r\n");
                put_field(b"upgrade", upgrade, out);
            }
            (None, true) => out.put(b"connection: te\r\nte: trailers\r\n"),
            (None, false) => {}
        }
        put_via(received, options, out);
        if options.x_forwarded_proto {
            out.put(b"x-forwarded-proto: http\r\n");
        }
    }
}

/// Whether a target is written as it is, because it does not name the host.
fn is_plain(target: &[u8]) -> bool {
    target.starts_with(b"/") || target == b"*"
}

fn authority_form<'a>(line: &RequestLine<'a>, edits: &Edits<'a>) -> &'a [u8] {
    match (edits.authority, Target::read(line.verb, line.target)) {
        (Some(authority), _) => authority,
        (None, Ok(Target::Authority(authority))) => authority,
        (None, _) => b"/",
    }
}

/// Path and query of a request that another protocol brought, with what was made of its service and
/// method where these are parts of them.
fn foreign_path<'a>(head: &'a Head, grpc: bool, full: &'a [u8]) -> (Cow<'a, [u8]>, &'a [u8]) {
    let (path, query) = split_query(full);
    let (service, method) = (
        head.is_rewritten(Field::Service),
        head.is_rewritten(Field::Method),
    );
    if grpc && (service || method) {
        let path = [b"/", head.service(), b"/", head.method()].concat();
        return (path.into(), b"");
    }
    let path = if method { head.method() } else { path };
    (path.into(), query)
}

/// Writes a request that another protocol brought, by the names HTTP gives its parts; `None` if it
/// has not those parts, or if they would say something else here.
fn foreign(head: &Head, options: &Options, out: &mut Output) -> Option<Sent> {
    let pairs = head.metadata();
    let find = |wanted: &[u8]| {
        pairs
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, v)| v)
    };
    let verb = find(b":method").filter(|verb| is_verb(verb) && *verb != b"CONNECT")?;
    let full = find(b":path")?;
    let grpc = find(b"content-type").is_some_and(grpc::is_content_type);
    let (path, query) = foreign_path(head, grpc, full);
    // The service of gRPC is in its path, not the host that has it.
    let authority = match grpc {
        true => find(b":authority").or_else(|| find(b"host"))?,
        false => head.service(),
    };
    if !is_path(&path) || !is_path(full) || !is_authority(authority) {
        return None;
    }
    let fields = foreign_fields(head)?;
    let field = |wanted: Known| fields.iter().find(|(name, _)| Known::of(name) == wanted);
    let length = match field(Known::ContentLength) {
        Some((_, value)) => Some(number(value)?),
        None => None,
    };
    let facts = Facts {
        verb: Verb::of(verb),
        minor: 1,
        end: head.end,
        length,
        says_empty: matches!(verb, b"POST" | b"PUT" | b"PATCH"),
        trailers: field(Known::Te).is_some_and(|(_, value)| lists(value, b"trailers")),
        upgrade: None,
        host: Some(authority),
        hops: Hops::default(),
    };
    for part in [verb, b" ", &path, query, b" HTTP/1.1\r\n"] {
        out.put(part);
    }
    put_field(b"host", authority, out);
    let own = |known| {
        (known == Known::XForwardedProto && options.x_forwarded_proto)
            || (known == Known::Expect && facts.end)
    };
    let passed: Vec<_> = fields
        .iter()
        .copied()
        .filter(|(name, _)| !own(Known::of(name)))
        .collect();
    put_foreign(&passed, options, out);
    facts.own(b"2", options, out);
    out.put(b"\r\n");
    Some(Sent {
        written: Written::Whole,
        body: facts.body(),
        verb: facts.verb,
        upgrade: None,
    })
}
