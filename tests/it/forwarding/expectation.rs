//! `Expect: 100-continue` (RFC 9110 section 10.1.1) and interim answers.

use std::time::Duration;

use crate::support::recorder::ok;
use crate::support::{ALICE, Client, Gate, Recorder, Who};

/// A POST that waits for 100 before its body of five bytes.
fn expecting(path: &str, who: &Who) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nExpect: 100-continue\r\n\
         Content-Length: 5\r\n\r\n",
        who.basic()
    )
}

/// Reads the bare interim answer.
fn interim(client: &mut Client) -> String {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let expected = "HTTP/1.1 100 Continue\r\n\r\n";
    let bytes = client
        .exactly(expected.len(), deadline)
        .expect("an interim answer");
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text, expected);
    text
}

#[test]
fn an_admitted_request_is_told_to_continue_by_the_gate() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(expecting("/any", &ALICE));
    interim(&mut client);
    client.send("five!");
    let reply = client.reply("POST");
    assert_eq!(reply.status, 200);
    assert!(reply.interim.is_empty());
    let seen = upstream.only();
    assert_eq!(seen.body, b"five!");
    assert_eq!(seen.header("expect"), None);
}

#[test]
fn a_refused_request_is_not_told_to_continue() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let wrong = Who {
        sid: "alice",
        secret: "wrong",
    };
    for (path, who, status) in [("/v1/items", ALICE, 403), ("/any", wrong, 401)] {
        let mut client = gate.connect();
        client.send(expecting(path, &who));
        let reply = client.reply("POST");
        assert_eq!(reply.status, status);
        assert!(reply.interim.is_empty(), "{reply:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_body_sent_without_waiting_is_taken() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!("{}five!", expecting("/any", &ALICE)));
    assert_eq!(client.reply("POST").status, 200);
    assert_eq!(upstream.only().body, b"five!");
}

#[test]
fn another_expectation_fails() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for value in ["200-ok", "100-continue, more", "x"] {
        gate.ask("POST", "/any")
            .by(&ALICE)
            .header("Expect", value)
            .body("x")
            .send()
            .assert_refused(417, "expectation_failed");
    }
    assert_eq!(upstream.connections(), 0);
    let reply = gate
        .ask("POST", "/any")
        .by(&ALICE)
        .header("Expect", "100-Continue")
        .body("x")
        .send();
    assert_eq!(reply.status, 200);
}

#[test]
fn interim_answers_of_the_upstream_are_consumed() {
    let upstream = Recorder::replying(|_| {
        let mut reply = b"HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
            HTTP/1.1 102 Processing\r\n\r\n"
            .to_vec();
        reply.extend(ok("final"));
        reply
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for _ in 0..3 {
        client.send(gate.ask("POST", "/any").by(&ALICE).body("x").bytes());
        let reply = client.reply("POST");
        assert_eq!((reply.status, reply.text().as_str()), (200, "final"));
        assert!(reply.interim.is_empty(), "{reply:?}");
        assert_eq!(reply.header("link"), None);
    }
}
