//! Keep-alive and pipelining, on both sides.

use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Gate, Recorder};

#[test]
fn a_connection_serves_request_after_request_and_so_does_the_upstreams() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    let mut client = gate.connect();
    for number in 0..50 {
        client.send(
            gate.ask("GET", &format!("/v1/items/{number}"))
                .by(&ALICE)
                .bytes(),
        );
        assert_eq!(client.reply("GET").status, 200);
    }
    // Another client, the same worker: the upstream's connection is used again.
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    assert_eq!(upstream.requests().len(), 51);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn each_request_of_a_connection_is_judged_on_its_own() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for (ask, status) in [
        (gate.ask("GET", "/v1/items").by(&ALICE), 200),
        (gate.ask("GET", "/v1/items"), 401),
        (gate.ask("GET", "/v1/items").by(&BOB), 403),
        (gate.ask("POST", "/v1/items").by(&BOB).body("{}"), 200),
        (gate.ask("GET", "/nothing").by(&ALICE), 403),
        (gate.ask("GET", "/v1/items/1").by(&ALICE), 200),
    ] {
        client.send(ask.bytes());
        assert_eq!(client.reply("GET").status, status, "{ask:?}");
    }
    let sids: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.header("x-auth-sid").unwrap().to_owned())
        .collect();
    assert_eq!(sids, ["alice", "bob", "alice"]);
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Recorder::replying(|request| ok(request.path()));
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    let mut bytes = Vec::new();
    for number in 0..10 {
        bytes.extend(
            gate.ask("GET", &format!("/v1/items/{number}"))
                .by(&ALICE)
                .bytes(),
        );
        bytes.extend(gate.ask("GET", "/nothing").by(&ALICE).bytes());
        bytes.extend(
            gate.ask("POST", "/any/post")
                .by(&ALICE)
                .body(format!("{number}"))
                .bytes(),
        );
    }
    client.send(bytes);
    for number in 0..10 {
        assert_eq!(client.reply("GET").text(), format!("/v1/items/{number}"));
        assert_eq!(client.reply("GET").code(), "no_route");
        assert_eq!(client.reply("POST").text(), "/any/post");
    }
    assert_eq!(upstream.requests().len(), 20);
}

#[test]
fn connection_close_is_honoured() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for path in ["/v1/items", "/nothing"] {
        let mut client = gate.connect();
        client.send(
            gate.ask("GET", path)
                .by(&ALICE)
                .header("Connection", "close")
                .bytes(),
        );
        client.reply("GET");
        assert!(
            client.ends_within(std::time::Duration::from_secs(5)),
            "{path}"
        );
    }
    // The client's wish is no wish of the gate towards its upstream.
    assert_eq!(upstream.only().header("connection"), None);
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!(
        "GET /v1/items HTTP/1.0\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        ALICE.basic()
    ));
    let reply = client.reply("GET");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert!(client.ends_within(std::time::Duration::from_secs(5)));
}

#[test]
fn an_upstream_that_closes_after_each_answer_is_no_trouble() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    for _ in 0..10 {
        client.send(gate.ask("POST", "/any").by(&ALICE).body("x").bytes());
        let reply = client.reply("POST");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("connection"), None);
    }
    assert_eq!(upstream.connections(), 10);
}

#[test]
fn a_unix_socket_is_an_upstream_too() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Recorder::unix(&directory.path().join("up.sock"), |_| ok("unix"));
    let gate = Gate::builder().before(&upstream).start();
    for _ in 0..3 {
        assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "unix");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    assert!(
        requests
            .iter()
            .all(|request| request.header("host").is_some())
    );
}
