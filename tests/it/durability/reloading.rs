//! A reload of which each system call on the watched files fails, or is the last one that the
//! process makes: what is in force is the whole old content or the whole new one at every
//! moment, and the new one once the fault is over.
//!
//! Every edit has two sides that requests tell apart, as one token disabled and another one
//! added; they are asked for in turn while the fault lasts, and once one of them is new, all
//! later ones have to be. A fault lasts from a call on: what is tried again fails again, until
//! strace lets go. At the watching threads, which ask again four times a second, it is one call.
//!
//! Reads that give less than they could are not among the faults. strace can make `read`
//! return another number only by not making the call, and the bytes would then be none that
//! the file has. That pieces of any size give the same tokens is a property beside the code
//! (`store/file/scan.rs`); a file that is cut while it is read shows in its second `fstat`.
//!
//! `SIDGATE_SOAK=1` gives each call each error; otherwise every third one gets one of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::strace::{Call, Fault, Scope, Strace};
use super::{PATIENCE, have_strace};
use crate::support::fixture::{CATALOG, DAVE, tokens};
use crate::support::{ALICE, BOB, Gate, Recorder, eventually};

/// The calls by which a file is found, watched and read.
const CALLS: [&str; 9] = [
    "openat",
    "read",
    "pread64",
    "statx",
    "fstat",
    "lseek",
    "readlink",
    "close",
    "inotify_add_watch",
];

const ERRORS: [&str; 4] = ["error=EIO", "error=EMFILE", "error=ENOMEM", "error=ENOENT"];

/// From the end of a fault to the new content in force: a second to the next try, and what a
/// busy machine adds. Two seconds are promised of a machine that has the time.
const SECONDS: Duration = Duration::from_secs(10);

/// Longer than a reload takes, with the wait for a file to be still.
const SETTLED: Duration = Duration::from_secs(3);

/// Calls of one name in a look at both files that are watched.
const LOOK: usize = 3;

/// Gates that wait for their next try side by side.
const LANES: usize = 6;

/// A file in two versions, and what tells them apart.
struct Edit {
    file: &'static str,
    versions: [fn(&Gate) -> String; 2],
    /// Each says which of the versions answers.
    questions: [fn(&Gate) -> usize; 2],
    /// SIGHUP follows.
    hangup: bool,
}

/// Alice may and Dave may not, or the other way round.
const TOKENS: Edit = Edit {
    file: "tokens.toml",
    versions: [
        |_| tokens(),
        |_| {
            let alice = ALICE.token(&["items:read", "rooms:join", "ads:read", "any:call"]);
            let rest = tokens().replacen(&alice, "", 1);
            format!(
                "{alice}state = \"disabled\"\n{rest}\n{}",
                DAVE.token(&["items:read"])
            )
        },
    ],
    questions: [
        |gate| which(gate.read_as(&ALICE, "/v1/items").status, [200, 403]),
        |gate| which(gate.read_as(&DAVE, "/v1/items").status, [401, 200]),
    ],
    hangup: false,
};

/// The rules of a scope are others.
const RULES: Edit = Edit {
    file: "catalog.toml",
    versions: [
        |_| CATALOG.to_owned(),
        |_| CATALOG.replace("POST /v1/items", "POST /v2/items"),
    ],
    questions: [
        |gate| {
            which(
                gate.ask("POST", "/v1/items").by(&BOB).send().status,
                [200, 403],
            )
        },
        |gate| {
            which(
                gate.ask("POST", "/v2/items").by(&BOB).send().status,
                [403, 200],
            )
        },
    ],
    hangup: false,
};

/// The main file has another realm, and a limit.
const MAIN: Edit = Edit {
    file: "sidgate.toml",
    versions: [
        |gate| {
            let text = gate.read("sidgate.toml").replace("\"new\"", "\"old\"");
            text.replace("\"4KiB\"", "\"1KiB\"")
        },
        |gate| {
            let text = gate.read("sidgate.toml").replace("\"old\"", "\"new\"");
            text.replace("\"1KiB\"", "\"4KiB\"")
        },
    ],
    questions: [
        |gate| {
            let reply = gate.ask("GET", "/v1/items").send();
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            which(challenge.contains("realm=\"new\""), [false, true])
        },
        |gate| {
            let ask = gate.ask("POST", "/public/x").body([b'x'; 2_000]);
            which(ask.send().status, [413, 200])
        },
    ],
    hangup: true,
};

