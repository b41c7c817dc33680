//! The token table: a persistent map from SID to token, as extendible hashing (Fagin and
//! others, 1979). The directory is indexed by the first bits of a SID's hash; each page
//! holds the tokens whose hashes share its first bits, and is split when it is full.
//!
//! A look-up goes from directory to slot to token whatever the size: a page's slots lie in
//! one piece with its head, and the directory has their number, so that the head is not
//! touched; a slot has the hash, so that no other token is. What a look-up costs among many
//! tokens is memory that is not in the cache. A change copies the directory, which is a few
//! thousand pointers for a million tokens, and its page; all other pages are shared.
//! The hash is keyed, so that no one can choose SIDs that fall into one page.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use triomphe::{Arc as Piece, HeaderSlice};

use crate::catalog::VersionId;
use crate::token::{ScopeSet, Sid, Token};

/// A page with more tokens is split.
const PAGE_MAX: usize = 512;
/// A page is split at most this often. Never reached with fewer tokens than 2^40, but the
/// directory is bounded whatever the hashes are.
const DEPTH_MAX: u32 = 32;

/// The tokens in force.
#[derive(Clone)]
pub struct TokenTable {
    hasher: RandomState,
    directory: Arc<[Page]>,
    /// The directory has 2^depth places.
    depth: u32,
    len: usize,
}

/// What the tokens of a table name from the catalogue, so that a catalogue which drops
/// something in use can be refused without walking the tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Every scope that a token is granted.
    pub scopes: ScopeSet,
    /// Every version that a token names, lowest number first.
    pub versions: Vec<VersionId>,
}

/// The tokens whose hashes share their first `depth` bits, by open addressing on the last
/// ones. At most half full: a search ends at an empty slot, and mostly within two cache lines.
#[derive(Clone)]
struct Page(Piece<HeaderSlice<Head, [Option<Slot>]>>);

/// What a change reads of a page, and no look-up.
struct Head {
    depth: u32,
    len: usize,
    in_use: InUse,
}

#[derive(Clone)]
struct Slot {
    hash: u64,
    token: Arc<Token>,
}

/// One change, small: a load sorts a million of them.
struct Change {
    hash: u64,
    what: What,
}

enum What {
    Put(Arc<Token>),
    Take(Box<Sid>),
}

impl TokenTable {
    /// A table of these tokens; of two with one SID the later stays.
    #[must_use]
    pub fn new(tokens: impl IntoIterator<Item = Arc<Token>>) -> Self {
        Self::default().with(tokens.into_iter().map(|token| (token.sid, Some(token))))
    }

    /// The token with this SID.
    #[must_use]
    pub fn find(&self, sid: &[u8]) -> Option<&Arc<Token>> {
        match self.probe(sid) {
            (token, true) => token,
            (_, false) => None,
        }
    }

    /// The token with this SID and `true`; or else any other of its page, where there is
    /// one, and `false`: reading that one takes as long, so that time does not tell
    /// whether a SID is known.
    #[must_use]
    pub fn probe(&self, sid: &[u8]) -> (Option<&Arc<Token>>, bool) {
        let hash = self.hasher.hash_one(sid);
        let Some(page) = self.directory.get(place(hash, self.depth)) else {
            return (None, false);
        };
        page.probe(hash, sid)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Token>> {
        self.pages()
            .flat_map(|page| page.slots().iter().flatten())
            .map(|slot| &slot.token)
    }

    /// What they name from the catalogue. Costs a step for each page, not for each token.
    #[must_use]
    pub fn in_use(&self) -> InUse {
        let mut all = InUse::default();
        for page in self.pages() {
            let in_use = &page.head().in_use;
            all.scopes.union_with(&in_use.scopes);
            all.versions.extend_from_slice(&in_use.versions);
        }
        all.versions.sort_unstable();
        all.versions.dedup();
        all
    }

    /// A table with these changes, in their order: a token put, or taken away. Shares all
    /// untouched pages. A token's SID must be the one it is put under.
    #[must_use]
    pub fn with(&self, changes: impl IntoIterator<Item = (Sid, Option<Arc<Token>>)>) -> Self {
        let mut changes: Vec<Change> = changes
            .into_iter()
            .map(|(sid, token)| Change {
                hash: self.hasher.hash_one(sid.as_bytes()),
                what: token.map_or_else(|| What::Take(Box::new(sid)), What::Put),
            })
            .collect();
        // Stable, so that of two changes to one SID the later stays the later.
        changes.sort_by_key(|change| change.hash);
        let mut changes = changes.into_iter().peekable();

        let mut pages: Vec<Page> = Vec::with_capacity(self.directory.len() + 1);
        let mut at = 0;
        while let Some(page) = self.directory.get(at) {
            at += page.places(self.depth);
            // Hashes are sorted and pages lie in their order, so the page's changes come next.
            let end = (at < self.directory.len()).then(|| first_hash(at, self.depth));
            let mut own = Vec::new();
            while let Some(change) =
                changes.next_if(|change| end.is_none_or(|end| change.hash < end))
            {
                own.push(change);
            }
            if own.is_empty() {
                pages.push(page.clone());
            } else {
                split(merge(page, own), page.head().depth, &mut pages);
            }
        }
        Self::of_pages(self.hasher.clone(), &pages)
    }

    /// Spreads pages, which lie in the order of their hashes, over a directory.
    fn of_pages(hasher: RandomState, pages: &[Page]) -> Self {
        let depth = pages.iter().map(|page| page.head().depth).max();
        let depth = depth.unwrap_or(0);
        let places = |page: &Page| std::iter::repeat_n(page.clone(), page.places(depth));
        Self {
            hasher,
            directory: pages.iter().flat_map(places).collect(),
            depth,
            len: pages.iter().map(|page| page.head().len).sum(),
        }
    }

    /// Each page once.
    fn pages(&self) -> impl Iterator<Item = &Page> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let page = self.directory.get(at)?;
            at += page.places(self.depth);
            Some(page)
        })
    }
}

