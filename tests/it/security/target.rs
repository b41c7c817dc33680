//! Class A: request target and path.

use super::bench::Bench;
use super::table::{Case, ITEM, Message, Subject, ask, case, get};
use crate::support::ALICE;

/// Every number of the class.
pub(super) fn cases() -> Vec<Case> {
    [paths(), encodings(), forms()]
        .into_iter()
        .flatten()
        .collect()
}

fn paths() -> Vec<Case> {
    vec![
        case(1, "raw dot segments")
            .refused([
                "/v1/items/../../admin/keys",
                "/v1/./items/1",
                "/v1/items/..",
                "/v1/items/.",
                "/..",
                "/.",
                "/./",
                "/../admin",
                "/../../v1/items/1",
                "/v1/items/1/..",
                "/v1/items/../items/1",
                "/v1/items/..?x",
            ])
            .unchanged(["/v1/items/...", "/v1/items/..a", "/v1/items/.1", ITEM]),
        case(2, "encoded dot segments")
            .refused([
                "/v1/items/%2e%2e/%2E%2e/admin/keys",
                "/v1/items/.%2e/admin",
                "/v1/items/%2e.",
                "/v1/items/%2e",
                "/v1/items/%2E%2E",
                "/%2e%2e/v1/items/1",
                "/v1/%2e/items/1",
                "/v1/items/%2e%2e?%2e",
            ])
            .admitted("/v1/items/a..", "/v1/items/a%2e%2e")
            .admitted("/v1/items/...", "/v1/items/%2e%2e%2e"),
        case(3, "encoded slash")
            .refused([
                "/v1/items/1%2f..%2f..%2fadmin",
                "/v1/items/1%2Fsecret",
                "/v1/items/%2f",
                "/v1%2fitems",
                "/v1%2Fitems%2F1",
                "/%2fv1/items/1",
                "/v1/items/1%2f",
            ])
            .unchanged([ITEM, "/v1/items/a%20b"]),
        case(5, "empty segments")
            .refused([
                "//admin/keys",
                "/v1//items/1",
                "/v1/items//1",
                "///v1/items/1",
                "//evil.example/v1/items/1",
                "/v1/items//",
                "/v1/items/1//",
                "//",
                "//v1/items/1?x=//y",
            ])
            // A trailing slash makes another path, which no rule names.
            .answered(&[403], ["/v1/items/1/", "/v1/items/", "/"])
            .unchanged([ITEM, "/v1/items/1?x=//y"]),
        case(7, "matrix parameters")
            .refused([
                "/v1/items/1;a=b",
                "/v1/items/..;/..;/admin",
                "/v1/items;x/1",
                "/v1/items/1%3b..%3b",
                "/v1/items/1%3B",
                "/admin;/keys",
                "/;/v1/items/1",
                "/v1/items/;",
                "/v1/items/1;",
                "/v1/items/%3bjsessionid=1",
            ])
            .unchanged(["/v1/items/1,a=b", "/v1/items/1?a;b"]),
        case(8, "backslash")
            .refused([
                "/v1/items/1\\..\\..\\admin",
                "/v1/items/1%5c..%5cadmin",
                "/v1/items/1%5C",
                "/\\evil",
                "\\v1\\items\\1",
                "/v1\\items\\1",
                "/v1/items/\\",
                "/%5c/evil",
            ])
            .unchanged(["/v1/items/1%7C2", "/v1/items/1?a=\\b"]),
    ]
}

/// A GET of an item whose last byte is this one.
fn raw(name: &str, byte: u8) -> Subject {
    let bytes: Vec<u8> = get("/v1/items/1@")
        .bytes()
        .into_iter()
        .map(|b| if b == b'@' { byte } else { b })
        .collect();
    (format!("raw {name}"), bytes).into()
}

