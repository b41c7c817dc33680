//! Requests in flight of one token, and that a place comes back however one ends.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::{assert_limited, catalog, holders};
use crate::support::http2::client::Http2;
use crate::support::http2::frames::{DATA, END_STREAM, Frames};
use crate::support::http2::run;
use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Client, Gate, Recorder, eventually};

fn gate(upstream: &Recorder, most: usize) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(catalog("limits = [\"1000/hour\"]"))
        .tokens(holders(&[(&ALICE, "acme"), (&BOB, "acme")]))
        .proxy("workers = 3")
        .section(&format!("[limits]\nrequests_in_flight_per_token = {most}"))
        .start()
}

/// A request that the upstream does not answer.
fn busy(gate: &Gate) -> Client {
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    client
}

#[track_caller]
fn becomes_free(gate: &Gate) {
    eventually("a place is free again", Duration::from_secs(10), || {
        let mut client = gate.connect().patience(Duration::from_millis(300));
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        // Either answered by the upstream, or waiting for it.
        let reply = client.try_reply("GET");
        reply
            .is_err()
            .then_some(())
            .or_else(|| (reply.ok()?.status != 429).then_some(()))
    });
}

#[test]
fn a_token_has_so_many_requests_in_flight_and_no_more() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = gate(&upstream, 2);
    let held: Vec<Client> = (1..=2)
        .map(|number| {
            let client = busy(&gate);
            upstream.wait_for(number);
            client
        })
        .collect();
    let reply = gate.read_as(&ALICE, "/v1/items");
    assert_eq!(assert_limited(&reply), 1);
    assert_eq!(
        reply.header("x-ratelimit-limit"),
        None,
        "no window refused it"
    );
    // What finds no room uses no window up, and a token's place is not its account's.
    let metrics = gate.ask_admin("/metrics").text();
    assert!(
        metrics.contains(r#"sidgate_rate_limited_total{limit="in_flight"} 1"#),
        "{metrics}"
    );
    let mut other = gate.connect();
    other.send(gate.ask("GET", "/v1/items").by(&BOB).bytes());
    upstream.wait_for(3);
    // Clients that go away give their places back.
    drop(held);
    becomes_free(&gate);
}

#[test]
fn every_end_of_an_exchange_gives_the_place_back() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        while let Some(request) = wire.request() {
            match request.header("x-end") {
                Some("cut") => return,
                Some("short") => {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
                    return;
                }
                Some("wait") => {
                    let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(10));
                    wire.send(ok("late"));
                }
                _ => {
                    wire.send(ok("ok"));
                }
            }
        }
    });
    let gate = gate(&upstream, 1);
    let ask = |end: &str| gate.ask("GET", "/v1/items").by(&ALICE).header("X-End", end);
    for _ in 0..3 {
        assert_eq!(ask("ok").send().status, 200);
        eventually("one after another", Duration::from_secs(5), || {
            (ask("cut").send().status == 502).then_some(())
        });
        eventually("one after another", Duration::from_secs(5), || {
            let mut client = gate.connect();
            client.send(ask("short").bytes());
            (client.head().status == 200).then_some(())
        });
        becomes_free(&gate);
    }
    let mut slow = gate.connect();
    slow.send(ask("wait").bytes());
    eventually("it is in flight", Duration::from_secs(5), || {
        let seen = upstream.requests();
        seen.iter()
            .any(|r| r.header("x-end") == Some("wait"))
            .then_some(())
    });
    // Over HTTP/2, streams of one connection are no different.
    run(async {
        let mut client = Http2::connect(gate.address()).await;
        assert_eq!(client.read_as(&ALICE, "/v1/items").await.status, 429);
        assert_eq!(client.read_as(&BOB, "/v1/items").await.status, 200);
    });
    go.send(()).unwrap();
    assert_eq!(slow.reply("GET").text(), "late");
    becomes_free(&gate);
}

#[test]
fn a_tunnel_holds_its_place_until_it_ends() {
    let upstream = Recorder::scripted(|wire| {
        while let Some(request) = wire.request() {
            if request.header("upgrade").is_some() {
                wire.send("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
                return wire.hang();
            }
            wire.send(ok("ok"));
        }
    });
    let gate = gate(&upstream, 1);
    let mut tunnel = gate.connect();
    let upgrade = gate
        .ask("GET", "/ws/lobby")
        .by(&ALICE)
        .header("Connection", "Upgrade");
    tunnel.send(upgrade.header("Upgrade", "echo").bytes());
    let head = tunnel.head();
    assert_eq!(head.status, 101);
    assert_eq!(
        head.header("x-ratelimit-remaining"),
        Some("4"),
        "it counts as one request"
    );
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    drop(tunnel);
    becomes_free(&gate);
}

#[test]
fn a_reload_changes_the_bound_and_keeps_who_is_inside() {
    let upstream = Recorder::scripted(|wire| {
        wire.head();
        wire.hang();
    });
    let gate = gate(&upstream, 1);
    let _held = busy(&gate);
    upstream.wait_for(1);
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    let main = gate.read("sidgate.toml");
    let key = "requests_in_flight_per_token = ";
    gate.replace(
        "sidgate.toml",
        main.replace(&format!("{key}1"), &format!("{key}2")),
    );
    let mut second = None;
    eventually("a second place", Duration::from_secs(10), || {
        let mut client = busy(&gate);
        let is_in = client.is_silent_for(Duration::from_millis(300));
        second = is_in.then_some(client);
        is_in.then_some(())
    });
    assert_limited(&gate.read_as(&ALICE, "/v1/items"));
}

#[test]
fn an_upload_that_goes_on_after_its_answer_keeps_its_place() {
    let upstream = Recorder::early();
    let gate = gate(&upstream, 1);
    let mut client = gate.connect();
    client.send(format!(
        "POST /v1/items HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 4\r\n\r\n",
        ALICE.basic()
    ));
    assert_eq!(client.reply("POST").text(), "early");
    for _ in 0..3 {
        assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    }
    assert_eq!(gate.read_as(&BOB, "/v1/items").status, 200);
    client.send("body");
    becomes_free(&gate);
}

#[test]
fn a_stream_that_goes_on_after_its_answer_keeps_its_place() {
    let upstream = Recorder::early();
    let gate = gate(&upstream, 1);
    let mut client = Frames::uploading(gate.address(), "/v1/items", &ALICE.basic());
    let answer = client.answer(1, Duration::from_secs(10));
    assert_eq!(answer.status(1), Some(200));
    for _ in 0..3 {
        assert_limited(&gate.read_as(&ALICE, "/v1/items"));
    }
    assert_eq!(gate.read_as(&BOB, "/v1/items").status, 200);
    assert!(client.send(DATA, END_STREAM, 1, b"body"));
    becomes_free(&gate);
}
