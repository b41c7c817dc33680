//! The stop: what is in flight finishes, nothing new begins, and it ends.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::http2::frames::{self, Frames};
use crate::support::recorder::ok;
use crate::support::{ALICE, Client, Gate, Recorder, eventually};

const SOON: Duration = Duration::from_secs(10);

/// An upstream that answers when it is told to.
fn held() -> (Recorder, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        while wire.request().is_some() {
            let _ = wait.lock().unwrap().recv_timeout(SOON);
            if !wire.send(ok("finished")) {
                return;
            }
        }
    });
    (upstream, go)
}

/// Waits until the gate takes no more connections.
fn refuses(gate: &Gate) {
    eventually("new connections are refused", SOON, || {
        TcpStream::connect(gate.address()).is_err().then_some(())
    });
}

#[test]
fn a_request_in_flight_finishes_and_nothing_new_begins() {
    for signal in [Signal::TERM, Signal::INT] {
        let (upstream, go) = held();
        let mut gate = Gate::before(&upstream);
        let mut client = gate.connect();
        client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
        let mut idle = gate.connect();
        idle.send(gate.ask("GET", "/nothing").by(&ALICE).bytes());
        assert_eq!(idle.reply("GET").status, 403);
        upstream.wait_for(1);

        gate.signal(signal);
        refuses(&gate);
        assert!(idle.ends_within(SOON), "an idle connection is closed");
        assert!(gate.is_running());
        go.send(()).unwrap();
        let reply = client.reply("GET");
        assert_eq!((reply.status, reply.text().as_str()), (200, "finished"));
        assert!(client.ends_within(SOON));
        assert_eq!(gate.wait(SOON).code(), Some(0));
    }
}

#[test]
fn a_long_download_finishes_within_the_grace() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Recorder::scripted(move |wire| {
        if wire.request().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
            let _ = wait.lock().unwrap().recv_timeout(SOON);
            wire.send("later");
        }
    });
    let mut gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(client.head().status, 200);
    assert_eq!(client.exactly(5, Instant::now() + SOON).unwrap(), b"first");
    gate.signal(Signal::TERM);
    refuses(&gate);
    go.send(()).unwrap();
    assert_eq!(client.exactly(5, Instant::now() + SOON).unwrap(), b"later");
    assert_eq!(gate.wait(SOON).code(), Some(0));
}

#[test]
fn the_grace_ends() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.hang();
    });
    let mut gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\ngrace = \"500ms\"")
        .start();
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    upstream.wait_for(1);
    let began = Instant::now();
    gate.signal(Signal::TERM);
    gate.wait(SOON);
    assert!(
        began.elapsed() >= Duration::from_millis(400),
        "not before its end"
    );
    client.rest();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let upstream = Recorder::scripted(|wire| {
        wire.request();
        wire.hang();
    });
    let mut gate = Gate::before(&upstream);
    let mut client = gate.connect();
    client.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    upstream.wait_for(1);
    gate.signal(Signal::TERM);
    refuses(&gate);
    gate.signal(Signal::TERM);
    gate.wait(SOON);
}

#[test]
fn http2_clients_are_told_to_go_away_and_their_streams_finish() {
    let (upstream, go) = held();
    let mut gate = Gate::before(&upstream);
    let mut client = Frames::connect(gate.address());
    client.ask(
        1,
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", "/v1/items"),
            ("authorization", &ALICE.basic()),
        ],
    );
    upstream.wait_for(1);
    gate.signal(Signal::TERM);
    let told = client.read_until(SOON, |seen| seen.has(frames::GOAWAY));
    assert_eq!(told.goaway(), Some(0), "NO_ERROR");
    go.send(()).unwrap();
    let rest = client.read_until(SOON, |_| false);
    assert!(rest.closed);
    let data: Vec<u8> = rest
        .frames
        .iter()
        .filter(|frame| frame.kind == frames::DATA && frame.stream == 1)
        .flat_map(|frame| frame.payload.clone())
        .collect();
    assert_eq!(data, b"finished");
    assert_eq!(gate.wait(SOON).code(), Some(0));
}

/// An upstream that echoes in a tunnel.
fn echoing() -> Recorder {
    Recorder::scripted(|wire| {
        wire.request();
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        while let Some(bytes) = wire.some() {
            wire.send(bytes);
        }
    })
}

/// A tunnel through the gate.
#[track_caller]
fn tunnel(gate: &Gate) -> Client {
    let mut client = gate.connect();
    client.send(
        gate.ask("GET", "/ws/room")
            .by(&ALICE)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .bytes(),
    );
    assert_eq!(client.head().status, 101);
    client
}

#[track_caller]
fn echoes(client: &mut Client) {
    client.send("hello");
    let echo = client.exactly(5, Instant::now() + SOON).unwrap();
    assert_eq!(echo, b"hello");
}

#[test]
fn a_tunnel_lives_through_the_grace_and_ends_with_it() {
    const GRACE: Duration = Duration::from_secs(2);
    let upstream = echoing();
    let mut gate = Gate::builder()
        .before(&upstream)
        .section("[timeouts]\ngrace = \"2s\"")
        .start();
    let mut client = tunnel(&gate);
    let began = Instant::now();
    gate.signal(Signal::TERM);
    refuses(&gate);
    // What a busy machine cannot measure, it cannot hold against the gate.
    while began.elapsed() < GRACE / 2 {
        echoes(&mut client);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.rest(), b"");
    let lived = began.elapsed();
    assert!(lived >= GRACE - Duration::from_millis(100), "{lived:?}");
    gate.wait(SOON);
    assert!(began.elapsed() < GRACE + SOON);
    eventually("the upstream is let go", SOON, || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn a_stop_waits_for_no_tunnel_that_has_ended() {
    let upstream = echoing();
    let mut gate = Gate::before(&upstream);
    let mut client = tunnel(&gate);
    gate.signal(Signal::TERM);
    refuses(&gate);
    echoes(&mut client);
    client.finish_sending();
    assert_eq!(client.rest(), b"");
    assert_eq!(
        gate.wait(SOON).code(),
        Some(0),
        "long before the grace ends"
    );
}
