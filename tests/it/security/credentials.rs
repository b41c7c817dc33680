//! Class C: credentials.

use super::bench::Bench;
use super::table::{Case, ITEM, Message, ask, bare, case, get};
use crate::support::fixture::{DAVE, OPERATOR, basic, digest};
use crate::support::http1::Ask;
use crate::support::{ALICE, BOB, CAROL};

/// A GET with exactly these lines beside Host.
fn with<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Message {
    bare("GET", ITEM, ["Host: gw"]).with(lines)
}

/// A GET with this `Authorization`.
fn authorized(value: &str) -> Message {
    with([format!("Authorization: {value}")])
}

pub(super) fn authorization(value: &str) -> Vec<u8> {
    authorized(value).bytes()
}

/// The base64 of a pair, as it stands behind `Basic`.
fn encoded(pair: &str) -> String {
    basic(pair).split_off(6)
}

/// Every number of the class but what is a matter of bytes or time.
pub(super) fn cases() -> Vec<Case> {
    let (good, bad) = (ALICE.basic(), basic("alice:wrong"));
    let secret = ALICE.secret;
    let huge = |size| basic(&format!("alice:{}", "x".repeat(size)));
    vec![
        case(26, "no credential")
            .answered(
                &[401],
                [
                    with::<String>([]),
                    authorized(""),
                    authorized("Basic"),
                    authorized("Basic "),
                    authorized("Basic Og=="),
                ],
            )
            .alices_item([get(ITEM)]),
        case(27, "two Authorization fields")
            .answered(
                &[400, 401],
                [
                    [&good, &bad],
                    [&bad, &good],
                    [&good, &good],
                    [&good, &String::new()],
                ]
                .map(|[first, second]| {
                    with([
                        format!("Authorization: {first}"),
                        format!("authorization: {second}"),
                    ])
                }),
            )
            .answered(&[400, 401], [authorized(&format!("{good}, {good}"))])
            .alices_item([authorized(&good), with([format!("AUTHORIZATION:{good}")])]),
        base64(),
        case(31, "credential in the wrong place")
            .answered(
                &[401],
                [
                    with([format!("Proxy-Authorization: {good}")]),
                    with([format!("X-Authorization: {good}")]),
                    with([format!("Authorization_: {good}")]),
                    with([format!("X-Forwarded-Authorization: {good}")]),
                    with([format!("Cookie: Authorization={good}")]),
                    authorized(&format!("Bearer {secret}")),
                    authorized(&format!("Bearer {}", encoded(&format!("alice:{secret}")))),
                    authorized(&good.replace("Basic ", "Basic")),
                    authorized(&good.replace("Basic ", "Basic\t")),
                    authorized(&good.replace("Basic ", "Basic,")),
                    authorized(&format!("{good} x")),
                    authorized(&good[6..]),
                    bare(
                        "GET",
                        &format!("{ITEM}?access_token={secret}"),
                        ["Host: gw"],
                    ),
                    bare(
                        "GET",
                        &format!("{ITEM}?authorization={}", &good[6..]),
                        ["Host: gw"],
                    ),
                ],
            )
            .answered(
                &[401],
                [(
                    "in a trailer it comes too late",
                    bare("POST", "/v1/items", ["Host: gw"])
                        .with(["Transfer-Encoding: chunked", "Trailer: Authorization"])
                        .then(&format!("0\r\nAuthorization: {}\r\n\r\n", BOB.basic())),
                )],
            )
            .refused([bare("GET", ITEM, [format!("Host: alice:{secret}@gw")])])
            // The scheme's name is in any case (RFC 9110, 11.1).
            .alices_item(
                ["basic", "BASIC"].map(|scheme| authorized(&good.replace("Basic", scheme))),
            ),
        case(32, "crossed and partial secrets")
            .answered(
                &[401],
                [
                    format!("alice:{}", BOB.secret),
                    format!("bob:{secret}"),
                    format!("alice:{}", &secret[..secret.len() - 1]),
                    format!("alice:{}", &secret[1..]),
                    format!("alice:{secret}x"),
                    format!("alice:{secret} "),
                    format!("alice:{secret}\n"),
                    format!("alice:{secret}\0"),
                    format!("alice\0:{secret}"),
                    format!("Alice:{secret}"),
                    format!(" alice:{secret}"),
                    format!("alice::{secret}"),
                    format!("alice:{}", secret.to_uppercase()),
                    format!("alice:{}", digest(secret)),
                    format!("alice:{}", digest(secret).trim_start_matches("sha256:")),
                    format!("alice:{secret}{}", "j".repeat(72)),
                    format!("alice:{}", secret.repeat(3)),
                    format!(":{secret}"),
                    "alice:".to_owned(),
                    format!("carol:{secret}"),
                    format!("{}:{}", DAVE.sid, DAVE.secret),
                    format!("*:{secret}"),
                ]
                .map(|pair| authorized(&basic(&pair))),
            )
            .answered(&[403], [ask("GET", ITEM, &CAROL), ask("GET", ITEM, &BOB)])
            .alices_item([get(ITEM)]),
        case(35, "huge credential")
            .answered(&[401, 431], [("20 KB", authorized(&huge(20_000)).bytes())])
            .answered(&[401], [authorized(&huge(8_000))])
            .harmless([("60 KB", authorized(&huge(60_000)).bytes())])
            .alices_item([get(ITEM)]),
    ]
}

