//! Uploads that go on after their answer: they are still uploads, and still end.

use std::time::{Duration, Instant};

use crate::support::http2::frames::{DATA, END_STREAM, Frames};
use crate::support::recorder::ok;
use crate::support::{ALICE, Client, Gate, Recorder, eventually};

/// Far beyond the deadlines below, far below those by default.
const BOUND: Duration = Duration::from_secs(8);

/// A gate with these deadlines, and a client whose upload of so many bytes is answered.
fn answered(upstream: &Recorder, timeouts: &str, length: usize) -> (Gate, Client) {
    let gate = Gate::builder()
        .before(upstream)
        .section(&format!("[timeouts]\n{timeouts}"))
        .start();
    let mut client = gate.connect().patience(BOUND);
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {length}\r\n\r\n",
        ALICE.basic()
    ));
    let reply = client.reply("POST");
    assert_eq!((reply.status, reply.text().as_str()), (200, "early"));
    (gate, client)
}

/// The same over HTTP/2, on stream 1.
fn answered_stream(upstream: &Recorder, timeouts: &str) -> (Gate, Frames) {
    let gate = Gate::builder()
        .before(upstream)
        .section(&format!("[timeouts]\n{timeouts}"))
        .start();
    let mut client = Frames::uploading(gate.address(), "/any", &ALICE.basic());
    assert_eq!(client.answer(1, BOUND).status(1), Some(200));
    (gate, client)
}

/// Sends a byte now and again until the connection ends; how long that took.
fn trickle(client: &mut Client, bytes: impl Iterator<Item = u8>) -> Duration {
    let began = Instant::now();
    for byte in bytes {
        if client.try_send([byte]).is_err() || client.is_done() || began.elapsed() > BOUND {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    began.elapsed()
}

#[test]
fn it_is_not_hurried() {
    let upstream = Recorder::early();
    let (gate, mut client) = answered(&upstream, "head = \"300ms\"\nkeep_alive = \"1s\"", 20);
    for _ in 0..20 {
        client.send("x");
        std::thread::sleep(Duration::from_millis(100));
    }
    eventually("the upload comes whole", BOUND, || {
        let requests = upstream.requests();
        (requests.len() == 1 && requests[0].body == b"x".repeat(20)).then_some(())
    });
    // The connection serves on, and the next request has the deadline of every head.
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    client.send("GET /v1/items HT");
    assert!(trickle(&mut client, std::iter::repeat(b'T')) < BOUND);
}

#[test]
fn a_connection_that_was_put_aside_after_it_serves_on() {
    let upstream = Recorder::early();
    let (gate, mut client) = answered(&upstream, "head = \"300ms\"", 4);
    client.send("body");
    eventually("the upload comes whole", BOUND, || {
        (upstream.requests().len() == 1).then_some(())
    });
    // Beyond the half second after which a connection counts as quiet.
    std::thread::sleep(Duration::from_millis(1500));
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
}

#[test]
fn a_head_behind_it_has_its_deadline() {
    let upstream = Recorder::early();
    let (_gate, mut client) = answered(&upstream, "head = \"300ms\"", 4);
    client.send("body");
    eventually("the upload comes whole", BOUND, || {
        (upstream.requests().len() == 1).then_some(())
    });
    client.send("GET /v1/items HTTP/1.1\r\nX-Slow: ");
    assert!(trickle(&mut client, std::iter::repeat(b'x')) < Duration::from_secs(3));
}

#[test]
fn a_head_behind_a_refused_one_has_its_deadline() {
    let upstream = Recorder::early();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nhead = \"300ms\"")
        .start();
    let mut client = gate.connect().patience(BOUND);
    client.send("POST /any HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.reply("POST").status, 401);
    let slow = "GET /v1/items HTTP/1.1\r\nX-Slow: ".bytes();
    let took = trickle(&mut client, slow.chain(std::iter::repeat(b'x')));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn one_that_stops_is_ended() {
    let upstream = Recorder::early();
    let (_gate, mut client) = answered(&upstream, "body_idle = \"400ms\"", 100);
    client.send("x");
    assert!(client.ends_within(BOUND));
    eventually("what was begun upstream is ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn one_that_never_ends_has_the_deadline_of_the_whole() {
    let upstream = Recorder::early();
    let timeouts = "head = \"300ms\"\ntotal = \"1500ms\"";
    let (gate, mut client) = answered(&upstream, timeouts, 1_000_000);
    let took = trickle(&mut client, std::iter::repeat(b'x'));
    assert!(took < BOUND, "{took:?}");
    assert!(took > Duration::from_secs(1), "{took:?}");
    eventually("what was begun upstream is ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
    drop(gate);
}

#[test]
fn one_that_is_silent_has_the_deadline_of_the_whole() {
    let upstream = Recorder::early();
    let (_gate, mut client) = answered(&upstream, "total = \"1s\"", 100);
    assert!(client.ends_within(BOUND));
    eventually("what was begun upstream is ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn a_stream_is_not_hurried() {
    let upstream = Recorder::early();
    let (_gate, mut client) = answered_stream(&upstream, "keep_alive = \"1s\"");
    for _ in 0..20 {
        assert!(client.send(DATA, 0, 1, b"x"));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(client.send(DATA, END_STREAM, 1, b""));
    eventually("the upload comes whole", BOUND, || {
        let requests = upstream.requests();
        (requests.len() == 1 && requests[0].body == b"x".repeat(20)).then_some(())
    });
}

#[test]
fn a_stream_that_never_ends_has_the_deadline_of_the_whole() {
    let upstream = Recorder::early();
    let (_gate, mut client) = answered_stream(&upstream, "total = \"1500ms\"");
    let began = Instant::now();
    while upstream.open() > 0 && began.elapsed() < BOUND {
        client.send(DATA, 0, 1, b"x");
        std::thread::sleep(Duration::from_millis(50));
    }
    let took = began.elapsed();
    assert!(took < BOUND, "{took:?}");
    assert!(took > Duration::from_secs(1), "{took:?}");
}

/// Nobody takes the body, so that nobody sees its end: what comes behind it is not an upload
/// for ever.
#[test]
fn one_that_its_upstream_does_not_read_is_ended() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let upstream = Recorder::scripted(move |wire| {
        wire.head();
        wire.send(ok("early"));
        // Until the test is over.
        held.lock().unwrap().recv().ok();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { send_idle = \"500ms\" }")
        .section("[timeouts]\nhead = \"300ms\"\nkeep_alive = \"1s\"")
        .start();
    let mut client = gate.connect().patience(BOUND);
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 100000000\r\n\r\n",
        ALICE.basic()
    ));
    assert_eq!(client.reply("POST").status, 200);
    let block = vec![b'x'; 1 << 20];
    let began = Instant::now();
    while client.try_send(&block).is_ok() && began.elapsed() < BOUND {}
    assert!(client.ends_within(BOUND) && began.elapsed() < BOUND);
    drop(hold);
}
