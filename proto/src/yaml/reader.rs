//! A tree to a message, by the message's descriptor: proto-JSON, but with
//! every error and its position.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

use super::error::{Error, ErrorKind, Errors, Position};
use super::free_form;
use super::scalar::{self, Shape};
use super::suggestion::nearest;
use super::tree::{Content, Node};
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

    /// A message of the schema; what is wrong in it is left out of it.
    pub(super) fn message(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        descriptor: &MessageDescriptor,
    ) -> Option<DynamicMessage> {
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut given: HashMap<u32, Position> = HashMap::new();
        let mut chosen: HashMap<String, (String, Position)> = HashMap::new();
        for entry in self.entries(path, node)? {
            let Some(field) = field(descriptor, entry.key) else {
                let kind = no_such_field(descriptor, entry.key);
                self.error(&path.field(entry.key), entry.position, kind);
                continue;
            };
            let path = path.field(field.name());
            if let Some(&first) = given.get(&field.number()) {
                self.error(&path, entry.position, ErrorKind::DuplicateKey { first });
                continue;
            }
            given.insert(field.number(), entry.position);
            // ProtoJSON: null is a field that is not there.
            if entry.value.is_null() {
                continue;
            }
            self.choose(&path, &field, entry.position, &mut chosen);
            if let Some(value) = self.field(&path, entry.value, &field) {
                message.set_field(&field, value);
            }
        }
        Some(message)
    }

    /// Notes a second member of a `oneof`.
    fn choose(
        &mut self,
        path: &FieldPath<'_>,
        field: &FieldDescriptor,
        position: Position,
        chosen: &mut HashMap<String, (String, Position)>,
    ) {
        let Some(group) = field
            .containing_oneof()
            .filter(|group| !group.is_synthetic())
        else {
            return;
        };
        match chosen.get(group.name()) {
            None => {
                chosen.insert(group.name().to_owned(), (field.name().to_owned(), position));
            }
            Some((member, first)) => {
                let members = group
                    .fields()
                    .map(|field| field.name().to_owned())
                    .collect();
                let (member, first) = (member.clone(), *first);
                self.error(
                    path,
                    position,
                    ErrorKind::Exclusive {
                        member,
                        first,
                        members,
                    },
                );
            }
        }
    }

    fn field(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        field: &FieldDescriptor,
    ) -> Option<Value> {
        if field.is_map() {
            return self.map(path, node, field);
        }
        if field.is_list() {
            return self.list(path, node, &field.kind());
        }
        self.value(path, node, &field.kind())
    }

    fn map(&mut self, path: &FieldPath<'_>, node: &Node, field: &FieldDescriptor) -> Option<Value> {
        let kind = field.kind().as_message()?.map_entry_value_field().kind();
        let mut map = HashMap::new();
        for entry in self.entries(path, node)? {
            if let Some(value) = self.value(&path.key(entry.key), entry.value, &kind) {
                // Every map of the schema has strings as keys; a test says so.
                map.insert(MapKey::String(entry.key.to_owned()), value);
            }
        }
        Some(Value::Map(map))
    }

    fn list(&mut self, path: &FieldPath<'_>, node: &Node, kind: &Kind) -> Option<Value> {
        let Content::Sequence(items) = &node.content else {
            return self.noted(path, node, Err(Shape::of(node).instead_of("a list")));
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            values.extend(self.value(&path.index(index), item, kind));
        }
        Some(Value::List(values))
    }

    fn value(&mut self, path: &FieldPath<'_>, node: &Node, kind: &Kind) -> Option<Value> {
        match kind {
            Kind::Message(descriptor) => {
                self.any_message(path, node, descriptor).map(Value::Message)
            }
            Kind::Enum(descriptor) => {
                let number = enum_number(Shape::of(node), descriptor);
                self.noted(path, node, number).map(Value::EnumNumber)
            }
            _ => {
                let value = scalar_value(Shape::of(node), kind);
                self.noted(path, node, value)
            }
        }
    }

    /// A message of the schema, or one of those with a JSON form of their own.
    fn any_message(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        descriptor: &MessageDescriptor,
    ) -> Option<DynamicMessage> {
        match descriptor.full_name() {
            "google.protobuf.Duration" => {
                let duration = self.noted(path, node, scalar::duration(Shape::of(node)))?;
                self.transcode(path, node, descriptor, &duration)
            }
            "google.protobuf.Struct" => {
                let free_form = free_form::read_struct(self, path, node)?;
                self.transcode(path, node, descriptor, &free_form)
            }
            _ => self.message(path, node, descriptor),
        }
    }

    fn transcode<M: prost::Message>(
        &mut self,
        path: &FieldPath<'_>,
        node: &Node,
        descriptor: &MessageDescriptor,
        from: &M,
    ) -> Option<DynamicMessage> {
        let mut message = DynamicMessage::new(descriptor.clone());
        let result = message.transcode_from(from);
        let encoding = |error: prost::DecodeError| ErrorKind::Encoding {
            reason: error.to_string(),
        };
        self.noted(path, node, result.map_err(encoding))?;
        Some(message)
    }

    /// The entries of a mapping with keys that are strings, each once.
    pub(super) fn entries<'a>(
        &mut self,
        path: &FieldPath<'_>,
        node: &'a Node,
    ) -> Option<Vec<Entry<'a>>> {
        let Content::Mapping(pairs) = &node.content else {
            return self.noted(path, node, Err(Shape::of(node).instead_of("a mapping")));
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
        Some(entries)
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

/// ProtoJSON: by its name in the schema or in lowerCamelCase.
fn field(descriptor: &MessageDescriptor, key: &str) -> Option<FieldDescriptor> {
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

fn enum_number(shape: Shape<'_>, descriptor: &EnumDescriptor) -> Result<i32, ErrorKind> {
    let Shape::Text(name) = shape else {
        return Err(shape.instead_of("a name"));
    };
    if let Some(value) = descriptor.get_value_by_name(name) {
        return Ok(value.number());
    }
    let allowed: Vec<String> = descriptor
        .values()
        .map(|value| value.name().to_owned())
        .collect();
    let suggestion = nearest(name, allowed.iter().map(String::as_str));
    Err(ErrorKind::UnknownEnumValue {
        value: name.to_owned(),
        allowed,
        suggestion,
    })
}

/// ProtoJSON's table of scalars.
fn scalar_value(shape: Shape<'_>, kind: &Kind) -> Result<Value, ErrorKind> {
    let integer = |min, max| scalar::integer(shape, min, max);
    // Each conversion is within the range that was just checked.
    Ok(match kind {
        Kind::Bool => match shape {
            Shape::Bool(value) => Value::Bool(value),
            other => return Err(other.instead_of("a boolean")),
        },
        Kind::String => match shape {
            Shape::Text(text) => Value::String(text.to_owned()),
            other => return Err(other.instead_of("a string")),
        },
        Kind::Bytes => match shape {
            Shape::Text(text) => Value::Bytes(base64(text)?.into()),
            other => return Err(other.instead_of("a string of base64")),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Value::I32(integer(i32::MIN.into(), i32::MAX.into())? as i32)
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Value::I64(integer(i64::MIN.into(), i64::MAX.into())? as i64)
        }
        Kind::Uint32 | Kind::Fixed32 => Value::U32(integer(0, u32::MAX.into())? as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(integer(0, u64::MAX.into())? as u64),
        Kind::Float => Value::F32(scalar::float(shape, f32::MAX.into())? as f32),
        Kind::Double => Value::F64(scalar::float(shape, f64::MAX)?),
        // The caller has dealt with these.
        Kind::Message(_) | Kind::Enum(_) => return Err(shape.instead_of("a scalar")),
    })
}

/// ProtoJSON: either alphabet, with or without padding.
fn base64(text: &str) -> Result<Vec<u8>, ErrorKind> {
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let text = text.trim_end_matches('=');
    let decoded = STANDARD_NO_PAD
        .decode(text)
        .or_else(|_| URL_SAFE_NO_PAD.decode(text));
    decoded.map_err(|_| ErrorKind::Base64)
}
