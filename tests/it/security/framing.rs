//! Class E: HTTP/1 framing. What hyper turns into exactly one well-formed request for the
//! upstream, and no second one, is as good as a refusal.

use std::time::Duration;

use super::bench::Bench;
use super::table::{Case, ITEM, Message, Subject, ask, bare, case, get};
use crate::support::{ALICE, BOB};

const ITEMS: &str = "/v1/items";

/// Bob's POST with these lines.
fn post(lines: &[&str]) -> Message {
    ask("POST", ITEMS, &BOB).with(lines.iter().copied())
}

/// The same with these bytes behind its head.
fn posted(lines: &[&str], body: &str) -> Subject {
    let name = format!("{lines:?} {:?}", body.get(..24).unwrap_or(body));
    (name, post(lines).then(body)).into()
}

/// A request that would be allowed, so that only the framing keeps it out: the oracle fails
/// where it is ever seen.
fn hidden() -> String {
    String::from_utf8(get("/v1/items/hidden").bytes()).expect("it is ASCII")
}

/// Every number of the class but what takes many connections.
pub(super) fn cases() -> Vec<Case> {
    [lengths(), vec![chunk_lines()], lines()]
        .into_iter()
        .flatten()
        .collect()
}

const CHUNKED: &str = "Transfer-Encoding: chunked";
const HELLO: &str = "5\r\nhello\r\n0\r\n\r\n";

fn lengths() -> Vec<Case> {
    let behind_end = format!("0\r\n\r\n{}", hidden());
    let long = format!("x{}", hidden());
    vec![
        case(47, "CL + TE")
            .harmless([
                posted(&["Content-Length: 6", CHUNKED], &behind_end),
                posted(&[CHUNKED, "Content-Length: 6"], &behind_end),
                posted(&[CHUNKED, "Content-Length: 0"], &behind_end),
                posted(&["Content-Length: 0", CHUNKED], &behind_end),
                posted(
                    &["content-length: 5", "transfer-encoding: Chunked"],
                    &behind_end,
                ),
                posted(
                    &["Content-Length: 6", "Transfer-Encoding:\tchunked"],
                    &behind_end,
                ),
            ])
            .arrives(ITEMS, "hello", posted(&[CHUNKED], HELLO))
            .arrives(ITEMS, "hello", posted(&["Content-Length: 5"], "hello")),
        case(49, "TE lists")
            .harmless(
                [
                    &["Transfer-Encoding: gzip, chunked"][..],
                    &["Transfer-Encoding: chunked, chunked"],
                    &["Transfer-Encoding: identity", CHUNKED],
                    &[CHUNKED, CHUNKED],
                    &["Transfer-Encoding: chunked, identity"],
                    &["Transfer-Encoding: identity"],
                    &["Transfer-Encoding: xchunked"],
                    &["Transfer-Encoding: \"chunked\""],
                    &["Transfer-Encoding: chunked;x=y"],
                    &["Transfer-Encoding: chunked,"],
                    &["Transfer-Encoding: , chunked"],
                    &["Transfer-Encoding:"],
                    &["Transfer-Encoding: chun\u{212a}ed"],
                    &["Transfer_Encoding: chunked"],
                    &["Transfer-Encoding : chunked"],
                    &["X: y", " Transfer-Encoding: chunked"],
                ]
                .map(|lines| posted(lines, &format!("{HELLO}{}", hidden()))),
            )
            .arrives(
                ITEMS,
                "hello",
                posted(&["Transfer-Encoding: ChUnKeD"], HELLO),
            )
            .arrives(
                ITEMS,
                "hello",
                posted(&["Transfer-Encoding:\tchunked "], HELLO),
            ),
        case(50, "Content-Length forms")
            .refused(
                [
                    "+1",
                    "-1",
                    "0x1",
                    "1, 1",
                    "1, 2",
                    "",
                    " ",
                    "1 1",
                    "1;x",
                    "1.0",
                    "1e0",
                    "18446744073709551616",
                    "1\r\nContent-Length: 2",
                    "2\r\nContent-Length: 1",
                ]
                .map(|value| posted(&[&format!("Content-Length: {value}")], &long)),
            )
            .closed(
                &[400, 413, 431],
                [posted(&["Content-Length: 18446744073709551615"], &long)],
            )
            // Two that agree are one, or none.
            .harmless([
                posted(&["Content-Length: 1\r\nContent-Length: 1"], "x"),
                posted(&["Content-Length: 01"], "x"),
                posted(&["Content_Length: 1"], "x"),
            ])
            .arrives(ITEMS, "x", posted(&["Content-Length: 1"], "x"))
            .arrives(ITEMS, "", posted(&["Content-Length: 0"], "")),
    ]
}

