//! Bad files: the last good content stays in force, and the fault is seen.

use std::fs;
use std::io::Write as _;
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use super::{PROMISE, becomes, with_dave};
use crate::support::fixture::{CATALOG, DAVE, tokens};
use crate::support::{ALICE, BOB, Gate, Recorder, eventually};

#[test]
fn a_bad_file_changes_nothing_and_is_told() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let good = with_dave();
    let cases = [
        ("syntax on the last line", format!("{good}\nname = \n")),
        (
            "truncated",
            good.trim_end().trim_end_matches('"').to_owned(),
        ),
        ("unknown key", good.replacen("name =", "nmae =", 1)),
        (
            "unknown scope",
            good.replacen("items:read", "items:reed", 1),
        ),
        ("duplicate SID", format!("{good}{}", DAVE.token(&[]))),
        (
            "no digest",
            format!("{good}\n[[token]]\nsid = \"x\"\nname = \"x\"\n"),
        ),
        ("zero bytes", String::new()),
        ("binary", "\0\u{1}\u{2}".repeat(100)),
    ];
    for (what, text) in cases {
        gate.replace("tokens.toml", &text);
        let status = eventually(&format!("{what} is told"), PROMISE, || {
            Some(gate.status()).filter(|status| !status["fault"].is_null())
        });
        assert!(
            status["fault"].to_string().contains("tokens.toml"),
            "{what}: {status}"
        );
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200, "{what}");
        assert_eq!(gate.read_as(&DAVE, "/v1/items").status, 401, "{what}");
        gate.replace("tokens.toml", tokens());
        eventually("the fault is over", PROMISE, || {
            gate.status()["fault"].is_null().then_some(())
        });
    }
    gate.replace("tokens.toml", good);
    becomes(&gate, &DAVE, 200);
    let log = gate.log().join("\n");
    assert!(log.contains("tokens.toml"), "{log}");
    for secret in [ALICE, BOB, DAVE] {
        assert!(!log.contains(secret.secret));
        let digest = crate::support::fixture::digest(secret.secret);
        assert!(!log.contains(digest.trim_start_matches("sha256:")), "{log}");
    }
}

#[test]
fn a_fault_has_its_place() {
    let gate = Gate::builder().start();
    let bad = tokens().replacen("name = \"bob\"", "nmae = \"bob\"", 1);
    let line = 1 + bad.lines().position(|line| line.contains("nmae")).unwrap();
    gate.replace("tokens.toml", bad);
    gate.logged(&[&format!("tokens.toml:{line}:")]);
}

#[test]
fn a_catalogue_that_drops_a_scope_in_use_is_refused() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    gate.replace("catalog.toml", CATALOG.replace("items:write", "items:put"));
    eventually("the fault is told", PROMISE, || {
        (!gate.status()["fault"].is_null()).then_some(())
    });
    assert_eq!(
        gate.ask("POST", "/v1/items")
            .by(&BOB)
            .body("{}")
            .send()
            .status,
        200
    );
    assert_eq!(upstream.last().header("x-auth-scope"), Some("items:write"));
    gate.replace("catalog.toml", "[[category]]\nname =");
    gate.logged(&["catalog.toml:2"]);
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
}

#[test]
fn comments_alone_are_an_empty_set() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    gate.replace("tokens.toml", "# nobody for now\n");
    becomes(&gate, &ALICE, 401);
    assert!(gate.status()["fault"].is_null());
}

