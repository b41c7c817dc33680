//! Every wait has a deadline and every size a bound.

mod counted;
mod early;
mod heads;
mod quiet;
mod slow;
mod stop;

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::support::fixture::DAVE;
use crate::support::http2::frames::Frames;
use crate::support::{ALICE, BOB, Client, Gate, Recorder, eventually};

#[test]
fn a_body_over_the_limit_is_413() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\nbody = \"1KiB\"")
        .start();
    let at = vec![b'x'; 1024];
    assert_eq!(
        gate.ask("POST", "/any")
            .by(&ALICE)
            .body(at.clone())
            .send()
            .status,
        200
    );
    assert_eq!(upstream.only().body, at);
    gate.ask("POST", "/any")
        .by(&ALICE)
        .body(vec![b'x'; 1025])
        .send()
        .assert_refused(413, "body_too_large");
    assert_eq!(
        upstream.requests().len(),
        1,
        "what is announced as too large is not begun"
    );
    // Its size belongs to a request's soundness, which comes before who asks.
    let stranger = gate.ask("POST", "/any").body(vec![b'x'; 1025]).send();
    stranger.assert_refused(413, "body_too_large");
}

/// A socket that is closed with bytes unread is reset, and what was sent on it before may be
/// lost (RFC 9112 9.6): the gate waits for the client to have read its refusal.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for round in 0..50 {
        let mut client = gate.connect();
        // More than the sockets' buffers hold, so that some of it is on its way for long.
        let body = vec![b'x'; 8 << 20];
        let ask = gate.ask("POST", "/any").by(&DAVE).body(body);
        let mut sending = client.another();
        let reply = std::thread::scope(|scope| {
            // It cannot be sent to its end, as nobody reads it.
            scope.spawn(move || drop(sending.write_all(&ask.bytes())));
            let reply = client.try_reply("POST");
            client.end();
            reply
        });
        let reply = reply.unwrap_or_else(|failure| panic!("round {round}: {failure}"));
        reply.assert_refused(401, "bad_credentials");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_chunked_body_over_the_limit_is_413_and_ends_upstream() {
    let upstream = Recorder::scripted(|wire| {
        if let Some(head) = wire.head() {
            wire.body(head);
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\nbody = \"1KiB\"")
        .start();
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        ALICE.basic()
    ));
    for _ in 0..20 {
        if client
            .try_send(format!("64\r\n{}\r\n", "x".repeat(100)))
            .is_err()
        {
            break;
        }
    }
    client.reply("POST").assert_refused(413, "body_too_large");
    eventually(
        "the upstream's connection is ended",
        Duration::from_secs(5),
        || (upstream.open() == 0).then_some(()),
    );
    let bytes = upstream.bytes();
    assert!(
        !bytes.ends_with(b"0\r\n\r\n"),
        "no whole request was made of a part"
    );
    assert!(bytes.len() < 3_000, "{} bytes", bytes.len());
}

#[test]
fn connections_of_one_peer_are_bounded() {
    let gate = Gate::builder()
        .section("[limits]\nconnections_per_peer = 4")
        .start();
    // The gate counts a connection when it accepts it, and forgets it when it is closed.
    let mut held: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = gate.connect();
            client.send(gate.ask("GET", "/v1/items").bytes());
            assert_eq!(client.reply("GET").status, 401);
            client
        })
        .collect();
    for _ in 0..3 {
        let mut client = gate.connect();
        let _ = client.try_send(gate.ask("GET", "/v1/items").bytes());
        let reply = client.reply("GET");
        reply.assert_refused(503, "overloaded");
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(client.ends_within(Duration::from_secs(5)));
    }
    // In HTTP/2's own words, and without any to who says nothing.
    let mut client = Frames::connect(gate.address());
    let outcome = client.read_until(Duration::from_secs(5), |seen| seen.closed);
    assert_eq!(outcome.goaway(), Some(11), "ENHANCE_YOUR_CALM");
    assert!(outcome.closed);
    let mut silent = gate.connect();
    assert!(silent.ends_within(Duration::from_secs(10)));
    held[0].send(gate.ask("GET", "/v1/items").bytes());
    assert_eq!(
        held[0].reply("GET").status,
        401,
        "those that are there go on"
    );
    held.pop();
    eventually("a place is free again", Duration::from_secs(5), || {
        let reply = gate.ask("GET", "/v1/items").try_send().ok()?;
        (reply.status == 401).then_some(())
    });
}

