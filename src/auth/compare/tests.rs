use std::path::Path;

use super::*;
use crate::token::Sid;

const CATALOG: &str = r#"
[versions]
latest = "3"
[[versions.version]]
id = "3"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[paths]
public = ["GET /open"]
[[category]]
name = "All"
[[category.scope]]
id = "a"
allow = [
    "GET /always",
    { rule = "GET,POST /new", versions = ["3"] },
    { rule = "* /old/{*rest}", versions = ["1", "2"] },
    "GET,PUT /wide/{x}",
    "GET /deep/{*rest}",
    { rule = "GET /open", versions = ["1"] },
    { rule = "GET /kept", versions = ["1"] },
]
[[category.scope]]
id = "b"
allow = [
    { rule = "GET /wide/one", versions = ["3"] },
    { rule = "* /{any}/two", versions = ["3"] },
    { rule = "GET /deep/{x}/{y}", versions = ["3"] },
    { rule = "GET /accounts/{sid}/new", versions = ["2", "3"] },
    { rule = "GET /kept", versions = ["2", "3"] },
]
[[category.scope]]
id = "c"
allow = [
    { rule = "GET /live", versions = ["1"] },
    { rule = "GET,POST /live", upgrade = true, versions = ["2"] },
    { rule = "GET /live", versions = ["3"] },
]
"#;

/// What changes, a line for each: sign, methods, path, scope, code, scopes that would help.
fn told(scopes: &[&str], from: &str, to: &str) -> Vec<String> {
    told_of(CATALOG, scopes, from, to)
}

fn told_of(catalog: &str, scopes: &[&str], from: &str, to: &str) -> Vec<String> {
    let catalog = Catalog::parse(Path::new("catalog.toml"), catalog, None).expect("no fault");
    let number = |id: &&str| catalog.scope_number(id).expect("known");
    let sid = Sid::parse(b"IRme").expect("a SID");
    let token = Token {
        state: State::Disabled,
        ..Token::supposed(sid, scopes.iter().map(number).collect())
    };
    let version = |id| catalog.version_number(id).expect("known");
    let difference = compare(&catalog, &token, version(from), version(to));
    let line = |sign: &str, call: &Call| {
        format!(
            "{sign} {} {} {} {} {}",
            call.methods.join(","),
            call.path,
            call.scope,
            call.code.as_str(),
            if call.upgrade {
                "upgrade".to_owned()
            } else {
                call.required_scopes.join(" ")
            }
        )
    };
    let gains = difference.gains.iter().map(|call| line("+", call));
    let loses = difference.loses.iter().map(|call| line("-", call));
    gains.chain(loses).collect()
}

#[test]
fn rules_that_come_and_go_are_told() {
    assert_eq!(
        told(&["a"], "2", "3"),
        [
            "+ GET,POST /new a no_route ",
            // Not by a rule that goes, but by one that comes and is narrower.
            "- * /old/two a scope_not_granted b",
            "- * /old/{*rest} a no_route ",
            "- GET /wide/one a scope_not_granted b",
            "- GET /deep/{x}/{y} a scope_not_granted b",
        ]
    );
    // What is public, or stays by another scope, does not change.
    assert_eq!(
        told(&["a", "b"], "1", "2"),
        ["+ GET /accounts/{sid}/new b no_route "]
    );
    assert_eq!(
        told(&["a"], "1", "2"),
        ["- GET /kept a scope_not_granted b"]
    );
    assert_eq!(told(&["a", "b"], "2", "2"), [""; 0]);
    assert_eq!(told(&[], "1", "3"), [""; 0]);
}

#[test]
fn an_upgrade_that_comes_or_goes_alone_is_told() {
    assert_eq!(
        told(&["c"], "1", "2"),
        ["+ GET /live c ok upgrade", "+ POST /live c no_route "]
    );
    assert_eq!(
        told(&["c"], "2", "3"),
        ["- GET /live c ok upgrade", "- POST /live c no_route "]
    );
    assert_eq!(told(&["c"], "1", "3"), [""; 0]);
}

#[test]
fn a_rule_that_takes_calls_from_a_wider_one_is_found_where_they_cross() {
    assert_eq!(
        told(&["b"], "2", "3"),
        [
            "+ GET /wide/one b scope_not_granted a",
            "+ * /old/two b scope_not_granted a",
            "+ * /{any}/two b no_route ",
            "+ GET /deep/{x}/{y} b scope_not_granted a",
        ]
    );
}

const OTHER_SCOPES: &str = r#"
[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[[category]]
name = "All"
[[category.scope]]
id = "a"
allow = [
    { rule = "GET /a/{x}", versions = ["1"] },
    "GET /{x}/{y}",
    "GET /accounts/{*rest}",
    { rule = "GET /accounts/{sid}/orders", versions = ["1"] },
    "GET /files/{id}",
    { rule = "GET /files/{*path}", versions = ["2"] },
    { rule = "GET /z/~any~/{y}", versions = ["1"] },
    { rule = "GET /z/{x}/{y}", versions = ["2"] },
    { rule = "* /any", versions = ["2"] },
    "GET,SEARCH /any",
]
[[category.scope]]
id = "b"
allow = ["GET /{y}/b", "PURGE /purge"]
"#;

#[test]
fn every_kind_of_call_that_a_changed_rule_is_for_is_tried() {
    assert_eq!(
        told_of(OTHER_SCOPES, &["a"], "1", "2"),
        [
            // Another's, where the rule with {sid} is gone.
            "+ GET /accounts/{other}/orders a sid_mismatch ",
            // Of one segment, they were admitted before.
            "+ GET /files/{*path} a no_route ",
            // Whatever literal stands beside it.
            "+ GET /z/{x}/{y} a no_route ",
            // By a method that no other rule names, too.
            "+ HEAD,POST,PUT,PATCH,DELETE,OPTIONS,PURGE,(others) /any a no_route ",
            // To a scope that the token does not hold.
            "- GET /a/b a scope_not_granted b",
        ]
    );
    let both = told_of(OTHER_SCOPES, &["a", "b"], "1", "2");
    assert!(!both.iter().any(|call| call.contains("/a/b")), "{both:?}");
    let back = told_of(OTHER_SCOPES, &["a"], "2", "1");
    assert!(
        back.contains(&"- GET /accounts/{other}/orders a sid_mismatch ".to_owned()),
        "{back:?}"
    );
}
