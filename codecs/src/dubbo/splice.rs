//! Writing a message whose metadata changed: what nobody touched is copied, never written anew.
//!
//! Attachments lie behind the arguments and may refer back to them, never the other way round; and
//! strings are in no table that a reference counts in. So header strings can be replaced, and
//! string entries cut out or added before the map's end, without touching anything else.

use std::ops::Range;

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::name::Field;
use sabir_core::output::Output;

use super::attachments::Entry;
use super::body::{Serialization, Spelling};
use super::header::{self, Header};
use super::request::{Prefix, Slot, reads_attachments};
use super::response::Room;
use super::{hessian2, jsonb};

/// The bytes in `range` are to be replaced by `with`.
#[derive(Debug)]
struct Edit {
    range: Range<usize>,
    with: Vec<u8>,
}

/// Changes of one message, complete or not made at all.
#[derive(Debug)]
pub(super) struct Splice(Vec<Edit>);

impl Splice {
    /// What has to be done to the bytes of `head`; `None` if they have no place for its changes.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let flags = *head.wire().get(2)?;
        let header = Header {
            flags,
            status: 0,
            id: 0,
        };
        let serialization = Serialization::of(header.serialization());
        let spelling = serialization.spelling()?;
        let metadata = head.metadata();
        if metadata.fault().is_some() || metadata.removed_fixed() {
            return None;
        }
        let splice = Self(Vec::new());
        match head.kind {
            Kind::Response => splice.response(head, serialization, spelling),
            _ => splice.request(head, serialization, spelling),
        }
    }

    /// Writes `wire` with these changes under `id`; `None`, with nothing written, if it would be
    /// longer than a message can be.
    pub(super) fn write(mut self, id: u64, wire: &Bytes, out: &mut Output) -> Option<()> {
        self.0
            .sort_by_key(|edit| (edit.range.start, edit.range.end));
        let cut: usize = self.0.iter().map(|edit| edit.range.len()).sum();
        let added: usize = self.0.iter().map(|edit| edit.with.len()).sum();
        let body_len = (wire.len() + added).checked_sub(cut + header::LEN)?;
        let body_len = i32::try_from(body_len).ok()?;
        let &[_, _, flags, status] = wire.first_chunk()?;
        let header = Header { flags, status, id };
        out.put(&header.octets(body_len.cast_unsigned()));
        let mut at = header::LEN;
        for edit in &self.0 {
            out.put_slice(wire, at..edit.range.start);
            out.put(&edit.with);
            at = edit.range.end;
        }
        out.put_slice(wire, at..wire.len());
        Some(())
    }

    fn request(
        mut self,
        head: &Head,
        serialization: Serialization,
        spelling: Spelling,
    ) -> Option<Self> {
        if head.is_rewritten(Field::Signature) {
            return None;
        }
        if !Field::ALL.into_iter().any(|field| head.is_rewritten(field)) {
            self.pairs(head, &[], spelling)?;
            return Some(self);
        }
        let wire = head.wire();
        let read = serialization.read(wire, header::LEN, |body| {
            let prefix = Prefix::read(wire, body).ok()?;
            let mut entries = Vec::new();
            let attachments = prefix
                .arguments
                .attachments(body, &mut |entry| entries.push(entry));
            attachments.ok().map(|_| (prefix, entries))
        });
        let (prefix, entries) = read.flatten()?;
        let slots = [
            (Field::Service, &prefix.service, None),
            // What Java writes for a service without version.
            (Field::Version, &prefix.version, Some(&b"0.0.0"[..])),
            (Field::Method, &prefix.method, None),
        ];
        for (field, slot, absent) in slots {
            if head.is_rewritten(field) {
                self.string(slot, head.field(field).or(absent)?, spelling)?;
            }
        }
        self.pairs(head, &entries, spelling)?;
        Some(self)
    }

    fn response(
        mut self,
        head: &Head,
        serialization: Serialization,
        spelling: Spelling,
    ) -> Option<Self> {
        if Field::ALL.into_iter().any(|field| head.is_rewritten(field)) {
            return None;
        }
        let metadata = head.metadata();
        if metadata.block().is_some() {
            self.pairs(head, &[], spelling)?;
            return Some(self);
        }
        if metadata.added().next().is_none() {
            return Some(self);
        }
        // Only a caller that asked with a version that knows of them reads attachments.
        if !reads_attachments(head.echo) {
            return None;
        }
        let room = Room::find(head.wire(), serialization)?;
        let mut kind = Vec::new();
        let mut map = Vec::new();
        match spelling {
            Spelling::Hessian2 => hessian2::write_int(room.with_attachments.into(), &mut kind),
            Spelling::Jsonb => jsonb::write_kind(room.with_attachments, &mut kind),
        }
        spelling.map(metadata.added(), &mut map)?;
        self.edit(room.kind, kind);
        self.edit(room.at..room.at, map);
        Some(self)
    }

    /// Replaces a string of the prefix.
    fn string(&mut self, slot: &Slot, value: &[u8], spelling: Spelling) -> Option<()> {
        let mut with = Vec::with_capacity(value.len() + 8);
        spelling.value(value, &mut with)?;
        self.edit(slot.range.clone(), with);
        Some(())
    }

    /// Changes the attachments.
    fn pairs(&mut self, head: &Head, entries: &[Entry], spelling: Spelling) -> Option<()> {
        let metadata = head.metadata();
        let mut cuts: Vec<Range<usize>> = metadata
            .removed()
            .map(|raw| raw.start as usize..raw.end as usize)
            .collect();
        // Room for a pair or two, so that most changes grow it only once.
        let mut added = Vec::with_capacity(64);
        for (key, value) in metadata.added() {
            spelling.pair(key, value, &mut added)?;
        }
        rewrite_attachments(head, entries, spelling, &mut cuts, &mut added)?;
        if cuts.is_empty() && added.is_empty() {
            return Some(());
        }
        let block = metadata.block()?;
        let block = block.start as usize..block.end as usize;
        let (open, end) = spelling.brackets();
        let is_map = block.len() > 1 && head.wire().get(block.end - 1) == Some(&end);
        let grown = if is_map {
            let last = block.end - 1;
            let cut: usize = cuts.iter().map(Range::len).sum();
            let grown = block.len() + added.len() - cut;
            for cut in cuts {
                self.edit(cut, Vec::new());
            }
            self.edit(last..last, added);
            grown
        } else {
            let map = [&[open], &added[..], &[end]].concat();
            let grown = map.len();
            self.edit(block.clone(), map);
            grown
        };
        if let Some((range, octets)) = spelling.length(&block, grown) {
            self.edit(range, octets.to_vec());
        }
        Some(())
    }

    fn edit(&mut self, range: Range<usize>, with: Vec<u8>) {
        self.0.push(Edit { range, with });
    }
}

