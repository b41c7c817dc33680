//! Writes that take less than they were given: a file that may not grow (RLIMIT_FSIZE) takes
//! what fits, and refuses the rest; where the limit is lifted meanwhile it takes that too.

use std::thread;

use super::strace::{Fault, Strace};
use super::{
    PATIENCE, describe, have_strace, in_force, leftovers, on_disk, steps_of_a_save, strace,
    verify_audit,
};
use crate::support::fixture::tokens;
use crate::support::{Gate, eventually};

/// A gate whose token file is larger than its audit.
fn gate_of_a_large_file() -> Gate {
    Gate::builder()
        .tokens(format!("# {}\n{}", "x".repeat(100_000), tokens()))
        .section("[access_log]\noutput = \"off\"")
        .start()
}

/// A change that is refused, and has changed nothing.
#[track_caller]
fn is_refused(gate: &Gate, most: u64) {
    let (old, text) = (in_force(gate), gate.read("tokens.toml"));
    gate.limit_file_size(Some(most));
    let reply = describe(gate, "cut short").expect("an answer");
    gate.limit_file_size(None);
    assert_eq!(reply.status, 503, "{most} bytes: {reply:?}");
    assert_eq!(reply.json()["code"], "store_unavailable");
    assert!(gate.read("tokens.toml") == text, "the file has changed");
    assert_eq!(in_force(gate), old);
    assert_eq!(leftovers(gate), [""; 0]);
    // And the next change finds nothing wrong.
    let next = format!("after {most} bytes");
    assert_eq!(describe(gate, &next).expect("an answer").status, 200);
    assert_eq!((in_force(gate), on_disk(gate)), (next.clone(), next));
    verify_audit(gate);
}

#[test]
fn a_new_file_that_does_not_fit_changes_nothing() {
    let gate = gate_of_a_large_file();
    for most in [20_000, 65_536, 100_000] {
        is_refused(&gate, most);
    }
}

#[test]
fn an_audit_that_cannot_grow_holds_every_change_up() {
    let gate = super::gate();
    for change in 0..20 {
        let text = format!("change {change}");
        assert_eq!(describe(&gate, &text).expect("an answer").status, 200);
    }
    for more in [0, 1, 100] {
        let audit = gate.read("audit.jsonl");
        assert!(audit.len() > 2 * gate.read("tokens.toml").len());
        is_refused(&gate, u64::try_from(audit.len()).unwrap() + more);
        assert!(gate.read("audit.jsonl").starts_with(&audit));
    }
}

#[test]
fn a_write_that_takes_less_is_gone_on_with() {
    if !have_strace() {
        return;
    }
    let gate = gate_of_a_large_file();
    let new = ".tokens.toml.sidgate-";
    let steps = steps_of_a_save(&gate);
    let mut writes = steps.iter().filter(|(name, _, _)| name == "write");
    let (name, at, _) = writes
        .find(|step| step.2.text.contains(new))
        .expect("a write");
    // More than the audit has, which the limit holds for too.
    for most in [50_001, 65_536, 99_999] {
        strace::wait_for_rest(gate.pid());
        let strace =
            Strace::attach_to_store(gate.pid(), &Fault::At(name, *at, "delay_exit=1000000"));
        gate.limit_file_size(Some(most));
        let reply = thread::scope(|scope| {
            let lifting = scope.spawn(|| {
                eventually("a write that takes less", PATIENCE, || {
                    let names = leftovers(&gate);
                    let size = std::fs::metadata(gate.path(names.first()?)).ok()?.len();
                    (size == most).then_some(())
                });
                gate.limit_file_size(None);
            });
            let reply = describe(&gate, &format!("at {most}"));
            lifting.join().unwrap();
            reply
        });
        let calls = strace.finish();
        assert_eq!(reply.expect("an answer").status, 200);
        assert_eq!(on_disk(&gate), format!("at {most}"));
        let writes = calls.iter().filter(|call| call.text.contains(new));
        assert!(writes.count() >= 2, "{calls:#?}");
    }
    verify_audit(&gate);
}
