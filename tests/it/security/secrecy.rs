//! Invariant 13, silence: no secret in a log, an error, a metric, an argument, a core or, once
//! it is dropped, in memory that is the gate's own.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bench::CATALOG;
use crate::support::fixture::{OPERATOR, basic};
use crate::support::http1::Ask;
use crate::support::http2::frames::{Frames, HEADERS, PING};
use crate::support::{ALICE, CAROL, Gate, Recorder, Reply};

/// A call of the admin API by the operator.
fn admin(gate: &Gate, method: &str, target: &str, body: &str) -> Reply {
    let ask = Ask::new(gate.admin_address(), method, target).by(&OPERATOR);
    ask.header("Content-Type", "application/json")
        .body(body)
        .send()
}

/// The auth token that an answer shows, and never again.
fn shown(reply: &Reply) -> String {
    let json = reply.json();
    json["auth_token"]
        .as_str()
        .expect("an auth token")
        .to_owned()
}

fn gate(upstream: &Recorder) -> Gate {
    let (alice, carol) = (ALICE.token(&["reader"]), CAROL.token(&["reader"]));
    Gate::builder()
        .before(upstream)
        .catalog(CATALOG)
        .tokens(format!("{alice}\n{carol}state = \"disabled\"\n"))
        .section("[log]\nlevel = \"trace\"\n[guessing]\nfailures = 3\nexempt = []")
        .start()
}

/// Every answer and every refusal there is, with credentials that must not be seen again:
/// those, and all that was answered but for the answers that show an auth token.
fn life(gate: &Gate) -> (Vec<String>, Vec<String>) {
    let mut answers = Vec::new();
    let made = admin(
        gate,
        "POST",
        "/v1/tokens",
        r#"{"name": "made", "description": "", "primary_contact": "a@example.com",
            "developer_emails": [], "scopes": ["reader"]}"#,
    );
    assert_eq!(made.status, 201, "{made:?}");
    let first = shown(&made);
    let sid = made.json()["sid"].as_str().unwrap().to_owned();
    let ask = |pair: &str, target: &str| {
        let ask = gate.ask("GET", target);
        ask.header("Authorization", &basic(pair)).send()
    };
    let pair = format!("{sid}:{first}");
    for target in ["/v1/items", "/nowhere", "/v1/../x"] {
        answers.push(ask(&pair, target));
    }
    assert_eq!(answers[0].status, 200);
    let reset = admin(gate, "POST", &format!("/v1/tokens/{sid}/reset"), "");
    let second = shown(&reset);
    answers.push(ask(&format!("{sid}:{second}"), "/v1/items"));
    assert_eq!(answers[3].status, 200);
    // A secret where no secret belongs.
    for (method, target, body) in [
        (
            "POST",
            "/v1/tokens",
            format!(r#"{{"name": 1, "auth_token": "{second}"}}"#),
        ),
        ("POST", "/v1/tokens", format!("{second} is no JSON")),
    ] {
        let reply = admin(gate, method, target, &body);
        assert!(matches!(reply.status, 400 | 422), "{reply:?}");
        answers.push(reply);
    }
    answers.push(gate.read_as(&CAROL, "/v1/items"));
    // HTTP/2 is spoken by another library, which has a log of its own.
    let mut client = Frames::connect(gate.address());
    let head = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gw"),
        (":path", "/v1/items"),
        ("authorization", &basic(&format!("{sid}:{second}"))),
    ];
    assert!(client.ask(1, &head));
    let outcome = client.read_until(Duration::from_secs(10), |seen| seen.has(HEADERS));
    assert!(outcome.has(HEADERS));
    assert!(
        client.send(PING, 0, 1, &[0; 8]),
        "which is not allowed on a stream"
    );
    let guesses: Vec<String> = (0..4).map(|n| format!("{sid}:a-wrong-guess-{n}")).collect();
    answers.push(ask(&pair, "/v1/items"));
    answers.extend(guesses.iter().map(|guess| ask(guess, "/v1/items")));
    assert_eq!(answers.last().map(|reply| reply.status), Some(429));
    for target in ["/metrics", "/v1/status", "/v1/audit", "/v1/tokens"] {
        answers.push(gate.ask_admin(target));
    }

    let mut pairs = vec![
        pair,
        format!("{sid}:{second}"),
        format!("{}:{}", CAROL.sid, CAROL.secret),
    ];
    pairs.extend(guesses);
    pairs.push(format!("{}:{}", OPERATOR.sid, OPERATOR.secret));
    let plain = pairs
        .iter()
        .map(|pair| pair.split_once(':').unwrap().1.to_owned());
    let mut secrets: Vec<String> = plain.collect();
    secrets.extend(pairs.iter().map(|pair| STANDARD.encode(pair)));
    let answers = answers
        .iter()
        .map(|reply| format!("{}{}", reply.raw, reply.text()));
    (secrets, answers.collect())
}

