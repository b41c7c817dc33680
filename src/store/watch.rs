//! Watches files that are edited, replaced or swapped by others, and says which one has
//! settled on new content.
//!
//! Events of the file system and a poll both lead to the same look at a file, so that a
//! file system without events, a bind mount or a lost event costs a poll and nothing else.
//! What a look concludes is decided in [`course`]; here are the thread that looks, and the
//! directories whose events it hears: the file's own and those of every symbolic link on
//! the way to it, for a Kubernetes volume is swapped by renaming the link `..data`.
//!
//! The thread is its own because looking is I/O on a disk that may hang.

mod course;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Event, INotifyWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use self::course::{Course, Marks, Seen};
use self::route::Route;
use super::read::Stamp;

/// How long a file written in place must have been still. A second is promised to writers;
/// the rest is for a writer that pauses for just that second.
const STILL: Duration = Duration::from_millis(1_100);
/// The shortest poll, whatever is configured.
const POLL_MIN: Duration = Duration::from_millis(10);

/// A file to watch.
#[derive(Clone, Debug)]
pub struct WatchedFile {
    /// The file; relative to the working directory where it is not absolute.
    pub path: PathBuf,
    /// The state that was loaded already; `None` where the state at the start counts so.
    pub loaded: Option<Stamp>,
}

/// Watches files until it and its clones are dropped.
#[derive(Clone, Debug)]
pub struct FileWatch {
    shared: Arc<Shared>,
    _alive: Arc<Alive>,
}

/// Ends the thread when the last clone is dropped.
#[derive(Debug)]
struct Alive(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: Condvar,
    /// Wakes who waits for settled files.
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<File>,
    poll: Duration,
    /// Something is to be looked at before the poll is due.
    look: bool,
    stop: bool,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    route: Route,
    course: Course,
    marks: Marks,
    settled: bool,
}

impl FileWatch {
    /// Starts watching. Without `events` only the poll looks, as where none arrive.
    ///
    /// # Errors
    /// When the thread cannot be started. Where events cannot be had, that is logged and
    /// the poll alone looks.
    pub fn start(files: Vec<WatchedFile>, poll: Duration, events: bool) -> io::Result<Self> {
        let shared: Arc<Shared> = Arc::default();
        let watch = Self {
            _alive: Arc::new(Alive(Arc::clone(&shared))),
            shared,
        };
        watch.watch(files, poll);
        let shared = Arc::clone(&watch.shared);
        std::thread::Builder::new()
            .name("file-watch".to_owned())
            .spawn(move || run(&shared, events))?;
        Ok(watch)
    }

