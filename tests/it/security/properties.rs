//! Random paths: whatever is admitted is allowed, and every way of sending decides alike.

use std::time::Duration;

use proptest::prelude::{Strategy, prop};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::bench::{Bench, Way};
use super::table::get;
use crate::support::ALICE;
use crate::support::http2::client::Http2;

/// Pieces of which paths are made: good ones, and all that has ever fooled a gate.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/",
        "/v1",
        "/items",
        "/v1/items",
        "/v1/items/",
        "/admin",
        "/ws/",
        "a",
        "1",
        "~",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%00",
        "%25",
        "?",
        "%3f",
        "%61",
        "%C3%A9",
        "%",
        "%g1",
        "//",
        "/./",
        "/../",
        "@",
        ":",
        "é",
    ])
}

#[test]
fn what_is_admitted_is_allowed_and_every_way_decides_alike() {
    let mut bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 250,
        failure_persistence: None,
        ..Config::default()
    });
    let paths = prop::collection::vec(piece(), 1..6)
        .prop_map(|pieces| format!("/{}", pieces.concat().trim_start_matches('/')));
    for _ in 0..runner.config().cases {
        let path = paths.new_tree(&mut runner).unwrap().current();
        let mut decisions = Vec::new();
        for way in [Way::Whole, Way::Tls, Way::Cut(20)] {
            let before = bench.upstream.count();
            let (_, outcome) = bench.send(&get(&path).bytes(), way);
            let seen = bench.upstream.since(before);
            bench.admitted += seen.len();
            let status = outcome.map_or(0, |reply| reply.status);
            assert_eq!(status == 200, seen.len() == 1, "{path}: {status}");
            decisions.push((
                status,
                seen.into_iter()
                    .map(|request| request.target)
                    .collect::<Vec<_>>(),
            ));
        }
        // What no URI can hold, no HTTP/2 client can be made to send.
        if path.is_ascii() && format!("http://gw{path}").parse::<http::Uri>().is_ok() {
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
            bench.admitted += seen.len();
            decisions.push((
                status,
                seen.into_iter().map(|request| request.target).collect(),
            ));
        }
        let first = decisions.first().cloned().unwrap();
        assert!(
            decisions.iter().all(|decision| *decision == first),
            "{path}: {decisions:?}"
        );
    }
    bench.conclude();
}
