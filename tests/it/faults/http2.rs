//! Upstreams of HTTP/2 that break their streams or their connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::http1::{Failure, Stream};
use crate::support::http2::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PUSH_PROMISE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, literal,
};
use crate::support::{ALICE, Gate, Recorder};

/// One connection of the gate, as frames.
pub(super) struct Peer<'w>(pub(super) &'w mut dyn Stream);

impl Peer<'_> {
    /// Takes the preface, and sends SETTINGS with this initial window.
    pub(super) fn greet(&mut self, window: u32) -> Option<()> {
        self.0.read_exact(&mut [0; 24]).ok()?;
        let mut settings = 4_u16.to_be_bytes().to_vec();
        settings.extend_from_slice(&window.to_be_bytes());
        self.send(SETTINGS, 0, 0, &settings)
    }

    pub(super) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
        self.0
            .write_all(&frame(kind, flags, stream, payload))
            .ok()?;
        self.0.flush().ok()
    }

    /// The next stream that is opened; what else is due is answered meanwhile.
    pub(super) fn opened(&mut self) -> Option<u32> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).ok()?;
            let [a, b, c, kind, flags, s0, s1, s2, s3] = head;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).ok()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[])?,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload)?,
                DATA if length > 0 => {
                    let room = u32::try_from(length).ok()?.to_be_bytes();
                    self.send(WINDOW_UPDATE, 0, 0, &room)?;
                }
                HEADERS => return Some(u32::from_be_bytes([s0, s1, s2, s3])),
                _ => {}
            }
        }
    }

    fn answer(&mut self, stream: u32, headers: &[(&str, &str)], end: bool) -> Option<()> {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &literal(headers))
    }

    /// Answers every further stream well.
    pub(super) fn serve(&mut self) -> Option<()> {
        loop {
            let stream = self.opened()?;
            self.well(stream)?;
        }
    }

    pub(super) fn well(&mut self, stream: u32) -> Option<()> {
        self.answer(stream, &[(":status", "200")], false)?;
        self.send(DATA, END_STREAM, stream, b"well")
    }

    /// Reads on without answering until the gate ends the connection.
    fn hang(&mut self) {
        while self.opened().is_some() {}
    }
}

/// What an upstream does to the first stream of its first connection.
type Break = fn(&mut Peer<'_>, u32) -> Option<()>;

/// The breaks, and whether the client may be given an answer of 200 all the same: its status
/// had gone out before the break.
const BREAKS: [(&str, Break, bool); 17] = [
    (
        "resets the stream",
        |peer, stream| {
            peer.send(RST_STREAM, 0, stream, &[0, 0, 0, 2])?;
            peer.serve()
        },
        false,
    ),
    (
        "refuses the stream",
        |peer, stream| {
            peer.send(RST_STREAM, 0, stream, &[0, 0, 0, 7])?;
            peer.serve()
        },
        false,
    ),
    (
        "resets the stream within its body",
        |peer, stream| {
            peer.answer(stream, &[(":status", "200")], false)?;
            peer.send(DATA, 0, stream, b"ha")?;
            peer.send(RST_STREAM, 0, stream, &[0, 0, 0, 2])?;
            peer.serve()
        },
        true,
    ),
    (
        "ends within its body",
        |peer, stream| {
            peer.answer(stream, &[(":status", "200")], false)?;
            peer.send(DATA, 0, stream, b"ha")
        },
        true,
    ),
    ("ends without an answer", |_, _| None, false),
    (
        "says that it goes, and goes",
        |peer, _| peer.send(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0]),
        false,
    ),
    (
        "sends more than it said",
        |peer, stream| {
            peer.answer(
                stream,
                &[(":status", "200"), ("content-length", "2")],
                false,
            )?;
            peer.send(DATA, END_STREAM, stream, b"longer")?;
            peer.serve()
        },
        true,
    ),
    (
        "sends less than it said",
        |peer, stream| {
            peer.answer(
                stream,
                &[(":status", "200"), ("content-length", "9")],
                false,
            )?;
            peer.send(DATA, END_STREAM, stream, b"less")?;
            peer.serve()
        },
        true,
    ),
    (
        "interim answers without end",
        |peer, stream| {
            while peer.answer(stream, &[(":status", "103")], false).is_some() {}
            None
        },
        false,
    ),
    (
        "ends its stream with an interim answer",
        |peer, stream| {
            peer.answer(stream, &[(":status", "103")], true)?;
            peer.serve()
        },
        false,
    ),
    (
        "never answers",
        |peer, _| {
            peer.hang();
            None
        },
        false,
    ),
    (
        "garbage",
        |peer, _| peer.0.write_all(&[0xff; 100]).ok(),
        false,
    ),
    (
        "a header in upper case",
        |peer, stream| {
            peer.answer(stream, &[(":status", "200"), ("X-Upper", "x")], true)?;
            peer.serve()
        },
        false,
    ),
    (
        "no status",
        |peer, stream| {
            peer.answer(stream, &[("x-header", "x")], true)?;
            peer.serve()
        },
        false,
    ),
    (
        "data before its head",
        |peer, stream| {
            peer.send(DATA, END_STREAM, stream, b"early")?;
            peer.serve()
        },
        false,
    ),
    (
        "an answer to a stream that nobody opened",
        |peer, _| {
            peer.answer(99, &[(":status", "200")], true)?;
            peer.serve()
        },
        false,
    ),
    (
        "a promise that nobody asked for",
        |peer, stream| {
            let mut promise = 2_u32.to_be_bytes().to_vec();
            promise.extend(literal(&[(":method", "GET"), (":path", "/")]));
            peer.send(PUSH_PROMISE, END_HEADERS, stream, &promise)?;
            peer.serve()
        },
        false,
    ),
];

