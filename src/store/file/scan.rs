//! Reads the file piece by piece, so that a large one is never in memory as a whole: first to
//! find and hash its blocks, then those to be parsed.

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use toml::de::DeTable;

use super::super::blocks;
use super::super::places::Flaw;
use super::super::{StoreRevision, Terms, entry};
use super::polite::Pauses;
use super::{FAULTS_MAX, Hash, hash, truncated};
use crate::token::Token;

/// Bytes that are read at a time; to look through them takes a fraction of a millisecond.
pub(super) const PIECE: usize = 64 << 10;
/// Fewer blocks than this are parsed on one thread.
const PARALLEL_MIN: usize = 2_000;

/// The blocks of a file, and what they hash to.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) found: Vec<Found>,
    pub(super) revision: StoreRevision,
    /// What is wrong with the text before the first block.
    pub(super) flaw: Option<Flaw>,
    /// There is nothing in the file, not even a comment.
    pub(super) blank: bool,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Range<usize>,
    pub(super) hash: Hash,
}

/// What became of blocks that were parsed: a token each, or `None` where there are flaws.
pub(super) type Parsed = (Vec<Option<Arc<Token>>>, Vec<Flaw>);

/// Finds the blocks of a text.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub(super) fn scan(mut source: impl Read, piece: usize) -> io::Result<Scan> {
    let mut whole = Context::new(&SHA256);
    let mut scan = Scan {
        found: Vec::new(),
        revision: StoreRevision(Hash::default()),
        flaw: None,
        blank: false,
    };
    // What is read and not yet known to be whole blocks, and where it begins.
    let mut bytes: Vec<u8> = Vec::new();
    let mut start = 0;
    let mut in_preamble = true;
    let mut pauses = Pauses::new();
    loop {
        pauses.look();
        let known = bytes.len();
        // As much again, so that a block of many pieces is not looked through for each.
        let wanted = piece.max(known);
        let limit = u64::try_from(wanted).unwrap_or(u64::MAX);
        source.by_ref().take(limit).read_to_end(&mut bytes)?;
        whole.update(bytes.get(known..).unwrap_or_default());
        let ended = bytes.len() < known + wanted;
        let text = valid(&bytes, ended)?;
        let cut = if start == 0 && in_preamble {
            blocks::cut(text)
        } else {
            blocks::cut_on(text)
        };
        // The last block may go on in the next piece.
        let complete = cut.blocks.len() - usize::from(!ended && !cut.blocks.is_empty());
        if in_preamble && (ended || complete > 0) {
            in_preamble = false;
            let preamble = text.get(cut.preamble.clone()).unwrap_or_default();
            scan.blank = cut.blocks.is_empty() && preamble.trim().is_empty();
            let flaw = preamble_flaw(preamble);
            scan.flaw = flaw.map(|flaw| flaw.moved(cut.preamble.start));
        }
        for place in cut.blocks.iter().take(complete) {
            let hash = hash(text.get(place.clone()).unwrap_or_default());
            let place = start + place.start..start + place.end;
            scan.found.push(Found { place, hash });
        }
        if ended {
            scan.revision = StoreRevision(truncated(whole.finish().as_ref()));
            return Ok(scan);
        }
        if complete > 0
            && let Some(last) = cut.blocks.last()
        {
            bytes.drain(..last.start);
            start += last.start;
        }
    }
}

/// The text as far as it is there; its end may be in the middle of a character.
fn valid(bytes: &[u8], ended: bool) -> io::Result<&str> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    if ended || error.error_len().is_some() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
    std::str::from_utf8(whole).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// What is wrong with the text before the first block: anything but comments.
fn preamble_flaw(preamble: &str) -> Option<Flaw> {
    let body = blocks::body_start(preamble);
    match preamble.get(body..).filter(|rest| !rest.is_empty()) {
        Some(rest) if rest.starts_with("token") => {
            let message = "write each token as a [[token]] table; `token = ...` is not read";
            Some(Flaw::new(body, message))
        }
        Some(_) => Some(Flaw::new(
            body,
            "only comments may stand before the first [[token]]",
        )),
        // Nothing but comments; the parser knows what may stand in one.
        None => {
            let error = DeTable::parse(preamble).err()?;
            let offset = error.span().map_or(0, |span| span.start);
            Some(Flaw::new(
                offset,
                format!("invalid TOML: {}", error.message()),
            ))
        }
    }
}

