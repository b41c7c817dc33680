use std::path::Path;

use super::*;
use crate::token::State;

const CATALOG: &str = r#"
[versions]
latest = "2"
query = ["v"]
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[paths]
ignored_suffixes = [".json"]
public = ["GET /status"]
[[category]]
name = "All"
[[category.scope]]
id = "read"
allow = ["GET /items", { rule = "GET /feed", upgrade = true }, "GET /accounts/{sid}"]
[[category.scope]]
id = "write"
allow = ["GET,POST /items", { rule = "GET /new", versions = ["2"] }]
"#;

fn catalog() -> Catalog {
    Catalog::parse(Path::new("catalog.toml"), CATALOG, None).expect("no fault")
}

fn holder(catalog: &Catalog, state: State, scopes: &[&str]) -> Arc<Token> {
    let numbers = scopes
        .iter()
        .map(|id| catalog.scope_number(id).expect("known"));
    let sid = Sid::parse(b"IRme").expect("a SID");
    Arc::new(Token {
        state,
        ..Token::supposed(sid, numbers.collect())
    })
}

#[test]
fn a_decision_names_what_decides() {
    let catalog = catalog();
    let read = holder(&catalog, State::Enabled, &["read"]);
    let disabled = holder(&catalog, State::Disabled, &["read"]);
    let (read, disabled, any) = (Holder::Token(&read), Holder::Token(&disabled), Holder::Any);
    for (holder, method, path, version, code, reason) in [
        (
            read,
            "GET",
            "/items",
            None,
            Code::Ok,
            "the scope read admits it",
        ),
        (
            any,
            "GET",
            "/items.json?x=/..",
            None,
            Code::Ok,
            "a token with one of the scopes read, write is admitted",
        ),
        (
            any,
            "POST",
            "/items",
            None,
            Code::Ok,
            "a token with the scope write is admitted",
        ),
        (
            any,
            "GET",
            "/accounts/IRx",
            None,
            Code::Ok,
            "a token with the scope read is admitted",
        ),
        (
            any,
            "GET",
            "/accounts/a:b",
            None,
            Code::SidMismatch,
            "the {sid} in the path is neither the SID nor the account of the token",
        ),
        (
            read,
            "GET",
            "/accounts/IRx",
            None,
            Code::SidMismatch,
            "the {sid} in the path is neither the SID nor the account of the token",
        ),
        (
            read,
            "GET",
            "/accounts/IRme",
            None,
            Code::Ok,
            "the scope read admits it",
        ),
        (
            read,
            "POST",
            "/items",
            None,
            Code::ScopeNotGranted,
            "the token does not hold the scope write",
        ),
        (
            read,
            "PUT",
            "/items",
            None,
            Code::NoRoute,
            "no rule names PUT /items under version 2; for this path there are rules for GET, POST",
        ),
        (
            read,
            "GET",
            "/new",
            None,
            Code::ScopeNotGranted,
            "the token does not hold the scope write",
        ),
        (
            read,
            "GET",
            "/new",
            Some("1"),
            Code::NoRoute,
            "no rule names GET /new under version 1",
        ),
        (
            any,
            "GET",
            "/new",
            Some("1"),
            Code::NoRoute,
            "no rule names GET /new under version 1",
        ),
        (
            read,
            "GET",
            "/new?v=1&x",
            None,
            Code::NoRoute,
            "no rule names GET /new under version 1",
        ),
        (
            read,
            "GET",
            "/items?v=3",
            None,
            Code::UnknownVersion,
            "the catalogue does not have the version that the request names",
        ),
        (
            any,
            "GET",
            "/status?v=1#?v=2",
            Some("1"),
            Code::Ok,
            "a public rule admits it; credentials are not looked at",
        ),
        (
            any,
            "GET",
            "/status?v=1",
            Some("2"),
            Code::VersionConflict,
            "the request names its version more than once, and differently",
        ),
        (
            disabled,
            "GET",
            "/items?v=3",
            Some("1"),
            Code::TokenDisabled,
            "the token is disabled",
        ),
        (
            disabled,
            "GET",
            "/items",
            None,
            Code::TokenDisabled,
            "the token is disabled",
        ),
        (
            disabled,
            "GET",
            "/status",
            None,
            Code::Ok,
            "a public rule admits it; credentials are not looked at",
        ),
        (
            any,
            "GET",
            "/a/%2e",
            None,
            Code::BadRequestTarget,
            "the path has a . or .. segment",
        ),
        (
            any,
            "GET",
            "http://x/",
            None,
            Code::BadRequestTarget,
            "the path does not begin with /",
        ),
        (
            any,
            "TRACE",
            "/items",
            None,
            Code::MethodNotAllowed,
            "TRACE is never served",
        ),
    ] {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        let version = version.and_then(|id| catalog.version_number(id));
        let decision = explain(&catalog, holder, &method, path, version);
        let told = (decision.code, decision.reason.as_str(), decision.admitted);
        assert_eq!(told, (code, reason, code == Code::Ok), "{method} {path}");
    }
}

#[test]
fn the_scopes_and_the_line_are_told_on_both_outcomes() {
    let catalog = catalog();
    let write = holder(&catalog, State::Enabled, &["write"]);
    let ask = |path| explain(&catalog, Holder::Token(&write), &Method::GET, path, None);
    let admitted = ask("/%69tems.json?page=2");
    assert_eq!(admitted.path.as_deref(), Some("/items.json"));
    assert_eq!(admitted.scope.as_deref(), Some("write"));
    assert_eq!(admitted.rule.as_deref(), Some("GET,POST /items"));
    assert_eq!(admitted.line, Some(19));
    assert_eq!(admitted.version.as_deref(), Some("2"));
    assert_eq!(admitted.required_scopes.join(" "), "read write");
    assert!(!admitted.upgrade);

    let refused = ask("/feed");
    assert_eq!((refused.scope, refused.upgrade), (None, false));
    assert_eq!(refused.rule.as_deref(), Some("GET /feed"));
    assert_eq!(refused.line, Some(16));
    assert_eq!(refused.required_scopes.join(" "), "read");
    assert!(explain(&catalog, Holder::Any, &Method::GET, "/feed", None).upgrade);

    // A path that no token could call tells of no scope that would help.
    assert!(ask("/nothing").required_scopes.is_empty());
}
