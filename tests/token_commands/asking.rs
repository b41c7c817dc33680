//! Questions at a terminal: a confirmation that names the token, and the secret.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::scripted::{Reply, Scripted};
use crate::{CREDENTIALS, Ran, run, sidgate};

const TOKEN: &str = r#"{"sid": "IRa", "name": "Reporting", "description": "",
    "api_version": null, "latest_version": null, "primary_contact": "",
    "developer_emails": [], "scopes": [], "state": "enabled", "created_at": null,
    "updated_at": null, "auth_token": "sgt_0123456789"}"#;

fn shown() -> Reply {
    Reply::Json("200 OK", TOKEN.to_owned())
}

/// Runs a command at a terminal of its own where this is typed, once it asks. What the
/// terminal shows of it comes too.
fn run_at_terminal(mut command: Command, typed: &str) -> (Ran, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path.to_str().unwrap())
        .unwrap();
    let mut child = command
        .stdin(terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    // It hides what is typed before it asks no earlier than it asks.
    let mut err = child.stderr.take().unwrap();
    let mut prompt = Vec::new();
    let mut byte = [0];
    while !prompt.ends_with(b"[y/N] ") && !prompt.ends_with(b"ops: ") {
        assert_eq!(err.read(&mut byte).unwrap(), 1, "it asks");
        prompt.extend(byte);
    }
    // The echo is off a moment after the prompt is there.
    while prompt.ends_with(b"ops: ")
        && rustix::termios::tcgetattr(&terminal)
            .unwrap()
            .local_modes
            .contains(rustix::termios::LocalModes::ECHO)
    {
        std::thread::yield_now();
    }
    let mut master = File::from(master);
    master.write_all(typed.as_bytes()).unwrap();
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    let mut ran: Ran = child.wait_with_output().unwrap().into();
    ran.err = String::from_utf8(prompt).unwrap() + &rest;
    // Something is always there to read, so that this ends.
    (&terminal).write_all(b"$").unwrap();
    let mut screen = Vec::new();
    while !screen.ends_with(b"$") {
        assert_eq!(master.read(&mut byte).unwrap(), 1);
        screen.extend(byte);
    }
    (ran, String::from_utf8(screen).unwrap())
}

#[test]
fn what_stops_a_token_asks_and_names_it() {
    for (verb, line) in [
        ("reset", "POST /v1/tokens/IRa/reset"),
        ("disable", "POST /v1/tokens/IRa/disable"),
        ("delete", "DELETE /v1/tokens/IRa"),
    ] {
        let server = Scripted::start(vec![shown(), shown()]);
        let command = sidgate(&server.url, &["token", verb, "IRa"]);
        let (ran, _) = run_at_terminal(command, "y\n");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.err.contains("the token \"Reporting\" (IRa)? "),
            "{ran:?}"
        );
        assert_eq!(server.asked().line, "GET /v1/tokens/IRa");
        let asked = server.asked();
        assert_eq!(asked.line, line);
        assert_eq!(asked.header("if-match"), Some("\"tag\""), "as it was shown");

        let server = Scripted::start(vec![shown(), shown()]);
        let command = sidgate(&server.url, &["token", verb, "IRa"]);
        let (ran, _) = run_at_terminal(command, "\n");
        ran.failed("sidgate: nothing was done\n");
        server.asked();
        server.is_done();
    }
}

#[test]
fn an_upgrade_that_changes_something_asks() {
    let preview = |gains: &str| {
        let text = format!(
            r#"{{"sid": "IRa", "name": "Reporting", "from": "15", "to": "16", "loses": [],
            "gains": [{gains}]}}"#
        );
        Reply::Json("200 OK", text)
    };
    let gained = r#"{"methods": ["GET"], "path": "/new", "scope": "a", "rule": "GET /new",
        "line": 1, "code": "no_route", "required_scopes": []}"#;
    for (typed, calls) in [("y\n", 2), ("\n", 1)] {
        let server = Scripted::start(vec![preview(gained), shown()]);
        let command = sidgate(&server.url, &["token", "upgrade", "IRa"]);
        let (ran, _) = run_at_terminal(command, typed);
        assert!(
            ran.err
                .contains("gains  GET /new  by a\nUpgrade it? [y/N] ")
        );
        assert_eq!(ran.code, Some(if calls == 2 { 0 } else { 1 }), "{ran:?}");
        for _ in 0..calls {
            assert_eq!(server.asked().line, "POST /v1/tokens/IRa/upgrade");
        }
        server.is_done();
    }
}

#[test]
fn without_a_terminal_nothing_is_done() {
    for verb in ["reset", "disable", "delete"] {
        let server = Scripted::start(vec![shown()]);
        run(&server.url, &["token", verb, "IRa"]).failed("give --yes");
        server.is_done();
    }
}

#[test]
fn the_secret_is_asked_for_and_not_shown() {
    let server = Scripted::start(vec![shown()]);
    let mut command = sidgate(&server.url, &["token", "show", "IRa"]);
    command.env_remove("SIDGATE_OPERATOR_SECRET");
    let (ran, screen) = run_at_terminal(command, "abc\n");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.err, "Secret of the operator ops: \n");
    assert_eq!(screen, "$");
    assert_eq!(server.asked().header("authorization"), Some(CREDENTIALS));
}
