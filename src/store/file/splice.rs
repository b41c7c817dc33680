//! Puts changed tokens into the text of the file: each into its own block, every other block
//! byte for byte as it was.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::{CommitError, Terms, TokenChange, blocks, entry};
use super::{Block, hash, render, slice};
use crate::catalog::Catalog;
use crate::token::{Sid, Token};

/// Stands in a file whose last token is gone: an empty one would look like a mishap.
const NO_TOKENS: &str = "# There are no tokens.\n";

/// The text and its blocks after the changes.
pub(super) fn splice(
    text: &str,
    old: &[Block],
    changes: &[TokenChange],
    terms: &Terms<'_>,
) -> Result<(String, Vec<Block>), CommitError> {
    let broken = || CommitError::unavailable("a token could not be put into the token file");
    let catalog = terms.catalog.ok_or_else(broken)?;
    let mut pending: HashMap<&Sid, Option<&Arc<Token>>> = HashMap::new();
    let mut order = Vec::new();
    for (sid, token) in changes {
        if pending.insert(sid, token.as_ref()).is_none() {
            order.push(sid);
        }
    }
    let preamble_end = old.first().map_or(text.len(), |block| block.place.start);
    let mut out = Splicer {
        text: String::with_capacity(text.len() + 1_024 * changes.len()),
        blocks: Vec::with_capacity(old.len() + changes.len()),
    };
    out.text
        .push_str(text.get(..preamble_end).unwrap_or_default());
    for block in old {
        let was = slice(text, &block.place);
        match pending.remove(&block.token.sid) {
            None => out.push(was, block.hash, Arc::clone(&block.token)),
            Some(Some(token)) => {
                let now = render::edited(was, &block.token, token, catalog);
                let now = now
                    .filter(|now| says(now, token, terms))
                    .ok_or_else(broken)?;
                out.push(&now, hash(&now), Arc::clone(token));
            }
            Some(None) => out.keep(detached(was)),
        }
    }
    for sid in order {
        if let Some(Some(token)) = pending.remove(sid) {
            out.append(token, catalog, terms).ok_or_else(broken)?;
        }
    }
    if out.text.trim_start_matches('\u{feff}').trim().is_empty() {
        out.text.push_str(NO_TOKENS);
    }
    Ok((out.text, out.blocks))
}

struct Splicer {
    text: String,
    blocks: Vec<Block>,
}

impl Splicer {
    fn push(&mut self, text: &str, hash: super::Hash, token: Arc<Token>) {
        let start = self.text.len();
        self.text.push_str(text);
        let place = start..self.text.len();
        self.blocks.push(Block { hash, place, token });
    }

    /// Comments that outlive their block become the end of the one before.
    fn keep(&mut self, comments: &str) {
        if comments.is_empty() {
            return;
        }
        self.text.push_str(comments);
        if let Some(block) = self.blocks.last_mut() {
            block.place.end = self.text.len();
            block.hash = hash(slice(&self.text, &block.place));
        }
    }

    /// A new block at the end, a blank line before it: a comment there stays on its own.
    fn append(&mut self, token: &Arc<Token>, catalog: &Catalog, terms: &Terms<'_>) -> Option<()> {
        let block = render::block(token, catalog);
        if !says(&block, token, terms) {
            return None;
        }
        let gap = match self.text.as_str() {
            "" => "",
            text if text.ends_with("\n\n") || text.ends_with("\n\r\n") => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        self.keep(gap);
        self.push(&block, hash(&block), Arc::clone(token));
        Some(())
    }
}

/// What of a deleted token's block speaks of something else: the comments after it, apart
/// from the blanks around them.
fn detached(block: &str) -> &str {
    let tail = block.get(blocks::body_end(block)..).unwrap_or_default();
    if tail.trim().is_empty() { "" } else { tail }
}

/// Whether a block is read as this token. A last check before anything is written: what the
/// file says must be what is in force.
fn says(block: &str, token: &Token, terms: &Terms<'_>) -> bool {
    let one = blocks::cut(block).blocks.len() == 1;
    one && entry::parse(block, terms).is_ok_and(|read| read == *token)
}
