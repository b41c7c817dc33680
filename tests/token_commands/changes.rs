//! Commands that change tokens: what goes over the wire, and what is printed where.

use std::fs;

use serde_json::{Value, json};

use crate::scripted::{Reply, Scripted};
use crate::{CREDENTIALS, run, run_with_input, sidgate};

const AUTH_TOKEN: &str = "sgt_0123456789";

fn token() -> Value {
    json!({
        "sid": "IRa", "name": "Reporting", "description": "", "api_version": "15",
        "latest_version": "16", "primary_contact": "", "developer_emails": ["a@b.c"],
        "scopes": ["ads:read"], "state": "enabled", "created_at": null, "updated_at": null,
    })
}

fn shown() -> Reply {
    Reply::Json("200 OK", token().to_string())
}

fn issued() -> Reply {
    let mut token = token();
    token["auth_token"] = AUTH_TOKEN.into();
    Reply::Json("201 Created", token.to_string())
}

#[test]
fn a_new_auth_token_stands_alone_on_standard_output() {
    for (arguments, line, body, said) in [
        (
            &[
                "create",
                "--name",
                "Reporting",
                "--scope",
                "ads:read",
                "--scope",
                "ads:write",
                "--developer-email",
                "a@b.c",
                "--primary-contact",
                "",
                "--api-version",
                "15",
                "--description",
                "x",
            ][..],
            "POST /v1/tokens",
            r#"{"name":"Reporting","description":"x","api_version":"15","primary_contact":"","developer_emails":["a@b.c"],"scopes":["ads:read","ads:write"]}"#,
            "Created the token \"Reporting\" (IRa)\n",
        ),
        (
            &["create", "--name", "n"],
            "POST /v1/tokens",
            r#"{"name":"n"}"#,
            "Created the token \"Reporting\" (IRa)\n",
        ),
        (
            &["duplicate", "IRb"],
            "POST /v1/tokens/IRb/duplicate",
            "",
            "Created the token \"Reporting\" (IRa)\n",
        ),
        (
            &["reset", "IRa", "--yes"],
            "POST /v1/tokens/IRa/reset",
            "",
            "Reset the token \"Reporting\" (IRa)\n",
        ),
    ] {
        let server = Scripted::start(vec![issued(), issued()]);
        let arguments = [&["token"], arguments].concat();
        let ran = run(&server.url, &arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!((&*ran.out, &*ran.err), ("sgt_0123456789\n", said));
        let asked = server.asked();
        assert_eq!((&*asked.line, &*asked.body), (line, body));
        assert_eq!(asked.header("authorization"), Some(CREDENTIALS));
        assert_eq!(asked.header("host"), server.url.strip_prefix("http://"));
        let json = (!body.is_empty()).then_some("application/json");
        assert_eq!(asked.header("content-type"), json);
        assert_eq!(asked.header("if-match"), None);

        let ran = run(&server.url, &[&*arguments, &["--json"]].concat());
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(told["auth_token"], AUTH_TOKEN);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    }
}

#[test]
fn a_revealed_auth_token_stands_alone_too() {
    let body = r#"{"sid": "IRa", "auth_token": "sgt_0123456789"}"#;
    let server = Scripted::start(vec![Reply::Json("200 OK", body.to_owned())]);
    let ran = run(&server.url, &["token", "reveal", "IRa"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), "sgt_0123456789\n"));
    assert_eq!(ran.err, "The auth token of IRa\n");
    let asked = server.asked();
    assert_eq!(asked.line, "POST /v1/tokens/IRa/reveal");
    assert_eq!(asked.header("idempotency-key"), None);
}

#[test]
fn what_makes_something_is_sent_again_under_its_key_where_the_connection_breaks() {
    for arguments in [
        &["token", "create", "--name", "n"][..],
        &["token", "duplicate", "IRa"],
        &["token", "reset", "IRa", "--yes"],
    ] {
        let server = Scripted::start(vec![Reply::Break, issued(), issued()]);
        assert_eq!(run(&server.url, arguments).code, Some(0));
        let (first, second) = (server.asked(), server.asked());
        let key = first.header("idempotency-key").expect("a key");
        assert_eq!(key.len(), 32);
        assert_eq!(first, second);
        server.is_done();

        assert_eq!(run(&server.url, arguments).code, Some(0));
        assert_ne!(server.asked().header("idempotency-key"), Some(key));
    }
}

