//! A save of the token file that is cut short or fails at each of its steps: the file is
//! whole, old or new; what was answered is there, what was refused is not.
//!
//! strace ends the process at the beginning of each system call of a save in turn, and makes
//! each of them fail. A power failure differs from the end of a process by what was not
//! synced yet: for that, the order of the calls is held.

mod descriptors;
mod reloading;
mod short;
mod strace;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use self::strace::{Call, Fault, Strace};
use crate::support::fixture::OPERATOR;
use crate::support::http1::Ask;
use crate::support::programs::{have, skip};
use crate::support::{ALICE, Gate, Reply, eventually};

/// A save on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A save may run on a thread that came up after strace was attached; then once more.
const TRIES: usize = 10;

fn have_strace() -> bool {
    if !have("strace", &["-V"]) {
        return false;
    }
    let may = strace::may_attach();
    if !may {
        skip("the right to trace a process");
    }
    may
}

fn gate() -> Gate {
    Gate::builder()
        .section("[access_log]\noutput = \"off\"")
        .start()
}

/// Gives Alice's token another description; the status, where there is an answer.
fn describe(gate: &Gate, text: &str) -> Option<Reply> {
    let target = format!("/v1/tokens/{}", ALICE.sid);
    let ask = Ask::new(gate.admin_address(), "PATCH", &target)
        .by(&OPERATOR)
        .header("Content-Type", "application/merge-patch+json")
        .body(format!("{{\"description\":{text:?}}}"));
    ask.try_send().ok()
}

/// Alice's description in force.
fn in_force(gate: &Gate) -> String {
    let reply = gate.ask_admin(&format!("/v1/tokens/{}", ALICE.sid));
    let token: Value = reply.json();
    token["description"].as_str().unwrap().to_owned()
}

/// Alice's description in the file, which is whole: all its tokens are there, and the others
/// as they were.
#[track_caller]
fn on_disk(gate: &Gate) -> String {
    let text = gate.read("tokens.toml");
    let table: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}: {text}"));
    let tokens = table["token"].as_array().unwrap();
    assert_eq!(tokens.len(), 3, "{text}");
    let whole = crate::support::fixture::tokens();
    let at = whole.find("[[token]]\nsid = \"bob\"").unwrap();
    assert!(text.ends_with(&whole[at..]), "{text}");
    let description = tokens[0].get("description").and_then(|text| text.as_str());
    description.unwrap_or_default().to_owned()
}

/// Temporary files beside the token file.
fn leftovers(gate: &Gate) -> Vec<String> {
    let names = fs::read_dir(gate.directory()).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.contains(".sidgate-")).collect()
}

#[track_caller]
fn wait_for_no_leftovers(gate: &Gate) {
    eventually("leftovers are gone", PATIENCE, || {
        leftovers(gate).is_empty().then_some(())
    });
}

/// A call of a save: its name, its number among those of this name, and what it was.
type Step = (String, usize, Call);

/// The calls of a save by which it changes something or may fail, on the thread that does it.
fn steps_of_a_save(gate: &Gate) -> Vec<Step> {
    for attempt in 0..TRIES {
        strace::wait_for_rest(gate.pid());
        let strace = Strace::attach_to_store(gate.pid(), &Fault::None);
        let reply = describe(gate, &format!("attempt {attempt}")).expect("an answer");
        assert_eq!(reply.status, 200);
        let calls = strace.finish();
        let Some(exchange) = calls.iter().find(|call| call.name == "renameat2") else {
            continue; // a thread that came up meanwhile did it
        };
        let thread = exchange.thread;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let own = calls.into_iter().filter(|call| call.thread == thread);
        let mut steps: Vec<Step> = own
            .map(|call| {
                let count = counts.entry(call.name.clone()).or_default();
                *count += 1;
                (call.name.clone(), *count, call)
            })
            .collect();
        // What follows the last word to the audit is the look at the file just written.
        let told = |(_, _, call): &Step| call.name == "fdatasync";
        let last = steps.iter().rposition(told).expect("an audit");
        steps.truncate(last + 1);
        // Writes that wake another thread are no business of the disk.
        steps.retain(|(_, _, call)| !is_wake(call));
        return steps;
    }
    panic!("no traced thread ever did the save");
}

fn is_wake(call: &Call) -> bool {
    call.text.contains("anon_inode:")
}

/// Makes a change while this fault awaits it, until it has met the fault. The answer, and
/// what the change was to be.
fn meet(gate: &mut Gate, fault: &Fault<'_>, change: &str) -> (Option<Reply>, String) {
    for attempt in 0..TRIES {
        strace::wait_for_rest(gate.pid());
        let change = format!("{change}, attempt {attempt}");
        let strace = Strace::attach_to_store(gate.pid(), fault);
        let reply = describe(gate, &change);
        if reply.is_none() {
            gate.wait(PATIENCE);
            let calls = strace.finish();
            if !calls.iter().any(is_failed_wake) {
                return (reply, change);
            }
            gate.restart();
            continue;
        }
        let calls = strace.finish();
        let met = calls.iter().any(|call| call.text.contains("(INJECTED)"));
        if met && gate.is_running() {
            return (reply, change);
        }
        if !gate.is_running() {
            gate.restart();
        }
    }
    panic!("the fault is never met: {change}");
}

/// A fault that met a call of the runtime's instead.
fn is_failed_wake(call: &Call) -> bool {
    is_wake(call) && call.text.contains("(INJECTED)")
}