/// Which of two answers it is. Any third one is none that a version gives.
#[track_caller]
fn which<T: PartialEq + std::fmt::Debug>(got: T, answers: [T; 2]) -> usize {
    let found = answers.iter().position(|answer| *answer == got);
    found.unwrap_or_else(|| panic!("{got:?} is of neither version, {answers:?}"))
}

const EDITS: [Edit; 3] = [TOKENS, RULES, MAIN];

/// The threads that read what is edited.
#[derive(Clone, Copy, Debug)]
struct Readers {
    edit: usize,
    threads: &'static str,
    /// Whether their calls fail from one on, or one alone does.
    lasting: bool,
}

const fn readers(edit: usize, threads: &'static str, lasting: bool) -> Readers {
    Readers {
        edit,
        threads,
        lasting,
    }
}

/// The writer's thread reads tokens and catalogue, the first one the main file.
const READERS: [Readers; 5] = [
    readers(0, "store", true),
    readers(0, "file-watch", false),
    readers(1, "store", true),
    readers(2, "sidgate", true),
    readers(2, "file-watch", false),
];

/// A call of a reload: who makes it, its name, and its number among those of this name.
#[derive(Clone, Debug)]
struct Step {
    readers: Readers,
    name: &'static str,
    at: usize,
}

/// A gate, and which version of each file it has.
struct Bench {
    gate: Gate,
    sides: [usize; EDITS.len()],
    _upstream: Recorder,
}

impl Bench {
    fn start() -> Self {
        let upstream = Recorder::ok();
        let gate = Gate::builder()
            .before(&upstream)
            .proxy("realm = \"old\"")
            .section("[limits]\nbody = \"1KiB\"\n[access_log]\noutput = \"off\"")
            .start();
        Self {
            gate,
            sides: [0; EDITS.len()],
            _upstream: upstream,
        }
    }

    fn attach(&self, readers: Readers, fault: &Fault<'_>) -> Strace {
        let names = ["tokens.toml", "catalog.toml", "sidgate.toml", "."];
        let files: Vec<PathBuf> = names.iter().map(|name| self.gate.path(name)).collect();
        let scope = Scope {
            threads: readers.threads,
            calls: &CALLS,
            files: &files,
        };
        Strace::attach_to(self.gate.pid(), scope, fault)
    }

    /// Puts the other version of a file in its place.
    fn edit(&mut self, edit: usize) -> Turn {
        let to = 1 - self.sides[edit];
        self.sides[edit] = to;
        let edit = &EDITS[edit];
        self.gate.replace(edit.file, edit.versions[to](&self.gate));
        if edit.hangup {
            self.gate.signal(Signal::HUP);
        }
        Turn {
            edit,
            to,
            begun: false,
        }
    }

    fn fault(&self) -> String {
        self.gate.status()["fault"].to_string()
    }

    /// Waits until the new content is in force, and nothing is wrong with it.
    fn wait_for(&self, turn: &mut Turn, what: &str) -> Duration {
        let since = Instant::now();
        eventually(what, SECONDS, || {
            (turn.is_over(&self.gate) && self.fault() == "null").then_some(())
        });
        since.elapsed()
    }
}

/// The turn from the old content to the new one, as requests see it.
struct Turn {
    edit: &'static Edit,
    to: usize,
    begun: bool,
}

impl Turn {
    /// Asks both questions; whether both were answered by the new content. Once one was, no
    /// later one may be by the old.
    #[track_caller]
    fn is_over(&mut self, gate: &Gate) -> bool {
        let answers = self.edit.questions.map(|ask| {
            let new = ask(gate) == self.to;
            assert!(new || !self.begun, "{}: new, and old again", self.edit.file);
            self.begun |= new;
            new
        });
        answers == [true; 2]
    }
}

fn is_full() -> bool {
    std::env::var_os("SIDGATE_SOAK").is_some()
}

