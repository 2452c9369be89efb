//! From the path of a field to its position in the file.

use std::fmt;
use std::sync::Arc;

use super::error::Position;
use super::tree::{Content, Node};
use crate::path::{Step, steps};

/// Where each field of a configuration is in the text it was read from.
///
/// Whoever finds fault with a message asks by the field's path and can point
/// at the text:
///
/// ```
/// let text = "listeners:\n- name: a\n  address: nowhere\n";
/// let (bootstrap, source) = sabir_proto::yaml::parse("sabir.yaml", text.as_bytes())?;
/// assert_eq!(bootstrap.listeners[0].address, "nowhere");
/// assert_eq!(source.locate("listeners[0].address").to_string(), "sabir.yaml:3:12");
/// # Ok::<(), sabir_proto::yaml::Errors>(())
/// ```
#[derive(Clone, Debug)]
pub struct SourceMap {
    file: Arc<str>,
    root: Arc<Node>,
}

impl SourceMap {
    pub(super) const fn new(file: Arc<str>, root: Arc<Node>) -> Self {
        Self { file, root }
    }

    /// The file's name, as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The position of a field, by its path as
    /// [`FieldPath`](crate::path::FieldPath) writes it; if the file does not
    /// have the field, of its nearest parent there.
    ///
    /// It is where the value begins, for a mapping or list with a key where
    /// the key does. A value that an alias stands for is where its anchor is.
    #[must_use]
    pub fn position(&self, path: &str) -> Position {
        let mut node = &self.root;
        let mut position = node.position;
        for step in steps(path) {
            let Some((child, place)) = descend(node, &step) else {
                break;
            };
            node = child;
            position = place;
        }
        position
    }

    /// As [`SourceMap::position`], with the file's name.
    #[must_use]
    pub fn locate(&self, path: &str) -> Location<'_> {
        Location {
            file: &self.file,
            position: self.position(path),
        }
    }
}

/// A place in a file, displayed as `FILE:LINE:COLUMN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The file's name, as it was given.
    pub file: &'a str,
    /// The place in it.
    pub position: Position,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.position)
    }
}

fn descend<'a>(node: &'a Node, step: &Step) -> Option<(&'a Arc<Node>, Position)> {
    match (&node.content, step) {
        (Content::Sequence(items), Step::Index(index)) => {
            items.get(*index).map(|item| (item, item.position))
        }
        (Content::Mapping(entries), Step::Name(name)) => {
            let (key, value) = entry(entries, name).or_else(|| entry(entries, &json_name(name)))?;
            let is_scalar = matches!(value.content, Content::Scalar { .. }) && !value.is_null();
            let place = if is_scalar { value } else { key };
            Some((value, place.position))
        }
        _ => None,
    }
}

type Entry = (Arc<Node>, Arc<Node>);

fn entry<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    let named = |node: &Node| matches!(&node.content, Content::Scalar { text, .. } if text == name);
    entries.iter().find(|(key, _)| named(key))
}

/// `idle_timeout` -> `idleTimeout`, as proto-JSON does.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        match character {
            '_' => upper = true,
            _ if upper => {
                json.push(character.to_ascii_uppercase());
                upper = false;
            }
            _ => json.push(character),
        }
    }
    json
}
