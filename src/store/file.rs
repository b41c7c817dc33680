//! The token file as a store: what of it is loaded, and what a look at it would change.
//!
//! The text is not kept. Of each block stay its hash, its place and its token, so that a
//! look parses only the blocks whose hash is new and shares every other token with the
//! snapshot in force.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use toml::de::DeTable;

use super::blocks::{self, Cut};
use super::places::{self, Flaw};
use super::read::{self, Reading};
use super::{Load, StoreRevision, Terms, TokenStore, entry};
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
        let hashes: Vec<Hash> = places.iter().map(|place| hash(&text, place)).collect();
        let revision = revision(&text, &preamble, &hashes);
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
}

/// Gathers what a new state of the file changes.
#[derive(Default)]
struct Delta {
    /// Tokens of loaded blocks that are not in the new state as they were.
    gone: HashMap<Sid, Arc<Token>>,
    put: Vec<Arc<Token>>,
}

impl Delta {
    fn from(old: &[Block], kept: &[Option<usize>]) -> Self {
        let mut stays = vec![false; old.len()];
        for &at in kept.iter().flatten() {
            if let Some(stays) = stays.get_mut(at) {
                *stays = true;
            }
        }
        let gone = old.iter().zip(stays).filter(|(_, stays)| !stays);
        Self {
            gone: gone
                .map(|(block, _)| (block.token.sid, Arc::clone(&block.token)))
                .collect(),
            put: Vec::new(),
        }
    }

    /// Takes a newly parsed token; gives the one to keep, which is the loaded one where only
    /// a comment or the order of keys differs.
    fn put(&mut self, token: Arc<Token>) -> Arc<Token> {
        match self.gone.remove(&token.sid) {
            Some(old) if old == token => old,
            _ => {
                self.put.push(Arc::clone(&token));
                token
            }
        }
    }
}

fn slice<'t>(text: &'t str, place: &Range<usize>) -> &'t str {
    text.get(place.clone()).unwrap_or_default()
}

fn hash(text: &str, place: &Range<usize>) -> Hash {
    truncated(digest(&SHA256, slice(text, place).as_bytes()).as_ref())
}

fn revision(text: &str, preamble: &Range<usize>, hashes: &[Hash]) -> StoreRevision {
    let mut context = Context::new(&SHA256);
    context.update(&hash(text, preamble));
    hashes.iter().for_each(|hash| context.update(hash));
    StoreRevision(truncated(context.finish().as_ref()))
}

fn truncated(digest: &[u8]) -> Hash {
    *digest.first_chunk().expect("SHA-256 has 32 bytes")
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Pairs new blocks with loaded ones of the same hash, each used once. Edits are mostly few,
/// so that equal heads and tails leave little to look up.
fn align(old: &[Block], new: &[Hash]) -> Vec<Option<usize>> {
    let same = |(old, new): &(&Block, &Hash)| old.hash == **new;
    let head = old.iter().zip(new).take_while(same).count();
    let rest = old.len().min(new.len()) - head;
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(rest)
        .take_while(same)
        .count();

    let middle = old.iter().enumerate().take(old.len() - tail).skip(head);
    let mut middle: HashMap<Hash, usize> = middle.map(|(at, block)| (block.hash, at)).collect();
    let tail_from = new.len() - tail;
    new.iter()
        .enumerate()
        .map(|(at, hash)| {
            if at < head {
                Some(at)
            } else if at >= tail_from {
                Some(old.len() - (new.len() - at))
            } else {
                middle.remove(hash)
            }
        })
        .collect()
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
