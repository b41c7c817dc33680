//! Where the cases run: two gates, one of them behind TLS, before one recorder, and every
//! way to send an input.
//!
//! After each case a legal request is served, and at the end [`super::oracle`] compares
//! what the gates say they admitted with what the upstream saw.

use std::thread;
use std::time::Duration;

use super::oracle;
use super::table::{Case, Expect, Fields, Form, ITEM, get};
use crate::support::http1::Failure;
use crate::support::http2::frames::{DATA, END_HEADERS, END_STREAM, HEADERS};
use crate::support::http2::frames::{Frames, Outcome, frame, literal, preface};
use crate::support::recorder::{Request, ok};
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, BOB, CAROL, Client, Gate, Recorder, Reply};

/// Alice reads and joins rooms, Bob writes; nothing allows `/admin`.
pub(super) const CATALOG: &str = r#"
[[category]]
name = "All"
[[category.scope]]
id = "reader"
name = "Read"
allow = ["GET /v1/items", "GET /v1/items/{id}"]
[[category.scope]]
id = "writer"
name = "Write"
allow = ["POST /v1/items"]
[[category.scope]]
id = "ws"
name = "Join"
allow = [{ rule = "GET /ws/{room}", upgrade = true }]
"#;

/// Up to this length an input is cut at every byte; a longer one at as many places.
const CUTS: usize = 400;

/// Between the two writes of an input that is cut: long enough for the gate to have read
/// the first, mostly; what is sent is the same where it was not.
const SETTLE: Duration = Duration::from_millis(3);

/// How an input is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Whole,
    /// In two writes, cut before this byte.
    Cut(usize),
    Tls,
    /// In one write with a good request before it.
    Behind,
    /// In one write with a good request after it.
    Before,
}

/// How an input is sent over HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way2 {
    Whole,
    Tls,
    /// On a connection that has served a good request.
    Behind,
}

/// What came of an input, however it was sent.
#[derive(Debug)]
enum Fate {
    /// This answer, and whether the connection ended (or, over HTTP/2, may go on).
    Answered(u16, bool),
    /// The connection or the stream was ended without one.
    Ended,
    /// Nothing came, nothing that can be understood, or no end where one was announced.
    Lost(#[expect(dead_code, reason = "it is told where a test fails")] String),
}

/// Two gates, one of them behind TLS, before one recorder.
pub(super) struct Bench {
    pub(super) upstream: Recorder,
    pub(super) plain: Gate,
    tls: Gate,
    authority: Authority,
    /// Answers of 200 that were read.
    pub(super) admitted: usize,
}

impl Bench {
    pub(super) fn new() -> Self {
        let upstream = Recorder::replying(|_| ok("ok"));
        let authority = Authority::new();
        let builder = || {
            Gate::builder()
                .before(&upstream)
                .catalog(CATALOG)
                .tokens(format!(
                    "{}{}{}state = \"disabled\"\n",
                    ALICE.token(&["reader", "ws"]),
                    BOB.token(&["writer"]),
                    CAROL.token(&["reader"]),
                ))
                .section("[limits]\nconnections_per_peer = 10000\nbody = \"1MiB\"")
        };
        let plain = builder().start();
        let tls = builder().tls(&authority.issue(&["localhost"])).start();
        Self {
            upstream,
            plain,
            tls,
            authority,
            admitted: 0,
        }
    }

    /// Sends every input of the cases in every way, each followed by a legal request, and
    /// holds what the gates admitted against what the upstream saw.
    #[track_caller]
    pub(super) fn run(mut self, cases: &[Case]) -> Vec<Request> {
        for case in cases {
            for input in &case.inputs {
                let name = format!("case {} ({}): {}", case.number, case.name, input.name);
                let expect = &input.expect;
                match &input.form {
                    Form::Bytes(bytes) => self.over_http1(&name, bytes, expect),
                    Form::Message(message) => {
                        self.over_http1(&name, &message.bytes(), expect);
                        if let Some(fields) = message.fields() {
                            // Over HTTP/2 these fields are malformed.
                            let expect = match message.is_connection_specific() {
                                true => &Expect::Closed(&[400]),
                                false => expect,
                            };
                            self.over_http2(&name, &fields, &message.body, expect);
                        }
                    }
                    Form::Fields(Fields(fields)) => {
                        self.over_http2(&name, fields, &[], expect);
                        self.over_http2_in_two(&name, fields, expect);
                    }
                }
            }
            self.is_well(case.name);
        }
        self.conclude()
    }

    /// The legal request next to every case.
    #[track_caller]
    pub(super) fn is_well(&mut self, after: &str) {
        let mut client = self.plain.connect();
        client.send(get(ITEM).bytes());
        assert_eq!(client.reply("GET").status, 200, "after {after}");
        self.admitted += 1;
    }

    /// Stops the gates; what they say they admitted is what the upstream saw, once each, and
    /// as many were answered with 200 as were read here. Gives what the upstream saw.
    #[track_caller]
    pub(super) fn conclude(self) -> Vec<Request> {
        let admitted = self.admitted;
        let (seen, served) = self.reconcile();
        assert_eq!(served, admitted, "served by the gates' records, and read");
        seen
    }

