//! Contract section 3: each row of the table, their order, and what an answer looks like.

mod binding;
mod digests;
mod matching;
mod versions;

use crate::support::fixture::{DAVE, basic};
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder};

#[test]
fn what_a_rule_and_a_scope_allow_is_forwarded() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let reply = gate.read_as(&ALICE, "/v1/items/7");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    let seen = upstream.only();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/v1/items/7")
    );
    assert_eq!(seen.header("x-auth-sid"), Some("alice"));
    assert_eq!(seen.header("x-auth-scope"), Some("items:read"));
    assert_eq!(seen.header("x-request-id"), reply.header("x-request-id"));
}

#[test]
fn each_refusal_has_its_status_code_and_shape() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let wrong = basic("alice:not-her-auth-token");
    let cases = [
        (
            "dot segment",
            gate.ask("GET", "/v1/../v1/items").by(&ALICE),
            400,
            "bad_request_target",
        ),
        (
            "absolute form",
            gate.ask("GET", "http://localhost/v1/items").by(&ALICE),
            400,
            "bad_request_target",
        ),
        (
            "two hosts",
            gate.ask("GET", "/v1/items")
                .by(&ALICE)
                .header("Host", "localhost"),
            400,
            "bad_host",
        ),
        (
            "empty host",
            gate.ask("GET", "/v1/items").host("").by(&ALICE),
            400,
            "bad_host",
        ),
        (
            "bad host",
            gate.ask("GET", "/v1/items").host("a/b").by(&ALICE),
            400,
            "bad_host",
        ),
        (
            "TRACE",
            gate.ask("TRACE", "/any").by(&ALICE),
            405,
            "method_not_allowed",
        ),
        (
            "expectation",
            gate.ask("GET", "/v1/items")
                .by(&ALICE)
                .header("Expect", "more"),
            417,
            "expectation_failed",
        ),
        (
            "no credentials",
            gate.ask("GET", "/v1/items"),
            401,
            "missing_credentials",
        ),
        (
            "another scheme",
            gate.ask("GET", "/v1/items")
                .header("Authorization", "Bearer x"),
            401,
            "bad_credentials",
        ),
        (
            "not base64",
            gate.ask("GET", "/v1/items")
                .header("Authorization", "Basic ???"),
            401,
            "bad_credentials",
        ),
        (
            "no colon",
            gate.ask("GET", "/v1/items")
                .header("Authorization", &basic("alice")),
            401,
            "bad_credentials",
        ),
        (
            "wrong auth token",
            gate.ask("GET", "/v1/items").header("Authorization", &wrong),
            401,
            "bad_credentials",
        ),
        (
            "unknown SID",
            gate.ask("GET", "/v1/items").by(&DAVE),
            401,
            "bad_credentials",
        ),
        (
            "two credentials",
            gate.ask("GET", "/v1/items").by(&ALICE).by(&ALICE),
            401,
            "bad_credentials",
        ),
        (
            "disabled",
            gate.ask("GET", "/v1/items").by(&CAROL),
            403,
            "token_disabled",
        ),
        (
            "no rule",
            gate.ask("GET", "/admin/keys").by(&ALICE),
            403,
            "no_route",
        ),
        (
            "no rule for the method",
            gate.ask("DELETE", "/v1/items").by(&ALICE),
            403,
            "no_route",
        ),
        (
            "another SID in the path",
            gate.ask("GET", "/Mediapartners/bob/Ads").by(&ALICE),
            403,
            "sid_mismatch",
        ),
        (
            "scope of another",
            gate.ask("POST", "/v1/items").by(&ALICE).body("{}"),
            403,
            "scope_not_granted",
        ),
    ];
    for (what, ask, status, code) in cases {
        let reply = ask.send();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{what}"
        );
        reply.assert_refused(status, code);
        let challenge = (status == 401).then_some(r#"Basic realm="sidgate", charset="UTF-8""#);
        assert_eq!(reply.header("www-authenticate"), challenge, "{what}");
    }
    assert_eq!(
        upstream.bytes(),
        b"",
        "nothing of a refused request goes upstream"
    );
    assert_eq!(upstream.connections(), 0);
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
}

#[test]
fn a_missing_scope_is_named() {
    let gate = Gate::builder().start();
    let reply = gate.ask("POST", "/v1/items").by(&ALICE).body("{}").send();
    reply.assert_refused(403, "scope_not_granted");
    assert_eq!(
        reply.json()["required_scopes"],
        serde_json::json!(["items:write"])
    );
    let other = gate.read_as(&ALICE, "/nothing");
    assert_eq!(other.json().get("required_scopes"), None);
}