impl Default for TokenTable {
    fn default() -> Self {
        Self::of_pages(RandomState::new(), &[Page::new(Vec::new(), 0)])
    }
}

impl fmt::Debug for TokenTable {
    /// The count alone: a million tokens are no use in a log, and their texts no business of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenTable({} tokens)", self.len)
    }
}

impl Page {
    /// A page of these tokens, whose SIDs differ.
    fn new(tokens: Vec<Slot>, depth: u32) -> Self {
        let len = tokens.len();
        let size = 2 * len + 1;
        let mut slots: Vec<Option<Slot>> = vec![None; size];
        let mut in_use = InUse::default();
        for slot in tokens {
            in_use.scopes.union_with(&slot.token.scopes);
            if let Some(version) = slot.token.version
                && let Err(at) = in_use.versions.binary_search(&version)
            {
                in_use.versions.insert(at, version);
            }
            let (before, from) = slots.split_at_mut(home(slot.hash, size));
            if let Some(empty) = from.iter_mut().chain(before).find(|s| s.is_none()) {
                *empty = Some(slot);
            }
        }
        let head = Head { depth, len, in_use };
        Self(Piece::from_header_and_vec(head, slots))
    }

    fn head(&self) -> &Head {
        &self.0.header
    }

    fn slots(&self) -> &[Option<Slot>] {
        &self.0.slice
    }

    /// How many places of a directory of this depth are the page's.
    fn places(&self, directory_depth: u32) -> usize {
        1 << (directory_depth - self.head().depth)
    }

    fn probe(&self, hash: u64, sid: &[u8]) -> (Option<&Arc<Token>>, bool) {
        let slots = self.slots();
        let (before, from) = slots.split_at(home(hash, slots.len()));
        let mut slots = from.iter().chain(before);
        // Walked to its end whether or not the token is met on the way, and one SID is
        // compared in any case: both kinds of requests take the same steps.
        let is_same = |token: &Arc<Token>| token.sid.as_bytes() == sid;
        let mut met = None;
        let mut passed = None;
        while let Some(Some(slot)) = slots.next() {
            // Of two SIDs whose hashes agree, which nobody can choose, the right one stays.
            if slot.hash == hash && !met.is_some_and(is_same) {
                met = Some(&slot.token);
            }
            passed = Some(&slot.token);
        }
        let other = || passed.or_else(|| slots.flatten().map(|slot| &slot.token).next());
        let token = met.or_else(other);
        (token, token.is_some_and(is_same))
    }
}

/// The place in a directory: the first bits of the hash.
fn place(hash: u64, depth: u32) -> usize {
    // In two steps, for a shift by 64 has no meaning.
    usize::try_from((hash >> 32) >> (32 - depth)).unwrap_or(usize::MAX)
}

/// The lowest hash at a place that is not the first.
fn first_hash(place: usize, depth: u32) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX) << (64 - depth)
}

/// The slot of a page where the search begins: the last bits of the hash, scaled to the
/// number of slots, which so need not be a power of two.
fn home(hash: u64, slots: usize) -> usize {
    let low = hash & u64::from(u32::MAX);
    let scaled = u64::try_from(slots).map_or(0, |slots| (low * slots) >> 32);
    usize::try_from(scaled).unwrap_or(0)
}

/// A page's tokens with its changes, sorted by hash, each SID once. Changes are sorted by hash.
fn merge(page: &Page, changes: Vec<Change>) -> Vec<Slot> {
    let mut old: Vec<Slot> = page.slots().iter().flatten().cloned().collect();
    old.sort_unstable_by_key(|slot| slot.hash);
    let mut merged: Vec<Slot> = Vec::with_capacity(old.len() + changes.len());
    let mut old = old.into_iter().peekable();
    for Change { hash, what } in changes {
        while let Some(slot) = old.next_if(|slot| slot.hash <= hash) {
            merged.push(slot);
        }
        // Whatever has this hash is at the end by now: one token at the most, but for
        // SIDs that share all 64 bits.
        let sid = what.sid();
        let first = merged.partition_point(|slot| slot.hash < hash);
        let same = merged
            .iter()
            .skip(first)
            .position(|slot| slot.token.sid == *sid);
        if let Some(at) = same {
            merged.remove(first + at);
        }
        if let What::Put(token) = what {
            merged.push(Slot { hash, token });
        }
    }
    merged.extend(old);
    merged
}

impl What {
    fn sid(&self) -> &Sid {
        match self {
            Self::Put(token) => &token.sid,
            Self::Take(sid) => sid,
        }
    }
}

/// Makes a page of these tokens, sorted by hash, or as many as are needed.
fn split(mut tokens: Vec<Slot>, depth: u32, pages: &mut Vec<Page>) {
    if tokens.len() <= PAGE_MAX || depth == DEPTH_MAX {
        pages.push(Page::new(tokens, depth));
        return;
    }
    let bit = 1 << (63 - depth);
    let high = tokens.split_off(tokens.partition_point(|slot| slot.hash & bit == 0));
    split(tokens, depth + 1, pages);
    split(high, depth + 1, pages);
}

#[cfg(test)]
mod tests;
