//! WebSocket and other upgrades: authorised first, then a tunnel.

use std::sync::mpsc::channel;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Gate, Recorder, Who, Wire, eventually};

/// The key of RFC 6455 section 1.2.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The head of a WebSocket handshake.
fn handshake(path: &str, who: &Who) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
        who.basic()
    )
}

/// Takes the handshake; false where it is none.
fn accept(wire: &mut Wire) -> bool {
    let Some(request) = wire.request() else {
        return false;
    };
    let Some(key) = request.header("sec-websocket-key") else {
        return false;
    };
    let accept = derive_accept_key(key.as_bytes());
    wire.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))
}

/// Sends every message back until the other side closes.
fn echo(wire: &mut Wire) {
    if !accept(wire) {
        return;
    }
    let mut socket = WebSocket::from_raw_socket(wire.stream(), Role::Server, None);
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

#[test]
fn a_websocket_runs_through_the_gate() {
    let upstream = Recorder::scripted(echo);
    let gate = Gate::before(&upstream);
    let request = http::Request::builder()
        .uri(format!("ws://{}/ws/lobby?x=1", gate.address()))
        .header("Host", gate.address().to_string())
        .header("Authorization", ALICE.basic())
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", KEY)
        .body(())
        .unwrap();
    let (mut socket, response) =
        tungstenite::client(request, gate.connect().into_stream()).unwrap();
    assert_eq!(response.status().as_u16(), 101);
    assert!(response.headers().contains_key("x-request-id"));
    for size in [1, 125, 126, 65_536, 1 << 20] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message, "{size} bytes");
    }
    socket.send(Message::text("zażółć")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("zażółć"));
    socket.close(None).unwrap();
    while socket.read().is_ok() {}

    let seen = upstream.only();
    assert_eq!(seen.target, "/ws/lobby?x=1");
    assert_eq!(seen.header("x-auth-sid"), Some("alice"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("upgrade"), Some("websocket"));
    assert!(
        seen.header("connection")
            .is_some_and(|c| c.eq_ignore_ascii_case("upgrade"))
    );
    eventually("the tunnel is ended", Duration::from_secs(10), || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn an_upgrade_without_the_right_is_refused_before_any_connection() {
    let upstream = Recorder::scripted(echo);
    let gate = Gate::before(&upstream);
    let nobody = Who {
        sid: "alice",
        secret: "wrong",
    };
    for (who, path, code) in [
        (nobody, "/ws/lobby", "bad_credentials"),
        (BOB, "/ws/lobby", "scope_not_granted"),
        (ALICE, "/ws/lobby/back", "no_route"),
    ] {
        let mut client = gate.connect();
        client.send(handshake(path, &who));
        assert_eq!(client.reply("GET").code(), code);
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn an_upgrade_passes_only_where_the_rule_says_so() {
    let upstream = Recorder::replying(|_| ok("plain"));
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(handshake("/v1/items", &ALICE));
    let reply = client.reply("GET");
    // Either an ordinary answer or a refusal; never a tunnel, never the header upstream.
    assert!(matches!(reply.status, 200 | 403), "{reply:?}");
    for request in upstream.requests() {
        assert_eq!(request.header("upgrade"), None);
        assert_eq!(request.header("connection"), None);
    }
}

#[test]
fn an_ordinary_request_may_meet_a_rule_for_upgrades() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    assert_eq!(gate.read_as(&ALICE, "/ws/lobby").status, 200);
}

#[test]
fn an_upstream_that_declines_answers_as_usual() {
    let upstream =
        Recorder::replying(|_| b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone".to_vec());
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(handshake("/ws/lobby", &ALICE));
    let reply = client.reply("GET");
    assert_eq!((reply.status, reply.text().as_str()), (404, "none"));
    // The connection goes on as HTTP, or is closed; it is no tunnel.
    let _ = client.try_send(gate.ask("GET", "/admin").by(&ALICE).bytes());
    if let Ok(next) = client.try_reply("GET") {
        assert_eq!(next.code(), "no_route");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_switch_nobody_asked_for_is_a_bad_answer() {
    let upstream = Recorder::replying(|_| {
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            .to_vec()
    });
    let gate = Gate::before(&upstream);
    gate.read_as(&ALICE, "/v1/items")
        .assert_refused(502, "upstream_bad_response");
}

#[test]
fn a_tunnel_may_be_closed_one_way_at_a_time() {
    let upstream = Recorder::scripted(|wire| {
        if !accept(wire) {
            return;
        }
        let mut got = Vec::new();
        while let Some(bytes) = wire.some() {
            got.extend_from_slice(&bytes);
        }
        // The client sends no more, and still reads.
        wire.send([b"got ", got.as_slice()].concat());
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(handshake("/ws/lobby", &ALICE));
    assert_eq!(client.head().status, 101);
    client.send("bytes that are no WebSocket");
    client.finish_sending();
    assert_eq!(client.rest(), b"got bytes that are no WebSocket");
}

/// A body that came on the connection before is no reason to read what belongs to the tunnel.
#[test]
fn a_tunnel_that_its_server_has_closed_one_way_still_takes_all_that_its_client_sends() {
    let (sender, got) = channel();
    let upstream = Recorder::scripted(move |wire| {
        if wire.number() == 0 && wire.request().is_some() {
            wire.send(ok("stored"));
        }
        if !accept(wire) {
            return;
        }
        wire.finish_sending();
        let mut all = Vec::new();
        while let Some(bytes) = wire.some() {
            all.extend_from_slice(&bytes);
        }
        let _ = sender.send(all);
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("POST", "/any").by(&ALICE).body("body").bytes());
    assert_eq!(client.reply("POST").status, 200);
    client.send(handshake("/ws/lobby", &ALICE));
    assert_eq!(client.head().status, 101);
    assert!(client.ends_within(Duration::from_secs(10)));
    client.send("still to be read");
    client.finish_sending();
    let all = got.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(String::from_utf8_lossy(&all), "still to be read");
}

#[test]
fn bytes_sent_too_early_wait_for_the_switch() {
    let upstream = Recorder::scripted(|wire| {
        if accept(wire) {
            while let Some(bytes) = wire.some() {
                wire.send(bytes);
            }
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(format!("{}early", handshake("/ws/lobby", &ALICE)));
    assert_eq!(client.head().status, 101);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    assert_eq!(client.exactly(5, deadline).unwrap(), b"early");
}

#[test]
fn a_switch_to_something_else_is_no_answer() {
    let upstream = Recorder::scripted(|wire| {
        if wire.request().is_some() {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
            );
        }
    });
    let gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(handshake("/ws/lobby", &ALICE));
    let reply = client.reply("GET");
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "upstream_bad_response")
    );
}
