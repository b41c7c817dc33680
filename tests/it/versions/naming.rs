//! Header and query parameters, agreeing and not; what the upstream gets of them.

use super::CATALOG;
use crate::support::fixture::DAVE;
use crate::support::http2::client::{Http2, full};
use crate::support::http2::run;
use crate::support::{ALICE, CAROL, Gate, Recorder, Who};

const OLD: Who = Who {
    sid: "old",
    secret: "old-secret-of-many-bits",
};
const ALL: [&str; 2] = ["items:read", "any:call"];

/// A gate before the upstream of most versions and that of version 14.
fn start(upstream: &Recorder, old: &Recorder) -> Gate {
    let tokens = format!(
        "{}{}api_version = \"15\"\n{}state = \"disabled\"\n",
        ALICE.token(&ALL),
        OLD.token(&ALL),
        CAROL.token(&ALL),
    );
    let section = format!(
        "[[upstream]]\nname = \"old\"\nservers = [\"{}\"]\n",
        old.url()
    );
    Gate::builder()
        .before(upstream)
        .section(&section)
        .catalog(CATALOG)
        .tokens(tokens)
        .start()
}

#[test]
fn header_and_query_name_the_version() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    for (header, query, version) in [
        (None, "", "16"),
        (Some("15"), "", "15"),
        (Some("17-preview"), "", "17-preview"),
        (None, "?IrVersion=15", "15"),
        (None, "?a=%zz&Ir-Version=15&b=;x", "15"),
        (None, "?%49r%2dVersion=%31%35&;", "15"),
        (Some("15"), "?IrVersion=15&Ir-Version=1%35", "15"),
        (None, "?irversion=15&X-Api-Version=15", "16"),
    ] {
        let target = format!("/v1/items{query}");
        let mut ask = gate.ask("GET", &target).by(&ALICE);
        if let Some(header) = header {
            ask = ask.header("ir-version", header);
        }
        assert_eq!(ask.send().status, 200, "{header:?} {query}");
        let seen = upstream.last();
        assert_eq!(seen.target, target);
        assert_eq!(seen.header("x-api-version"), Some(version), "{target}");
        assert_eq!(seen.header("ir-version"), header);
    }
    assert_eq!(gate.read_as(&OLD, "/v1/items").status, 200);
    assert_eq!(upstream.last().header("x-api-version"), Some("15"));
    let newer = gate.read_as(&OLD, "/v1/items?IrVersion=16");
    assert_eq!(newer.status, 200);
    assert_eq!(upstream.last().header("x-api-version"), Some("16"));
}

#[test]
fn rules_and_upstreams_follow_the_version_that_is_named() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    assert_eq!(gate.read_as(&ALICE, "/v1/new").status, 200);
    gate.read_as(&OLD, "/v1/new")
        .assert_refused(403, "no_route");
    assert_eq!(gate.read_as(&OLD, "/v1/new?IrVersion=16").status, 200);
    gate.read_as(&ALICE, "/v1/new?IrVersion=15")
        .assert_refused(403, "no_route");
    assert_eq!(upstream.requests().len(), 2);
    let record = gate.record(|record| record["sid"] == "alice" && record["code"] == "no_route");
    assert_eq!(record["version"], "15");

    let reply = gate
        .ask("GET", "/v1/items?x=1")
        .by(&ALICE)
        .header("IR-Version", "14")
        .send();
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.requests().len(), 2);
    let seen = old.only();
    assert_eq!(
        (
            &*seen.target,
            seen.header("ir-version"),
            seen.header("x-api-version")
        ),
        ("/v1/items?x=1", Some("14"), Some("14"))
    );
    let record = gate.record(|record| record["version"] == "14");
    assert_eq!(record["code"], "ok");
}

