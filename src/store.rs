//! Where tokens are kept: the store, and the one writer that turns what it holds into
//! snapshots.
//!
//! [`file::TokenFile`] is the one store there is. The trait is shaped for a remote one too:
//! a look gives what changed and the revision it leads to, a commit names the revision it
//! builds on and may find that the store has moved on.

mod blocks;
mod entry;
pub mod file;
pub mod mutation;
mod pair;
mod places;
pub mod read;
mod status;
pub mod watch;
mod writer;

#[cfg(test)]
mod testing;

use std::fmt;
use std::sync::Arc;

pub use status::{Outcome, Reload, Status};
pub use writer::{
    MutateError, Mutated, Origin, Precondition, StartedWriter, Writer, WriterTask, open,
};

use crate::catalog::Catalog;
use crate::fault::Faults;
use crate::token::{Sid, Token};

/// A place where tokens are kept. Calls may wait for a disk or a network: they are made on
/// a blocking thread, one at a time.
pub trait TokenStore: fmt::Debug + Send + 'static {
    /// What differs from what was last adopted. Looking again before
    /// [`adopt`](Self::adopt) forgets this look.
    ///
    /// # Errors
    /// All faults of what is stored; nothing changes.
    fn look(&mut self, terms: &Terms<'_>) -> Result<Load, Faults>;

    /// Takes what the last look gave as what is loaded.
    fn adopt(&mut self);

    /// Makes changes to the loaded state `base`: when this returns, they are on stable
    /// storage as a whole, and what is stored is loaded.
    ///
    /// # Errors
    /// [`CommitError`]; nothing has changed.
    fn commit(
        &mut self,
        base: StoreRevision,
        changes: &[TokenChange],
        terms: &Terms<'_>,
    ) -> Result<StoreRevision, CommitError>;

    /// Takes away what a commit left that was cut short. Called once, by who writes.
    fn clean(&self);
}

/// A SID and its new token, or `None` where it is taken away.
pub type TokenChange = (Sid, Option<Arc<Token>>);

/// Why a commit changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The store holds something else than the commit builds on: look, and try again.
    #[error("the store has moved on")]
    Moved,
    /// The store cannot be written.
    #[error("{0}")]
    Unavailable(String),
}

impl CommitError {
    fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable(why.into())
    }
}

/// What tokens are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Scopes and versions that a token may name; `None` where the catalogue itself is bad,
    /// and names cannot be judged.
    pub catalog: Option<&'a Arc<Catalog>>,
    /// A key for `hmac-sha256:` digests is configured.
    pub hmac: bool,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The state of the store that was looked at.
    pub revision: StoreRevision,
    /// Tokens that are new or differ since the state last adopted.
    pub put: Vec<Arc<Token>>,
    /// SIDs that are gone since then.
    pub gone: Vec<Sid>,
}

impl Load {
    /// Whether the tokens are those last adopted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }
}

/// Names one state of a store; of the token file, by what it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreRevision(pub [u8; 16]);

impl fmt::Display for StoreRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreRevision({self})")
    }
}
