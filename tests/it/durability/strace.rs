//! strace at the threads that do the gate's disk work: it tells each system call of theirs,
//! and can make one of them fail, or end the process as it begins.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::support::eventually;
use crate::support::gate::process;

/// Longer than attaching and detaching take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The calls by which a save changes something, and those whose failure it must stand.
pub(super) const CALLS: [&str; 11] = [
    "open",
    "openat",
    "flock",
    "fchmod",
    "write",
    "fsync",
    "fdatasync",
    "ftruncate",
    "renameat2",
    "rename",
    "unlink",
];

/// A running strace. Dropped, it lets go of what it traced.
pub(super) struct Strace {
    child: Child,
    output: NamedTempFile,
    threads: Vec<u32>,
}

/// What strace does to the calls that it sees.
pub(super) enum Fault<'a> {
    /// Nothing.
    None,
    /// The call of this name and number fails, or the process ends as it begins; the rest is
    /// strace's `inject`.
    At(&'a str, usize, &'a str),
    /// This call and every later one of its name.
    From(&'a str, usize, &'a str),
}

/// Where strace looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// How the names of the threads begin; empty for all of them.
    pub(super) threads: &'a str,
    /// The calls.
    pub(super) calls: &'a [&'a str],
    /// The files that they must be about; all where there is none.
    pub(super) files: &'a [PathBuf],
}

/// One system call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) thread: u32,
    pub(super) name: String,
    /// Its arguments and result, descriptors with their paths.
    pub(super) text: String,
    /// Where it stands among all beginnings and ends.
    pub(super) began: usize,
    /// The same; the last where it was not seen to end.
    pub(super) ended: usize,
}

impl Strace {
    /// Traces every call of all threads of a process.
    pub(super) fn attach(process: u32) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-e", "trace=desc,network,renameat2", "-p"]);
        command.arg(process.to_string());
        Self::start(&mut command, process, threads(process, ""))
    }

    /// Traces the threads that do the work of the store, when they are at rest.
    pub(super) fn attach_to_store(process: u32, fault: &Fault<'_>) -> Self {
        let scope = Scope {
            threads: "store",
            calls: &CALLS,
            files: &[],
        };
        Self::attach_to(process, scope, fault)
    }

    /// Traces some threads of a process. A call's number counts within each of them.
    pub(super) fn attach_to(process: u32, scope: Scope<'_>, fault: &Fault<'_>) -> Self {
        let mut command = Command::new("strace");
        match fault {
            Fault::None => command.args(["-e", &format!("trace={}", scope.calls.join(","))]),
            Fault::At(name, at, what) => command
                .args(["-e", &format!("trace={name}")])
                .args(["-e", &format!("inject={name}:{what}:when={at}")]),
            Fault::From(name, at, what) => command
                .args(["-e", &format!("trace={name}")])
                .args(["-e", &format!("inject={name}:{what}:when={at}+")]),
        };
        for file in scope.files {
            command.arg("-P").arg(file);
        }
        let threads = threads(process, scope.threads);
        for thread in &threads {
            command.args(["-p", &thread.to_string()]);
        }
        // Without -f these alone, and not the threads beside them, are traced.
        Self::start(&mut command, process, threads)
    }

    fn start(command: &mut Command, process: u32, threads: Vec<u32>) -> Self {
        // Not beside the token file, where the gate would see it being written.
        let output = NamedTempFile::new().unwrap();
        let child = command
            .args(["-q", "-y", "-s", "24", "-o"])
            .arg(output.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let strace = Self {
            child,
            output,
            threads,
        };
        eventually("strace is attached", PATIENCE, || {
            let mut threads = strace.threads.iter();
            threads
                .all(|&thread| is_traced(process, thread))
                .then_some(())
        });
        strace
    }

    /// Lets go, and tells what it saw.
    pub(super) fn finish(mut self) -> Vec<Call> {
        self.end();
        let only = match self.threads[..] {
            [only] => Some(only),
            _ => None,
        };
        calls(&fs::read_to_string(self.output.path()).unwrap(), only)
    }

    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It lets go by itself on this signal; what it traces runs on.
            kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
            process::wait(&mut self.child, PATIENCE).expect("strace ends when asked to");
        }
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a process may trace another here.
pub(super) fn may_attach() -> bool {
    let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
    let tracer = Command::new("strace")
        .args(["-q", "-o", "/dev/null", "-p", &sleeper.id().to_string()])
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut tracer) = tracer else {
        process::end(&mut sleeper);
        return false;
    };
    let attached = loop {
        if is_traced(sleeper.id(), sleeper.id()) {
            break true;
        }
        if process::wait(&mut tracer, Duration::from_millis(5)).is_some() {
            break false;
        }
    };
    process::end(&mut sleeper);
    process::end(&mut tracer);
    attached
}

/// Waits until the store has nothing more to do, and a thread that did its work.
pub(super) fn wait_for_rest(process: u32) {
    let mut rests = 0;
    eventually("a store at rest", PATIENCE, || {
        let threads = threads(process, "store");
        let at_rest = !threads.is_empty() && threads.iter().all(|&thread| waits(process, thread));
        rests = if at_rest { rests + 1 } else { 0 };
        // Longer than the gate takes to notice its own write, and to free the old snapshot.
        (rests > 20).then_some(())
    });
}

/// The threads of a process whose names begin so.
fn threads(process: u32, prefix: &str) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .flatten()
        .filter(|task| {
            let name = fs::read_to_string(task.path().join("comm"));
            name.unwrap_or_default().starts_with(prefix)
        })
        .filter_map(|task| task.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether a thread waits to be woken by another one.
fn waits(process: u32, thread: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/task/{thread}/wchan"));
    state.is_ok_and(|state| state.starts_with("futex"))
}

fn is_traced(process: u32, thread: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"));
    let status = status.unwrap_or_default();
    let tracer = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|tracer| tracer.trim() != "0")
}

/// The calls of a trace, in the order in which they ended. Where one thread alone was traced,
/// lines do not name it.
fn calls(trace: &str, only: Option<u32>) -> Vec<Call> {
    let mut begun: BTreeMap<u32, (usize, String)> = BTreeMap::new();
    let mut calls = Vec::new();
    let mut push = |thread, began, ended, whole: &str| {
        if let Some((name, text)) = whole.split_once('(') {
            let (name, text) = (name.to_owned(), text.to_owned());
            calls.push(Call {
                thread,
                name,
                text,
                began,
                ended,
            });
        }
    };
    for (at, line) in trace.lines().enumerate() {
        let named = line.split_once(' ');
        let named = named.and_then(|(thread, rest)| Some((thread.parse().ok()?, rest)));
        let Some((thread, rest)) = named.or(only.map(|only| (only, line))) else {
            continue;
        };
        let rest = rest.trim_start();
        let unfinished = [" <unfinished ...>", " <detached ...>"];
        if let Some(first) = unfinished.iter().find_map(|end| rest.strip_suffix(end)) {
            begun.insert(thread, (at, first.to_owned()));
        } else if let Some((_, last)) = rest.split_once(" resumed>") {
            let (began, first) = begun.remove(&thread).unwrap_or_default();
            push(thread, began, at, &(first + last));
        } else {
            push(thread, at, at, rest);
        }
    }
    for (thread, (began, first)) in begun {
        push(thread, began, usize::MAX, &first);
    }
    calls
}
