//! Fields to a header block.
//!
//! What comes again gets a place in the peer's table; what comes once, or is secret, does not.
//!
//! Specification: RFC 7541 §6.

use super::index::{Found, Hashes, Index};
use super::{DEFAULT_TABLE_SIZE, huffman, integer};

/// A compressor. The state belongs to one connection.
#[derive(Debug)]
pub struct Encoder {
    index: Index,
    /// Smallest size the peer asked for since the last block, to be announced in the next.
    least: Option<usize>,
}

/// How a field may be represented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Representation {
    /// In the peer's table, if it comes again.
    Indexed,
    /// Not in the table: its value hardly ever comes again.
    Plain,
    /// In no table, here or at any hop: it is secret. RFC 7541 §7.1.3.
    NeverIndexed,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            index: Index::new(DEFAULT_TABLE_SIZE),
            least: None,
        }
    }
}

impl Encoder {
    /// The peer allows a table of `size` octets. More than the usual size is not used.
    pub fn set_max_table(&mut self, size: usize) {
        let size = size.min(DEFAULT_TABLE_SIZE);
        if size == self.index.capacity() && self.least.is_none() {
            return;
        }
        self.least = Some(self.least.map_or(size, |least| least.min(size)));
        self.index.resize(size);
    }

    /// Starts a block: announces what changed since the last one.
    pub fn begin(&mut self, block: &mut Vec<u8>) {
        let Some(least) = self.least.take() else {
            return;
        };
        // RFC 7541 §4.2: the smallest size in between is told, then the last.
        if least < self.index.capacity() {
            integer::write(block, 0x20, 5, least);
        }
        integer::write(block, 0x20, 5, self.index.capacity());
    }

    /// Appends a field to `block`.
    pub fn encode(&mut self, name: &[u8], value: &[u8], how: Representation, block: &mut Vec<u8>) {
        let hashes = Hashes::of(name, value);
        let found = self.index.find(name, value, hashes);
        let name_at = match found {
            Found::Pair(at) if how != Representation::NeverIndexed => {
                return integer::write(block, 0x80, 7, at);
            }
            Found::Pair(at) | Found::Name(at) => at,
            Found::Nothing => 0,
        };
        let insert = how == Representation::Indexed
            && self.index.has_place(name, value)
            && self.index.comes_again(hashes);
        match how {
            _ if insert => integer::write(block, 0x40, 6, name_at),
            Representation::NeverIndexed => integer::write(block, 0x10, 4, name_at),
            Representation::Indexed | Representation::Plain => {
                integer::write(block, 0, 4, name_at);
            }
        }
        if name_at == 0 {
            string(name, block);
        }
        string(value, block);
        if insert {
            self.index.insert(name, value, hashes);
        }
    }
}

/// Appends a string, coded if that is shorter.
fn string(text: &[u8], block: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer::write(block, 0x80, 7, coded);
        huffman::encode(text, block);
    } else {
        integer::write(block, 0, 7, text.len());
        block.extend_from_slice(text);
    }
}
