//! Class B: Host and authority.

use super::Expect::{Admitted, Harmless, Refused};
use super::{Bench, Case};
use crate::support::ALICE;

fn with_hosts(lines: &[&str]) -> Vec<u8> {
    let mut head = format!(
        "GET /v1/items/1 HTTP/1.1\r\nAuthorization: {}\r\n",
        ALICE.basic()
    );
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

#[test]
fn exactly_one_valid_host() {
    let cases: Vec<Case> = [
        vec!["Host: gw", "Host: evil"],
        vec!["Host: gw", "Host: gw"],
        vec!["Host: gw", "hOsT: gw"],
        vec![],
        vec!["Host:"],
        vec!["Host: gw, evil"],
        vec!["Host: gw evil"],
        vec!["Host: gw/evil"],
        vec!["Host: user@gw"],
        vec!["Host: gw?x"],
        vec!["Host: gw#x"],
        vec!["Host: gw\\evil"],
        vec!["Host: gw:x"],
        vec!["Host: gw:99999"],
        vec!["Host: http://gw"],
        vec!["Host: g%77"],
        vec!["Host: [::1"],
    ]
    .into_iter()
    .map(|lines| {
        // A percent-encoded name is a valid reg-name of RFC 3986, which nobody uses.
        let expect = if lines == ["Host: g%77"] {
            Harmless
        } else {
            Refused
        };
        Case::new(format!("{lines:?}"), with_hosts(&lines), expect)
    })
    .collect();
    Bench::new().run(&cases);
}

#[test]
fn every_spelling_of_a_host_lands_on_one_policy() {
    let cases: Vec<Case> = [
        "gw",
        "GW",
        "gw.",
        "gw:443",
        "GW.:443",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "g-w.example.com",
    ]
    .into_iter()
    .map(|host| {
        Case::new(
            host,
            with_hosts(&[&format!("Host: {host}")]),
            Admitted("/v1/items/1"),
        )
    })
    .collect();
    Bench::new().run(&cases);
}
