//! Class J: the admin side from the data port, and what must never be written down.

use crate::support::fixture::{OPERATOR, basic, digest};
use crate::support::http1::Ask;
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder};

/// Ways to say an admin path to the gate.
fn spellings(path: &str, admin: &str) -> Vec<String> {
    let bare = path.trim_start_matches('/');
    vec![
        path.to_owned(),
        format!("{path}/"),
        format!("{path}?x=1"),
        format!("{path};x"),
        format!("{path}%00"),
        format!("{path}%2f"),
        format!("/{path}"),
        format!("/.{path}"),
        format!("/any/..{path}"),
        format!("/any/%2e%2e{path}"),
        format!("/any/..%2f{bare}"),
        format!("/any/..;{path}"),
        format!("/any//..{path}"),
        format!("/%{:02x}{}", bare.as_bytes()[0], &bare[1..]),
        path.to_uppercase(),
        path.replace('/', "\\"),
        bare.to_owned(),
        format!("http://{admin}{path}"),
        format!("http://ops@{admin}{path}"),
        format!("//{admin}{path}"),
    ]
}

#[test]
fn the_admin_side_is_not_reached_through_the_gate() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let admin = gate.admin_address().to_string();
    for path in [
        "/v1/status",
        "/v1/tokens",
        "/v1/tokens/bob",
        "/v1/tokens/bob/reset",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
    ] {
        for target in spellings(path, &admin) {
            for method in ["GET", "POST", "DELETE"] {
                for who in [None, Some(&ALICE), Some(&OPERATOR)] {
                    let ask = gate.ask(method, &target).host(&admin);
                    let reply = who.map_or(ask.clone(), |who| ask.by(who)).send();
                    assert!(
                        matches!(reply.status, 400 | 401 | 403),
                        "{method} {target} by {who:?}: {reply:?}"
                    );
                }
            }
        }
    }
    assert_eq!(upstream.connections(), 0);
    // Bob was neither reset nor deleted.
    assert_eq!(
        gate.ask("POST", "/v1/items")
            .by(&BOB)
            .body("x")
            .send()
            .status,
        200
    );
}

#[test]
fn the_admin_side_takes_operators_only_and_by_its_own_name() {
    let gate = Gate::builder().start();
    let ask = |path: &str| Ask::new(gate.admin_address(), "GET", path);
    for path in ["/v1/status", "/metrics"] {
        assert_eq!(ask(path).send().status, 401, "{path}");
        assert_eq!(ask(path).by(&ALICE).send().status, 401, "{path}");
        let rebound = ask(path).host("evil.example").by(&OPERATOR).send();
        assert!(
            matches!(rebound.status, 400 | 403 | 421),
            "{path}: {rebound:?}"
        );
        let cross = ask(path)
            .by(&OPERATOR)
            .header("Origin", "http://evil.example")
            .header("Sec-Fetch-Site", "cross-site")
            .send();
        assert!(matches!(cross.status, 403 | 421), "{path}: {cross:?}");
        assert_eq!(ask(path).by(&OPERATOR).send().status, 200, "{path}");
    }
    assert_eq!(ask("/healthz").send().status, 200);
}

#[test]
fn no_secret_is_ever_written_down() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[log]\nlevel = \"trace\"")
        .start();
    let secret_in_query = "/v1/items?access_token=alices-query-secret";
    for ask in [
        gate.ask("GET", secret_in_query).by(&ALICE),
        gate.ask("GET", "/v1/items")
            .header("Authorization", &basic("alice:a-wrong-one")),
        gate.ask("GET", "/a//b").by(&ALICE),
        gate.ask("GET", "/v1/items").by(&CAROL),
        gate.ask("POST", "/v1/items")
            .by(&BOB)
            .body("a body of secrets"),
        gate.ask("GET", "/nothing")
            .header("Cookie", "a-cookie-secret")
            .by(&ALICE),
    ] {
        let reply = ask.send();
        let text = format!("{}{}", reply.raw, reply.text());
        for secret in [ALICE, BOB, CAROL] {
            assert!(!text.contains(secret.secret) && !text.contains(&secret.basic()[6..]));
        }
    }
    gate.replace(
        "tokens.toml",
        gate.read("tokens.toml").replace("digest =", "digset ="),
    );
    gate.logged(&["tokens.toml"]);
    let metrics = gate.ask_admin("/metrics");
    assert_eq!(metrics.status, 200);
    gate.record(|record| record["sid"] == "bob");
    let pid = gate.pid();
    let read = |name: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{name}")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let everything = [
        gate.log().join("\n"),
        gate.records().iter().map(ToString::to_string).collect(),
        metrics.text(),
        gate.status().to_string(),
        read("cmdline"),
        read("environ"),
    ]
    .join("\n");
    for who in [ALICE, BOB, CAROL, OPERATOR] {
        let hash = digest(who.secret);
        for secret in [
            who.secret,
            &who.basic()[6..],
            hash.trim_start_matches("sha256:"),
        ] {
            assert!(!everything.contains(secret), "{} is written down", who.sid);
        }
    }
    for secret in [
        "a-wrong-one",
        "alices-query-secret",
        "a body of secrets",
        "a-cookie-secret",
    ] {
        assert!(!everything.contains(secret), "{secret} is written down");
    }
}
