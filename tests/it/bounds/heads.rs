//! How large a head may be.

use std::time::Duration;

use crate::support::{ALICE, Gate, Recorder};

#[test]
fn a_long_target_is_414() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let target = |length: usize| format!("/any/{}", "a".repeat(length - 5));
    assert_eq!(gate.read_as(&ALICE, &target(8 << 10)).status, 200);
    assert_eq!(upstream.only().target.len(), 8 << 10);
    for long in [(8 << 10) + 1, 20_000] {
        let reply = gate.read_as(&ALICE, &target(long));
        reply.assert_refused(414, "target_too_long");
    }
    let query = format!("/any?{}", "q".repeat(8 << 10));
    assert_eq!(
        gate.read_as(&ALICE, &query).status,
        414,
        "the query counts too"
    );
    // Credentials come later.
    assert_eq!(gate.ask("GET", &target(9_000)).send().status, 414);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn the_limit_of_a_target_is_configured() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\ntarget = \"100B\"")
        .start();
    assert_eq!(
        gate.read_as(&ALICE, &format!("/any/{}", "a".repeat(95)))
            .status,
        200
    );
    assert_eq!(
        gate.read_as(&ALICE, &format!("/any/{}", "a".repeat(96)))
            .status,
        414
    );
}

#[test]
fn a_large_head_is_431() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for (what, value) in [
        ("just over", 33 << 10),
        ("64 KiB", 64 << 10),
        ("500 KB", 500_000),
    ] {
        let mut client = gate.connect();
        let _ = client.try_send(
            gate.ask("GET", "/v1/items")
                .by(&ALICE)
                .header("X-Fill", &"x".repeat(value))
                .bytes(),
        );
        let reply = client.try_head();
        assert!(
            reply.as_ref().map_or(true, |reply| reply.status == 431),
            "{what}: {reply:?}"
        );
        let rest = client.rest();
        assert!(rest.len() < 4_096, "{what}: then the connection ends");
    }
    let reply = gate
        .ask("GET", "/v1/items")
        .by(&ALICE)
        .header("X-Fill", &"x".repeat(30 << 10))
        .send();
    assert_eq!(reply.status, 200, "30 KiB are no trouble");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn many_headers_are_431() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let ask = |count: usize| {
        // Host and Authorization are two of them.
        let mut ask = gate.ask("GET", "/v1/items").by(&ALICE);
        for number in 0..count - 2 {
            ask = ask.header(&format!("X-N{number}"), "1");
        }
        ask
    };
    assert_eq!(ask(100).send().status, 200);
    assert_eq!(ask(101).send().status, 431);
    let cookies = (0..1000).fold(gate.ask("GET", "/v1/items").by(&ALICE), |ask, _| {
        ask.header("Cookie", "a=1")
    });
    assert_eq!(cookies.send().status, 431);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn the_number_of_headers_is_configured() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\nheaders = 10")
        .start();
    let ask = |count: usize| {
        (0..count - 2).fold(gate.ask("GET", "/v1/items").by(&ALICE), |ask, number| {
            ask.header(&format!("X-N{number}"), "1")
        })
    };
    assert_eq!(ask(10).send().status, 200);
    assert_eq!(ask(11).send().status, 431);
}

#[test]
fn an_oversized_head_ends_the_connection() {
    let gate = Gate::builder().start();
    let mut client = gate.connect();
    client.send(
        gate.ask("GET", &format!("/{}", "a".repeat(9_000)))
            .by(&ALICE)
            .bytes(),
    );
    let reply = client.reply("GET");
    assert_eq!(reply.status, 414);
    assert_eq!(reply.header("connection"), Some("close"));
    assert!(client.ends_within(Duration::from_secs(1)));
}
