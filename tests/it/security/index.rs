//! From every number of the catalogue to its tests: the tables, and named tests where a case
//! is a matter of time, memory, files or processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::table::{Case, Expect};
use super::{credentials, exhaustion, framing, headers, host, http2, target, upgrade};

/// The numbers of the catalogue, by class from A to J.
const NUMBERS: [&[u8]; 10] = [
    &[1, 2, 3, 5, 7, 8, 9, 11, 12, 14, 16, 17, 18, 20],
    &[21, 23, 25],
    &[26, 27, 29, 31, 32, 33, 34, 35],
    &[37, 38, 40, 42, 43, 45],
    &[47, 49, 50, 52, 54, 55, 56, 58],
    &[60, 61, 62, 64, 66, 67, 68],
    &[69, 71, 72],
    &[74, 75, 77, 79],
    &[80, 82, 83, 84, 86],
    &[88, 90],
];

/// Every table.
fn tables() -> Vec<Case> {
    [
        target::cases(),
        host::cases(),
        credentials::cases(),
        headers::cases(),
        framing::cases(),
        http2::cases(),
        upgrade::cases(),
        exhaustion::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What no table can say: number, name, and the tests, each as the file under `tests` and
/// the function in it.
const TESTS: [(u8, &str, &[&str]); 26] = [
    (
        17,
        "CONNECT over HTTP/2",
        &["it/security/http2.rs connect_makes_no_tunnel"],
    ),
    (
        26,
        "one challenge",
        &["it/security/credentials.rs a_refusal_says_how_to_come_back"],
    ),
    (
        33,
        "uniform refusal",
        &["it/security/credentials.rs refusals_are_uniform"],
    ),
    (
        34,
        "timing oracle",
        &[
            "it/security/timing.rs an_unknown_sid_takes_as_long_as_a_wrong_auth_token",
            "it/security/timing.rs eight_at_once_take_as_long_for_an_unknown_sid",
        ],
    ),
    (
        35,
        "many wrong tokens",
        &["it/security/credentials.rs a_thousand_wrong_tokens_cost_little"],
    ),
    (
        56,
        "a stranger's 64 MB",
        &["it/security/framing.rs a_strangers_large_body_is_not_read"],
    ),
    (
        58,
        "client abort mid-body",
        &["it/security/abort.rs a_body_that_breaks_off_ends_its_upstream_connection"],
    ),
    (
        60,
        "conformance",
        &[
            "it/security/http2_frames.rs frames_out_of_place_are_refused",
            "it/security/http2_frames.rs a_bad_preface_ends_the_connection",
        ],
    ),
    (
        64,
        "rapid reset",
        &["it/security/http2_floods.rs rapid_resets_end_the_connection"],
    ),
    (
        66,
        "CONTINUATION flood",
        &["it/security/http2_floods.rs a_head_without_end_ends_the_connection"],
    ),
    (
        67,
        "HPACK reference bomb + held window",
        &["it/security/http2_floods.rs references_to_one_header_are_bounded"],
    ),
    (
        68,
        "control-frame floods",
        &["it/security/http2_floods.rs control_frames_are_bounded"],
    ),
    (
        69,
        "premature upgrade",
        &[
            "it/security/upgrade.rs bytes_behind_an_upgrade_that_is_declined_are_a_request_of_their_own",
            "it/forwarding/upgrade.rs bytes_sent_too_early_wait_for_the_switch",
        ],
    ),
    (
        71,
        "upgrade over HTTP/1.0",
        &["it/security/upgrade.rs http_1_0_cannot_upgrade"],
    ),
    (
        72,
        "messages, half-close, idle",
        &[
            "it/programs/websocket.rs messages_run_through_the_gate",
            "it/forwarding/upgrade.rs an_upgrade_without_the_right_is_refused_before_any_connection",
            "it/forwarding/upgrade.rs a_tunnel_may_be_closed_one_way_at_a_time",
            "it/bounds/slow.rs a_tunnel_without_a_byte_is_closed",
        ],
    ),
    (
        74,
        "silent connection",
        &[
            "it/bounds/slow.rs a_connection_that_says_nothing_is_closed",
            "it/bounds/slow.rs a_preface_that_stops_is_closed",
            "it/bounds/slow.rs a_tls_handshake_that_never_starts_or_stops_is_closed",
            "it/bounds/slow.rs others_are_served_meanwhile",
        ],
    ),
    (
        75,
        "slowloris",
        &[
            "it/bounds/slow.rs a_head_has_one_deadline_for_the_whole",
            "it/security/exhaustion.rs slow_heads_by_the_hundred_leave_room_for_others",
        ],
    ),
    (
        77,
        "limits as configured",
        &["it/bounds/heads.rs the_number_of_headers_is_configured"],
    ),
    (
        79,
        "resource exhaustion",
        &[
            "it/bounds.rs running_out_of_descriptors_passes",
            "it/bounds.rs an_answer_that_nobody_reads_waits_at_the_upstream",
            "it/security/exhaustion.rs a_body_is_never_decompressed",
        ],
    ),
    (
        80,
        "bad file",
        &[
            "it/reload/faulty.rs a_bad_file_changes_nothing_and_is_told",
            "it/reload/faulty.rs a_bad_file_at_start_means_no_start_and_check_says_the_same",
        ],
    ),
    (
        82,
        "torn and editor writes",
        &[
            "it/reload/faulty.rs a_write_in_two_halves_is_never_seen_as_half",
            "it/reload.rs a_backup_and_a_new_file_as_editors_write_them_is_in_force",
            "it/reload.rs a_storm_of_signals_and_saves_ends_in_the_last_content",
        ],
    ),
    (
        83,
        "Kubernetes swap",
        &["it/reload.rs a_config_map_is_swapped"],
    ),
    (
        84,
        "crash at every syscall",
        &[
            "it/durability.rs a_save_that_is_killed_leaves_the_old_file_or_the_new_one",
            "it/durability.rs a_save_that_fails_changes_nothing",
            "it/durability.rs everything_is_synced_before_the_next_step_builds_on_it",
        ],
    ),
    (
        86,
        "revocation promise",
        &[
            "it/revocation/at_once.rs no_request_that_begins_after_an_answer_is_judged_by_the_older_state",
        ],
    ),
    (
        88,
        "admin reach",
        &[
            "it/security/operations.rs the_admin_side_is_not_reached_through_the_gate",
            "it/security/operations.rs the_admin_side_takes_operators_only_and_by_its_own_name",
            "admin/walls.rs nothing_is_changed_by_what_a_page_sends",
            "admin/walls.rs a_method_that_reads_changes_nothing",
            "admin/walls.rs a_token_is_no_operator",
            "admin/walls.rs nothing_that_a_body_names_is_fetched",
            "admin/connections.rs a_unix_socket_serves_its_owner",
            "admin/connections.rs tls_is_spoken_where_it_is_given",
        ],
    ),
    (
        90,
        "lifecycle",
        &[
            "it/bounds/stop.rs a_request_in_flight_finishes_and_nothing_new_begins",
            "it/bounds/stop.rs a_second_signal_ends_it_at_once",
            "it/bounds/stop.rs http2_clients_are_told_to_go_away_and_their_streams_finish",
            "it/faults.rs an_unreachable_upstream_is_502",
            "it/faults/stale.rs a_post_is_never_sent_twice",
        ],
    ),
];

#[test]
fn every_number_has_its_tests() {
    let mut covered: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    let inputs: usize = tables().iter().map(|case| case.inputs.len()).sum();
    eprintln!(
        "60 numbers, {} tables' cases, {inputs} inputs",
        tables().len()
    );
    for case in tables() {
        covered.entry(case.number).or_default().push(case.name);
    }
    for (number, name, tests) in TESTS {
        assert!(!tests.is_empty(), "{number}");
        for test in tests {
            let (file, function) = test.split_once(' ').unwrap();
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests")
                .join(file);
            let source = fs::read_to_string(&path).unwrap();
            let definition = format!("#[test]\nfn {function}()");
            assert!(
                source.contains(&definition),
                "{number}: no {function} in {file}"
            );
        }
        covered.entry(number).or_default().push(name);
    }
    let numbers: BTreeSet<u8> = NUMBERS.concat().into_iter().collect();
    assert_eq!(numbers.len(), 60);
    assert_eq!(covered.into_keys().collect::<BTreeSet<u8>>(), numbers);
}

/// A case that only refuses is passed by a gate that refuses everything.
#[test]
fn every_case_has_a_legal_twin_and_neighbours() {
    for case in tables() {
        let what = format!("{} ({})", case.number, case.name);
        assert!(case.inputs.len() >= 3, "{what}");
        let admits = |input: &super::table::Input| matches!(input.expect, Expect::Admitted(..));
        assert!(case.inputs.iter().any(admits), "{what}");
    }
}
