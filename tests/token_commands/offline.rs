//! What needs no admin API: usage, where the secret comes from, completions, audit.

use std::fs;

use crate::scripted::{Reply, Scripted};
use crate::{CREDENTIALS, SECRET, run, run_with_input, sidgate};

const NOWHERE: &str = "http://127.0.0.1:1";
const TOKEN_COMMANDS: [&str; 11] = [
    "create",
    "list",
    "show",
    "edit",
    "duplicate",
    "reset",
    "upgrade",
    "enable",
    "disable",
    "delete",
    "reveal",
];

#[test]
fn every_level_has_help_and_wrong_usage_is_2() {
    let mut levels = vec![vec!["token"], vec!["explain"], vec!["completions"]];
    levels.extend([vec!["audit"], vec!["audit", "verify"]]);
    levels.extend(TOKEN_COMMANDS.map(|command| vec!["token", command]));
    for level in levels {
        let help = run(NOWHERE, &[&*level, &["--help"]].concat());
        assert_eq!(help.code, Some(0), "{level:?}");
        let usage = format!("Usage: sidgate {}", level.join(" "));
        assert!(help.out.contains(&usage), "{help:?}");
        assert!(!help.out.contains(&format!("={SECRET}")), "{help:?}");
        let wrong = run(NOWHERE, &[&*level, &["--no-such-flag"]].concat());
        assert_eq!(wrong.code, Some(2), "{level:?}");
    }
    for wrong in [
        &["token"][..],
        &["token", "create"],
        &["token", "create", "--name", "n", "--from", "f"],
        &["token", "edit", "IRa"],
        &["token", "edit", "IRa", "--scope", "a", "--clear-scopes"],
        &["token", "show", "not/a/sid"],
        &["token", "list", "--created", "yesterday"],
        &["token", "list", "--limit", "0"],
        &["token", "list", "--admin-url", "127.0.0.1:8081"],
        &["token", "list", "--operator-secret", "x"],
        &["explain", "--sid", "any", "--path", "/"],
        &["completions", "tcsh"],
    ] {
        let ran = run(NOWHERE, wrong);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{wrong:?}");
    }
    let both = [
        "token",
        "create",
        "--from",
        "-",
        "--operator-secret-file",
        "-",
    ];
    let ran = run(NOWHERE, &both);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[test]
fn the_secret_comes_from_a_file_before_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "abc\n").unwrap();
    let answer = || Reply::Json("204 No Content", String::new());
    let server = Scripted::start(vec![answer(), answer()]);
    let delete = |file: &str| {
        let arguments = [
            "token",
            "delete",
            "IRa",
            "-y",
            "--operator-secret-file",
            file,
        ];
        let mut command = sidgate(&server.url, &arguments);
        command.env("SIDGATE_OPERATOR_SECRET", "other");
        command
    };
    let ran = run_with_input(delete(file.to_str().unwrap()), "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(server.asked().header("authorization"), Some(CREDENTIALS));
    assert_eq!(run_with_input(delete("-"), "abc\n").code, Some(0));
    assert_eq!(server.asked().header("authorization"), Some(CREDENTIALS));
    run_with_input(delete("/nowhere"), "").failed("cannot open /nowhere");
    run_with_input(delete("-"), "a\nb\n").failed("secret");
    server.is_done();
}

#[test]
fn nothing_is_sent_without_an_operator_or_in_the_open() {
    let mut command = sidgate(NOWHERE, &["token", "list"]);
    run_with_input(clear(&mut command, "SIDGATE_OPERATOR_SECRET"), "").failed("no secret");
    let mut command = sidgate(NOWHERE, &["token", "list"]);
    run_with_input(clear(&mut command, "SIDGATE_OPERATOR"), "").failed("no operator");
    run(NOWHERE, &["token", "list", "--operator", "a:b"]).failed("no colon");
    run("http://192.0.2.1:8081", &["token", "list"]).failed("use https://");
    run(NOWHERE, &["token", "list"]).failed("cannot connect to http://127.0.0.1:1: ");
    run("unix:/nowhere", &["token", "list"]).failed("cannot connect to unix:/nowhere: ");
}

fn clear(command: &mut std::process::Command, name: &str) -> std::process::Command {
    command.env_remove(name);
    std::mem::replace(command, std::process::Command::new("true"))
}

#[test]
fn the_documents_have_every_command() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
    let page = fs::read_to_string(page).unwrap();
    for command in TOKEN_COMMANDS {
        assert!(
            page.contains(&format!("`sidgate token {command} ")),
            "{command}"
        );
    }
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(NOWHERE, &["completions", shell]);
        assert_eq!(ran.code, Some(0), "{shell}");
        for word in TOKEN_COMMANDS.iter().chain(&["explain", "digest"]) {
            assert!(ran.out.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn an_audit_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let verify = || run(NOWHERE, &["audit", "verify", path.to_str().unwrap()]);
    verify().failed("audit.jsonl: cannot be read");
    let mut log = sidgate::telemetry::audit::AuditLog::open(&path).unwrap();
    verify().failed("there is no record");
    let record = serde_json::json!({"operator": "ops"});
    for _ in 0..3 {
        log.append(&[record.as_object().unwrap().clone()]).unwrap();
    }
    let ran = verify();
    assert_eq!((ran.code, &*ran.err), (Some(0), ""));
    assert!(ran.out.starts_with("whole: 3 records, 1 to 3, last hash "));
    let changed = fs::read_to_string(&path).unwrap().replacen("ops", "eve", 1);
    fs::write(&path, changed).unwrap();
    verify().failed("audit.jsonl:2: ");
}
