//! The token file as a store: what of it is loaded, and what a look at it would change.
//!
//! The text is not kept. Of each block stay its hash, its place and its token, so that a
//! look parses only the blocks whose hash is new and shares every other token with the
//! snapshot in force.

mod delta;
mod exchange;
mod polite;
mod render;
mod scan;
mod splice;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use self::delta::{Delta, align};
use self::exchange::Exchange;
use self::polite::politely;
use self::scan::Found;
use super::places::{self, Flaw};
use super::read::{self, Opened};
use super::{CommitError, Load, StoreRevision, Terms, TokenChange, TokenStore, entry};
use crate::catalog::Catalog;
use crate::fault::{Fault, Faults};
use crate::token::{Sid, Token};

/// More faults than this are counted, not told: a wholly wrong file has one per token.
const FAULTS_MAX: usize = 1_000;

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

/// Puts new text in the place of a file that holds `base`, in one step and on stable
/// storage: owner, mode and links stay, and an edit that was not read is not lost.
///
/// # Errors
/// [`CommitError::Moved`] where the file holds something else, [`CommitError::Unavailable`]
/// where it cannot be written. Nothing has changed then.
pub fn replace(path: &Path, base: &str, text: &str) -> Result<(), CommitError> {
    Exchange { path, base }.put(text)
}

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
        let opened = Opened::open(path, self.settings.max_size)?;
        let Ok(scan) = scan::scan(opened.bytes(), scan::PIECE) else {
            // Read once more, whole, to tell what is wrong and where.
            read::read(path, self.settings.max_size)?;
            return Err(read::changed(path).into());
        };
        if scan.blank {
            // So looks a file that was cut short on its way to the disk.
            let message = "is empty; a file of no tokens holds at least a comment";
            return Err(Fault::new(path, message).into());
        }
        if scan.found.len() > self.settings.max_tokens {
            let (has, most) = (scan.found.len(), self.settings.max_tokens);
            let message = format!("has {has} tokens, more than [files] max_tokens = {most}");
            return Err(Fault::new(path, message).into());
        }
        let kept = self.kept(&scan.found, terms);
        let fresh: Vec<&Found> = scan
            .found
            .iter()
            .zip(&kept)
            .filter_map(|(found, kept)| kept.is_none().then_some(found))
            .collect();
        // A start has all cores to itself; a reload leaves them to the workers.
        let threads = if self.loaded.is_none() {
            scan::all_cores()
        } else {
            1
        };
        let parsed = scan::parse(&opened.file, &fresh, terms, threads);
        let (fresh, mut flaws) = parsed.map_err(|error| match error.raw_os_error() {
            // The disk's fault, and not the text's.
            Some(_) => read::unreadable(path, error),
            None => read::changed(path),
        })?;
        opened.close(path)?;
        flaws.extend(scan.flaw);

        let loaded = self.loaded.as_ref();
        let old = loaded.map_or(&[][..], |loaded| &loaded.blocks);
        let mut delta = Delta::from(old, &kept);
        let mut fresh = fresh.into_iter();
        let mut blocks = Vec::with_capacity(scan.found.len());
        for (Found { place, hash }, kept) in politely(scan.found.into_iter().zip(kept)) {
            let token = match kept.and_then(|at| old.get(at)) {
                Some(block) => Some(Arc::clone(&block.token)),
                None => fresh.next().flatten().map(|token| delta.put(token)),
            };
            blocks.extend(token.map(|token| Block { hash, place, token }));
        }
        let twins = twins(&blocks);
        if !flaws.is_empty() || !twins.is_empty() {
            return Err(self.tell(scan.revision, flaws, &twins));
        }
        let revision = scan.revision;
        let contents = Contents {
            revision,
            blocks,
            catalog: terms.catalog.cloned(),
            hmac: terms.hmac,
        };
        let Delta { gone, put } = delta;
        let gone = gone.into_keys().collect();
        let load = Load {
            revision,
            put,
            gone,
        };
        Ok((contents, load))
    }

    /// Tells flaws by line and column, for which the text is read once more.
    fn tell(
        &self,
        revision: StoreRevision,
        mut flaws: Vec<Flaw>,
        twins: &[(&Block, &Block)],
    ) -> Faults {
        let path = &self.settings.path;
        let text = match read::read(path, self.settings.max_size) {
            Ok(reading) => reading.text,
            Err(fault) => return fault.into(),
        };
        if StoreRevision(hash(&text)) != revision {
            return read::changed(path).into();
        }
        let place =
            |block: &Block| block.place.start + entry::sid_offset(slice(&text, &block.place));
        flaws.extend(twins.iter().take(FAULTS_MAX).map(|(earlier, later)| {
            let sid = &later.token.sid;
            Flaw {
                see: Some(place(earlier)),
                ..Flaw::new(place(later), format!("the SID {sid} is used already, at"))
            }
        }));
        places::tell(path, &text, flaws, FAULTS_MAX)
    }

    /// For each new block the loaded one with the same hash, where its token still holds.
    fn kept(&self, found: &[Found], terms: &Terms<'_>) -> Vec<Option<usize>> {
        let Some(loaded) = &self.loaded else {
            return vec![None; found.len()];
        };
        let same_catalog = match (&loaded.catalog, terms.catalog) {
            (Some(loaded), Some(now)) => Arc::ptr_eq(loaded, now),
            _ => false,
        };
        let mut kept = align(&loaded.blocks, found);
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
        let (new, blocks) = splice::splice(&text, &loaded.blocks, changes, terms)?;
        if u64::try_from(new.len()).unwrap_or(u64::MAX) > *max_size {
            return Err(CommitError::unavailable(
                "the token file would exceed [files] max_size",
            ));
        }
        if blocks.len() > *max_tokens {
            return Err(CommitError::unavailable(
                "there would be more than [files] max_tokens",
            ));
        }
        let exchange = Exchange { path, base: &text };
        // Hashed while the disk works, which takes longer.
        let (put, hash) = std::thread::scope(|scope| {
            let hashing = std::thread::Builder::new().spawn_scoped(scope, || hash(&new));
            let put = exchange.put(&new);
            let hashed = hashing.ok().and_then(|hashing| hashing.join().ok());
            (put, hashed.unwrap_or_else(|| hash(&new)))
        });
        put?;
        loaded.blocks = blocks;
        loaded.revision = StoreRevision(hash);
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
    truncated(digest(&SHA256, text.as_bytes()).as_ref())
}

fn truncated(digest: &[u8]) -> Hash {
    *digest.first_chunk().expect("SHA-256 has 32 bytes")
}

/// Every block whose SID an earlier one has, with that one.
fn twins(blocks: &[Block]) -> Vec<(&Block, &Block)> {
    let mut last: HashMap<&Sid, &Block> = HashMap::with_capacity(blocks.len());
    let twins = politely(blocks).filter_map(|block| {
        let earlier = last.insert(&block.token.sid, block)?;
        Some((earlier, block))
    });
    twins.collect()
}

#[cfg(test)]
mod tests;
