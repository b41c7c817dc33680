//! Limits of tokens and accounts: how many requests in a window, and how many in flight.

mod concurrent;
mod in_flight;
mod told;

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fixture::{OPERATOR, tokens};
use crate::support::http1::Ask;
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder, Reply, Who, eventually};

/// Items and two rules that are counted apart.
fn catalog(items: &str) -> String {
    format!(
        r#"
[limits]
per = "token"
[[limits.group]]
name = "search"
limits = ["3/hour"]
[[limits.group]]
name = "free"
limits = []

[paths]
public = ["GET /ping"]

[[category]]
name = "Items"
{items}
[[category.scope]]
id = "items:read"
name = "Read items"
allow = [
    "GET /v1/items",
    {{ rule = "GET /v1/items/search", limit = "search" }},
    {{ rule = "GET /v1/items/free", limit = "free" }},
]
[[category.scope]]
id = "items:write"
allow = ["POST /v1/items"]

[[category]]
name = "Rooms"
limits = ["5/hour"]
[[category.scope]]
id = "rooms:join"
allow = [{{ rule = "GET /ws/{{room}}", upgrade = true }}]
"#
    )
}

/// These tokens, each with its account and all scopes.
fn holders(of: &[(&Who, &str)]) -> String {
    let scopes = ["items:read", "items:write", "rooms:join"];
    let token = |(who, account): &(&Who, &str)| {
        let account = match *account {
            "" => String::new(),
            account => format!("account = \"{account}\"\n"),
        };
        format!("{}{account}\n", who.token(&scopes))
    };
    of.iter().map(token).collect()
}

fn gate(upstream: &Recorder, items: &str, of: &[(&Who, &str)]) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(catalog(items))
        .tokens(holders(of))
        .start()
}

#[track_caller]
fn assert_limited(reply: &Reply) -> u64 {
    reply.assert_refused(429, "rate_limited");
    let wait = reply.header("retry-after").expect("when to come back");
    wait.parse().expect("whole seconds")
}

/// Reads items until that is refused, and gives how often it was not.
#[track_caller]
fn left(gate: &Gate, who: &Who) -> usize {
    let mut taken = 0;
    loop {
        let reply = gate.read_as(who, "/v1/items");
        if reply.status != 200 {
            assert_limited(&reply);
            return taken;
        }
        taken += 1;
        assert!(taken < 1_000, "there is no end");
    }
}

#[test]
fn a_window_admits_what_it_says_and_refuses_the_rest() {
    let upstream = Recorder::ok();
    let gate = gate(
        &upstream,
        r#"limits = ["3/hour"]"#,
        &[(&ALICE, ""), (&BOB, "")],
    );
    assert_eq!(left(&gate, &ALICE), 3);
    let wait = assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    assert!((3_500..=3_600).contains(&wait), "{wait} s");
    assert_eq!(upstream.requests().len(), 3, "what is refused goes nowhere");
    // Every rule of the category counts, and nobody else's requests do.
    let post = gate.ask("POST", "/v1/items").by(&ALICE).send();
    assert_limited(&post);
    assert_eq!(left(&gate, &BOB), 3);
    assert_eq!(
        gate.read_as(&ALICE, "/ping").status,
        200,
        "public rules have no holder"
    );
    // Workers write their records in no order.
    let hers = |record: &Value| record["sid"] == "alice" && record["method"] == "GET";
    let record = gate.record(|record| record["status"] == 429 && hers(record));
    assert_eq!(record["code"], "rate_limited");
    assert_eq!(record["scope"], "items:read");
    assert!(record["upstream"].is_null(), "{record}");
    let metrics = gate.ask_admin("/metrics").text();
    for line in [
        r#"sidgate_rate_limited_total{limit="rate"} 4"#,
        "sidgate_rate_limit_counters 2",
        r#"sidgate_requests_total{code="rate_limited",status="4xx"} 4"#,
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn what_earlier_rows_refuse_consumes_nothing() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream, r#"limits = ["2/hour"]"#, &[(&ALICE, "")]);
    let wrong = Who {
        secret: "not-alices-auth-token-of-many-bits",
        ..ALICE
    };
    for _ in 0..5 {
        assert_eq!(gate.read_as(&wrong, "/v1/items").status, 401);
        assert_eq!(gate.ask("GET", "/v1/items").send().status, 401);
        assert_eq!(gate.read_as(&ALICE, "/v1//items").status, 400);
        assert_eq!(gate.read_as(&ALICE, "/v1/other").status, 403);
        assert_eq!(
            gate.ask("DELETE", "/v1/items").by(&ALICE).send().status,
            403
        );
    }
    assert_eq!(left(&gate, &ALICE), 2);
}

#[test]
fn tokens_of_an_account_share_its_windows() {
    let upstream = Recorder::ok();
    // Carol is called as the account of the others is, and is not that account.
    let accounts = [(&ALICE, "carol"), (&BOB, "carol"), (&CAROL, "")];
    let items = "limits = [\"4/hour\"]\nlimits_per = \"account\"";
    let gate = gate(&upstream, items, &accounts);
    for who in [&ALICE, &BOB, &ALICE] {
        assert_eq!(gate.read_as(who, "/v1/items").status, 200);
    }
    assert_eq!(left(&gate, &BOB), 1);
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    assert_eq!(left(&gate, &CAROL), 4);
    // What is counted for each token stays its own.
    for who in [&ALICE, &BOB] {
        let search = || gate.read_as(who, "/v1/items/search").status;
        assert_eq!(
            [search(), search(), search(), search()],
            [200, 200, 200, 429]
        );
    }
}

#[test]
fn rules_of_a_group_count_apart_from_their_category() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream, r#"limits = ["2/hour"]"#, &[(&ALICE, "")]);
    assert_eq!(left(&gate, &ALICE), 2);
    let search = || gate.read_as(&ALICE, "/v1/items/search").status;
    assert_eq!(
        [search(), search(), search(), search()],
        [200, 200, 200, 429]
    );
    for _ in 0..10 {
        assert_eq!(gate.read_as(&ALICE, "/v1/items/free").status, 200);
    }
    let catalog = gate.ask_admin("/v1/catalog").json();
    assert_eq!(
        catalog["limit_groups"],
        json!([
            {"name": "search", "limits": ["3/hour"], "per": "token"},
            {"name": "free", "limits": [], "per": "token"},
        ])
    );
    let items = &catalog["categories"][0];
    assert_eq!(
        (&items["limits"], &items["limits_per"]),
        (&json!(["2/hour"]), &json!("token"))
    );
}

