//! Versions: the token's, the request's, rules that hold for some, upstreams of their own.

use crate::support::fixture::CATALOG;
use crate::support::{ALICE, Gate, Recorder, Who};

const OLD: Who = Who {
    sid: "old",
    secret: "old-secret",
};

fn tokens() -> String {
    format!(
        "{}{}api_version = \"15\"\n",
        ALICE.token(&["items:read"]),
        OLD.token(&["items:read"])
    )
}

#[test]
fn the_version_is_the_tokens_or_the_latest() {
    let upstream = Recorder::ok();
    let gate = Gate::builder().before(&upstream).tokens(tokens()).start();
    for (who, version) in [(ALICE, "16"), (OLD, "15")] {
        assert_eq!(gate.read_as(&who, "/v1/items").status, 200);
        assert_eq!(upstream.last().header("x-api-version"), Some(version));
    }
}

#[test]
fn a_client_cannot_name_the_version_by_the_gates_own_header() {
    let upstream = Recorder::ok();
    let gate = Gate::builder().before(&upstream).tokens(tokens()).start();
    let reply = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("X-Api-Version", "15")
        .send();
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.only().header("x-api-version"), Some("16"));
}

#[test]
fn a_rule_may_hold_for_some_versions_only() {
    let upstream = Recorder::ok();
    let catalog = CATALOG.replace(
        "allow = [\"GET /v1/items\", \"GET /v1/items/{id}\"]",
        "allow = [\"GET /v1/items\", { rule = \"GET /v1/items/{id}\", versions = [\"16\"] }]",
    );
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog)
        .tokens(tokens())
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items/1").status, 200);
    assert_eq!(gate.read_as(&OLD, "/v1/items").status, 200);
    gate.read_as(&OLD, "/v1/items/1")
        .assert_refused(403, "no_route");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_version_may_have_an_upstream_of_its_own() {
    let (new, old) = (Recorder::ok(), Recorder::ok());
    let catalog = CATALOG.replace("id = \"15\"", "id = \"15\"\nupstream = \"old\"");
    let gate = Gate::builder()
        .before(&new)
        .section(&format!(
            "[[upstream]]\nname = \"old\"\nservers = [\"{}\"]\n",
            old.url()
        ))
        .catalog(catalog)
        .tokens(tokens())
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    assert_eq!(gate.read_as(&OLD, "/v1/items/1").status, 200);
    assert_eq!(new.only().target, "/v1/items");
    let targets: Vec<String> = old.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, ["/v1/items/1"]);
}
