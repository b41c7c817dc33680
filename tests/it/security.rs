//! Inputs that a gate before an API must survive, class by class.
//!
//! Each case is sent as it is, cut in two, over TLS, and pipelined behind a good request.
//! The oracle is the recording upstream: what it saw was admitted, once, byte for byte,
//! under a rule of the SID that it was told. Every case has legal twins, so that a gate
//! that refuses everything does not pass.

mod abort;
mod credentials;
mod exhaustion;
mod framing;
mod guessing;
mod headers;
mod host;
mod http2;
mod http2_floods;
mod operations;
mod properties;
mod target;
mod timing;
mod upgrade;

use std::time::Duration;

use crate::support::http1::Failure;
use crate::support::recorder::{Request, ok};
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, BOB, CAROL, Client, Gate, Recorder, Reply};

/// Alice reads and joins rooms, Bob writes; nothing allows `/admin`.
const CATALOG: &str = r#"
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

/// What must come of a case.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// 400 and the end of the connection, or the end alone; nothing goes upstream.
    Refused,
    /// One of these statuses; nothing goes upstream.
    Status(&'static [u16]),
    /// 200, and the upstream sees exactly this request target.
    Admitted(&'static str),
    /// Refused, or made exactly one sound request that was allowed.
    Harmless,
}

/// One input.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Expect,
}

impl Case {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            expect,
        }
    }

    /// Alice's GET of this target.
    fn get(target: &str, expect: Expect) -> Self {
        Self::new(target, get(target), expect)
    }
}

/// Alice's GET of this target, as bytes.
fn get(target: &str) -> Vec<u8> {
    request("GET", target, &[])
}

/// Alice's request with these further header lines.
fn request(method: &str, target: &str, lines: &[&str]) -> Vec<u8> {
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nHost: gw\r\nAuthorization: {}\r\n",
        ALICE.basic()
    );
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// How a case is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Whole,
    Cut(usize),
    Tls,
    Pipelined,
}

/// Two gates, one of them behind TLS, before one recorder.
struct Bench {
    upstream: Recorder,
    plain: Gate,
    tls: Gate,
    authority: Authority,
    admitted: usize,
}

