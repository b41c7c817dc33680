//! What the writer works on, and its work on the files: look, take, publish, tell.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::record;
use crate::fault::Faults;
use crate::snapshot::{Snapshot, SnapshotHandle};
use crate::store::pair::{Next, Pair, Sources, Summary, Which};
use crate::store::status::{Outcome, Reload, Status};
use crate::store::watch::FileWatch;
use crate::telemetry::audit::{AuditLog, Record};
use crate::token::Sid;

/// Faults of one load that are logged one by one.
const LOGGED_FAULTS: usize = 20;

/// What readers see of the writer's work.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) snapshot: Arc<SnapshotHandle>,
    pub(super) status: Mutex<Status>,
    /// How often files were put in force.
    pub(super) loads: AtomicU64,
    /// How often they were refused.
    pub(super) refused_loads: AtomicU64,
}

/// What the writer works on, one piece of work at a time, on its thread.
#[derive(Debug)]
pub(super) struct WriterState {
    pub(super) pair: Pair,
    pub(super) audit: Option<AuditLog>,
    pub(super) shared: Arc<Shared>,
    pub(super) watch: Option<FileWatch>,
    /// Snapshots that are no longer in force, for the task to free.
    pub(super) old: Vec<Arc<Snapshot>>,
}

impl WriterState {
    /// Looks at the files, and puts in force what they say. `settled` names the files that
    /// have settled; without it both are read as they are.
    pub(super) fn look(&mut self, sources: Sources, settled: Option<Which>) -> Result<(), Faults> {
        let (catalog, tokens) = (sources.files.catalog.clone(), sources.files.tokens.clone());
        let mut which = settled.unwrap_or(Which::BOTH);
        let watch = self.watch.as_ref().filter(|_| settled.is_some());
        if let Some(watch) = watch {
            // One that settled may make sense only together with the other. That one is read
            // too, unless it is just being written.
            which.catalog |= watch.is_settled(&catalog);
            which.tokens |= watch.is_settled(&tokens);
        }
        let next = self.pair.look(sources, which);
        if let Some(watch) = watch
            && (which.catalog && watch.is_being_written(&catalog)
                || which.tokens && watch.is_being_written(&tokens))
        {
            // What was read may be half of something; it is reported again when it is still.
            return Ok(());
        }
        let next = next.inspect_err(|faults| self.shared.refuse(faults))?;
        self.take(next);
        Ok(())
    }

    /// Takes what a look led to. Gives the SIDs whose tokens are others now.
    pub(super) fn take(&mut self, next: Next) -> HashSet<Sid> {
        let summary = next.summary;
        let edits = self.pair.take(next);
        if !summary.is_empty() {
            self.publish();
        }
        self.shared.accept(&self.pair, &summary);
        if !summary.is_empty() {
            let records = record::of_files(&edits, &summary, self.pair.catalog());
            self.tell_audit(records);
        }
        edits.into_iter().map(|edit| edit.sid).collect()
    }

    /// Puts the pair in force as it is now.
    pub(super) fn publish(&mut self) {
        let next = self.pair.snapshot();
        self.old.push(self.shared.snapshot.publish(next));
    }

    /// Records something; whether it is on disk. Where there is no audit, that is no matter.
    pub(super) fn record(&mut self, record: Record) -> bool {
        let Some(audit) = &mut self.audit else {
            return true;
        };
        let written = audit.append(&[record]);
        if let Err(error) = &written {
            tracing::error!(%error, "the audit cannot be written");
        }
        written.is_ok()
    }

    /// Records what has happened already, and can only be told.
    pub(super) fn tell_audit(&mut self, records: Vec<Record>) {
        if let Some(audit) = &mut self.audit
            && let Err(error) = audit.append(&records)
        {
            tracing::error!(%error, "the audit cannot be written");
        }
    }
}

impl Shared {
    fn set_status(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
    }

    /// Whether what lies on disk is not what is in force.
    pub(super) fn has_fault(&self) -> bool {
        let status = self.status.lock();
        status
            .unwrap_or_else(PoisonError::into_inner)
            .fault
            .is_some()
    }

    /// The files are not taken.
    pub(super) fn refuse(&self, faults: &Faults) {
        let mut known = false;
        self.set_status(|status| {
            known = status.fault.as_ref() == Some(faults);
            status.last_reload = Reload {
                at: Timestamp::now(),
                outcome: Outcome::Refused,
            };
            status.fault = Some(faults.clone());
        });
        if known {
            return; // counted and logged already
        }
        self.refused_loads.fetch_add(1, Relaxed);
        for fault in faults.0.iter().take(LOGGED_FAULTS) {
            tracing::error!(%fault, "not loaded, the last good content stays in force");
        }
        let more = faults.0.len().saturating_sub(LOGGED_FAULTS);
        if more > 0 {
            tracing::error!(more, "further faults, sidgate check tells them all");
        }
    }

    /// The pair was looked at and taken.
    fn accept(&self, pair: &Pair, summary: &Summary) {
        let outcome = if summary.is_empty() {
            Outcome::Unchanged
        } else {
            Outcome::Loaded
        };
        let last_reload = Reload {
            at: Timestamp::now(),
            outcome,
        };
        let revision = pair.revision();
        self.set_status(|status| *status = Status::new(revision, pair.counts, last_reload, None));
        if outcome == Outcome::Loaded {
            self.loads.fetch_add(1, Relaxed);
            tracing::info!(
                revision = revision.0,
                tokens = pair.counts.tokens,
                added = summary.added,
                changed = summary.changed,
                removed = summary.removed,
                catalog_changed = summary.catalog,
                "new content is in force"
            );
        }
    }

    /// Tokens of the pair were changed by operators.
    pub(super) fn count(&self, pair: &Pair) {
        self.set_status(|status| {
            let (reload, fault) = (status.last_reload, status.fault.take());
            // The token file is as it was loaded, or nothing could have been put into it; the
            // fault of a catalogue stays one.
            *status = Status::new(pair.revision(), pair.counts, reload, fault);
        });
    }
}
