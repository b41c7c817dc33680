//! The files of the gate, and, written down once more by hand, what they allow.

use crate::request_target::reference;

/// Deadlines are short, for the clock is made up and jumps where nothing else happens.
pub(super) const MAIN: &str = r#"
[proxy]
listen = ["127.0.0.1:1"]
workers = 1
[[upstream]]
name = "default"
servers = ["unix:upstream.sock"]
[upstream.timeouts]
first_byte = "2s"
head = "2s"
body_idle = "2s"
send_idle = "2s"
[upstream.ejection]
failures = 0
[files]
catalog = "catalog.toml"
tokens = "tokens.toml"
[limits]
body = "16KiB"
[guessing]
failures = 0
[timeouts]
first_byte = "1s"
head = "1s"
body_idle = "1s"
send_idle = "1s"
keep_alive = "1s"
tunnel_idle = "1s"
[access_log]
output = "off"
"#;

pub(super) const CATALOG: &str = r#"
[versions]
latest = "16"
header = "Api-Version"
query = ["v"]
[[versions.version]]
id = "16"
[[versions.version]]
id = "15"
[paths]
public = ["GET,HEAD /ping"]
[[category]]
name = "All"
[[category.scope]]
id = "read"
allow = ["GET,HEAD /v1/items", "GET /v1/items/{id}", "GET /accounts/{sid}/items"]
[[category.scope]]
id = "write"
allow = ["POST /v1/items", "PUT,DELETE /v1/items/{id}", "* /files/{*path}"]
[[category.scope]]
id = "join"
allow = [{ rule = "GET /ws/{room}", upgrade = true }]
"#;

/// Alice reads and joins, Bob writes, Carol is disabled.
pub(super) const TOKENS: &str = r#"
[[token]]
sid = "alice"
name = "Alice"
scopes = ["read", "join"]
digest = "sha256:001b9b42ac32a892e621494c3c3f0968ab7ac8c5d7f304d4b8fb6cba63922d4b"
[[token]]
sid = "bob"
name = "Bob"
scopes = ["write"]
digest = "sha256:87409e02460500b332aa9a87b0ce7fb5aa971ca3a011492189f22edb67cf8eac"
[[token]]
sid = "carol"
name = "Carol"
scopes = ["read", "write", "join"]
state = "disabled"
digest = "sha256:9afda56e15070ace7a61d0eb4f8565b02f0e16cc7e12a7c60542e8c57b263d45"
"#;

/// The credentials of those who may do anything, as they stand in a header.
pub(super) const BASIC: [(&str, &str); 2] = [
    ("alice", "Basic YWxpY2U6YWxpY2UtYXV0aC10b2tlbg=="),
    ("bob", "Basic Ym9iOmJvYi1hdXRoLXRva2Vu"),
];

/// Which scope, if one, allows a method on a canonical path to a SID; `Some(None)` is a rule
/// that needs no credentials.
pub(super) fn allowed<'r>(sid: Option<&str>, method: &str, path: &str) -> Option<Option<&'r str>> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let scope = match (method, segments.as_slice()) {
        ("GET" | "HEAD", ["ping"]) => return Some(None),
        ("GET" | "HEAD", ["v1", "items"]) => "read",
        ("GET", ["v1", "items", id]) if !id.is_empty() => "read",
        ("GET", ["accounts", account, "items"]) if Some(*account) == sid => "read",
        ("POST", ["v1", "items"]) => "write",
        ("PUT" | "DELETE", ["v1", "items", id]) if !id.is_empty() => "write",
        ("CONNECT" | "TRACE", _) => return None,
        (_, ["files", first, ..]) if !first.is_empty() => "write",
        ("GET", ["ws", room]) if !room.is_empty() => "join",
        _ => return None,
    };
    let held: &[&str] = match sid? {
        "alice" => &["read", "join"],
        "bob" => &["write"],
        _ => &[],
    };
    held.contains(&scope).then_some(Some(scope))
}

/// # Panics
/// Where an upstream sees a request that no rule allows to whom it is told.
pub(super) fn assert_allowed(sid: Option<&str>, scope: Option<&str>, method: &str, target: &str) {
    let path = target.split('?').next().unwrap_or_default();
    assert_eq!(reference(path).as_deref(), Some(path), "not canonical");
    assert_eq!(
        allowed(sid, method, path),
        Some(scope),
        "{sid:?} {method} {target}"
    );
}
