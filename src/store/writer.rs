//! The one writer: it alone looks at the files, decides what is in force and publishes it.
//!
//! Whatever wants a change, a file that settled, a signal, a new main file, reaches its
//! task as a command, so that changes happen one after the other and no lock is needed. The
//! work itself, reading, parsing and freeing, is done on a blocking thread of the admin
//! runtime, never on a worker.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::pair::{Pair, Sources, Summary, Which};
use super::read::Stamp;
use super::status::{Outcome, Reload, Status};
use super::watch::{FileWatch, WatchedFile};
use crate::config;
use crate::fault::{Fault, Faults};
use crate::snapshot::{Snapshot, SnapshotHandle};

/// Commands that may wait.
const COMMANDS: usize = 1_024;
/// Faults of one load that are logged one by one.
const LOGGED_FAULTS: usize = 20;
/// How often it is looked whether old snapshots can be freed. Workers hold one for the time
/// of a decision.
const BURY: Duration = Duration::from_millis(50);

/// The way to the writer, for everyone who wants something of it.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// The writer itself, to be [run](Self::run) on the admin runtime.
#[derive(Debug)]
pub struct WriterTask {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// Locked by one blocking thread at a time; the lock is there to carry it over.
    pair: Arc<Mutex<Pair>>,
    /// What was loaded, for the watch to compare with.
    stamps: [Option<Stamp>; 2],
    /// Snapshots that may still be looked at by a worker.
    graveyard: Vec<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Shared {
    snapshot: Arc<SnapshotHandle>,
    status: Mutex<Status>,
    loads: AtomicU64,
    refused_loads: AtomicU64,
}

#[derive(Debug)]
enum Command {
    Reload(Answer),
    Configure(Box<Sources>, Answer),
}

type Answer = oneshot::Sender<Result<(), Faults>>;

/// Loads catalogue and tokens, and makes the writer of their snapshots. `upstreams` are the
/// names that a version may use.
///
/// # Errors
/// All faults of both files.
pub fn open(
    files: &config::Files,
    upstreams: &[Arc<str>],
    hmac_configured: bool,
) -> Result<(Writer, WriterTask), Faults> {
    let sources = sources(files, upstreams, hmac_configured);
    // Taken before the files are read: what changes meanwhile is looked at again.
    let stamps = stamps(files);
    let mut pair = Pair::open(sources)?;
    let first = pair.snapshot();
    let last_reload = Reload {
        at: Timestamp::now(),
        outcome: Outcome::Loaded,
    };
    let status = Status::new(first.revision, pair.counts, last_reload, None);
    let shared = Arc::new(Shared {
        snapshot: Arc::new(SnapshotHandle::new(first)),
        status: Mutex::new(status),
        loads: AtomicU64::new(1),
        refused_loads: AtomicU64::new(0),
    });
    let (sender, receiver) = mpsc::channel(COMMANDS);
    let writer = Writer {
        shared: Arc::clone(&shared),
        commands: sender,
    };
    let task = WriterTask {
        shared,
        commands: receiver,
        pair: Arc::new(Mutex::new(pair)),
        stamps,
        graveyard: Vec::new(),
    };
    Ok((writer, task))
}

impl Writer {
    /// Where the snapshot in force is found.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<SnapshotHandle> {
        &self.shared.snapshot
    }

    /// Looks at both files now, settled or not.
    ///
    /// # Errors
    /// All their faults; what was in force stays.
    pub async fn reload(&self) -> Result<(), Faults> {
        self.ask(Command::Reload).await
    }

    /// Looks at these files from now on, under these conditions; for a main file that was
    /// read again.
    ///
    /// # Errors
    /// All faults of the files; what was in force stays, and so do the files watched.
    pub async fn configure(
        &self,
        files: &config::Files,
        upstreams: &[Arc<str>],
        hmac_configured: bool,
    ) -> Result<(), Faults> {
        let sources = Box::new(sources(files, upstreams, hmac_configured));
        self.ask(|answer| Command::Configure(sources, answer)).await
    }

    /// How often new content was put in force since the start, and how often it was refused.
    #[must_use]
    pub fn loads(&self) -> (u64, u64) {
        let shared = &self.shared;
        (
            shared.loads.load(Relaxed),
            shared.refused_loads.load(Relaxed),
        )
    }