fn chunk_lines() -> Case {
    let spill = format!("1\r\nxZZ0\r\n\r\n{}", hidden());
    let ended_by_lf = format!("1\r\nx\r\n0\n\n{}", hidden());
    let bodies = [
        "1\nx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1\r\rx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "+1\r\nx\r\n0\r\n\r\n",
        "1_0\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "10000000000000001\r\nx\r\n0\r\n\r\n",
        "\r\nx\r\n0\r\n\r\n",
        ";a\r\nx\r\n0\r\n\r\n",
        "g\r\nx\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n0\r\n\r\n",
        "1\r\nx\r\n0\r\nno colon\r\n\r\n",
        &spill,
        &ended_by_lf,
    ];
    case(52, "chunk-size lines")
        .broken(bodies.map(|body| posted(&[CHUNKED], body)))
        .harmless([posted(&[CHUNKED], "1 \r\nx\r\n0\r\n\r\n")])
        .arrives(ITEMS, "x", posted(&[CHUNKED], "1\r\nx\r\n0\r\n\r\n"))
        .arrives(ITEMS, "x", posted(&[CHUNKED], "0001;a=b\r\nx\r\n0\r\n\r\n"))
        .arrives(ITEMS, "hello", posted(&[CHUNKED], HELLO))
}

fn lines() -> Vec<Case> {
    let good = String::from_utf8(get(ITEM).bytes()).expect("it is ASCII");
    let named = |name: &str, line: &str| -> Subject {
        let bytes = good.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
        (name, bytes).into()
    };
    let rest = good.split_once("\r\n").expect("a head").1.to_owned();
    let first = |line: &str| -> Subject { (line, format!("{line}\r\n{rest}")).into() };
    let older = |name: &'static str, message: Message, body: &str| -> Subject {
        let bytes = String::from_utf8(message.then(body)).expect("it is ASCII");
        (name, bytes.replacen("HTTP/1.1", "HTTP/1.0", 1)).into()
    };
    let mut text = get(ITEM).with(["X: a@b"]).bytes();
    text.iter_mut()
        .filter(|byte| **byte == b'@')
        .for_each(|byte| *byte = 0xff);
    vec![
        case(54, "line endings and bytes")
            .harmless([
                ("all LF", good.replace("\r\n", "\n")),
                ("one LF", good.replacen("gw\r\n", "gw\n", 1)),
                ("the last line LF", good.replacen("\r\n\r\n", "\r\n\n", 1)),
            ])
            .harmless([("obs-text", text)])
            .refused([
                named("bare CR", "X: a\rb"),
                named("CR at the end", "X: a\r"),
                named("NUL", "X: a\0b"),
                named("0x01", "X: a\u{1}b"),
                named("DEL", "X: a\u{7f}b"),
                named("obs-fold", "X: a\r\n b"),
                named("obs-fold with a tab", "X: a\r\n\tb"),
                named("a space before the colon", "X-Y : 1"),
                named("a tab before the colon", "X-Y\t: 1"),
                named("no name", ": 1"),
                named("no colon", "X-Y"),
                named("a name with a quote", "X\"Y: 1"),
                named("a name with a slash", "X/Y: 1"),
                named("a name that is not ASCII", "X\u{e9}: 1"),
                named("NUL in a name", "X\0Y: 1"),
            ])
            .refused([(
                "a space before the first header",
                good.replacen("Host", " Host: a\r\nHost", 1),
            )])
            .alices_item([get(ITEM), get(ITEM).with(["X:", "Y: a\tb", "Z:  c "])]),
        case(55, "versions")
            .closed(
                &[400, 505],
                [
                    first("GET /v1/items/1 HTTP/1.2"),
                    first("GET /v1/items/1 HTTP/2.0"),
                    first("GET /v1/items/1 HTTP/3"),
                    first("GET /v1/items/1 HTTP/0.9"),
                    first("GET /v1/items/1 http/1.1"),
                    first("GET /v1/items/1  HTTP/1.1"),
                    first("GET  /v1/items/1 HTTP/1.1"),
                    first(" GET /v1/items/1 HTTP/1.1"),
                    first("GET /v1/items/1 HTTP/1.1 "),
                    first("GET /v1/items/1 HTTP/1.1x"),
                    first("GET /v1/items/1 HTTP/1.10"),
                    first("GET /v1/items/1 HTTP/11"),
                    first("GET\t/v1/items/1\tHTTP/1.1"),
                    first("GET /v1/items/1"),
                    first("GET"),
                    first("/v1/items/1 HTTP/1.1"),
                ],
            )
            .harmless([
                older("1.0 chunked", post(&[CHUNKED]), HELLO),
                older(
                    "1.0 with both framings",
                    post(&["Connection: keep-alive", "Content-Length: 1", CHUNKED]),
                    HELLO,
                ),
                older("1.0", get(ITEM), ""),
                older(
                    "1.0 kept alive",
                    get(ITEM).with(["Connection: keep-alive"]),
                    "",
                ),
                older("1.0 without Host", bare("GET", ITEM, [""; 0]), ""),
            ])
            .alices_item([get(ITEM)]),
        case(56, "refused body then pipelined")
            .answered(
                &[401],
                [
                    bare("POST", ITEMS, ["Host: gw"]).body(&hidden()),
                    bare("POST", "/admin", ["Host: gw"]).body(&hidden()),
                ],
            )
            .answered(&[403], [ask("POST", ITEMS, &ALICE).body(&hidden())])
            .answered(&[403], [ask("POST", "/admin", &BOB).body(&hidden())])
            .answered(
                &[403],
                [(
                    "chunked",
                    ask("POST", ITEMS, &ALICE).with([CHUNKED]).then(&format!(
                        "{:x}\r\n{}\r\n0\r\n\r\n",
                        hidden().len(),
                        hidden()
                    )),
                )],
            )
            .admitted(ITEMS, ask("POST", ITEMS, &BOB).body(&hidden())),
    ]
}

