//! Upstreams that are down, slow, wrong, or gone between two requests.

mod answers;
mod http2;
mod lies;
mod servers;
mod stale;

use std::time::{Duration, Instant};

use crate::support::ports::Port;
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, eventually};

#[test]
fn an_unreachable_upstream_is_502() {
    let nobody = Port::claim();
    let gate = Gate::builder()
        .server(format!("http://{}", nobody.address()))
        .start();
    for method in ["GET", "POST"] {
        gate.ask(method, "/any")
            .by(&ALICE)
            .send()
            .assert_refused(502, "upstream_unreachable");
    }
    let gate = Gate::builder()
        .server("unix:/nonexistent/upstream.sock")
        .start();
    gate.read_as(&ALICE, "/any")
        .assert_refused(502, "upstream_unreachable");
}

#[test]
fn an_upstream_that_says_nothing_is_504() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { first_byte = \"300ms\" }")
        .start();
    for method in ["GET", "POST"] {
        gate.ask(method, "/any")
            .by(&ALICE)
            .send()
            .assert_refused(504, "upstream_timeout");
    }
    // What may have been done is not asked for twice, and the connections are given up.
    assert_eq!(upstream.requests().len(), 2);
    eventually("the connections are ended", Duration::from_secs(5), || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn a_kept_alive_connection_that_says_nothing_is_504_and_not_asked_again() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() && wire.send(ok("first")) {
            wire.head();
            wire.hang();
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream("timeouts = { first_byte = \"2s\" }")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    gate.read_as(&ALICE, "/any")
        .assert_refused(504, "upstream_timeout");
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_upstream_that_stops_within_its_head_is_504() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.send("HTTP/1.1 200 OK\r\nContent-Le");
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { first_byte = \"5s\", head = \"300ms\" }")
        .start();
    gate.read_as(&ALICE, "/any")
        .assert_refused(504, "upstream_timeout");
}

#[test]
fn an_upstream_that_stops_within_its_body_ends_the_answer() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun");
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { body_idle = \"300ms\" }")
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/any").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    assert_eq!(client.rest(), b"begun");
}

#[test]
fn the_whole_exchange_may_have_a_deadline() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while wire.send("1\r\nx\r\n") {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { total = \"400ms\" }")
        .start();
    let mut client = gate.connect().patience(Duration::from_secs(10));
    client.send(gate.ask("GET", "/any").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    assert!(!client.rest().ends_with(b"0\r\n\r\n"));
}

#[test]
fn the_deadline_of_the_exchange_ends_the_wait_for_a_connection() {
    // It accepts, and never answers the handshake.
    let silent = Recorder::scripted(|wire| wire.hang());
    let gate = Gate::builder()
        .server(silent.url().replace("http://", "https://"))
        .upstream("timeouts = { total = \"300ms\", connect = \"20s\" }")
        .start();
    let started = Instant::now();
    gate.read_as(&ALICE, "/any")
        .assert_refused(504, "upstream_timeout");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn servers_that_fail_their_health_check_are_out_until_they_pass_it() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&well);
    let upstream = Recorder::replying(move |request| {
        if request.path() == "/health" && !state.load(Ordering::SeqCst) {
            b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n".to_vec()
        } else {
            ok("ok")
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream(
            "health_check = { path = \"/health\", interval = \"50ms\", timeout = \"2s\", \
             healthy = 1, unhealthy = 2 }",
        )
        .start();
    let becomes = |status: u16| {
        eventually(
            "the server's health is noticed",
            Duration::from_secs(10),
            || Some(gate.read_as(&ALICE, "/v1/items")).filter(|reply| reply.status == status),
        )
    };
    becomes(200);
    well.store(false, Ordering::SeqCst);
    let reply = becomes(503);
    reply.assert_refused(503, "upstream_unavailable");
    well.store(true, Ordering::SeqCst);
    becomes(200);
    // Probes are the gate's own and carry nobody's identity.
    let probes = upstream.requests();
    let probe = probes
        .iter()
        .find(|request| request.path() == "/health")
        .unwrap();
    assert_eq!(probe.method, "GET");
    assert_eq!(probe.header("x-auth-sid"), None);
}
