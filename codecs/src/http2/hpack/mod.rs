//! HPACK, the compression of header fields.
//!
//! ```text
//! integer.rs   integers with a prefix
//! huffman.rs   strings
//! table.rs     the static table, and the dynamic one of a decoder
//! list.rs      decoded fields in one buffer
//! decoder.rs   a header block to fields
//! encoder.rs   fields to a header block
//! index.rs     where an encoder finds what it has sent before
//! ```
//!
//! Specification: RFC 7541.

mod decoder;
mod encoder;
mod huffman;
mod index;
mod integer;
mod list;
mod table;

pub use decoder::{DecodeError, Decoder};
pub use encoder::{Encoder, Representation};
pub use list::{Field, FieldList, fields};

/// Size of the dynamic table that both ends start with, in octets. RFC 9113 §6.5.2.
pub const DEFAULT_TABLE_SIZE: usize = 4096;
