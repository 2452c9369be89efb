//! Prepared header blocks (RFC 7541): the first on a connection puts its fields into the table, those after it only
//! point there, as real clients and servers do. Towards a peer that wants a smaller table than the default, all of
//! them are spelled out.

/// What one list of fields looks like.
#[derive(Debug)]
pub(super) struct Block {
    first: Vec<u8>,
    again: Vec<u8>,
    spelled: Vec<u8>,
}

/// What a connection's table towards the peer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Table {
    /// Nothing yet.
    #[default]
    Empty,
    /// The fields of the block.
    Filled,
    /// The peer wants a smaller one, and was not told yet that none is used any more.
    Refused,
    /// None is used.
    Unused,
}

/// The size that is taken for granted.
const DEFAULT_SIZE: u32 = 4096;
/// Entries of the static table.
const STATIC: usize = 61;

impl Table {
    /// The peer says how large its table may be.
    pub(super) fn resize(&mut self, size: u32) {
        if size < DEFAULT_SIZE && *self != Self::Unused {
            *self = Self::Refused;
        }
    }
}

impl Block {
    /// Fields with an index of the static table first, as octets, then those to be spelled: at most sixty short ones,
    /// so that all stay in the table.
    pub(super) fn new(indexed: &[u8], fields: &[(&str, &str)]) -> Self {
        let (mut first, mut again, mut spelled) =
            (indexed.to_vec(), indexed.to_vec(), indexed.to_vec());
        for (place, (name, value)) in fields.iter().enumerate() {
            // RFC 7541 §6.2.1 and §6.2.2: literals with a new name, with and without an entry in the table.
            for (octet, block) in [(0x40, &mut first), (0x00, &mut spelled)] {
                block.push(octet);
                put_text(name, block);
                put_text(value, block);
            }
            // RFC 7541 §2.3.3: the newest entry has the lowest index behind the static ones.
            again.push(0x80 | (STATIC + fields.len() - place) as u8);
        }
        Self {
            first,
            again,
            spelled,
        }
    }

    /// Appends the block as `table` calls for it.
    pub(super) fn write(&self, table: &mut Table, out: &mut Vec<u8>) {
        match table {
            Table::Empty => {
                out.extend_from_slice(&self.first);
                *table = Table::Filled;
            }
            Table::Filled => out.extend_from_slice(&self.again),
            Table::Refused => {
                // RFC 7541 §6.3: the size is zero from now on.
                out.push(0x20);
                out.extend_from_slice(&self.spelled);
                *table = Table::Unused;
            }
            Table::Unused => out.extend_from_slice(&self.spelled),
        }
    }
}

/// The status at the front of a reply's block; 0 for a spelling that success never has.
pub(super) fn status(block: &[u8]) -> u16 {
    // RFC 7541 §6.3: changes of the table's size come first; theirs fit into three octets each.
    let mut rest = block;
    while let [0x20..=0x3f, tail @ ..] = rest {
        let long = block.first() == Some(&0x3f);
        rest = tail;
        while long && let [octet, tail @ ..] = rest {
            rest = tail;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    // RFC 7541, Appendix A: entries 8 to 14.
    match rest.first() {
        Some(0x88) => 200,
        Some(0x89) => 204,
        Some(0x8a) => 206,
        Some(0x8b) => 304,
        Some(0x8c) => 400,
        Some(0x8d) => 404,
        Some(0x8e) => 500,
        _ => 0,
    }
}

/// RFC 7541 §5.2, without Huffman's code.
fn put_text(text: &str, out: &mut Vec<u8>) {
    // RFC 7541 §5.1: what does not fit into seven bits goes on in groups of seven.
    let mut rest = text.len();
    if rest < 0x7f {
        out.push(rest as u8);
    } else {
        out.push(0x7f);
        rest -= 0x7f;
        while rest >= 0x80 {
            out.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_spelled_once_and_pointed_to_then() {
        let block = Block::new(&[0x83], &[("a", "bc"), ("d", "e")]);
        let (mut table, mut out) = (Table::default(), Vec::new());
        block.write(&mut table, &mut out);
        assert_eq!(out, b"\x83\x40\x01a\x02bc\x40\x01d\x01e");
        out.clear();
        block.write(&mut table, &mut out);
        assert_eq!(out, b"\x83\xbf\xbe");
    }

    #[test]
    fn a_peer_with_a_small_table_gets_every_field_spelled() {
        let block = Block::new(&[0x83], &[("a", "bc")]);
        let (mut table, mut out) = (Table::Filled, Vec::new());
        table.resize(4096);
        assert_eq!(table, Table::Filled);
        table.resize(0);
        block.write(&mut table, &mut out);
        block.write(&mut table, &mut out);
        assert_eq!(out, b"\x20\x83\x00\x01a\x02bc\x83\x00\x01a\x02bc");
    }

    #[test]
    fn the_status_is_found_behind_changes_of_the_size() {
        assert_eq!(status(b"\x88"), 200);
        assert_eq!(status(b"\x20\x8d"), 404);
        assert_eq!(status(b"\x3f\xe1\x1f\x88"), 200);
        assert_eq!(status(b"\x48\x03503"), 0);
        assert_eq!(status(b""), 0);
    }

    #[test]
    fn long_texts_have_long_lengths() {
        let mut out = Vec::new();
        put_text(&"x".repeat(400), &mut out);
        assert_eq!(out[..3], [0x7f, 0x91, 0x02]);
    }
}
