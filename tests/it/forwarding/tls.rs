//! TLS on both sides.

use http::Response;

use crate::support::http2::client::{Http2, full};
use crate::support::http2::run;
use crate::support::http2::upstream::Http2Upstream;
use crate::support::recorder::ok;
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, Gate, Recorder};

#[test]
fn alpn_chooses_http1_or_http2() {
    let upstream = Recorder::ok();
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .start();
    let request = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    for protocols in [&["http/1.1"][..], &[]] {
        let mut client = connect(&gate, authority.client(protocols));
        for _ in 0..2 {
            client.send(&request);
            let reply = client.reply("GET");
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (200, "ok"),
                "{protocols:?}"
            );
        }
    }
    run(async {
        for protocols in [&["h2"][..], &["h2", "http/1.1"]] {
            let mut client = Http2::connect_tls(gate.address(), authority.client(protocols)).await;
            assert_eq!(client.read_as(&ALICE, "/v1/items").await.status, 200);
        }
    });
    assert!(
        upstream
            .requests()
            .iter()
            .all(|r| r.header("x-forwarded-proto") == Some("https")),
        "the upstream is told of TLS"
    );
}

#[test]
fn plaintext_on_a_tls_listener_is_not_served() {
    let upstream = Recorder::ok();
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    let rest = client.rest();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_https_upstream_is_reached_by_its_ca() {
    let authority = Authority::new();
    let identity = authority.issue(&["localhost", "127.0.0.1"]);
    let config = authority.server(&identity, &["http/1.1"], false);
    let upstream = Recorder::tls(config, |_| ok("over tls"));
    let gate = Gate::builder()
        .server(upstream.url())
        .file("ca.pem", authority.pem())
        .upstream("tls = { ca = \"ca.pem\" }")
        .proxy("workers = 1")
        .start();
    for _ in 0..3 {
        assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "over tls");
    }
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_https_upstream_of_another_ca_or_name_is_not_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let by_other = other.server(&other.issue(&["127.0.0.1"]), &[], false);
    let misnamed = authority.server(&authority.issue(&["elsewhere.example"]), &[], false);
    for config in [by_other, misnamed] {
        let upstream = Recorder::tls(config, |_| ok("not to be seen"));
        let gate = Gate::builder()
            .server(upstream.url())
            .file("ca.pem", authority.pem())
            .upstream("tls = { ca = \"ca.pem\" }")
            .start();
        gate.read_as(&ALICE, "/v1/items")
            .assert_refused(502, "upstream_unreachable");
        assert!(upstream.requests().is_empty());
    }
}

#[test]
fn a_client_certificate_is_shown_to_the_upstream() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let mine = authority.issue(&["gate.example"]);
    let config = authority.server(&identity, &[], true);
    let upstream = Recorder::tls(config, |_| ok("known"));
    let builder = |tls: &str| {
        Gate::builder()
            .server(upstream.url())
            .file("ca.pem", authority.pem())
            .file("client.pem", mine.certificate.clone())
            .file("client.key", mine.key.clone())
            .upstream(tls)
            .start()
    };
    let with = builder(
        "tls = { ca = \"ca.pem\", certificate = \"client.pem\", private_key = \"client.key\" }",
    );
    assert_eq!(with.read_as(&ALICE, "/v1/items").text(), "known");
    let without = builder("tls = { ca = \"ca.pem\" }");
    assert_eq!(without.read_as(&ALICE, "/v1/items").status, 502);
}

#[test]
fn an_https_upstream_speaks_http2_by_alpn() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let config = authority.server(&identity, &["h2"], false);
    let upstream = Http2Upstream::start(Some(config), |asked| {
        Response::new(full(asked.uri.path().to_owned()))
    });
    let gate = Gate::builder()
        .server(upstream.url())
        .file("ca.pem", authority.pem())
        .upstream("protocol = \"http2\"\ntls = { ca = \"ca.pem\" }")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "/v1/items");
    assert_eq!(upstream.asked().len(), 1);
}
