//! Connections on which nobody says anything for a while: the gate puts them aside, and
//! nobody notices.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::recorder::ok;
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, Client, Gate, Recorder, eventually};

/// Long enough for a connection to be put aside: the gate looks twice, half a second apart.
const QUIET: Duration = Duration::from_millis(1_300);

/// Requests with pauses in between, one of them in the middle of a head that began behind
/// the request before it.
fn talk(gate: &Gate, client: &mut Client) {
    let whole = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    let (first, rest) = whole.split_at(whole.len() / 2);
    for _ in 0..2 {
        sleep(QUIET);
        client.send(&whole);
        assert_eq!(client.reply("GET").status, 200);
    }
    client.send([&whole[..], first].concat());
    assert_eq!(client.reply("GET").status, 200);
    sleep(QUIET);
    client.send(rest);
    assert_eq!(client.reply("GET").status, 200);
    // Byte by byte, and two at once.
    sleep(QUIET);
    for byte in &whole {
        client.send([*byte]);
    }
    assert_eq!(client.reply("GET").status, 200);
    sleep(QUIET);
    client.send([&whole[..], &whole[..]].concat());
    assert_eq!(client.reply("GET").status, 200);
    assert_eq!(client.reply("GET").status, 200);
}

#[test]
fn a_quiet_connection_serves_on() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    talk(&gate, &mut gate.connect());
    assert_eq!(upstream.requests().len(), 7);
}

#[test]
fn a_quiet_connection_in_tls_serves_on() {
    let authority = Authority::new();
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .start();
    talk(&gate, &mut connect(&gate, authority.client(&["http/1.1"])));
    assert_eq!(upstream.requests().len(), 7);
}

#[test]
fn being_put_aside_is_no_new_start_of_the_keep_alive() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nkeep_alive = \"2s\"")
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    let began = Instant::now();
    assert!(client.ends_within(Duration::from_secs(10)));
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_millis(1_800), "{lasted:?}");
}

#[test]
fn a_head_on_a_connection_that_was_put_aside_has_its_deadline() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\nhead = \"600ms\"")
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    sleep(QUIET);
    client.send("GET /v1/items HTTP/1.1\r\nHo");
    assert!(client.ends_within(Duration::from_secs(10)));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_stop_ends_quiet_connections_at_once() {
    let upstream = Recorder::ok();
    let mut gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.reply("GET").status, 200);
    sleep(QUIET);
    gate.signal(rustix::process::Signal::TERM);
    assert!(client.ends_within(Duration::from_secs(5)));
    assert!(gate.wait(Duration::from_secs(10)).success());
}

/// A head that has begun is read to its end, on a connection that was put aside and on one
/// that was not.
#[test]
fn a_stop_in_the_middle_of_a_head_waits_for_its_end() {
    let upstream = Recorder::ok();
    let mut gate = Gate::before(&upstream);
    let whole = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    let (first, rest) = whole.split_at(whole.len() / 2);
    let (mut quiet, mut fresh) = (gate.connect(), gate.connect());
    quiet.send(&whole);
    assert_eq!(quiet.reply("GET").status, 200);
    sleep(QUIET);
    fresh.send(&whole);
    assert_eq!(fresh.reply("GET").status, 200);
    quiet.send(first);
    fresh.send(first);
    gate.signal(rustix::process::Signal::TERM);
    // The gate has heard of it when it takes no more connections.
    eventually("the gate stops", Duration::from_secs(10), || {
        TcpStream::connect(gate.address()).is_err().then_some(())
    });
    for client in [&mut quiet, &mut fresh] {
        client.send(rest);
        assert_eq!(client.reply("GET").status, 200);
        assert!(client.ends_within(Duration::from_secs(5)));
    }
    assert!(gate.wait(Duration::from_secs(10)).success());
}

/// An upload that goes on after its answer is still an upload, whatever it says and however
/// long its client paused: nothing of it is taken for a next request.
#[test]
fn what_is_left_of_a_body_after_its_answer_is_no_request() {
    let upstream = Recorder::scripted(|wire| {
        while let Some(head) = wire.head() {
            wire.send(ok("early"));
            if wire.body(head).is_none() {
                return;
            }
        }
    });
    let gate = Gate::before(&upstream);
    let smuggled = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\nbody",
        ALICE.basic(),
        smuggled.len() + 4,
    ));
    let reply = client.reply("POST");
    assert_eq!((reply.status, reply.text().as_str()), (200, "early"));
    sleep(QUIET);
    client.send(&smuggled);
    let whole = [b"body", &smuggled[..]].concat();
    eventually("the upload comes whole", Duration::from_secs(10), || {
        let requests = upstream.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        (requests[0].body == whole).then_some(())
    });
    assert!(client.is_silent_for(Duration::from_millis(100)));
}

/// What is held for a connection while it is quiet: where hyper's buffers alone would be
/// 16 KiB.
#[test]
fn a_quiet_connection_costs_little() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .section("[limits]\nconnections_per_peer = 10000")
        .start();
    costs_at_most(4 << 10, &gate, || gate.connect());
}

/// The same in TLS, of which rustls has 8 KiB and more.
#[test]
fn a_quiet_connection_in_tls_costs_little() {
    let authority = Authority::new();
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .tls(&authority.issue(&["localhost"]))
        .section("[limits]\nconnections_per_peer = 10000")
        .start();
    let config = authority.client(&["http/1.1"]);
    costs_at_most(13 << 10, &gate, || connect(&gate, config.clone()));
}

/// By how much the gate grows for each connection of many that become quiet together. What
/// they give up goes back to the system, although nothing happens any more.
fn costs_at_most(bound: u64, gate: &Gate, connect: impl Fn() -> Client) {
    const MANY: u64 = 400;
    let ask = gate.ask("GET", "/nothing").by(&ALICE).bytes();
    let talk = |client: &mut Client| {
        client.send(&ask);
        assert_eq!(client.reply("GET").status, 403);
    };
    let open = |_| {
        let mut client = connect();
        talk(&mut client);
        client
    };
    // What is taken once is not counted; given back it is long before this has passed.
    drop((0..50).map(open).collect::<Vec<_>>());
    sleep(4 * QUIET);
    let before = gate.resident();
    let mut quiet: Vec<Client> = (0..MANY).map(open).collect();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let each = gate.resident().saturating_sub(before) / MANY;
        if each <= bound {
            break;
        }
        assert!(Instant::now() < end, "{each} bytes each");
        sleep(Duration::from_millis(50));
    }
    // And all of them are still there.
    quiet.iter_mut().for_each(talk);
}
