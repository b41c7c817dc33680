//! Each deadline and each bound can be set, holds, and is seen in the metrics when it does.

use std::any::Any;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::http2::frames::{CONTINUATION, END_STREAM, Frames, HEADERS, PING, frame};
use crate::support::tls::Authority;
use crate::support::{ALICE, Client, Gate, Recorder, Wire, eventually};

/// What keeps a connection open until the metric has been seen.
type Held = Box<dyn Any>;

/// One deadline or bound.
struct Row {
    /// The series that tells of it.
    metric: &'static str,
    /// What is set.
    section: &'static str,
    /// What is set of the upstream.
    upstream: &'static str,
    /// What the upstream does.
    script: fn(&mut Wire),
    /// What the client does.
    client: fn(&Gate) -> Held,
}

impl Row {
    const fn client(
        metric: &'static str,
        section: &'static str,
        client: fn(&Gate) -> Held,
    ) -> Self {
        Self {
            metric,
            section,
            upstream: "",
            script: whole,
            client,
        }
    }

    const fn upstream(metric: &'static str, upstream: &'static str, script: fn(&mut Wire)) -> Self {
        Self {
            metric,
            section: "",
            upstream,
            script,
            client: read,
        }
    }

    /// Runs into it, and waits until it is counted.
    fn holds(&self) {
        let upstream = Recorder::scripted(self.script);
        let mut gate = Gate::builder()
            .proxy("workers = 1")
            .section("[log]\nlevel = \"sidgate=debug\"")
            .section(self.section)
            .upstream(self.upstream);
        gate = if self
            .metric
            .contains("hop=\"upstream\",deadline=\"connect\"")
        {
            gate.server(upstream.url().replace("http://", "https://"))
        } else {
            gate.before(&upstream)
        };
        if self.metric.contains("tls_handshake") {
            gate = gate.tls(&Authority::new().issue(&["localhost"]));
        }
        let gate = gate.start();
        assert_eq!(value(&gate, self.metric), Some(0), "{}", self.metric);
        let held = (self.client)(&gate);
        eventually(self.metric, Duration::from_secs(20), || {
            (value(&gate, self.metric) > Some(0)).then_some(())
        });
        drop(held);
    }
}

/// A series' value.
fn value(gate: &Gate, metric: &str) -> Option<u64> {
    let text = gate.ask_admin("/metrics").text();
    let line = text.lines().find_map(|line| {
        line.strip_prefix("sidgate_")?
            .strip_prefix(metric)?
            .strip_prefix(' ')
    });
    Some(line.map_or(0, |value| value.parse().expect("a count")))
}

fn whole(wire: &mut Wire) {
    while wire.request().is_some() {
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }
}

fn hangs(wire: &mut Wire) {
    wire.request();
    wire.hang();
}

fn begins_a_head(wire: &mut Wire) {
    wire.request();
    wire.send("HTTP/1.1 200 OK\r\n");
    wire.hang();
}

fn begins_a_body(wire: &mut Wire) {
    wire.request();
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
    wire.hang();
}

fn pours(wire: &mut Wire) {
    if wire.request().is_some() {
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
        let block = vec![b'x'; 1 << 20];
        while wire.send(&block) {}
    }
}

fn switches(wire: &mut Wire) {
    wire.request();
    wire.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    wire.hang();
}

fn sends(gate: &Gate, bytes: impl AsRef<[u8]>) -> Held {
    let mut client = gate.connect();
    let _ = client.try_send(bytes);
    Box::new(client)
}

fn silence(gate: &Gate) -> Held {
    sends(gate, "")
}

fn read(gate: &Gate) -> Held {
    sends(gate, gate.ask("GET", "/any").by(&ALICE).bytes())
}

fn two_connections(gate: &Gate) -> Held {
    let held: Vec<Client> = (0..2)
        .map(|_| {
            let mut client = gate.connect();
            client.send(gate.ask("GET", "/v1/items").bytes());
            client.try_reply("GET").expect("an answer");
            client
        })
        .collect();
    Box::new(held)
}