impl Bench {
    fn new() -> Self {
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

    /// Sends each case in each way, each followed by a legal request.
    #[track_caller]
    fn run(&mut self, cases: &[Case]) {
        for case in cases {
            let last = case.bytes.len().saturating_sub(1);
            for way in [
                Way::Whole,
                Way::Cut(case.bytes.len().min(9)),
                Way::Cut(last / 2),
                Way::Cut(last),
                Way::Tls,
                Way::Pipelined,
            ] {
                self.judge(case, way);
            }
            self.is_well(&case.name);
        }
        self.conclude();
    }

    /// Sends one case one way, and asserts what came of it.
    #[track_caller]
    fn judge(&mut self, case: &Case, way: Way) {
        let before = self.upstream.requests().len();
        let (mut client, outcome) = self.send(&case.bytes, way);
        let before = before + usize::from(way == Way::Pipelined);
        let seen = self.upstream.requests().split_off(before);
        let name = format!("{} ({way:?}): {outcome:?}, upstream {seen:?}", case.name);
        match (case.expect, &outcome) {
            (Expect::Refused, outcome) => {
                if let Ok(reply) = outcome {
                    assert!(matches!(reply.status, 400 | 401), "{name}");
                    assert_eq!(reply.header("connection"), Some("close"), "{name}");
                }
                assert!(
                    !matches!(outcome, Err(Failure::Timeout | Failure::Malformed(_))),
                    "{name}"
                );
                assert!(
                    outcome.is_err() || client.ends_within(Duration::from_secs(1)),
                    "the connection goes on: {name}"
                );
                assert!(seen.is_empty(), "{name}");
            }
            (Expect::Status(statuses), Ok(reply)) => {
                assert!(statuses.contains(&reply.status), "{name}");
                assert!(seen.is_empty(), "{name}");
            }
            (Expect::Admitted(target), Ok(reply)) => {
                assert_eq!(reply.status, 200, "{name}");
                let targets: Vec<&str> = seen.iter().map(|r| r.target.as_str()).collect();
                assert_eq!(targets, [target], "{name}");
                self.admitted += 1;
            }
            (Expect::Harmless, Ok(reply)) if reply.status == 200 => {
                assert_eq!(seen.len(), 1, "{name}");
                self.admitted += 1;
            }
            (Expect::Harmless, outcome) => {
                assert!(!matches!(outcome, Err(Failure::Timeout)), "{name}");
                assert!(
                    outcome
                        .as_ref()
                        .map_or(true, |r| (400..506).contains(&r.status)),
                    "{name}"
                );
                assert!(seen.is_empty(), "{name}");
            }
            (Expect::Status(_) | Expect::Admitted(_), Err(_)) => panic!("{name}"),
        }
    }

    /// Sends bytes one way and reads the first answer to them.
    fn send(&mut self, bytes: &[u8], way: Way) -> (Client, Result<Reply, Failure>) {
        let method = if bytes.starts_with(b"HEAD") {
            "HEAD"
        } else {
            "GET"
        };
        let mut client = match way {
            Way::Tls => connect(&self.tls, self.authority.client(&[])),
            _ => self.plain.connect(),
        }
        .patience(Duration::from_secs(5));
        // Where the gate has heard enough it may close before the rest is sent.
        match way {
            Way::Cut(at) => {
                let (first, second) = bytes.split_at(at);
                let _ = client.try_send(first);
                std::thread::sleep(Duration::from_millis(2));
                let _ = client.try_send(second);
            }
            Way::Pipelined => {
                let _ = client.try_send([&get("/v1/items/good"), bytes].concat());
                assert_eq!(client.reply("GET").status, 200);
                self.admitted += 1;
            }
            Way::Whole | Way::Tls => {
                let _ = client.try_send(bytes);
            }
        }
        let outcome = client.try_reply(method);
        (client, outcome)
    }

    /// The legal request next to every case.
    #[track_caller]
    fn is_well(&mut self, after: &str) {
        let mut client = self.plain.connect();
        client.send(get("/v1/items/1"));
        assert_eq!(client.reply("GET").status, 200, "after {after}");
        self.admitted += 1;
    }

    /// What the upstream saw in all is what was admitted in all, and all of it was allowed.
    #[track_caller]
    fn conclude(&self) {
        let seen = self.upstream.requests();
        assert_eq!(seen.len(), self.admitted);
        for request in &seen {
            assert_allowed(request);
        }
    }
}

/// The oracle: method and path are allowed to the SID by the rules of [`CATALOG`].
#[track_caller]
fn assert_allowed(request: &Request) {
    let segment = |prefix: &str| {
        request.path().strip_prefix(prefix).is_some_and(|rest| {
            let decoded = rest.to_ascii_lowercase();
            !rest.is_empty()
                && rest != "."
                && rest != ".."
                && rest
                    .bytes()
                    .all(|b| (0x21..0x7f).contains(&b) && !b"/\\;?#".contains(&b))
                && !["%2f", "%5c", "%2e", "%3b", "%25", "%3f", "%23", "%7f"]
                    .iter()
                    .any(|refused| decoded.contains(refused))
                && !(0..0x20).any(|control| decoded.contains(&format!("%{control:02x}")))
        })
    };
    let allowed = match (request.header("x-auth-sid"), request.method.as_str()) {
        (Some("alice"), "GET") => {
            request.path() == "/v1/items" || segment("/v1/items/") || segment("/ws/")
        }
        (Some("bob"), "POST") => request.path() == "/v1/items",
        _ => false,
    };
    assert!(allowed, "{request:?}");
    assert_eq!(request.header("authorization"), None, "{request:?}");
}
