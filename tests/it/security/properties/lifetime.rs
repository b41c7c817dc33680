//! What comes in time: revocation, deadlines, faults, refusals. Invariants 7, 11, 12 and 14.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use serde_json::json;

use super::{holds, path};
use crate::support::fixture::{self, OPERATOR, basic};
use crate::support::http1::Ask;
use crate::support::http2::client::Http2;
use crate::support::recorder::{Wire, ok};
use crate::support::{ALICE, BOB, CAROL, Client, Gate, Recorder, Reply};

/// One change by an operator, and what the token may do from its answer on.
#[derive(Clone, Copy, Debug)]
enum Change {
    Disable,
    Enable,
    TakeScope,
    GiveScope,
}

impl Change {
    fn made(self, gate: &Gate) {
        let scopes: &[&str] = match self {
            Self::Disable => return post(gate, "disable"),
            Self::Enable => return post(gate, "enable"),
            Self::TakeScope => &[],
            Self::GiveScope => &["items:read"],
        };
        let ask = Ask::new(gate.admin_address(), "PATCH", "/v1/tokens/alice").by(&OPERATOR);
        let ask = ask.header("Content-Type", "application/json");
        let reply = ask.body(json!({ "scopes": scopes }).to_string()).send();
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

fn post(gate: &Gate, verb: &str) {
    let target = format!("/v1/tokens/alice/{verb}");
    let reply = Ask::new(gate.admin_address(), "POST", &target)
        .by(&OPERATOR)
        .send();
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn revocation() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let change = prop::sample::select(vec![
        Change::Disable,
        Change::Enable,
        Change::TakeScope,
        Change::GiveScope,
    ]);
    let kept = RefCell::new(gate.connect());
    let stream = RefCell::new(runtime.block_on(Http2::connect(gate.address())));
    let ask = gate.ask("GET", "/v1/items").by(&ALICE).bytes();
    holds(12, &prop::collection::vec(change, 1..5), |changes| {
        // However the last sequence ended, this one begins with everything.
        Change::Enable.made(&gate);
        Change::GiveScope.made(&gate);
        let (mut enabled, mut granted) = (true, true);
        for change in changes {
            change.made(&gate);
            match change {
                Change::Disable => enabled = false,
                Change::Enable => enabled = true,
                Change::TakeScope => granted = false,
                Change::GiveScope => granted = true,
            }
            let expected = if enabled && granted { 200 } else { 403 };
            let mut kept = kept.borrow_mut();
            kept.send(&ask);
            assert_eq!(kept.reply("GET").status, expected, "after {change:?}");
            let new = gate.read_as(&ALICE, "/v1/items").status;
            assert_eq!(new, expected, "after {change:?}, on a new connection");
            let mut stream = stream.borrow_mut();
            let streamed = runtime.block_on(stream.read_as(&ALICE, "/v1/items"));
            assert_eq!(streamed.status, expected, "after {change:?}, over HTTP/2");
        }
    });
}

/// Pieces of streams that never end well.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET /v1/items HTTP/1.1\r\n".to_vec()),
        Just(b"POST /v1/items HTTP/1.1\r\nHost: gw\r\nContent-Length: 99999\r\n".to_vec()),
        Just(b"Host: gw\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n\r\n".to_vec()),
        Just(format!("Authorization: {}\r\n", BOB.basic()).into_bytes()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"ffff\r\n".to_vec()),
        Just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        Just(b"\0\0\0\x04\0\0\0\0\0".to_vec()),
        Just(b"\0\x40\0\x01\0\0\0\0\x01".to_vec()),
        Just(b"\0\0\x08\x06\0\0\0\0\0pingpong".to_vec()),
        (1_usize..5000).prop_map(|count| vec![b'x'; count]),
        (1_usize..500).prop_map(|count| b"A: b\r\n".repeat(count)),
        prop::collection::vec(any::<u8>(), 1..200),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn bounded() {
    const DEADLINE: Duration = Duration::from_millis(300);
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .section("[limits]\nconnections_per_peer = 10000")
        .section(
            "[timeouts]\nfirst_byte = \"300ms\"\nhead = \"300ms\"\nbody_idle = \"300ms\"\n\
             send_idle = \"300ms\"\nkeep_alive = \"300ms\"",
        )
        .start();
    // What a gate takes for its first connections it takes once.
    gate.read_as(&ALICE, "/v1/items");
    let least = Cell::new(u64::MAX);
    let most = Cell::new(0);
    holds(6, &prop::collection::vec(stream(), 32), |streams| {
        let mut clients: Vec<Client> = Vec::new();
        for stream in &streams {
            let mut client = gate.connect().patience(Duration::from_secs(20));
            // The gate may have heard enough.
            let _ = client.try_send(stream);
            clients.push(client);
        }
        let began = Instant::now();
        for mut client in clients {
            // Fails where the connection does not end.
            let answered = client.rest().len();
            assert!(answered < 64 << 10, "{answered} bytes of answer");
        }
        // A head, an answer and a pause, each within its deadline, on a busy machine.
        let took = began.elapsed();
        assert!(took < DEADLINE * 5 + Duration::from_secs(10), "{took:?}");
        let resident = gate.resident();
        least.set(least.get().min(resident));
        most.set(most.get().max(resident));
    });
    // Of 32 connections at once, what each may take is less than a megabyte.
    let growth = most.get().saturating_sub(least.get());
    assert!(growth < 32 << 20, "grew by {growth} bytes");
    assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
}

/// How the upstream answers.
const FAULTS: [&str; 7] = [
    "",
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    "no HTTP\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
];

/// Answers as the request asks it to: with a fault by its number, well without one.
fn faulty(wire: &mut Wire) {
    while let Some(request) = wire.request() {
        let fault = request.header("x-fault").and_then(|n| n.parse().ok());
        let fault: Option<&str> = fault.and_then(|n: usize| FAULTS.get(n).copied());
        let Some(fault) = fault else {
            wire.send(ok("ok"));
            continue;
        };
        wire.send(fault);
        return;
    }
}

#[test]
fn fail_closed() {
    let upstream = Recorder::scripted(faulty);
    let gate = Gate::builder()
        .before(&upstream)
        .section("[upstream.ejection]\nfailures = 0")
        .section("[upstream.timeouts]\nfirst_byte = \"300ms\"\nbody_idle = \"300ms\"")
        .start();
    let who = prop::sample::select(vec![None, Some(ALICE), Some(BOB), Some(CAROL)]);
    let path = prop_oneof![1 => Just("/v1/items".to_owned()), 1 => path()];
    let spoilt = prop::sample::select(vec![
        "",
        "[[token]]\n",
        "\0",
        "token = 1\n",
        "# none\n[x]\n",
    ]);
    let values = (
        0..FAULTS.len(),
        who,
        path,
        prop::option::weighted(0.2, spoilt),
    );
    holds(80, &values, |(fault, who, path, spoilt)| {
        let before = upstream.count();
        if let Some(spoilt) = spoilt {
            gate.replace("tokens.toml", spoilt);
        }
        let mut ask = gate.ask("GET", &path).header("X-Fault", &fault.to_string());
        if let Some(who) = &who {
            ask = ask.by(who);
        }
        let status = ask.try_send().map_or(0, |reply| reply.status);
        let seen = upstream.since(before);
        // A fault is no right: who may not pass does not, and nobody is told that all is well.
        for request in &seen {
            assert_eq!(request.header("x-auth-sid"), Some("alice"), "{request:?}");
        }
        let is_alice = who.is_some_and(|who| who.sid == ALICE.sid);
        assert!(is_alice || matches!(status, 400 | 401 | 403), "{status}");
        assert!(matches!(status, 0 | 400..=504), "{status}");
        // Others are served meanwhile and after it, by the last good file.
        assert_eq!(gate.read_as(&ALICE, "/v1/items").status, 200);
        gate.read_as(&CAROL, "/v1/items")
            .assert_refused(403, "token_disabled");
        gate.replace("tokens.toml", fixture::tokens());
    });
}

/// Credentials that are not those of a token.
fn bad_credentials() -> impl Strategy<Value = String> {
    let pair = |sid: &str, secret: &str| basic(&format!("{sid}:{secret}"));
    let alice = ALICE.secret;
    prop_oneof![
        ("[A-Za-z0-9._~-]{1,64}", "[ -~]{1,40}").prop_map(move |(sid, secret)| pair(&sid, &secret)),
        "[ -~]{1,40}".prop_map(move |secret| pair("alice", &secret)),
        (1..alice.len()).prop_map(move |len| pair("alice", &alice[..len])),
        Just(pair("alice", &format!("{alice} "))),
        Just(pair("Alice", alice)),
        // Of a disabled token, and of another.
        "[ -~]{1,40}".prop_map(move |secret| pair("carol", &secret)),
        Just(pair("carol", alice)),
        Just(pair("", alice)),
        Just(pair("alice", "")),
        "[A-Za-z0-9+/]{0,30}={0,3}".prop_map(|text| format!("Basic {text}")),
        "(Bearer|Digest|Negotiate|Basic) ?[!-~]{0,20}",
    ]
}

/// An answer without what is another each time.
fn told(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.header("x-request-id").unwrap_or_default().to_owned();
    let same = |name: &str| name != "x-request-id" && name != "date";
    let headers = reply.headers.iter().filter(|(name, _)| same(name));
    (
        reply.status,
        headers.cloned().collect(),
        reply.text().replace(&id, ""),
    )
}

#[test]
fn uniformity() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    let ask = |value: &str| {
        gate.ask("GET", "/v1/items")
            .header("Authorization", value)
            .send()
    };
    let usual = told(&ask(&basic("nobody:wrong")));
    assert_eq!(usual.0, 401);
    holds(200, &bad_credentials(), |value| {
        assert_eq!(told(&ask(&value)), usual);
    });
    assert!(upstream.requests().is_empty());
}
