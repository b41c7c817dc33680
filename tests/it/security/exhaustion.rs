//! Class H: slow and large, where it is not under `bounds`.

use std::time::{Duration, Instant};

use crate::support::recorder::ok;
use crate::support::{ALICE, Client, Gate, Recorder};

#[test]
fn slow_heads_by_the_hundred_leave_room_for_others() {
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .section("[timeouts]\nhead = \"700ms\"\n[limits]\nconnections_per_peer = 1000")
        .start();
    let mut slow: Vec<Client> = (0..200)
        .map(|_| {
            let mut client = gate.connect();
            client.send("GET /v1/items HTTP/1.1\r\nHost: gw\r\n");
            client
        })
        .collect();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        for client in &mut slow {
            let _ = client.try_send("X: y\r\n");
        }
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
    }
    for mut client in slow {
        // All are ended by now, or say so at once.
        let answer = client.rest();
        assert!(!answer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_body_is_never_decompressed() {
    // A bomb of 10 MiB of zeros in 10 KiB: the upstream gets the 10 KiB.
    let bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
        .into_iter()
        .chain(std::iter::repeat_n(0, 10_000))
        .collect::<Vec<u8>>();
    let upstream = Recorder::replying(|_| ok("ok"));
    let gate = Gate::before(&upstream);
    let reply = gate
        .ask("POST", "/any")
        .by(&ALICE)
        .header("Content-Encoding", "gzip")
        .body(bomb.clone())
        .send();
    assert_eq!(reply.status, 200);
    assert_eq!(upstream.only().body, bomb);
}
