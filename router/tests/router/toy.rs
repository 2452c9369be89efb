//! Messages of a toy protocol: service, method, then `name=value` pairs, a line each.

use std::cell::Cell;

use sabir_core::bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::{Metadata, Span};
use sabir_core::name::Field;

thread_local! {
    static PARSED: Cell<u64> = const { Cell::new(0) };
}

/// A request for `method` of `service` with `pairs`; `group` and `version` take a parse to find.
pub(crate) fn request(service: &str, method: &str, pairs: &[(&str, &str)]) -> Head {
    let lines = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    let wire = format!("{service}\n{method}\n{}", lines.collect::<String>());
    let (from, to) = (service.len() + 1, service.len() + 1 + method.len());
    let mut head = Head::new("toy", Kind::Request, Bytes::from(wire), parse);
    head.set_field_span(Field::Service, Span::new(0, service.len()));
    head.set_field_span(Field::Method, Span::new(from, to));
    head
}

/// Messages of this thread whose metadata was parsed so far.
pub(crate) fn parsed() -> u64 {
    PARSED.get()
}

fn parse(head: &Head, metadata: &mut Metadata) {
    PARSED.set(PARSED.get() + 1);
    let text = std::str::from_utf8(head.wire()).unwrap();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number >= 2 {
            let equals = at + line.find('=').unwrap();
            let end = at + line.len();
            let (name, value) = (Span::new(at, equals), Span::new(equals + 1, end - 1));
            match &text[at..equals] {
                "group" => metadata.set_field(Field::Group, value),
                "version" => metadata.set_field(Field::Version, value),
                _ => metadata.push(name, value, Span::new(at, end)),
            }
        }
        at += line.len();
    }
}