/// Carries rewritten fields over to the attachments, which win over the prefix at the callee.
fn rewrite_attachments(
    head: &Head,
    entries: &[Entry],
    spelling: Spelling,
    cuts: &mut Vec<Range<usize>>,
    added: &mut Vec<u8>,
) -> Option<()> {
    for &(field, key) in REWRITTEN_ATTACHMENTS {
        if !head.is_rewritten(field) {
            continue;
        }
        let value = head.field(field);
        let of_key = entries
            .iter()
            .filter(|entry| entry.key.of(head.wire()) == key);
        // An attachment that was changed under its own name stays as it was changed.
        let mut was_there = false;
        for entry in of_key
            .filter(|entry| !cuts.contains(&entry.range))
            .collect::<Vec<_>>()
        {
            if !entry.removable {
                return None;
            }
            was_there = true;
            cuts.push(entry.range.clone());
        }
        // The group is nowhere else; the others are taken from the prefix if absent here.
        if let Some(value) = value
            && (was_there || field == Field::Group)
        {
            spelling.pair(key, value, added)?;
        }
    }
    Some(())
}

/// Attachments that repeat a field, or hold it.
const REWRITTEN_ATTACHMENTS: &[(Field, &[u8])] = &[
    (Field::Service, b"path"),
    (Field::Service, b"interface"),
    (Field::Version, b"version"),
    (Field::Group, b"group"),
];
