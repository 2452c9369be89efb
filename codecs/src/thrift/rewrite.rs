//! Writing a message that changed: what nobody touched is copied, never written anew.

use std::ops::Range;

use bytes::Bytes;
use sabir_core::head::{Head, Kind};
use sabir_core::metadata::Span;
use sabir_core::name::Field;
use sabir_core::output::Output;
use smallvec::SmallVec;

use super::header::{self, Header, Pair};
use super::message::{MAX_NAME, Message};
use super::packet::Packet;
use super::transport::Transport;
use super::zlib;

/// Bytes that replace others; as long as most sequence ids, names and lengths.
type With = SmallVec<[u8; 24]>;

/// The bytes in a range are to be replaced by others.
type Edit = (Range<usize>, With);

/// What is to become of a message.
#[derive(Debug, Default)]
pub(super) struct Rewrite {
    /// Service and method.
    name: Option<SmallVec<[u8; 32]>>,
    seqid: Option<u32>,
    outer: Option<u32>,
    /// The header data of THeader.
    data: Option<Vec<u8>>,
}

impl Rewrite {
    /// The changes that were made to `head`; `None` if the message has no place for them.
    pub(super) fn of(head: &Head, packet: &Packet) -> Option<Self> {
        let mut rewrite = Self::default();
        if !head.is_modified() {
            // Nor are pairs parsed that nobody looked at.
            return Some(rewrite);
        }
        if is_renamed(head) {
            rewrite.name = Some(name_of(head)?);
        }
        if head.metadata().is_modified() {
            let header = packet.header.as_ref()?;
            rewrite.data = Some(data(head, header)?);
        }
        Some(rewrite)
    }

    /// Gives the message a name, whatever it had.
    pub(super) fn rename(&mut self, name: &[u8]) {
        self.name = Some(name.into());
    }

    /// Gives the message a sequence id, and `outer` to THeader if it repeats the one of the message.
    pub(super) fn renumber(&mut self, packet: &Packet, seqid: u32, outer: u32) {
        let Some(message) = &packet.message else {
            return;
        };
        if message.seqid == seqid {
            return;
        }
        self.seqid = Some(seqid);
        if packet
            .header
            .as_ref()
            .is_some_and(|h| h.seqid == message.seqid)
        {
            self.outer = Some(outer);
        }
    }

    /// Writes `wire` with these changes; `false` if it cannot be written, and nothing was. At most
    /// `longest` bytes come out of a transform.
    pub(super) fn write(
        &self,
        wire: &Bytes,
        packet: &Packet,
        longest: usize,
        out: &mut Output,
    ) -> bool {
        let Some(edits) = self.edits(wire, packet, longest) else {
            return false;
        };
        let mut at = 0;
        for (range, with) in edits {
            out.put_slice(wire, at..range.start);
            out.put(&with);
            at = range.end;
        }
        out.put_slice(wire, at..wire.len());
        true
    }

    /// What has to be done to the bytes of `wire`, in their order.
    fn edits(&self, wire: &[u8], packet: &Packet, longest: usize) -> Option<SmallVec<[Edit; 6]>> {
        let mut edits = SmallVec::<[Edit; 6]>::new();
        if let Some(header) = &packet.header {
            self.edit_header(header, &mut edits);
        }
        if let Some(message) = &packet.message {
            match &packet.header {
                Some(header) if packet.inflated.is_some() => {
                    let with = self.transformed(wire, header, message, longest)?;
                    edits.extend(with.map(|with| (header.payload..wire.len(), with)));
                }
                _ => edits.extend(self.edit_message(message)),
            }
        }
        if packet.transport != Transport::Unframed {
            let cut: usize = edits.iter().map(|(range, _)| range.len()).sum();
            let put: usize = edits.iter().map(|(_, with)| with.len()).sum();
            if cut != put {
                let len = i32::try_from(wire.len() - cut + put - 4).ok()?;
                edits.insert(0, (0..4, SmallVec::from_slice(&len.to_be_bytes())));
            }
        }
        Some(edits)
    }

