//! A YAML or JSON text as a tree whose nodes know where they stand.
//!
//! YAML 1.2 is a superset of JSON, so one parser reads both. Nodes lie in one list and name
//! each other by number: an alias is the number of its anchor's node, so no text unfolds to
//! more than it has bytes for, and nothing here descends by recursion.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScanError};

/// A node of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(u32);

/// A parsed text.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    nodes: Vec<Node<'t>>,
    root: NodeId,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    /// How many characters stand before every so many bytes: a document may be one line.
    characters: Vec<usize>,
    text: &'t str,
}

/// The bytes from one count of characters to the next.
const STRIDE: usize = 1024;

#[derive(Debug)]
struct Node<'t> {
    offset: u32,
    value: Value<'t>,
}

/// What a node is. Whether a scalar is a number or a text makes no difference here.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// A scalar.
    Scalar(Cow<'t, str>),
    /// A sequence.
    List(Vec<NodeId>),
    /// A mapping: keys and values in the text's order.
    Map(Vec<(NodeId, NodeId)>),
}

/// What is wrong with a document, and at which byte.
pub(super) type Flaw = (usize, String);

/// More nodes are refused: so many take some 200 MB, and the largest documents that are
/// published have a tenth of it.
const MAX_NODES: usize = 4_000_000;

/// Lists and mappings inside of each other may be so many; published documents have some 30.
/// The parser counts those with brackets and those without apart.
const MAX_DEPTH: usize = 255;

/// The most characters of a key. YAML has 1,024, and JSON no bound.
const MAX_KEY: usize = 64 * 1024;

impl<'t> Tree<'t> {
    /// Parses a text that holds one document.
    pub(super) fn parse(text: &'t str) -> Result<Self, Flaw> {
        Self::parse_bounded(text, MAX_NODES)
    }

