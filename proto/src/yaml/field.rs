//! One scalar of a field: read as proto-JSON has it, written to the wire.

use base64::Engine as _;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind};

use super::error::ErrorKind;
use super::scalar::{self, Shape};
use super::suggestion::nearest;
use super::wire;

/// Writes a value of a field that is no message; nothing if it is wrong.
pub(super) fn write(
    shape: Shape<'_>,
    field: &FieldDescriptor,
    out: &mut Vec<u8>,
) -> Result<(), ErrorKind> {
    let number = field.number();
    match field.kind() {
        Kind::Bool => wire::varint(out, number, boolean(shape)?.into()),
        Kind::String => wire::delimited(out, number, text(shape, "a string")?.as_bytes()),
        Kind::Bytes => {
            let bytes = base64(text(shape, "a string of base64")?)?;
            wire::delimited(out, number, &bytes);
        }
        Kind::Enum(descriptor) => {
            let value = i64::from(enum_number(shape, &descriptor)?);
            wire::varint(out, number, value.cast_unsigned());
        }
        Kind::Int32 => wire::varint(out, number, i64::from(int32(shape)?).cast_unsigned()),
        Kind::Sint32 => wire::varint(out, number, wire::zigzag(int32(shape)?.into())),
        Kind::Sfixed32 => wire::fixed32(out, number, int32(shape)?.to_le_bytes()),
        Kind::Uint32 => wire::varint(out, number, uint32(shape)?.into()),
        Kind::Fixed32 => wire::fixed32(out, number, uint32(shape)?.to_le_bytes()),
        Kind::Int64 => wire::varint(out, number, int64(shape)?.cast_unsigned()),
        Kind::Sint64 => wire::varint(out, number, wire::zigzag(int64(shape)?)),
        Kind::Sfixed64 => wire::fixed64(out, number, int64(shape)?.to_le_bytes()),
        Kind::Uint64 => wire::varint(out, number, uint64(shape)?),
        Kind::Fixed64 => wire::fixed64(out, number, uint64(shape)?.to_le_bytes()),
        Kind::Float => {
            let value = scalar::float(shape, f32::MAX.into())? as f32;
            wire::fixed32(out, number, value.to_le_bytes());
        }
        Kind::Double => {
            let value = scalar::float(shape, f64::MAX)?;
            wire::fixed64(out, number, value.to_le_bytes());
        }
        Kind::Message(_) => return Err(shape.instead_of("a mapping")),
    }
    Ok(())
}

fn boolean(shape: Shape<'_>) -> Result<bool, ErrorKind> {
    match shape {
        Shape::Bool(value) => Ok(value),
        other => Err(other.instead_of("a boolean")),
    }
}

fn text<'a>(shape: Shape<'a>, expected: &'static str) -> Result<&'a str, ErrorKind> {
    match shape {
        Shape::Text(text) => Ok(text),
        other => Err(other.instead_of(expected)),
    }
}

// Each conversion is within the range that was just checked.

fn int32(shape: Shape<'_>) -> Result<i32, ErrorKind> {
    Ok(scalar::integer(shape, i32::MIN.into(), i32::MAX.into())? as i32)
}

fn uint32(shape: Shape<'_>) -> Result<u32, ErrorKind> {
    Ok(scalar::integer(shape, 0, u32::MAX.into())? as u32)
}

fn int64(shape: Shape<'_>) -> Result<i64, ErrorKind> {
    Ok(scalar::integer(shape, i64::MIN.into(), i64::MAX.into())? as i64)
}

