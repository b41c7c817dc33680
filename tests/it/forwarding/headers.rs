//! Headers: the gate's own, the client's, the connection's.

use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder};

/// The names that are the gate's alone.
const OWNED: [&str; 7] = [
    "x-auth-sid",
    "x-auth-scope",
    "x-api-version",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
];

#[test]
fn the_gates_headers_are_there_exactly_once() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("GET", "/v1/items")
        .host("api.example.com:8443")
        .by(&ALICE)
        .send();
    let seen = upstream.only();
    let host = upstream.address().to_string();
    for (name, value) in [
        ("x-auth-sid", "alice"),
        ("x-auth-scope", "items:read"),
        ("x-api-version", "16"),
        ("x-request-id", reply.header("x-request-id").unwrap()),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "api.example.com:8443"),
        ("host", host.as_str()),
    ] {
        assert_eq!(seen.all(name), [value], "{name}");
    }
    assert_eq!(seen.header("authorization"), None);
}

#[test]
fn clients_cannot_say_what_is_the_gates_to_say() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for name in OWNED {
        let upper = name.to_uppercase();
        let underscored = name.replace('-', "_");
        let dotted = name.replace('-', ".");
        let mixed = name.replacen('-', "_", 1);
        let reply = gate
            .ask("GET", "/v1/items")
            .by(&ALICE)
            .header(name, "spoofed")
            .header(&upper, "spoofed")
            .header(&underscored, "spoofed")
            .header(&dotted, "spoofed")
            .header(&mixed, "spoofed")
            .send();
        assert_eq!(reply.status, 200, "{name}");
        let seen = upstream.last();
        assert_eq!(seen.all(name).len(), 1, "{name}");
        assert!(!seen.has_alias(name), "{name}: {seen:?}");
        assert!(
            seen.headers
                .iter()
                .all(|(_, value)| !value.contains("spoofed")),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn other_words_for_the_clients_address_are_dropped() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("Forwarded", "for=192.0.2.1")
        .header("X-Real-IP", "192.0.2.1")
        .header("X_Real_IP", "192.0.2.1")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Authorization", "kept: it is nobody's")
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.only();
    assert!(
        seen.headers
            .iter()
            .all(|(_, value)| !value.contains("192.0.2.1")),
        "{seen:?}"
    );
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn a_trusted_proxys_chain_is_continued() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("trusted_proxies = [\"127.0.0.0/8\"]")
        .start();
    for (given, seen) in [
        (vec![], "127.0.0.1"),
        (vec!["192.0.2.1"], "192.0.2.1, 127.0.0.1"),
        (
            vec!["192.0.2.1, 198.51.100.2"],
            "192.0.2.1, 198.51.100.2, 127.0.0.1",
        ),
        (
            vec!["192.0.2.1", "198.51.100.2"],
            "192.0.2.1, 198.51.100.2, 127.0.0.1",
        ),
    ] {
        let mut ask = gate
            .ask("GET", "/v1/items")
            .by(&ALICE)
            .header("X_Forwarded_For", "203.0.113.9");
        for value in &given {
            ask = ask.header("X-Forwarded-For", value);
        }
        assert_eq!(ask.send().status, 200);
        let request = upstream.last();
        let chain = request
            .header("x-forwarded-for")
            .unwrap()
            .replace(", ", ",");
        assert_eq!(chain, seen.replace(", ", ","), "{given:?}");
        assert!(!request.has_alias("x-forwarded-for"));
    }
}

#[test]
fn headers_of_the_connection_stay_on_it() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("Connection", "keep-alive, X-Of-This-Hop")
        .header("Connection", "x-too")
        .header("X-Of-This-Hop", "1")
        .header("X-Too", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("Proxy-Authenticate", "Basic")
        .header("Proxy-Authorization", "Basic eDp5")
        .header("TE", "gzip")
        .header("Upgrade", "h3")
        .header("X-Passes", "1")
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.only();
    for name in [
        "x-of-this-hop",
        "x-too",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "upgrade",
        "transfer-encoding",
    ] {
        assert_eq!(seen.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(seen.header("x-passes"), Some("1"));
}

#[test]
fn connection_cannot_nominate_the_gates_headers_or_framing() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("POST", "/any")
        .by(&ALICE)
        .header(
            "Connection",
            "close, X-Auth-Sid, X-Auth-Scope, X-Api-Version, X-Request-Id, X-Forwarded-For, \
             X-Forwarded-Proto, X-Forwarded-Host, Authorization, Host, Content-Length",
        )
        .header("X-Auth-Sid", "bob")
        .body("five!")
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.only();
    for name in OWNED {
        assert_eq!(seen.all(name).len(), 1, "{name}");
    }
    assert_eq!(seen.header("x-auth-sid"), Some("alice"));
    assert_eq!(seen.body, b"five!");
}

#[test]
fn answers_lose_the_upstreams_hop_and_keep_the_rest() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 203 Whatever\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=9\r\n\
          Proxy-Connection: x\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\n\
          Set-Cookie: b=2\r\nX-Kept: yes\r\nWWW-Authenticate: Upstreams\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    });
    let gate = Gate::before(&upstream);
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_eq!((reply.status, reply.text().as_str()), (203, "ok"));
    for name in [
        "x-inner",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "upgrade",
    ] {
        assert_eq!(reply.all(name), Vec::<&str>::new(), "{name}");
    }
    assert_eq!(reply.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(reply.header("x-kept"), Some("yes"));
    assert_eq!(reply.header("www-authenticate"), Some("Upstreams"));
    assert_eq!(reply.all("x-request-id").len(), 1);
}

#[test]
fn the_clients_host_is_kept_where_that_is_configured() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("preserve_host = true")
        .start();
    let reply = gate
        .ask("GET", "/v1/items")
        .host("api.example.com")
        .by(&ALICE)
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.only();
    assert_eq!(seen.header("host"), Some("api.example.com"));
    assert_eq!(seen.header("x-forwarded-host"), Some("api.example.com"));
}

#[test]
fn repeated_and_odd_headers_pass_in_their_order() {
    let upstream = Recorder::replying(|_| ok(""));
    let gate = Gate::before(&upstream);
    let mut bytes = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("X-Many", "1")
        .header("X-Other", "")
        .header("X-Many", "2, 3")
        .header("Cookie", "a=1; b=2")
        .header("Accept-Encoding", "gzip, br")
        .header("User-Agent", "test/1")
        .bytes();
    // obs-text passes unchanged.
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(b"X-Latin: caf\xe9\r\n\r\n");
    let mut client = gate.connect();
    client.send(bytes);
    assert_eq!(client.reply("GET").status, 200);
    let seen = upstream.only();
    assert_eq!(seen.all("x-many"), ["1", "2, 3"]);
    assert_eq!(seen.header("x-other"), Some(""));
    assert_eq!(seen.header("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip, br"));
    assert_eq!(seen.header("user-agent"), Some("test/1"));
    assert_eq!(seen.header("x-latin"), Some("caf\u{e9}"));
}