#[test]
fn a_body_has_one_length() {
    for request in Bench::new().run(&lengths()) {
        let length = request.header("content-length");
        let expected = request.body.len().to_string();
        assert!(
            length.is_none_or(|length| length == expected),
            "{request:?}"
        );
        assert!(!request.has_alias("content-length"), "{request:?}");
    }
}

#[test]
fn a_body_that_turns_out_unsound_gets_no_end() {
    for request in Bench::new().run(&[chunk_lines()]) {
        assert!(!request.is_whole || matches!(&request.body[..], b"x" | b"hello" | b""));
    }
}

#[test]
fn a_head_is_read_strictly() {
    let _ = Bench::new().run(&lines());
}

#[test]
fn a_strangers_large_body_is_not_read() {
    let mut bench = Bench::new();
    let size = 64 << 20;
    let mut client = bench.plain.connect().patience(Duration::from_secs(10));
    client.send(format!(
        "POST /v1/items HTTP/1.1\r\nHost: gw\r\nContent-Length: {size}\r\n\r\n"
    ));
    let block = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while sent < size && client.try_send(&block).is_ok() {
        sent += block.len();
        if client.is_done() {
            break;
        }
    }
    assert!(sent < 16 << 20, "{sent} bytes were taken from a stranger");
    bench.is_well("a large body");
    bench.conclude();
}