fn uint64(shape: Shape<'_>) -> Result<u64, ErrorKind> {
    Ok(scalar::integer(shape, 0, u64::MAX.into())? as u64)
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

fn enum_number(shape: Shape<'_>, descriptor: &EnumDescriptor) -> Result<i32, ErrorKind> {
    let name = text(shape, "a name")?;
    if let Some(value) = descriptor.get_value_by_name(name) {
        return Ok(value.number());
    }
    let values = descriptor.values();
    let allowed: Vec<String> = values.map(|value| value.name().to_owned()).collect();
    let suggestion = nearest(name, allowed.iter().map(String::as_str));
    Err(ErrorKind::UnknownEnumValue {
        value: name.to_owned(),
        allowed,
        suggestion,
    })
}

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Value};
    use prost_types::field_descriptor_proto::Type;
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto};

    use super::super::scalar::{Shape, resolve};
    use super::write;

    /// A message with one field `value` of the type.
    fn field(kind: Type) -> FieldDescriptor {
        let field = FieldDescriptorProto {
            name: Some("value".into()),
            number: Some(2000),
            r#type: Some(kind.into()),
            ..Default::default()
        };
        let message = DescriptorProto {
            name: Some("Scalar".into()),
            field: vec![field],
            ..Default::default()
        };
        let file = FileDescriptorProto {
            name: Some("scalar.proto".into()),
            syntax: Some("proto3".into()),
            message_type: vec![message],
            ..Default::default()
        };
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_proto(file).unwrap();
        let message = pool.get_message_by_name("Scalar").unwrap();
        message.get_field_by_name("value").unwrap()
    }

    /// What an independent decoder finds in the bytes written.
    fn read_back(kind: Type, shape: Shape<'_>) -> Result<Value, String> {
        let field = field(kind);
        let mut out = Vec::new();
        write(shape, &field, &mut out).map_err(|error| error.to_string())?;
        let message = DynamicMessage::decode(field.parent_message().clone(), out.as_slice());
        Ok(message.unwrap().get_field(&field).into_owned())
    }

    #[test]
    fn every_scalar_type_reads_back() {
        for (kind, text, value) in [
            (Type::Bool, "true", Value::Bool(true)),
            (Type::Int32, "-2147483648", Value::I32(i32::MIN)),
            (Type::Sint32, "-2147483648", Value::I32(i32::MIN)),
            (Type::Sfixed32, "-5", Value::I32(-5)),
            (Type::Uint32, "4294967295", Value::U32(u32::MAX)),
            (Type::Fixed32, "300", Value::U32(300)),
            (Type::Int64, "-1", Value::I64(-1)),
            (Type::Sint64, "9223372036854775807", Value::I64(i64::MAX)),
            (Type::Sfixed64, "-9223372036854775808", Value::I64(i64::MIN)),
            (Type::Uint64, "18446744073709551615", Value::U64(u64::MAX)),
            (Type::Fixed64, "127", Value::U64(127)),
            (Type::Float, "1.5", Value::F32(1.5)),
            (Type::Double, "-.inf", Value::F64(f64::NEG_INFINITY)),
            (Type::String, "héé", Value::String("héé".into())),
            (
                Type::Bytes,
                "aGk_",
                Value::Bytes(vec![b'h', b'i', 0x3f].into()),
            ),
        ] {
            assert_eq!(read_back(kind, resolve(text)), Ok(value), "{kind:?}");
        }
    }

    #[test]
    fn base64_is_of_either_alphabet_and_padded_or_not() {
        for text in ["+/8=", "-_8", "-_8="] {
            let bytes = Value::Bytes(vec![0xfb, 0xff].into());
            assert_eq!(
                read_back(Type::Bytes, Shape::Text(text)),
                Ok(bytes),
                "{text}"
            );
        }
        assert_eq!(
            read_back(Type::Bytes, Shape::Text("a b")),
            Err("not base64".into())
        );
        assert_eq!(
            read_back(Type::Bytes, resolve("17")),
            Err("expected a string of base64, found a number".into())
        );
    }

    #[test]
    fn every_integer_type_has_its_range() {
        for (kind, text) in [
            (Type::Int32, "2147483648"),
            (Type::Sint32, "-2147483649"),
            (Type::Sfixed32, "1e10"),
            (Type::Uint32, "-1"),
            (Type::Fixed32, "4294967296"),
            (Type::Int64, "9223372036854775808"),
            (Type::Sint64, "-9223372036854775809"),
            (Type::Sfixed64, "1e300"),
            (Type::Uint64, "18446744073709551616"),
            (Type::Fixed64, "-1"),
            (Type::Float, "1e39"),
        ] {
            let error = read_back(kind, resolve(text)).unwrap_err();
            assert!(error.contains("out of range"), "{kind:?}: {error}");
        }
    }
}
