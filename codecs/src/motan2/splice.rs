//! Writing a message whose metadata changed: the block is written anew, the body is not touched.

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::name::Field;
use sabir_core::output::Output;
use smallvec::SmallVec;

use super::header::{self, Header};
use super::metadata::{MAX_PAIRS, PLACES, Pairs};

/// The metadata of one message as they are to be.
#[derive(Debug)]
pub(super) struct Splice(Vec<u8>);

/// A key and its value.
type Line<'a> = (&'a [u8], &'a [u8]);

impl Splice {
    /// The metadata of `head` with its changes; `None` if they have no place for them.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let metadata = head.metadata();
        metadata.block()?;
        let is_request = head.kind != Kind::Response;
        let may_rewrite = |field| is_request && field != Field::Signature;
        let mut rewritten = Field::ALL.into_iter().filter(|&f| head.is_rewritten(f));
        if head.fault().is_some() || !rewritten.all(may_rewrite) {
            return None;
        }
        let lines = lines(head);
        let has = |key: &[u8]| lines.iter().any(|line| line.0 == key && !line.1.is_empty());
        if lines.len() > MAX_PAIRS || is_request && !(has(b"M_p") && has(b"M_m")) {
            return None;
        }
        // Fields are text; a server would refuse the message.
        let is_text = |&(key, value): &Line<'_>| {
            let is_field = PLACES.iter().any(|place| place.has(key));
            !is_field || str::from_utf8(value).is_ok()
        };
        if !lines.iter().all(is_text) {
            return None;
        }
        write(&lines).map(Self)
    }

    /// Writes `wire` with these metadata under `id`; `None`, with nothing written, if they are
    /// longer than can be said.
    pub(super) fn write(&self, header: Header, wire: &Bytes, out: &mut Output) -> Option<()> {
        let len = i32::try_from(self.0.len()).ok()?;
        out.put(&header.octets(len.cast_unsigned()));
        out.put(&self.0);
        out.put_slice(wire, header::metadata_range(wire).end..wire.len());
        Some(())
    }
}

/// What is to stand in the block: of each key what was said last.
fn lines(head: &Head) -> SmallVec<[Line<'_>; 24]> {
    let wire = head.wire();
    let metadata = head.metadata();
    // With a pair go the earlier ones of its key, which were listed nowhere.
    let is_removed = |key: &[u8]| {
        let mut removed = metadata.removed().map(|raw| raw.of(wire));
        removed.any(|raw| {
            raw.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(b"\n"))
        })
    };
    let rewritten = || PLACES.iter().filter(|place| head.is_rewritten(place.field));
    let is_rewritten = |key: &[u8]| rewritten().any(|place| place.has(key));
    let kept = Pairs::of(wire)
        .flatten()
        .map(|pair| (pair.key.of(wire), pair.value.of(wire)))
        .filter(|(key, _)| !is_removed(key) && !is_rewritten(key));
    let fields = rewritten().flat_map(|place| {
        let alias = place.alias.filter(|alias| {
            Pairs::of(wire)
                .flatten()
                .any(|pair| pair.key.of(wire) == alias.as_bytes())
        });
        let keys = [Some(place.key), alias].into_iter().flatten();
        keys.filter_map(|key| Some((key.as_bytes(), head.field(place.field)?)))
    });
    // What was set under the key's own name comes last, and wins.
    let added = metadata.added().map(|(key, value)| (spelled(key), value));
    // Peers write no empty ones, and motan-go breaks at empty keys.
    let changed = fields
        .chain(added)
        .filter(|(key, value)| !key.is_empty() && !value.is_empty());
    let all: SmallVec<[Line<'_>; 24]> = kept.chain(changed).collect();
    let counts = |at: usize| all[at + 1..].iter().all(|later| later.0 != all[at].0);
    (0..all.len())
        .filter(|&at| counts(at))
        .map(|at| all[at])
        .collect()
}

/// The block of these lines; `None` if one has a newline, which would start another.
fn write(lines: &[Line<'_>]) -> Option<Vec<u8>> {
    let len = lines.iter().map(|(key, value)| key.len() + value.len() + 2);
    let mut block = Vec::with_capacity(len.sum());
    for (key, value) in lines {
        if memchr::memchr(b'\n', key).is_some() || memchr::memchr(b'\n', value).is_some() {
            return None;
        }
        if !block.is_empty() {
            block.push(b'\n');
        }
        block.extend_from_slice(key);
        block.push(b'\n');
        block.extend_from_slice(value);
    }
    Some(block)
}

/// The key that `name` means: configuration knows no case, peers do.
fn spelled(name: &[u8]) -> &[u8] {
    let known = KEYS
        .iter()
        .find(|key| key.as_bytes().eq_ignore_ascii_case(name));
    known.map_or(name, |key| key.as_bytes())
}

/// Keys of the protocol that have capitals.
const KEYS: [&str; 17] = [
    "M_p",
    "M_m",
    "M_md",
    "M_g",
    "M_v",
    "M_s",
    "M_mdu",
    "M_pp",
    "M_tmo",
    "M_rid",
    "M_pt",
    "M_e",
    "M_a",
    "M_is",
    "M_fws",
    "HTTP_Method",
    "requestIdFromClient",
];
