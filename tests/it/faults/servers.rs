//! Several servers: balancing, leaving out, and how many connections each gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::ports::Port;
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, eventually};

#[test]
fn requests_are_spread_over_the_servers() {
    let (one, two) = (Recorder::ok(), Recorder::ok());
    let gate = Gate::builder().before(&one).before(&two).start();
    for _ in 0..60 {
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    }
    let (one, two) = (one.requests().len(), two.requests().len());
    assert_eq!(one + two, 60);
    assert!(one >= 10 && two >= 10, "{one} and {two}");
}

#[test]
fn a_busy_server_is_given_less() {
    let slow = Recorder::replying(|_| {
        thread::sleep(Duration::from_millis(300));
        ok("slow")
    });
    let fast = Recorder::ok();
    let gate = Gate::builder().before(&slow).before(&fast).start();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..8 {
                    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
                }
            });
        }
    });
    let (slow, fast) = (slow.requests().len(), fast.requests().len());
    assert_eq!(slow + fast, 64);
    assert!(fast > slow, "slow {slow}, fast {fast}");
}

#[test]
fn a_server_that_cannot_be_reached_is_passed_over() {
    let nobody = Port::claim();
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .server(format!("http://{}", nobody.address()))
        .before(&upstream)
        .start();
    // Nothing was sent to the server that is down, so even a POST goes to the other one.
    for number in 0..20 {
        let reply = gate
            .ask("POST", "/any")
            .by(&ALICE)
            .body(format!("{number}"))
            .send();
        assert_eq!(reply.status, 200, "{number}");
    }
    let bodies: Vec<_> = upstream.requests().into_iter().map(|r| r.body).collect();
    let sent: Vec<_> = (0..20)
        .map(|number: u8| number.to_string().into_bytes())
        .collect();
    assert_eq!(bodies, sent, "each once, each whole");
}

#[test]
fn a_request_that_was_sent_is_not_sent_to_another_server() {
    let asked = Arc::new(AtomicUsize::new(0));
    let failing = || {
        let asked = Arc::clone(&asked);
        Recorder::scripted(move |wire| {
            if wire.request().is_some() {
                asked.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let (one, two) = (failing(), failing());
    let gate = Gate::builder()
        .before(&one)
        .before(&two)
        .upstream("ejection = { failures = 0 }")
        .start();
    for sent in 1..=6 {
        let method = if sent % 2 == 0 { "GET" } else { "POST" };
        let reply = gate.ask(method, "/any").by(&ALICE).send();
        assert_eq!(reply.status, 502, "{reply:?}");
        assert_eq!(asked.load(Ordering::SeqCst), sent, "{method}");
    }
}

#[test]
fn a_server_that_keeps_failing_is_left_out_for_a_while() {
    let failing = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send("garbage\r\n\r\n");
        }
    });
    let good = Recorder::ok();
    let gate = Gate::builder()
        .before(&failing)
        .before(&good)
        .upstream("ejection = { failures = 2, duration = \"60s\" }")
        .start();
    let mut failed = 0;
    for _ in 0..60 {
        match gate.read_as(&ALICE, "/v1/items").status {
            200 => {}
            502 => failed += 1,
            status => panic!("{status}"),
        }
    }
    assert_eq!(failed, 2, "two failures in a row, then nothing more");
    assert_eq!(failing.requests().len(), 2);
}

#[test]
fn an_ejected_server_comes_back() {
    use std::sync::atomic::AtomicBool;
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let upstream = Recorder::scripted(move |wire| {
        while let Some(_request) = wire.request() {
            if state.load(Ordering::SeqCst) {
                return;
            }
            wire.send(ok("back"));
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("ejection = { failures = 1, duration = \"200ms\" }")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 502);
    broken.store(false, Ordering::SeqCst);
    eventually("the server is tried again", Duration::from_secs(10), || {
        let reply = gate.read_as(&ALICE, "/v1/items");
        assert!(matches!(reply.status, 200 | 502 | 503), "{reply:?}");
        (reply.status == 200).then_some(())
    });
}

#[test]
fn connections_to_a_server_are_capped_over_all_workers() {
    // Requests that are being served at one time: how many connections there are is not
    // known to the moment here, where the end of one takes its time to arrive.
    let most = Arc::new(AtomicUsize::new(0));
    let now = AtomicUsize::new(0);
    let peak = Arc::clone(&most);
    let upstream = Recorder::scripted(move |wire| {
        while wire.request().is_some() {
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            peak.fetch_max(count, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(100));
            now.fetch_sub(1, Ordering::SeqCst);
            if !wire.send(ok("ok")) {
                return;
            }
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("max_connections = 2")
        .start();
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let reply = gate.read_as(&ALICE, "/v1/items");
                    match reply.status {
                        200 => {
                            served.fetch_add(1, Ordering::SeqCst);
                        }
                        503 => assert!(reply.header("retry-after").is_some(), "{reply:?}"),
                        _ => panic!("{reply:?}"),
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
    assert!(served.load(Ordering::SeqCst) >= 2);
    eventually(
        "two connections at the most",
        Duration::from_secs(5),
        || (upstream.open() <= 2).then_some(()),
    );
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
}
