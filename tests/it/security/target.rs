//! Class A: request target and path.

use super::Expect::{Admitted, Harmless, Refused, Status};
use super::{Bench, Case, get, request};
use crate::support::ALICE;

fn refused<'a>(targets: impl IntoIterator<Item = &'a str>) -> Vec<Case> {
    targets
        .into_iter()
        .map(|target| Case::get(target, Refused))
        .collect()
}

#[test]
fn dot_segments_raw_and_encoded() {
    let mut cases = refused([
        "/v1/items/../../admin/keys",
        "/v1/./items/1",
        "/v1/items/..",
        "/v1/items/.",
        "/..",
        "/.",
        "/../admin",
        "/v1/items/%2e%2e/%2E%2e/admin/keys",
        "/v1/items/.%2e/admin",
        "/v1/items/%2e.",
        "/v1/items/%2e",
        "/v1/items/%2E%2E",
    ]);
    cases.push(Case::get("/v1/items/...", Admitted("/v1/items/...")));
    cases.push(Case::get("/v1/items/..a", Admitted("/v1/items/..a")));
    cases.push(Case::get("/v1/items/a%2e%2e", Admitted("/v1/items/a..")));
    Bench::new().run(&cases);
}

#[test]
fn slashes_encoded_doubled_and_turned() {
    let mut cases = refused([
        "/v1/items/1%2f..%2f..%2fadmin",
        "/v1/items/1%2Fsecret",
        "/v1%2fitems",
        "//admin/keys",
        "/v1//items/1",
        "/v1/items//1",
        "///v1/items/1",
        "//evil.example/v1/items/1",
        "/v1/items//",
        "/v1/items/1\\..\\..\\admin",
        "/v1/items/1%5c..%5cadmin",
        "/v1/items/1%5C",
        "/\\evil",
    ]);
    cases.push(Case::get("/v1/items/1/", Status(&[403])));
    cases.push(Case::get("/v1/items/a%20b", Admitted("/v1/items/a%20b")));
    Bench::new().run(&cases);
}

#[test]
fn parameters_control_bytes_and_bad_percents() {
    let mut cases = refused([
        "/v1/items/1;a=b",
        "/v1/items/..;/..;/admin",
        "/v1/items;x/1",
        "/v1/items/1%3b..%3b",
        "/v1/items/1%3B",
        "/admin;/keys",
        "/v1/items/1%00",
        "/v1/items/1%0d%0aX:%20y",
        "/v1/items/1%09",
        "/v1/items/1%1f",
        "/v1/items/1%7f",
        "/v1/items/1%7F",
        "/xyz/.%00../abc",
        "/xyz/AAAAA%%0000/abc",
        "/v1/items/%zz",
        "/v1/items/%",
        "/v1/items/1%4",
        "/v1/items/1%4g",
        "/v1/items/%u002e",
        "/v1/items/%2525",
        "/v1/items/1%252e",
        "/v1/items/1%3fadmin=1",
        "/v1/items/1%23admin",
    ]);
    for (name, byte) in [
        ("NUL", 0_u8),
        ("TAB", 9),
        ("0x01", 1),
        ("DEL", 0x7f),
        ("0x80", 0x80),
        ("0xff", 0xff),
    ] {
        let bytes: Vec<u8> = get("/v1/items/1@")
            .into_iter()
            .map(|b| if b == b'@' { byte } else { b })
            .collect();
        cases.push(Case::new(format!("raw {name}"), bytes, Refused));
    }
    cases.push(Case::new("raw UTF-8", get("/v1/items/é"), Refused));
    cases.push(Case::get("/v1/items/%C3%A9", Admitted("/v1/items/%C3%A9")));
    cases.push(Case::get("/v1/items/%c3%a9", Admitted("/v1/items/%C3%A9")));
    cases.push(Case::get("/v1/items/%61", Admitted("/v1/items/a")));
    Bench::new().run(&cases);
}

