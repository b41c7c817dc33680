//! Commands that read, against a gate that serves: over TCP, TLS and a Unix socket.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::gate::Gate;
use crate::run;
use crate::scripted::{Reply, Scripted};

#[test]
fn a_list_follows_the_cursors_to_the_end() {
    let gate = Gate::start("127.0.0.1:0", "", 1203);
    let ran = gate.run(&["token", "list"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 1204);
    assert_eq!(
        lines[0],
        "SID           NAME          STATE     VERSION  SCOPES  AGE"
    );
    assert!(lines.contains(&"partner-7     Pärtner 7     disabled  15       1       -"));
    let mut sids: Vec<_> = lines[1..].iter().map(|l| l.split(' ').next()).collect();
    sids.sort();
    sids.dedup();
    assert_eq!(sids.len(), 1203);

    let json = |arguments: &[&str]| -> Value {
        let ran = gate.run(&[&["token", "list", "--json"], arguments].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(&ran.out).unwrap()
    };
    let all = json(&[]);
    assert_eq!(all["tokens"].as_array().unwrap().len(), 1203);
    assert_eq!(
        (&all["total"], &all["next_cursor"]),
        (&1203.into(), &Value::Null)
    );
    for (arguments, count, total) in [
        (&["--name", "pÄrtner 12", "--state", "disabled"][..], 6, 6),
        (&["--name", "a&b=c"], 0, 0),
        (&["--created", "over-30-days", "--limit", "501"], 501, 1203),
        (&["--created", "last-7-days"], 0, 0),
    ] {
        let found = json(arguments);
        assert_eq!(
            found["tokens"].as_array().unwrap().len(),
            count,
            "{arguments:?}"
        );
        assert_eq!(found["total"], total, "{arguments:?}");
        assert_eq!(found["next_cursor"].is_string(), count < total);
    }
    let ran = gate.run(&["token", "list", "--limit", "1"]);
    assert_eq!(ran.out.lines().count(), 2);
    assert_eq!(ran.err, "1 of 1203 tokens\n");
}

#[test]
fn a_server_that_never_comes_to_an_end_is_not_followed() {
    let page = |tokens: &str| {
        let body = format!(r#"{{"tokens": [{tokens}], "total": 9, "next_cursor": "c+c"}}"#);
        Reply::Json("200 OK", body)
    };
    let server = Scripted::start(vec![page("1"), page(""), page("1")]);
    let ran = run(&server.url, &["token", "list", "--json", "--name", "a b"]);
    assert_eq!(
        ran.out,
        "{\"tokens\":[1],\"total\":9,\"next_cursor\":\"c+c\"}\n"
    );
    assert_eq!(server.asked().line, "GET /v1/tokens?limit=500&name=a%20b");
    let next = "GET /v1/tokens?limit=500&name=a%20b&cursor=c%2Bc";
    assert_eq!(server.asked().line, next);
    server.is_done();
    let server = Scripted::start(vec![page("1, 2")]);
    run(&server.url, &["token", "list", "--limit", "1"]).failed("too many");
}

#[test]
fn a_token_is_shown_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("unix:{}", folder.path().join("admin.sock").display());
    let gate = Gate::start_in(folder, &listen, "", 1);
    let ran = gate.run(&["token", "show", "partner-0"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    assert!(
        ran.out.contains("\nname               Pärtner 0\n"),
        "{ran:?}"
    );
    let ran = gate.run(&["token", "show", "partner-0", "--json"]);
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(shown["latest_version"], "16");
    let ran = gate.run(&["token", "show", "partner-9"]);
    ran.failed("There is no such token (404 token_not_found)\n");
    gate.run(&["token", "enable", "partner-0"])
        .failed("(403 forbidden_role)\n");
}

#[test]
fn https_needs_a_certificate_that_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = ["127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    fs::write(folder.path().join("cert.pem"), &certificate).unwrap();
    fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let tls = "tls = { certificate = \"cert.pem\", private_key = \"key.pem\" }\n";
    let gate = Gate::start_in(folder, "127.0.0.1:0", tls, 1);
    let ca = gate.folder.path().join("cert.pem");
    let ran = gate.run(&["token", "list", "--ca", ca.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.lines().count()), (Some(0), 2), "{ran:?}");
    gate.run(&["token", "list"]).failed("cannot connect");
    gate.run(&["token", "list", "--ca", "/nowhere"])
        .failed("/nowhere");
}

#[test]
fn the_files_and_the_gate_explain_alike() {
    let gate = Gate::start("127.0.0.1:0", "", 2);
    let main_file = gate.folder.path().join("sidgate.toml");
    for (arguments, code, said) in [
        (
            ["partner-0", "GET", "/accounts/partner-0/ads"],
            0,
            "scope            ads:read\n",
        ),
        (
            ["partner-0", "GET", "/accounts/other/ads/7"],
            1,
            "code             sid_mismatch (403)\n",
        ),
        (
            ["partner-1", "GET", "/accounts/partner-1/ads"],
            1,
            "code             token_disabled (403)\n",
        ),
        (
            ["any", "GET", "/accounts/x/ads"],
            0,
            "line             13\n",
        ),
        (
            ["any", "PUT", "/accounts/x/ads"],
            1,
            "admitted         no\n",
        ),
        (
            ["any", "GET", "/a/../b"],
            1,
            "code             bad_request_target (400)\n",
        ),
    ] {
        let [sid, method, path] = arguments;
        let question = [
            "explain",
            "--sid",
            sid,
            "--method",
            method,
            "--path",
            path,
            "--version",
            "16",
        ];
        let by_files = ["--config", main_file.to_str().unwrap()];
        for form in [&[][..], &["--json"]] {
            let question = [&question, form].concat();
            let asked = gate.run(&question);
            assert_eq!(asked.code, Some(code), "{asked:?}");
            assert_eq!(asked.err.is_empty(), code == 0);
            let read = run("unix:/nowhere", &[&*question, &by_files].concat());
            assert_eq!((read.code, &read.out), (asked.code, &asked.out));
            assert!(form == ["--json"] || read.out.contains(said), "{read:?}");
        }
    }
}

#[test]
fn what_cannot_be_explained_is_told() {
    let gate = Gate::start("127.0.0.1:0", "", 1);
    let main_file = gate.folder.path().join("sidgate.toml");
    let main_file = main_file.to_str().unwrap();
    let explain = |sid: &str, more: &[&str]| {
        let question = ["explain", "--sid", sid, "--method", "GET", "--path", "/"];
        gate.run(&[&question, more].concat())
    };
    explain("nobody", &[]).failed("404 token_not_found");
    explain("nobody", &["--config", main_file]).failed("no token has the SID nobody");
    explain("any", &["--version", "9"]).failed("version: is not a version");
    explain("any", &["--version", "9", "--config", main_file]).failed("no version 9");
    fs::write(Path::new(main_file).with_file_name("tokens.toml"), "x").unwrap();
    explain("any", &["--config", main_file]).failed("tokens.toml:1:");
}
