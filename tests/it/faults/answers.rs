//! Answers that are no HTTP, too much of it, or not the answer to the question.

use std::time::Duration;

use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, eventually};

#[test]
fn an_answer_that_is_no_http_is_502() {
    let garbage: Vec<(&str, Vec<u8>)> = vec![
        ("text", b"this is no HTTP at all\r\n\r\n".to_vec()),
        ("binary", vec![0x16, 3, 1, 0, 0x80, 0, 0, 0, 0xff, 0xff]),
        ("status", b"HTTP/1.1 abc OK\r\n\r\n".to_vec()),
        ("version", b"HTTP/7.9 200 OK\r\n\r\n".to_vec()),
        (
            "header",
            b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n".to_vec(),
        ),
        (
            "space before the colon",
            b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        (
            "NUL",
            b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        (
            "lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy".to_vec(),
        ),
        (
            "length",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxy".to_vec(),
        ),
        ("nothing", Vec::new()),
        ("half a head", b"HTTP/1.1 200 OK\r\nX: y".to_vec()),
    ];
    for (what, bytes) in garbage {
        let upstream = Recorder::scripted(move |wire| {
            if wire.request().is_some() {
                wire.send(&bytes);
            }
        });
        let gate = Gate::before(&upstream);
        let reply = gate.ask("POST", "/any").by(&ALICE).body("x").send();
        assert_eq!(reply.status, 502, "{what}: {reply:?}");
        assert!(
            matches!(
                reply.code().as_str(),
                "upstream_bad_response" | "upstream_unreachable"
            ),
            "{what}: {reply:?}"
        );
        assert_eq!(upstream.requests().len(), 1, "{what}: a POST is sent once");
    }
}

#[test]
fn a_head_without_end_is_502() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\n");
            while wire.send(format!("X-Fill: {}\r\n", "y".repeat(8_000))) {}
        }
    });
    let gate = Gate::before(&upstream);
    gate.read_as(&ALICE, "/any")
        .assert_refused(502, "upstream_bad_response");
}

#[test]
fn interim_answers_without_end_do_not_hold_the_client() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            while wire.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(100)) {}
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { first_byte = \"500ms\", head = \"500ms\" }")
        .start();
    let reply = gate.read_as(&ALICE, "/any");
    assert!(matches!(reply.status, 502 | 504), "{reply:?}");
}

#[test]
fn a_second_answer_goes_to_nobody() {
    let upstream = Recorder::scripted(|wire| {
        while let Some(request) = wire.request() {
            let mut bytes = ok(&format!("for {}", request.path()));
            bytes.extend(ok("for nobody"));
            if !wire.send(bytes) {
                return;
            }
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    let mut client = gate.connect();
    for number in 0..20 {
        let path = format!("/v1/items/{number}");
        client.send(gate.ask("GET", &path).by(&ALICE).bytes());
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.text()), (200, format!("for {path}")));
    }
}

#[test]
fn what_an_upstream_says_unasked_goes_to_nobody() {
    let upstream = Recorder::scripted(|wire| {
        while let Some(request) = wire.request() {
            if !wire.send(ok(request.path())) {
                return;
            }
            if wire.number() == 0 {
                // The connection is idle by now.
                std::thread::sleep(Duration::from_millis(50));
                wire.send(ok("unasked"));
            }
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "/v1/items");
    eventually("the connection is given up", Duration::from_secs(5), || {
        (upstream.open() == 0).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "/v1/items");
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn bytes_beyond_a_bodiless_answer_end_the_connection() {
    let upstream = Recorder::replying(|request| match request.method.as_str() {
        "HEAD" => ok("a body that HEAD must not have"),
        _ => ok(request.path()),
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    let mut client = gate.connect().patience(Duration::from_secs(10));
    for _ in 0..5 {
        client.send(gate.ask("HEAD", "/any").by(&ALICE).bytes());
        assert_eq!(client.reply("HEAD").status, 200);
        client.send(gate.ask("GET", "/any/next").by(&ALICE).bytes());
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.text().as_str()), (200, "/any/next"));
    }
}
