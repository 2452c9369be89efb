//! `google.protobuf.Struct`: whatever JSON can say.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use super::reader::Reader;
use super::scalar::{Shape, free_number};
use super::tree::{Content, Node};
use crate::path::FieldPath;

/// A mapping with values of any type.
pub(super) fn read_struct(reader: &mut Reader, path: &FieldPath<'_>, node: &Node) -> Struct {
    let entries = reader.entries(path, node);
    let fields = entries.iter().filter_map(|entry| {
        let value = read_value(reader, &path.key(entry.key), entry.value)?;
        Some((entry.key.to_owned(), value))
    });
    Struct {
        fields: fields.collect(),
    }
}

fn read_value(reader: &mut Reader, path: &FieldPath<'_>, node: &Node) -> Option<Value> {
    let kind = match Shape::of(node) {
        Shape::Null => Kind::NullValue(0),
        Shape::Bool(value) => Kind::BoolValue(value),
        Shape::Text(text) => Kind::StringValue(text.to_owned()),
        Shape::Sequence => Kind::ListValue(read_list(reader, path, node)),
        Shape::Mapping => Kind::StructValue(read_struct(reader, path, node)),
        shape => Kind::NumberValue(reader.noted(path, node, free_number(shape))?),
    };
    Some(Value { kind: Some(kind) })
}

fn read_list(reader: &mut Reader, path: &FieldPath<'_>, node: &Node) -> ListValue {
    let Content::Sequence(items) = &node.content else {
        return ListValue::default();
    };
    let values = items.iter().enumerate();
    let values = values.filter_map(|(index, item)| read_value(reader, &path.index(index), item));
    ListValue {
        values: values.collect(),
    }
}
