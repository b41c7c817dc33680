//! Class E, 58: clients that leave within a body. No later request may become its rest.

use std::time::Duration;

use crate::support::{ALICE, Gate, Recorder, eventually};

#[test]
fn a_body_that_breaks_off_ends_its_upstream_connection() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .start();
    // A connection waits at the upstream before each round.
    assert_eq!(gate.read_as(&ALICE, "/v1/items/1").status, 200);
    let mut broken = 0;
    for round in 0..200 {
        let framing = if round % 2 == 0 {
            "Content-Length: 100"
        } else {
            "Transfer-Encoding: chunked"
        };
        let mut client = gate.connect();
        client.send(format!(
            "POST /any/broken HTTP/1.1\r\nHost: gw\r\nAuthorization: {}\r\n{framing}\r\n\r\na\r\n0123456789\r\n",
            ALICE.basic()
        ));
        match round % 4 {
            0 | 1 => client.finish_sending(),
            _ => client.reset(),
        }
        drop(client);
        if round % 10 == 0 {
            let reply = gate
                .ask("POST", "/any/whole")
                .by(&ALICE)
                .body(format!("{round}"))
                .send();
            assert_eq!(reply.status, 200, "{round}");
            let seen = upstream.requests();
            let whole = seen
                .iter()
                .rfind(|request| request.target == "/any/whole")
                .unwrap();
            assert_eq!(whole.body, format!("{round}").into_bytes());
        }
        broken += 1;
    }
    assert_eq!(broken, 200);
    let reply = gate.ask("POST", "/any/last").by(&ALICE).body("last").send();
    assert_eq!(reply.status, 200);
    let seen = upstream.requests();
    let last = seen.iter().find(|request| request.target == "/any/last");
    assert_eq!(last.unwrap().body, b"last");
    // Of the broken ones none was ended as a whole, and none is still open.
    assert!(
        upstream
            .requests()
            .iter()
            .all(|r| r.target != "/any/broken" || r.body.is_empty())
    );
    eventually(
        "the connections of broken requests are ended",
        Duration::from_secs(10),
        || (upstream.open() <= 1).then_some(()),
    );
}