/// Parses blocks of a file that was scanned, on several threads where there are many.
///
/// # Errors
/// When the file cannot be read, or says something else than it did.
pub(super) fn parse(
    file: &File,
    blocks: &[&Found],
    terms: &Terms<'_>,
    threads: usize,
) -> io::Result<Parsed> {
    if threads < 2 || blocks.len() < PARALLEL_MIN {
        return parse_chunk(file, blocks, terms);
    }
    let chunks = blocks.chunks(blocks.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let started: Vec<_> = chunks
            .map(|chunk| {
                let work = move || parse_chunk(file, chunk, terms);
                let thread = std::thread::Builder::new().spawn_scoped(scope, work);
                (chunk, thread)
            })
            .collect();
        let mut all: Parsed = (Vec::with_capacity(blocks.len()), Vec::new());
        for (chunk, thread) in started {
            // Where no thread could be had, the work is done here.
            let joined = thread.ok().and_then(|thread| thread.join().ok());
            let parsed = joined.unwrap_or_else(|| parse_chunk(file, chunk, terms));
            let (tokens, flaws) = parsed?;
            all.0.extend(tokens);
            all.1.extend(flaws);
        }
        Ok(all)
    })
}

fn parse_chunk(file: &File, blocks: &[&Found], terms: &Terms<'_>) -> io::Result<Parsed> {
    let changed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut tokens = Vec::with_capacity(blocks.len());
    let mut flaws = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = blocks;
    let mut pauses = Pauses::new();
    while let Some(first) = rest.first() {
        // Blocks that follow each other are read in one go.
        let start = first.place.start;
        let mut end = start;
        let run = rest.iter().take_while(|block| {
            let place = &block.place;
            let fits = place.start == end && (end == start || place.end - start <= PIECE);
            if fits {
                end = place.end;
            }
            fits
        });
        let (run, after) = rest.split_at(run.count());
        rest = after;
        bytes.resize(end - start, 0);
        file.read_exact_at(&mut bytes, u64::try_from(start).unwrap_or(u64::MAX))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| changed())?;
        for block in run {
            pauses.step();
            let place = &block.place;
            let text = text.get(place.start - start..place.end - start);
            let text = text
                .filter(|text| hash(text) == block.hash)
                .ok_or_else(changed)?;
            // Of more flaws than are told, the rest need not be found.
            let parsed = (flaws.len() <= FAULTS_MAX).then(|| entry::parse(text, terms));
            tokens.push(match parsed {
                Some(Ok(token)) => Some(Arc::new(token)),
                Some(Err(found)) => {
                    flaws.extend(found.into_iter().map(|flaw| flaw.moved(place.start)));
                    None
                }
                None => None,
            });
        }
    }
    Ok((tokens, flaws))
}

/// As many threads as there are cores.
pub(super) fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However small the pieces, the blocks are those of the whole text.
        #[test]
        fn pieces_give_the_blocks_of_the_whole(text in "(\\[\\[token\\]\\]\n|\n|# é\n|'''|\"|a = 1\n| |é){0,40}", piece in 1usize..20, bom in any::<bool>()) {
            let text = if bom { format!("\u{feff}{text}") } else { text };
            let scanned = scan(text.as_bytes(), piece).expect("UTF-8");
            let places: Vec<_> = scanned.found.iter().map(|found| found.place.clone()).collect();
            let cut = blocks::cut(&text);
            prop_assert_eq!(&places, &cut.blocks);
            for found in &scanned.found {
                prop_assert_eq!(found.hash, hash(&text[found.place.clone()]));
            }
            prop_assert_eq!(scanned.revision, StoreRevision(hash(&text)));
            let flaw = preamble_flaw(&text[cut.preamble.clone()]);
            prop_assert_eq!(scanned.flaw, flaw.map(|flaw| flaw.moved(cut.preamble.start)));
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        for piece in 1..8 {
            assert!(scan(&b"# a\xff b"[..], piece).is_err());
            assert!(scan(&b"# \xc3"[..], piece).is_err());
        }
    }
}
