//! Bodies of calls -> the whole admin API, over its Unix socket, down to the token file.
//!
//! The oracle reads a body with another JSON reader and merges it by hand (RFC 7396). What
//! is answered with success must be what that gives, in the next answer and on disk; what
//! is refused must have changed nothing, and a body without a fault must not be refused.

mod bench;

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use sidgate::token::rules;

use bench::{Answer, Bench};

/// The token that is changed.
const SUBJECT: &str = "/v1/tokens/subject";

/// The catalogue's latest version, to which a change is always upwards.
const LATEST: &str = "2";

const SCOPES: [&str; 2] = ["items:read", "items:write"];

static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| Mutex::new(Bench::new()));

/// The first byte chooses the call, the rest is its body.
///
/// # Panics
/// Where an answer and the oracle disagree.
pub fn check(data: &[u8]) {
    let Some((call, body)) = data.split_first() else {
        return;
    };
    let mut bench = BENCH.lock().unwrap_or_else(PoisonError::into_inner);
    let before = bench.ask("GET", SUBJECT, b"").token();
    let answer = match call % 4 {
        0 => {
            let answer = bench.ask("POST", "/v1/tokens", body);
            created(&mut bench, body, &answer);
            answer
        }
        1 => {
            let answer = bench.ask("PATCH", SUBJECT, body);
            patched(&mut bench, body, &before, &answer);
            answer
        }
        2 => bench.ask("POST", &format!("{SUBJECT}/upgrade"), body),
        _ => {
            let answer = bench.ask("POST", "/v1/explain", body);
            explained(&answer);
            answer
        }
    };
    let parsed = serde_json::from_slice::<Value>(body);
    match answer.status {
        200 | 201 => assert!(parsed.is_ok_and(|body| body.is_object()) || body.is_empty()),
        400 => {
            assert!(!is_plainly_json(body), "{answer:?}");
            answer.assert_problem();
        }
        404 | 409 => answer.assert_problem(),
        422 => {
            assert!(parsed.is_ok() || body.is_empty(), "{answer:?}");
            answer.assert_problem();
            let errors = answer.json()["errors"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let told = |error: &Value| error["field"].is_string() && error["message"].is_string();
            assert!(!errors.is_empty() && errors.iter().all(told), "{answer:?}");
        }
        _ => panic!("{answer:?}"),
    }
    assert!(!answer.text().contains("sha256:"), "{answer:?}");
    let after = bench.ask("GET", SUBJECT, b"").token();
    assert!(
        after == before || (answer.status == 200 && call % 4 != 3),
        "{answer:?}"
    );
    assert_eq!(
        bench.ask("GET", "/v1/tokens?limit=1", b"").json()["total"],
        1
    );
}

/// Whether a body is JSON by any reader: no name stands twice, and nothing is deep. Each name
/// has a colon behind it, and of a name that stands twice one is left; a colon within a text
/// makes the body one that this cannot tell of.
fn is_plainly_json(body: &[u8]) -> bool {
    let nested = body.iter().filter(|byte| b"[{".contains(byte)).count();
    let colons = body.iter().filter(|&&byte| byte == b':').count();
    let parsed = serde_json::from_slice::<Value>(body);
    nested <= 16 && parsed.is_ok_and(|body| names(&body) == colons)
}

fn names(value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.len() + fields.values().map(names).sum::<usize>(),
        Value::Array(items) => items.iter().map(names).sum(),
        _ => 0,
    }
}

