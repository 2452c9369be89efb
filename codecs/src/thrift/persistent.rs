//! Pairs of THeader that hold for the rest of a connection.
//!
//! Connections to servers are shared, so that what one client declared on its own would hold for
//! others: it is written into each of its messages instead, as ordinary pairs.

use bytes::{Bytes, BytesMut};

use super::fault::Bad;
use super::header::{self, Header, Pair};

/// What a peer declared for the rest of its connection.
#[derive(Debug, Default)]
pub(super) struct Persistent {
    pairs: Vec<(Bytes, Bytes)>,
}

/// More was declared than a connection may keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooMany {
    /// Bytes of the names and values.
    pub(super) len: usize,
}

impl Persistent {
    /// Longest names and values together, in bytes: those of the longest header.
    pub(super) const LIMIT: usize = 64 << 10;

    /// `wire`, a frame of THeader, with all pairs that hold for it as ordinary ones.
    ///
    /// What cannot be read, or has no room for more, is left as it is.
    pub(super) fn settle(&mut self, wire: Bytes) -> Result<Bytes, TooMany> {
        let Ok((header, pairs, rest)) = read(&wire) else {
            return Ok(wire);
        };
        let declares = pairs.iter().any(|pair| pair.persistent.is_some());
        if !declares && self.pairs.is_empty() {
            return Ok(wire);
        }
        for pair in pairs.iter().filter(|pair| pair.persistent.is_some()) {
            let name = Bytes::copy_from_slice(&wire[pair.name.clone()]);
            let value = Bytes::copy_from_slice(&wire[pair.value.clone()]);
            self.pairs.retain(|(known, _)| *known != name);
            self.pairs.push((name, value));
        }
        let len = self.pairs.iter().map(|(n, v)| n.len() + v.len()).sum();
        if len > Self::LIMIT {
            return Err(TooMany { len });
        }
        let wire = ordinary(wire, &pairs);
        let of_wire = |pair: &Pair| (&wire[pair.name.clone()], &wire[pair.value.clone()]);
        let mut all: Vec<_> = pairs.iter().map(of_wire).collect();
        let said = all.len();
        for (name, value) in &self.pairs {
            if !all[..said].iter().any(|(own, _)| own == name) {
                all.push((name, value));
            }
        }
        if all.len() == said {
            return Ok(wire);
        }
        let data = header::data(&wire[header.lead.clone()], all.into_iter(), &wire[rest]);
        Ok(match data {
            Some(data) => header.with_data(&wire, &data).unwrap_or(wire),
            None => wire,
        })
    }
}

type Read = (Header, Vec<Pair>, std::ops::Range<usize>);

fn read(wire: &[u8]) -> Result<Read, Bad> {
    let header = Header::read(wire)?;
    let mut pairs = Vec::new();
    let rest = header.pairs(wire, &mut |pair| pairs.push(pair))?;
    Ok((header, pairs, rest))
}

/// `wire` with its persistent blocks as ordinary ones, which takes one byte each.
fn ordinary(wire: Bytes, pairs: &[Pair]) -> Bytes {
    if pairs.iter().all(|pair| pair.persistent.is_none()) {
        return wire;
    }
    let mut changed = BytesMut::from(&wire[..]);
    for at in pairs.iter().filter_map(|pair| pair.persistent) {
        if let Some(id) = wire.get(at)
            && let Some(byte) = changed.get_mut(at)
        {
            *byte = header::once(*id);
        }
    }
    changed.freeze()
}