    /// The same without the count, for clients that do not read all answers. Gives what the
    /// upstream saw, and how many requests were served.
    #[track_caller]
    pub(super) fn reconcile(self) -> (Vec<Request>, usize) {
        oracle::reconcile(&self.upstream, [self.plain, self.tls])
    }

    #[track_caller]
    fn over_http1(&mut self, name: &str, bytes: &[u8], expect: &Expect) {
        for way in [Way::Whole, Way::Tls, Way::Behind, Way::Before] {
            let before = self.mark();
            let (mut client, reply) = self.send(bytes, way);
            let fate = fate(&mut client, reply, Duration::from_secs(1));
            let name = format!("{name} ({way:?}): {fate:?}");
            if way == Way::Before && !matches!(expect, Expect::Closed(_)) {
                self.follows(&mut client, &name, expect, &fate);
            }
            self.judge(&name, expect, &[fate], before);
        }
        let step = bytes.len().div_ceil(CUTS).max(1);
        let cuts: Vec<usize> = (1..bytes.len()).step_by(step).collect();
        let before = self.mark();
        let fates = self.cut(bytes, &cuts);
        self.judge(&format!("{name} (cut at {cuts:?})"), expect, &fates, before);
    }

    /// The good request behind an input is served where the connection goes on.
    #[track_caller]
    fn follows(&mut self, client: &mut Client, name: &str, expect: &Expect, fate: &Fate) {
        let Fate::Answered(_, false) = fate else {
            return;
        };
        match client.try_reply("GET") {
            Ok(reply) if reply.status == 200 => self.admitted += 1,
            reply if matches!(expect, Expect::Harmless | Expect::Broken) => drop(reply),
            reply => panic!("what follows {name}: {reply:?}"),
        }
    }

    /// What the upstream had seen before an input: requests and bytes.
    fn mark(&self) -> (usize, usize, usize) {
        (self.upstream.count(), self.upstream.length(), self.admitted)
    }

    /// Asserts what came of an input, sent as often as there are fates. Of others that were
    /// sent with it the answers are counted already.
    #[track_caller]
    fn judge(
        &mut self,
        name: &str,
        expect: &Expect,
        fates: &[Fate],
        (count, length, admitted): (usize, usize, usize),
    ) {
        for (number, fate) in fates.iter().enumerate() {
            assert!(fits(expect, fate), "{name}: number {number}, {fate:?}");
            self.admitted += usize::from(matches!(fate, Fate::Answered(200, _)));
        }
        let seen = self.upstream.since(count);
        match expect {
            Expect::Closed(_) | Expect::Status(_) => {
                let others = self.admitted - admitted;
                assert_eq!(seen.len(), others, "{name}: {seen:?}");
                if others == 0 {
                    assert_eq!(self.upstream.length(), length, "a byte went up: {name}");
                }
            }
            Expect::Admitted(target, body) => {
                let arrived: Vec<&Request> = seen
                    .iter()
                    .filter(|request| request.target == *target && request.body == *body)
                    .collect();
                assert!(arrived.len() >= fates.len(), "{name}: {seen:?}");
                assert_eq!(seen.len(), self.admitted - admitted, "{name}: {seen:?}");
            }
            // These may arrive in part, and late: the oracle judges them at the end.
            Expect::Harmless | Expect::Broken => {}
        }
    }

    /// Sends bytes one way and reads the first answer to them.
    pub(super) fn send(&mut self, bytes: &[u8], way: Way) -> (Client, Result<Reply, Failure>) {
        let mut client = match way {
            Way::Tls => connect(&self.tls, self.authority.client(&[])),
            _ => self.plain.connect(),
        }
        .patience(Duration::from_secs(10));
        // Where the gate has heard enough it may close before the rest is sent.
        let _ = match way {
            Way::Whole | Way::Tls => client.try_send(bytes),
            Way::Cut(at) => {
                let (first, second) = bytes.split_at(at);
                let sent = client.try_send(first);
                thread::sleep(Duration::from_millis(2));
                sent.and_then(|()| client.try_send(second))
            }
            Way::Behind => {
                let sent = client.try_send([&get(BEHIND).bytes(), bytes].concat());
                assert_eq!(client.reply("GET").status, 200, "the one before");
                self.admitted += 1;
                sent
            }
            Way::Before => client.try_send([bytes, &get(BEHIND).bytes()].concat()),
        };
        let reply = client.try_reply(method(bytes));
        (client, reply)
    }

    /// Sends bytes on as many connections as there are cuts, all at once: the first part on
    /// each, and, when the gate has had time to read them, the second.
    fn cut(&self, bytes: &[u8], cuts: &[usize]) -> Vec<Fate> {
        let mut clients: Vec<(usize, Client)> = cuts
            .iter()
            .map(|&cut| {
                let mut client = self.plain.connect().patience(Duration::from_secs(20));
                // What ends the connection is a reset: no port is left waiting.
                client.reset();
                let _ = client.try_send(bytes.get(..cut).unwrap_or_default());
                (cut, client)
            })
            .collect();
        thread::sleep(SETTLE);
        for (cut, client) in &mut clients {
            let _ = client.try_send(bytes.get(*cut..).unwrap_or_default());
        }
        clients
            .iter_mut()
            .map(|(_, client)| {
                let reply = client.try_reply(method(bytes));
                fate(client, reply, Duration::from_secs(10))
            })
            .collect()
    }