#[test]
fn forms_of_the_target() {
    let basic = ALICE.basic();
    let bare = |line: &str| format!("{line}\r\nHost: gw\r\nAuthorization: {basic}\r\n\r\n");
    let mut cases: Vec<Case> = [
        "GET http://evil/admin/keys HTTP/1.1",
        "GET http://gw/v1/items/1 HTTP/1.1",
        "GET https://evil:99/admin?q HTTP/1.1",
        "GET evil:80 HTTP/1.1",
        "GET admin HTTP/1.1",
        "GET * HTTP/1.1",
        "OPTIONS */test HTTP/1.1",
        "GET ?x HTTP/1.1",
    ]
    .into_iter()
    .map(|line| Case::new(line, bare(line), Refused))
    .collect();
    let line = "OPTIONS * HTTP/1.1";
    cases.push(Case::new(line, bare(line), Status(&[400, 403])));
    Bench::new().run(&cases);
}

#[test]
fn fragments_go_nowhere() {
    let cases: Vec<Case> = [
        "/v1/items/1#/../../admin",
        "/v1/items/1#x",
        "/v1/items/1?q#z",
        "/#/../admin",
    ]
    .into_iter()
    .map(|target| Case::get(target, Harmless))
    .collect();
    let mut bench = Bench::new();
    for case in &cases {
        let (_, outcome) = bench.send(&case.bytes, super::Way::Whole);
        let reply = outcome.unwrap();
        assert!(
            matches!(reply.status, 200 | 400 | 403),
            "{}: {reply:?}",
            case.name
        );
        bench.admitted += usize::from(reply.status == 200);
    }
    for request in bench.upstream.requests() {
        assert!(!request.target.contains('#') && !request.target.contains("%23"));
    }
    bench.conclude();
}

#[test]
fn a_query_is_opaque() {
    let cases = [
        "/v1/items/1?x=/../admin&y=%00&z=%zz&w=;a?",
        "/v1/items/1?",
        "/v1/items/1??",
        "/v1/items/1?//evil.example/..%2f%5c",
        "/v1/items?_method=DELETE",
    ]
    .map(|target| Case::get(target, Admitted(target)));
    Bench::new().run(&cases);
}

#[test]
fn connect_makes_no_tunnel() {
    let basic = ALICE.basic();
    let mut bench = Bench::new();
    for line in ["CONNECT evil:80", "CONNECT /v1/items/1", "CONNECT gw:80"] {
        let smuggled = String::from_utf8(get("/v1/items/smuggled")).unwrap();
        let bytes =
            format!("{line} HTTP/1.1\r\nHost: gw\r\nAuthorization: {basic}\r\n\r\n{smuggled}");
        let mut client = bench.plain.connect();
        client.send(bytes);
        if let Ok(reply) = client.try_head() {
            assert!(matches!(reply.status, 400 | 405 | 501), "{line}: {reply:?}");
        }
        client.rest();
        bench.is_well(line);
    }
    assert!(
        bench
            .upstream
            .requests()
            .iter()
            .all(|r| r.target == "/v1/items/1")
    );
    bench.conclude();
}

#[test]
fn the_method_is_part_of_the_rule() {
    let long = "M".repeat(40);
    let mut cases: Vec<Case> = ["get", "HEAD", "PROPFIND", "PUT", "DELETE", "Get", &long]
        .into_iter()
        .map(|method| {
            Case::new(
                method,
                request(method, "/v1/items/1", &[]),
                Status(&[403, 405]),
            )
        })
        .collect();
    cases.push(Case::new(
        "TRACE",
        request("TRACE", "/v1/items/1", &[]),
        Status(&[405]),
    ));
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        cases.push(Case::new(
            name,
            request("GET", "/v1/items/1", &[&format!("{name}: DELETE")]),
            Admitted("/v1/items/1"),
        ));
    }
    let mut bench = Bench::new();
    bench.run(&cases);
    for request in bench.upstream.requests() {
        assert!(
            request
                .headers
                .iter()
                .all(|(name, _)| !name.to_ascii_lowercase().contains("method")),
            "{request:?}"
        );
    }
}