#[test]
fn the_upstream_gets_the_header_once_whatever_else_the_client_sends() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    let named = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("IR-Version", "15")
        .header("ir-version", "15")
        .header("IR_Version", "16")
        .header("Ir.Version", "16")
        .header("X-Api-Version", "16")
        .header("x_api_version", "16")
        .header("Connection", "IR-Version, X-Api-Version")
        .send();
    assert_eq!(named.status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("ir-version"), Some("15"));
    assert_eq!(seen.header("x-api-version"), Some("15"));
    assert!(!seen.has_alias("ir-version") && !seen.has_alias("x-api-version"));
    // An alias alone names nothing, and is not for the upstream to read either.
    let alias = gate.ask("GET", "/v1/items").by(&ALICE);
    assert_eq!(alias.header("IR_Version", "15").send().status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-api-version"), Some("16"));
    assert!(seen.header("ir-version").is_none() && !seen.has_alias("ir-version"));

    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nIR-Version: 15\r\n\
         Transfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Sum, IR-Version\r\n\r\n\
         3\r\nabc\r\n0\r\nX-Sum: 7\r\nIR-Version: 16\r\nIR_Version: 16\r\n\r\n",
        ALICE.basic()
    ));
    assert_eq!(client.reply("POST").status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("ir-version"), Some("15"));
    assert_eq!(seen.trailers, [("x-sum".to_owned(), "7".to_owned())]);
}

#[test]
fn a_version_that_cannot_be_used_is_a_400_of_a_request_that_keeps_its_connection() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    let mut client = gate.connect();
    for (headers, query, code) in [
        (&["99"][..], "", "unknown_version"),
        (&[""], "", "unknown_version"),
        (&["16 15"], "", "unknown_version"),
        (&["16, 16"], "", "unknown_version"),
        (&["99"], "?IrVersion=99", "unknown_version"),
        (&[], "?IrVersion=", "unknown_version"),
        (&[], "?IrVersion", "unknown_version"),
        (&[], "?IrVersion=+16", "unknown_version"),
        (&[], "?IrVersion=16%00", "unknown_version"),
        (&["16", "15"], "", "version_conflict"),
        (&["15", "99"], "", "version_conflict"),
        (&["16"], "?IrVersion=15", "version_conflict"),
        (&["16"], "?Ir-Version", "version_conflict"),
        (&[], "?IrVersion=16&IrVersion=15", "version_conflict"),
        (&[], "?IrVersion=16&%49r-Version=15", "version_conflict"),
        (&[], "?a=1;IrVersion=16", "version_conflict"),
    ] {
        let target = format!("/v1/items{query}");
        let mut ask = gate.ask("GET", &target).by(&ALICE);
        for header in headers {
            ask = ask.header("IR-Version", header);
        }
        client.send(ask.bytes());
        let reply = client.reply("GET");
        reply.assert_refused(400, code);
        assert_eq!(reply.header("connection"), None, "{headers:?} {query}");
    }
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    assert_eq!(upstream.requests().len(), 1);
    let record = gate.record(|record| record["code"] == "unknown_version");
    assert_eq!(record["sid"], "alice");
}

