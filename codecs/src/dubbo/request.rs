//! Requests: who is called, and with what attachments.
//!
//! A body is five strings (protocol version, service, service version, method, parameter
//! descriptor), one value per parameter, and the attachments. Decoding reads the strings; the
//! arguments are skipped only when someone looks at the attachments behind them.
//!
//! Specification: `DubboCodec.encodeRequestData` and `DecodeableRpcInvocation` of apache/dubbo.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;
use sabir_core::head::{Echo, Head, Kind};
use sabir_core::metadata::{Metadata, Span};
use sabir_core::name::Field;

use super::NAME;
use super::attachments::{Entry, MapSpan};
use super::body::{Body, Serialization};
use super::descriptor::count_parameters;
use super::fault::{BodyError, Fault};
use super::header::{self, Header};
use super::text::Text;

/// A string of a request's prefix.
#[derive(Clone, Debug, Default)]
pub(super) struct Slot {
    /// What it says; `None` for null.
    pub(super) text: Option<Text>,
    /// The whole value, to be replaced by another.
    pub(super) range: Range<usize>,
}

/// What stands before the arguments.
#[derive(Clone, Debug, Default)]
pub(super) struct Prefix {
    /// Version of the protocol, which says whether the caller reads response attachments.
    pub(super) protocol: Slot,
    pub(super) service: Slot,
    pub(super) version: Slot,
    /// The method; of a generic call, the one that is really called, its first argument.
    pub(super) method: Slot,
    pub(super) descriptor: Slot,
    pub(super) arguments: Arguments,
}

/// Where the arguments stand, as far as nobody read them yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arguments {
    at: usize,
    count: usize,
}

impl Prefix {
    /// Reads a body up to its first argument.
    pub(super) fn read(wire: &[u8], body: &mut dyn Body) -> Result<Self, BodyError> {
        let mut prefix = Self {
            protocol: read_slot(body)?,
            service: read_slot(body)?,
            version: read_slot(body)?,
            method: read_slot(body)?,
            descriptor: read_slot(body)?,
            arguments: Arguments::default(),
        };
        let descriptor = of(&prefix.descriptor, wire);
        let mut count = count_parameters(descriptor).map_err(|error| {
            let start = prefix.descriptor.range.start;
            Fault::Descriptor.at(start + error.at)
        })?;
        if count > body.remaining() {
            return Err(Fault::TooManyArguments.at(prefix.descriptor.range.start));
        }
        if descriptor == GENERIC_DESCRIPTOR && GENERIC_METHODS.contains(&of(&prefix.method, wire)) {
            prefix.method = read_slot(body)?;
            count -= 1;
        }
        let at = body.offset();
        prefix.arguments = Arguments { at, count };
        Ok(prefix)
    }
}

impl Arguments {
    /// The arguments of a request with this echo; `None` if it does not say.
    fn of(echo: Echo) -> Option<Self> {
        let [_, _, c0, c1, rest @ ..] = echo;
        let (at, count) = (u32::from_be_bytes(rest), u16::from_be_bytes([c0, c1]));
        (at > 0).then_some(Self {
            at: at as usize,
            count: count.into(),
        })
    }

    /// Leaves in `echo` where they stand, unless there is no room for it.
    fn note(self, echo: &mut Echo) {
        if let (Ok(at), Ok(count)) = (u32::try_from(self.at), u16::try_from(self.count)) {
            echo[ECHO_ARGUMENT_COUNT].copy_from_slice(&count.to_be_bytes());
            echo[ECHO_ARGUMENTS_AT].copy_from_slice(&at.to_be_bytes());
        }
    }

    /// Moves past the arguments, which are next, and reads the attachments.
    pub(super) fn attachments(
        &self,
        body: &mut dyn Body,
        entry: &mut dyn FnMut(Entry),
    ) -> Result<MapSpan, BodyError> {
        for _ in 0..self.count {
            body.skip()?;
        }
        body.map(entry)
    }
}

/// The head of a request.
pub(super) fn decode(header: Header, wire: Bytes, callbacks: bool) -> Head {
    let serialization = Serialization::of(header.serialization());
    let prefix = serialization.read(&wire, header::LEN, |body| Prefix::read(&wire, body));
    let kind = if header.has(header::TWO_WAY) {
        Kind::Request
    } else {
        Kind::OneWay
    };
    let mut head = Head::new(NAME, kind, wire, parse);
    head.echo[ECHO_SERIALIZATION] = header.serialization();
    match prefix {
        Some(Ok(prefix)) => fill(&mut head, &prefix, callbacks),
        Some(Err(error)) if serialization.is_known_completely() => head.set_fault(error.into()),
        Some(Err(_)) | None => {}
    }
    head
}

/// Whether the caller of a request with this echo reads attachments of responses.
pub(super) fn reads_attachments(echo: Echo) -> bool {
    echo[ECHO_ATTACHMENTS] != 0
}

/// Id of the serialization of a request with this echo.
pub(super) fn serialization_of(echo: Echo) -> u8 {
    echo[ECHO_SERIALIZATION]
}

fn fill(head: &mut Head, prefix: &Prefix, callbacks: bool) {
    let fields = [
        (Field::Service, &prefix.service),
        (Field::Version, &prefix.version),
        (Field::Method, &prefix.method),
        (Field::Signature, &prefix.descriptor),
    ];
    for (field, slot) in fields {
        match &slot.text {
            Some(Text::At(range)) => head.set_field_span(field, Span::new(range.start, range.end)),
            Some(Text::Own(text)) => head.set_field_decoded(field, text),
            None => {}
        }
    }
    let supported = supports_response_attachments(of(&prefix.protocol, head.wire()));
    head.echo[ECHO_ATTACHMENTS] = supported.into();
    prefix.arguments.note(&mut head.echo);
    head.bound = callbacks && has_callback(head, prefix);
}

