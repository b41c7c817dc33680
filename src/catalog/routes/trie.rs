//! The trie itself: nodes in one vector, and the walk down.
//!
//! What a look-up costs in a large catalogue is memory that is not in the cache. So a node
//! is small, and mostly a parameter's lies behind the one before it; a literal that is not
//! longer than 23 bytes is compared where the hash finds it; and the end of a single rule
//! lies in its node, but for that of a `{*name}`.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;
use smol_str::SmolStr;

use super::super::VersionId;
use super::super::method::MethodSet;
use super::{Found, Route};

/// Rules by the segments of their templates. The first node is the root; an empty trie
/// has none.
#[derive(Debug, Default)]
pub(super) struct Trie {
    pub(super) nodes: Vec<Node>,
}

/// A place in templates: what may follow it, and the rules that end there.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The methods of all rules at this node and below.
    pub(super) methods: MethodSet,
    /// None where no literal follows, as below most parameters.
    pub(super) literals: Option<Box<Literals>>,
    pub(super) parameter: Option<NodeId>,
    /// The rules whose template ends here; mostly there is one.
    pub(super) ends: SmallVec<[End; 1]>,
    /// The rules whose `{*name}` stands here.
    pub(super) rests: Box<[End]>,
}

/// The place of a node in its trie.
pub(super) type NodeId = u32;

/// The nodes of literal segments.
pub(super) type Literals = HashMap<SmolStr, NodeId, BuildHasherDefault<SegmentHasher>>;

/// Where a template ends: the route for some methods under some versions.
#[derive(Debug)]
pub(super) struct End {
    pub(super) methods: MethodSet,
    pub(super) versions: Versions,
    /// Which segment is `{sid}`, counted from 0.
    pub(super) sid: Option<u8>,
    pub(super) route: Arc<Route>,
}

/// The versions under which a route exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    All,
    Only(Box<[VersionId]>),
}

/// What a look-up is for, beside the path.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) method: MethodSet,
    pub(super) version: Option<VersionId>,
}

/// Where the node lies among the nodes.
pub(super) fn index(node: NodeId) -> usize {
    usize::try_from(node).expect("a u32 fits a usize")
}

impl Trie {
    /// The best match of a path without its first `/`.
    pub(super) fn find<'p>(&self, path: &'p str, wanted: Wanted) -> Option<Found<'_, 'p>> {
        let end = self.descend(self.nodes.first()?, Some(path), wanted)?;
        Some(Found {
            route: &end.route,
            sid: end.sid.and_then(|at| path.split('/').nth(at.into())),
        })
    }

    /// The best end below a node for the rest of a path; `None` is no rest at all, and an
    /// empty one a trailing slash. It calls itself once per segment, so no deeper than
    /// the longest template.
    fn descend<'t>(
        &'t self,
        node: &'t Node,
        rest: Option<&str>,
        wanted: Wanted,
    ) -> Option<&'t End> {
        if !node.methods.intersects(wanted.method) {
            return None;
        }
        let Some(rest) = rest else {
            return wanted.pick(&node.ends);
        };
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        let child = |at: NodeId| self.descend(self.nodes.get(index(at))?, after, wanted);
        if let Some(literals) = &node.literals
            && let Some(&literal) = literals.get(segment)
            && let Some(end) = child(literal)
        {
            return Some(end);
        }
        // Only a trailing slash is an empty segment, and neither kind of parameter takes it.
        if segment.is_empty() {
            return None;
        }
        if let Some(end) = node.parameter.and_then(child) {
            return Some(end);
        }
        wanted.pick(&node.rests)
    }
}

impl Wanted {
    fn pick(self, ends: &[End]) -> Option<&End> {
        ends.iter()
            .find(|end| end.methods.intersects(self.method) && end.versions.admit(self.version))
    }
}

impl Versions {
    pub(super) fn admit(&self, version: Option<VersionId>) -> bool {
        match self {
            Self::All => true,
            Self::Only(versions) => version.is_some_and(|v| versions.contains(&v)),
        }
    }
}

/// Hashes a segment eight bytes at a time. Its keys are the operator's own, so nobody else
/// can choose segments that collide in the table; a request can only look one up.
#[derive(Debug, Default)]
pub(super) struct SegmentHasher(u64);

/// An odd number without pattern: the fraction of the golden ratio in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl SegmentHasher {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    }
}

impl Hasher for SegmentHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.add(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(tail) {
                *to = *from;
            }
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn finish(&self) -> u64 {
        // A multiplication mixes upwards only; the table reads the low bits too.
        self.0 ^ (self.0 >> 32)
    }
}
