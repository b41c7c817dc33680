//! Suffixes that no rule names, and aliases of the first segment: what is matched, what is
//! forwarded, and that neither opens a path that no rule allows.

use crate::support::http2::client::Http2;
use crate::support::http2::run;
use crate::support::{ALICE, Gate, Recorder};

const CATALOG: &str = r#"
[paths]
ignored_suffixes = [".json", ".xml"]
aliases = { Mediapartner = "Mediapartners", State = "Status" }
public = ["GET /Status"]

[[category]]
name = "Ads"
[[category.scope]]
id = "ads:read"
allow = [
    "GET /Mediapartners/{sid}",
    "GET /Mediapartners/{sid}/Ads",
    "GET /Mediapartners/{sid}/Ads/{AdId}",
    "GET /Mediapartners/{sid}/Files/{*path}",
    "GET /Ads",
]
[[category.scope]]
id = "ads:write"
allow = ["GET /Mediapartners/{sid}/Ads/", "GET /Ads/{AdId}"]
"#;

fn start(upstream: &Recorder) -> Gate {
    let tokens = format!("{}account = \"acct\"\n", ALICE.token(&["ads:read"]));
    let gate = Gate::builder().before(upstream).catalog(CATALOG);
    gate.tokens(tokens).start()
}

#[test]
fn a_suffix_is_ignored_for_matching_and_forwarded_as_it_came() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    for (target, rule, forwarded) in [
        ("/Ads.json", "GET /Ads", "/Ads.json"),
        ("/Ads.xml?x=.json", "GET /Ads", "/Ads.xml?x=.json"),
        ("/Ads%2ejson", "GET /Ads", "/Ads.json"),
        ("/%41ds.%6Ason", "GET /Ads", "/Ads.json"),
        (
            "/Mediapartners/alice.json",
            "GET /Mediapartners/{sid}",
            "/Mediapartners/alice.json",
        ),
        (
            "/Mediapartners/acct.xml",
            "GET /Mediapartners/{sid}",
            "/Mediapartners/acct.xml",
        ),
        (
            "/Mediapartners/alice/Ads/12.json",
            "GET /Mediapartners/{sid}/Ads/{AdId}",
            "/Mediapartners/alice/Ads/12.json",
        ),
        // One suffix is taken off; what is left of the segment is the parameter.
        (
            "/Mediapartners/alice/Ads/12.json.xml",
            "GET /Mediapartners/{sid}/Ads/{AdId}",
            "/Mediapartners/alice/Ads/12.json.xml",
        ),
        (
            "/Mediapartners/alice/Ads/12.csv",
            "GET /Mediapartners/{sid}/Ads/{AdId}",
            "/Mediapartners/alice/Ads/12.csv",
        ),
        (
            "/Mediapartners/alice/Files/a.json/b.xml",
            "GET /Mediapartners/{sid}/Files/{*path}",
            "/Mediapartners/alice/Files/a.json/b.xml",
        ),
    ] {
        assert_eq!(gate.read_as(&ALICE, target).status, 200, "{target}");
        assert_eq!(upstream.last().target, forwarded);
        let path = forwarded.split('?').next().unwrap();
        let record = gate.record(|record| record["path"] == path);
        assert_eq!(record["rule"], rule, "{target}");
    }
    let asked = upstream.requests().len();
    for (target, code) in [
        ("/Ads.JSON", "no_route"),
        ("/Ads.csv", "no_route"),
        ("/Ads.json.xml", "no_route"),
        ("/Ads.json/", "no_route"),
        ("/Ads.json/12", "no_route"),
        ("/Ads/12.json", "scope_not_granted"),
        // Without its suffix there would be nothing, or a dot segment.
        ("/.json", "no_route"),
        ("/Mediapartners/alice/Ads/.json", "no_route"),
        ("/Mediapartners/alice/Ads/%2ejson", "no_route"),
        ("/Mediapartners/alice/Ads/..json", "no_route"),
        ("/Mediapartners/alice/Ads/%2e%2e.xml", "no_route"),
        ("/Mediapartners/alice/Files/.xml", "no_route"),
        ("/Mediapartners/.json", "no_route"),
        // A suffix anywhere else is part of its segment.
        ("/Mediapartners/alice.json/Ads", "sid_mismatch"),
        ("/Mediapartners/bob.json", "sid_mismatch"),
        ("/Mediapartners/alice.json.json", "sid_mismatch"),
        ("/Mediapartners.json/alice", "no_route"),
    ] {
        gate.read_as(&ALICE, target).assert_refused(403, code);
    }
    assert_eq!(upstream.requests().len(), asked);
}

