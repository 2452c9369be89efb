//! Heads from decoded fields, and fields for heads that are sent.
//!
//! A head of our own is written field by field from the buffer it was decoded into, without its
//! metadata being parsed unless somebody looked. A head of another protocol is written from its
//! metadata, which has the pseudo-header fields by their names.

use std::borrow::Cow;

use bytes::Bytes;
use sabir_core::connection::Written;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Metadata, Span};
use sabir_core::name::Field as Known;
use smallvec::SmallVec;

use crate::http1::pairs::parameters;
use crate::http1::semantics::is_idempotent;

use super::NAME;
use super::grpc;
use super::hpack::{Field, fields};
use super::message::{Parts, is_connection_specific, is_name, is_value};

/// A field on its way out.
#[derive(Clone, Debug)]
pub(super) struct Out<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: Cow<'a, [u8]>,
    pub(super) sensitive: bool,
}

/// Fields in the order they are written.
pub(super) type Outs<'a> = SmallVec<[Out<'a>; 16]>;

/// A head in `wire`; `parts` are what was found in it.
pub(super) fn head(kind: Kind, wire: Bytes, parts: &Parts) -> Head {
    let (path, authority) = (parts.path, parts.authority);
    let mut head = Head::new(NAME, kind, wire, parse);
    if kind != Kind::Request {
        return head;
    }
    let octets = head.wire().clone();
    let verb = parts.method.map(|method| method.of(&octets));
    head.idempotent = verb.is_some_and(is_idempotent);
    head.timeout = parts.timeout.filter(|_| parts.grpc);
    let names = parts.grpc.then(|| grpc::split_path(path?.of(&octets)));
    if let (Some(Some((service, method))), Some(path)) = (names, path) {
        let start = path.start as usize + 1;
        let end = start + service.len();
        head.set_field_span(Known::Service, Span::new(start, end));
        head.set_field_span(Known::Method, Span::new(end + 1, end + 1 + method.len()));
        return head;
    }
    if let Some(authority) = authority {
        head.set_field_span(Known::Service, authority);
    }
    if let Some(path) = path {
        let query = memchr::memchr(b'?', path.of(&octets));
        let end = query.map_or(path.end as usize, |at| path.start as usize + at);
        head.set_field_span(Known::Method, Span::new(path.start as usize, end));
    }
    head
}

pub(super) fn parse(head: &Head, metadata: &mut Metadata) {
    for field in fields(head.wire()) {
        metadata.push(field.name_span(), field.value_span(), field.raw());
        if field.name == b":path"
            && let Some(query) = memchr::memchr(b'?', field.value)
        {
            let mut own = |name: &[u8], value: &[u8]| {
                metadata.push_owned(name, value, Span::default());
            };
            parameters(&field.value[query..], &mut own);
        }
    }
}

/// The fields to write for `head`, pseudo-header fields first; says whether they have every change
/// that was made.
pub(super) fn outgoing(head: &Head) -> (Outs<'_>, Written) {
    if head.protocol() != NAME {
        return (translated(head), Written::Whole);
    }
    if !head.is_modified() {
        return (fields(head.wire()).map(Out::of).collect(), Written::Whole);
    }
    match changed(head) {
        Some(outs) => (outs, Written::Whole),
        None => (
            fields(head.wire()).map(Out::of).collect(),
            Written::Unmodified,
        ),
    }
}

/// The fields of a head of ours with its changes; `None` if they cannot be written.
fn changed(head: &Head) -> Option<Outs<'_>> {
    let metadata = head.metadata();
    let mut removed = metadata.removed().map(|span| span.start).peekable();
    let kept = fields(head.wire()).filter(|field| {
        let gone = removed.peek() == Some(&(field.at as u32));
        if gone {
            removed.next();
        }
        !gone
    });
    let mut outs: Outs<'_> = kept.map(Out::of).collect();
    let pseudos = if head.kind == Kind::Request {
        &[&b":method"[..], b":scheme", b":path", b":authority"][..]
    } else {
        &[&b":status"[..]]
    };
    for (name, value) in metadata.added() {
        let known = is_name(name) || pseudos.contains(&name);
        if !known || !is_value(value) || is_connection_specific(name) {
            return None;
        }
        match name {
            // Two names for one thing, which must not contradict each other.
            b"host" | b":authority" => set(&mut outs, b":authority", value.to_vec())?,
            _ => outs.push(Out::new(name, value)),
        }
    }
    rewrite(head, &mut outs)?;
    pseudo_first(&mut outs);
    keeps_pseudo(head, &outs).then_some(outs)
}

