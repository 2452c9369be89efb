//! Messages of the schema to their canonical JSON.

mod record;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, SerializeOptions};
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::Value;

use self::record::{Record, Run};
use crate::descriptor;

/// Why a message has no JSON form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not a message of the schema.
    #[error("{name} is not a message of the schema")]
    NotInSchema {
        /// Its full name.
        name: String,
    },
    /// A field holds what JSON has no form for: a duration out of range, a number of free-form
    /// data that is not finite, messages that nest deeper than the wire format allows.
    #[error("the message has no JSON form")]
    Serialization(#[from] serde_json::Error),
}

/// The proto-JSON form of a message, with the schema's field names and without
/// fields that are absent; [`yaml::parse_message`](crate::yaml::parse_message)
/// reads it back.
pub fn to_json<M: prost::Name>(message: &M) -> Result<Value, Error> {
    Ok(serde_json::to_value(Document::encode(message)?.root())?)
}

/// A message of the schema, to be written as JSON whenever somebody asks: kept in its wire format,
/// a fraction of what the message or a tree of JSON takes. Clones share it.
///
/// It serializes as [`to_json`] has it, a piece at a time, with fields in the order of their
/// numbers.
#[derive(Clone, Debug)]
pub struct Document {
    descriptor: MessageDescriptor,
    wire: Bytes,
}

impl Document {
    /// Of `message`.
    ///
    /// # Errors
    ///
    /// It has no JSON form; what was made without an error can be written.
    pub fn new<M: prost::Name>(message: &M) -> Result<Self, Error> {
        let document = Self::encode(message)?;
        serde_json::to_writer(std::io::sink(), &document)?;
        Ok(document)
    }

    fn encode<M: prost::Name>(message: &M) -> Result<Self, Error> {
        let descriptor = descriptor::of::<M>();
        let name = M::full_name;
        let descriptor = descriptor.ok_or_else(|| Error::NotInSchema { name: name() })?;
        let wire = message.encode_to_vec().into();
        Ok(Self { descriptor, wire })
    }

    fn root(&self) -> Part<'_> {
        Part {
            descriptor: &self.descriptor,
            wire: &self.wire,
            depth: 0,
        }
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

/// A message in its wire format.
struct Part<'a> {
    descriptor: &'a MessageDescriptor,
    wire: &'a [u8],
    /// Messages around this one.
    depth: usize,
}

impl Part<'_> {
    /// Whether it is written at once: it is small, or has a JSON form of its own.
    fn is_whole(&self) -> bool {
        self.wire.len() <= WHOLE || self.descriptor.package_name() == "google.protobuf"
    }

    fn field<S: Serializer>(
        &self,
        map: &mut S::SerializeMap,
        field: &FieldDescriptor,
        run: Run<'_>,
    ) -> Result<(), S::Error> {
        let depth = self.depth + 1;
        match field.kind() {
            Kind::Message(descriptor) if field.is_list() => {
                let items = Items {
                    descriptor: &descriptor,
                    run,
                    depth,
                };
                map.serialize_entry(field.name(), &items)
            }
            Kind::Message(descriptor) if !field.is_map() => {
                let wire = run.last().ok_or_else(|| S::Error::custom(MALFORMED))?;
                let part = Part {
                    descriptor: &descriptor,
                    wire,
                    depth,
                };
                map.serialize_entry(field.name(), &part)
            }
            _ => {
                let alone = dynamic(self.descriptor, run.wire()).map_err(S::Error::custom)?;
                let value = serde_json::value::Serializer;
                let value = alone.serialize_with_options(value, &options());
                let mut value = value.map_err(S::Error::custom)?;
                match value.get_mut(field.name()) {
                    Some(value) => map.serialize_entry(field.name(), &value.take()),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth > MAX_DEPTH {
            return Err(S::Error::custom("messages nest too deeply"));
        }
        if self.is_whole() {
            let message = dynamic(self.descriptor, self.wire).map_err(S::Error::custom)?;
            return message.serialize_with_options(serializer, &options());
        }
        let mut map = serializer.serialize_map(None)?;
        let mut rest = self.wire;
        while !rest.is_empty() {
            let run = Run::take(&mut rest).ok_or_else(|| S::Error::custom(MALFORMED))?;
            let field = self.descriptor.get_field(run.number());
            let field = field.ok_or_else(|| S::Error::custom(MALFORMED))?;
            self.field::<S>(&mut map, &field, run)?;
        }
        map.end()
    }
}

/// The messages of a list.
struct Items<'a> {
    descriptor: &'a MessageDescriptor,
    run: Run<'a>,
    /// Messages around these.
    depth: usize,
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for Record { payload, .. } in self.run.records() {
            list.serialize_element(&Part {
                descriptor: self.descriptor,
                wire: payload,
                depth: self.depth,
            })?;
        }
        list.end()
    }
}

fn dynamic(
    descriptor: &MessageDescriptor,
    wire: &[u8],
) -> Result<DynamicMessage, prost::DecodeError> {
    DynamicMessage::decode(descriptor.clone(), wire)
}

fn options() -> SerializeOptions {
    SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(true)
}

/// Bytes of a message that is written at once: dynamic messages take dozens of times their wire
/// format.
const WHOLE: usize = 4096;

/// As protobuf's own decoders have it.
const MAX_DEPTH: usize = 100;

const MALFORMED: &str = "the wire format is malformed";
