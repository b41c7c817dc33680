//! `revocation.running`: what runs under a token when it is disabled, deleted or reset.

use std::time::{Duration, Instant};

use super::{Issued, Operator};
use crate::support::fixture::digest;
use crate::support::http2::client::{Http2, empty};
use crate::support::http2::run;
use crate::support::recorder::ok;
use crate::support::{ALICE, BOB, Client, Gate, Recorder, Wire, eventually};

/// Within what a running request ends with its token.
const BOUND: Duration = Duration::from_secs(1);
/// Within what an edit of the file is in force.
const EDIT: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(10);

const SCOPES: [&str; 4] = ["items:read", "items:write", "rooms:join", "any:call"];

/// How a token ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Disabled,
    Deleted,
    Reset,
}

impl End {
    const ALL: [Self; 3] = [Self::Disabled, Self::Deleted, Self::Reset];

    /// By the admin API.
    fn call(self, operator: &mut Operator, token: &Issued) {
        match self {
            Self::Disabled => drop(operator.change(&token.sid, "disable")),
            Self::Deleted => operator.delete(&token.sid),
            Self::Reset => drop(operator.change(&token.sid, "reset")),
        }
    }

    /// By an edit of the token file.
    fn edit(self, gate: &Gate, token: &Issued) {
        let file = gate.read("tokens.toml");
        let (before, block) = file
            .split_inclusive("\n\n")
            .partition::<Vec<&str>, _>(|block| !block.contains(&token.sid));
        let block = block.concat();
        assert!(block.contains("digest"), "{file}");
        let block = match self {
            Self::Disabled => {
                let stays = |line: &&str| !line.starts_with("state");
                let rest: Vec<&str> = block.trim_end().lines().filter(stays).collect();
                rest.join("\n") + "\nstate = \"disabled\"\n"
            }
            Self::Deleted => String::new(),
            Self::Reset => block
                .lines()
                .map(|line| match line.starts_with("digest") {
                    true => format!("digest = \"{}\"\n", digest("another")),
                    false => format!("{line}\n"),
                })
                .collect(),
        };
        gate.replace("tokens.toml", before.concat() + &block);
    }

    /// The refusal of what comes, or waits, after it.
    fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Disabled => (403, "token_disabled"),
            Self::Deleted | Self::Reset => (401, "bad_credentials"),
        }
    }
}

/// `/any/early` is answered before its body is read; `/any/slow` is answered with a body that
/// never ends, chunked, or of a length where the query says so; `/any/large` with one that
/// comes as fast as it is taken; `/ws` is a tunnel that echoes; all else is never answered.
fn serve(wire: &mut Wire) {
    let Some(head) = wire.head() else {
        return;
    };
    let chunk =
        |wire: &mut Wire, size: usize| wire.send(format!("{size:x}\r\n{}\r\n", "x".repeat(size)));
    match head.target.as_str() {
        "/any/slow?length" => {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            while wire.send("x") {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "/any/slow" => {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while chunk(wire, 1) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        "/any/large" => {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while chunk(wire, 1 << 16) {}
        }
        "/any/quiet" => {
            wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
            wire.hang();
        }
        "/any/early" => {
            wire.send(ok("early"));
            wire.body(head);
        }
        "/ws/room" => {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\n\r\n",
            );
            while let Some(bytes) = wire.some() {
                wire.send(bytes);
            }
        }
        _ => wire.hang(),
    }
}

fn gate(upstream: &Recorder, running: &str) -> Gate {
    Gate::builder()
        .before(upstream)
        .section(&format!("[revocation]\nrunning = \"{running}\""))
        .start()
}

/// A request that has begun.
#[track_caller]
fn begun(gate: &Gate, method: &str, target: &str, basic: &str, lines: &str) -> Client {
    let mut client = gate.connect();
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic}\r\n{lines}\r\n"
    ));
    client
}

