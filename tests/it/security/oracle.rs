//! The oracle: what the upstream saw was admitted, once, and byte for byte what was judged.
//!
//! It knows the rules on its own, and compares the gates' access records with what the
//! recorder wrote down.

use std::collections::HashMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::recorder::Request;
use crate::support::{Gate, Recorder, eventually};

/// Stops the gates, and compares. Gives what the upstream saw, and how many requests the
/// gates say they served to their end with an answer of the upstream.
#[track_caller]
pub(super) fn reconcile<const N: usize>(
    upstream: &Recorder,
    gates: [Gate; N],
) -> (Vec<Request>, usize) {
    let mut records: HashMap<String, Value> = HashMap::new();
    for mut gate in gates {
        gate.signal(Signal::TERM);
        assert!(gate.wait(Duration::from_secs(60)).success());
        for record in gate.last_records() {
            let id = text(&record, "request_id").to_owned();
            assert!(records.insert(id, record).is_none(), "two of one name");
        }
    }
    // Nothing arrives any more once its connections are read to their ends.
    eventually(
        "the end of the gates' connections",
        Duration::from_secs(30),
        || (upstream.open() == 0).then_some(()),
    );
    let seen = upstream.requests();
    let mut served = records
        .values()
        .filter(|record| text(record, "code") == "ok")
        .count();
    let all_served = served;
    for request in &seen {
        assert_allowed(request);
        let id = request.header("x-request-id").expect("each has a name");
        let record = records
            .remove(id)
            .unwrap_or_else(|| panic!("not admitted, or sent twice: {request:?}"));
        let judged = ["method", "path", "sid", "scope"].map(|key| text(&record, key));
        let arrived = [
            request.method.as_str(),
            request.path(),
            request.header("x-auth-sid").unwrap_or_default(),
            request.header("x-auth-scope").unwrap_or_default(),
        ];
        assert_eq!(judged, arrived, "judged, and arrived: {record}");
        if text(&record, "code") == "ok" {
            assert!(request.is_whole, "served without its end: {request:?}");
            served -= 1;
        }
    }
    assert_eq!(served, 0, "served by nobody");
    (seen, all_served)
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Method and path are allowed to the SID by the rules of [`super::bench::CATALOG`].
#[track_caller]
pub(super) fn assert_allowed(request: &Request) {
    let segment = |prefix| request.path().strip_prefix(prefix).is_some_and(is_segment);
    let allowed = match (request.header("x-auth-sid"), request.method.as_str()) {
        (Some("alice"), "GET") => {
            request.path() == "/v1/items" || segment("/v1/items/") || segment("/ws/")
        }
        (Some("bob"), "POST") => request.path() == "/v1/items",
        _ => false,
    };
    assert!(allowed, "{request:?}");
    assert_eq!(request.header("authorization"), None, "{request:?}");
    // What is behind the end of a message, or within its body, is no message.
    assert!(!request.target.contains("hidden"), "{request:?}");
    // Exactly one of each field that is the gate's, and no other word for it.
    for name in OWNED {
        assert_eq!(request.all(name).len(), 1, "{name}: {request:?}");
        assert!(!request.has_alias(name), "{name}: {request:?}");
    }
    assert_eq!(request.header("x-forwarded-for"), Some("127.0.0.1"));
}

/// Whether this is one segment, in the one form that no reader can take for another.
fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte);
    let mut pieces = text.split('%');
    let first = pieces.next().unwrap_or_default();
    !matches!(text, "" | "." | "..")
        && first.bytes().all(plain)
        && pieces.all(|piece| {
            let Some((digits, rest)) = piece.split_at_checked(2) else {
                return false;
            };
            let byte = u8::from_str_radix(digits, 16);
            let stays = |byte: u8| {
                let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                !byte.is_ascii_control() && !unreserved && !b"/\\;?#%".contains(&byte)
            };
            byte.is_ok_and(stays)
                && !digits.bytes().any(|digit| digit.is_ascii_lowercase())
                && rest.bytes().all(plain)
        })
}

/// The fields that the gate alone sets.
const OWNED: [&str; 7] = [
    "host",
    "x-auth-sid",
    "x-auth-scope",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];
