//! Which rule a request meets.

use crate::support::fixture::{CATALOG, token};
use crate::support::{ALICE, Gate, Recorder};

/// A catalogue of one category with these scopes and rules.
fn catalog(scopes: &[(&str, &[&str])]) -> String {
    let mut text = String::from("[[category]]\nname = \"All\"\n");
    for (id, rules) in scopes {
        text.push_str(&format!(
            "[[category.scope]]\nid = \"{id}\"\nname = \"{id}\"\nallow = {rules:?}\n"
        ));
    }
    text
}

#[test]
fn a_literal_beats_a_name_beats_a_tail_with_backtracking() {
    let upstream = Recorder::ok();
    let catalog = catalog(&[
        ("literal", &["GET /a/b/c"]),
        ("name", &["GET /a/{x}/c", "GET /a/{x}"]),
        ("tail", &["GET /a/{*rest}"]),
        ("post", &["POST /a/b"]),
    ]);
    let who = token("alice", ALICE.secret, &["literal", "name", "tail", "post"]);
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog)
        .tokens(who)
        .start();
    for (method, path, scope) in [
        ("GET", "/a/b/c", "literal"),
        ("GET", "/a/z/c", "name"),
        ("GET", "/a/z", "name"),
        // The literal `b` leads nowhere: the tail is found by going back.
        ("GET", "/a/b/d", "tail"),
        ("GET", "/a/b/c/d", "tail"),
        // `POST /a/b` is no rule for GET, so `{x}` is.
        ("GET", "/a/b", "name"),
        ("POST", "/a/b", "post"),
    ] {
        let reply = gate.ask(method, path).by(&ALICE).send();
        assert_eq!(reply.status, 200, "{method} {path}");
        assert_eq!(
            upstream.last().header("x-auth-scope"),
            Some(scope),
            "{method} {path}"
        );
    }
    // `{*rest}` takes one segment at least, and no segment is empty.
    for path in ["/a", "/a/", "/A/b/c", "/"] {
        assert_eq!(gate.read_as(&ALICE, path).code(), "no_route", "{path}");
    }
}

#[test]
fn a_trailing_slash_is_significant() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    assert_eq!(gate.read_as(&ALICE, "/v1/items/").code(), "no_route");
    assert_eq!(gate.read_as(&ALICE, "/v1/items/1/").code(), "no_route");
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    let catalog = catalog(&[("slash", &["GET /list/"])]);
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog)
        .tokens(ALICE.token(&["slash"]))
        .start();
    assert_eq!(gate.read_as(&ALICE, "/list/").status, 200);
    assert_eq!(gate.read_as(&ALICE, "/list").code(), "no_route");
}

#[test]
fn methods_and_literals_are_case_sensitive_and_head_is_its_own_method() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for (method, path) in [
        ("get", "/v1/items"),
        ("Get", "/v1/items"),
        ("HEAD", "/v1/items"),
        ("OPTIONS", "/v1/items"),
        ("PROPFIND", "/v1/items"),
        ("GET", "/V1/items"),
        ("GET", "/v1/Items"),
    ] {
        let reply = gate.ask(method, path).by(&ALICE).send();
        assert_eq!(reply.status, 403, "{method} {path}");
    }
    assert_eq!(gate.ask("HEAD", "/ping").send().status, 200);
    assert_eq!(upstream.only().method, "HEAD");
}

#[test]
fn a_star_is_any_method() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "X",
    ] {
        let reply = gate.ask(method, "/any/thing").by(&ALICE).send();
        assert_eq!(reply.status, 200, "{method}");
        assert_eq!(upstream.last().method, method);
    }
    let reply = gate.ask("TRACE", "/any/thing").by(&ALICE).send();
    reply.assert_refused(405, "method_not_allowed");
}

#[test]
fn any_of_the_scopes_of_a_rule_admits() {
    let upstream = Recorder::ok();
    let catalog = catalog(&[("one", &["GET /x"]), ("two", &["GET /x", "GET /y"])]);
    let tokens = format!(
        "{}{}{}",
        token("alice", ALICE.secret, &["two"]),
        token("both", "b", &["two", "one"]),
        token("none", "n", &[]),
    );
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog)
        .tokens(tokens)
        .start();
    assert_eq!(gate.read_as(&ALICE, "/x").status, 200);
    assert_eq!(upstream.last().header("x-auth-scope"), Some("two"));
    let both = crate::support::Who {
        sid: "both",
        secret: "b",
    };
    assert_eq!(gate.read_as(&both, "/x").status, 200);
    let scope = upstream.last().header("x-auth-scope").map(str::to_owned);
    assert!(matches!(scope.as_deref(), Some("one" | "two")), "{scope:?}");
    let none = crate::support::Who {
        sid: "none",
        secret: "n",
    };
    let reply = gate.read_as(&none, "/x");
    reply.assert_refused(403, "scope_not_granted");
    let mut required: Vec<String> =
        serde_json::from_value(reply.json()["required_scopes"].clone()).unwrap();
    required.sort();
    assert_eq!(required, ["one", "two"]);
}

#[test]
fn ignored_suffixes_are_no_part_of_a_rule_and_are_forwarded() {
    let upstream = Recorder::ok();
    let catalog = CATALOG.replace(
        "[paths]\n",
        "[paths]\nignored_suffixes = [\".json\", \".xml\"]\n",
    );
    let gate = Gate::builder().before(&upstream).catalog(catalog).start();
    for path in [
        "/v1/items.json",
        "/v1/items/7.xml",
        "/v1/items/a.b.json",
        "/Mediapartners/alice/Ads.json",
    ] {
        assert_eq!(gate.read_as(&ALICE, path).status, 200, "{path}");
        assert_eq!(upstream.last().target, path);
    }
    for path in [
        "/v1/items.csv",
        "/v1.json/items",
        "/Mediapartners/alice.json/Ads",
    ] {
        let reply = gate.read_as(&ALICE, path);
        assert_eq!(reply.status, 403, "{path}");
    }
}

#[test]
fn public_rules_ignore_credentials_and_set_no_identity() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for ask in [
        gate.ask("GET", "/ping"),
        gate.ask("GET", "/ping").by(&ALICE),
        gate.ask("GET", "/ping")
            .header("Authorization", "Basic ???"),
        gate.ask("GET", "/public/a/b")
            .header("X-Auth-Sid", "alice")
            .header("X-Auth-Scope", "all"),
    ] {
        assert_eq!(ask.send().status, 200);
        let seen = upstream.last();
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("x-auth-sid"), None);
        assert_eq!(seen.header("x-auth-scope"), None);
    }
    assert_eq!(upstream.requests().len(), 4);
    assert_eq!(
        gate.ask("DELETE", "/ping").send().code(),
        "missing_credentials"
    );
    assert_eq!(
        gate.ask("GET", "/public").send().code(),
        "missing_credentials"
    );
}