    fn parse_bounded(text: &'t str, most: usize) -> Result<Self, Flaw> {
        let mut builder = Builder::default();
        let options = granit_parser::options! {
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
            simple_key_max_lookahead: MAX_KEY,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| syntax(&error))?;
            let offset = span.start.byte_offset().unwrap_or_default();
            builder.take(event, offset)?;
            if builder.nodes.len() > most {
                return Err((offset, format!("there are more than {most} values")));
            }
        }
        let root = builder
            .root
            .ok_or((0, "the document is empty".to_owned()))?;
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        let mut count = 0;
        let strides = text.as_bytes().chunks(STRIDE).map(|stride| {
            let before = count;
            count += characters(stride);
            before
        });
        Ok(Self {
            nodes: builder.nodes,
            root,
            characters: strides.collect(),
            lines: std::iter::once(0).chain(ends).collect(),
            text,
        })
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn value(&self, node: NodeId) -> &Value<'t> {
        let at = usize::try_from(node.0).expect("a u32 fits a usize");
        &self
            .nodes
            .get(at)
            .expect("a number that this tree gave")
            .value
    }

    /// The byte at which a node begins.
    pub(super) fn offset(&self, node: NodeId) -> usize {
        let at = usize::try_from(node.0).expect("a u32 fits a usize");
        let node = self.nodes.get(at).expect("a number that this tree gave");
        usize::try_from(node.offset).expect("a u32 fits a usize")
    }

    /// Line and column of a byte, from 1; columns count characters.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start <= offset);
        let start = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.characters_before(offset);
        (
            line,
            before.saturating_sub(self.characters_before(start)) + 1,
        )
    }

    fn characters_before(&self, offset: usize) -> usize {
        let stride = offset / STRIDE;
        let counted = self.characters.get(stride).copied().unwrap_or(0);
        let rest = self.text.as_bytes().get(stride * STRIDE..offset);
        counted + rest.map_or(0, characters)
    }

    /// Every node.
    pub(super) fn all(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).filter_map(|at| u32::try_from(at).ok().map(NodeId))
    }

    pub(super) fn scalar(&self, node: NodeId) -> Option<&str> {
        match self.value(node) {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self, node: NodeId) -> Option<&[NodeId]> {
        match self.value(node) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn map(&self, node: NodeId) -> Option<&[(NodeId, NodeId)]> {
        match self.value(node) {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key of a mapping; the first, where it is there twice.
    pub(super) fn under(&self, node: NodeId, key: &str) -> Option<NodeId> {
        let mut entries = self.map(node)?.iter();
        entries
            .find(|(k, _)| self.scalar(*k) == Some(key))
            .map(|(_, value)| *value)
    }

    /// Whether nothing stands there: `null` in one of its spellings.
    pub(super) fn is_null(&self, node: NodeId) -> bool {
        matches!(self.scalar(node), Some("" | "~" | "null"))
    }

    /// What a node is, for faults.
    pub(super) fn kind(&self, node: NodeId) -> &'static str {
        match self.value(node) {
            Value::Scalar(_) if self.is_null(node) => "nothing",
            Value::Scalar(_) => "a plain value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// The characters that begin in these bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// A JSON text as one that is YAML too: the characters that JSON lets stand in its strings
/// and YAML does not become `?`, of which no rule is made. Places stay what they are.
pub(super) fn as_yaml(text: &str) -> Cow<'_, str> {
    let odd =
        |c: char| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    let start = text.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with('{') || !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    let mut yaml = String::with_capacity(text.len());
    for c in text.chars() {
        match odd(c) {
            true => yaml.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => yaml.push(c),
        }
    }
    Cow::Owned(yaml)
}

fn syntax(error: &ScanError) -> Flaw {
    let offset = error.marker().byte_offset().unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => {
            format!("is nested too deep: more than {MAX_DEPTH} lists and mappings are open here")
        }
        _ => format!("is neither YAML nor JSON: {}", error.info()),
    };
    (offset, message)
}

#[derive(Default)]
struct Builder<'t> {
    nodes: Vec<Node<'t>>,
    root: Option<NodeId>,
    open: Vec<Open>,
    /// Complete nodes by the number of their anchor.
    anchors: HashMap<usize, NodeId>,
}

/// A collection whose end has not come.
struct Open {
    node: NodeId,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<NodeId>,
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, offset: usize) -> Result<(), Flaw> {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                let node = self.add(Value::Scalar(text), offset)?;
                self.anchor(anchor, node);
                self.place(node);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Value::List(Vec::new()), anchor, offset)?;
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Value::Map(Vec::new()), anchor, offset)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.anchor(open.anchor, open.node);
                    self.place(open.node);
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(&node) => self.place(node),
                None => {
                    let message = "this alias leads to a value that it is part of";
                    return Err((offset, message.to_owned()));
                }
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "a second document begins here; a file holds one";
                return Err((offset, message.to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, value: Value<'t>, offset: usize) -> Result<NodeId, Flaw> {
        let number = u32::try_from(self.nodes.len()).ok();
        let (number, place) = number
            .zip(u32::try_from(offset).ok())
            .ok_or_else(|| (offset, "the document is too large".to_owned()))?;
        self.nodes.push(Node {
            offset: place,
            value,
        });
        Ok(NodeId(number))
    }

    fn begin(&mut self, value: Value<'t>, anchor: usize, offset: usize) -> Result<(), Flaw> {
        let node = self.add(value, offset)?;
        self.open.push(Open {
            node,
            anchor,
            key: None,
        });
        Ok(())
    }

    fn anchor(&mut self, anchor: usize, node: NodeId) {
        // 0 is a node without an anchor.
        if anchor != 0 {
            self.anchors.insert(anchor, node);
        }
    }

    /// Puts a complete node into the collection that is open, or at the root.
    fn place(&mut self, node: NodeId) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let at = usize::try_from(open.node.0).expect("a u32 fits a usize");
        match self.nodes.get_mut(at).map(|node| &mut node.value) {
            Some(Value::List(items)) => items.push(node),
            Some(Value::Map(entries)) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