#[test]
fn a_write_in_two_halves_is_never_seen_as_half() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let text = with_dave();
    let cut = text
        .find("[[token]]\nsid = \"bob\"")
        .expect("Bob is the second");
    // The first half alone is a valid file, of Alice only.
    let mut file = fs::File::create(gate.path("tokens.toml")).unwrap();
    file.write_all(&text.as_bytes()[..cut]).unwrap();
    let half = Instant::now();
    while half.elapsed() < Duration::from_millis(600) {
        let reply = gate.ask("POST", "/v1/items").by(&BOB).body("{}").send();
        assert_eq!(reply.status, 200, "after {:?}", half.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    file.write_all(&text.as_bytes()[cut..]).unwrap();
    drop(file);
    becomes(&gate, &DAVE, 200);
    assert_eq!(
        gate.ask("POST", "/v1/items")
            .by(&BOB)
            .body("{}")
            .send()
            .status,
        200
    );
}

#[test]
fn an_unreadable_file_or_one_of_another_kind_changes_nothing() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let path = gate.path("tokens.toml");
    for make in [
        (|path| fs::create_dir(path).unwrap()) as fn(&std::path::Path),
        |path| {
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::from_raw_mode(0o600),
                0,
            )
            .unwrap();
        },
    ] {
        fs::remove_file(&path).unwrap();
        make(&path);
        eventually("the fault is told", PROMISE, || {
            (!gate.status()["fault"].is_null()).then_some(())
        });
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        }
        gate.replace("tokens.toml", tokens());
        eventually("the fault is over", PROMISE, || {
            gate.status()["fault"].is_null().then_some(())
        });
    }
}

/// Asserts exit code 1 and a line on standard error that begins so.
#[track_caller]
fn assert_fault(output: &Output, pieces: &[&str]) {
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(1), "{all}");
    for piece in pieces {
        assert!(all.contains(piece), "{piece} in {all}");
    }
}

#[test]
fn a_bad_file_at_start_means_no_start_and_check_says_the_same() {
    let bad = tokens().replacen("items:write", "items:wrote", 1);
    let line = 1 + bad
        .lines()
        .position(|line| line.contains("items:wrote"))
        .unwrap();
    for command in ["serve", "check"] {
        let output = Gate::builder().tokens(bad.clone()).run(command);
        assert_fault(&output, &[&format!("tokens.toml:{line}:"), "items:wrote"]);
        let output = Gate::builder().tokens("").run(command);
        assert_fault(&output, &["tokens.toml"]);
        let output = Gate::builder()
            .catalog("[[category]]\nname = 7\n")
            .run(command);
        assert_fault(&output, &["catalog.toml:2:"]);
        let output = Gate::builder().proxy("realms = \"x\"").run(command);
        assert_fault(&output, &["sidgate.toml:", "realms"]);
        let output = Gate::builder()
            .proxy("tls = { certificate = \"none.pem\", private_key = \"none.key\" }")
            .run(command);
        assert_fault(&output, &["none.pem"]);
    }
}

#[test]
fn check_of_good_files_is_a_summary_without_a_secret() {
    let output = Gate::builder().run("check");
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(0), "{all}");
    assert!(!output.stdout.is_empty());
    assert!(!all.contains("sha256:"), "{all}");
}

#[test]
fn plaintext_on_a_public_address_and_a_taken_port_mean_no_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (listen, piece) in [
        ("0.0.0.0:0", "allow_plaintext"),
        (&address.to_string(), "in use"),
    ] {
        let output = Gate::builder().listen(listen).run("serve");
        let all = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{all}");
        assert!(all.contains(piece), "{listen}: {all}");
    }
}

#[test]
fn a_file_that_is_gone_is_told_until_it_is_back() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let tokens_file = gate.path("tokens.toml");
    for round in 0..2 {
        fs::remove_file(&tokens_file).unwrap();
        let status = eventually("the loss is told", PROMISE * 2, || {
            Some(gate.status()).filter(|status| !status["fault"].is_null())
        });
        assert!(
            status["fault"].to_string().contains("tokens.toml"),
            "{round}: {status}"
        );
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200, "{round}");
        gate.replace("tokens.toml", tokens());
        eventually("it is over", PROMISE, || {
            gate.status()["fault"].is_null().then_some(())
        });
    }
}

#[test]
fn what_could_not_be_read_for_want_of_descriptors_is_read_later() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    becomes(&gate, &DAVE, 401);
    gate.limit_descriptors(3);
    gate.replace("tokens.toml", with_dave());
    gate.logged(&["cannot be read"]);
    gate.limit_descriptors(1024);
    becomes(&gate, &DAVE, 200);
}
