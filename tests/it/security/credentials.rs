//! Class C: credentials.

use super::Expect::{Admitted, Status};
use super::{Bench, Case};
use crate::support::fixture::{DAVE, basic, digest};
use crate::support::{ALICE, BOB, CAROL};

/// A GET with exactly these header lines beside Host.
fn with(lines: &[&str]) -> Vec<u8> {
    let mut head = String::from("GET /v1/items/1 HTTP/1.1\r\nHost: gw\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

pub(super) fn authorization(value: &str) -> Vec<u8> {
    with(&[&format!("Authorization: {value}")])
}

#[test]
fn none_two_or_elsewhere() {
    let good = format!("Authorization: {}", ALICE.basic());
    let bad = format!("authorization: {}", basic("alice:wrong"));
    let cases: Vec<Case> = [
        vec![],
        vec![good.as_str(), bad.as_str()],
        vec![bad.as_str(), good.as_str()],
        vec![good.as_str(), good.as_str()],
        vec![&format!("Proxy-{good}")],
        vec![&format!("X-{good}")],
        vec![&format!("Cookie: {good}")],
        vec![&good.replace("Authorization", "Authorization_")],
        vec![&format!("Authorization: Bearer {}", ALICE.secret)],
        vec!["Authorization:"],
        vec!["Authorization: Basic"],
        vec!["Authorization: Basic "],
        vec![&format!("{good}, {}", ALICE.basic())],
        vec![&good.replace("Basic ", "Basic")],
        vec![&good.replace("Basic ", "Basic\t")],
        vec![&format!("{good} x")],
    ]
    .into_iter()
    .map(|lines| Case::new(format!("{lines:?}"), with(&lines), Status(&[400, 401])))
    .collect();
    let mut bench = Bench::new();
    bench.run(&cases);
    let in_query = format!("/v1/items/1?access_token={}", ALICE.secret);
    let reply = bench.plain.ask("GET", &in_query).send();
    reply.assert_refused(401, "missing_credentials");
    // In a trailer it comes too late.
    let mut client = bench.plain.connect();
    client.send(format!(
        "POST /v1/items HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\
         Trailer: Authorization\r\n\r\n0\r\nAuthorization: {}\r\n\r\n",
        BOB.basic()
    ));
    client
        .reply("POST")
        .assert_refused(401, "missing_credentials");
    bench.conclude();
}

#[test]
fn one_spelling_of_base64() {
    let pair = |text: &str| basic(text).split_off(6);
    let good = pair(&format!("{}:{}", ALICE.sid, ALICE.secret));
    // The pair's length leaves padding, so the last digit has bits that mean nothing.
    assert!(good.ends_with('='), "{good}");
    let digit = good.trim_end_matches('=').len() - 1;
    let mut loose = good.clone().into_bytes();
    loose[digit] += 1;
    let loose = String::from_utf8(loose).unwrap();
    let mut cases: Vec<Case> = [
        good.trim_end_matches('=').to_owned(),
        format!("{good}=="),
        format!("{good}="),
        format!("{} {}", &good[..8], &good[8..]),
        loose,
        "Y".to_owned(),
        "=".to_owned(),
        "====".to_owned(),
        good.replace('=', "%3D"),
        format!("{good}A"),
        pair("alice"),
        pair(""),
        pair(":"),
    ]
    .into_iter()
    .map(|value| {
        Case::new(
            value.clone(),
            authorization(&format!("Basic {value}")),
            Status(&[401]),
        )
    })
    .collect();
    cases.push(Case::new(
        "good",
        authorization(&format!("Basic {good}")),
        Admitted("/v1/items/1"),
    ));
    let spaces = authorization(&format!("Basic   {good}"));
    cases.push(Case::new(
        "RFC 7235 allows more than one space",
        spaces,
        super::Expect::Harmless,
    ));
    Bench::new().run(&cases);
}

#[test]
fn crossed_and_partial_secrets() {
    let hash = digest(ALICE.secret);
    let cases: Vec<Case> = [
        format!("alice:{}", BOB.secret),
        format!("bob:{}", ALICE.secret),
        format!("alice:{}", &ALICE.secret[..ALICE.secret.len() - 1]),
        format!("alice:{}x", ALICE.secret),
        format!("alice:{} ", ALICE.secret),
        format!("alice:{}\0", ALICE.secret),
        format!("alice\0:{}", ALICE.secret),
        format!("Alice:{}", ALICE.secret),
        format!(" alice:{}", ALICE.secret),
        format!("alice:{hash}"),
        format!("alice:{}", hash.trim_start_matches("sha256:")),
        format!("alice:{}{}", ALICE.secret, "j".repeat(72)),
        format!(":{}", ALICE.secret),
        "alice:".to_owned(),
        format!("carol:{}", ALICE.secret),
        format!("{}:{}", DAVE.sid, DAVE.secret),
    ]
    .into_iter()
    .map(|pair| Case::new(pair.clone(), authorization(&basic(&pair)), Status(&[401])))
    .collect();
    Bench::new().run(&cases);
}

#[test]
fn refusals_are_uniform() {
    let bench = Bench::new();
    let answer = |pair: &str| {
        let mut client = bench.plain.connect();
        client.send(authorization(&basic(pair)));
        let reply = client.reply("GET");
        let id = reply.header("x-request-id").unwrap().to_owned();
        let date = reply.header("date").unwrap_or("no date").to_owned();
        let all = format!("{}{}", reply.raw, reply.text());
        // The connection's fate is the same too.
        client.send(authorization(&basic(pair)));
        (
            all.replace(&id, "ID").replace(&date, "DATE"),
            client.reply("GET").status,
        )
    };
    let expected = answer("nobody:x");
    for pair in ["alice:x", "bob:x", "carol:x", "dave:x"] {
        assert_eq!(answer(pair), expected, "{pair}");
    }
    let disabled = bench.plain.read_as(&CAROL, "/v1/items/1");
    disabled.assert_refused(403, "token_disabled");
}

#[test]
fn a_huge_credential_costs_little() {
    let mut bench = Bench::new();
    let huge = authorization(&basic(&format!("alice:{}", "x".repeat(20_000))));
    bench.run(&[
        Case::new("20 KB", huge, Status(&[401, 431])),
        Case::new(
            "60 KB",
            authorization(&basic(&format!("alice:{}", "x".repeat(60_000)))),
            super::Expect::Harmless,
        ),
    ]);
    let resident = bench.plain.resident();
    let mut client = bench.plain.connect();
    for number in 0..1000 {
        client.send(authorization(&basic(&format!("alice:wrong-{number}"))));
        assert_eq!(client.reply("GET").status, 401);
    }
    let growth = bench.plain.resident().saturating_sub(resident);
    assert!(
        growth < 4 << 20,
        "a thousand wrong tokens left {growth} bytes"
    );
    bench.conclude();
}