/// Whether every pseudo-header field of `head` is among `outs`, and none is there twice.
fn keeps_pseudo(head: &Head, outs: &Outs<'_>) -> bool {
    let count = |name: &[u8]| outs.iter().filter(|o| *o.name == *name).count();
    let pseudo = |name: &[u8]| name.starts_with(b":");
    let mut had = fields(head.wire()).filter(|field| pseudo(field.name));
    let mut has = outs.iter().filter(|out| pseudo(&out.name));
    had.all(|field| count(field.name) == 1) && has.all(|out| count(&out.name) == 1)
}

/// Puts rewritten fields back where they came from.
fn rewrite(head: &Head, outs: &mut Outs<'_>) -> Option<()> {
    let service = head.is_rewritten(Known::Service);
    let method = head.is_rewritten(Known::Method);
    if !service && !method {
        return Some(());
    }
    let grpc = outs
        .iter()
        .any(|o| *o.name == *b"content-type" && grpc::is_content_type(&o.value));
    if service && !grpc {
        set(outs, b":authority", head.service().to_vec())?;
    }
    if grpc {
        let path = [b"/", head.service(), b"/", head.method()].concat();
        set(outs, b":path", path)?;
    } else if method {
        let old = outs.iter().find(|o| *o.name == *b":path")?;
        let query = memchr::memchr(b'?', &old.value).map_or(&[][..], |at| &old.value[at..]);
        let path = [head.method(), query].concat();
        set(outs, b":path", path)?;
    }
    Some(())
}

fn set(outs: &mut Outs<'_>, name: &'static [u8], value: Vec<u8>) -> Option<()> {
    let visible = value.iter().all(|o| o.is_ascii_graphic());
    if value.is_empty() || !visible || (name == b":path" && !value.starts_with(b"/")) {
        return None;
    }
    let host = name == b":authority";
    outs.retain(|o| *o.name != *name && !(host && *o.name == *b"host"));
    outs.push(Out {
        name: Cow::Borrowed(name),
        value: Cow::Owned(value),
        sensitive: false,
    });
    Some(())
}

/// The fields of a head of another protocol.
fn translated(head: &Head) -> Outs<'_> {
    let mut named: SmallVec<[&[u8]; 4]> = SmallVec::new();
    for (name, value) in head.metadata().iter() {
        if name.eq_ignore_ascii_case(b"connection") {
            named.extend(value.split(|&o| o == b',').map(<[u8]>::trim_ascii));
        }
    }
    let mut outs = Outs::new();
    let mut host = None;
    for (name, value) in head.metadata().iter() {
        let mut out = Out::new(name, value.trim_ascii());
        if name.iter().any(u8::is_ascii_uppercase) {
            out.name = name.to_ascii_lowercase().into();
        }
        let pseudo = name.starts_with(b":");
        let is_named = |n: &&[u8]| n.eq_ignore_ascii_case(name);
        if *out.name == *b"host" {
            // RFC 9113 §8.3.1: where there is no authority, there is no field for it either.
            host = Some(value).filter(|value| !value.is_empty());
        } else if (pseudo || is_name(&out.name))
            && !is_connection_specific(&out.name)
            && !named.iter().any(is_named)
            && is_value(&out.value)
            && (*out.name != *b"te" || value == b"trailers")
        {
            outs.push(out);
        }
    }
    let has = |outs: &Outs<'_>, name: &[u8]| outs.iter().any(|o| *o.name == *name);
    if let Some(host) = host
        && !has(&outs, b":authority")
    {
        outs.push(Out::new(b":authority", host));
    }
    if has(&outs, b":method") && !has(&outs, b":scheme") {
        outs.push(Out::new(b":scheme", b"http"));
    }
    // What cannot be put back leaves the head as it would be without.
    let _: Option<()> = rewrite(head, &mut outs);
    pseudo_first(&mut outs);
    outs
}

fn pseudo_first(outs: &mut Outs<'_>) {
    outs.sort_by_key(|out| !out.name.starts_with(b":"));
}

impl<'a> Out<'a> {
    pub(super) fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self {
            name: Cow::Borrowed(name),
            value: Cow::Borrowed(value),
            sensitive: false,
        }
    }

    fn of(field: Field<'a>) -> Self {
        Self {
            sensitive: field.sensitive,
            ..Self::new(field.name, field.value)
        }
    }
}
