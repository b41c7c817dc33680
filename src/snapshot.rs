//! Tokens and catalogue as one immutable value, and the one place where it is swapped.

mod table;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

pub use table::{InUse, TokenTable};

use crate::catalog::Catalog;

/// Counts the snapshots that this process has published, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

/// What requests are judged by: one request, one snapshot.
#[derive(Debug)]
pub struct Snapshot {
    /// Which one this is.
    pub revision: Revision,
    /// Who holds what.
    pub tokens: TokenTable,
    /// What can be granted.
    pub catalog: Arc<Catalog>,
}

/// The snapshot in force, shared by all workers.
#[derive(Debug)]
pub struct SnapshotHandle(ArcSwap<Snapshot>);

impl SnapshotHandle {
    /// Starts with this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The snapshot in force. Hold it for the decision, never across an await.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// Puts a snapshot in force: every later [`load`](Self::load) sees it. Returns the
    /// one before, for the caller to drop where that does not hurt: freeing a large
    /// table takes milliseconds, which no worker has.
    #[must_use = "drop the old snapshot away from the workers"]
    pub fn publish(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.0.swap(Arc::new(snapshot))
    }
}