#[test]
fn a_save_that_is_killed_leaves_the_old_file_or_the_new_one() {
    if !have_strace() {
        return;
    }
    let mut gate = gate();
    let steps = steps_of_a_save(&gate);
    let (mut olds, mut news) = (0, 0);
    for (name, at, call) in &steps {
        let point = format!("{name} {at}");
        let old = in_force(&gate);
        let fault = Fault::At(name, *at, "signal=KILL");
        let (reply, new) = meet(&mut gate, &fault, &point);
        let found = on_disk(&gate);
        assert!(found == old || found == new, "{call:?}: {found:?}");
        let answered = reply.is_some_and(|reply| reply.status == 200);
        assert!(
            !answered || found == new,
            "{call:?}: answered, and not there"
        );
        if found == old {
            olds += 1;
        } else {
            news += 1;
        }

        gate.restart();
        assert_eq!(in_force(&gate), found, "{call:?}");
        wait_for_no_leftovers(&gate);
    }
    println!("killed at each step: {olds} times the old file, {news} times the new one");
    assert!(olds > 3 && news > 2, "{olds} old, {news} new");
    verify_audit(&gate);
}

#[test]
fn an_answered_change_outlives_a_kill() {
    let mut gate = gate();
    for round in 0..10 {
        let text = format!("round {round}");
        assert_eq!(describe(&gate, &text).expect("an answer").status, 200);
        gate.signal(rustix::process::Signal::KILL);
        gate.wait(PATIENCE);
        assert_eq!(on_disk(&gate), text);
        gate.restart();
        assert_eq!(in_force(&gate), text);
    }
    assert_eq!(leftovers(&gate), [""; 0]);
    verify_audit(&gate);
}

#[test]
fn a_save_that_fails_changes_nothing() {
    if !have_strace() {
        return;
    }
    let mut gate = gate();
    let (mut refused, mut done) = (0, 0);
    let steps = steps_of_a_save(&gate);
    let faults = steps.iter().flat_map(|(name, at, call)| {
        ["error=ENOSPC", "error=EIO"].map(|error| (name, *at, call, error))
    });
    for (name, at, call, error) in faults {
        let (old, text) = (in_force(&gate), gate.read("tokens.toml"));
        let point = format!("{error} of {name} {at}");
        let (reply, new) = meet(&mut gate, &Fault::At(name, at, error), &point);
        let reply = reply.expect("an answer");
        if reply.status == 200 {
            done += 1;
            assert_eq!((in_force(&gate), on_disk(&gate)), (new.clone(), new));
        } else {
            refused += 1;
            assert_eq!(reply.status, 503, "{point}: {reply:?}");
            assert_eq!(reply.json()["code"], "store_unavailable", "{point}");
            assert_eq!(gate.read("tokens.toml"), text, "{call:?}");
            assert_eq!(in_force(&gate), old, "{call:?}");
        }
        if name == "unlink" {
            // What could not be taken away is by the next start.
            gate.restart();
            wait_for_no_leftovers(&gate);
        }
        assert_eq!(leftovers(&gate), [""; 0], "{call:?}");
        // And the next change finds nothing wrong.
        let after = format!("after {point}");
        let reply = describe(&gate, &after).expect("an answer");
        assert_eq!(reply.status, 200, "{call:?}: {reply:?}");
        assert_eq!((in_force(&gate), on_disk(&gate)), (after.clone(), after));
    }
    println!("failed at each step: {refused} times refused, {done} times done all the same");
    // At least the audit and the new file written and synced, and the two exchanged.
    assert!(refused >= 10, "{refused} refused, {done} done");
    verify_audit(&gate);
}

/// What a power failure leaves is what was synced: nothing takes the file's name before its
/// content is on the disk, and nothing is answered before the name is.
#[test]
fn everything_is_synced_before_the_next_step_builds_on_it() {
    if !have_strace() {
        return;
    }
    let gate = gate();
    let strace = Strace::attach(gate.pid());
    assert_eq!(describe(&gate, "in order").expect("an answer").status, 200);
    let calls = strace.finish();
    let find = |name: &str, text: &str| -> Vec<&Call> {
        let fits = |call: &&Call| call.name == name && call.text.contains(text);
        let found: Vec<&Call> = calls.iter().filter(fits).collect();
        assert!(!found.is_empty(), "no {name} of {text} in {calls:#?}");
        found
    };
    let new = ".tokens.toml.sidgate-";
    let directory = format!("<{}>", gate.directory().canonicalize().unwrap().display());
    let answer: Vec<&Call> = calls
        .iter()
        .filter(|call| call.text.contains("\"HTTP/1.1 200"))
        .collect();
    let told = find("write", "/audit.jsonl>");
    let told_for_good = find("fdatasync", "/audit.jsonl>");
    let counts = (told.len(), told_for_good.len(), answer.len());
    assert_eq!(
        counts,
        (2, 2, 1),
        "intent and outcome, one answer: {calls:#?}"
    );
    let steps = [
        vec![told[0]],
        vec![told_for_good[0]],
        find("write", new),
        find("fsync", new),
        find("renameat2", new),
        find("fsync", &directory),
        vec![told[1]],
        vec![told_for_good[1]],
        answer,
    ];
    for pair in steps.windows(2) {
        let ended = pair[0].iter().map(|call| call.ended).max();
        let began = pair[1].iter().map(|call| call.began).min();
        assert!(ended < began, "{:?} before {:?}", pair[0], pair[1]);
    }
}

/// The chain of the audit holds, whatever was cut short.
#[track_caller]
fn verify_audit(gate: &Gate) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sidgate"));
    command
        .args(["audit", "verify"])
        .arg(gate.path("audit.jsonl"));
    let output = crate::support::gate::process::output(&mut command, PATIENCE);
    assert!(output.status.success(), "{output:?}");
}
