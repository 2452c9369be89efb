//! Messages of the schema to their canonical JSON.

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;

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
    /// It nests deeper than the wire format can.
    #[error("the message cannot be encoded")]
    Encoding(#[from] prost::DecodeError),
    /// A field holds what JSON has no form for: a duration out of range, a
    /// number of free-form data that is not finite.
    #[error("the message has no JSON form")]
    Serialization(#[from] serde_json::Error),
}

/// The proto-JSON form of a message, with the schema's field names and without
/// fields that are absent; [`yaml::parse_message`](crate::yaml::parse_message)
/// reads it back.
pub fn to_json<M: prost::Name>(message: &M) -> Result<Value, Error> {
    let descriptor = descriptor::of::<M>();
    let name = M::full_name;
    let descriptor = descriptor.ok_or_else(|| Error::NotInSchema { name: name() })?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message)?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(true);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}
