//! Requests over sockets, before the strict recorder: invariants 1 to 4.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

use super::{holds, path};
use crate::security::bench::{Bench, CATALOG, Way};
use crate::security::oracle::assert_allowed;
use crate::support::fixture::{DAVE, Who};
use crate::support::http2::client::Http2;
use crate::support::recorder::{Request, ok};
use crate::support::{ALICE, BOB, CAROL, Gate, Recorder};

/// A request line and header lines as bytes.
pub(super) fn head(method: &str, target: &str, lines: &[String]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into_bytes()
}

pub(super) fn authorization(who: &Who) -> String {
    format!("Authorization: {}", who.basic())
}

pub(super) fn host() -> String {
    "Host: gw".to_owned()
}

/// A gate of the suite's catalogue.
pub(super) fn gate(upstream: &Recorder) -> Gate {
    Gate::builder()
        .before(upstream)
        .catalog(CATALOG)
        .tokens(format!(
            "{}{}{}state = \"disabled\"\n",
            ALICE.token(&["reader", "ws"]),
            BOB.token(&["writer"]),
            CAROL.token(&["reader"]),
        ))
        .section("[limits]\nconnections_per_peer = 10000")
        .start()
}

#[test]
fn admission() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let others = vec![
        Some(BOB),
        Some(CAROL),
        Some(DAVE),
        Some(Who {
            sid: "alice",
            secret: BOB.secret,
        }),
        None,
    ];
    let who = prop_oneof![Just(Some(ALICE)), prop::sample::select(others)];
    let methods = vec!["POST", "HEAD", "DELETE", "get", "PURGE"];
    let method = prop_oneof![Just("GET"), prop::sample::select(methods)];
    let admitted = RefCell::new(0);
    let path = prop_oneof![
        2 => path(),
        1 => Just("/v1/items".to_owned()),
        1 => "/v1/items/[a-z0-9._~-]{1,4}",
    ];
    holds(500, &(who, method, path), |(who, method, path)| {
        let before = upstream.count();
        let mut lines = vec![host()];
        lines.extend(who.as_ref().map(authorization));
        let mut client = gate.connect();
        client.send(head(method, &path, &lines));
        let status = client.try_reply(method).map_or(0, |reply| reply.status);
        let seen = upstream.since(before);
        assert_eq!(status == 200, seen.len() == 1, "{status}, {seen:?}");
        assert!(seen.len() < 2, "{seen:?}");
        for request in &seen {
            assert_allowed(request);
            assert_eq!(request.header("x-auth-sid"), who.map(|who| who.sid));
            assert_eq!(request.method, method);
            *admitted.borrow_mut() += 1;
        }
    });
    assert!(*admitted.borrow() > 20, "hardly anything was admitted");
}

#[test]
fn parity() {
    let bench = RefCell::new(Bench::new());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let lines = Just(vec![
        host(),
        authorization(&ALICE),
        "Accept: */*".to_owned(),
        "X-Auth-Sid: bob".to_owned(),
        "X-Test: 1".to_owned(),
    ]);
    let values = (path(), lines.prop_shuffle(), 1_usize..200);
    holds(120, &values, |(path, lines, cut)| {
        let bench = &mut *bench.borrow_mut();
        let bytes = head("GET", &path, &lines);
        let mut decisions = Vec::new();
        let cut = cut % bytes.len();
        for way in [Way::Whole, Way::Tls, Way::Cut(cut), Way::Behind] {
            let before = bench.upstream.count();
            let (_, outcome) = bench.send(&bytes, way);
            let skipped = usize::from(way == Way::Behind);
            let seen = bench.upstream.since(before + skipped);
            let status = outcome.map_or(0, |reply| reply.status);
            assert_eq!(status == 200, seen.len() == 1, "{way:?}: {status}");
            decisions.push((status, targets(seen)));
        }
        // What no URI can hold, no HTTP/2 client can be made to send.
        let uri = format!("http://gw{path}");
        if path.is_ascii() && !path.contains('#') && uri.parse::<http::Uri>().is_ok() {
            let before = bench.upstream.count();
            let status = runtime.block_on(async {
                let mut client = Http2::connect(bench.plain.address()).await;
                let request = client.request("GET", &path, &ALICE);
                tokio::time::timeout(Duration::from_secs(10), client.exchange(request))
                    .await
                    .expect("an answer in time")
                    .map_or(0, |answer| answer.status)
            });
            let seen = bench.upstream.since(before);
            decisions.push((status, targets(seen)));
        }
        let first = decisions.first().cloned().unwrap();
        assert!(decisions.iter().all(|d| *d == first), "{decisions:?}");
    });
}

fn targets(seen: Vec<Request>) -> Vec<String> {
    seen.iter().for_each(assert_allowed);
    seen.into_iter().map(|request| request.target).collect()
}

