//! Every call by every role.

use serde_json::{Value, json};

use crate::support::{ADMINISTRATOR, Admin, Builder, SPECIALIST, VIEWER, Who, create, start};

const VIEWERS: u8 = 0;
const SPECIALISTS: u8 = 1;
const ADMINISTRATORS: u8 = 2;

/// A call, the least role that may make it, and what it answers then.
const CALLS: &[(&str, &str, Option<&str>, u8, u16)] = &[
    ("GET", "/metrics", None, VIEWERS, 200),
    ("GET", "/openapi.json", None, VIEWERS, 200),
    ("GET", "/v1/status", None, VIEWERS, 200),
    ("GET", "/v1/catalog", None, VIEWERS, 200),
    (
        "POST",
        "/v1/explain",
        Some(r#"{"method": "GET", "path": "/ping"}"#),
        VIEWERS,
        200,
    ),
    ("GET", "/v1/tokens", None, VIEWERS, 200),
    (
        "POST",
        "/v1/tokens",
        Some(r#"{"name": "one more"}"#),
        SPECIALISTS,
        201,
    ),
    ("GET", "/v1/tokens/{sid}", None, VIEWERS, 200),
    (
        "PATCH",
        "/v1/tokens/{sid}",
        Some(r#"{"description": "new"}"#),
        SPECIALISTS,
        200,
    ),
    ("DELETE", "/v1/tokens/{sid}", None, SPECIALISTS, 204),
    ("POST", "/v1/tokens/{sid}/duplicate", None, SPECIALISTS, 201),
    ("POST", "/v1/tokens/{sid}/reset", None, SPECIALISTS, 200),
    ("POST", "/v1/tokens/{sid}/upgrade", None, SPECIALISTS, 200),
    ("POST", "/v1/tokens/{sid}/enable", None, SPECIALISTS, 200),
    ("POST", "/v1/tokens/{sid}/disable", None, SPECIALISTS, 200),
    ("POST", "/v1/tokens/{sid}/reveal", None, ADMINISTRATORS, 200),
    ("GET", "/v1/audit", None, ADMINISTRATORS, 200),
];

fn call(admin: &Admin, who: Who, method: &str, path: &str, body: Option<&str>) -> (u16, Value) {
    let headers: &[&str] = match body {
        Some(_) => &["Content-Type: application/json"],
        None => &[],
    };
    let body = body.unwrap_or_default().as_bytes();
    let reply = admin.ask(who, &format!("{method} {path}"), headers, body);
    let value = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply.status, value)
}

#[test]
fn each_role_may_do_what_it_may_and_no_more() {
    let admin = Builder {
        seals: Some(format!("k1:{}", "ab".repeat(32))),
        ..Builder::default()
    }
    .start();
    for &(method, path, body, least, expected) in CALLS {
        for (rank, who) in [(0, VIEWER), (1, SPECIALIST), (2, ADMINISTRATOR)] {
            let sid = create(&admin, &json!({"name": "subject", "api_version": "15"}));
            let path = path.replace("{sid}", &sid);
            let before = admin.get(VIEWER, "/v1/tokens").value();
            let (status, value) = call(&admin, who, method, &path, body);
            if rank >= least {
                assert_eq!(status, expected, "{method} {path} by {}: {value}", who.0);
            } else {
                assert_eq!(status, 403, "{method} {path} by {}", who.0);
                assert_eq!(value["code"], "forbidden_role");
                assert_eq!(admin.get(VIEWER, "/v1/tokens").value(), before);
            }
        }
    }
}

#[test]
fn the_matrix_has_every_call() {
    let admin = start();
    let document = admin.get(VIEWER, "/openapi.json").value();
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            if method != "parameters" && !open {
                described.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    let mut tested: Vec<_> = CALLS
        .iter()
        .map(|&(method, path, ..)| (method.to_owned(), path.to_owned()))
        .collect();
    described.sort();
    tested.sort();
    assert_eq!(tested, described);
}

#[test]
fn a_role_that_is_taken_away_ends_at_once() {
    let admin = start();
    create(&admin, &json!({"name": "a"}));
    let text = std::fs::read_to_string(admin.dir.path().join("sidgate.toml")).unwrap();
    let text = text.replace("\"implementation-specialist\"", "\"viewer\"");
    std::fs::write(admin.dir.path().join("sidgate.toml"), text).unwrap();
    let config = sidgate::config::load(&admin.dir.path().join("sidgate.toml")).unwrap();
    admin.settings.store(config.settings.into());
    let reply = admin.json(SPECIALIST, "POST /v1/tokens", &json!({"name": "b"}));
    reply.is_problem(403, "forbidden_role");
}
