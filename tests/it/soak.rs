//! Much of everything: requests while files change, bodies larger than memory.
//!
//! `SIDGATE_SOAK=1` (`scripts/soak`) runs the full size; otherwise a few seconds of it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::fixture::{ALICE, digest, token};
use crate::support::{Client, Gate, Recorder, Who};

/// The full size of it.
fn is_full() -> bool {
    std::env::var_os("SIDGATE_SOAK").is_some()
}

/// A token that is in every second file.
const FLICKER: Who = Who {
    sid: "flicker",
    secret: "flickers-auth-token-of-many-bits",
};

/// Ten thousand tokens around Alice, who is in the middle, so that half a file is
/// either without her or without the last one.
fn many(with_flicker: bool) -> String {
    let shared = digest("a secret that nobody uses");
    let mut text = String::from("# made by a test\n");
    for number in 0..10_000 {
        writeln!(
            text,
            "[[token]]\nsid = \"IR{number:032}\"\nname = \"Token {number}\"\ndescription = \"\"\n\
             scopes = [\"items:read\"]\nstate = \"enabled\"\ndigest = \"{shared}\"\n"
        )
        .unwrap();
        if number == 5_000 {
            text.push_str(&ALICE.token(&["items:read"]));
        }
    }
    if with_flicker {
        text.push_str(&FLICKER.token(&["items:read"]));
    }
    text.push_str(&token("last", "the-last-secret-of-all", &["items:read"]));
    text
}

#[test]
fn requests_run_while_ten_thousand_tokens_are_replaced_ten_times_a_second() {
    let wanted = if is_full() { 500_000 } else { 10_000 };
    let upstream = Recorder::counting();
    let (with, without) = (many(true), many(false));
    let gate = Gate::builder()
        .before(&upstream)
        .tokens(with.clone())
        .section("[access_log]\noutput = \"off\"")
        .start();
    let last = Who {
        sid: "last",
        secret: "the-last-secret-of-all",
    };
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let began = Instant::now();
    thread::scope(|scope| {
        for who in [ALICE, last, ALICE, last] {
            let (gate, done, answered) = (&gate, &done, &answered);
            scope.spawn(move || {
                let request = gate.ask("GET", "/v1/items/1").by(&who).bytes();
                let mut client: Client = gate.connect();
                // At least five seconds of it, so that many files are met.
                while answered.fetch_add(1, Ordering::SeqCst) < wanted
                    || began.elapsed() < Duration::from_secs(5)
                {
                    client.send(&request);
                    let reply = client.reply("GET");
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
                done.store(true, Ordering::SeqCst);
            });
        }
        let mut round = 0_u32;
        while !done.load(Ordering::SeqCst) {
            let began = Instant::now();
            gate.replace(
                "tokens.toml",
                if round.is_multiple_of(2) {
                    &without
                } else {
                    &with
                },
            );
            round += 1;
            thread::sleep(Duration::from_millis(100).saturating_sub(began.elapsed()));
        }
        assert!(round >= 10, "{round} files");
    });
    let answered = answered.load(Ordering::SeqCst) - 4;
    assert_eq!(upstream.count(), answered, "none lost, none doubled");

    // A token that is removed is refused at the latest two seconds later.
    gate.replace("tokens.toml", &with);
    crate::support::eventually("the token is there", Duration::from_secs(2), || {
        (gate.read_as(&FLICKER, "/v1/items/1").status == 200).then_some(())
    });
    gate.replace("tokens.toml", &without);
    let removed = Instant::now();
    crate::support::eventually("the token is gone", Duration::from_secs(2), || {
        (gate.read_as(&FLICKER, "/v1/items/1").status == 401).then_some(())
    });
    assert!(removed.elapsed() < Duration::from_secs(2));
    assert!(gate.status()["fault"].is_null());
}

/// Bodies stream: the gate's memory does not grow with them.
#[test]
fn large_bodies_up_and_down_take_no_memory() {
    let size: usize = if is_full() { 1 << 30 } else { 256 << 20 };
    const BLOCK: usize = 1 << 20;
    let upstream = Recorder::scripted(move |wire| {
        while let Some(head) = wire.head() {
            match head.method.as_str() {
                "PUT" => {
                    if wire.discard(size).is_none() {
                        return;
                    }
                    wire.send("HTTP/1.1 204 No Content\r\n\r\n");
                }
                _ => {
                    wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
                    let block = vec![b'x'; BLOCK];
                    for _ in 0..size / BLOCK {
                        if !wire.send(&block) {
                            return;
                        }
                    }
                }
            }
        }
    });
    let gate = Gate::before(&upstream);
    // What a first exchange costs is no growth.
    assert_eq!(gate.read_as(&ALICE, "/nothing").status, 403);
    let before = gate.resident();
    let mut most = before;

    let mut client = gate.connect().patience(Duration::from_secs(120));
    client.send(format!(
        "PUT /any HTTP/1.1\r\nHost: gw\r\nAuthorization: {}\r\nContent-Length: {size}\r\n\r\n",
        ALICE.basic()
    ));
    let block = vec![b'x'; BLOCK];
    for number in 0..size / BLOCK {
        client.send(&block);
        if number % 16 == 0 {
            most = most.max(gate.resident());
        }
    }
    assert_eq!(client.reply("PUT").status, 204);

    client.send(gate.ask("GET", "/any").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    let deadline = Instant::now() + Duration::from_secs(300);
    for number in 0..size / BLOCK {
        let block = client.exactly(BLOCK, deadline).unwrap();
        assert!(block.iter().all(|&byte| byte == b'x'));
        if number % 16 == 0 {
            most = most.max(gate.resident());
        }
    }
    let growth = most.saturating_sub(before);
    assert!(growth < 16 << 20, "grew by {growth} bytes");
}