    #[track_caller]
    fn over_http2(
        &mut self,
        name: &str,
        fields: &[(String, String)],
        body: &[u8],
        expect: &Expect,
    ) {
        for way in [Way2::Whole, Way2::Tls, Way2::Behind] {
            let before = self.mark();
            let fate = self.send2(fields, body, way);
            let name = format!("{name} (HTTP/2, {way:?}): {fate:?}");
            self.judge(&name, expect, &[fate], before);
        }
    }

    /// Sends a message over HTTP/2, and says what came of it.
    fn send2(&mut self, fields: &[(String, String)], body: &[u8], way: Way2) -> Fate {
        let mut frames = match way {
            Way2::Tls => Frames::tls(self.tls.address(), self.authority.client(&["h2"])),
            Way2::Whole | Way2::Behind => Frames::connect(self.plain.address()),
        };
        let stream = if way == Way2::Behind {
            let good = get(BEHIND).fields().expect("it has a Host");
            frames.raw(&message2(1, &good, &[]));
            let outcome = frames.answer(1, Duration::from_secs(10));
            assert_eq!(outcome.status(1), Some(200), "the one before");
            self.admitted += 1;
            3
        } else {
            1
        };
        frames.raw(&message2(stream, fields, body));
        fate2(&frames.answer(stream, Duration::from_secs(10)), stream)
    }

    /// Sends preface and frames cut in two before each of their bytes, all at once.
    #[track_caller]
    fn over_http2_in_two(&mut self, name: &str, fields: &[(String, String)], expect: &Expect) {
        let bytes = [preface(&[]), message2(1, fields, &[])].concat();
        let before = self.mark();
        let mut connections: Vec<(usize, Frames)> = (1..bytes.len())
            .map(|cut| {
                let mut frames = Frames::silent(self.plain.address());
                frames.reset();
                frames.raw(bytes.get(..cut).unwrap_or_default());
                (cut, frames)
            })
            .collect();
        thread::sleep(SETTLE);
        for (cut, frames) in &mut connections {
            frames.raw(bytes.get(*cut..).unwrap_or_default());
        }
        let fates: Vec<Fate> = connections
            .iter_mut()
            .map(|(_, frames)| fate2(&frames.answer(1, Duration::from_secs(20)), 1))
            .collect();
        self.judge(&format!("{name} (HTTP/2, cut)"), expect, &fates, before);
    }
}

/// The good request before or behind an input.
pub(super) const BEHIND: &str = "/v1/items/behind";

/// A request as frames.
pub(super) fn message2(stream: u32, fields: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let end = if body.is_empty() { END_STREAM } else { 0 };
    let mut bytes = frame(HEADERS, END_HEADERS | end, stream, &literal(&fields));
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, stream, body));
    }
    bytes
}

fn method(bytes: &[u8]) -> &'static str {
    if bytes.starts_with(b"HEAD") {
        "HEAD"
    } else {
        "GET"
    }
}

/// What an answer and the connection behind it amount to. Only what announces its end is
/// waited for.
fn fate(client: &mut Client, reply: Result<Reply, Failure>, within: Duration) -> Fate {
    match reply {
        Ok(reply) => {
            let closes = reply.header("connection") == Some("close");
            if closes && !client.ends_within(within) {
                return Fate::Lost(format!("{} and the connection goes on", reply.status));
            }
            Fate::Answered(reply.status, closes)
        }
        Err(Failure::Closed | Failure::Reset) => Fate::Ended,
        Err(failure) => Fate::Lost(failure.to_string()),
    }
}

fn fate2(outcome: &Outcome, stream: u32) -> Fate {
    match outcome.status(stream) {
        // A stream ends alone: that is what closing a connection is to HTTP/1.1.
        Some(status) => Fate::Answered(status, true),
        None if outcome.is_over(stream) => Fate::Ended,
        None => Fate::Lost(format!("{outcome:?}")),
    }
}

fn fits(expect: &Expect, fate: &Fate) -> bool {
    match (expect, fate) {
        (_, Fate::Lost(_)) => false,
        (Expect::Closed(statuses), Fate::Answered(status, closed)) => {
            *closed && statuses.contains(status)
        }
        (Expect::Closed(_) | Expect::Harmless | Expect::Broken, Fate::Ended) => true,
        (Expect::Status(statuses), Fate::Answered(status, _)) => statuses.contains(status),
        (Expect::Admitted(..), Fate::Answered(status, _)) => *status == 200,
        (Expect::Harmless, Fate::Answered(status, _)) => {
            *status == 200 || (400..506).contains(status)
        }
        (Expect::Broken, Fate::Answered(status, _)) => (400..506).contains(status),
        (Expect::Status(_) | Expect::Admitted(..), Fate::Ended) => false,
    }
}
