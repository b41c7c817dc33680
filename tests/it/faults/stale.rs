//! A kept-alive connection that the upstream gave up meanwhile.

use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder};

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
        crate::support::eventually(
            "the end of the connection",
            std::time::Duration::from_secs(5),
            || (upstream.open() == 0).then_some(()),
        );
        // The end is on its way through loopback.
        std::thread::sleep(std::time::Duration::from_millis(20));
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
    crate::support::eventually(
        "the idle connection is ended",
        std::time::Duration::from_secs(10),
        || (upstream.open() == 0).then_some(()),
    );
    assert_eq!(gate.read_as(&ALICE, "/any").status, 200);
}