/// A gate before an upstream that does this to the first stream of its first connection.
fn before(breaks: Break, window: u32) -> (Gate, Recorder, Arc<AtomicUsize>) {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&streams);
    let upstream = Recorder::scripted(move |wire| {
        let first = wire.number() == 0;
        let mut peer = Peer(wire.stream());
        let mut converse = || -> Option<()> {
            peer.greet(if first { window } else { 1 << 20 })?;
            if first {
                let stream = peer.opened()?;
                count.fetch_add(1, Ordering::SeqCst);
                return breaks(&mut peer, stream);
            }
            peer.serve()
        };
        converse();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream("protocol = \"http2\"")
        .upstream("timeouts = { first_byte = \"1s\", body_idle = \"1s\", send_idle = \"1s\" }")
        .start();
    (gate, upstream, streams)
}

#[test]
fn an_http2_upstream_that_breaks_harms_one_request() {
    for (name, breaks, may_begin) in BREAKS {
        let (gate, _upstream, streams) = before(breaks, 1 << 20);
        let mut client = gate.connect();
        let began = Instant::now();
        client.send(gate.ask("POST", "/any/first").by(&ALICE).body("x").bytes());
        match client.try_reply("POST") {
            Ok(reply) => {
                let expected = matches!(reply.status, 502 | 504);
                assert!(expected, "{name}: {reply:?}");
            }
            Err(Failure::Closed | Failure::Reset) => assert!(may_begin, "{name}: no answer"),
            Err(failure) => panic!("{name}: {failure}"),
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{name}");
        assert_eq!(streams.load(Ordering::SeqCst), 1, "{name}");
        for _ in 0..3 {
            let reply = gate.read_as(&ALICE, "/any/next");
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (200, "well"),
                "{name}"
            );
        }
    }
}

/// What is not taken cannot be sent: the request ends as on a socket that takes nothing.
#[test]
fn an_http2_upstream_that_opens_no_window_is_504() {
    let hang: Break = |peer, _| {
        peer.hang();
        None
    };
    let (gate, _upstream, _) = before(hang, 0);
    let began = Instant::now();
    let reply = gate
        .ask("POST", "/any/first")
        .by(&ALICE)
        .body(vec![b'x'; 100_000])
        .send();
    assert_eq!(reply.status, 504, "{reply:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

/// A gate whose upstream answers its first stream well, resets the next ones for this reason,
/// and answers all others; and how many streams there were.
fn resetting(reason: u8, resets: usize) -> (Gate, Recorder, Arc<AtomicUsize>) {
    let streams = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&streams);
    let upstream = Recorder::scripted(move |wire| {
        let mut peer = Peer(wire.stream());
        let mut converse = || -> Option<()> {
            peer.greet(1 << 20)?;
            loop {
                let stream = peer.opened()?;
                let number = count.fetch_add(1, Ordering::SeqCst);
                if (1..=resets).contains(&number) {
                    peer.send(RST_STREAM, 0, stream, &[0, 0, 0, reason])?;
                } else {
                    peer.well(stream)?;
                }
            }
        };
        converse();
    });
    let gate = Gate::builder()
        .before(&upstream)
        .proxy("workers = 1")
        .upstream("protocol = \"http2\"")
        .upstream("max_connections = 3")
        .start();
    assert_eq!(gate.read_as(&ALICE, "/any/first").status, 200);
    (gate, upstream, streams)
}

/// A stream that is reset says nothing of its connection.
#[test]
fn streams_that_are_reset_open_no_connections() {
    // INTERNAL_ERROR, REFUSED_STREAM and CANCEL, and how often each request is sent.
    for (reason, sent) in [(2, 1), (7, 2), (8, 1)] {
        let (gate, upstream, streams) = resetting(reason, usize::MAX);
        for _ in 0..20 {
            gate.read_as(&ALICE, "/any/reset")
                .assert_refused(502, "upstream_bad_response");
        }
        assert_eq!(upstream.connections(), 1, "{reason}");
        assert_eq!(streams.load(Ordering::SeqCst), 1 + 20 * sent, "{reason}");
    }
}

/// What was refused was not processed (RFC 9113 8.7).
#[test]
fn a_stream_that_is_refused_is_opened_once_more() {
    let (gate, upstream, streams) = resetting(7, 1);
    let reply = gate.read_as(&ALICE, "/any/refused");
    assert_eq!((reply.status, reply.text().as_str()), (200, "well"));
    assert_eq!(streams.load(Ordering::SeqCst), 3);
    assert_eq!(upstream.connections(), 1);
}
