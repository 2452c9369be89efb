//! A header block to fields.
//!
//! Specification: RFC 7541 §3 and §6.

use thiserror::Error;

use super::list::FieldList;
use super::table::Table;
use super::{DEFAULT_TABLE_SIZE, huffman, integer};

/// What a peer's compressor wrote, read. The state belongs to one connection.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// Largest table we allow the peer, as our SETTINGS said.
    max_table: usize,
    /// Where strings are expanded.
    name: Vec<u8>,
    value: Vec<u8>,
}

/// Why a block cannot be read. The connection is lost: its tables differ from the peer's.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The block ends within a field.
    #[error("header block ends within a field")]
    Truncated,
    /// An integer beyond what any limit allows.
    #[error("integer in a header block is too large")]
    IntegerTooLarge,
    /// An index without an entry.
    #[error("index in a header block has no entry")]
    InvalidIndex,
    /// A string that is no Huffman code, or with wrong padding.
    #[error("string in a header block is no Huffman code")]
    InvalidHuffman,
    /// A table larger than we allow, or announced after the first field.
    #[error("header table size update is not allowed")]
    InvalidTableSize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(DEFAULT_TABLE_SIZE)
    }
}

impl Decoder {
    /// A decoder whose peer may use a table of `max_table` octets.
    pub fn new(max_table: usize) -> Self {
        Self {
            table: Table::new(max_table),
            max_table,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Appends the fields of a whole `block` to `list`.
    ///
    /// # Errors
    /// The tables are out of step then, and no further block can be read.
    pub fn decode(&mut self, block: &[u8], list: &mut FieldList) -> Result<(), DecodeError> {
        let (mut at, mut may_resize) = (0, true);
        while let Some(&first) = block.get(at) {
            match first {
                0x80.. => self.indexed(block, &mut at, list)?,
                0x40..0x80 => self.literal(block, &mut at, 6, list)?,
                0x20..0x40 if may_resize => self.resize(block, &mut at)?,
                0x20..0x40 => return Err(DecodeError::InvalidTableSize),
                _ => self.literal(block, &mut at, 4, list)?,
            }
            may_resize &= (0x20..0x40).contains(&first);
        }
        Ok(())
    }

    fn indexed(
        &self,
        block: &[u8],
        at: &mut usize,
        list: &mut FieldList,
    ) -> Result<(), DecodeError> {
        let index = integer::read(block, at, 7)?;
        let field = self.table.field(index);
        let (name, value) = field.ok_or(DecodeError::InvalidIndex)?;
        list.push(name, value, false);
        Ok(())
    }

    fn literal(
        &mut self,
        block: &[u8],
        at: &mut usize,
        bits: u32,
        list: &mut FieldList,
    ) -> Result<(), DecodeError> {
        let sensitive = block[*at] & 0xf0 == 0x10;
        let index = integer::read(block, at, bits)?;
        let name = match index {
            0 => string(block, at, &mut self.name)?,
            _ => {
                let field = self.table.field(index);
                let (name, _) = field.ok_or(DecodeError::InvalidIndex)?;
                // The entry may have to go when this field comes in.
                self.name.clear();
                self.name.extend_from_slice(name);
                &self.name
            }
        };
        let value = string(block, at, &mut self.value)?;
        list.push(name, value, sensitive);
        if bits == 6 {
            self.table.insert(name, value);
        }
        Ok(())
    }

    fn resize(&mut self, block: &[u8], at: &mut usize) -> Result<(), DecodeError> {
        let size = integer::read(block, at, 5)?;
        if size > self.max_table {
            return Err(DecodeError::InvalidTableSize);
        }
        self.table.resize(size);
        Ok(())
    }
}

/// Reads a string at `at`; one that is coded is expanded into `scratch`.
fn string<'a>(
    block: &'a [u8],
    at: &mut usize,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    let coded = block.get(*at).ok_or(DecodeError::Truncated)? & 0x80 != 0;
    let len = integer::read(block, at, 7)?;
    let octets = block.get(*at..*at + len).ok_or(DecodeError::Truncated)?;
    *at += len;
    if !coded {
        return Ok(octets);
    }
    scratch.clear();
    huffman::decode(octets, scratch)?;
    Ok(scratch)
}