fn uploads(gate: &Gate) -> Held {
    let mut client = gate.connect();
    client.send(format!(
        "POST /any HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 1073741824\r\n\r\n",
        ALICE.basic()
    ));
    let socket = client.into_stream();
    // More than all buffers on the way take; it ends when the gate gives up.
    let pouring = std::thread::spawn(move || {
        let mut socket = socket;
        let block = vec![b'x'; 1 << 20];
        while std::io::Write::write_all(&mut socket, &block).is_ok() {}
    });
    Box::new(pouring)
}

const DEADLINES: &[Row] = &[
    Row::client(
        r#"deadlines_total{hop="client",deadline="first_byte"}"#,
        "[timeouts]\nfirst_byte = \"200ms\"",
        silence,
    ),
    Row::client(
        r#"deadlines_total{hop="client",deadline="tls_handshake"}"#,
        "[timeouts]\ntls_handshake = \"200ms\"",
        silence,
    ),
    Row::client(
        r#"deadlines_total{hop="client",deadline="head"}"#,
        "[timeouts]\nhead = \"200ms\"",
        |gate| sends(gate, "GET / HTTP/1.1\r\nHost"),
    ),
    Row::client(
        r#"deadlines_total{hop="client",deadline="keep_alive"}"#,
        "[timeouts]\nkeep_alive = \"200ms\"",
        read,
    ),
    Row::client(
        r#"deadlines_total{hop="client",deadline="body_idle"}"#,
        "[timeouts]\nbody_idle = \"200ms\"",
        |gate| {
            let ask = gate.ask("POST", "/any").by(&ALICE);
            sends(gate, ask.header("Content-Length", "10").bytes())
        },
    ),
    Row {
        script: pours,
        ..Row::client(
            r#"deadlines_total{hop="client",deadline="send_idle"}"#,
            "[timeouts]\nsend_idle = \"200ms\"",
            read,
        )
    },
    Row {
        script: hangs,
        ..Row::client(
            r#"deadlines_total{hop="client",deadline="total"}"#,
            "[timeouts]\ntotal = \"200ms\"",
            read,
        )
    },
    Row {
        script: switches,
        ..Row::client(
            r#"deadlines_total{hop="client",deadline="tunnel_idle"}"#,
            "[timeouts]\ntunnel_idle = \"200ms\"",
            |gate| {
                let ask = gate.ask("GET", "/ws/room").by(&ALICE);
                let ask = ask.header("Connection", "Upgrade");
                sends(gate, ask.header("Upgrade", "websocket").bytes())
            },
        )
    },
    Row::client(
        r#"deadlines_total{hop="client",deadline="h2_ping"}"#,
        "[timeouts]\nh2_ping = \"200ms\"",
        |gate| Box::new(Frames::connect(gate.address())),
    ),
    Row::upstream(
        r#"deadlines_total{hop="upstream",deadline="connect"}"#,
        "timeouts = { connect = \"200ms\" }",
        Wire::hang,
    ),
    Row::upstream(
        r#"deadlines_total{hop="upstream",deadline="first_byte"}"#,
        "timeouts = { first_byte = \"200ms\" }",
        hangs,
    ),
    Row::upstream(
        r#"deadlines_total{hop="upstream",deadline="head"}"#,
        "timeouts = { head = \"200ms\" }",
        begins_a_head,
    ),
    Row::upstream(
        r#"deadlines_total{hop="upstream",deadline="body_idle"}"#,
        "timeouts = { body_idle = \"200ms\" }",
        begins_a_body,
    ),
    Row {
        client: uploads,
        ..Row::upstream(
            r#"deadlines_total{hop="upstream",deadline="send_idle"}"#,
            "timeouts = { send_idle = \"200ms\" }",
            |wire| {
                wire.head();
                // Nothing of the body is read while this lasts.
                std::thread::sleep(Duration::from_secs(3));
            },
        )
    },
    Row::upstream(
        r#"deadlines_total{hop="upstream",deadline="total"}"#,
        "timeouts = { total = \"200ms\" }",
        begins_a_body,
    ),
];