#[test]
fn a_version_is_looked_at_after_the_credentials_and_before_the_rule() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    let wrong = Who {
        sid: ALICE.sid,
        secret: DAVE.secret,
    };
    for version in ["99", "15"] {
        let ask = |path: &str| {
            let target = format!("{path}?IrVersion={version}");
            gate.ask("GET", &target).header("IR-Version", "16")
        };
        let path = "/v1/items";
        ask(path).send().assert_refused(401, "missing_credentials");
        for who in [DAVE, wrong] {
            let reply = ask(path).by(&who).send();
            reply.assert_refused(401, "bad_credentials");
        }
        let disabled = ask(path).by(&CAROL).send();
        disabled.assert_refused(403, "token_disabled");
        for path in [path, "/no/rule"] {
            let reply = ask(path).by(&ALICE).send();
            reply.assert_refused(400, "version_conflict");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn public_rules_have_versions_too() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    let ask = |target: &str| gate.ask("GET", target).send();
    for (target, version) in [
        ("/ping", "16"),
        ("/ping?IrVersion=15", "15"),
        ("/classic?IrVersion=15", "15"),
    ] {
        assert_eq!(ask(target).status, 200, "{target}");
        assert_eq!(upstream.last().header("x-api-version"), Some(version));
        assert_eq!(upstream.last().target, target);
    }
    assert_eq!(ask("/ping?IrVersion=14").status, 200);
    assert_eq!(old.only().target, "/ping?IrVersion=14");
    // Not public under the latest version: whoever comes must say who he is.
    ask("/classic").assert_refused(401, "missing_credentials");
    for target in ["/ping", "/classic"] {
        ask(&format!("{target}?IrVersion=99")).assert_refused(400, "unknown_version");
        ask(&format!("{target}?IrVersion=15&IrVersion=16")).assert_refused(400, "version_conflict");
        // Credentials change nothing about it.
        gate.read_as(&DAVE, &format!("{target}?IrVersion=99"))
            .assert_refused(400, "unknown_version");
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn http2_requests_name_versions_alike() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let mut request = client.request("POST", "/any?Ir-Version=15", &ALICE);
        let version = http::HeaderValue::from_static("15");
        request.headers_mut().insert("ir-version", version.clone());
        request.headers_mut().append("ir-version", version);
        let answer = client.exchange(request.map(|_| full("x"))).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.headers.contains_key("sunset"));
        let answer = client.read_as(&ALICE, "/v1/items?IrVersion=1").await;
        assert_eq!(answer.status, 400);
        let answer = client.read_as(&ALICE, "/v1/items").await;
        assert_eq!(answer.status, 200);
    });
    let seen = &upstream.requests()[0];
    assert_eq!(seen.header("ir-version"), Some("15"));
    assert_eq!(seen.header("x-api-version"), Some("15"));
    assert_eq!(seen.target, "/any?Ir-Version=15");
}

#[test]
fn without_a_spelling_in_the_catalogue_header_and_query_are_the_upstreams() {
    let upstream = Recorder::ok();
    let catalog = CATALOG
        .replace("header =", "# header =")
        .replace("query =", "# query =")
        .replace("upstream = \"old\"", "");
    let gate = Gate::builder()
        .before(&upstream)
        .catalog(catalog)
        .tokens(ALICE.token(&ALL))
        .start();
    let reply = gate
        .ask("GET", "/v1/items?IrVersion=98")
        .by(&ALICE)
        .header("IR-Version", "99")
        .header("IR-Version", "97")
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.only();
    assert_eq!(seen.all("ir-version"), ["99", "97"]);
    assert_eq!(seen.header("x-api-version"), Some("16"));
    assert_eq!(seen.target, "/v1/items?IrVersion=98");
}

#[test]
fn a_reload_brings_new_versions_and_ways_to_name_them() {
    let (upstream, old) = (Recorder::ok(), Recorder::ok());
    let gate = start(&upstream, &old);
    gate.read_as(&ALICE, "/v1/items?IrVersion=18")
        .assert_refused(400, "unknown_version");
    let newer = CATALOG
        .replace("latest = \"16\"", "latest = \"18\"")
        .replace("IR-Version", "Api-Version")
        .replacen(
            "[[versions.version]]",
            "[[versions.version]]\nid = \"18\"\n[[versions.version]]",
            1,
        );
    gate.replace("catalog.toml", newer);
    let within = std::time::Duration::from_secs(20);
    crate::support::eventually("the new catalogue in force", within, || {
        (gate.read_as(&ALICE, "/v1/items?IrVersion=18").status == 200).then_some(())
    });
    let reply = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("Api-Version", "15")
        .header("IR-Version", "any text")
        .send();
    assert_eq!(reply.status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-api-version"), Some("15"));
    assert_eq!(seen.header("ir-version"), Some("any text"));
}