#[test]
fn canonical_output() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    let query = "[a-zA-Z0-9/?:@!$&'()*+,;=%._~-]{0,20}";
    let name = "q-[a-z0-9!#$%&'*+^`|~-]{1,10}";
    let fields = prop::collection::vec((name, "[!-~]([ -~]{0,20}[!-~])?"), 0..6);
    let pieces = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5);
    let values = (query, fields, pieces, any::<bool>());
    holds(200, &values, |(query, fields, pieces, chunked)| {
        let target = format!("/v1/items?{query}");
        let body = pieces.concat();
        let mut lines = vec![host(), authorization(&BOB)];
        lines.extend(
            fields
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let mut sent;
        if chunked {
            lines.push("Transfer-Encoding: chunked".to_owned());
            sent = head("POST", &target, &lines);
            for piece in &pieces {
                sent.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                sent.extend(piece);
                sent.extend(b"\r\n");
            }
            sent.extend(b"0\r\n\r\n");
        } else {
            lines.push(format!("Content-Length: {}", body.len()));
            sent = head("POST", &target, &lines);
            sent.extend(&body);
        }
        let before = upstream.count();
        let mut client = gate.connect();
        client.send(&sent);
        assert_eq!(client.reply("POST").status, 200);
        let [seen] = &*upstream.since(before) else {
            panic!("not one request");
        };
        assert_eq!((seen.method.as_str(), &seen.target), ("POST", &target));
        assert_eq!(seen.body, body);
        for (name, _) in &fields {
            let given = fields.iter().filter(|(known, _)| known == name);
            let given: Vec<&str> = given.map(|(_, value)| value.as_str()).collect();
            assert_eq!(seen.all(name), given);
        }
    });
}

/// What a client may send next on one connection.
#[derive(Clone, Copy, Debug)]
enum Next {
    Read,
    Head,
    Write,
    Stranger,
    NotAllowed,
    NotAllowedBody,
    Disabled,
}

impl Next {
    /// The method, the bytes and the status. What is refused has a mark that must not pass.
    fn sent(self, number: usize) -> (&'static str, Vec<u8>, u16) {
        let item = format!("/v1/items/{number}");
        let mark = format!("X-Mark: refused-{number}");
        let body = |who: &Who, target: &str, body: &str, mark: Option<String>| {
            let mut lines = vec![host(), authorization(who)];
            lines.push(format!("Content-Length: {}", body.len()));
            lines.extend(mark);
            [head("POST", target, &lines), body.as_bytes().to_vec()].concat()
        };
        let bare = |method, target: &str, who: Option<&Who>, mark: Option<String>| {
            let mut lines = vec![host()];
            lines.extend(who.map(authorization));
            lines.extend(mark);
            head(method, target, &lines)
        };
        match self {
            Self::Read => ("GET", bare("GET", &item, Some(&ALICE), None), 200),
            Self::Head => ("HEAD", bare("HEAD", &item, Some(&ALICE), Some(mark)), 403),
            Self::Write => {
                let target = format!("/v1/items?{number}");
                (
                    "POST",
                    body(&BOB, &target, "GET /admin HTTP/1.1\r\n\r\n", None),
                    200,
                )
            }
            Self::Stranger => ("GET", bare("GET", &item, None, Some(mark)), 401),
            Self::NotAllowed => ("GET", bare("GET", "/admin", Some(&ALICE), Some(mark)), 403),
            Self::NotAllowedBody => {
                let hidden = format!("GET /v1/items/refused-{number} HTTP/1.1\r\nHost: gw\r\n\r\n");
                ("POST", body(&ALICE, "/v1/items", &hidden, Some(mark)), 403)
            }
            Self::Disabled => ("GET", bare("GET", &item, Some(&CAROL), Some(mark)), 403),
        }
    }
}

#[test]
fn one_in_one_out() {
    let upstream = Recorder::replying(|request| ok(&request.target));
    let gate = gate(&upstream);
    let next = prop::sample::select(vec![
        Next::Read,
        Next::Read,
        Next::Write,
        Next::Head,
        Next::Stranger,
        Next::NotAllowed,
        Next::NotAllowedBody,
        Next::Disabled,
    ]);
    let values = (prop::collection::vec(next, 1..10), any::<u16>());
    holds(150, &values, |(pipeline, cut)| {
        let before = upstream.count();
        let sent: Vec<_> = (0..)
            .zip(&pipeline)
            .map(|(at, next)| next.sent(at))
            .collect();
        let bytes: Vec<u8> = sent
            .iter()
            .flat_map(|(_, bytes, _)| bytes.clone())
            .collect();
        let (first, second) = bytes.split_at(usize::from(cut) % bytes.len());
        let mut client = gate.connect();
        let _ = client.try_send(first);
        let _ = client.try_send(second);
        let mut admitted = 0;
        for (method, _, status) in &sent {
            let Ok(reply) = client.try_reply(method) else {
                panic!("no answer to {method} of {pipeline:?}");
            };
            assert_eq!(reply.status, *status);
            if *status == 200 {
                let seen = upstream.since(before);
                let own = seen.get(admitted).expect("it was seen");
                assert_eq!(reply.body, own.target.as_bytes(), "another's answer");
                admitted += 1;
            } else if reply.header("connection") == Some("close") {
                break;
            }
        }
        assert_eq!(upstream.count() - before, admitted);
    });
    let bytes = upstream.bytes();
    let passed = bytes.windows(8).any(|window| window == b"refused-");
    assert!(!passed, "bytes of a refused request went upstream");
}
