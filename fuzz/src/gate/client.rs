//! The client's side: what must become of a stream that is plain enough to be judged by
//! hand, and what the answers to any stream look like.

use super::rules::{self, BASIC};
use super::wire::{self, Message, Read};
use crate::request_target::reference;

/// The bytes with which HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Fields that an upstream gets as they came.
const PASSED: [&str; 4] = ["accept", "content-type", "user-agent", "x-test"];

/// What must reach the upstream, in this order, before anything else does.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) admitted: Vec<Admitted>,
    /// Nothing else may.
    pub(super) complete: bool,
}

/// A request that must be admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    line: String,
    sid: Option<&'static str>,
    request: Message,
}

pub(super) fn is_http2(input: &[u8]) -> bool {
    input.starts_with(PREFACE)
}

/// Reads plain requests one after the other, up to the first that is refused or not plain.
pub(super) fn expected(input: &[u8]) -> Expected {
    let mut expected = Expected::default();
    let mut rest = input;
    loop {
        if rest.is_empty() {
            expected.complete = true;
            return expected;
        }
        let Read::Whole(request, length) = wire::read(rest, |_| false) else {
            return expected;
        };
        let Some(admitted) = plainly_admitted(request) else {
            return expected;
        };
        let closes = admitted.request.one("connection") == Some("close");
        expected.admitted.push(admitted);
        if closes {
            expected.complete = true;
            return expected;
        }
        rest = &rest[length..];
    }
}

fn plainly_admitted(request: Message) -> Option<Admitted> {
    let parts: Vec<&str> = request.start.split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts.as_slice() else {
        return None;
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (*target, None),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"=&._-/".contains(&b);
    let versioned = |query: &str| {
        let mut keys = query.split('&').filter_map(|pair| pair.split('=').next());
        keys.any(|key| key == "v")
    };
    // These the HTTP library refuses, where the canonical form would encode them.
    let taken = |b: u8| !b"<>`".contains(&b);
    let path = reference(path).filter(|_| path.bytes().all(taken))?;
    let known = |name: &str| {
        let framed = [
            "host",
            "authorization",
            "connection",
            "content-length",
            "transfer-encoding",
        ];
        framed.contains(&name) || PASSED.contains(&name)
    };
    let connection = request.all("connection");
    let connection = connection.as_slice();
    if !method.bytes().all(|b| b.is_ascii_uppercase())
        || method.len() > 10
        || query.is_some_and(|query| versioned(query) || !query.bytes().all(plain))
        || request.fields.len() > 20
        || request.body.len() > 16 << 10
        || !request.trailers.is_empty()
        || !request
            .fields
            .iter()
            .all(|(name, value)| known(name) && value.is_ascii())
        || !matches!(connection, [] | ["close"] | ["keep-alive"])
    {
        return None;
    }
    let host = request.one("host")?;
    if host.is_empty() || !host.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let sid = match request.all("authorization").as_slice() {
        [] => None,
        [value] => Some(BASIC.iter().find(|(_, basic)| basic == value)?.0),
        _ => return None,
    };
    let scope = rules::allowed(sid, method, &path)?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(Admitted {
        line: format!("{method} {path}{query} HTTP/1.1"),
        sid: scope.and(sid),
        request,
    })
}

impl Admitted {
    /// # Panics
    /// Where what the upstream saw is not this request.
    pub(super) fn assert_is(&self, seen: &Message) {
        assert_eq!(seen.start, self.line);
        assert_eq!(seen.one("x-auth-sid"), self.sid, "{seen:?}");
        assert_eq!(seen.body, self.request.body, "{seen:?}");
        assert!(seen.trailers.is_empty());
        for name in PASSED {
            assert_eq!(seen.all(name), self.request.all(name), "{name} in {seen:?}");
        }
        assert_eq!(
            seen.one("x-forwarded-host"),
            self.request.one("host"),
            "{seen:?}"
        );
    }
}

/// How often the credentials of a SID stand in the input.
pub(super) fn credentials_of(sid: &str, input: &[u8]) -> usize {
    let (_, basic) = BASIC
        .iter()
        .find(|(known, _)| *known == sid)
        .expect("a known SID");
    let encoded = basic.trim_start_matches("Basic ").as_bytes();
    input
        .windows(encoded.len())
        .filter(|window| *window == encoded)
        .count()
}

/// The numbers that the upstream gave its answers, in the order in which they came.
///
/// # Panics
/// Where the answers are not clean HTTP/1.1, or one of the gate's own is not as it promises.
pub(super) fn numbers(answers: &[u8]) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut rest = answers;
    while !rest.is_empty() {
        let shown = || String::from_utf8_lossy(rest);
        let end = rest.windows(4).position(|window| window == b"\r\n\r\n");
        let after = end.map_or(rest, |end| &rest[end + 4..]);
        // A refusal of HEAD announces a body and has none.
        let bare = after.is_empty() || after.starts_with(b"HTTP/1.");
        let bodiless = |answer: &Message| {
            bare || answer.start.starts_with("HTTP/1.1 1") || answer.one("x-kind") == Some("head")
        };
        let (answer, length) = match wire::read(rest, bodiless) {
            Read::Whole(answer, length) => (answer, length),
            other => panic!("{other:?} instead of an answer: {}", shown()),
        };
        let status = answer
            .start
            .get(9..12)
            .and_then(|status| status.parse::<u16>().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {}", shown()));
        match answer.one("x-number") {
            Some(number) => {
                assert!(matches!(status, 101 | 200), "{}", shown());
                assert!(answer.one("x-request-id").is_some(), "{}", shown());
                numbers.push(number.parse().expect("a number"));
            }
            None if status == 100 => {}
            None => {
                assert!((400..=504).contains(&status), "{}", shown());
                let problem: Result<serde_json::Value, _> = serde_json::from_slice(&answer.body);
                let told = problem.is_ok_and(|problem| problem["status"] == status);
                assert!(told || answer.body.is_empty(), "{}", shown());
            }
        }
        if status == 101 {
            return numbers; // what follows is the tunnel's
        }
        rest = &rest[length..];
    }
    numbers
}
