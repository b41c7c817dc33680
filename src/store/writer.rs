//! The one writer: it alone looks at the files, changes them for operators, decides what is
//! in force and publishes it.
//!
//! Whatever wants something, a file that settled, a signal, a new main file, an operator,
//! reaches its task as a command, so that changes happen one after the other. The work
//! itself, reading, parsing, writing and freeing, is done on a thread of its own, never on a
//! worker.

mod again;
mod batch;
mod record;
mod state;
mod thread;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::again::Again;
use self::batch::Request;
pub use self::batch::{MutateError, Mutated, Origin, Precondition};
use self::state::{Shared, WriterState};
use self::thread::WorkThread;
use super::mutation::Mutation;
use super::pair::{Pair, Sources, Which};
use super::read::Stamp;
use super::status::{Outcome, Reload, Status};
use super::watch::{FileWatch, WatchedFile};
use crate::config;
use crate::fault::{Fault, Faults};
use crate::snapshot::{Snapshot, SnapshotHandle};
use crate::telemetry::audit::{AuditLog, Record};
use crate::token::Sid;

/// Commands that may wait.
const COMMANDS: usize = 1_024;
/// How often it is looked whether old snapshots can be freed. Workers hold one for the time
/// of a decision.
const BURY: Duration = Duration::from_millis(50);

/// The way to the writer, for everyone who wants something of it.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
}

/// The writer before it is [started](Self::start).
#[derive(Debug)]
pub struct WriterTask {
    commands: mpsc::Receiver<Command>,
    state: WriterState,
    /// What was loaded, for the watch to compare with.
    stamps: [Option<Stamp>; 2],
}

/// The writer itself, to be [run](Self::run).
#[derive(Debug)]
pub struct StartedWriter {
    commands: mpsc::Receiver<Command>,
    /// Locked by the thread that works; the lock is there to carry it over.
    state: Arc<Mutex<WriterState>>,
    thread: WorkThread,
    watch: FileWatch,
    /// Snapshots that may still be looked at by a worker.
    graveyard: Vec<Arc<Snapshot>>,
}

#[derive(Debug)]
enum Command {
    Reload(Answer),
    Configure(Box<Sources>, Answer),
    Mutate(Box<Request>),
    Record(Box<Record>, oneshot::Sender<bool>),
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
    let state = WriterState {
        pair,
        audit: None,
        shared,
        watch: None,
        old: Vec::new(),
    };
    let task = WriterTask {
        commands: receiver,
        state,
        stamps,
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

    /// Makes a change: when this returns, it is on stable storage, announced and told in the
    /// audit, and in force for every request that starts from now on. A precondition is
    /// judged at the moment of the change.
    ///
    /// # Errors
    /// [`MutateError`]; nothing has changed.
    pub async fn mutate(
        &self,
        mutation: Mutation,
        origin: Origin,
        precondition: Option<Precondition>,
    ) -> Result<Mutated, MutateError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || MutateError::Unavailable("the writer has stopped".to_owned());
        let request = Box::new(Request {
            mutation,
            origin,
            precondition,
            announced: false,
            answer,
        });
        let sent = self.commands.send(Command::Mutate(request)).await;
        sent.map_err(|_| stopped())?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Records something that changes no token, as showing an auth token or refusing a
    /// proven operator's call. `outcome` is `done` or the code of the refusal.
    ///
    /// # Errors
    /// [`MutateError::Unavailable`] where it cannot be recorded: then it must not be done.
    pub async fn record(
        &self,
        origin: &Origin,
        action: &str,
        sid: Option<&Sid>,
        outcome: &str,
    ) -> Result<(), MutateError> {
        let (answer, answered) = oneshot::channel();
        let record = Box::new(record::event(origin, action, sid, outcome));
        let sent = self.commands.send(Command::Record(record, answer)).await;
        match (sent, answered.await) {
            (Ok(()), Ok(true)) => Ok(()),
            _ => Err(MutateError::Unavailable(
                "the audit cannot be written".to_owned(),
            )),
        }
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
    /// Tells an audit of everything from now on. Without one, changes are not recorded.
    #[must_use]
    pub fn with_audit(mut self, audit: AuditLog) -> Self {
        self.state.audit = Some(audit);
        self
    }

    /// Starts the threads that watch the files and work on them.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(mut self) -> io::Result<StartedWriter> {
        let files = &self.state.pair.sources().files;
        let watch = FileWatch::start(watched(files, self.stamps), files.poll, true)?;
        self.state.watch = Some(watch.clone());
        Ok(StartedWriter {
            commands: self.commands,
            state: Arc::new(Mutex::new(self.state)),
            thread: WorkThread::start()?,
            watch,
            graveyard: Vec::new(),
        })
    }
}

impl StartedWriter {
    /// Writes until the shutdown is complete. Commands that still wait are answered with a
    /// fault.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let _ = self.work(|state| state.pair.clean()).await;
        // A command that came while mutations were gathered, and is none.
        let mut deferred = None;
        let mut again = Again::default();
        loop {
            if let Some(command) = deferred.take() {
                deferred = self.obey(command).await;
                continue;
            }
            tokio::select! {
                () = &mut shutdown => return,
                command = self.commands.recv() => match command {
                    None => return,
                    Some(command) => deferred = self.obey(command).await,
                },
                settled = self.watch.settled() => {
                    // The faults are logged and in the status.
                    let _ = self.look(None, Some(settled)).await;
                }
                () = again.due() => {
                    if again.is_worth_a_look(&self.lock()) {
                        let _ = self.look(None, None).await;
                    }
                    again.done();
                }
                () = tokio::time::sleep(BURY), if !self.graveyard.is_empty() => self.bury(),
            }
        }
    }

