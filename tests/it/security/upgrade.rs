//! Class G: upgrades.

use std::time::Duration;

use super::Expect::{Admitted, Harmless};
use super::{Bench, CATALOG, Case, get, request};
use crate::support::recorder::ok;
use crate::support::{ALICE, Gate, Recorder};

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: websocket"];

fn gate(upstream: &Recorder) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(CATALOG)
        .tokens(ALICE.token(&["reader", "ws"]))
        .upstream("timeouts = { first_byte = \"500ms\" }")
        .start()
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
        client.send([request("GET", "/ws/1", &UPGRADE), get("/admin/keys")].concat());
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
fn bytes_behind_an_upgrade_wait_for_the_switch() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        if wire.request().is_none() {
            return;
        }
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(5));
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        wire.hang();
    });
    let gate = gate(&upstream);
    let mut client = gate.connect();
    client.send([request("GET", "/ws/1", &UPGRADE), b"early bytes".to_vec()].concat());
    upstream.wait_for(1);
    std::thread::sleep(Duration::from_millis(100));
    assert!(!String::from_utf8_lossy(&upstream.bytes()).contains("early"));
    go.send(()).unwrap();
    assert_eq!(client.head().status, 101);
    crate::support::eventually("the early bytes", Duration::from_secs(5), || {
        String::from_utf8_lossy(&upstream.bytes())
            .ends_with("early bytes")
            .then_some(())
    });
}

#[test]
fn other_upgrades_are_not_passed_on() {
    let item = "/v1/items/1";
    let mut cases: Vec<Case> = [
        vec![
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ],
        vec!["Connection: Upgrade", "Upgrade: foo"],
        vec!["Connection: Upgrade", "Upgrade: TLS/1.2"],
        vec!["Upgrade: websocket"],
    ]
    .into_iter()
    .map(|lines| Case::new(format!("{lines:?}"), request("GET", item, &lines), Harmless))
    .collect();
    cases.push(Case::new("no upgrade", get(item), Admitted(item)));
    for lines in [
        vec![
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ],
        vec!["Connection: Upgrade", "Upgrade: websocket, h2c"],
        vec!["Connection: Upgrade", "Upgrade: h2c, websocket"],
        vec!["Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"],
    ] {
        cases.push(Case::new(
            format!("{lines:?} on /ws"),
            request("GET", "/ws/1", &lines),
            Harmless,
        ));
    }
    let mut bench = Bench::new();
    bench.run(&cases);
    for request in bench.upstream.requests() {
        assert_eq!(request.header("http2-settings"), None, "{request:?}");
        let upgrade = request.all("upgrade");
        assert!(
            upgrade.iter().all(|value| !value.contains("h2c")),
            "{request:?}"
        );
        if request.path() == item {
            assert_eq!(upgrade, Vec::<&str>::new(), "{request:?}");
        }
    }
}

#[test]
fn http_1_0_cannot_upgrade() {
    let upstream = Recorder::replying(|_| ok("plain"));
    let gate = gate(&upstream);
    let bytes = String::from_utf8(request("GET", "/ws/1", &UPGRADE)).unwrap();
    let mut client = gate.connect();
    client.send(bytes.replace("HTTP/1.1", "HTTP/1.0"));
    let answer = client.rest();
    assert!(!answer.starts_with(b"HTTP/1.1 101") && !answer.starts_with(b"HTTP/1.0 101"));
    for request in upstream.requests() {
        assert_eq!(request.header("upgrade"), None);
    }
}
