//! The token file as a store: what of it is loaded, and what a look at it would change.
//!
//! The text is not kept. Of each block stay its hash, its place and its token, so that a
//! look parses only the blocks whose hash is new and shares every other token with the
//! snapshot in force.

mod delta;
mod exchange;
mod render;
mod splice;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use toml::de::DeTable;

use self::delta::{Delta, align};
use self::exchange::Exchange;
use super::blocks::{self, Cut};
use super::places::{self, Flaw};
use super::read::{self, Reading};
use super::{CommitError, Load, StoreRevision, Terms, TokenChange, TokenStore, entry};
use crate::catalog::Catalog;
use crate::fault::{Fault, Faults};
use crate::token::{Sid, Token};

/// More faults than this are counted, not told: a wholly wrong file has one per token.
const FAULTS_MAX: usize = 1_000;
/// Fewer blocks than this are parsed on one thread.
const PARALLEL_MIN: usize = 2_000;

/// Where the token file lies and what bounds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFileSettings {
    /// The file.
    pub path: PathBuf,
    /// More bytes are refused.
    pub max_size: u64,
    /// More tokens are refused.
    pub max_tokens: usize,
}

/// The token file.
#[derive(Debug)]
pub struct TokenFile {
    settings: TokenFileSettings,
    loaded: Option<Contents>,
    seen: Option<Contents>,
}

/// One state of the file, without its text.
#[derive(Debug)]
struct Contents {
    revision: StoreRevision,
    blocks: Vec<Block>,
    /// The terms that every token was checked against.
    catalog: Option<Arc<Catalog>>,
    hmac: bool,
}

/// One block of the file.
#[derive(Debug)]
struct Block {
    hash: Hash,
    place: Range<usize>,
    token: Arc<Token>,
}

/// SHA-256, cut to 16 bytes.
type Hash = [u8; 16];

impl TokenFile {
    /// A token file of which nothing is loaded.
    #[must_use]
    pub fn new(settings: TokenFileSettings) -> Self {
        Self {
            settings,
            loaded: None,
            seen: None,
        }
    }

    fn read(&self, terms: &Terms<'_>) -> Result<(Contents, Load), Faults> {
        let path = &self.settings.path;
        let Reading { text, .. } = read::read(path, self.settings.max_size)?;
        if text.trim_start_matches('\u{feff}').trim().is_empty() {
            // So looks a file that was cut short on its way to the disk.
            let message = "is empty; a file of no tokens holds at least a comment";
            return Err(Fault::new(path, message).into());
        }
        let Cut {
            preamble,
            blocks: places,
        } = blocks::cut(&text);
        if places.len() > self.settings.max_tokens {
            let (has, most) = (places.len(), self.settings.max_tokens);
            let message = format!("has {has} tokens, more than [files] max_tokens = {most}");
            return Err(Fault::new(path, message).into());
        }
        let hashes = places.iter().map(|place| hash(slice(&text, place)));
        let hashes: Vec<Hash> = hashes.collect();
        let revision = StoreRevision(hash(&text));
        let kept = self.kept(&hashes, terms);
        let fresh: Vec<&Range<usize>> = places
            .iter()
            .zip(&kept)
            .filter_map(|(place, kept)| kept.is_none().then_some(place))
            .collect();
        // A start has all cores to itself; a reload leaves them to the workers.
        let threads = if self.loaded.is_none() {
            all_cores()
        } else {
            1
        };
        let (fresh, mut flaws) = parse(&text, &fresh, terms, threads);
        flaws.extend(preamble_flaw(&text, &preamble));

        let old = self
            .loaded
            .as_ref()
            .map_or(&[][..], |loaded| &loaded.blocks);
        let mut delta = Delta::from(old, &kept);
        let mut fresh = fresh.into_iter();
        let mut blocks = Vec::with_capacity(places.len());
        for ((place, hash), kept) in places.into_iter().zip(hashes).zip(kept) {
            let token = match kept.and_then(|at| old.get(at)) {
                Some(block) => Some(Arc::clone(&block.token)),
                None => fresh.next().flatten().map(|token| delta.put(token)),
            };
            blocks.extend(token.map(|token| Block { hash, place, token }));
        }
        flaws.extend(duplicates(&text, &blocks));
        if !flaws.is_empty() {
            return Err(places::tell(path, &text, flaws, FAULTS_MAX));
        }
        let contents = Contents {
            revision,
            blocks,
            catalog: terms.catalog.cloned(),
            hmac: terms.hmac,
        };
        let Delta { gone, put } = delta;
        let gone = gone.into_keys().collect();
        Ok((
            contents,
            Load {
                revision,
                put,
                gone,
            },
        ))
    }

    /// For each new block the loaded one with the same hash, where its token still holds.
    fn kept(&self, hashes: &[Hash], terms: &Terms<'_>) -> Vec<Option<usize>> {
        let Some(loaded) = &self.loaded else {
            return vec![None; hashes.len()];
        };
        let same_catalog = match (&loaded.catalog, terms.catalog) {
            (Some(loaded), Some(now)) => Arc::ptr_eq(loaded, now),
            _ => false,
        };
        let mut kept = align(&loaded.blocks, hashes);
        if !same_catalog || loaded.hmac != terms.hmac {
            // One that no longer fits is parsed again, to tell the fault at its place.
            for at in &mut kept {
                let block = at.and_then(|at| loaded.blocks.get(at));
                if !block.is_some_and(|block| entry::fits(&block.token, terms)) {
                    *at = None;
                }
            }
        }
        kept
    }
}