fn encodings() -> Vec<Case> {
    vec![
        case(9, "control bytes")
            .refused([
                "/v1/items/1%00",
                "/v1/items/%00",
                "/v1/items/1%0d%0aX:%20y",
                "/v1/items/1%0A",
                "/v1/items/1%09",
                "/v1/items/1%1f",
                "/v1/items/1%7f",
                "/v1/items/1%7F",
                "/xyz/.%00../abc",
                "/xyz/AAAAA%%0000/abc",
                "/v1/items%00/1",
                "/v1/items/é",
            ])
            .refused([
                raw("NUL", 0),
                raw("0x01", 1),
                raw("TAB", 9),
                raw("VT", 0x0b),
                raw("ESC", 0x1b),
                raw("DEL", 0x7f),
                raw("0x80", 0x80),
                raw("0xff", 0xff),
            ])
            // An encoded space at the end is a byte like others, and stays one.
            .unchanged(["/v1/items/1%20", "/v1/items/%C3%A9", "/v1/items/1%80"]),
        case(11, "malformed percent")
            .refused([
                "/v1/items/%zz",
                "/v1/items/%",
                "/v1/items/1%4",
                "/v1/items/1%4g",
                "/v1/items/%u002e",
                "/v1/items/%%2e",
                "/v1/items/1%%34",
                "/v1/items/%2525",
                "/v1/items/1%252e",
                "/v1/items/%+1",
                "/v1/items/%2",
                "/v1/items/1%?x",
            ])
            .admitted("/v1/items/a", "/v1/items/%61")
            .admitted("/v1/items/%C3%A9", "/v1/items/%c3%a9")
            .unchanged(["/v1/items/1?x=%zz&y=%"]),
        // What stands before `#` is another path, which is judged.
        case(12, "fragment")
            .harmless([
                "/v1/items/1#/../../admin",
                "/v1/items/1#x",
                "/v1/items/1#",
                "/v1/items/1?q#z",
                "/#/../admin",
                "/v1/items#/1",
                "/v1/items/#/1",
                "#/v1/items/1",
            ])
            .refused(["/v1/items/1%23admin", "/v1/items/%23"])
            .unchanged([ITEM]),
        case(18, "query is opaque")
            .unchanged([
                "/v1/items/1?x=/../admin&y=%00&z=%zz&w=;a?",
                "/v1/items/1?",
                "/v1/items/1??",
                "/v1/items/1?//evil.example/..%2f%5c",
                "/v1/items?_method=DELETE",
                "/v1/items?/admin",
                "/v1/items/1?a=b&a=c&&=",
                "/v1/items?x=%2E%2e&y=a+b",
            ])
            .harmless(["/v1/items/1?x=/../admin&y=%00&z=%zz&w=;a#?"])
            .refused(["/v1/items/1%3fadmin=1", "/v1/items%3F", "/v1/items/1%3Fx?y"])
            // Over HTTP/2 the HTTP library puts the `/` there that it lacks.
            .harmless(["?/v1/items/1"]),
    ]
}

fn forms() -> Vec<Case> {
    let line = |line: &str| {
        let (method, rest) = line.split_once(' ').expect("a method");
        ask(method, rest, &ALICE)
    };
    let lines = |all: &[&str]| all.iter().map(|text| line(text)).collect::<Vec<Message>>();
    let behind = |text: &str| {
        let bytes = line(text).then(&String::from_utf8_lossy(&get("/v1/items/hidden").bytes()));
        (format!("{text}, and a request in the same write"), bytes)
    };
    let long = "M".repeat(40);
    vec![
        case(14, "absolute-form")
            .refused(lines(&[
                "GET http://evil/admin/keys",
                "GET http://gw/v1/items/1",
                "GET https://evil:99/admin?q",
                "GET HTTP://gw/v1/items/1",
                "GET ftp://gw/v1/items/1",
                "GET http:/v1/items/1",
                "GET http://gw",
                "GET http://alice:x@gw/v1/items/1",
                "GET unix:/v1/items/1",
            ]))
            .unchanged(["/v1/items/http:1", "/v1/items/1?u=http://gw/"]),
        case(16, "odd targets")
            .refused(lines(&[
                "GET evil:80",
                "GET admin",
                "GET *",
                "GET */",
                "GET v1/items/1",
                "OPTIONS */test",
                "GET .",
                "GET @gw/v1/items/1",
                "GET :80",
            ]))
            .answered(&[400, 403], lines(&["OPTIONS *", "OPTIONS /"]))
            .unchanged([ITEM, "/v1/items/*"]),
        case(17, "CONNECT")
            .closed(
                &[400, 405, 501],
                lines(&[
                    "CONNECT evil:80",
                    "CONNECT gw:80",
                    "CONNECT /v1/items/1",
                    "CONNECT 127.0.0.1:1",
                    "CONNECT *",
                ]),
            )
            .closed(
                &[400, 405, 501],
                [behind("CONNECT evil:80"), behind("CONNECT /v1/items/1")],
            )
            .unchanged(["/v1/items/CONNECT"]),
        case(20, "method")
            .answered(
                &[403, 405],
                [
                    "get", "Get", "HEAD", "PROPFIND", "PUT", "DELETE", "PATCH", "OPTIONS", &long,
                ]
                .map(|method| ask(method, ITEM, &ALICE)),
            )
            .answered(&[403], [ask("POST", "/v1/items", &ALICE).body("x")])
            .closed(&[405], [ask("TRACE", ITEM, &ALICE)])
            .closed(
                &[400],
                ["GE T", "G@T(", "GET\t", "\"GET\""].map(|method| {
                    let bytes = get(ITEM).bytes().split_off(3);
                    (method, [method.as_bytes(), &bytes].concat())
                }),
            )
            .alices_item(
                [
                    "X-HTTP-Method-Override",
                    "X-HTTP-Method",
                    "X-Method-Override",
                    "X_HTTP_Method_Override",
                ]
                .map(|name| get(ITEM).with([format!("{name}: DELETE")])),
            )
            .admitted("/v1/items?_method=DELETE", "/v1/items?_method=DELETE"),
    ]
}

#[test]
fn paths_mean_one_thing() {
    Bench::new().run(&paths());
}

#[test]
fn encodings_mean_one_thing() {
    for request in Bench::new().run(&encodings()) {
        let path = request.path();
        assert!(
            !request.target.contains('#') && !path.contains("%23"),
            "{request:?}"
        );
    }
}

#[test]
fn only_a_path_is_a_target_and_the_method_counts() {
    for request in Bench::new().run(&forms()) {
        let names = request
            .headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase());
        assert!(
            !names.into_iter().any(|name| name.contains("method")),
            "{request:?}"
        );
    }
}