/// A download of which the first byte is there.
#[track_caller]
fn download(gate: &Gate, target: &str, basic: &str) -> Client {
    let mut client = begun(gate, "GET", target, basic, "");
    assert_eq!(client.head().status, 200);
    client.exactly(1, Instant::now() + SOON).unwrap();
    client
}

/// A tunnel that has echoed.
#[track_caller]
fn tunnel(gate: &Gate, basic: &str) -> Client {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let mut client = begun(gate, "GET", "/ws/room", basic, upgrade);
    assert_eq!(client.head().status, 101);
    echoes(&mut client);
    client
}

#[track_caller]
fn echoes(client: &mut Client) {
    client.send("hello");
    let echo = client.exactly(5, Instant::now() + SOON).unwrap();
    assert_eq!(echo, b"hello");
}

/// Waits until the gate refuses new requests of this token.
#[track_caller]
fn in_force(gate: &Gate, token: &Issued, refusal: (u16, &str), within: Duration) {
    eventually("the token has ended", within, || {
        let ask = gate.ask("GET", "/nothing");
        let reply = ask.header("Authorization", &token.basic).send();
        (reply.code() == refusal.1).then_some(())
    });
}

#[test]
fn by_default_what_runs_goes_on() {
    for end in End::ALL {
        let upstream = Recorder::scripted(serve);
        let gate = Gate::before(&upstream);
        let mut operator = Operator::of(&gate);
        let token = operator.create(&SCOPES);
        let mut running = download(&gate, "/any/slow", &token.basic);
        let mut socket = tunnel(&gate, &token.basic);
        let mut waiting = begun(&gate, "GET", "/v1/items", &token.basic, "");
        upstream.wait_for(3);
        end.call(&mut operator, &token);
        in_force(&gate, &token, end.refusal(), Duration::ZERO);
        assert!(waiting.is_silent_for(BOUND), "{end:?}");
        // What has come meanwhile and more.
        running.exactly(400, Instant::now() + SOON).unwrap();
        echoes(&mut socket);
    }
}

#[test]
fn what_runs_ends_with_its_token_where_it_is_to() {
    for end in End::ALL {
        for by_edit in [false, true] {
            ends(end, by_edit);
        }
    }
}

/// Everything that runs under one token ends with it; what another runs goes on.
fn ends(end: End, by_edit: bool) {
    let what = format!("{end:?}, by edit: {by_edit}");
    let upstream = Recorder::scripted(serve);
    let gate = gate(&upstream, "end");
    let mut operator = Operator::of(&gate);
    let token = operator.create(&SCOPES);
    let basic = &token.basic;
    let mut others = download(&gate, "/any/slow", &ALICE.basic());
    let downloads = ["/any/slow", "/any/slow?length", "/any/quiet"];
    let mut downloads = downloads.map(|target| download(&gate, target, basic));
    let mut socket = tunnel(&gate, basic);
    let upload = "Content-Length: 1000\r\n";
    let mut waiting = [
        begun(&gate, "GET", "/v1/items", basic, ""),
        begun(&gate, "POST", "/v1/items", basic, upload),
    ];
    upstream.wait_for(7);

    if by_edit {
        end.edit(&gate, &token);
    } else {
        end.call(&mut operator, &token);
    }
    let within = if by_edit { EDIT } else { Duration::ZERO };
    in_force(&gate, &token, end.refusal(), within);
    let began = Instant::now();
    for client in &mut waiting {
        let reply = client.reply("GET");
        reply.assert_refused(end.refusal().0, end.refusal().1);
    }
    for client in &mut downloads {
        let rest = client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{what}: it looks whole");
    }
    assert_eq!(socket.rest(), b"", "{what}");
    eventually("the upstream is let go", BOUND, || {
        (upstream.open() == 1).then_some(())
    });
    let took = began.elapsed();
    assert!(took < BOUND, "{what}: {took:?}");
    others.exactly(100, Instant::now() + SOON).unwrap();
    let record = gate.record(|r| r["path"] == "/any/quiet");
    assert_eq!(record["code"], end.refusal().1, "{what}");
}

