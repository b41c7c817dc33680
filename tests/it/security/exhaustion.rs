//! Class H: slow and large, where it is not under `bounds`.

use std::time::{Duration, Instant};

use super::bench::Bench;
use super::table::{Case, ITEM, Message, case, get};
use crate::support::recorder::ok;
use crate::support::{ALICE, Client, Gate, Recorder};

/// Alice's GET whose target has this many bytes.
fn long_target(size: usize) -> Message {
    get(&format!("{ITEM}?{}", "q".repeat(size - ITEM.len() - 1)))
}

/// Alice's GET with this many header lines in all.
fn many_lines(count: usize) -> Message {
    get(ITEM).with((2..count).map(|number| format!("X-{number}: y")))
}

/// Alice's GET with a head of this many bytes, in lines of at most this many.
fn long_head(size: usize, line: usize) -> Message {
    let mut message = get(ITEM);
    while message.bytes().len() < size {
        // A line's own `X: ` and its end are five bytes.
        let left = size - message.bytes().len();
        let fill = left.min(line).saturating_sub(5).max(1);
        message = message.with([format!("X: {}", "x".repeat(fill))]);
    }
    message
}

/// What of the class is a matter of size. Time and memory are below and under `bounds`.
pub(super) fn cases() -> Vec<Case> {
    let over = |message: Message| -> (String, Vec<u8>) {
        let bytes = message.bytes();
        (
            format!("{} lines, {} bytes", message.lines.len(), bytes.len()),
            bytes,
        )
    };
    vec![
        case(77, "big heads")
            .closed(
                &[431],
                [
                    over(many_lines(101)),
                    over(many_lines(1_000)),
                    over(get(ITEM).with((0..1_000).map(|number| format!("Cookie: a{number}=b")))),
                    over(long_head((32 << 10) + 200, 900)),
                    over(long_head(64 << 10, 64 << 10)),
                    over(long_head(500_000, 500_000)),
                ],
            )
            .closed(&[414], [long_target((8 << 10) + 1), long_target(20_000)])
            .admitted(&long_target(8 << 10).target, over(long_target(8 << 10)))
            .alices_item([over(many_lines(100)), over(long_head(31 << 10, 900))]),
    ]
}

#[test]
fn heads_have_bounds() {
    let _ = Bench::new().run(&cases());
}

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
