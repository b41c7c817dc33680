//! Class G: upgrades.

use std::time::Duration;

use super::bench::{Bench, CATALOG};
use super::table::{Case, ITEM, Message, ask, bare, case, get};
use crate::support::fixture::basic;
use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder};

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: websocket"];
const ROOM: &str = "/ws/1";
const H2C: [&str; 3] = [
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
];

/// Alice's GET of a room with these lines.
fn join(lines: &[&str]) -> Message {
    get(ROOM).with(lines.iter().copied())
}

/// Every number of the class, as far as the upstream declines to switch. What follows a
/// switch or waits for one is below, and WebSocket itself in `programs::websocket` and
/// `scripts/attack`.
pub(super) fn cases() -> Vec<Case> {
    let item = |lines: &[&str]| get(ITEM).with(lines.iter().copied());
    vec![
        case(71, "other upgrades")
            .harmless(
                [
                    &H2C[..],
                    &["Connection: Upgrade", "Upgrade: foo"],
                    &["Connection: Upgrade", "Upgrade: TLS/1.2"],
                    &["Connection: Upgrade", "Upgrade: HTTP/2.0"],
                    &["Connection: Upgrade", "Upgrade: websocket"],
                    &["Upgrade: websocket"],
                    &["Connection: Upgrade"],
                ]
                .map(item),
            )
            .harmless(
                [
                    &H2C[..],
                    &["Connection: Upgrade", "Upgrade: websocket, h2c"],
                    &["Connection: Upgrade", "Upgrade: h2c, websocket"],
                    &["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"],
                    &["Connection: Upgrade", "Upgrade: H2C"],
                    &["Connection: Upgrade", "Upgrade:"],
                    &["Upgrade: h2c"],
                ]
                .map(join),
            )
            .alices_item([get(ITEM)]),
        case(72, "WebSocket correctness")
            .answered(
                &[401],
                [
                    bare("GET", ROOM, ["Host: gw"]).with(UPGRADE),
                    bare("GET", ROOM, ["Host: gw"])
                        .with(UPGRADE)
                        .with([format!("Authorization: {}", basic("alice:wrong"))]),
                ],
            )
            .answered(
                &[403],
                [
                    ask("GET", ROOM, &BOB).with(UPGRADE),
                    ask("GET", ROOM, &CAROL).with(UPGRADE),
                    ask("GET", "/ws/1/2", &ALICE).with(UPGRADE),
                    ask("GET", "/ws", &ALICE).with(UPGRADE),
                ],
            )
            .answered(&[403], [ask("POST", ROOM, &ALICE).with(UPGRADE)])
            .unchanged([ROOM]),
    ]
}

fn gate(upstream: &Recorder) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(CATALOG)
        .tokens(ALICE.token(&["reader", "ws"]))
        .upstream("timeouts = { first_byte = \"500ms\" }")
        .start()
}

#[test]
fn only_what_may_switch_is_asked_to() {
    for request in Bench::new().run(&cases()) {
        assert_eq!(request.header("http2-settings"), None, "{request:?}");
        let upgrade = request.all("upgrade");
        let switches = upgrade == ["websocket"] && request.path() == ROOM;
        assert!(switches || upgrade.is_empty(), "{request:?}");
    }
}

#[test]
fn bytes_behind_an_upgrade_that_is_declined_are_a_request_of_their_own() {
    for answer in [
        Some(ok("no")),
        Some(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()),
        None,
    ] {
        let hangs = answer.is_none();
        let upstream = Recorder::scripted(move |wire| {
            while wire.request().is_some() {
                match &answer {
                    Some(answer) => wire.send(answer),
                    None => return wire.hang(),
                };
            }
        });
        let gate = gate(&upstream);
        let mut client = gate.connect().patience(Duration::from_secs(5));
        client.send([join(&UPGRADE).bytes(), get("/admin/keys").bytes()].concat());
        let first = client.reply("GET");
        assert_eq!(first.status == 504, hangs, "{first:?}");
        if let Ok(second) = client.try_reply("GET") {
            assert_eq!(second.code(), "no_route", "{second:?}");
        }
        let seen = upstream.only();
        assert_eq!(seen.target, "/ws/1");
        assert!(!String::from_utf8_lossy(&upstream.bytes()).contains("admin"));
    }
}

#[test]
fn http_1_0_cannot_upgrade() {
    let upstream = Recorder::replying(|_| ok("plain"));
    let gate = gate(&upstream);
    let bytes = String::from_utf8(join(&UPGRADE).bytes()).unwrap();
    let mut client = gate.connect();
    client.send(bytes.replace("HTTP/1.1", "HTTP/1.0"));
    let answer = client.rest();
    assert!(!answer.starts_with(b"HTTP/1.1 101") && !answer.starts_with(b"HTTP/1.0 101"));
    for request in upstream.requests() {
        assert_eq!(request.header("upgrade"), None);
    }
}
