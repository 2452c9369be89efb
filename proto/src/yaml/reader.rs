//! A tree to a message, by the message's descriptor: proto-JSON, but with
//! every error and its position.
//!
//! The message is written in its wire format, which the generated code reads,
//! so that no dynamic message holds every value once more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use prost::Message as _;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::error::{Error, ErrorKind, Errors, Position};
use super::scalar::{self, Shape};
use super::suggestion::nearest;
use super::tree::{Content, Node};
use super::{field, free_form, wire};
use crate::path::FieldPath;

/// Reads messages and collects what is wrong on the way.
pub(super) struct Reader {
    file: Arc<str>,
    errors: Vec<Error>,
    omitted: usize,
}

/// A key of a mapping, and its value.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) position: Position,
    pub(super) value: &'a Node,
}

/// A field that the message at hand already has.
struct Given {
    field: FieldDescriptor,
    position: Position,
    is_null: bool,
}

impl Reader {
    pub(super) const fn new(file: Arc<str>) -> Self {
        Self {
            file,
            errors: Vec::new(),
            omitted: 0,
        }
    }

    /// What was wrong, if anything was.
    pub(super) fn finish(self) -> Result<(), Errors> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(Errors::new(self.errors, self.omitted)),
        }
    }

    pub(super) fn error(&mut self, path: &FieldPath<'_>, position: Position, kind: ErrorKind) {
        if self.errors.len() == Errors::LIMIT {
            self.omitted += 1;
            return;
        }
        let (file, path) = (Arc::clone(&self.file), path.to_string());
        self.errors.push(Error {
            file,
            path,
            position,
            kind,
        });
    }

    /// The value, unless it is wrong, which is noted.
    pub(super) fn noted<T>(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        value: Result<T, ErrorKind>,
    ) -> Option<T> {
        value
            .map_err(|kind| self.error(path, node.position, kind))
            .ok()
    }

    /// Writes a message of the schema in its wire format; if anything is wrong
    /// with it, that is noted and what is written is of no use.
    pub(super) fn message(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        descriptor: &MessageDescriptor,
        out: &mut Vec<u8>,
    ) {
        let mut given: Vec<Given> = Vec::new();
        for entry in self.entries(path, node) {
            let Some(field) = field_of(descriptor, entry.key) else {
                let kind = no_such_field(descriptor, entry.key);
                self.error(&path.field(entry.key), entry.position, kind);
                continue;
            };
            let path = path.field(field.name());
            if let Some(other) = given.iter().find(|other| other.field == field) {
                let first = other.position;
                self.error(&path, entry.position, ErrorKind::DuplicateKey { first });
                continue;
            }
            // ProtoJSON: null is a field that is not there.
            let is_null = entry.value.is_null();
            if !is_null {
                if let Some(kind) = exclusive(&field, &given) {
                    self.error(&path, entry.position, kind);
                }
                self.field(&path, entry.value, &field, out);
            }
            given.push(Given {
                field,
                position: entry.position,
                is_null,
            });
        }
    }

    fn field(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        field: &FieldDescriptor,
        out: &mut Vec<u8>,
    ) {
        if field.is_map() {
            self.map(path, node, field, out);
        } else if field.is_list() {
            self.list(path, node, field, out);
        } else {
            self.value(path, node, field, out);
        }
    }

    fn map(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        field: &FieldDescriptor,
        out: &mut Vec<u8>,
    ) {
        let kind = field.kind();
        let Some(descriptor) = kind.as_message() else {
            return;
        };
        let key_field = descriptor.map_entry_key_field();
        let value_field = descriptor.map_entry_value_field();
        let mut bytes = Vec::new();
        for entry in self.entries(path, node) {
            bytes.clear();
            // Every map of the schema has strings as keys; a test says so.
            wire::delimited(&mut bytes, key_field.number(), entry.key.as_bytes());
            self.value(&path.key(entry.key), entry.value, &value_field, &mut bytes);
            wire::delimited(out, field.number(), &bytes);
        }
    }

    fn list(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        field: &FieldDescriptor,
        out: &mut Vec<u8>,
    ) {
        let Content::Sequence(items) = &node.content else {
            return self.error(path, node.position, Shape::of(node).instead_of("a list"));
        };
        for (index, item) in items.iter().enumerate() {
            self.value(&path.index(index), item, field, out);
        }
    }

    /// One value of a field.
    fn value(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        field: &FieldDescriptor,
        out: &mut Vec<u8>,
    ) {
        if let Kind::Message(descriptor) = field.kind() {
            let mut bytes = Vec::new();
            self.any_message(path, node, &descriptor, &mut bytes);
            return wire::delimited(out, field.number(), &bytes);
        }
        let written = field::write(Shape::of(node), field, out);
        self.noted(path, node, written);
    }

    /// A message of the schema, or one of those with a JSON form of their own.
    fn any_message(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        descriptor: &MessageDescriptor,
        out: &mut Vec<u8>,
    ) {
        match descriptor.full_name() {
            "google.protobuf.Duration" => {
                let duration = self.noted(path, node, scalar::duration(Shape::of(node)));
                out.extend(duration.unwrap_or_default().encode_to_vec());
            }
            "google.protobuf.Struct" => {
                out.extend(free_form::read_struct(self, path, node).encode_to_vec());
            }
            _ => self.message(path, node, descriptor, out),
        }
    }

    /// The entries of a mapping with keys that are strings, each once.
    pub(super) fn entries<'a>(&mut self, path: &FieldPath<'_>, node: &'a Node) -> Vec<Entry<'a>> {
        let Content::Mapping(pairs) = &node.content else {
            self.error(path, node.position, Shape::of(node).instead_of("a mapping"));
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(pairs.len());
        let mut seen: HashMap<&str, Position> = HashMap::new();
        for (key_node, value) in pairs {
            let Some((key, position)) = self.key(path, key_node) else {
                continue;
            };
            if let Some(&first) = seen.get(key) {
                self.error(&path.key(key), position, ErrorKind::DuplicateKey { first });
                continue;
            }
            seen.insert(key, position);
            entries.push(Entry {
                key,
                position,
                value,
            });
        }
        entries
    }

    fn key<'a>(&mut self, path: &FieldPath<'_>, node: &'a Node) -> Option<(&'a str, Position)> {
        let kind = match &node.content {
            Content::Scalar { text, plain: true } if text == "<<" => ErrorKind::MergeKey,
            Content::Scalar { text, .. } => return Some((text, node.position)),
            Content::Sequence(_) => ErrorKind::KeyNotScalar { found: "a list" },
            Content::Mapping(_) => ErrorKind::KeyNotScalar { found: "a mapping" },
            Content::Tagged(tag) => ErrorKind::UnsupportedTag { tag: tag.clone() },
        };
        self.error(path, node.position, kind);
        None
    }
}

