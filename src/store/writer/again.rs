//! When files are looked at though none has settled: a look that was refused may have
//! failed for want of a file descriptor, and a file that has gone tells nobody.

use std::time::Duration;

use tokio::time::Instant;

use super::state::WriterState;
use crate::store::watch::FileWatch;

/// Between two such looks.
const PAUSE: Duration = Duration::from_secs(1);

/// They take at most one part in so many of the time.
const SHARE: u32 = 20;

/// The next such look.
pub(super) struct Again {
    begun: Instant,
    due: Instant,
    /// A file was missing at the last one.
    missing: bool,
}

impl Default for Again {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            due: now + PAUSE,
            missing: false,
        }
    }
}

impl Again {
    /// Waits until it is time. Nothing is lost when the wait is given up.
    pub(super) async fn due(&self) {
        tokio::time::sleep_until(self.due).await;
    }

    /// Whether there is a reason to look: the last look was refused, or a file is gone.
    /// There is none while one is being written: what it says then is half of something.
    pub(super) fn is_worth_a_look(&mut self, state: &WriterState) -> bool {
        self.begun = Instant::now();
        let files = &state.pair.sources().files;
        let paths = [&files.catalog, &files.tokens];
        let missing = paths.iter().any(|path| !path.exists());
        // Missing once, it may be on its way to be made again.
        let gone = missing && std::mem::replace(&mut self.missing, missing);
        self.missing = missing;
        let written = |watch: &FileWatch| paths.iter().any(|path| watch.is_being_written(path));
        (gone || (state.shared.has_fault() && !missing))
            && !state.watch.as_ref().is_some_and(written)
    }

    /// The look is over.
    pub(super) fn done(&mut self) {
        self.due = Instant::now() + PAUSE.max(self.begun.elapsed() * SHARE);
    }
}
