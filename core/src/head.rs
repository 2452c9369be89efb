//! Where a message starts: what it is, for whom, and its metadata.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use bytes::Bytes;

use crate::metadata::{Fields, Malformed, Metadata, Span, Text};
use crate::name::{self, Field, Name};
use crate::outcome::Outcome;

/// Octets that a codec wants back to write the response to a request, whoever makes it.
///
/// Dubbo keeps the serialization and whether the caller understands response attachments.
pub type Echo = [u8; 8];

/// Places on the wire that a codec noted when it decoded a head, for itself when it encodes it.
///
/// All zero where nothing was noted, which every codec has to put up with.
pub type Notes = [u16; 8];

/// Lists the pairs found on `head`'s wire into `metadata`.
pub type Parse = fn(head: &Head, metadata: &mut Metadata);

/// Where a message starts. Holds spans into the bytes the message arrived in.
///
/// The service, method, version and signature are found when the message is decoded. The rest of
/// the metadata is parsed when someone first looks; a message that nobody looks into costs nothing.
#[derive(Clone, Debug)]
pub struct Head {
    /// What the peer wants done with this message.
    pub kind: Kind,
    /// Nothing follows this head on its stream: always so for message protocols.
    pub end: bool,
    /// How the exchange ended, in responses.
    pub outcome: Outcome,
    /// Octets for whoever writes the response. The driver copies a request's into its response.
    pub echo: Echo,
    /// The exchange must stay on one connection to the callee for as long as the caller's
    /// connection lives, because the protocol keeps state there (Dubbo callbacks).
    pub bound: bool,
    /// How far a response brings its exchange.
    pub stage: Stage,
    /// To be asked twice is for the callee the same as once, whatever it did the first time, as the
    /// protocol itself says (GET of HTTP). Not set where only the service could know.
    pub idempotent: bool,
    /// How long the caller of this request waits, where the protocol says so in a place that is
    /// read anyway; others are asked for it by
    /// [`caller_timeout`](crate::protocol::Protocol::caller_timeout).
    pub timeout: Option<Duration>,
    source: Source,
    wire: Bytes,
    known: Known,
    metadata: OnceCell<Box<Metadata>>,
}

/// Who read a head, and how it is read further.
#[derive(Clone, Copy, Debug)]
struct Source {
    protocol: &'static str,
    parse: Parse,
    notes: Notes,
}

/// Values of the well-known fields, as found or as rewritten.
#[derive(Clone, Debug, Default)]
struct Known {
    fields: Fields,
    /// A bit for each field that was rewritten.
    rewritten: u8,
    /// How often values of other names were looked for, one name at a time.
    looks: Cell<u8>,
    /// Values that are not on the wire.
    owned: Vec<u8>,
    /// What is wrong with the content.
    fault: Option<Malformed>,
}

impl Known {
    fn own(&mut self, field: Field, value: &[u8]) {
        self.fields.0[field as usize] = Text::own(&mut self.owned, value);
    }

    fn rewrite(&mut self, field: Field, value: Option<&[u8]>) {
        self.rewritten |= 1 << field as u8;
        match value {
            Some(value) => self.own(field, value),
            None => self.fields.0[field as usize] = Text::ABSENT,
        }
    }
}

/// What the peer wants done with a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Request without response.
    OneWay,
    /// Request that awaits a response.
    Request,
    /// Response to a request.
    Response,
    /// Keep-alive, answered by the connection itself and never forwarded.
    Ping,
    /// Answer to a keep-alive, dropped.
    Pong,
    /// The peer takes no new requests on this connection (Dubbo read-only).
    Drain,
    /// The peer takes requests again (Dubbo writeable).
    Resume,
}

/// How far a response brings its exchange.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Stage {
    /// It is the answer, and ends the exchange when it [ends](Head::end).
    #[default]
    Final,
    /// Another head follows in the same direction: this is no answer yet (HTTP 1xx). Such heads do
    /// not [end](Head::end) their stream.
    Interim,
    /// It opens a tunnel, each direction of which ends on its own: the end of the response does not
    /// end the request (HTTP upgrades and CONNECT, raw TCP).
    Tunnel,
}

impl Head {
    /// A head of `kind` in `protocol`, found in `wire`; `parse` lists its metadata when asked.
    pub fn new(protocol: &'static str, kind: Kind, wire: Bytes, parse: Parse) -> Self {
        Self {
            kind,
            end: true,
            outcome: Outcome::OK,
            echo: Echo::default(),
            bound: false,
            stage: Stage::Final,
            idempotent: false,
            timeout: None,
            source: Source {
                protocol,
                parse,
                notes: Notes::default(),
            },
            wire,
            known: Known::default(),
            metadata: OnceCell::new(),
        }
    }