#[test]
fn the_first_row_that_fails_answers() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let cases = [
        (
            "target before credentials",
            gate.ask("GET", "/a//b"),
            "bad_request_target",
        ),
        (
            "host before credentials",
            gate.ask("GET", "/a").host(""),
            "bad_host",
        ),
        (
            "method before credentials",
            gate.ask("TRACE", "/a"),
            "method_not_allowed",
        ),
        (
            "expectation before credentials",
            gate.ask("GET", "/a").header("Expect", "x"),
            "expectation_failed",
        ),
        (
            "credentials before the rule",
            gate.ask("GET", "/nothing"),
            "missing_credentials",
        ),
        (
            "auth token before the state",
            gate.ask("GET", "/v1/items")
                .header("Authorization", &basic("carol:x")),
            "bad_credentials",
        ),
        (
            "state before the rule",
            gate.ask("GET", "/nothing").by(&CAROL),
            "token_disabled",
        ),
        (
            "SID before the scope",
            gate.ask("GET", "/Mediapartners/alice/Ads").by(&BOB),
            "sid_mismatch",
        ),
        (
            "the rule before the scope",
            gate.ask("PUT", "/v1/items").by(&BOB),
            "no_route",
        ),
    ];
    for (what, ask, code) in cases {
        assert_eq!(ask.send().code(), code, "{what}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn the_decision_comes_before_the_upstream() {
    // Nothing listens behind this gate.
    let gate = Gate::builder().start();
    gate.read_as(&BOB, "/v1/items")
        .assert_refused(403, "scope_not_granted");
    gate.read_as(&ALICE, "/v1/items")
        .assert_refused(502, "upstream_unreachable");
}

#[test]
fn an_unknown_sid_and_a_wrong_auth_token_are_the_same_answer_in_bytes() {
    let gate = Gate::builder().start();
    let answer = |pair: &str| {
        let mut client = gate.connect();
        client.send(
            gate.ask("GET", "/v1/items")
                .header("Authorization", &basic(pair))
                .bytes(),
        );
        let reply = client.reply("GET");
        let id = reply
            .header("x-request-id")
            .expect("a request id")
            .to_owned();
        let date = reply.header("date").unwrap_or_default().to_owned();
        assert!(!id.is_empty());
        let all = format!("{}{}", reply.raw, reply.text());
        let all = all.replace(&id, "ID");
        let all = if date.is_empty() {
            all
        } else {
            all.replace(&date, "DATE")
        };
        (
            all,
            id.len(),
            client.ends_within(std::time::Duration::from_millis(200)),
        )
    };
    let unknown = answer("nobody:an-auth-token");
    for pair in [
        "alice:an-auth-token",
        "carol:an-auth-token",
        "bob:alices-auth-token-of-many-bits-1",
        "alice:",
        ":alices-auth-token-of-many-bits-1",
        "alice:alices-auth-token-of-many-bits-",
        "alice:alices-auth-token-of-many-bits-12",
    ] {
        assert_eq!(answer(pair), unknown, "{pair}");
    }
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 200 OK\r\nX-Request-Id: upstreams\r\ncontent-length: 0\r\n\r\n".to_vec()
    });
    let gate = Gate::before(&upstream);
    let mut ids = std::collections::HashSet::new();
    for target in ["/v1/items", "/v1/items", "/nothing", "/a//b"] {
        let reply = gate
            .ask("GET", target)
            .by(&ALICE)
            .header("X-Request-Id", "clients")
            .send();
        let id = reply
            .header("x-request-id")
            .expect("a request id")
            .to_owned();
        assert!(id != "clients" && id != "upstreams", "{id}");
        assert!(ids.insert(id), "two answers have one id");
    }
}

#[test]
fn the_realm_is_configured() {
    let gate = Gate::builder().proxy("realm = \"Partner API\"").start();
    let reply = gate.ask("GET", "/v1/items").send();
    assert_eq!(
        reply.header("www-authenticate"),
        Some(r#"Basic realm="Partner API", charset="UTF-8""#)
    );
}

#[test]
fn the_scheme_is_any_case_and_the_auth_token_may_hold_colons() {
    let upstream = Recorder::ok();
    let secret = "an:auth:token";
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(crate::support::fixture::token("s", secret, &["items:read"]))
        .start();
    for scheme in ["Basic", "basic", "BASIC"] {
        let value = basic(&format!("s:{secret}")).replace("Basic", scheme);
        let reply = gate
            .ask("GET", "/v1/items")
            .header("authorization", &value)
            .send();
        assert_eq!(reply.status, 200, "{value}");
    }
}

#[test]
fn a_refusal_of_head_has_no_body() {
    let gate = Gate::builder().start();
    let mut client = gate.connect();
    client.send(gate.ask("HEAD", "/v1/items").by(&ALICE).bytes());
    let reply = client.reply("HEAD");
    assert_eq!(reply.status, 403);
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json")
    );
    // Had there been a body, it would stand before the next answer.
    client.send(gate.ask("GET", "/nothing").by(&ALICE).bytes());
    client.reply("GET").assert_refused(403, "no_route");
}