#[test]
fn what_was_counted_survives_reloads_and_new_limits_hold_at_once() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream, r#"limits = ["3/hour"]"#, &[(&ALICE, "")]);
    assert_eq!(left(&gate, &ALICE), 3);
    let reload = |items: &str, tokens: String, revision: &mut u64| {
        gate.replace("catalog.toml", catalog(items));
        gate.replace("tokens.toml", tokens);
        let wanted = |status: &serde_json::Value| {
            let seen = status["revision"].as_u64().expect("a number");
            (seen > *revision && status["fault"].is_null()).then_some(seen)
        };
        *revision = eventually("a reload", Duration::from_secs(5), || {
            wanted(&gate.status())
        });
    };
    let mut revision = gate.status()["revision"].as_u64().expect("a number");
    // Other tokens come, and another window; the one that is open stays used up.
    let both = holders(&[(&ALICE, ""), (&BOB, "")]);
    reload(
        "limits = [\"3/hour\", \"9/day\"]",
        both.clone(),
        &mut revision,
    );
    eventually("bob is there", Duration::from_secs(5), || {
        (gate.read_as(&BOB, "/v1/items").status == 200).then_some(())
    });
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    // Two more are two more.
    reload("limits = [\"5/hour\"]", both.clone(), &mut revision);
    eventually("the new limit", Duration::from_secs(5), || {
        let reply = gate.read_as(&ALICE, "/v1/items");
        (reply.status == 200).then(|| assert_eq!(reply.header("x-ratelimit-remaining"), Some("1")))
    });
    assert_eq!(left(&gate, &ALICE), 1);
    // A token that goes and comes back under the same SID is the same holder.
    reload(
        "limits = [\"5/hour\"]",
        holders(&[(&BOB, "")]),
        &mut revision,
    );
    eventually("alice is gone", Duration::from_secs(5), || {
        (gate.read_as(&ALICE, "/v1/items").status == 401).then_some(())
    });
    reload("limits = [\"5/hour\"]", both, &mut revision);
    eventually("alice is back", Duration::from_secs(5), || {
        (gate.read_as(&ALICE, "/v1/items").status == 429).then_some(())
    });
}

#[test]
fn neither_a_reset_nor_disabling_gives_a_fresh_window() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream, r#"limits = ["2/hour"]"#, &[(&ALICE, "")]);
    assert_eq!(left(&gate, &ALICE), 2);
    let call = |action: &str| {
        let path = format!("/v1/tokens/alice/{action}");
        let ask = Ask::new(gate.admin_address(), "POST", &path).by(&OPERATOR);
        let reply = ask
            .header("Content-Type", "application/json")
            .body("{}")
            .send();
        assert_eq!(reply.status, 200, "{action}: {}", reply.text());
        reply
    };
    call("disable");
    assert_eq!(gate.read_as(&ALICE, "/v1/items").code(), "token_disabled");
    call("enable");
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    let reset = call("reset").json();
    let secret = reset["auth_token"].as_str().expect("a new auth token");
    let basic = crate::support::fixture::basic(&format!("alice:{secret}"));
    let ask = gate.ask("GET", "/v1/items").header("Authorization", &basic);
    assert_limited(&ask.send());
}

#[test]
fn without_limits_nothing_is_counted_or_told() {
    let upstream = Recorder::ok();
    let gate = Gate::builder().before(&upstream).tokens(tokens()).start();
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_eq!(reply.status, 200);
    assert!(
        !reply.raw.to_ascii_lowercase().contains("ratelimit"),
        "{}",
        reply.raw
    );
    let metrics = gate.ask_admin("/metrics").text();
    assert!(
        metrics.contains("sidgate_rate_limit_counters 0"),
        "{metrics}"
    );
}

#[test]
fn a_limit_of_zero_is_named_with_its_place() {
    for (limits, place) in [
        (r#"limits = ["0/hour"]"#, "catalog.toml:16:11: "),
        (r#"limits = ["9/day", "00/day"]"#, "catalog.toml:16:20: "),
    ] {
        let output = Gate::builder()
            .catalog(catalog(limits))
            .tokens(holders(&[]))
            .run("check");
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(place), "{told}");
        assert!(told.contains("a limit is a count from 1"), "{told}");
    }
}

#[test]
fn counters_are_bounded_and_who_has_one_keeps_it() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog(r#"limits = ["9/hour"]"#))
        .tokens(holders(&[(&ALICE, ""), (&BOB, "")]))
        .section("[limits]\nrate_limit_counters = 1")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    let reply = gate.read_as(&BOB, "/v1/items");
    reply.assert_refused(503, "overloaded");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    gate.logged(&["rate_limit_counters"]);
}