    /// Watches these files instead. One that was watched already keeps its course.
    pub fn watch(&self, files: Vec<WatchedFile>, poll: Duration) {
        let fresh: Vec<File> = files.into_iter().map(File::new).collect();
        let mut state = self.shared.state();
        let mut old = std::mem::take(&mut state.files);
        state.files = fresh
            .into_iter()
            .map(|file| {
                let known = old.iter().position(|old| old.path == file.path);
                known.map_or(file, |at| old.swap_remove(at))
            })
            .collect();
        state.poll = poll.max(POLL_MIN);
        state.look = true;
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Waits until files have settled on new content, and names them. Nothing is lost when
    /// the wait is given up.
    pub async fn settled(&self) -> Vec<PathBuf> {
        loop {
            // Registered before the look, so that a file that settles between is not missed.
            let notified = self.shared.settled.notified();
            let settled = self.shared.take_settled();
            if !settled.is_empty() {
                return settled;
            }
            notified.await;
        }
    }

    /// Reports at once every file that differs from what was last reported, still or not.
    pub fn check_now(&self) {
        let mut state = self.shared.state();
        for file in &mut state.files {
            file.course.hurry();
        }
        state.look = true;
        drop(state);
        self.shared.wake.notify_one();
    }

    /// Whether a file is as it was last reported or loaded: not missing, and not on its way
    /// to something new. Looks at the file; false for one that is not watched.
    #[must_use]
    pub fn is_settled(&self, path: &Path) -> bool {
        self.judge(path, Course::is_settled)
    }

    /// Whether a file has been written in its place since it was last reported, so that what
    /// was read of it meanwhile may be half of something. Looks at the file; false for one
    /// that is not watched.
    #[must_use]
    pub fn is_being_written(&self, path: &Path) -> bool {
        self.judge(path, Course::is_being_written)
    }

    fn judge(&self, path: &Path, judgement: fn(&Course, Option<&Seen>) -> bool) -> bool {
        let now = Seen::at(&Route::to(path));
        let state = self.shared.state();
        let file = state.files.iter().find(|file| file.path == path);
        file.is_some_and(|file| judgement(&file.course, now.as_ref()))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.state().stop = true;
        self.0.wake.notify_one();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_settled(&self) -> Vec<PathBuf> {
        let mut state = self.state();
        let settled = state.files.iter_mut().filter(|file| file.settled);
        settled
            .map(|file| {
                file.settled = false;
                file.path.clone()
            })
            .collect()
    }

    /// Takes an event in: marks the files it speaks of. Runs on the thread of `notify`.
    fn hear(&self, event: &Event) {
        if matches!(event.kind, EventKind::Access(_)) {
            return; // our own reading, mostly
        }
        let mut state = self.state();
        let mut heard = false;
        for file in &mut state.files {
            if event.need_rescan() {
                // Events were lost: look, and believe in none.
                file.marks = Marks::default();
                heard = true;
            }
            for path in &event.paths {
                if !file.route.passes(path) {
                    continue;
                }
                heard = true;
                match event.kind {
                    EventKind::Modify(ModifyKind::Name(RenameMode::To)) => file.marks.renamed(),
                    EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => {
                        file.marks.written();
                    }
                    _ => file.marks.touched(),
                }
            }
        }
        if heard {
            state.look = true;
            drop(state);
            self.wake.notify_one();
        }
    }
}

impl File {
    fn new(file: WatchedFile) -> Self {
        let path = file.path;
        let route = Route::to(&path);
        let loaded = match file.loaded {
            Some(stamp) => Some(Seen::new(stamp, &route)),
            None => Seen::at(&route),
        };
        Self {
            path,
            route,
            course: Course::new(loaded),
            marks: Marks::default(),
            settled: false,
        }
    }
}

fn run(shared: &Arc<Shared>, events: bool) {
    let mut ears = events.then(|| Ears::open(shared)).flatten();
    let mut next_poll = Instant::now();
    loop {
        let files: Vec<PathBuf> = {
            let state = shared.state();
            if state.stop {
                return;
            }
            state.files.iter().map(|file| file.path.clone()).collect()
        };
        // Looked at without the lock: a disk that hangs must hold up nobody else.
        let seen: Vec<_> = files
            .into_iter()
            .map(|path| {
                let route = Route::to(&path);
                let seen = Seen::at(&route);
                (path, route, seen)
            })
            .collect();
        if let Some(open) = &mut ears {
            let directories = seen.iter().flat_map(|(_, route, _)| route.directories());
            let listen = AssertUnwindSafe(|| open.listen(directories));
            if catch_unwind(listen).is_err() {
                // `notify` ignores that the thread it wants cannot be had, and panics when it
                // is used after that. Dropping it would panic as well.
                tracing::error!("file events have ended, files are polled");
                std::mem::forget(ears.take());
            }
        }
        let now = Instant::now();
        let mut state = shared.state();
        let mut wait = state.poll;
        let mut settled = false;
        for (path, route, seen) in seen {
            let Some(file) = state.files.iter_mut().find(|file| file.path == path) else {
                continue; // no longer watched
            };
            file.route = route;
            let marks = std::mem::take(&mut file.marks);
            if file.course.observe(now, seen, marks) {
                file.settled = true;
                settled = true;
            }
            if let Some(due) = file.course.due() {
                wait = wait.min(due.saturating_duration_since(now));
            }
            if file.course.is_newly_missing(now) {
                let file = file.path.display();
                tracing::warn!(%file, "the file is gone, what was loaded of it stays in force");
            }
        }
        if settled {
            shared.settled.notify_one();
        }
        if next_poll <= now {
            next_poll = now + state.poll;
        }
        wait = wait.min(next_poll.saturating_duration_since(now));
        // A look that was asked for while this one was on its way is due at once.
        let idle = |state: &mut State| !state.look && !state.stop;
        let waited = shared.wake.wait_timeout_while(state, wait, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.look = false;
    }
}

/// Hears the events of directories.
struct Ears {
    watcher: INotifyWatcher,
    /// The directories that are listened to, each with its device and inode: one that was
    /// replaced by another of its name has to be listened to anew.
    directories: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

impl Ears {
    fn open(shared: &Arc<Shared>) -> Option<Self> {
        let shared = Arc::clone(shared);
        let hear = move |event: notify::Result<Event>| match event {
            Ok(event) => shared.hear(&event),
            Err(error) => tracing::debug!(%error, "file events failed"),
        };
        match notify::recommended_watcher(hear) {
            Ok(watcher) => Some(Self {
                watcher,
                directories: BTreeMap::new(),
            }),
            Err(error) => {
                tracing::warn!(%error, "no file events to be had, files are polled");
                None
            }
        }
    }

    fn listen<'a>(&mut self, directories: impl Iterator<Item = &'a Path>) {
        let wanted: BTreeSet<&Path> = directories.collect();
        let watcher = &mut self.watcher;
        self.directories.retain(|directory, _| {
            let stays = wanted.contains(directory.as_path());
            if !stays {
                // Fails where the directory is gone, and its watch with it.
                let _ = watcher.unwatch(directory);
            }
            stays
        });
        for directory in wanted {
            let metadata = std::fs::metadata(directory).ok();
            let identity = metadata.map(|metadata| (metadata.dev(), metadata.ino()));
            match self.directories.get(directory) {
                Some(known) if *known == identity => continue,
                Some(_) => drop(watcher.unwatch(directory)),
                None => {}
            }
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                let directory = directory.display();
                tracing::debug!(%directory, %error, "no file events from here, it is polled");
            }
            self.directories.insert(directory.to_owned(), identity);
        }
    }
}

#[cfg(test)]
mod tests;