    /// Gives `field` the value that stands at `span` on the wire.
    pub fn set_field_span(&mut self, field: Field, span: Span) {
        self.known.fields.0[field as usize] = Text::wire(span);
    }

    /// Gives `field` a value that was decoded from the wire, where it is not contiguous.
    pub fn set_field_decoded(&mut self, field: Field, value: &[u8]) {
        self.known.own(field, value);
    }

    /// Notes places for the codec itself, which reads the message now and may write it later.
    pub fn set_notes(&mut self, notes: Notes) {
        self.source.notes = notes;
    }

    /// Marks a message whose frame is sound and whose content is not. A request is then answered
    /// with [`BadRequest`](crate::outcome::Code::BadRequest), and its connection lives on.
    pub fn set_fault(&mut self, fault: Malformed) {
        self.known.fault = Some(fault);
    }

    /// A copy to be kept for as long as the exchange lasts. A short message that lies in a buffer
    /// with others is copied out of it, so that it does not keep all of that, unless somebody has
    /// looked into its metadata.
    pub fn kept(&self) -> Self {
        // Before there is a copy that refers to it.
        let lies_alone = self.wire.is_unique() || self.wire.len() >= SHARED_FROM;
        let mut kept = self.clone();
        if !lies_alone && self.metadata.get().is_none() {
            kept.wire = Bytes::copy_from_slice(&self.wire);
        }
        kept
    }

    /// Replaces every value of `name` by `value`. The protocol's name stays as it is.
    pub fn set(&mut self, name: &Name, value: &[u8]) {
        match name.field() {
            Some(field) => self.known.rewrite(field, Some(value)),
            None if name.is_protocol() => {}
            None => self.metadata_mut().set(name, value),
        }
    }

    /// Adds a value of `name` and keeps those it has; fields have one value, which is replaced.
    pub fn add(&mut self, name: &Name, value: &[u8]) {
        if name.field().is_some() || name.is_protocol() {
            return self.set(name, value);
        }
        self.metadata_mut().add(name, value);
    }

    /// Drops every value of `name`. The protocol's name stays as it is.
    pub fn remove(&mut self, name: &Name) {
        match name.field() {
            Some(field) if self.field(field).is_some() => self.known.rewrite(field, None),
            Some(_) => {}
            None if name.is_protocol() => {}
            None => {
                self.metadata_mut().remove(name);
            }
        }
    }

    /// Codec that read the message.
    pub fn protocol(&self) -> &'static str {
        self.source.protocol
    }

    /// Bytes this head was parsed from, the body included for message protocols.
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// What the codec that read the message noted.
    pub fn notes(&self) -> &Notes {
        &self.source.notes
    }

    /// Service the message is for; empty if the message does not say.
    pub fn service(&self) -> &[u8] {
        self.field(Field::Service).unwrap_or_default()
    }

    /// Method the message is for; empty if the message does not say.
    pub fn method(&self) -> &[u8] {
        self.field(Field::Method).unwrap_or_default()
    }

    /// Value of a well-known field. Parses the metadata if the field was not found at decode.
    pub fn field(&self, field: Field) -> Option<&[u8]> {
        let at = field as usize;
        if let Some(value) = self.known.fields.0[at].of(&self.wire, &self.known.owned) {
            return Some(value);
        }
        let removed = self.is_rewritten(field);
        // Service and method are found at decode or not at all; only what may lie deeper is parsed for.
        let lies_deeper = matches!(field, Field::Version | Field::Group);
        if removed || !lies_deeper {
            return None;
        }
        self.metadata().field(at)
    }

    /// First value of `name`.
    pub fn get<'a>(&'a self, name: &'a Name) -> Option<&'a [u8]> {
        match name.known() {
            name::Known::Protocol => Some(self.source.protocol.as_bytes()),
            name::Known::Field(i) => self.field(Field::ALL[i as usize]),
            name::Known::Pair => match self.search(name).map(|found| found.first_on_wire()) {
                Some(Ok(span)) => span.map(|span| span.of(&self.wire)),
                // What had to be decoded has to stay somewhere.
                Some(Err(_)) | None => self.metadata().all(name).next(),
            },
        }
    }

    /// Runs `test` on each value of `name` until one passes; says whether one did.
    pub fn any(&self, name: &Name, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        match name.known() {
            name::Known::Pair => match self.search(name) {
                Some(found) => found.found().any(test),
                None => self.metadata().all(name).any(test),
            },
            _ => self.get(name).is_some_and(&mut test),
        }
    }

    /// Looks for the values of `name` alone, which takes no allocation and less time than to list
    /// all pairs. `None` if these are listed, or were better: for who looks often, or for a fault,
    /// which has to be kept.
    fn search(&self, name: &Name) -> Option<Metadata> {
        if self.metadata.get().is_some() || self.known.looks.get() >= FEW_LOOKS {
            return None;
        }
        self.known.looks.set(self.known.looks.get() + 1);
        let mut found = Metadata::searching(self.wire.clone(), name);
        (self.source.parse)(self, &mut found);
        found.fault().is_none().then_some(found)
    }

    /// Key-value pairs of the message, parsed if nobody did so far.
    pub fn metadata(&self) -> &Metadata {
        self.metadata.get_or_init(|| {
            let mut metadata = Box::new(Metadata::of(self.wire.clone()));
            (self.source.parse)(self, &mut metadata);
            metadata
        })
    }

    /// Whether `field` was set or removed since the message was decoded.
    pub fn is_rewritten(&self, field: Field) -> bool {
        self.known.rewritten & 1 << field as u8 != 0
    }

    /// Whether pairs or fields differ from those on the wire.
    pub fn is_modified(&self) -> bool {
        self.known.rewritten != 0 || self.metadata.get().is_some_and(|m| m.is_modified())
    }

    /// What is wrong with the content, as far as anybody looked.
    pub fn fault(&self) -> Option<Malformed> {
        self.known
            .fault
            .or_else(|| self.metadata.get().and_then(|m| m.fault()))
    }

    fn metadata_mut(&mut self) -> &mut Metadata {
        self.metadata();
        self.metadata
            .get_mut()
            .expect("initialised in the line above")
    }
}

