//! The gate's fields and the client's, over sockets: invariants 5 and 6.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

use super::requests::{authorization, gate, head, host};
use super::{holds, piece};
use crate::support::fixture::basic;
use crate::support::{ALICE, BOB, CAROL, Recorder};

/// Fields that are the gate's, and what it says in them; `None` is one that never passes.
const OWNED: [(&str, Option<&str>); 10] = [
    ("x-auth-sid", Some("alice")),
    ("x-auth-scope", Some("reader")),
    ("x-api-version", None),
    ("x-request-id", Some("")),
    ("x-forwarded-for", Some("127.0.0.1")),
    ("x-forwarded-proto", Some("http")),
    ("x-forwarded-host", Some("gw")),
    ("forwarded", None),
    ("x-real-ip", None),
    ("x-original-url", None),
];

/// Lines by which a client might forge an owned field, or have one dropped.
fn forged() -> impl Strategy<Value = Vec<String>> {
    let spelling = prop::collection::vec(
        (
            prop::sample::select(vec!['-', '_', '.', '~']),
            any::<bool>(),
        ),
        20,
    );
    let field = (prop::sample::select(OWNED.to_vec()), spelling);
    let field = field.prop_map(|((name, _), spelling)| {
        let spelt = name
            .chars()
            .zip(spelling)
            .map(|(c, (separator, upper))| match c {
                '-' => separator,
                c if upper => c.to_ascii_uppercase(),
                c => c,
            });
        spelt.collect::<String>()
    });
    let named = prop::collection::vec(field.clone(), 1..4);
    let connection = named.prop_map(|names| format!("Connection: {}", names.join(" , ")));
    let line = prop_oneof![
        3 => field.prop_map(|name| format!("{name}: forged")),
        1 => connection,
    ];
    prop::collection::vec(line, 1..8)
}

#[test]
fn header_ownership() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    holds(250, &forged(), |forged| {
        let before = upstream.count();
        let mut lines = vec![host(), authorization(&ALICE)];
        lines.extend(forged);
        let mut client = gate.connect();
        client.send(head("GET", "/v1/items/1", &lines));
        assert_eq!(client.reply("GET").status, 200);
        let [seen] = &*upstream.since(before) else {
            panic!("not one request");
        };
        for (name, own) in OWNED {
            assert!(!seen.has_alias(name), "{name}: {seen:?}");
            match (seen.all(name).as_slice(), own) {
                ([], None) => {}
                // Its own name for the request, other each time.
                ([id], Some("")) => assert!(id.len() == 32 && *id != "forged"),
                ([value], Some(own)) => assert_eq!(*value, own, "{name}"),
                (all, _) => panic!("{name}: {all:?}"),
            }
        }
        assert!(
            seen.headers.iter().all(|(_, value)| value != "forged"),
            "{seen:?}"
        );
        assert!(seen.all("authorization").is_empty());
    });
}

#[test]
fn more_fields_admit_nothing() {
    let upstream = Recorder::ok();
    let gate = gate(&upstream);
    // No credentials, another's, a disabled token's, no rule: each with more and more fields.
    let refused = prop::sample::select(vec![
        ("GET", "/v1/items", None),
        ("POST", "/v1/items", Some(ALICE.basic())),
        ("GET", "/v1/items", Some(CAROL.basic())),
        ("GET", "/admin", Some(ALICE.basic())),
        (
            "GET",
            "/v1/items",
            Some(basic(&format!("alice:{}", BOB.secret))),
        ),
    ]);
    let more = prop_oneof![
        Just("X-HTTP-Method-Override: GET".to_owned()),
        Just("X-Original-URL: /v1/items".to_owned()),
        Just("X-Forwarded-For: 127.0.0.1".to_owned()),
        Just(format!("Proxy-Authorization: {}", ALICE.basic())),
        Just(format!("X-Authorization: {}", ALICE.basic())),
        Just("Cookie: session=alice".to_owned()),
        Just("Upgrade: websocket".to_owned()),
        Just("Connection: Authorization, Upgrade".to_owned()),
        piece().prop_map(|piece| format!("Referer: http://gw{piece}")),
    ];
    let values = (refused, prop::collection::vec(more, 0..6), forged());
    holds(
        150,
        &values,
        |((method, path, credentials), more, forged)| {
            let mut lines = vec![host()];
            lines.extend(credentials.map(|value| format!("Authorization: {value}")));
            let mut client = gate.connect();
            client.send(head(method, path, &lines));
            let bare = client.reply(method);
            lines.extend(more);
            lines.extend(forged);
            client.send(head(method, path, &lines));
            let reply = client.reply(method);
            assert!(matches!(bare.status, 401 | 403), "{bare:?}");
            assert_eq!((reply.status, reply.code()), (bare.status, bare.code()));
        },
    );
    assert!(upstream.requests().is_empty());
}
