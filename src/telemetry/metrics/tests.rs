//! What a scrape shows of what workers counted.

use std::time::Duration;

use super::*;
use crate::code::Code;

/// The value of a series.
fn value(text: &str, series: &str) -> f64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let number = line.unwrap_or_else(|| panic!("{series} is not in\n{text}"));
    number.parse().expect("a number")
}

#[test]
fn codes_are_numbered_in_their_order() {
    for (at, code) in Code::ALL.iter().enumerate() {
        assert_eq!(*code as usize, at);
    }
    for (at, kind) in ConnectionKind::ALL.into_iter().enumerate() {
        let metrics = Metrics::new(1);
        metrics.worker(0).connection_opened(kind);
        let cells = metrics.worker(0);
        assert_eq!(cells.connections[at].opened.value(), 1);
    }
    for (at, deadline) in Deadline::ALL.into_iter().enumerate() {
        assert_eq!(deadline as usize, at);
    }
    for (at, reason) in Refused::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, at);
    }
}

#[test]
fn requests_of_all_workers_are_summed() {
    let metrics = Metrics::new(2);
    let (a, b) = (metrics.worker(0), metrics.worker(1));
    let time = Duration::from_millis;
    a.request(Code::Ok, 200, 1, 10, time(2), Some(time(1)));
    b.request(Code::Ok, 204, 2, 20, time(40_000), Some(time(3)));
    b.request(Code::Ok, 503, 0, 0, time(1), None);
    a.request(Code::NoRoute, 403, 0, 5, Duration::from_micros(250), None);
    a.request_started();
    b.request_started();
    b.request_ended();
    let text = metrics.encode();
    assert_eq!(
        value(&text, r#"sidgate_requests_total{code="ok",status="2xx"}"#),
        2.0
    );
    assert_eq!(
        value(&text, r#"sidgate_requests_total{code="ok",status="5xx"}"#),
        1.0
    );
    assert_eq!(
        value(
            &text,
            r#"sidgate_requests_total{code="no_route",status="4xx"}"#
        ),
        1.0
    );
    assert_eq!(
        value(
            &text,
            r#"sidgate_requests_total{code="bad_host",status="4xx"}"#
        ),
        0.0
    );
    assert!(!text.contains(r#"code="bad_host",status="2xx""#));
    assert_eq!(value(&text, "sidgate_requests_in_flight"), 1.0);
    assert_eq!(value(&text, "sidgate_request_body_bytes_total"), 3.0);
    assert_eq!(value(&text, "sidgate_response_body_bytes_total"), 35.0);
    let histogram = "sidgate_request_duration_seconds";
    assert_eq!(value(&text, &format!("{histogram}_count")), 4.0);
    assert_eq!(value(&text, &format!("{histogram}_sum")), 40.003_25);
    for (bound, count) in [
        ("0.00025", 1.0),
        ("0.0005", 1.0),
        ("0.001", 2.0),
        ("0.0025", 3.0),
        ("30.0", 3.0),
        ("+Inf", 4.0),
    ] {
        let series = format!("{histogram}_bucket{{le=\"{bound}\"}}");
        assert_eq!(value(&text, &series), count, "{series}");
    }
    assert_eq!(
        value(&text, "sidgate_upstream_first_byte_duration_seconds_count"),
        2.0
    );
}

#[test]
fn connections_come_and_go() {
    let metrics = Metrics::new(1);
    let worker = metrics.worker(0);
    let kind = ConnectionKind {
        protocol: Protocol::H2,
        tls: true,
    };
    worker.connection_opened(kind);
    worker.connection_opened(kind);
    worker.connection_closed(kind);
    worker.connection_refused(Refused::PerPeer);
    worker.deadline(Deadline::UpstreamFirstByte);
    worker.rate_limited(TokenLimit::InFlight);
    worker.tls_handshake(true);
    worker.tls_handshake(false);
    worker.upstream_connect(false);
    worker.upstream_retry();
    worker.tunnel_opened();
    worker.tunnel_opened();
    worker.tunnel_closed();
    let text = metrics.encode();
    for (series, expected) in [
        (r#"connections_total{protocol="h2",tls="true"}"#, 2.0),
        (r#"connections_open{protocol="h2",tls="true"}"#, 1.0),
        (r#"connections_open{protocol="http/1.1",tls="false"}"#, 0.0),
        (r#"connections_refused_total{reason="per_peer"}"#, 1.0),
        (
            r#"deadlines_total{hop="upstream",deadline="first_byte"}"#,
            1.0,
        ),
        (
            r#"deadlines_total{hop="client",deadline="first_byte"}"#,
            0.0,
        ),
        (r#"rate_limited_total{limit="in_flight"}"#, 1.0),
        (r#"rate_limited_total{limit="rate"}"#, 0.0),
        (r#"tls_handshakes_total{outcome="ok"}"#, 1.0),
        (r#"tls_handshakes_total{outcome="failed"}"#, 1.0),
        (r#"upstream_connects_total{outcome="ok"}"#, 0.0),
        (r#"upstream_connects_total{outcome="failed"}"#, 1.0),
        ("upstream_retries_total", 1.0),
        ("tunnels_total", 2.0),
        ("tunnels_open", 1.0),
        ("workers", 1.0),
    ] {
        assert_eq!(
            value(&text, &format!("sidgate_{series}")),
            expected,
            "{series}"
        );
    }
}

#[test]
fn what_others_know_is_asked_at_each_scrape() {
    let metrics = Metrics::new(1);
    assert!(!metrics.encode().contains("sidgate_tokens"));
    let asked = std::sync::atomic::AtomicU64::new(0);
    metrics.observe(move || Observed {
        revision: asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1,
        tokens: 10_000,
        reloads: 3,
        failed_reloads: 1,
        dropped_records: 7,
        strangers: 5,
        rate_limit_counters: 9,
        servers: vec![ServerHealth {
            upstream: "default".into(),
            server: "unix:a\"b\\c".into(),
            healthy: true,
        }],
    });
    assert_eq!(value(&metrics.encode(), "sidgate_snapshot_revision"), 1.0);
    let text = metrics.encode();
    assert_eq!(value(&text, "sidgate_snapshot_revision"), 2.0);
    assert_eq!(value(&text, "sidgate_tokens"), 10_000.0);
    assert_eq!(
        value(&text, r#"sidgate_reloads_total{outcome="failed"}"#),
        1.0
    );
    assert_eq!(value(&text, "sidgate_access_records_dropped_total"), 7.0);
    assert_eq!(value(&text, "sidgate_admin_strangers_refused_total"), 5.0);
    assert_eq!(value(&text, "sidgate_rate_limit_counters"), 9.0);
    let server = r#"sidgate_upstream_server_healthy{upstream="default",server="unix:a\"b\\c"}"#;
    assert_eq!(value(&text, server), 1.0);
}

#[test]
fn the_text_has_the_form_that_scrapers_want() {
    let metrics = Metrics::new(1);
    metrics.observe(Observed::default);
    let text = metrics.encode();
    assert!(text.ends_with("# EOF\n"));
    let mut described = std::collections::HashSet::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().expect("a name");
            assert!(described.insert(current), "{current} is described twice");
        } else if !line.starts_with('#') {
            assert!(
                line.starts_with(current) && current.starts_with("sidgate_"),
                "{line}"
            );
        }
    }
}

#[test]
fn any_status_is_counted() {
    let metrics = Metrics::new(1);
    for status in [0, 99, 100, 599, 999, u16::MAX] {
        metrics
            .worker(0)
            .request(Code::Ok, status, 0, 0, Duration::MAX, None);
    }
    let text = metrics.encode();
    assert_eq!(
        value(&text, r#"sidgate_requests_total{code="ok",status="1xx"}"#),
        3.0
    );
    assert_eq!(
        value(&text, r#"sidgate_requests_total{code="ok",status="5xx"}"#),
        3.0
    );
}
