//! Class E: HTTP/1 framing. What hyper turns into exactly one well-formed request for the
//! upstream, and no second one, is as good as a refusal.

use std::time::Duration;

use super::Expect::{Harmless, Refused};
use super::{Bench, Case, assert_allowed, get};
use crate::support::{ALICE, BOB};

/// Bob's POST with these header lines and body.
fn post(lines: &[&str], body: &str) -> Vec<u8> {
    let mut head = format!(
        "POST /v1/items HTTP/1.1\r\nHost: gw\r\nAuthorization: {}\r\n",
        BOB.basic()
    );
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    format!("{head}\r\n{body}").into_bytes()
}

/// Sends a case alone, and asserts that it is answered at most once; the status, if any.
#[track_caller]
fn send(bench: &mut Bench, name: &str, bytes: &[u8]) -> Option<u16> {
    let mut client = bench.plain.connect().patience(Duration::from_secs(1));
    let _ = client.try_send(bytes);
    let first = client.try_reply("POST").ok().map(|reply| reply.status);
    // Where the gate waits for more, there is no more.
    client.finish_sending();
    let rest = client.rest();
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("HTTP/1.1 200"), "{name}: {rest}");
    bench.is_well(name);
    first
}

/// After `cases` of Bob's POSTs: the upstream saw each at most once, soundly, and nothing
/// of what was hidden in them. A refused one may have arrived in part, and late.
#[track_caller]
fn assert_nothing_hidden(bench: &Bench, cases: usize) {
    let seen = bench.upstream.requests();
    let (posts, others): (Vec<_>, Vec<_>) = seen.iter().partition(|r| r.method == "POST");
    assert!(
        posts.len() <= cases,
        "{} of {cases}: {posts:?}",
        posts.len()
    );
    assert_eq!(others.len(), bench.admitted, "{others:?}");
    assert!(
        others.iter().all(|request| request.target == "/v1/items/1"),
        "{others:?}"
    );
    for request in &seen {
        assert_allowed(request);
    }
}

/// What is hidden behind a body: a request that would be allowed, so that only the
/// framing keeps it out.
fn hidden() -> String {
    String::from_utf8(get("/v1/items/hidden")).unwrap()
}