fn created(bench: &mut Bench, body: &[u8], answer: &Answer) {
    let parsed = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if answer.status != 201 {
        let fields = parsed
            .as_object()
            .filter(|fields| fields.contains_key("name"));
        let sound = fields.is_some_and(|fields| is_sound(fields, true));
        assert!(!sound || answer.status == 400, "{answer:?} to {parsed}");
        return;
    }
    let mut token = answer.token();
    let auth_token = token.remove("auth_token").expect("it is shown now");
    let location = format!("/v1/tokens/{}", token["sid"].as_str().expect("a SID"));
    let shown = bench.ask("GET", &location, b"");
    assert_eq!(shown.token(), token);
    assert!(!shown.text().contains(auth_token.as_str().expect("a text")));
    let defaults = json!({
        "description": "", "primary_contact": "", "developer_emails": [], "scopes": [],
        "api_version": LATEST,
    });
    let mut expected = merged(defaults.as_object().expect("an object"), &parsed);
    if expected["api_version"].is_null() {
        expected.insert("api_version".to_owned(), LATEST.into());
    }
    assert_fields(&token, &expected);
    bench.assert_stored(&token);
    assert_eq!(bench.ask("DELETE", &location, b"").status, 204);
    assert_eq!(bench.ask("GET", &location, b"").status, 404);
}

fn patched(bench: &mut Bench, body: &[u8], before: &Map<String, Value>, answer: &Answer) {
    let parsed = serde_json::from_slice::<Value>(body).unwrap_or_default();
    if answer.status != 200 {
        let fields = parsed.as_object();
        let lasting = |fields: &&Map<String, Value>| {
            ["name", "api_version"]
                .iter()
                .all(|key| fields.get(*key) != Some(&Value::Null))
        };
        let sound = fields
            .filter(lasting)
            .is_some_and(|fields| is_sound(fields, false));
        assert!(!sound || answer.status == 400, "{answer:?} to {parsed}");
        return;
    }
    let token = answer.token();
    assert_eq!(bench.ask("GET", SUBJECT, b"").token(), token);
    assert_fields(&token, &merged(before, &parsed));
    bench.assert_stored(&token);
}

/// RFC 7396 for the fields of a token, whose empty values stand for absent ones.
fn merged(before: &Map<String, Value>, patch: &Value) -> Map<String, Value> {
    let mut merged = before.clone();
    for (key, value) in patch.as_object().into_iter().flatten() {
        let value = match (key.as_str(), value) {
            ("developer_emails" | "scopes", Value::Null) => json!([]),
            ("description" | "primary_contact", Value::Null) => json!(""),
            (_, value) => value.clone(),
        };
        merged.insert(key.clone(), value);
    }
    let scopes = merged["scopes"].as_array().cloned().unwrap_or_default();
    let scopes: BTreeSet<String> = scopes
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    merged.insert("scopes".to_owned(), scopes.into_iter().collect());
    merged
}

fn assert_fields(token: &Map<String, Value>, expected: &Map<String, Value>) {
    for key in [
        "name",
        "description",
        "primary_contact",
        "developer_emails",
        "scopes",
        "api_version",
    ] {
        assert_eq!(token[key], expected[key], "{key}");
    }
}

/// Whether every field is one of a token and fits its rules.
fn is_sound(fields: &Map<String, Value>, new: bool) -> bool {
    let text = |value: &Value, fits: &dyn Fn(&str) -> bool| value.as_str().is_some_and(fits);
    let list = |value: &Value, fits: &dyn Fn(&str) -> bool| {
        let items = value.as_array();
        items.is_some_and(|items| items.len() <= 100 && items.iter().all(|item| text(item, fits)))
    };
    fields.iter().all(|(key, value)| match key.as_str() {
        "name" => text(value, &|name| rules::name(name).is_ok()),
        "api_version" => (new && value.is_null()) || value == LATEST,
        "description" => value.is_null() || text(value, &|text| rules::description(text).is_ok()),
        "primary_contact" => {
            value.is_null() || text(value, &|text| rules::email_or_empty(text).is_ok())
        }
        "developer_emails" => value.is_null() || list(value, &|text| rules::email(text).is_ok()),
        "scopes" => value.is_null() || list(value, &|id| SCOPES.contains(&id)),
        _ => false,
    })
}

fn explained(answer: &Answer) {
    if answer.status != 200 {
        return;
    }
    let told = answer.json();
    let admitted = told["admitted"].as_bool().expect("a decision");
    assert_eq!(
        admitted,
        told["code"] == "admitted" || told["status"] == 200,
        "{told}"
    );
    assert!(!admitted || told["rule"].is_string(), "{told}");
}