const BOUNDS: &[Row] = &[
    Row::client(
        r#"connections_refused_total{reason="total"}"#,
        "[limits]\nconnections = 1",
        two_connections,
    ),
    Row::client(
        r#"connections_refused_total{reason="per_peer"}"#,
        "[limits]\nconnections_per_peer = 1",
        two_connections,
    ),
    Row::client(
        r#"connections_refused_total{reason="exhausted"}"#,
        "[limits]\nconnections = 1000",
        |gate| {
            gate.limit_descriptors(48);
            let held: Vec<_> = (0..60).map(|_| gate.connect()).collect();
            std::thread::sleep(Duration::from_millis(300));
            // The metrics need a descriptor too.
            drop(held);
            Box::new(())
        },
    ),
    Row {
        script: hangs,
        ..Row::client(
            r#"requests_total{code="overloaded",status="5xx"}"#,
            "[limits]\nrequests_in_flight = 1",
            |gate| Box::new([read(gate), read(gate)]),
        )
    },
    Row::client(
        r#"requests_total{code="target_too_long",status="4xx"}"#,
        "[limits]\ntarget = \"16B\"",
        |gate| sends(gate, gate.ask("GET", "/any/which/is/longer").bytes()),
    ),
    Row::client(
        r#"requests_total{code="head_too_large",status="4xx"}"#,
        "[limits]\nheaders = 2",
        |gate| {
            let ask = gate.ask("GET", "/any").header("A", "1").header("B", "1");
            sends(gate, ask.bytes())
        },
    ),
    Row::client(
        r#"requests_total{code="body_too_large",status="4xx"}"#,
        "[limits]\nbody = \"1B\"",
        |gate| sends(gate, gate.ask("POST", "/any").body("12").bytes()),
    ),
    Row::client(
        r#"connections_faulty_total{fault="head_too_large"}"#,
        "[limits]\nhead = \"8KiB\"",
        |gate| {
            let ask = gate.ask("GET", "/any");
            sends(gate, ask.header("A", &"x".repeat(20_000)).bytes())
        },
    ),
    Row::client(
        r#"connections_faulty_total{fault="malformed"}"#,
        "",
        |gate| sends(gate, "this is not HTTP\r\n\r\n"),
    ),
    Row::client(
        r#"connections_faulty_total{fault="h2_flood"}"#,
        "[limits]\nh2_control_frames = 100",
        |gate| {
            let mut client = Frames::connect(gate.address());
            client.raw(&frame(PING, 0, 0, &[0; 8]).repeat(110));
            Box::new(client)
        },
    ),
    Row::client(
        r#"connections_faulty_total{fault="h2_flood"}"#,
        "[limits]\nh2_header_list = \"1KiB\"",
        |gate| {
            let mut client = Frames::connect(gate.address());
            client.send(HEADERS, END_STREAM, 1, &[]);
            for _ in 0..100 {
                client.send(CONTINUATION, 0, 1, &[0; 1_000]);
            }
            Box::new(client)
        },
    ),
    Row::client(
        "guesses_refused_total",
        "[guessing]\nfailures = 1\nexempt = []",
        |gate| {
            for guess in ["Basic YTpi", "Basic YTpj"] {
                let ask = gate.ask("GET", "/any").header("Authorization", guess);
                let _ = ask.send();
            }
            Box::new(())
        },
    ),
];

#[test]
fn every_deadline_holds_and_is_counted() {
    DEADLINES.iter().for_each(Row::holds);
    assert_eq!(
        listed("deadlines_total"),
        rows(DEADLINES, "deadlines_total")
    );
}

#[test]
fn every_bound_holds_and_is_counted() {
    BOUNDS.iter().for_each(Row::holds);
    for family in ["connections_refused_total", "connections_faulty_total"] {
        assert_eq!(listed(family), rows(BOUNDS, family));
    }
}

/// The series of a family that a gate lists before anything has happened.
fn listed(family: &str) -> BTreeSet<String> {
    let text = Gate::builder().start().ask_admin("/metrics").text();
    let series = text.lines().filter_map(|line| {
        let (series, _) = line.strip_prefix("sidgate_")?.rsplit_once(' ')?;
        series.starts_with(family).then(|| series.to_owned())
    });
    series.collect()
}

fn rows(rows: &[Row], family: &str) -> BTreeSet<String> {
    let metrics = rows.iter().map(|row| row.metric);
    let metrics = metrics.filter(|metric| metric.starts_with(family));
    metrics.map(str::to_owned).collect()
}
