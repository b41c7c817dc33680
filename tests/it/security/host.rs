//! Class B: Host and authority. Where HTTP/2 says both, see [`super::http2`].

use super::bench::Bench;
use super::table::{Case, ITEM, Message, bare, case};
use crate::support::ALICE;

/// Alice's GET with these lines before her credentials.
fn hosts(lines: &[&str]) -> Message {
    let authorization = format!("Authorization: {}", ALICE.basic());
    bare("GET", ITEM, lines.iter().copied()).with([authorization])
}

/// Every number of the class but what is HTTP/2's own.
pub(super) fn cases() -> Vec<Case> {
    vec![
        case(21, "Host count")
            .refused(
                [
                    &["Host: gw", "Host: evil"][..],
                    &["Host: evil", "Host: gw"],
                    &["Host: gw", "Host: gw"],
                    &["Host: gw", "hOsT: gw"],
                    &["Host: gw", "Host:"],
                    &[],
                    &["Host:"],
                    &["Host: "],
                    &["Host: gw, evil"],
                    &["Host: gw evil"],
                    &["Host: gw/evil"],
                    &["Host: gw/"],
                    &["Host: user@gw"],
                    &["Host: @gw"],
                    &["Host: gw?x"],
                    &["Host: gw#x"],
                    &["Host: gw\\evil"],
                    &["Host: gw:x"],
                    &["Host: gw:99999"],
                    &["Host: gw:80:80"],
                    &["Host: gw:-1"],
                    &["Host: :80"],
                    &["Host: http://gw"],
                    &["Host: [::1"],
                    &["Host: ::1"],
                    &["Host: [::1]x"],
                    &["Host: gw<x>"],
                ]
                .map(hosts),
            )
            // A percent-encoded name is a valid one (RFC 3986, 3.2.2), which nobody uses.
            .harmless([hosts(&["Host: g%77"])])
            .alices_item([hosts(&["Host: gw"]), hosts(&["HOST:gw"])]),
        // The gate has no virtual hosts: every spelling lands on the one policy that there is.
        case(25, "host equivalence").alices_item(
            [
                "gw",
                "GW",
                "gw.",
                "gw:443",
                "GW.:443",
                "127.0.0.1:8080",
                "[::1]",
                "[::1]:80",
                "g-w.example.com",
                "localhost",
                "xn--bcher-kva.example",
            ]
            .map(|host| hosts(&[&format!("Host: {host}")])),
        ),
    ]
}

#[test]
fn there_is_one_host_and_one_policy() {
    for request in Bench::new().run(&cases()) {
        // The client's name goes on as what it is; the server is called by its own.
        let forwarded = request.header("x-forwarded-host").unwrap_or_default();
        assert!(!forwarded.is_empty() && !forwarded.contains(',') && !forwarded.contains("evil"));
        assert!(
            request
                .header("host")
                .is_some_and(|host| host.starts_with("127.0.0.1:"))
        );
    }
}