#[test]
fn an_alias_is_judged_recorded_and_forwarded_as_what_it_is_for() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    for (target, forwarded) in [
        (
            "/Mediapartner/alice/Ads?q=%zz",
            "/Mediapartners/alice/Ads?q=%zz",
        ),
        (
            "/Mediapartner/acct/Ads/1.json",
            "/Mediapartners/acct/Ads/1.json",
        ),
        ("/%4Dediapartner/alice", "/Mediapartners/alice"),
        ("/Mediapartners/alice", "/Mediapartners/alice"),
    ] {
        let reply = gate.read_as(&ALICE, target);
        assert_eq!(reply.status, 200, "{target}");
        let seen = upstream.last();
        assert_eq!(seen.target, forwarded);
        assert_eq!(seen.header("x-auth-scope"), Some("ads:read"));
        let id = reply.header("x-request-id").unwrap();
        let record = gate.record(|record| record["request_id"] == id);
        assert_eq!(record["path"], forwarded.split('?').next().unwrap());
    }
    // Public rules and suffixes go with it.
    for (target, forwarded) in [("/State", "/Status"), ("/State.json", "/Status.json")] {
        assert_eq!(gate.ask("GET", target).send().status, 200);
        assert_eq!(upstream.last().target, forwarded);
    }
    let asked = upstream.requests().len();
    for (target, code) in [
        ("/Mediapartner/bob/Ads", "sid_mismatch"),
        ("/Mediapartner/alice/Nothing", "no_route"),
        ("/mediapartner/alice/Ads", "no_route"),
        ("/Mediapartner.json/alice/Ads", "no_route"),
        ("/x/Mediapartner", "no_route"),
        ("/Mediapartner", "no_route"),
        ("/Mediapartner/alice/Ads/", "scope_not_granted"),
    ] {
        gate.read_as(&ALICE, target).assert_refused(403, code);
    }
    gate.ask("GET", "/Mediapartner/alice/Ads")
        .send()
        .assert_refused(401, "missing_credentials");
    gate.read_as(&ALICE, "/Mediapartner/../Ads")
        .assert_refused(400, "bad_request_target");
    assert_eq!(upstream.requests().len(), asked);
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        let answer = client.read_as(&ALICE, "/Mediapartner/alice/Ads").await;
        assert_eq!(answer.status, 200);
    });
    assert_eq!(upstream.last().target, "/Mediapartners/alice/Ads");
}

#[test]
fn the_operator_is_told_alike() {
    let upstream = Recorder::ok();
    let output = Gate::builder()
        .before(&upstream)
        .catalog(CATALOG)
        .tokens(ALICE.token(&["ads:read"]))
        .run("check");
    let told = String::from_utf8(output.stdout).unwrap();
    for line in [
        "ignored     .json, .xml\n",
        "alias       Mediapartner for Mediapartners\n",
        "public      GET /Status\n",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let gate = start(&upstream);
    let body = r#"{"sid":"alice","method":"GET","path":"/Mediapartner/alice/Ads.json?x=1"}"#;
    let explained = gate.tell_admin("POST", "/v1/explain", body);
    assert_eq!(explained.status, 200, "{explained:?}");
    let explained = explained.json();
    assert_eq!(explained["admitted"], true);
    assert_eq!(explained["path"], "/Mediapartners/alice/Ads.json");
    assert_eq!(explained["rule"], "GET /Mediapartners/{sid}/Ads");
}
