//! The invariants of the gate as properties: whatever is generated, they hold.
//!
//! [`INVARIANTS`] leads from each to its tests: properties here ([`requests`] and [`fields`] over sockets,
//! [`decisions`] without one, [`lifetime`] for what is a matter of time), and where a property
//! would be too small (a kill at each system call, a statistic of times), the suite that is not.
//!
//! What made one fail is kept beside this file and tried first from then on.

mod decisions;
mod fields;
mod lifetime;
mod requests;

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use proptest::prelude::{Strategy, prop};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};

/// Number, invariant, and its tests, each as the file under `tests/it` and the function in it.
const INVARIANTS: [(u8, &str, &[&str]); 14] = [
    (
        1,
        "admission: what reaches the upstream is allowed to whose credentials it had",
        &["security/properties/requests.rs admission"],
    ),
    (
        2,
        "parity: every way of sending gives one decision and one upstream request",
        &["security/properties/requests.rs parity"],
    ),
    (
        3,
        "canonical output: the upstream sees exactly the request that was admitted",
        &["security/properties/requests.rs canonical_output"],
    ),
    (
        4,
        "one in, one out: answers in their turn; a refused request moves no byte",
        &["security/properties/requests.rs one_in_one_out"],
    ),
    (
        5,
        "header ownership: the gate's fields once, and only the gate's",
        &["security/properties/fields.rs header_ownership"],
    ),
    (
        6,
        "monotone denial: less right, or more fields, never admits",
        &[
            "security/properties/decisions.rs monotone_denial",
            "security/properties/fields.rs more_fields_admit_nothing",
        ],
    ),
    (
        7,
        "revocation: nothing that starts after the answer is judged by the older state",
        &[
            "security/properties/lifetime.rs revocation",
            "revocation/at_once.rs no_request_that_begins_after_an_answer_is_judged_by_the_older_state",
        ],
    ),
    (
        8,
        "snapshot: one version explains a decision, and none goes back",
        &[
            "security/properties/decisions.rs one_snapshot",
            "soak.rs requests_run_while_ten_thousand_tokens_are_replaced_ten_times_a_second",
        ],
    ),
    (
        9,
        "last good: any bytes in the token file leave the old set or make the whole new one",
        &[
            "security/properties/decisions.rs last_good",
            "reload/faulty.rs a_write_in_two_halves_is_never_seen_as_half",
        ],
    ),
    (
        10,
        "durability: a save cut short at any call leaves the old file or the new one",
        &[
            "durability.rs a_save_that_is_killed_leaves_the_old_file_or_the_new_one",
            "durability.rs everything_is_synced_before_the_next_step_builds_on_it",
        ],
    ),
    (
        11,
        "bounded: any bytes end in their deadline and take bounded memory",
        &["security/properties/lifetime.rs bounded"],
    ),
    (
        12,
        "fail closed: a fault refuses, never admits, and passes",
        &["security/properties/lifetime.rs fail_closed"],
    ),
    (
        13,
        "silence: no secret is written down",
        &["security/operations.rs no_secret_is_ever_written_down"],
    ),
    (
        14,
        "uniformity: refusals do not tell why credentials are bad",
        &[
            "security/properties/lifetime.rs uniformity",
            "security/timing.rs an_unknown_sid_takes_as_long_as_a_wrong_auth_token",
        ],
    ),
];

#[test]
fn every_invariant_has_its_tests() {
    for ((number, invariant, tests), place) in INVARIANTS.into_iter().zip(1..) {
        assert_eq!(number, place, "{invariant}");
        for test in tests {
            let (file, function) = test.split_once(' ').expect("a file and a function");
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
            let source = fs::read_to_string(root.join(file)).unwrap();
            let definition = format!("#[test]\nfn {function}()");
            assert!(
                source.contains(&definition),
                "{number}: no {function} in {file}"
            );
        }
    }
}

/// Tries so many values, and makes one that fails smaller.
#[track_caller]
fn holds<S: Strategy>(cases: u32, values: &S, property: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 300,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    });
    let outcome = runner.run(values, |value| {
        property(value);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Pieces of which paths are made: good ones, and all that has ever fooled a gate.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/",
        "/v1",
        "/items",
        "/v1/items",
        "/v1/items/",
        "/admin",
        "/ws/",
        "a",
        "1",
        "~",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%00",
        "%25",
        "?",
        "%3f",
        "#",
        "%61",
        "%C3%A9",
        "%",
        "%g1",
        "//",
        "/./",
        "/../",
        "@",
        ":",
        "é",
    ])
}

/// Paths of a few pieces.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..6)
        .prop_map(|pieces| format!("/{}", pieces.concat().trim_start_matches('/')))
}
