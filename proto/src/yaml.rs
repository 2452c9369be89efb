//! YAML text to the messages of the schema, with the position of everything.
//!
//! ```text
//! bytes -- tree --> nodes with positions -- reader --> message, by its descriptor
//!                      \                       \-----> every error, with path and position
//!                       \-- source_map: path -> position
//! ```
//!
//! The text is YAML 1.2 in the canonical form of proto-JSON
//! (<https://protobuf.dev/programming-guides/json/>): field names in snake_case
//! or lowerCamelCase, durations as `1.5s`, enum values by name, 64-bit integers
//! as numbers or strings. Beyond what proto-JSON requires, unknown and
//! duplicate keys are refused, and so are negative durations, enum values by
//! number, and numbers that free-form data would round.

mod error;
mod field;
mod free_form;
mod reader;
mod scalar;
mod source_map;
mod suggestion;
mod tree;
mod wire;

use std::sync::Arc;

pub use self::error::{Error, ErrorKind, Errors, Position};
pub use self::source_map::{Location, SourceMap};
pub use self::suggestion::nearest;
use crate::config::v1::Bootstrap;
use crate::descriptor;
use crate::path::FieldPath;

/// Bytes of a file: 64 MiB, a few hundred thousand routes.
pub const MAX_BYTES: usize = 64 << 20;

/// Values of a file, keys included, with its aliases expanded.
pub const MAX_NODES: usize = 8_000_000;

/// Levels of lists and mappings in a file.
pub const MAX_DEPTH: usize = 32;

/// Reads a configuration file. `file` is its name as errors shall show it.
///
/// Only what the schema can say is checked: names that nothing has, or fields
/// that are required, are for whoever uses the configuration to find.
pub fn parse(file: &str, bytes: &[u8]) -> Result<(Bootstrap, SourceMap), Errors> {
    parse_message(file, bytes)
}

/// As [`parse`], for a file with a single message of the schema: a cluster, a
/// table of routes.
///
/// # Panics
/// If `M` is not a message of the schema.
pub fn parse_message<M>(file: &str, bytes: &[u8]) -> Result<(M, SourceMap), Errors>
where
    M: prost::Name + Default,
{
    let file: Arc<str> = file.into();
    let (wire, root) = encode::<M>(&file, bytes)?;
    let message = decode(&file, root.position, &wire)?;
    Ok((message, SourceMap::new(file, root)))
}

/// As [`parse`], for those who need no positions: the tree is gone before there is a message,
/// so that both together never take memory.
pub fn read(file: &str, bytes: &[u8]) -> Result<Bootstrap, Errors> {
    let file: Arc<str> = file.into();
    let (wire, root) = encode::<Bootstrap>(&file, bytes)?;
    let position = root.position;
    drop(root);
    decode(&file, position, &wire)
}

/// The wire format of the message `M` in a file, and the file's tree.
fn encode<M>(file: &Arc<str>, bytes: &[u8]) -> Result<(Vec<u8>, Arc<tree::Node>), Errors>
where
    M: prost::Name,
{
    let descriptor = descriptor::of::<M>().expect("a message of the schema, as documented");
    let refused = |(position, kind)| Errors::one(file, position, kind);
    let root = text(bytes).and_then(tree::read).map_err(refused)?;
    let mut reader = reader::Reader::new(Arc::clone(file));
    let mut wire = Vec::new();
    reader.message(&FieldPath::ROOT, &root, &descriptor, &mut wire);
    reader.finish()?;
    Ok((wire, root))
}

fn decode<M>(file: &Arc<str>, position: Position, wire: &[u8]) -> Result<M, Errors>
where
    M: prost::Message + Default,
{
    M::decode(wire).map_err(|error| {
        let reason = error.to_string();
        Errors::one(file, position, ErrorKind::Encoding { reason })
    })
}

/// The text, without a byte order mark.
fn text(bytes: &[u8]) -> Result<&str, tree::Failure> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        let (size, limit) = (bytes.len(), MAX_BYTES);
        return Err((start, ErrorKind::TooLarge { size, limit }));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes[..error.valid_up_to()]
            .utf8_chunks()
            .map(|chunk| chunk.valid());
        (end_of(&valid.collect::<String>()), ErrorKind::NotUtf8)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The position after the text.
fn end_of(text: &str) -> Position {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position {
        line: text.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests;
