//! Class F: HTTP/2, what is smuggled and what is malformed; and what of other classes only
//! HTTP/2 can say.

use std::time::Duration;

use super::bench::{BEHIND, Bench};
use super::table::{Case, Fields, ITEM, case, get};
use crate::support::ALICE;
use crate::support::http2::frames::{
    self, END_HEADERS, Frames, GOAWAY, HEADERS, RST_STREAM, literal,
};

/// A good request's fields, with those of the same name replaced and others added.
fn with(changes: &[(&str, &str)]) -> Fields {
    let mut all = good();
    for (name, value) in changes {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(field) => field.1 = (*value).to_owned(),
            None => all.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    Fields(all)
}

/// A good request's fields, with this one once more at a place.
fn again(at: usize, name: &str, value: &str) -> Fields {
    let mut all = good();
    all.insert(at, (name.to_owned(), value.to_owned()));
    Fields(all)
}

/// A good request's fields without this one.
fn without(name: &str) -> Fields {
    Fields(
        good()
            .into_iter()
            .filter(|(known, _)| known != name)
            .collect(),
    )
}

fn good() -> Vec<(String, String)> {
    get(ITEM).fields().expect("it has a Host")
}

/// Every number that a list of fields can say.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(23, "h2 :authority differs from host")
            .refused([
                with(&[("host", "evil")]),
                again(0, ":authority", "evil"),
                again(4, "host", "evil"),
                Fields(
                    [
                        good(),
                        vec![("host".into(), "gw".into()), ("host".into(), "gw".into())],
                    ]
                    .concat(),
                ),
            ])
            .harmless([with(&[("host", "GW")])])
            .alices_item([with(&[("host", "gw")])]),
        case(61, "smuggled bytes")
            .refused(
                [
                    ("x", "a\r\nx-auth-sid: bob"),
                    ("x", "a\nb"),
                    ("x", "a\rb"),
                    ("x", "a\0b"),
                    ("x", "a\u{7f}b"),
                    ("x\r\ny", "a"),
                    ("x\ny", "a"),
                    ("x\0y", "a"),
                    ("x:y", "a"),
                    ("x y", "a"),
                    ("X-Upper", "a"),
                    ("x\u{e9}", "a"),
                    ("", "a"),
                    ("transfer-encoding", "chunked"),
                    ("connection", "x-auth-sid"),
                    ("upgrade", "h2c"),
                    ("keep-alive", "x"),
                    ("proxy-connection", "x"),
                    ("te", "gzip"),
                    ("content-length", "5"),
                    ("content-length", "-1"),
                    ("content-length", "x"),
                ]
                .map(|change| with(&[change])),
            )
            .alices_item([
                with(&[("te", "trailers")]),
                with(&[("x", "a\tb")]),
                with(&[("content-length", "0")]),
            ]),
        case(62, "pseudo-header junk")
            .refused(
                [
                    (":method", "GET /admin HTTP/1.1"),
                    (":method", "GET?"),
                    (":method", "GET\r\n"),
                    (":method", ""),
                    (":scheme", "http://evil/?"),
                    (":scheme", "h ttp"),
                    (":path", "admin"),
                    (":path", "/a b"),
                    (":path", "/v1/items/1\r\nx: y"),
                    (":path", ""),
                    (":path", "*"),
                    (":path", "http://evil/"),
                    (":path", "http://gw/v1/items/1"),
                    (":path", "/v1/items/\\..\\admin"),
                    (":path", "/v1/items/../admin"),
                    (":path", "//v1/items"),
                    (":authority", "gw@evil"),
                    (":authority", "gw/evil"),
                    (":authority", "gw evil"),
                    (":authority", ""),
                    (":unknown", "x"),
                    (":status", "200"),
                    (":protocol", "websocket"),
                ]
                .map(|change| with(&[change])),
            )
            .refused([":method", ":scheme", ":path", ":authority"].map(without))
            .refused([
                again(0, ":method", "GET"),
                again(1, ":scheme", "http"),
                again(3, ":path", ITEM),
                again(3, ":path", "/admin"),
                again(5, ":path", ITEM),
            ])
            .refused([Fields(good().into_iter().rev().collect())])
            .harmless([(":scheme", "ftp"), (":scheme", "https")].map(|change| with(&[change])))
            .answered(&[400, 401], [again(4, "authorization", &ALICE.basic())])
            .answered(&[401], [without("authorization")])
            .alices_item([with(&[])]),
    ]
}

#[test]
fn what_is_malformed_goes_nowhere() {
    for request in Bench::new().run(&cases()) {
        assert!(
            [ITEM, BEHIND].contains(&request.target.as_str()),
            "{request:?}"
        );
        assert!(
            request
                .header("x-forwarded-host")
                .is_some_and(|host| host.eq_ignore_ascii_case("gw"))
        );
    }
}

/// CONNECT has no path over HTTP/2 (RFC 9113 section 8.5). Its stream would be the tunnel.
#[test]
fn connect_makes_no_tunnel() {
    let mut bench = Bench::new();
    let basic = ALICE.basic();
    let credentials = ("authorization", basic.as_str());
    for fields in [
        vec![
            (":method", "CONNECT"),
            (":authority", "evil:80"),
            credentials,
        ],
        vec![(":method", "CONNECT"), (":authority", "gw"), credentials],
        vec![
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/ws/1"),
            (":authority", "gw"),
            credentials,
        ],
    ] {
        let mut client = Frames::connect(bench.plain.address());
        client.send(HEADERS, END_HEADERS, 1, &literal(&fields));
        client.send(frames::DATA, 0, 1, b"GET /admin HTTP/1.1\r\n\r\n");
        let outcome = client.read_until(Duration::from_secs(10), |seen| {
            seen.has(GOAWAY) || seen.has(RST_STREAM) || seen.has(HEADERS)
        });
        let status = outcome.status(1);
        assert!(
            status.is_none_or(|status| matches!(status, 400 | 405 | 501)),
            "{status:?}"
        );
        assert!(status.is_some() || outcome.is_over(1), "{outcome:?}");
        bench.is_well("CONNECT");
    }
    bench.conclude();
}