    fn edit_header(&self, header: &Header, edits: &mut SmallVec<[Edit; 6]>) {
        if let Some(outer) = self.outer {
            edits.push((8..12, SmallVec::from_slice(&outer.to_be_bytes())));
        }
        if let Some(data) = &self.data {
            // Not more words than fit, which is seen to where the data are made.
            let words = (data.len() / 4) as u16;
            edits.push((12..14, SmallVec::from_slice(&words.to_be_bytes())));
            edits.push((header::FIXED..header.payload, SmallVec::from_slice(data)));
        }
    }

    /// Changes of the message's own header, in the order of its parts.
    fn edit_message(&self, message: &Message) -> SmallVec<[Edit; 2]> {
        let mut edits = SmallVec::new();
        if let Some(name) = &self.name {
            let mut with = With::new();
            message.encoding.write_name(name, &mut with);
            edits.push((message.name_slot.clone(), with));
        }
        if let Some(seqid) = self.seqid {
            let mut with = With::new();
            message.encoding.write_seqid(seqid, &mut with);
            edits.push((message.seqid_slot.clone(), with));
        }
        edits.sort_by_key(|(range, _): &Edit| range.start);
        edits
    }

    /// The payload behind its transform, if it changes.
    fn transformed(
        &self,
        wire: &[u8],
        header: &Header,
        message: &Message,
        longest: usize,
    ) -> Option<Option<With>> {
        let edits = self.edit_message(message);
        if edits.is_empty() {
            return Some(None);
        }
        let stream = wire.get(header.payload..)?;
        let (plain, result) = zlib::inflate(stream, longest, longest);
        result.ok()?;
        let mut changed = Vec::with_capacity(plain.len() + MAX_NAME);
        let mut at = 0;
        for (range, with) in edits {
            changed.extend_from_slice(plain.get(at..range.start)?);
            changed.extend_from_slice(&with);
            at = range.end;
        }
        changed.extend_from_slice(plain.get(at..)?);
        Some(Some(zlib::deflate(&changed)?.into()))
    }
}

/// Whether service, method or another field was rewritten.
pub(super) fn is_renamed(head: &Head) -> bool {
    Field::ALL.into_iter().any(|field| head.is_rewritten(field))
}

/// The name that a call has to have for its rewritten fields.
pub(super) fn name_of(head: &Head) -> Option<SmallVec<[u8; 32]>> {
    let others = [Field::Version, Field::Signature, Field::Group];
    if head.kind == Kind::Response || others.into_iter().any(|field| head.is_rewritten(field)) {
        return None;
    }
    let method = head.field(Field::Method).filter(|name| !name.is_empty())?;
    let mut name = SmallVec::new();
    if let Some(service) = head.field(Field::Service) {
        name.extend_from_slice(service);
        name.push(b':');
    }
    name.extend_from_slice(method);
    (name.len() <= MAX_NAME).then_some(name)
}

/// Header data with the pairs that `head` has now.
fn data(head: &Head, header: &Header) -> Option<Vec<u8>> {
    let wire = head.wire();
    let pairs = pairs(head, Some(header))?;
    let rest = header.pairs(wire, &mut |_| {}).ok()?;
    let lead = &wire[header.lead.clone()];
    header::data(lead, pairs.iter().copied(), &wire[rest])
}

/// The pairs that `head` has now, of which those on the wire are in `header`; `None` if something
/// was changed that is none of them, or they cannot be read.
pub(super) fn pairs<'a>(
    head: &'a Head,
    header: Option<&Header>,
) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    if header.is_none() && !head.is_modified() {
        return Some(Vec::new());
    }
    let (wire, metadata) = (head.wire(), head.metadata());
    if metadata.fault().is_some() || metadata.removed_fixed() {
        return None;
    }
    let mut pairs = Vec::new();
    let mut keep = |pair: Pair| {
        let is_cut =
            |raw: Span| (raw.start as usize, raw.end as usize) == (pair.name.start, pair.value.end);
        if !metadata.removed().any(is_cut) {
            pairs.push((&wire[pair.name.clone()], &wire[pair.value.clone()]));
        }
    };
    if let Some(header) = header {
        header.pairs(wire, &mut keep).ok()?;
    }
    pairs.extend(metadata.added());
    Some(pairs)
}