/// A reader that takes nothing cannot keep what it was cut off from.
#[test]
fn a_download_that_nobody_reads_ends_too() {
    let upstream = Recorder::scripted(serve);
    let gate = gate(&upstream, "end");
    let mut operator = Operator::of(&gate);
    let token = operator.create(&SCOPES);
    let _stalled = download(&gate, "/any/large", &token.basic);
    // Until buffers are full, the gate polls the body anyway.
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(upstream.open(), 1);
    End::Disabled.call(&mut operator, &token);
    eventually("the upstream is let go", BOUND, || {
        (upstream.open() == 0).then_some(())
    });
    let record = gate.record(|r| r["path"] == "/any/large");
    assert_eq!(record["code"], "token_disabled");
}

#[test]
fn a_stream_that_nobody_reads_ends_too() {
    let upstream = Recorder::scripted(serve);
    let gate = gate(&upstream, "end");
    let mut operator = Operator::of(&gate);
    let token = operator.create(&SCOPES);
    run(async {
        let mut connection = Http2::connect(gate.address()).await;
        let request = http::Request::get("http://localhost/any/large")
            .header("authorization", &token.basic)
            .body(empty())
            .unwrap();
        // It is not read, so that its window is soon used up.
        let stalled = connection.send(request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(upstream.open(), 1);
        End::Disabled.call(&mut operator, &token);
        eventually("the upstream is let go", BOUND, || {
            (upstream.open() == 0).then_some(())
        });
        let record = gate.record(|r| r["path"] == "/any/large");
        assert_eq!(record["code"], "token_disabled");
        drop(stalled);
    });
}

#[test]
fn an_http2_stream_ends_alone() {
    let upstream = Recorder::scripted(serve);
    let gate = gate(&upstream, "end");
    let mut operator = Operator::of(&gate);
    let token = operator.create(&SCOPES);
    run(async {
        use http_body_util::BodyExt as _;
        let mut connection = Http2::connect(gate.address()).await;
        let theirs = http::Request::get("http://localhost/any/slow")
            .header("authorization", &token.basic)
            .body(empty())
            .unwrap();
        let ours = connection.request("GET", "/any/slow", &ALICE);
        let mut theirs = connection.send(theirs).await.unwrap();
        let mut ours = connection.send(ours).await.unwrap();
        assert!(theirs.frame().await.unwrap().is_ok());
        End::Disabled.call(&mut operator, &token);
        let began = Instant::now();
        let reset = loop {
            match theirs.frame().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        assert!(
            matches!(reset, Some(Err(_))),
            "an end that is no end: {reset:?}"
        );
        assert!(began.elapsed() < BOUND);
        assert!(ours.frame().await.unwrap().is_ok());
        let other = connection.read_as(&BOB, "/v1/items").await;
        assert_eq!(other.status, 403, "the connection goes on");
    });
}

/// What comes of an upload after its answer comes under the token still.
#[test]
fn an_upload_that_goes_on_after_its_answer_ends_too() {
    for (end, silent) in [
        (End::Disabled, true),
        (End::Deleted, false),
        (End::Reset, false),
    ] {
        let upstream = Recorder::scripted(serve);
        let gate = gate(&upstream, "end");
        let mut operator = Operator::of(&gate);
        let token = operator.create(&SCOPES);
        let length = "Content-Length: 1000000\r\n";
        let mut client = begun(&gate, "POST", "/any/early", &token.basic, length);
        assert_eq!(client.reply("POST").text(), "early");
        client.send("x");
        assert_eq!(upstream.open(), 1);
        end.call(&mut operator, &token);
        eventually("the upstream is let go", BOUND, || {
            if !silent {
                client.try_send("x").ok();
            }
            (upstream.open() == 0).then_some(())
        });
    }
}
