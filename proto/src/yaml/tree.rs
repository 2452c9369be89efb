//! Text to a tree of nodes that know their positions.
//!
//! Aliases share the node they name; what a walk over the tree would visit is
//! counted, and bounded, while it is built.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::{ErrorKind, Position};
use super::{MAX_DEPTH, MAX_NODES};

/// A value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) content: Content,
    /// Nodes a walk over this one visits, itself included.
    size: usize,
    /// Levels of lists and mappings, itself included.
    height: usize,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        /// Without quotes: null, booleans and numbers are told by their look.
        plain: bool,
    },
    Sequence(Vec<Arc<Node>>),
    Mapping(Vec<(Arc<Node>, Arc<Node>)>),
    /// A value with this tag, which nobody can read.
    Tagged(String),
}

impl Node {
    /// Whether this is a null, or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if is_null(text))
    }
}

/// YAML 1.2.2 §10.3.2
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Why there is no tree, and where the reason is.
pub(super) type Failure = (Position, ErrorKind);

/// Reads the one document of a text.
pub(super) fn read(text: &str) -> Result<Arc<Node>, Failure> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        builder.event(event, span)?;
    }
    let start = Position { line: 1, column: 1 };
    let root = builder.root.filter(|root| !root.is_null());
    root.ok_or((start, ErrorKind::Empty))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    documents: usize,
    nodes: usize,
}

/// A list or mapping whose end was not seen yet; a mapping's children are its
/// keys and values in turn.
struct Open {
    position: Position,
    is_mapping: bool,
    anchor: usize,
    tag: Option<String>,
    children: Vec<Arc<Node>>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Failure> {
        let position = position(span.start);
        match event {
            Event::DocumentStart(_) => self.document(position),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let plain = style == ScalarStyle::Plain && !is_core(tag, "str");
                let content = match unsupported(tag, &["str"]) {
                    Some(tag) => Content::Tagged(tag),
                    None => Content::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                };
                self.count(position, 1)?;
                self.close(
                    anchor,
                    Node {
                        position,
                        content,
                        size: 1,
                        height: 0,
                    },
                );
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => self.open(
                position,
                false,
                anchor,
                unsupported(tag.as_deref(), &["seq"]),
            ),
            Event::MappingStart(anchor, tag) => self.open(
                position,
                true,
                anchor,
                unsupported(tag.as_deref(), &["map"]),
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                self.end();
                Ok(())
            }
            Event::Alias(anchor) => self.alias(position, anchor),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn document(&mut self, position: Position) -> Result<(), Failure> {
        self.documents += 1;
        match self.documents {
            1 => Ok(()),
            _ => Err((position, ErrorKind::SeveralDocuments)),
        }
    }

    fn open(
        &mut self,
        position: Position,
        is_mapping: bool,
        anchor: usize,
        tag: Option<String>,
    ) -> Result<(), Failure> {
        self.count(position, 1)?;
        self.check_depth(position, 1)?;
        self.open.push(Open {
            position,
            is_mapping,
            anchor,
            tag,
            children: Vec::new(),
        });
        Ok(())
    }

    fn alias(&mut self, position: Position, anchor: usize) -> Result<(), Failure> {
        // The parser refuses names that no anchor has; one that is known but
        // not complete is around us.
        let node = self.anchors.get(&anchor).cloned();
        let node = node.ok_or((position, ErrorKind::RecursiveAlias))?;
        self.count(position, node.size)?;
        self.check_depth(position, node.height)?;
        self.add(node);
        Ok(())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let Open {
            position,
            is_mapping,
            anchor,
            tag,
            children,
        } = open;
        let size = children.iter().map(|child| child.size).sum::<usize>() + 1;
        let height = children.iter().map(|child| child.height).max().unwrap_or(0) + 1;
        let content = match tag {
            Some(tag) => Content::Tagged(tag),
            None if is_mapping => Content::Mapping(pairs(children)),
            None => Content::Sequence(children),
        };
        self.close(
            anchor,
            Node {
                position,
                content,
                size,
                height,
            },
        );
    }

    fn close(&mut self, anchor: usize, node: Node) {
        let node = Arc::new(node);
        // 0: no anchor.
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.add(node);
    }

    fn add(&mut self, node: Arc<Node>) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn count(&mut self, position: Position, nodes: usize) -> Result<(), Failure> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err((position, ErrorKind::TooManyNodes { limit: MAX_NODES }));
        }
        Ok(())
    }

    fn check_depth(&self, position: Position, height: usize) -> Result<(), Failure> {
        if self.open.len() + height > MAX_DEPTH {
            return Err((position, ErrorKind::TooDeep { limit: MAX_DEPTH }));
        }
        Ok(())
    }
}

fn pairs(children: Vec<Arc<Node>>) -> Vec<(Arc<Node>, Arc<Node>)> {
    let mut pairs = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        pairs.push((key, value));
    }
    pairs
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line(),
        column: marker.col() + 1,
    }
}

fn syntax(error: &ScanError) -> Failure {
    let reason = error.info().to_owned();
    (position(*error.marker()), ErrorKind::Syntax { reason })
}

/// The tag's text, unless it says no more than that this is what it is.
fn unsupported(tag: Option<&Tag>, known: &[&str]) -> Option<String> {
    let tag = tag?;
    let known = known.iter().any(|suffix| is_core(Some(tag), suffix));
    (!known).then(|| match tag.handle.as_str() {
        "tag:yaml.org,2002:" => format!("!!{}", tag.suffix),
        handle => format!("{handle}{}", tag.suffix),
    })
}

fn is_core(tag: Option<&Tag>, suffix: &str) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == suffix)
}