/// The error of a second member of a `oneof`.
fn exclusive(field: &FieldDescriptor, given: &[Given]) -> Option<ErrorKind> {
    let group = field
        .containing_oneof()
        .filter(|group| !group.is_synthetic())?;
    let of_group =
        |other: &&Given| !other.is_null && other.field.containing_oneof().as_ref() == Some(&group);
    let other = given.iter().find(of_group)?;
    Some(ErrorKind::Exclusive {
        member: other.field.name().to_owned(),
        first: other.position,
        members: group
            .fields()
            .map(|field| field.name().to_owned())
            .collect(),
    })
}

/// ProtoJSON: by its name in the schema or in lowerCamelCase.
fn field_of(descriptor: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
    let by_name = descriptor.get_field_by_name(key);
    by_name.or_else(|| descriptor.get_field_by_json_name(key))
}

fn no_such_field(descriptor: &MessageDescriptor, key: &str) -> ErrorKind {
    if descriptor.reserved_names().any(|name| name == key) {
        return ErrorKind::ReservedField;
    }
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    let names: HashSet<&str> = fields
        .iter()
        .flat_map(|field| [field.name(), field.json_name()])
        .collect();
    ErrorKind::UnknownField {
        message: descriptor.name().to_owned(),
        suggestion: nearest(key, names),
    }
}