#[test]
fn no_secret_is_seen_again() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let (secrets, answers) = life(&gate);
    let proc = |name: &str| {
        let bytes = fs::read(format!("/proc/{}/{name}", gate.pid()));
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    // The log is as loud as it gets.
    gate.logged(&["DEBUG"]);
    // What was asked last has been recorded.
    gate.record(|record| record["code"] == "rate_limited");
    let records: Vec<String> = gate.records().iter().map(ToString::to_string).collect();
    let places = [
        ("an answer", answers.join("\n")),
        ("the log", gate.log().join("\n")),
        ("a record", records.join("\n")),
        ("cmdline", proc("cmdline")),
        ("environ", proc("environ")),
        ("the token file", gate.read("tokens.toml")),
        ("the audit", gate.read("audit.jsonl")),
        (
            "the upstream",
            String::from_utf8_lossy(&upstream.bytes()).into_owned(),
        ),
    ];
    assert!(
        places[1].1.contains("TRACE"),
        "the log is as loud as it gets"
    );
    for (place, text) in &places {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} has {secret}");
        }
    }
}

#[test]
fn no_core_is_dumped() {
    let gate = Gate::builder().start();
    let limits = fs::read_to_string(format!("/proc/{}/limits", gate.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.expect("a limit of cores").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{core:?}");
    // Not dumpable: its files in /proc belong to root, whoever runs it (proc(5)).
    let owner = fs::metadata(format!("/proc/{}/environ", gate.pid())).unwrap();
    assert_eq!(owner.uid(), 0);
}

/// How often each of these stands in the memory of a process that it can write.
fn in_memory(pid: u32, texts: &[&str]) -> Vec<usize> {
    const PAGE: u64 = 4096;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let open = |name: &str| File::open(format!("/proc/{pid}/{name}")).unwrap();
    let (memory, pages) = (open("mem"), open("pagemap"));
    let mut dump = tempfile::NamedTempFile::new().unwrap();
    let address = |text| u64::from_str_radix(text, 16).unwrap();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let (first, last) = (address(start) / PAGE, address(end) / PAGE);
        let mut present = vec![0; usize::try_from((last - first) * 8).unwrap()];
        pages.read_exact_at(&mut present, first * 8).unwrap();
        for (page, entry) in (first..last).zip(present.chunks_exact(8)) {
            // Bits 63 and 62: in memory, or swapped out (proc_pid_pagemap(5)).
            let mut bytes = [0; PAGE as usize];
            // A page may be gone by now.
            if entry[7] & 0xc0 != 0 && memory.read_exact_at(&mut bytes, page * PAGE).is_ok() {
                dump.write_all(&bytes).unwrap();
            }
        }
    }
    let count = |text: &&str| {
        let found = Command::new("grep")
            .args(["--text", "--only-matching", "--fixed-strings", text])
            .arg(dump.path())
            .output()
            .unwrap();
        found.stdout.split(|&byte| byte == b'\n').count() - 1
    };
    texts.iter().map(count).collect()
}

/// What the gate decodes, makes and shows is wiped. The HTTP library's buffers hold a
/// request's head, with the credentials in base64, until they are used again: those are not
/// the gate's, and no auth token stands in them as text.
#[test]
fn an_auth_token_leaves_memory_with_its_answer() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else may look into a gate's memory.
        return;
    }
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let made = admin(
        &gate,
        "POST",
        "/v1/tokens",
        r#"{"name": "made", "description": "", "primary_contact": "a@example.com",
            "developer_emails": [], "scopes": ["reader"]}"#,
    );
    let (first, json) = (shown(&made), made.json());
    let sid = json["sid"].as_str().unwrap();
    let use_it = |secret: &str| {
        let ask = gate.ask("GET", "/v1/items");
        let ask = ask.header("Authorization", &basic(&format!("{sid}:{secret}")));
        assert_eq!(ask.send().status, 200);
    };
    use_it(&first);
    let reset = admin(&gate, "POST", &format!("/v1/tokens/{sid}/reset"), "");
    let second = shown(&reset);
    use_it(&second);
    // Fixed texts that must be there show that the look is a look.
    let found = in_memory(gate.pid(), &[&first, &second, CAROL.secret, sid]);
    assert!(found[3] > 0, "not even the SID is found");
    assert_eq!(found[..3], [0, 0, 0]);
}
