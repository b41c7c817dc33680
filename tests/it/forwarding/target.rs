//! The canonical path and the opaque query, byte for byte.

use crate::support::{ALICE, Gate, Recorder};

#[test]
fn the_upstream_sees_the_canonical_path_and_the_query_as_it_came() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for (sent, seen) in [
        ("/any/a", "/any/a"),
        ("/any/%61%7E%2D%5f%2E1", "/any/a~-_.1"),
        ("/any/%c3%a9", "/any/%C3%A9"),
        ("/any/a%20b%2Bc%3a", "/any/a%20b%2Bc%3A"),
        (
            "/any/a+b,c:d@e!f$g&h'i(j)k*l=m",
            "/any/a+b,c:d@e!f$g&h'i(j)k*l=m",
        ),
        ("/any/...", "/any/..."),
        ("/any/.a", "/any/.a"),
        ("/any/a.", "/any/a."),
        ("/any/x/", "/any/x/"),
        ("/any?", "/any?"),
        (
            "/any?a=1&b=%zz&c=%2F..%2f&d=/../&e=;&f=a+b&%61=%7e",
            "/any?a=1&b=%zz&c=%2F..%2f&d=/../&e=;&f=a+b&%61=%7e",
        ),
        ("/any?a?b=c//..;x", "/any?a?b=c//..;x"),
        ("/any/%61?%61", "/any/a?%61"),
    ] {
        let reply = gate.read_as(&ALICE, sent);
        assert_eq!(reply.status, 200, "{sent}");
        assert_eq!(upstream.last().target, seen, "{sent}");
    }
}

#[test]
fn a_fragment_goes_no_further() {
    let upstream = Recorder::ok();
    let gate = Gate::before(&upstream);
    for target in [
        "/v1/items/1#/../../admin",
        "/v1/items/1#x",
        "/v1/items/1?q#z",
    ] {
        let reply = gate.read_as(&ALICE, target);
        assert!(matches!(reply.status, 200 | 400), "{target}: {reply:?}");
    }
    for request in upstream.requests() {
        assert!(
            matches!(request.target.as_str(), "/v1/items/1" | "/v1/items/1?q"),
            "{request:?}"
        );
    }
}