    /// Does what a command asks. Mutations that wait behind one are done along with it; what
    /// else waits behind them is given back.
    async fn obey(&mut self, command: Command) -> Option<Command> {
        match command {
            Command::Reload(answer) => {
                let result = self.look(None, None).await;
                // Who asked may have gone.
                let _ = answer.send(result);
            }
            Command::Configure(sources, answer) => {
                let files = watched(&sources.files, stamps(&sources.files));
                let poll = sources.files.poll;
                let result = self.look(Some(*sources), None).await;
                if result.is_ok() {
                    self.watch.watch(files, poll);
                }
                let _ = answer.send(result);
            }
            Command::Record(record, answer) => {
                let written = self.work(|state| state.record(*record)).await;
                let _ = answer.send(written.unwrap_or(false));
            }
            Command::Mutate(request) => {
                let mut requests = vec![*request];
                let mut other = None;
                while requests.len() < COMMANDS
                    && other.is_none()
                    && let Ok(command) = self.commands.try_recv()
                {
                    match command {
                        Command::Mutate(request) => requests.push(*request),
                        command => other = Some(command),
                    }
                }
                let _ = self.work(|state| state.mutate(requests)).await;
                return other;
            }
        }
        None
    }

    /// Looks at files and puts in force what they say: at the sources given, or those there
    /// are; at the files that have settled, or at both.
    async fn look(
        &mut self,
        sources: Option<Sources>,
        settled: Option<Vec<PathBuf>>,
    ) -> Result<(), Faults> {
        let looked = self.work(move |state| {
            let sources = sources.unwrap_or_else(|| state.pair.sources().clone());
            let which = settled.map(|settled| Which {
                catalog: settled.contains(&sources.files.catalog),
                tokens: settled.contains(&sources.files.tokens),
            });
            state.look(sources, which)
        });
        let failed = || Fault::new(Path::new("store"), "a look at the files failed").into();
        looked.await.unwrap_or_else(|| Err(failed()))
    }

    /// Does a piece of work on the thread. `None` where it panicked.
    async fn work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut WriterState) -> T + Send + 'static,
    ) -> Option<T> {
        let state = Arc::clone(&self.state);
        let done = self.thread.run(move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(&mut state);
            (result, std::mem::take(&mut state.old))
        });
        let Some((result, old)) = done.await else {
            tracing::error!("a piece of the writer's work failed");
            return None;
        };
        self.graveyard.extend(old);
        Some(result)
    }

    fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
            drop(self.thread.run(move || drop(dead)));
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
