//! Class F: HTTP/2, what is smuggled and what is malformed.

use std::time::Duration;

use super::{Bench, assert_allowed};
use crate::support::ALICE;
use crate::support::http2::frames::{
    self, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, RST_STREAM,
};

/// A good request's headers, with those of the same name replaced and others added.
fn headers(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gw"),
        (":path", "/v1/items/1"),
        ("authorization", &ALICE.basic()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (name, value) in changes {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(header) => header.1 = (*value).to_owned(),
            None => all.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    all
}

/// Sends one request; what came back.
fn exchange(bench: &Bench, headers: &[(String, String)]) -> Outcome {
    let mut client = Frames::connect(bench.plain.address());
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    client.ask(1, &headers);
    client.read_until(Duration::from_secs(5), |seen| {
        seen.has(GOAWAY)
            || seen.frames.iter().any(|frame| {
                frame.stream == 1 && (frame.kind == RST_STREAM || frame.flags & END_STREAM != 0)
            })
    })
}

/// Whether the answer is 200: `:status` comes first, and 200 is entry 8 of the static
/// table (RFC 7541 appendix A), after changes of the dynamic table's size (section 6.3).
fn is_ok(outcome: &Outcome) -> bool {
    outcome.frames.iter().any(|frame| {
        let fields = &mut frame.payload.iter().skip_while(|&&byte| byte >> 5 == 1);
        frame.kind == HEADERS && fields.next() == Some(&0x88)
    })
}

#[test]
fn smuggled_bytes_and_pseudo_headers() {
    let mut bench = Bench::new();
    assert!(is_ok(&exchange(&bench, &headers(&[]))));
    bench.admitted += 1;
    for change in [
        ("x", "a\r\nx-auth-sid: bob"),
        ("x", "a\nb"),
        ("x", "a\0b"),
        ("x\r\ny", "a"),
        ("x:y", "a"),
        ("x y", "a"),
        ("X-Upper", "a"),
        ("", "a"),
        ("transfer-encoding", "chunked"),
        ("connection", "x"),
        ("upgrade", "h2c"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("te", "gzip"),
        (":method", "GET /admin HTTP/1.1"),
        (":method", "GET?"),
        (":method", ""),
        (":scheme", "http://evil/?"),
        (":path", "admin"),
        (":path", "/a b"),
        (":path", ""),
        (":path", "*"),
        (":path", "http://evil/"),
        (":path", "/v1/items/\\..\\admin"),
        (":path", "/v1/items/../admin"),
        (":path", "//v1/items"),
        (":authority", "gw@evil"),
        (":authority", "gw/evil"),
        (":authority", ""),
        (":unknown", "x"),
        (":status", "200"),
    ] {
        let outcome = exchange(&bench, &headers(&[change]));
        assert!(!is_ok(&outcome), "{change:?}");
        assert!(!outcome.frames.is_empty(), "{change:?}: no answer");
        assert_eq!(
            bench.upstream.requests().len(),
            bench.admitted,
            "{change:?}"
        );
        bench.is_well(&format!("{change:?}"));
    }
    bench.conclude();
}

#[test]
fn pseudo_headers_missing_twice_or_late() {
    let mut bench = Bench::new();
    let all = headers(&[]);
    for missing in [":method", ":scheme", ":path", "authorization"] {
        let some: Vec<_> = all
            .iter()
            .filter(|(name, _)| name != missing)
            .cloned()
            .collect();
        assert!(!is_ok(&exchange(&bench, &some)), "without {missing}");
    }
    for twice in [
        ":method",
        ":scheme",
        ":path",
        ":authority",
        "authorization",
        "host",
    ] {
        let mut more = all.clone();
        let value = all
            .iter()
            .find(|(name, _)| name == twice)
            .map_or("gw", |(_, v)| v.as_str());
        more.insert(0, (twice.to_owned(), value.to_owned()));
        if twice == "host" {
            more.rotate_left(1);
            more.push((twice.to_owned(), "evil".to_owned()));
        }
        assert!(!is_ok(&exchange(&bench, &more)), "{twice} twice");
    }
    let mut late = all.clone();
    late.rotate_left(1);
    assert!(!is_ok(&exchange(&bench, &late)), ":method after the others");
    bench.is_well("pseudo-headers");
    bench.conclude();
}

#[test]
fn connect_makes_no_tunnel() {
    let mut bench = Bench::new();
    let mut client = Frames::connect(bench.plain.address());
    let basic = ALICE.basic();
    client.send(
        HEADERS,
        END_HEADERS,
        1,
        &frames::literal(&[
            (":method", "CONNECT"),
            (":authority", "evil:80"),
            ("authorization", &basic),
        ]),
    );
    client.send(frames::DATA, 0, 1, b"GET /admin HTTP/1.1\r\n\r\n");
    let outcome = client.read_until(Duration::from_secs(5), |seen| {
        seen.has(GOAWAY) || seen.has(RST_STREAM) || seen.has(HEADERS)
    });
    assert!(!is_ok(&outcome));
    bench.is_well("CONNECT");
    bench.conclude();
}

#[test]
fn a_differing_host_gives_one_host_or_none() {
    let mut bench = Bench::new();
    for host in ["evil", "gw"] {
        let outcome = exchange(&bench, &headers(&[("host", host)]));
        if is_ok(&outcome) {
            bench.admitted += 1;
            let seen = bench.upstream.last();
            assert_allowed(&seen);
            assert_eq!(seen.header("x-forwarded-host"), Some("gw"));
        }
    }
    bench.is_well("host");
    bench.conclude();
}
