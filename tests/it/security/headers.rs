//! Class D: whom the upstream believes.

use super::Expect::Admitted;
use super::{Bench, Case, request};

const ITEM: &str = "/v1/items/1";

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

#[test]
fn identity_cannot_be_spoofed() {
    let cases: Vec<Case> = [
        vec!["X-Auth-Sid: bob"],
        vec!["x-auth-sid: bob"],
        vec!["X-AUTH-SID: bob", "X-AUTH-SID: bob"],
        vec!["X_Auth_Sid: bob"],
        vec!["X-Auth_Sid: bob"],
        vec!["X.Auth.Sid: bob"],
        vec!["X_Auth-Scope: writer", "X-Auth-Scope: writer"],
        vec![
            "Connection: close, X-Auth-Sid, X-Forwarded-For, Authorization",
            "X-Auth-Sid: bob",
        ],
        vec!["Connection: X-Auth-Sid", "Connection: x-auth-scope"],
        vec!["Connection: host, content-length, transfer-encoding, te, x-request-id"],
        vec!["Connection: keep-alive, , ,", "X-Auth-Sid: bob"],
        vec![
            "Keep-Alive: x",
            "Proxy-Connection: x",
            "TE: gzip",
            "Trailer: X-Auth-Sid",
            "Upgrade: x",
        ],
    ]
    .into_iter()
    .map(|lines| {
        Case::new(
            format!("{lines:?}"),
            request("GET", ITEM, &lines),
            Admitted(ITEM),
        )
    })
    .collect();
    let mut bench = Bench::new();
    bench.run(&cases);
    for request in bench.upstream.requests() {
        // `assert_allowed` has seen that X-Auth-Sid is there once and Alice's.
        assert_eq!(request.header("x-auth-scope"), Some("reader"));
        for name in ["x-auth-sid", "x-auth-scope", "authorization"] {
            assert!(!request.has_alias(name), "{request:?}");
        }
        for name in [
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
        ] {
            assert_eq!(request.header(name), None, "{request:?}");
        }
        assert_eq!(request.all("host").len(), 1);
        assert_eq!(request.all("x-request-id").len(), 1);
        assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
    }
}

#[test]
fn other_words_for_the_path_or_client_do_not_arrive() {
    let cases: Vec<Case> = REWRITING
        .iter()
        .map(|name| {
            let line = format!("{name}: /admin/keys");
            Case::new(*name, request("GET", ITEM, &[&line]), Admitted(ITEM))
        })
        .collect();
    let mut bench = Bench::new();
    bench.run(&cases);
    let passed: std::collections::BTreeSet<String> = bench
        .upstream
        .requests()
        .iter()
        .flat_map(|request| request.headers.clone())
        .filter(|(_, value)| value.contains("/admin"))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    // A Referer is what it says, and says nothing about this request's path.
    let passed: Vec<&str> = passed
        .iter()
        .map(String::as_str)
        .filter(|&n| n != "referer")
        .collect();
    assert_eq!(passed, Vec::<&str>::new());
}
