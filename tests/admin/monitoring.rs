//! Life, readiness, metrics and status.

use std::sync::atomic::Ordering;

use crate::support::{VIEWER, eventually, start};

const HOST: &[&str] = &["Host: localhost"];

#[test]
fn health_and_readiness_need_no_credentials() {
    let admin = start();
    assert_eq!(admin.send("GET /healthz", HOST, b"").status, 200);
    assert_eq!(admin.send("GET /readyz", HOST, b"").status, 200);
    admin.listening.store(false, Ordering::Release);
    assert_eq!(admin.send("GET /healthz", HOST, b"").status, 200);
    let reply = admin.send("GET /readyz", HOST, b"");
    reply.is_problem(503, "not_ready");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(admin.get(VIEWER, "/v1/status").value()["ready"], false);
}

#[test]
fn every_answer_names_its_request_and_is_not_stored() {
    let admin = start();
    let mut ids = Vec::new();
    for start in [
        "GET /healthz",
        "GET /metrics",
        "GET /nothing",
        "PUT /healthz",
    ] {
        let reply = admin.send(start, HOST, b"");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        ids.push(reply.header("x-request-id").expect("an id").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn head_is_get_without_a_body() {
    let admin = start();
    let reply = admin.send("HEAD /healthz", HOST, b"");
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_ne!(reply.header("content-length"), Some("0"));
}

#[test]
fn metrics_are_open_metrics() {
    let admin = start();
    let reply = admin.get(VIEWER, "/metrics");
    assert_eq!(reply.status, 200);
    let content_type = reply.header("content-type").expect("a type");
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
    assert_eq!(reply.body, b"# EOF\n");
}

#[test]
fn status_tells_what_is_in_force() {
    let admin = start();
    let status = admin.get(VIEWER, "/v1/status").value();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["started_at"], "2026-11-21T12:00:00Z");
    assert_eq!(status["revision"], 1);
    assert_eq!(status["ready"], true);
    assert_eq!(status["workers"], 1);
    assert_eq!(status["needs_restart"], serde_json::json!(["proxy.listen"]));
    assert_eq!(status["fault"], serde_json::Value::Null);
    assert_eq!(status["last_reload"]["outcome"], "loaded");
    assert!(
        status["last_reload"]["at"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
    let counts = serde_json::json!(
        {"tokens": 0, "enabled": 0, "disabled": 0, "scopes": 2, "rules": 3}
    );
    assert_eq!(status["counts"], counts);
}

#[test]
fn other_methods_are_told_which_are_served() {
    let admin = start();
    for (start, allow) in [
        ("DELETE /healthz", "GET, HEAD"),
        ("GET /v1/explain", "POST"),
        ("OPTIONS /v1/tokens/a", "GET, HEAD, PATCH, DELETE"),
        ("PUT /v1/tokens", "GET, HEAD, POST"),
        ("TRACE /v1/status", "GET, HEAD"),
        ("get /v1/status", "GET, HEAD"),
    ] {
        let reply = admin.ask(VIEWER, start, &[], b"");
        reply.is_problem(405, "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{start}");
    }
}

#[test]
fn status_tells_what_is_wrong_with_the_files() {
    let admin = start();
    let file = admin.dir.path().join("tokens.toml");
    std::fs::write(&file, "# none\nnonsense = 1\n").unwrap();
    let status = eventually(|| {
        let status = admin.get(VIEWER, "/v1/status").value();
        status["fault"].is_object().then_some(status)
    });
    assert_eq!(status["last_reload"]["outcome"], "refused");
    let fault = &status["fault"]["faults"][0];
    assert_eq!(fault["file"], file.to_str().unwrap());
    assert_eq!((&fault["line"], &fault["column"]), (&2.into(), &1.into()));
    assert!(
        fault["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
    assert_eq!(status["ready"], true);
}