#[test]
fn length_and_chunks_together() {
    let mut bench = Bench::new();
    let hidden = hidden();
    let body = format!("0\r\n\r\n{hidden}");
    for lines in [
        ["Content-Length: 6", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 6"],
        ["Transfer-Encoding: chunked", "Content-Length: 0"],
    ] {
        send(&mut bench, &format!("{lines:?}"), &post(&lines, &body));
    }
    assert_nothing_hidden(&bench, 3);
}

#[test]
fn transfer_codings() {
    let mut bench = Bench::new();
    let body = "5\r\nhello\r\n0\r\n\r\n";
    for lines in [
        vec!["Transfer-Encoding: gzip, chunked"],
        vec!["Transfer-Encoding: chunked, chunked"],
        vec!["Transfer-Encoding: identity", "Transfer-Encoding: chunked"],
        vec!["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        vec!["Transfer-Encoding: chunked, identity"],
        vec!["Transfer-Encoding: identity"],
        vec!["Transfer-Encoding: xchunked"],
        vec!["Transfer-Encoding: \"chunked\""],
        vec!["Transfer-Encoding: chunked;x=y"],
        vec!["Transfer-Encoding:"],
        vec!["Transfer_Encoding: chunked"],
        vec!["Transfer-Encoding : chunked"],
        vec!["X: y", " Transfer-Encoding: chunked"],
        vec!["Transfer-Encoding:\tchunked"],
    ] {
        send(&mut bench, &format!("{lines:?}"), &post(&lines, body));
    }
    // Any case is chunked.
    let status = send(
        &mut bench,
        "ChUnKeD",
        &post(&["Transfer-Encoding: ChUnKeD"], body),
    );
    assert_eq!(status, Some(200));
    assert!(
        bench
            .upstream
            .requests()
            .iter()
            .any(|request| request.body == b"hello")
    );
    assert_nothing_hidden(&bench, 15);
}

#[test]
fn content_lengths() {
    let mut bench = Bench::new();
    for value in [
        "+1",
        "-1",
        "0x1",
        "1, 1",
        "1, 2",
        "",
        " ",
        "1 1",
        "1;x",
        "18446744073709551616",
        "18446744073709551615",
        "1\r\nContent-Length: 2",
        "2\r\nContent-Length: 1",
    ] {
        let line = format!("Content-Length: {value}");
        let bytes = post(&[&line], &format!("x{}", hidden()));
        send(&mut bench, &line, &bytes);
    }
    // Two that agree are one, or none.
    for value in ["1\r\nContent-Length: 1", "01", "1"] {
        let line = format!("Content-Length: {value}");
        send(&mut bench, &line, &post(&[&line], "x"));
    }
    for seen in bench
        .upstream
        .requests()
        .iter()
        .filter(|r| r.method == "POST")
    {
        assert!(
            matches!(seen.header("content-length"), None | Some("1")),
            "{seen:?}"
        );
    }
    assert_nothing_hidden(&bench, 16);
}

#[test]
fn chunk_lines() {
    let mut bench = Bench::new();
    for (name, body) in [
        ("LF", "1\nx\r\n0\r\n\r\n".to_owned()),
        ("LF in an extension", "1;a\nb\r\nx\r\n0\r\n\r\n".to_owned()),
        ("CR in an extension", "1;a\rb\r\nx\r\n0\r\n\r\n".to_owned()),
        ("0x1", "0x1\r\nx\r\n0\r\n\r\n".to_owned()),
        ("-1", "-1\r\nx\r\n0\r\n\r\n".to_owned()),
        ("a space before", " 1\r\nx\r\n0\r\n\r\n".to_owned()),
        ("2^64 + 1", "10000000000000001\r\nx\r\n0\r\n\r\n".to_owned()),
        ("no size", "\r\nx\r\n0\r\n\r\n".to_owned()),
        ("spill", format!("1\r\nxZZ0\r\n\r\n{}", hidden())),
        ("data ended by LF", "1\r\nx\n0\r\n\r\n".to_owned()),
        (
            "last line ended by LF",
            format!("1\r\nx\r\n0\n\n{}", hidden()),
        ),
    ] {
        let bytes = post(&["Transfer-Encoding: chunked"], &body);
        let status = send(&mut bench, name, &bytes);
        assert_ne!(status, Some(200), "{name}");
    }
    let bytes = bench.upstream.bytes();
    let bytes = String::from_utf8_lossy(&bytes);
    assert!(
        !bytes.contains("\r\n0\r\n\r\n"),
        "no part was ended as a whole"
    );
    assert_nothing_hidden(&bench, 11);
}

#[test]
fn line_endings_and_odd_bytes() {
    let basic = ALICE.basic();
    let good = String::from_utf8(get("/v1/items/1")).unwrap();
    let with = |line: &str| good.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let cases = [
        Case::new("all LF", good.replace("\r\n", "\n"), Harmless),
        Case::new("one LF", good.replacen("gw\r\n", "gw\n", 1), Harmless),
        Case::new("bare CR", with("X: a\rb"), Refused),
        Case::new("NUL", with("X: a\0b"), Refused),
        Case::new("0x01", with("X: a\u{1}b"), Refused),
        Case::new("obs-fold", with("X: a\r\n b"), Refused),
        Case::new(
            "a space before the first header",
            format!(
                "GET /v1/items/1 HTTP/1.1\r\n Host: a\r\nHost: gw\r\nAuthorization: {basic}\r\n\r\n"
            ),
            Refused,
        ),
        Case::new("a space before the colon", with("X-Y : 1"), Refused),
        Case::new("no name", with(": 1"), Refused),
        Case::new("no colon", with("X-Y"), Refused),
        Case::new("a name with a quote", with("X\"Y: 1"), Refused),
    ];
    Bench::new().run(&cases);
}

#[test]
fn versions() {
    let rest = format!("\r\nHost: gw\r\nAuthorization: {}\r\n\r\n", ALICE.basic());
    let cases: Vec<Case> = [
        "GET /v1/items/1 HTTP/1.2",
        "GET /v1/items/1 HTTP/2.0",
        "GET /v1/items/1 HTTP/3",
        "GET /v1/items/1 http/1.1",
        "GET /v1/items/1  HTTP/1.1",
        "GET  /v1/items/1 HTTP/1.1",
        " GET /v1/items/1 HTTP/1.1",
        "GET /v1/items/1 HTTP/1.1 ",
        "GET /v1/items/1 HTTP/1.1x",
        "GET /v1/items/1 HTTP/11",
        "GET\t/v1/items/1\tHTTP/1.1",
        "GET /v1/items/1",
        "GET",
        "/v1/items/1 HTTP/1.1",
    ]
    .into_iter()
    .map(|line| Case::new(line, format!("{line}{rest}"), Refused))
    .collect();
    Bench::new().run(&cases);
    let mut bench = Bench::new();
    for (name, bytes) in [
        (
            "1.0 chunked",
            post(&["Transfer-Encoding: chunked"], "1\r\nx\r\n0\r\n\r\n"),
        ),
        (
            "1.0 both framings",
            post(
                &[
                    "Connection: keep-alive",
                    "Content-Length: 1",
                    "Transfer-Encoding: chunked",
                ],
                "1\r\nx\r\n0\r\n\r\n",
            ),
        ),
    ] {
        let bytes = String::from_utf8(bytes)
            .unwrap()
            .replacen("HTTP/1.1", "HTTP/1.0", 1);
        send(&mut bench, name, bytes.as_bytes());
    }
    assert_nothing_hidden(&bench, 2);
}

#[test]
fn a_refused_body_is_no_request() {
    let mut bench = Bench::new();
    let hidden = hidden();
    let basic = ALICE.basic();
    for (name, head, body) in [
        (
            "403",
            format!(
                "POST /v1/items HTTP/1.1\r\nHost: gw\r\nAuthorization: {basic}\r\nContent-Length: {}\r\n\r\n",
                hidden.len()
            ),
            hidden.clone(),
        ),
        (
            "401",
            format!(
                "POST /v1/items HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n",
                hidden.len()
            ),
            hidden.clone(),
        ),
        (
            "403 chunked",
            format!(
                "POST /v1/items HTTP/1.1\r\nHost: gw\r\nAuthorization: {basic}\r\nTransfer-Encoding: chunked\r\n\r\n"
            ),
            format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
        ),
    ] {
        let mut client = bench.plain.connect().patience(Duration::from_secs(5));
        let follow = String::from_utf8(get("/v1/items/follows")).unwrap();
        let _ = client.try_send(format!("{head}{body}{follow}"));
        let first = client.reply("POST");
        assert!(matches!(first.status, 401 | 403), "{name}: {first:?}");
        if let Ok(second) = client.try_reply("GET") {
            assert_eq!(second.status, 200, "{name}");
            assert_eq!(bench.upstream.last().target, "/v1/items/follows", "{name}");
            bench.admitted += 1;
        }
        bench.is_well(name);
    }
    assert!(
        bench
            .upstream
            .requests()
            .iter()
            .all(|r| r.path() != "/v1/items/hidden")
    );
    bench.conclude();
}

#[test]
fn a_strangers_large_body_is_not_read() {
    let mut bench = Bench::new();
    let size = 64 << 20;
    let mut client = bench.plain.connect().patience(Duration::from_secs(10));
    client.send(format!(
        "POST /v1/items HTTP/1.1\r\nHost: gw\r\nContent-Length: {size}\r\n\r\n"
    ));
    let block = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while sent < size && client.try_send(&block).is_ok() {
        sent += block.len();
        if client.is_done() {
            break;
        }
    }
    assert!(sent < 16 << 20, "{sent} bytes were taken from a stranger");
    bench.is_well("a large body");
    bench.conclude();
}
