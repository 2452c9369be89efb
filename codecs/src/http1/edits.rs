//! Changes of metadata, as changes of a start line and of field lines.

use sabir_core::head::Head;
use sabir_core::metadata::Span;
use sabir_core::name::Field;
use smallvec::SmallVec;

use super::field::{Known, is_value, number};
use super::pairs::QUERY;
use super::target::{is_authority, is_path, is_verb};
use crate::octets::is_token;

/// What to write other than as it arrived.
#[derive(Debug, Default)]
pub(super) struct Edits<'a> {
    pub(super) verb: Option<&'a [u8]>,
    /// Path without query, which stays.
    pub(super) path: Option<&'a [u8]>,
    /// Path with query.
    pub(super) full_path: Option<&'a [u8]>,
    pub(super) authority: Option<&'a [u8]>,
    pub(super) status: Option<u16>,
    /// Lines to leave out.
    pub(super) removed: SmallVec<[Span; 8]>,
    /// Fields to add.
    pub(super) added: SmallVec<[(&'a [u8], &'a [u8]); 8]>,
}

impl<'a> Edits<'a> {
    /// Changes of a request; `None` if one of them has no place in it.
    pub(super) fn of_request(head: &'a Head) -> Option<Self> {
        let mut edits = Self::default();
        if head.is_rewritten(Field::Service) {
            edits.set_authority(head.field(Field::Service)?)?;
        }
        if head.is_rewritten(Field::Method) {
            let path = head.field(Field::Method)?;
            let is_bare = is_path(path) && !path.contains(&b'?');
            edits.path = Some(is_bare.then_some(path)?);
        }
        edits.pairs(head, Self::request_pair)?;
        Some(edits)
    }

    /// Changes of a response; `None` if one of them has no place in it.
    pub(super) fn of_response(head: &'a Head) -> Option<Self> {
        let mut edits = Self::default();
        edits.pairs(head, Self::response_pair)?;
        Some(edits)
    }

    /// Whether the line at `raw` is left out.
    pub(super) fn drops(&self, raw: Span) -> bool {
        self.removed.contains(&raw)
    }

    fn pairs(
        &mut self,
        head: &'a Head,
        pair: fn(&mut Self, &'a [u8], &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        let metadata = head.metadata();
        if !metadata.is_modified() {
            return Some(());
        }
        self.removed.extend(metadata.removed());
        for (name, value) in metadata.added() {
            pair(self, name, value)?;
        }
        Some(())
    }

    fn request_pair(&mut self, name: &'a [u8], value: &'a [u8]) -> Option<()> {
        match name {
            b":method" => self.verb = Some(is_verb(value).then_some(value)?),
            b":path" => self.full_path = Some(is_path(value).then_some(value)?),
            b":authority" => self.set_authority(value)?,
            _ if Known::of(name) == Known::Host => self.set_authority(value)?,
            _ if name.starts_with(QUERY.as_bytes()) => return None,
            _ => self.field(name, value)?,
        }
        Some(())
    }

    fn response_pair(&mut self, name: &'a [u8], value: &'a [u8]) -> Option<()> {
        if name != b":status" {
            return self.field(name, value);
        }
        let status = number(value).filter(|s| value.len() == 3 && (200..600).contains(s))?;
        // These would change where the message ends.
        let status = Some(status as u16).filter(|s| !matches!(s, 204 | 304))?;
        self.status = Some(status);
        Some(())
    }

    fn field(&mut self, name: &'a [u8], value: &'a [u8]) -> Option<()> {
        let sound = is_token(name) && is_value(value) && !Known::of(name).is_hop_by_hop();
        self.added.push(sound.then_some((name, value))?);
        Some(())
    }

    fn set_authority(&mut self, value: &'a [u8]) -> Option<()> {
        self.authority = Some(is_authority(value).then_some(value)?);
        Some(())
    }
}
