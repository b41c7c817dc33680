//! What a new state of the file has in common with the loaded one.

use std::collections::HashMap;
use std::sync::Arc;

use super::scan::Found;
use super::{Block, Hash};
use crate::token::{Sid, Token};

/// Pairs new blocks with loaded ones of the same hash, each used once. Edits are mostly few,
/// so that equal heads and tails leave little to look up.
pub(super) fn align(old: &[Block], new: &[Found]) -> Vec<Option<usize>> {
    let same = |(old, new): &(&Block, &Found)| old.hash == new.hash;
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
        .map(|(at, found)| {
            if at < head {
                Some(at)
            } else if at >= tail_from {
                Some(old.len() - (new.len() - at))
            } else {
                middle.remove(&found.hash)
            }
        })
        .collect()
}

/// Gathers what a new state of the file changes.
#[derive(Default)]
pub(super) struct Delta {
    /// Tokens of loaded blocks that are not in the new state as they were.
    pub(super) gone: HashMap<Sid, Arc<Token>>,
    pub(super) put: Vec<Arc<Token>>,
}

impl Delta {
    pub(super) fn from(old: &[Block], kept: &[Option<usize>]) -> Self {
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
    pub(super) fn put(&mut self, token: Arc<Token>) -> Arc<Token> {
        match self.gone.remove(&token.sid) {
            Some(old) if old == token => old,
            _ => {
                self.put.push(Arc::clone(&token));
                token
            }
        }
    }
}
