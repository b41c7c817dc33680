//! Class D: whom the upstream believes.

use super::bench::Bench;
use super::table::{Case, ITEM, Message, ask, case, get};
use crate::support::{ALICE, BOB};

/// Names by which some servers let a request mean another path, host or client.
const REWRITING: [&str; 39] = [
    "Base-Url",
    "Client-IP",
    "Destination",
    "Forwarded",
    "Http-Url",
    "Proxy-Host",
    "Proxy-Url",
    "Real-Ip",
    "Redirect",
    "Referer",
    "Request-Uri",
    "True-Client-IP",
    "Uri",
    "Url",
    "X-Accel-Redirect",
    "X-Client-IP",
    "X-Custom-IP-Authorization",
    "X-Envoy-Original-Path",
    "X-Forward-For",
    "X-Forwarded",
    "X-Forwarded-By",
    "X-Forwarded-For",
    "X-Forwarded-For-Original",
    "X-Forwarded-Host",
    "X-Forwarded-Path",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Uri",
    "X-Host",
    "X-HTTP-DestinationURL",
    "X-HTTP-Host-Override",
    "X-Original-URL",
    "X-Originating-IP",
    "X-Proxy-Url",
    "X-Real-IP",
    "X-Rewrite-URL",
];

/// Alice's GET with these lines.
fn with(lines: &[&str]) -> Message {
    get(ITEM).with(lines.iter().copied())
}

/// Bob's POST with a chunked body and this trailer.
fn trailing(line: &str) -> (String, Vec<u8>) {
    let name = line.split(':').next().expect("a name");
    let head = ask("POST", "/v1/items", &BOB).with([
        "Transfer-Encoding: chunked".to_owned(),
        "Connection: TE".to_owned(),
        format!("Trailer: {name}"),
    ]);
    let bytes = head.then(&format!("5\r\nhello\r\n0\r\n{line}\r\n\r\n"));
    (format!("{line} as a trailer"), bytes)
}

/// Every number of the class.
pub(super) fn cases() -> Vec<Case> {
    [identity(), rewriting()].into_iter().flatten().collect()
}

fn identity() -> Vec<Case> {
    vec![
        case(37, "identity spoof")
            .alices_item(
                [
                    &["X-Auth-Sid: bob"][..],
                    &["x-auth-sid: bob"],
                    &["X-AUTH-SID: bob", "X-AUTH-SID: bob"],
                    &["X-Auth-Sid:"],
                    &["X-Auth-Scope: writer"],
                    &["X-Request-Id: 1", "x-request-id: 2"],
                    &["X-Api-Version: 1"],
                    &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"],
                ]
                .map(with),
            )
            .arrives("/v1/items", "hello", trailing("X-Auth-Sid: alice"))
            .arrives("/v1/items", "hello", trailing("x_auth_sid: alice"))
            .arrives("/v1/items", "hello", trailing("Authorization: x")),
        case(38, "underscore alias").alices_item(
            [
                &["X_Auth_Sid: bob"][..],
                &["X-Auth_Sid: bob"],
                &["X.Auth.Sid: bob"],
                &["X_Auth-Scope: writer", "X-Auth-Scope: writer"],
                &["X~Auth~Sid: bob"],
                &["X^Auth|Sid: bob"],
                &["Authorization_: x"],
                &["X_Forwarded_For: 192.0.2.1"],
                &["X_Request_Id: 1"],
                &["HTTP_X_AUTH_SID: bob"],
            ]
            .map(with),
        ),
        case(40, "Connection nominates identity")
            .alices_item(
                [
                    &[
                        "Connection: close, X-Auth-Sid, X-Forwarded-For, Authorization",
                        "X-Auth-Sid: bob",
                    ][..],
                    &["Connection: X-Auth-Sid", "Connection: x-auth-scope"],
                    &["Connection: host, x-request-id, x-forwarded-host"],
                    &["Connection: keep-alive, , ,", "X-Auth-Sid: bob"],
                    &["Connection: X-Mine", "X-Mine: 1"],
                    &["Connection:"],
                    &["Connection: \"X-Auth-Sid\""],
                ]
                .map(with),
            )
            // A body's framing is no field that a client could have taken away.
            .arrives(
                "/v1/items",
                "hello",
                (
                    "Connection: content-length",
                    ask("POST", "/v1/items", &BOB)
                        .with(["Connection: content-length, transfer-encoding"])
                        .body("hello")
                        .bytes(),
                ),
            ),
        case(42, "hop-by-hop set").alices_item(
            [
                &["Keep-Alive: timeout=9"][..],
                &["Proxy-Connection: keep-alive"],
                &["Proxy-Authenticate: Basic"],
                &["Proxy-Authorization: Basic eDp5"],
                &["TE: gzip"],
                &["TE: trailers", "TE: gzip;q=1"],
                &["Trailer: X-Auth-Sid"],
                &["Upgrade: x"],
                &["Proxy_Connection: x", "Keep_Alive: x"],
            ]
            .map(with),
        ),
        case(45, "credential stays at the gate")
            .alices_item([get(ITEM), with(&["authorization_: x"])])
            .arrives(
                "/v1/items",
                "hello",
                (
                    "a body",
                    ask("POST", "/v1/items", &BOB).body("hello").bytes(),
                ),
            ),
    ]
}

fn rewriting() -> Vec<Case> {
    let line = |name: &str| with(&[&format!("{name}: /admin/keys")]);
    vec![
        case(43, "rewrite headers")
            .alices_item(REWRITING.map(line))
            .alices_item(
                [
                    "X_Original_URL",
                    "x-original-url",
                    "X.Rewrite.URL",
                    "X_Forwarded_Uri",
                ]
                .map(line),
            ),
    ]
}

#[test]
fn identity_is_the_gates() {
    for request in Bench::new().run(&identity()) {
        let scope = match request.method.as_str() {
            "POST" => "writer",
            _ => "reader",
        };
        // The oracle has seen that each of the gate's fields is there once, and X-Auth-Sid
        // is who the rules allow.
        assert_eq!(request.header("x-auth-scope"), Some(scope));
        assert!(!request.has_alias("authorization"), "{request:?}");
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "proxy-authorization",
            "upgrade",
            "x-mine",
        ] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
        assert!(request.header("te").is_none_or(|value| value == "trailers"));
        assert_eq!(request.trailers, [], "{request:?}");
        let secret = ALICE.secret.as_bytes();
        let held = |text: &str| {
            text.as_bytes()
                .windows(secret.len())
                .any(|part| part == secret)
        };
        assert!(
            request
                .headers
                .iter()
                .all(|(_, value)| !held(value) && !value.starts_with("Basic"))
        );
    }
}

#[test]
fn other_words_for_path_or_client_do_not_arrive() {
    for request in Bench::new().run(&rewriting()) {
        for (name, value) in &request.headers {
            // A Referer is what it says, and says nothing about this request's path.
            let stays = name.eq_ignore_ascii_case("referer");
            assert!(stays || !value.contains("/admin"), "{request:?}");
        }
    }
}
