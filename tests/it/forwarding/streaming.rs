//! Nothing waits for the whole: events as they happen, uploads as they come.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{ALICE, Gate, Recorder, eventually};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn an_event_arrives_before_the_next_one_is_sent() {
    let (next, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        if wire.request().is_none() {
            return;
        }
        wire.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        let wait = wait.lock().unwrap();
        for number in 0..3 {
            let event = format!("data: {number}\n\n");
            wire.send(format!("{:x}\r\n{event}\r\n", event.len()));
            // The client has this event before there is another.
            if wait.recv_timeout(SOON).is_err() {
                return;
            }
        }
        wire.send("0\r\n\r\n");
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    let mut reply = client.head();
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    for number in 0..3 {
        let chunk = client.try_chunk(&mut reply).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(chunk).unwrap(),
            format!("data: {number}\n\n")
        );
        next.send(()).unwrap();
    }
    assert_eq!(client.try_chunk(&mut reply).unwrap(), None);
}

#[test]
fn the_head_of_an_answer_arrives_before_its_body() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            let _ = wait.lock().unwrap().recv_timeout(SOON);
            wire.send("body");
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    go.send(()).unwrap();
    assert_eq!(client.exactly(4, Instant::now() + SOON).unwrap(), b"body");
}

#[test]
fn a_request_body_arrives_piece_by_piece() {
    let got = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&got);
    let upstream = Recorder::scripted(move |wire| {
        if wire.head().is_none() {
            return;
        }
        while let Some(Some(chunk)) = wire.chunk() {
            sink.lock().unwrap().extend_from_slice(&chunk);
        }
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        ALICE.basic()
    ));
    let mut sent = Vec::new();
    for piece in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
        sent.extend_from_slice(piece.as_bytes());
        eventually("the piece at the upstream", SOON, || {
            (*got.lock().unwrap() == sent).then_some(())
        });
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.reply("POST").status, 200);
}

#[test]
fn a_client_that_goes_away_ends_the_upstreams_exchange() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
            wire.hang();
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    let mut reply = client.head();
    assert_eq!(client.try_chunk(&mut reply).unwrap().unwrap(), b"x");
    assert_eq!(upstream.open(), 1);
    drop(client);
    eventually("the upstream's connection is ended", SOON, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn an_answer_cut_short_is_cut_short_for_the_client() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let upstream = Recorder::scripted(move |wire| {
            if wire.request().is_some() {
                wire.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n"));
            }
        });
        let gate = Gate::before(&upstream);
        let mut client = gate.connect();
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        assert_eq!(client.head().status, 200);
        // Neither a full length nor a last chunk: the client can tell.
        let rest = client.rest();
        assert!(rest.len() < 100, "{head}: {rest:?}");
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{head}: {rest:?}");
    }
}

#[test]
fn an_answer_that_began_before_the_upload_ended_goes_on_after_it() {
    let upstream = Recorder::scripted(|wire| {
        let Some(head) = wire.head() else {
            return;
        };
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.body(head);
        // Longer than an answer may take to begin, and than its head may take to end.
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(100));
            if !wire.send("1\r\nx\r\n") {
                return;
            }
        }
        wire.send("0\r\n\r\n");
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { first_byte = \"400ms\", head = \"400ms\" }")
        .start();
    let mut client = gate.connect();
    let ask = gate.ask("POST", "/any").by(&ALICE);
    client.send(ask.header("Transfer-Encoding", "chunked").bytes());
    client.send("1\r\ny\r\n");
    let mut reply = client.head();
    assert_eq!(reply.status, 200);
    client.send("0\r\n\r\n");
    let mut body = Vec::new();
    while let Some(chunk) = client.try_chunk(&mut reply).unwrap() {
        body.extend(chunk);
    }
    assert_eq!(body, b"xxxxxxxxxx");
}
