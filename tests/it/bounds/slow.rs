//! Clients that take their time.

use std::time::{Duration, Instant};

use crate::support::recorder::ok;
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, Client, Gate, Recorder, eventually};

/// Far beyond the deadlines below, far below those by default.
const BOUND: Duration = Duration::from_secs(5);

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let gate = Gate::builder()
        .section("[timeouts]\nfirst_byte = \"300ms\"")
        .start();
    let began = Instant::now();
    let mut silent = gate.connect();
    assert!(silent.ends_within(BOUND));
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "not at once either"
    );
}

#[test]
fn a_preface_that_stops_is_closed() {
    let gate = Gate::builder()
        .section("[timeouts]\nfirst_byte = \"300ms\"\nhead = \"300ms\"")
        .start();
    for start in ["P", "PRI * HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        let mut client = gate.connect().patience(BOUND);
        client.send(start);
        // Whatever it says, it ends.
        client.rest();
    }
}

#[test]
fn a_tls_handshake_that_never_starts_or_stops_is_closed() {
    let gate = Gate::builder()
        .tls(&Authority::new().issue(&["localhost"]))
        .section("[timeouts]\nfirst_byte = \"300ms\"\ntls_handshake = \"300ms\"")
        .start();
    for start in [&b""[..], &[0x16, 3, 1, 2, 0, 1, 0]] {
        let mut client = gate.connect().patience(BOUND);
        client.send(start);
        client.rest();
    }
}

#[test]
fn a_head_has_one_deadline_for_the_whole() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nhead = \"600ms\"")
        .start();
    let request = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    let mut client = gate.connect().patience(BOUND);
    let began = Instant::now();
    // A byte at a time is progress, and does not help.
    for byte in request {
        if client.try_send([byte]).is_err() || client.is_done() {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
        if began.elapsed() > Duration::from_secs(3) {
            panic!("a head may take longer than its deadline");
        }
    }
    let rest = client.rest();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{rest:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn the_deadline_of_a_head_holds_for_each_request_of_a_connection() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nhead = \"400ms\"")
        .start();
    let mut client = gate.connect().patience(BOUND);
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    client.send("GET /v1/items HT");
    let began = Instant::now();
    client.rest();
    assert!(began.elapsed() < BOUND);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn an_idle_connection_is_closed() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nkeep_alive = \"400ms\"")
        .start();
    let mut client = gate.connect();
    for _ in 0..3 {
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        assert_eq!(client.reply("GET").status, 200);
        // Shorter pauses are no idleness.
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(client.ends_within(BOUND));
}

#[test]
fn a_body_that_stops_is_408() {
    let upstream = Recorder::scripted(|wire| {
        if let Some(head) = wire.head() {
            wire.body(head);
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nbody_idle = \"400ms\"")
        .start();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = gate.connect().patience(BOUND);
        client.send(format!(
            "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n{framing}\r\n\r\n5\r\nhello\r\n",
            ALICE.basic()
        ));
        client.reply("POST").assert_refused(408, "request_timeout");
        assert!(client.ends_within(BOUND), "{framing}");
    }
    eventually("what was begun upstream is ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
    assert!(!upstream.bytes().ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_body_that_goes_on_is_not_hurried() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nbody_idle = \"600ms\"")
        .start();
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 10\r\n\r\n",
        ALICE.basic()
    ));
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(120));
        client.send("x");
    }
    assert_eq!(client.reply("POST").status, 200);
    assert_eq!(upstream.only().body, b"xxxxxxxxxx");
}

#[test]
fn a_reader_that_stops_is_given_up() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
            let block = vec![b'x'; 1 << 20];
            while wire.send(&block) {}
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nsend_idle = \"500ms\"")
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    // The client reads nothing more: its connection and the upstream's end.
    eventually(
        "the upstream's connection is ended",
        Duration::from_secs(15),
        || (upstream.open() == 0).then_some(()),
    );
}

#[test]
fn a_quiet_upstream_is_no_stopped_reader() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            std::thread::sleep(Duration::from_millis(1200));
            wire.send("k");
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nsend_idle = \"300ms\"\nkeep_alive = \"300ms\"\nhead = \"300ms\"\nfirst_byte = \"300ms\"\nbody_idle = \"300ms\"")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").text(), "ok");
}

#[test]
fn a_whole_request_may_have_a_deadline() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\ntotal = \"500ms\"")
        .start();
    let mut client = gate.connect().patience(BOUND);
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    let reply = client.reply("GET");
    assert!(matches!(reply.status, 408 | 504), "{reply:?}");
    eventually("the upstream's exchange is ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn a_tunnel_without_a_byte_is_closed() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        wire.hang();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\ntunnel_idle = \"500ms\"")
        .start();
    let mut client: Client = gate.connect().patience(BOUND);
    client.send(
        gate.ask("GET", "/ws/room")
            .by(&ALICE)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .bytes(),
    );
    assert_eq!(client.head().status, 101);
    for _ in 0..5 {
        // Bytes keep it open.
        std::thread::sleep(Duration::from_millis(200));
        client.send("x");
    }
    client.rest();
    eventually("both ends are ended", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn others_are_served_meanwhile() {
    let upstream = Recorder::replying(|_| ok("served"));
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .proxy("workers = 1")
        .start();
    let held: Vec<Client> = (0..100)
        .map(|number| {
            let mut client = gate.connect();
            if number % 2 == 0 {
                client.send([0x16, 3, 1]);
            }
            client
        })
        .collect();
    let mut client = connect(&gate, authority.client(&[]));
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").text(), "served");
    drop(held);
}