#[test]
fn it_is_sent_again_only_once_and_nothing_else_is() {
    let doubt = "the change may have been made all the same";
    let server = Scripted::start(vec![Reply::Break, Reply::Break, issued()]);
    let ran = run(&server.url, &["token", "create", "--name", "n"]);
    ran.failed(doubt);
    server.asked();
    server.asked();
    server.is_done();

    for arguments in [
        &["token", "enable", "IRa"][..],
        &["token", "delete", "IRa", "--yes"],
        &["token", "reveal", "IRa"],
    ] {
        let server = Scripted::start(vec![Reply::Break, issued()]);
        run(&server.url, arguments).failed(doubt);
        assert_eq!(server.asked().header("idempotency-key"), None);
        server.is_done();
    }

    // The second time nobody listens, and still the first may have been done.
    let server = Scripted::start(vec![Reply::Break]);
    run(&server.url, &["token", "reset", "IRa", "-y"]).failed(doubt);

    let server = Scripted::start(vec![Reply::Break]);
    let ran = run(&server.url, &["token", "show", "IRa"]);
    ran.failed("broke before its answer");
    assert!(!ran.err.contains(doubt), "reading changes nothing");
}

#[test]
fn an_edit_is_of_what_was_read() {
    for (arguments, body) in [
        (&["--name", "New"][..], r#"{"name":"New"}"#),
        (&["--clear-scopes"], r#"{"scopes":[]}"#),
        (
            &[
                "--clear-developer-emails",
                "--description",
                "",
                "--scope",
                "a",
            ],
            r#"{"description":"","developer_emails":[],"scopes":["a"]}"#,
        ),
    ] {
        let server = Scripted::start(vec![shown(), shown()]);
        let ran = run(
            &server.url,
            &[&["token", "edit", "IRa"], arguments].concat(),
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.starts_with("sid                IRa\n"), "{ran:?}");
        assert_eq!(server.asked().line, "GET /v1/tokens/IRa");
        let asked = server.asked();
        assert_eq!((&*asked.line, &*asked.body), ("PATCH /v1/tokens/IRa", body));
        assert_eq!(asked.header("if-match"), Some("\"tag\""));
        assert_eq!(
            asked.header("content-type"),
            Some("application/merge-patch+json")
        );
    }
}

#[test]
fn fields_can_come_from_a_file_or_standard_input() {
    let body = "{ \"name\": \"as it is\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    fs::write(&file, body).unwrap();
    let server = Scripted::start(vec![issued(), issued(), shown(), shown()]);
    let from_file = ["token", "create", "--from", file.to_str().unwrap()];
    assert_eq!(run(&server.url, &from_file).code, Some(0));
    assert_eq!(server.asked().body, body);
    let command = sidgate(&server.url, &["token", "create", "--from", "-"]);
    assert_eq!(run_with_input(command, body).code, Some(0));
    assert_eq!(server.asked().body, body);
    let command = sidgate(&server.url, &["token", "edit", "IRa", "--from", "-"]);
    assert_eq!(run_with_input(command, body).code, Some(0));
    server.asked();
    assert_eq!(server.asked().body, body);

    let command = sidgate(&server.url, &["token", "create", "--from", "-"]);
    run_with_input(command, &" ".repeat(70_000)).failed("longer than 65536 bytes");
    run(&server.url, &["token", "create", "--from", "/nowhere"]).failed("cannot read /nowhere");
    server.is_done();
}

#[test]
fn the_other_changes_tell_how_the_token_is_now() {
    for (arguments, line, body) in [
        (&["enable", "IRa"][..], "POST /v1/tokens/IRa/enable", ""),
        (
            &["disable", "IRa", "--yes"],
            "POST /v1/tokens/IRa/disable",
            "",
        ),
        (
            &["upgrade", "IRa", "--yes"],
            "POST /v1/tokens/IRa/upgrade",
            "",
        ),
        (
            &["upgrade", "IRa", "--api-version", "16", "-y"],
            "POST /v1/tokens/IRa/upgrade",
            r#"{"version":"16"}"#,
        ),
    ] {
        let server = Scripted::start(vec![shown(), shown()]);
        let arguments = [&["token"], arguments].concat();
        let ran = run(&server.url, &arguments);
        assert_eq!((ran.code, &*ran.err), (Some(0), ""));
        assert!(ran.out.contains("\nversion            15 (latest 16)\n"));
        assert!(ran.out.contains("\nscopes             ads:read\n"));
        let asked = server.asked();
        assert_eq!((&*asked.line, &*asked.body), (line, body));
        let ran = run(&server.url, &[&*arguments, &["--json"]].concat());
        assert_eq!(ran.out, format!("{}\n", token()));
    }
}

const PREVIEW: &str = r#"{"sid": "IRa", "name": "Reporting", "from": "15", "to": "16",
    "gains": [{"methods": ["GET", "PUT"], "path": "/new", "rule": "GET,PUT /new", "line": 3,
        "scope": "ads:read", "code": "no_route", "required_scopes": []}],
    "loses": [{"methods": ["*"], "path": "/old/{x}\u001b", "rule": "* /old/{x}", "line": 4,
        "scope": "ads:read", "code": "scope_not_granted", "upgrade": false,
        "required_scopes": ["a", "b"]},
        {"methods": ["GET"], "path": "/live", "rule": "GET /live", "line": 5,
        "scope": "ads:read", "code": "ok", "upgrade": true, "required_scopes": []}]}"#;

const TOLD: &str = "\"Reporting\" (IRa) from version 15 to 16\n\
                    gains  GET,PUT /new         by ads:read\n\
                    loses  * /old/{x}\\u{1b}     scope_not_granted: a or b\n\
                    loses  GET /live (upgrade)  served without the upgrade\n";

#[test]
fn an_upgrade_shows_beforehand_what_is_gained_and_lost() {
    let preview = || Reply::Json("200 OK", PREVIEW.to_owned());
    let server = Scripted::start(vec![preview(), preview(), preview(), shown()]);
    let dry = ["token", "upgrade", "IRa", "--dry-run"];
    let ran = run(&server.url, &dry);
    assert_eq!((ran.code, &*ran.err, &*ran.out), (Some(0), "", TOLD));
    let asked = server.asked();
    assert_eq!(asked.line, "POST /v1/tokens/IRa/upgrade");
    assert_eq!(asked.body, r#"{"dry_run":true}"#);
    let ran = run(
        &server.url,
        &[&dry[..], &["--json", "--version", "16"]].concat(),
    );
    assert_eq!(ran.out, format!("{PREVIEW}\n"));
    assert_eq!(server.asked().body, r#"{"dry_run":true,"version":"16"}"#);

    // Nobody is there to be asked; what was shown is what is upgraded.
    let ran = run(&server.url, &["token", "upgrade", "IRa"]);
    assert_eq!((ran.code, &*ran.err), (Some(0), TOLD));
    assert!(ran.out.contains("\nversion            15 (latest 16)\n"));
    assert_eq!(server.asked().body, r#"{"dry_run":true}"#);
    let asked = server.asked();
    assert_eq!(
        (&*asked.body, asked.header("if-match")),
        ("", Some("\"tag\""))
    );
}

#[test]
fn a_delete_says_what_is_gone() {
    let server = Scripted::start(vec![Reply::Json("204 No Content", String::new())]);
    let ran = run(&server.url, &["token", "delete", "IRa", "-y"]);
    assert_eq!((ran.code, &*ran.out), (Some(0), ""));
    assert_eq!(ran.err, "Deleted the token IRa\n");
    assert_eq!(server.asked().line, "DELETE /v1/tokens/IRa");
}

#[test]
fn a_problem_is_told_line_by_line() {
    let problem = json!({
        "type": "urn:sidgate:problem:invalid_fields", "title": "Some fields are not valid", "status": 422,
        "code": "invalid_fields", "detail": "2 of the fields sent cannot be taken",
        "request_id": "r", "errors": [
            {"field": "name", "message": "is needed"},
            {"field": "scopes[0]", "message": "no such scope\u{1b}[2J"}],
    });
    let server = Scripted::start(vec![
        Reply::Problem("422 Unprocessable Content", problem.to_string()),
        Reply::Html("502 Bad Gateway"),
        Reply::Html("200 OK"),
        Reply::Json("200 OK", "{\"auth_token\": 1}".to_owned()),
    ]);
    let ran = run(&server.url, &["token", "create", "--name", "n"]);
    assert_eq!((ran.code, &*ran.out), (Some(1), ""));
    assert_eq!(
        ran.err,
        "sidgate: Some fields are not valid (422 invalid_fields)\n  \
         2 of the fields sent cannot be taken\n  name: is needed\n  \
         scopes[0]: no such scope\\u{1b}[2J\n"
    );
    let foreign = "what answers is not the admin API";
    for _ in 0..2 {
        let ran = run(&server.url, &["token", "show", "IRa"]);
        ran.failed(foreign);
        assert!(!ran.err.contains('\u{1b}'));
    }
    run(&server.url, &["token", "create", "--name", "n"]).failed(foreign);
}
