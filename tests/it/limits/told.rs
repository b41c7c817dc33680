//! What answers say of limits, in each of the dialects.

use super::{assert_limited, catalog, holders};
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, Reply};

fn gate(upstream: &Recorder, limits: &str, dialects: &str) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(catalog(limits))
        .tokens(holders(&[(&ALICE, "")]))
        .section(&format!("[limits]\nrate_limit_headers = {dialects}"))
        .start()
}

/// Names and values of all fields about limits, sorted; seconds of a window that has just
/// begun as `T`, for the test may be slow.
fn told(reply: &Reply) -> Vec<String> {
    let fresh = |value: &str, length: u64| -> bool {
        value
            .parse::<u64>()
            .is_ok_and(|seconds| seconds <= length && seconds + 300 > length)
    };
    let mut told: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| name.to_ascii_lowercase().contains("ratelimit"))
        .map(|(name, value)| {
            let parts: Vec<String> = value
                .split(", ")
                .map(|part| match part.split_once(";t=") {
                    Some((start, seconds)) if fresh(seconds, 86_400) => format!("{start};t=DAY"),
                    Some((start, seconds)) if fresh(seconds, 3_600) => format!("{start};t=HOUR"),
                    _ if name.ends_with("reset") && fresh(part, 86_400) => "DAY".to_owned(),
                    _ if name.ends_with("reset") && fresh(part, 3_600) => "HOUR".to_owned(),
                    _ => part.to_owned(),
                })
                .collect();
            format!("{name}: {}", parts.join(", "))
        })
        .collect();
    told.sort();
    told
}

#[test]
fn by_default_the_tightest_window_is_told() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog(r#"limits = ["5/hour", "3/day"]"#))
        .tokens(holders(&[(&ALICE, "")]))
        .start();
    for remaining in ["2", "1", "0"] {
        let reply = gate.read_as(&ALICE, "/v1/items");
        assert_eq!(reply.status, 200);
        assert_eq!(
            told(&reply),
            [
                "x-ratelimit-limit: 3".to_owned(),
                format!("x-ratelimit-remaining: {remaining}"),
                "x-ratelimit-reset: DAY".to_owned(),
            ]
        );
    }
    let reply = gate.read_as(&ALICE, "/v1/items");
    let wait = assert_limited(&reply);
    assert_eq!(
        told(&reply),
        [
            "x-ratelimit-limit: 3",
            "x-ratelimit-remaining: 0",
            "x-ratelimit-reset: DAY"
        ]
    );
    let reset: u64 = reply.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert!(wait.abs_diff(reset) <= 1, "{wait} and {reset}");
}

#[test]
fn each_window_is_told_in_fields_of_its_own() {
    let upstream = Recorder::ok();
    let gate = gate(
        &upstream,
        r#"limits = ["1/hour", "3/day"]"#,
        r#"["x-ratelimit-window"]"#,
    );
    let reply = gate.read_as(&ALICE, "/v1/items");
    let expected = [
        "ratelimit-reset: HOUR",
        "x-ratelimit-limit-day: 3",
        "x-ratelimit-limit-hour: 1",
        "x-ratelimit-remaining-day: 2",
        "x-ratelimit-remaining-hour: 0",
    ];
    assert_eq!(told(&reply), expected);
    let reply = gate.read_as(&ALICE, "/v1/items");
    let wait = assert_limited(&reply);
    assert!((3_300..=3_600).contains(&wait), "{wait}");
    assert_eq!(
        told(&reply),
        expected,
        "what is refused takes nothing from the day either"
    );
}

#[test]
fn the_ietf_fields_name_their_policies() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream, r#"limits = ["1/hour", "3/day"]"#, r#"["ietf"]"#);
    let policy = r#"ratelimit-policy: "Items/hour";q=1;w=3600, "Items/day";q=3;w=86400"#;
    assert_eq!(
        told(&gate.read_as(&ALICE, "/v1/items")),
        [
            policy,
            r#"ratelimit: "Items/hour";r=0;t=HOUR, "Items/day";r=2;t=DAY"#
        ]
    );
    // A refusal tells the windows that refuse: Retry-After is not before their end.
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_limited(&reply);
    assert_eq!(
        told(&reply),
        [policy, r#"ratelimit: "Items/hour";r=0;t=HOUR"#]
    );
}

#[test]
fn a_policy_is_a_string_of_structured_fields_whatever_the_group_is_called() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(
            "[[category]]\nname = 'Größe \"x\\y\"'\nlimits = [\"9/day\"]\n\
             [[category.scope]]\nid = \"items:read\"\nallow = [\"GET /v1/items\"]\n",
        )
        .tokens(ALICE.token(&["items:read"]))
        .section("[limits]\nrate_limit_headers = [\"ietf\"]")
        .start();
    assert_eq!(
        told(&gate.read_as(&ALICE, "/v1/items")),
        [
            r#"ratelimit-policy: "Gr??e \"x\\y\"/day";q=9;w=86400"#,
            r#"ratelimit: "Gr??e \"x\\y\"/day";r=8;t=DAY"#,
        ]
    );
}

#[test]
fn the_gates_fields_replace_the_upstreams() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 200 OK\r\nX-RateLimit-Limit: 7\r\nx-ratelimit-limit: 8\r\n\
          X-RateLimit-Remaining-hour: 6\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gate = gate(
        &upstream,
        r#"limits = ["4/hour"]"#,
        r#"["x-ratelimit", "ietf"]"#,
    );
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_eq!(reply.all("x-ratelimit-limit"), ["4"]);
    assert_eq!(
        reply.all("x-ratelimit-remaining-hour"),
        ["6"],
        "a name that is not the gate's"
    );
    assert!(reply.header("ratelimit").is_some());
    // Where nothing is counted the upstream speaks for itself.
    let reply = gate.read_as(&ALICE, "/v1/items/free");
    assert_eq!(reply.all("x-ratelimit-limit"), ["7", "8"]);
}

#[test]
fn nothing_is_told_where_that_is_configured() {
    let upstream = Recorder::replying(|_| ok("ok"));
    let gate = gate(&upstream, r#"limits = ["1/hour"]"#, "[]");
    assert_eq!(told(&gate.read_as(&ALICE, "/v1/items")), [""; 0]);
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert!(assert_limited(&reply) > 3_000);
    assert_eq!(told(&reply), [""; 0]);
}

#[test]
fn an_admitted_request_that_the_upstream_fails_is_counted_and_told() {
    let gate = Gate::builder()
        .catalog(catalog(r#"limits = ["2/hour"]"#))
        .tokens(holders(&[(&ALICE, "")]))
        .start();
    let reply = gate.read_as(&ALICE, "/v1/items");
    reply.assert_refused(502, "upstream_unreachable");
    assert_eq!(reply.header("x-ratelimit-remaining"), Some("1"));
    assert_eq!(reply.header("retry-after"), None);
}