impl TokenStore for TokenFile {
    fn look(&mut self, terms: &Terms<'_>) -> Result<Load, Faults> {
        self.seen = None;
        let (contents, load) = self.read(terms)?;
        self.seen = Some(contents);
        Ok(load)
    }

    fn adopt(&mut self) {
        if let Some(contents) = self.seen.take() {
            self.loaded = Some(contents);
        }
    }

    fn commit(
        &mut self,
        base: StoreRevision,
        changes: &[TokenChange],
        terms: &Terms<'_>,
    ) -> Result<StoreRevision, CommitError> {
        let TokenFileSettings {
            path,
            max_size,
            max_tokens,
        } = &self.settings;
        let loaded = self.loaded.as_mut().ok_or(CommitError::Moved)?;
        // A file that cannot be read has moved on too: looking at it tells the fault.
        let text = read::read(path, *max_size)
            .map_err(|_| CommitError::Moved)?
            .text;
        if loaded.revision != base || StoreRevision(hash(&text)) != base {
            return Err(CommitError::Moved);
        }
        let (text, blocks) = splice::splice(&text, &loaded.blocks, changes, terms)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > *max_size {
            return Err(CommitError::unavailable(
                "the token file would exceed [files] max_size",
            ));
        }
        if blocks.len() > *max_tokens {
            return Err(CommitError::unavailable(
                "there would be more than [files] max_tokens",
            ));
        }
        Exchange {
            path,
            base,
            most: *max_size,
        }
        .put(&text)?;
        loaded.blocks = blocks;
        loaded.revision = StoreRevision(hash(&text));
        Ok(loaded.revision)
    }

    fn clean(&self) {
        exchange::clean(&self.settings.path);
    }
}

fn slice<'t>(text: &'t str, place: &Range<usize>) -> &'t str {
    text.get(place.clone()).unwrap_or_default()
}

fn hash(text: &str) -> Hash {
    let digest = digest(&SHA256, text.as_bytes());
    *digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes")
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Parses blocks, on several threads where there are many. A block with flaws gives `None`.
fn parse(
    text: &str,
    places: &[&Range<usize>],
    terms: &Terms<'_>,
    threads: usize,
) -> (Vec<Option<Arc<Token>>>, Vec<Flaw>) {
    if threads < 2 || places.len() < PARALLEL_MIN {
        return parse_chunk(text, places, terms);
    }
    let chunks = places.chunks(places.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let started: Vec<_> = chunks
            .map(|chunk| {
                let work = move || parse_chunk(text, chunk, terms);
                (chunk, std::thread::Builder::new().spawn_scoped(scope, work))
            })
            .collect();
        let mut all = (Vec::with_capacity(places.len()), Vec::new());
        for (chunk, thread) in started {
            // Where no thread could be had, the work is done here.
            let joined = thread.ok().and_then(|thread| thread.join().ok());
            let (tokens, flaws) = joined.unwrap_or_else(|| parse_chunk(text, chunk, terms));
            all.0.extend(tokens);
            all.1.extend(flaws);
        }
        all
    })
}

fn parse_chunk(
    text: &str,
    places: &[&Range<usize>],
    terms: &Terms<'_>,
) -> (Vec<Option<Arc<Token>>>, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let tokens = places
        .iter()
        .map(|place| {
            if flaws.len() > FAULTS_MAX {
                // More than are told: the rest need not be found.
                return None;
            }
            let parsed = entry::parse(slice(text, place), terms);
            let moved = |flaw: Flaw| flaw.moved(place.start);
            parsed
                .map_err(|found| flaws.extend(found.into_iter().map(moved)))
                .ok()
                .map(Arc::new)
        })
        .collect();
    (tokens, flaws)
}

/// What is wrong with the text before the first block: anything but comments.
fn preamble_flaw(text: &str, preamble: &Range<usize>) -> Option<Flaw> {
    let before = slice(text, preamble);
    let body = blocks::body_start(before);
    let flaw = match before.get(body..).filter(|rest| !rest.is_empty()) {
        Some(rest) if rest.trim_start().starts_with("token") => {
            let message = "write each token as a [[token]] table; `token = ...` is not read";
            Flaw::new(body, message)
        }
        Some(_) => Flaw::new(body, "only comments may stand before the first [[token]]"),
        // Nothing but comments; the parser knows what may stand in one.
        None => {
            let error = DeTable::parse(before).err()?;
            let offset = error.span().map_or(0, |span| span.start);
            Flaw::new(offset, format!("invalid TOML: {}", error.message()))
        }
    };
    Some(flaw.moved(preamble.start))
}

/// Every token whose SID an earlier one has.
fn duplicates(text: &str, blocks: &[Block]) -> Vec<Flaw> {
    let mut first: HashMap<&Sid, &Block> = HashMap::with_capacity(blocks.len());
    let mut flaws = Vec::new();
    for block in blocks {
        if let Some(earlier) = first.insert(&block.token.sid, block) {
            let place = |b: &Block| b.place.start + entry::sid_offset(slice(text, &b.place));
            let sid = &block.token.sid;
            let mut flaw = Flaw::new(place(block), format!("the SID {sid} is used already, at"));
            flaw.see = Some(place(earlier));
            flaws.push(flaw);
        }
    }
    flaws
}

#[cfg(test)]
mod tests;