/// Messages at least this long are kept where they lie, in bytes.
const SHARED_FROM: usize = 4 << 10;

/// Looks for single names after which all pairs are listed: who looks twice looks often.
const FEW_LOOKS: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(head: &Head, metadata: &mut Metadata) {
        assert_eq!(&head.wire()[..], b"svc k=v");
        metadata.push(Span::new(4, 5), Span::new(6, 7), Span::new(4, 7));
        metadata.set_field(Field::Group, Span::new(6, 7));
    }

    fn head() -> Head {
        let wire = Bytes::from_static(b"svc k=v");
        let mut head = Head::new("toy", Kind::Request, wire, parse);
        head.set_field_span(Field::Service, Span::new(0, 3));
        head
    }

    #[test]
    fn metadata_is_parsed_when_looked_at() {
        let head = head();
        assert_eq!(head.get(&Name::new("service")), Some(&b"svc"[..]));
        assert_eq!(head.get(&Name::new("protocol")), Some(&b"toy"[..]));
        assert_eq!(head.get(&Name::new("K")), Some(&b"v"[..]));
        assert!(head.metadata.get().is_none(), "one look lists nothing");
        assert!(head.any(&Name::new("k"), |value| value == b"v"));
        assert!(head.metadata.get().is_some(), "the second does");
        assert_eq!(head.get(&Name::new("K")), Some(&b"v"[..]));
        assert_eq!(head.get(&Name::new("group")), Some(&b"v"[..]));
        assert!(!head.is_modified());
    }

    #[test]
    fn what_is_kept_lies_apart_from_what_it_came_with() {
        let mut buffer = bytes::BytesMut::from(&b"svc k=vmore"[..]);
        let wire = buffer.split_to(7).freeze();
        let head = Head::new("toy", Kind::Request, wire, parse);
        let kept = head.kept();
        assert_eq!(kept.wire(), head.wire());
        assert_ne!(kept.wire().as_ptr(), head.wire().as_ptr());
        assert_eq!(kept.get(&Name::new("K")), Some(&b"v"[..]));
        drop(buffer);
        assert_eq!(head.kept().wire().as_ptr(), head.wire().as_ptr());
    }

    #[test]
    fn fields_are_rewritten_and_removed() {
        let mut head = head();
        head.set(&Name::new("service"), b"other");
        head.remove(&Name::new("group"));
        assert_eq!(head.service(), b"other");
        assert_eq!(head.get(&Name::new("group")), None);
        assert!(head.is_rewritten(Field::Service) && head.is_rewritten(Field::Group));
        head.set(&Name::new("protocol"), b"x");
        assert_eq!(head.protocol(), "toy");
    }
}