/// Whether an argument is a callback, which makes the callee send requests of its own on this
/// connection later.
fn has_callback(head: &Head, prefix: &Prefix) -> bool {
    let descriptor = of(&prefix.descriptor, head.wire());
    // Callbacks are interfaces; a call without objects cannot have any.
    let may_have = descriptor.contains(&b'L') && descriptor != b"Ljava/lang/String;";
    let tail = head
        .wire()
        .len()
        .saturating_sub(ATTACHMENTS_WITHIN)
        .max(prefix.descriptor.range.end);
    let tail = head.wire().get(tail..).unwrap_or_default();
    // The attachments lie behind the arguments. Only a body that has the words anywhere is walked.
    may_have
        && CALLBACK_FINDER.find(tail).is_some()
        && head
            .metadata()
            .iter()
            .any(|(key, _)| key.starts_with(CALLBACK_KEY))
}

/// Lists the attachments of a request.
fn parse(head: &Head, metadata: &mut Metadata) {
    let wire = head.wire();
    let serialization = Serialization::of(serialization_of(head.echo));
    let mut entry = |entry| push(metadata, wire, entry);
    let found = match Arguments::of(head.echo) {
        Some(arguments) => serialization.read(wire, arguments.at, |body| {
            arguments.attachments(body, &mut entry)
        }),
        None => serialization.read(wire, header::LEN, |body| {
            let arguments = Prefix::read(wire, body)?.arguments;
            arguments.attachments(body, &mut entry)
        }),
    };
    finish(metadata, serialization, found);
}

/// Says where the attachments lie, or why they could not be read.
pub(super) fn finish(
    metadata: &mut Metadata,
    serialization: Serialization,
    found: Option<Result<MapSpan, BodyError>>,
) {
    match found {
        Some(Ok(map)) => metadata.set_block(Span::new(map.range().start, map.range().end)),
        Some(Err(error)) if serialization.is_known_completely() => metadata.set_fault(error.into()),
        Some(Err(_)) | None => {}
    }
}

/// Lists an attachment. One without text has an empty value: it is there, and can be dropped.
pub(super) fn push(metadata: &mut Metadata, wire: &[u8], entry: Entry) {
    let raw = Span::new(entry.range.start, entry.range.end);
    let name = entry.key.of(wire);
    let value = entry.text.as_ref().map(|text| text.of(wire));
    match (&entry.key, &entry.text) {
        (Text::At(key), Some(Text::At(value))) => {
            let key = Span::new(key.start, key.end);
            metadata.push(key, Span::new(value.start, value.end), raw);
        }
        _ => metadata.push_owned(name, value.unwrap_or_default(), raw),
    }
    if !entry.removable {
        metadata.fix_last();
    }
    let field = match name {
        b"group" => Field::Group,
        b"version" => Field::Version,
        _ => return,
    };
    match &entry.text {
        Some(Text::At(range)) => metadata.set_field(field, Span::new(range.start, range.end)),
        Some(Text::Own(value)) => metadata.set_field_decoded(field, value),
        None => {}
    }
}

fn read_slot(body: &mut dyn Body) -> Result<Slot, BodyError> {
    let start = body.offset();
    let text = body.string()?;
    let range = start..body.offset();
    Ok(Slot { text, range })
}

fn of<'a>(slot: &'a Slot, wire: &'a [u8]) -> &'a [u8] {
    slot.text
        .as_ref()
        .map(|text| text.of(wire))
        .unwrap_or_default()
}

/// Whether a caller of this protocol version reads attachments of responses: 2.0.2 to 2.0.99.
///
/// Specification: `Version.isSupportResponseAttachment` of apache/dubbo.
fn supports_response_attachments(version: &[u8]) -> bool {
    let patch = version
        .strip_prefix(b"2.0.")
        .and_then(|rest| rest.split(|byte| *byte == b'.').next());
    let patch = patch.and_then(|patch| str::from_utf8(patch).ok()?.parse::<u8>().ok());
    patch.is_some_and(|patch| (2..=99).contains(&patch))
}

/// Where the echo holds the serialization's id.
const ECHO_SERIALIZATION: usize = 0;
/// Where the echo says that the caller reads attachments of responses.
const ECHO_ATTACHMENTS: usize = 1;
/// Where the echo holds the number of arguments, so that they can be skipped later.
const ECHO_ARGUMENT_COUNT: Range<usize> = 2..4;
/// Where the echo holds the offset of the first argument; 0 for none.
const ECHO_ARGUMENTS_AT: Range<usize> = 4..8;

/// Methods of a generic call: the real one is their first argument.
const GENERIC_METHODS: [&[u8]; 2] = [b"$invoke", b"$invokeAsync"];
const GENERIC_DESCRIPTOR: &[u8] = b"Ljava/lang/String;[Ljava/lang/String;[Ljava/lang/Object;";

/// Start of the attachments that name callback arguments.
const CALLBACK_KEY: &[u8] = b"sys_callback_arg-";
static CALLBACK_FINDER: LazyLock<memmem::Finder<'_>> =
    LazyLock::new(|| memmem::Finder::new(CALLBACK_KEY));
/// Attachments are looked for in this many bytes at the end of a body.
const ATTACHMENTS_WITHIN: usize = 32 << 10;
