//! JSONB, the binary form of fastjson2, as far as a proxy needs it.
//!
//! Dubbo writes each value on its own: a length in four octets, then that many octets of JSONB.
//! Nothing in one value refers to another, so arguments are skipped by their length alone.
//!
//! ```text
//! string.rs  strings in six encodings
//! number.rs  ints and longs, and scalars as text
//! skip.rs    any value, without recursion
//! body.rs    values with their lengths; the attachment map
//! ```
//!
//! Specification: the comment on `JSONB` in alibaba/fastjson2, and `FastJson2ObjectOutput` of
//! apache/dubbo.

mod body;
mod number;
mod skip;
mod string;

pub(super) use body::{JsonbBody, write_exception, write_kind};
pub(super) use string::write_string;

/// Starts an object; keys and values follow up to [`OBJECT_END`].
pub(super) const OBJECT: u8 = 0xa6;
/// Ends an object.
pub(super) const OBJECT_END: u8 = 0xa5;
/// Starts a type: a name and its number, or the number of an earlier one, then the value.
const TYPED: u8 = 0x92;
/// A reference to another value, by path.
const REFERENCE: u8 = 0x93;
/// A name and its number, or the number of an earlier one.
const SYMBOL: u8 = 0x7f;
/// Null.
const NULL: u8 = 0xaf;
/// Byte, as an octet of its own.
const INT8: u8 = 0xbd;
/// ASCII, in truth Latin-1, strings of 0 to 47 characters.
const SHORT_STRING: std::ops::RangeInclusive<u8> = 0x49..=0x78;
