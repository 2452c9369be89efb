//! Requests and responses of motan1.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Malformed, Metadata, Span};
use sabir_core::name::Field;
use sabir_core::outcome::{Code, Executed, Outcome, Party};

use super::stream::Stream;
use super::{COMPRESSED, ECHO, Header, LEN};
use crate::dubbo::Text;
use crate::motan2::NAME;

/// Class of the exceptions that are the callee's own.
pub(super) const BUSINESS_CLASS: &str = "com.weibo.api.motan.exception.MotanBizException";

/// The head of a request, or of a heartbeat.
pub(super) fn request(header: Header, wire: Bytes) -> Head {
    let kind = Kind::Request;
    let mut head = Head::new(NAME, kind, wire, parse);
    head.echo = ECHO;
    let wire = head.wire().clone();
    match Called::read(&wire) {
        Some((called, _)) if called.is_heartbeat(&wire) => head.kind = Kind::Ping,
        Some((called, _)) => called.fill(&mut head),
        // Compressed, or a signature in place of names: who is called cannot be seen from here.
        None if header.variant == COMPRESSED => {}
        None => head.set_fault(Malformed {
            part: "object stream",
            at: LEN,
        }),
    }
    head
}

/// The head of a response.
pub(super) fn response(header: Header, wire: Bytes) -> Head {
    let outcome = match header.flag {
        EXCEPTION => exception_outcome(&wire),
        _ => Outcome::OK,
    };
    let mut head = Head::new(NAME, Kind::Response, wire, |_, _| {});
    head.outcome = outcome;
    head
}

fn exception_outcome(wire: &[u8]) -> Outcome {
    let class = Stream::new(wire, LEN).and_then(|mut stream| {
        let _process_time = stream.number::<8>()?;
        stream.string()
    });
    match class {
        Some(class) if class.of(wire) == BUSINESS_CLASS.as_bytes() => Outcome::BUSINESS_ERROR,
        _ => Outcome::new(Party::Infrastructure, Executed::Maybe, Code::Internal),
    }
}

/// Who a request is for.
struct Called {
    service: Text,
    method: Text,
    parameters: Text,
}

impl Called {
    /// Reads it, and leaves the stream behind it; `None` if the request does not say.
    fn read(wire: &[u8]) -> Option<(Self, Stream<'_>)> {
        let mut stream = Stream::new(wire, LEN)?;
        let service = stream.string()?;
        let is_signature = wire.get(18) == Some(&COMPRESSED) && service.of(wire) == b"1";
        if is_signature {
            return None;
        }
        let called = Self {
            service,
            method: stream.string()?,
            parameters: stream.string()?,
        };
        Some((called, stream))
    }

    fn is_heartbeat(&self, wire: &[u8]) -> bool {
        self.service.of(wire) == b"com.weibo.api.motan.rpc.heartbeat"
            && self.method.of(wire) == b"heartbeat"
    }

    fn fill(&self, head: &mut Head) {
        for (field, text) in [
            (Field::Service, &self.service),
            (Field::Method, &self.method),
            (Field::Signature, &self.parameters),
        ] {
            match text {
                Text::At(range) => head.set_field_span(field, Span::new(range.start, range.end)),
                Text::Own(text) => head.set_field_decoded(field, text),
            }
        }
    }
}

/// Lists the attachments of a request, as far as they can be read.
fn parse(head: &Head, metadata: &mut Metadata) {
    // What cannot be read is absent: the callee may know more than we do.
    let _: Option<()> = read_attachments(head.wire(), metadata);
}

fn read_attachments(wire: &[u8], metadata: &mut Metadata) -> Option<()> {
    let (_, mut stream) = Called::read(wire)?;
    if !stream.is_in_block() {
        stream.skip_values()?;
    }
    let count = match wire.get(18) {
        Some(&COMPRESSED) => stream.number::<2>()?,
        _ => stream.number::<4>()?,
    };
    for _ in 0..count.min(crate::motan2::metadata::MAX_PAIRS as u64) {
        let (key, value) = (stream.string()?, stream.string()?);
        push(metadata, wire, &key, &value);
    }
    Some(())
}

fn push(metadata: &mut Metadata, wire: &[u8], key: &Text, value: &Text) {
    let field = match key.of(wire) {
        b"group" => Some(Field::Group),
        b"version" => Some(Field::Version),
        _ => None,
    };
    // Never cut: there is no place for changes.
    let raw = Span::new(LEN, LEN + 1);
    metadata.push_owned(key.of(wire), value.of(wire), raw);
    match (field, value) {
        (Some(field), Text::At(range)) => {
            metadata.set_field(field, Span::new(range.start, range.end));
        }
        (Some(field), Text::Own(text)) => metadata.set_field_decoded(field, text),
        (None, _) => {}
    }
}

/// Flag of responses that are exceptions.
pub(super) const EXCEPTION: u8 = 5;