#[test]
fn requests_in_flight_are_bounded() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .section("[limits]\nrequests_in_flight = 2")
        .start();
    let mut busy: Vec<Client> = Vec::new();
    for number in 1..=2 {
        let mut client = gate.connect();
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        busy.push(client);
        upstream.wait_for(number);
    }
    let reply = gate.read_as(&ALICE, "/v1/items");
    reply.assert_refused(503, "overloaded");
    assert!(
        reply
            .header("retry-after")
            .is_some_and(|value| value.parse::<u32>().is_ok())
    );
    // What is refused for another reason needs no place.
    assert_eq!(gate.read_as(&BOB, "/v1/items").status, 403);
    drop(busy);
    eventually("places are free again", Duration::from_secs(5), || {
        let mut client = gate.connect().patience(Duration::from_millis(200));
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        client.try_reply("GET").is_err().then_some(())
    });
}

/// Over all workers, as many as the limit says are let in at once: no
/// more, and no fewer.
#[test]
fn as_many_requests_are_in_flight_as_the_limit_says() {
    const MOST: usize = 5;
    const ASKED: usize = 24;
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 3")
        .section(&format!("[limits]\nrequests_in_flight = {MOST}"))
        .start();
    for _ in 0..3 {
        // Each on a connection of its own, which the kernel gives to any of the workers.
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..ASKED {
            let mut client = gate.connect();
            client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
            clients.push(client);
        }
        eventually("the rest is refused", Duration::from_secs(10), || {
            clients.retain_mut(|client| {
                !client.is_done() || {
                    client.reply("GET").assert_refused(503, "overloaded");
                    false
                }
            });
            assert!(clients.len() >= MOST, "{} are let in", clients.len());
            (clients.len() == MOST && upstream.open() == MOST).then_some(())
        });
        thread::sleep(Duration::from_millis(100));
        assert!(clients.iter_mut().all(|client| !client.is_done()));
        // The places come back, whichever worker had them.
        drop(clients);
        eventually("they are let go", Duration::from_secs(10), || {
            (upstream.open() == 0).then_some(())
        });
    }
}

#[test]
fn an_answer_that_nobody_reads_waits_at_the_upstream() {
    // 256 MiB: back-pressure reaches the upstream.
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n");
            let block = vec![b'x'; 1 << 20];
            for _ in 0..256 {
                if !wire.send(&block) {
                    return;
                }
            }
        }
    });
    let gate = Gate::before(&upstream);
    // What a first exchange costs is no growth.
    assert_eq!(gate.read_as(&ALICE, "/nothing").status, 403);
    let before = gate.resident();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    thread::sleep(Duration::from_millis(700));
    let growth = gate.resident().saturating_sub(before);
    assert!(growth < 8 << 20, "grew by {growth} bytes");
}

#[test]
fn running_out_of_descriptors_passes() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    gate.limit_descriptors(64);
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..120 {
        held.push(TcpStream::connect(gate.address()).expect("the backlog takes it"));
    }
    let spent = gate.processor_time();
    thread::sleep(Duration::from_millis(500));
    let spent = gate.processor_time() - spent;
    assert!(
        spent < Duration::from_millis(250),
        "spun for {spent:?} of 500 ms"
    );
    drop(held);
    eventually("it serves again", Duration::from_secs(10), || {
        let reply = gate.ask("GET", "/v1/items").by(&ALICE).try_send().ok()?;
        (reply.status == 200).then_some(())
    });
}
