//! A kept-alive connection that the upstream gave up meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::http2::Peer;
use crate::support::http2::frames::SETTINGS;
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder, eventually};

const BOUND: Duration = Duration::from_secs(10);

/// Answers the first request of the first connection, and ends that connection under the
/// next request, which it has read. Later connections behave.
fn stale(reset: bool) -> Recorder {
    Recorder::scripted(move |wire| {
        if wire.request().is_none() || !wire.send(ok("first")) {
            return;
        }
        if wire.number() == 0 {
            wire.request();
            if reset {
                wire.reset_at_end();
            }
            return;
        }
        while wire.request().is_some() && wire.send(ok("again")) {}
    })
}

#[test]
fn an_idempotent_request_is_sent_once_more() {
    for reset in [false, true] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let upstream = stale(reset);
            let gate = Gate::builder()
                .before(&upstream)
                .proxy("workers = 1")
                .start();
            assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
            let reply = gate.ask(method, "/any/second").by(&ALICE).send();
            assert_eq!(reply.status, 200, "{method}, reset {reset}");
            let requests = upstream.requests();
            assert_eq!(requests.len(), 3, "{requests:?}");
            assert_eq!(upstream.connections(), 2);
            // It is the same request, under the same id.
            assert_eq!(
                requests[1].header("x-request-id"),
                requests[2].header("x-request-id")
            );
            assert_eq!(requests[2].target, "/any/second");
        }
    }
}

#[test]
fn a_post_is_never_sent_twice() {
    for reset in [false, true] {
        for method in ["POST", "PATCH", "WHATEVER"] {
            let upstream = stale(reset);
            let gate = Gate::builder()
                .before(&upstream)
                .proxy("workers = 1")
                .start();
            assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
            let reply = gate.ask(method, "/any/second").by(&ALICE).body("x").send();
            assert_eq!(reply.status, 502, "{method}, reset {reset}: {reply:?}");
            let seconds = upstream
                .requests()
                .iter()
                .filter(|r| r.target == "/any/second")
                .count();
            assert_eq!(seconds, 1, "{method}");
        }
    }
}