fn base64() -> Case {
    let good = encoded(&format!("{}:{}", ALICE.sid, ALICE.secret));
    // The pair's length leaves padding, so the last digit has bits that mean nothing.
    assert!(good.ends_with('='), "{good}");
    let digit = good.trim_end_matches('=').len() - 1;
    let mut loose = good.clone().into_bytes();
    loose[digit] += 1;
    let loose = String::from_utf8(loose).unwrap();
    let (first, second) = good.split_at(8);
    case(29, "base64 strictness")
        .answered(
            &[401],
            [
                good.trim_end_matches('=').to_owned(),
                format!("{good}=="),
                format!("{good}="),
                format!("={good}"),
                format!("{first} {second}"),
                format!("{first}={second}"),
                loose,
                "Y".to_owned(),
                "=".to_owned(),
                "====".to_owned(),
                good.replace('=', "%3D"),
                format!("{good}A"),
                format!("\"{good}\""),
                encoded("alice"),
                encoded(""),
                encoded(":"),
                encoded("\u{ff}\u{fe}:\u{fd}"),
                // The URL-safe alphabet, where the standard one has `+` and `/`.
                encoded("alice:~~~???").replace('+', "-").replace('/', "_"),
            ]
            .map(|value| authorized(&format!("Basic {value}"))),
        )
        // RFC 7235 allows more than one space.
        .harmless([authorized(&format!("Basic   {good}"))])
        .alices_item([authorized(&format!("Basic {good}"))])
}

#[test]
fn credentials_count_whole_and_in_one_place() {
    let _ = Bench::new().run(&cases());
}

#[test]
fn a_refusal_says_how_to_come_back() {
    let bench = Bench::new();
    for message in [with::<String>([]), authorized("Basic eDp5")] {
        let mut client = bench.plain.connect();
        client.send(message.bytes());
        let reply = client.reply("GET");
        assert_eq!(reply.status, 401);
        let challenge = reply.header("www-authenticate");
        assert_eq!(
            challenge,
            Some("Basic realm=\"sidgate\", charset=\"UTF-8\"")
        );
    }
    bench.conclude();
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
    let disabled = bench.plain.read_as(&CAROL, ITEM);
    disabled.assert_refused(403, "token_disabled");
    // What was the right auth token until now.
    for (call, who) in [
        ("POST /v1/tokens/bob/reset", &BOB),
        ("DELETE /v1/tokens/alice", &ALICE),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let change = Ask::new(bench.plain.admin_address(), method, path);
        assert!(
            matches!(change.by(&OPERATOR).send().status, 200 | 204),
            "{call}"
        );
        assert_eq!(
            answer(&format!("{}:{}", who.sid, who.secret)),
            expected,
            "{call}"
        );
    }
    bench.conclude();
}

#[test]
fn a_thousand_wrong_tokens_cost_little() {
    let bench = Bench::new();
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
