//! Bodies both ways: every framing, every size, and answers that have none.

use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder};

#[test]
fn request_bodies_of_every_framing_arrive_whole() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let large: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for body in [Vec::new(), b"x".to_vec(), large] {
        let reply = gate
            .ask("POST", "/any")
            .by(&ALICE)
            .body(body.clone())
            .send();
        assert_eq!(reply.status, 200);
        let seen = upstream.last();
        assert_eq!(seen.body, body);
        assert_eq!(
            seen.header("content-length"),
            Some(body.len().to_string().as_str())
        );

        let mut client = gate.connect();
        client.send(chunked("POST", "/any", &body));
        assert_eq!(client.reply("POST").status, 200);
        let seen = upstream.last();
        assert_eq!(seen.body, body, "chunked");
    }
    // A GET may carry one too.
    let reply = gate.ask("GET", "/any").by(&ALICE).body("query").send();
    assert_eq!(
        (reply.status, upstream.last().body),
        (200, b"query".to_vec())
    );
    let mut client = gate.connect();
    client.send(chunked("GET", "/any", b"query"));
    assert_eq!(client.reply("GET").status, 200);
    assert_eq!(upstream.last().body, b"query", "in chunks");
}

#[test]
fn chunks_that_are_none_are_refused_by_name() {
    let upstream = Recorder::scripted(|wire| while wire.request().is_some() {});
    let gate = Gate::before(&upstream);
    for bad in ["ZZ\r\nx\r\n0\r\n\r\n", "1\nx\r\n0\r\n\r\n", "-1\r\n\r\n"] {
        let mut client = gate.connect();
        client.send(format!(
            "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
             Transfer-Encoding: chunked\r\n\r\n{bad}",
            ALICE.basic()
        ));
        let reply = client.reply("POST");
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "bad_header"),
            "{bad:?}"
        );
    }
}

#[test]
fn a_request_without_a_body_is_sent_without_one() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("transfer-encoding"), None);
    assert_eq!(seen.header("content-length"), None);
    // Nor is a POST without one given another framing than none or zero.
    assert_eq!(gate.ask("POST", "/any").by(&ALICE).send().status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("transfer-encoding"), None);
    assert!(matches!(seen.header("content-length"), None | Some("0")));
}

#[test]
fn answers_of_every_framing_arrive_whole() {
    let upstream = Recorder::scripted(|wire| {
        while let Some(request) = wire.request() {
            match request.path() {
                "/any/length" => wire.send(ok("twelve bytes")),
                "/any/empty" => wire.send(ok("")),
                "/any/chunked" => wire.send(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     6\r\ntwelve\r\n6\r\n bytes\r\n0\r\n\r\n",
                ),
                _ => {
                    wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ntwelve bytes");
                    return;
                }
            };
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for (path, body) in [
        ("/any/length", "twelve bytes"),
        ("/any/empty", ""),
        ("/any/chunked", "twelve bytes"),
        ("/any/close", "twelve bytes"),
        ("/any/length", "twelve bytes"),
    ] {
        client.send(gate.ask("GET", path).by(&ALICE).bytes());
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{path}");
    }
}

#[test]
fn head_and_bodiless_statuses_end_with_their_head() {
    let upstream = Recorder::replying(|request| match (request.method.as_str(), request.path()) {
        ("HEAD", _) => b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n".to_vec(),
        (_, "/any/204") => b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n".to_vec(),
        (_, "/any/304") => {
            b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 77\r\n\r\n".to_vec()
        }
        _ => ok("body"),
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for (method, path, status) in [
        ("HEAD", "/any", 200),
        ("GET", "/any/204", 204),
        ("GET", "/any/304", 304),
        ("GET", "/any/last", 200),
    ] {
        client.send(gate.ask(method, path).by(&ALICE).bytes());
        let reply = client.reply(method);
        assert_eq!(reply.status, status, "{method} {path}");
        match (method, status) {
            ("HEAD", _) => {
                assert_eq!(reply.header("content-length"), Some("1234"));
                assert_eq!(reply.header("etag"), Some("\"x\""));
            }
            (_, 304) => assert_eq!(reply.header("etag"), Some("\"x\"")),
            (_, 204) => assert_eq!(reply.header("content-length"), None),
            _ => assert_eq!(reply.text(), "body"),
        }
    }
}

#[test]
fn a_body_is_not_decoded() {
    let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03not really gzip".to_vec();
    let answer = gzip.clone();
    let upstream = Recorder::replying(move |_| {
        let mut reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        )
        .into_bytes();
        reply.extend_from_slice(&answer);
        reply
    });
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("POST", "/any")
        .by(&ALICE)
        .header("Content-Encoding", "gzip")
        .body(gzip.clone())
        .send();
    assert_eq!(reply.body, gzip);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let seen = upstream.only();
    assert_eq!(seen.body, gzip);
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
}

#[test]
fn an_answer_may_come_before_the_request_has_ended() {
    let upstream = Recorder::scripted(|wire| {
        if wire.head().is_some() {
            wire.send(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!",
            );
            wire.hang();
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 1000\r\n\r\nfirst",
        ALICE.basic()
    ));
    let reply = client.reply("POST");
    assert_eq!((reply.status, reply.text().as_str()), (403, "no!"));
}

/// A request by Alice whose body is sent in chunks of odd sizes.
fn chunked(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        ALICE.basic()
    )
    .into_bytes();
    for chunk in body.chunks(9_973) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