#[test]
fn it_is_sent_once_more_and_not_again() {
    let upstream = Recorder::scripted(|wire| {
        if wire.number() == 0 && wire.request().is_some() {
            wire.send(ok("first"));
        }
        // From here on every request is read and answered with the end.
        wire.request();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    assert_eq!(gate.read_as(&ALICE, "/any/second").status, 502);
    let seconds = upstream
        .requests()
        .iter()
        .filter(|r| r.target == "/any/second")
        .count();
    assert_eq!(seconds, 2);
}

/// Two connections are kept, and both end under the next request: the second try is not made
/// on the other one.
#[test]
fn the_second_try_is_on_a_fresh_connection_of_http2() {
    let (asked, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, seen) = (Arc::clone(&asked), Arc::clone(&answered));
    let upstream = Recorder::scripted(move |wire| {
        let number = wire.number();
        let mut peer = Peer(wire.stream());
        let mut converse = || -> Option<()> {
            peer.greet(1 << 20)?;
            // One stream at a time.
            peer.send(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1])?;
            for _ in number..2 {
                let stream = peer.opened()?;
                if count.fetch_add(1, Ordering::SeqCst) == 1 {
                    // Held until the next one has gone elsewhere.
                    eventually("another connection", BOUND, || {
                        (seen.load(Ordering::SeqCst) == 2).then_some(())
                    });
                }
                peer.well(stream)?;
                seen.fetch_add(1, Ordering::SeqCst);
            }
            if number < 2 {
                peer.opened()?;
                return None;
            }
            peer.serve()
        };
        converse();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream("protocol = \"http2\"")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    let mut held = gate.connect();
    held.send(gate.ask("GET", "/any").by(&ALICE).bytes());
    eventually("it is asked", BOUND, || {
        (asked.load(Ordering::SeqCst) == 2).then_some(())
    });
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    assert_eq!(held.reply("GET").status, 200);
    assert_eq!(upstream.connections(), 2);
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    assert_eq!(upstream.connections(), 3);
}

/// The same where connections are bounded, and one is given back while the request waits.
#[test]
fn the_second_try_takes_no_connection_that_is_handed_over() {
    let (firsts, step) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let steps = Arc::clone(&step);
    let upstream = Recorder::scripted(move |wire| {
        let kept = wire.number() < 2;
        let reached = |counter: &AtomicUsize, count| {
            eventually("the next step", BOUND, || {
                (counter.load(Ordering::SeqCst) >= count).then_some(())
            });
        };
        while let Some(request) = wire.request() {
            match request.target.as_str() {
                "/any/first" => {
                    firsts.fetch_add(1, Ordering::SeqCst);
                    reached(&firsts, 2);
                }
                "/any/stale" if kept => {
                    reached(&steps, 1);
                    return;
                }
                "/any/held" => reached(&steps, 2),
                "/any/queued" => reached(&steps, 3),
                _ => {}
            }
            if !wire.send(ok("ok")) {
                return;
            }
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream("max_connections = 2")
        .start();
    let ask = |target| {
        let mut client = gate.connect();
        client.send(gate.ask("GET", target).by(&ALICE).bytes());
        client
    };
    let arrives = |target| {
        eventually("it arrives", BOUND, || {
            let requests = upstream.requests();
            let mut targets = requests.iter().map(|request| request.target.as_str());
            targets.any(|seen| seen == target).then_some(())
        });
    };
    for mut client in [ask("/any/first"), ask("/any/first")] {
        assert_eq!(client.reply("GET").status, 200);
    }
    let mut held = ask("/any/held");
    arrives("/any/held");
    let mut stale = ask("/any/stale");
    arrives("/any/stale");
    let mut queued = ask("/any/queued");
    eventually("it waits for a connection", BOUND, || {
        let metrics = gate.ask_admin("/metrics").text();
        metrics
            .contains("sidgate_requests_in_flight 3\n")
            .then_some(())
    });
    // The connection ends, and its place goes to the one that has waited for longest.
    step.store(1, Ordering::SeqCst);
    arrives("/any/queued");
    step.store(2, Ordering::SeqCst);
    assert_eq!(held.reply("GET").status, 200);
    assert_eq!(stale.reply("GET").status, 200);
    step.store(3, Ordering::SeqCst);
    assert_eq!(queued.reply("GET").status, 200);
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    for begun in [
        "H",
        "HTTP/1.1 200 OK\r\nX-Part",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        let upstream = Recorder::scripted(move |wire| {
            if wire.request().is_some() && wire.send(ok("first")) && wire.request().is_some() {
                wire.send(begun);
            }
        });
        let gate = Gate::builder()
            .before(&upstream)
            .proxy("workers = 1")
            .start();
        assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
        gate.read_as(&ALICE, "/any/second")
            .assert_refused(502, "upstream_bad_response");
        assert_eq!(upstream.requests().len(), 2, "{begun:?}");
    }
}

#[test]
fn a_connection_that_was_closed_in_peace_is_not_used() {
    // The upstream closes after its answer without announcing it: the next request, a
    // POST, must not be lost on that connection.
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send(ok("ok"));
        }
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    for number in 0..20 {
        let reply = gate.ask("POST", "/any").by(&ALICE).body("x").send();
        assert_eq!(reply.status, 200, "{number}");
        eventually("the end of the connection", Duration::from_secs(5), || {
            (upstream.open() == 0).then_some(())
        });
        // The end is on its way through loopback.
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(upstream.requests().len(), 20);
}

#[test]
fn idle_connections_are_given_up_in_time() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .upstream("timeouts = { keep_alive = \"300ms\" }")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
    eventually(
        "the idle connection is ended",
        Duration::from_secs(10),
        || (upstream.open() == 0).then_some(()),
    );
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
}