    /// What is in force, and how the last look at the files went.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.shared.status.lock();
        status.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, command: impl FnOnce(Answer) -> Command) -> Result<(), Faults> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Faults::from(Fault::new(Path::new("store"), "the writer has stopped"));
        let sent = self.commands.send(command(answer)).await;
        sent.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl WriterTask {
    /// Writes until the shutdown is complete. Commands that still wait are answered with a
    /// fault.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let watch = match self.watch() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::error!(%error, "the files cannot be watched, only SIGHUP reloads them");
                None
            }
        };
        loop {
            let settled = async {
                match &watch {
                    Some(watch) => watch.settled().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut shutdown => return,
                command = self.commands.recv() => match command {
                    None => return,
                    Some(Command::Reload(answer)) => {
                        let sources = self.sources();
                        let result = self.look(sources, Which::BOTH, None).await;
                        // Who asked may have gone.
                        let _ = answer.send(result);
                    }
                    Some(Command::Configure(sources, answer)) => {
                        let files = watched(&sources.files, stamps(&sources.files));
                        let poll = sources.files.poll;
                        let result = self.look(*sources, Which::BOTH, None).await;
                        if let (Ok(()), Some(watch)) = (&result, &watch) {
                            watch.watch(files, poll);
                        }
                        let _ = answer.send(result);
                    }
                },
                settled = settled => {
                    let sources = self.sources();
                    let which = Which {
                        catalog: settled.contains(&sources.files.catalog),
                        tokens: settled.contains(&sources.files.tokens),
                    };
                    // The faults are logged and in the status.
                    let _ = self.look(sources, which, watch.as_ref()).await;
                }
                () = tokio::time::sleep(BURY), if !self.graveyard.is_empty() => self.bury(),
            }
        }
    }

    fn sources(&self) -> Sources {
        let pair = self.pair.lock().unwrap_or_else(PoisonError::into_inner);
        pair.sources().clone()
    }

    fn watch(&mut self) -> std::io::Result<FileWatch> {
        let files = self.sources().files;
        let stamps = std::mem::take(&mut self.stamps);
        FileWatch::start(watched(&files, stamps), files.poll, true)
    }

    /// Looks at files and puts in force what they say.
    async fn look(
        &mut self,
        sources: Sources,
        which: Which,
        watch: Option<&FileWatch>,
    ) -> Result<(), Faults> {
        let pair = Arc::clone(&self.pair);
        let shared = Arc::clone(&self.shared);
        let judge = watch.cloned();
        let looked = tokio::task::spawn_blocking(move || {
            let mut pair = pair.lock().unwrap_or_else(PoisonError::into_inner);
            look(&mut pair, &shared, sources, which, judge.as_ref())
        });
        match looked.await {
            Ok(Ok(old)) => {
                self.graveyard.extend(old);
                Ok(())
            }
            Ok(Err(faults)) => Err(faults),
            Err(error) => {
                tracing::error!(%error, "a look at the files failed");
                Err(Fault::new(Path::new("store"), "a look at the files failed").into())
            }
        }
    }

    /// Frees the old snapshots that nobody looks at any more: freeing a large one takes
    /// milliseconds, which neither a worker nor this task has.
    fn bury(&mut self) {
        let (dead, alive) = std::mem::take(&mut self.graveyard)
            .into_iter()
            .partition(|snapshot| Arc::strong_count(snapshot) == 1);
        self.graveyard = alive;
        let dead: Vec<Arc<Snapshot>> = dead;
        if !dead.is_empty() {
            tokio::task::spawn_blocking(move || drop(dead));
        }
    }
}

/// Looks, takes and publishes. Gives the snapshot that is no longer in force, if one came
/// into force.
fn look(
    pair: &mut Pair,
    shared: &Shared,
    sources: Sources,
    mut which: Which,
    watch: Option<&FileWatch>,
) -> Result<Option<Arc<Snapshot>>, Faults> {
    let (catalog, tokens) = (sources.files.catalog.clone(), sources.files.tokens.clone());
    if let Some(watch) = watch {
        // One that settled may make sense only together with the other. That one is read too,
        // unless it is just being written.
        which.catalog |= watch.is_settled(&catalog);
        which.tokens |= watch.is_settled(&tokens);
    }
    let next = pair.look(sources, which);
    if let Some(watch) = watch
        && (which.catalog && watch.is_being_written(&catalog)
            || which.tokens && watch.is_being_written(&tokens))
    {
        // What was read may be half of something; it is reported again when it is still.
        return Ok(None);
    }
    let next = next.inspect_err(|faults| shared.refuse(faults))?;
    let summary = next.summary;
    pair.take(next);
    let old = (!summary.is_empty()).then(|| shared.snapshot.publish(pair.snapshot()));
    shared.accept(pair, &summary);
    Ok(old)
}

impl Shared {
    fn set_status(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
    }

    fn refuse(&self, faults: &Faults) {
        self.refused_loads.fetch_add(1, Relaxed);
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
            return; // logged already
        }
        for fault in faults.0.iter().take(LOGGED_FAULTS) {
            tracing::error!(%fault, "not loaded, the last good content stays in force");
        }
        let more = faults.0.len().saturating_sub(LOGGED_FAULTS);
        if more > 0 {
            tracing::error!(more, "further faults, sidgate check tells them all");
        }
    }

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
}

fn sources(files: &config::Files, upstreams: &[Arc<str>], hmac: bool) -> Sources {
    Sources {
        files: files.clone(),
        upstreams: upstreams.to_vec(),
        hmac,
    }
}

fn stamps(files: &config::Files) -> [Option<Stamp>; 2] {
    [Stamp::of(&files.catalog), Stamp::of(&files.tokens)]
}

fn watched(files: &config::Files, stamps: [Option<Stamp>; 2]) -> Vec<WatchedFile> {
    let paths = [&files.catalog, &files.tokens].into_iter().cloned();
    paths
        .zip(stamps)
        .map(|(path, loaded)| WatchedFile { path, loaded })
        .collect()
}

#[cfg(test)]
mod tests;
