//! What the writer tells of itself: `/v1/status` and the metrics are made of it.

use jiff::Timestamp;

use super::pair::Counts;
use crate::fault::Faults;
use crate::snapshot::Revision;

/// What is in force, and how the last look at the files went.
#[derive(Clone, Debug)]
pub struct Status {
    /// The snapshot in force.
    pub revision: Revision,
    /// Tokens in it.
    pub tokens: usize,
    /// Those that are enabled.
    pub enabled: usize,
    /// Those that are disabled.
    pub disabled: usize,
    /// Scopes of the catalogue.
    pub scopes: usize,
    /// Rules of the catalogue, public ones apart.
    pub rules: usize,
    /// The last time that files were read.
    pub last_reload: Reload,
    /// What is wrong with the files on disk; `None` where what they say is in force.
    pub fault: Option<Faults>,
}

/// One look at the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a look at the files ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They said something new, and it is in force.
    Loaded,
    /// They said what was in force.
    Unchanged,
    /// Something is wrong with them; what was in force stays.
    Refused,
}

impl Outcome {
    /// The outcome as `/v1/status` and the log name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl Status {
    pub(super) fn new(
        revision: Revision,
        counts: Counts,
        last_reload: Reload,
        fault: Option<Faults>,
    ) -> Self {
        Self {
            revision,
            tokens: counts.tokens,
            enabled: counts.enabled,
            disabled: counts.tokens - counts.enabled,
            scopes: counts.scopes,
            rules: counts.rules,
            last_reload,
            fault,
        }
    }
}