/// The calls of a reload of each file by each of those that have to do with it.
fn steps() -> Vec<Step> {
    let mut bench = Bench::start();
    let mut steps = Vec::new();
    for readers in READERS {
        let strace = bench.attach(readers, &Fault::None);
        let mut turn = bench.edit(readers.edit);
        bench.wait_for(&mut turn, "a reload that nothing disturbs");
        let calls = strace.finish();
        for name in CALLS {
            let most = calls.iter().filter(|call| call.name == name);
            let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
            most.for_each(|call| *counts.entry(call.thread).or_default() += 1);
            let most = counts.into_values().max().unwrap_or(0);
            // What looks again and again makes the same calls each time.
            let most = if readers.lasting {
                most
            } else {
                most.min(LOOK)
            };
            steps.extend((1..=most).map(|at| Step { readers, name, at }));
        }
    }
    steps = steps
        .into_iter()
        .step_by(if is_full() { 1 } else { 3 })
        .collect();
    steps
}

/// Does something with each, on several gates side by side, as most of it is waiting.
fn share<T: Send + Clone>(all: Vec<T>, what: impl Fn(&mut Bench, T) + Sync) {
    let all = Mutex::new(all.into_iter());
    let next = || all.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut bench = Bench::start();
                while let Some(one) = next() {
                    what(&mut bench, one);
                }
            });
        }
    });
}

fn was_met(call: &Call) -> bool {
    call.text.contains("(INJECTED)")
}

#[test]
fn a_reload_that_fails_at_any_call_is_old_or_new_and_told() {
    if !have_strace() {
        return;
    }
    let full = is_full();
    let mut faults = Vec::new();
    for (number, step) in steps().into_iter().enumerate() {
        for (nth, error) in ERRORS.into_iter().enumerate() {
            if full || nth == number % ERRORS.len() {
                faults.push((step.clone(), error));
            }
        }
    }
    let (all, told, met) = (faults.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let longest = Mutex::new(Duration::ZERO);
    share(faults, |bench, (step, error)| {
        let what = format!("{step:?}, {error}");
        let fault = if step.readers.lasting {
            Fault::From(step.name, step.at, error)
        } else {
            Fault::At(step.name, step.at, error)
        };
        let strace = bench.attach(step.readers, &fault);
        let mut turn = bench.edit(step.readers.edit);
        let is_told = eventually(&format!("in force or told: {what}"), PATIENCE, || {
            let fault = bench.fault();
            if fault != "null" {
                assert!(fault.contains("cannot be read"), "{what}: {fault}");
                return Some(true);
            }
            turn.is_over(&bench.gate).then_some(false)
        });
        if is_told {
            // The old content has stayed; but a main file may have been read before SIGHUP was.
            let over = turn.is_over(&bench.gate);
            assert!(turn.edit.hangup || !turn.begun && !over, "{what}");
            told.fetch_add(1, SeqCst);
        }
        let calls = strace.finish();
        met.fetch_add(usize::from(calls.iter().any(was_met)), SeqCst);
        let waited = bench.wait_for(&mut turn, &format!("in force after {what}"));
        let mut longest = longest.lock().unwrap();
        *longest = waited.max(*longest);
    });
    let (told, met) = (told.into_inner(), met.into_inner());
    let longest = longest.into_inner().unwrap();
    println!("{all} faults, {met} met, {told} told; in force {longest:?} later at the latest");
    assert!(all > 10 && told > 3, "{told} told of {all}");
    // Two reloads of the main file may be one, and have fewer calls than were counted.
    assert!(met * 4 >= all * 3, "{met} met of {all}");
}

#[test]
fn a_reload_that_is_killed_at_any_call_leaves_the_new_file_to_the_next_start() {
    if !have_strace() {
        return;
    }
    let steps = steps();
    let (all, met) = (steps.len(), AtomicUsize::new(0));
    share(steps, |bench, step| {
        let strace = bench.attach(step.readers, &Fault::At(step.name, step.at, "signal=KILL"));
        let mut turn = bench.edit(step.readers.edit);
        // A call that this reload does not make kills nobody.
        let deadline = Instant::now() + SETTLED;
        while bench.gate.is_running() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        met.fetch_add(usize::from(!bench.gate.is_running()), SeqCst);
        drop(strace);
        bench.gate.restart();
        assert!(turn.is_over(&bench.gate), "{step:?}");
        assert_eq!(bench.fault(), "null", "{step:?}");
    });
    let met = met.into_inner();
    println!("{all} calls, killed at {met}");
    assert!(all > 10 && met * 4 >= all * 3, "{met} of {all}");
}
