//! Class F, 60: frames that are malformed or out of place, section by section of RFC 9113
//! and RFC 7541. Each is answered as the section says, and others are served.

use std::time::Duration;

use super::bench::Bench;
use crate::support::http2::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, PING,
    PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, literal,
};

const PADDED: u8 = 8;

// RFC 9113 section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// What a section asks for.
#[derive(Debug)]
enum Expect {
    /// The connection's end, or at least that of the stream, for one of these reasons or for
    /// the general one, `PROTOCOL_ERROR`.
    Error(&'static [u32]),
    /// Nothing: the connection goes on.
    Ignored,
}

use Expect::{Error, Ignored};

type Row = (&'static str, Vec<u8>, Expect);

/// A request's header block; it has no credentials, so that none of them is admitted.
fn block() -> Vec<u8> {
    literal(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gw"),
        (":path", "/v1/items/1"),
    ])
}

/// A whole request on a stream.
fn ask(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block())
}

/// A request whose body is still to come.
fn open(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(
        SETTINGS,
        0,
        0,
        &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat(),
    )
}

/// A header block that begins well and ends like this.
fn headers(rest: &[u8]) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &[&block(), rest].concat(),
    )
}

fn framing() -> Vec<Row> {
    let window = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    vec![
        ("4.1 an unknown type", frame(0x16, 0, 0, b"x"), Ignored),
        (
            "4.1 an unknown flag",
            frame(PING, 0x7e, 0, &[0; 8]),
            Ignored,
        ),
        (
            "4.2 DATA over 16 KiB",
            [open(1), frame(DATA, 0, 1, &[0; 16_385])].concat(),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "4.2 HEADERS over 16 KiB",
            frame(HEADERS, END_HEADERS, 1, &[0; 16_385]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "5.1 DATA before HEADERS",
            frame(DATA, END_STREAM, 1, b"x"),
            Error(&[]),
        ),
        (
            "5.1 RST_STREAM before HEADERS",
            frame(RST_STREAM, 0, 1, &[0; 4]),
            Error(&[]),
        ),
        ("5.1 WINDOW_UPDATE before HEADERS", window(1, 1), Error(&[])),
        (
            "5.1 CONTINUATION before HEADERS",
            frame(CONTINUATION, END_HEADERS, 1, &block()),
            Error(&[]),
        ),
        (
            "5.1 DATA after the end",
            [ask(1), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Error(&[STREAM_CLOSED]),
        ),
        (
            "5.1 HEADERS after the end",
            [ask(1), ask(1)].concat(),
            Error(&[STREAM_CLOSED]),
        ),
        ("5.1.1 an even stream", ask(2), Error(&[])),
        (
            "5.1.1 a stream below another",
            [ask(5), ask(3)].concat(),
            Error(&[STREAM_CLOSED]),
        ),
        (
            "5.5 an unknown frame within a block",
            [
                frame(HEADERS, END_STREAM, 1, &block()),
                frame(0x16, 0, 0, b"x"),
            ]
            .concat(),
            Error(&[]),
        ),
        ("6.1 DATA on stream 0", frame(DATA, 0, 0, b"x"), Error(&[])),
        (
            "6.1 more padding than frame",
            [open(1), frame(DATA, PADDED, 1, &[9, 0])].concat(),
            Error(&[]),
        ),
        ("6.2 HEADERS on stream 0", ask(0), Error(&[])),
        (
            "6.2 more padding than frame",
            frame(HEADERS, END_HEADERS | PADDED, 1, &[200, 0]),
            Error(&[]),
        ),
        (
            "6.2 PING within a block",
            [
                frame(HEADERS, END_STREAM, 1, &block()),
                frame(PING, 0, 0, &[0; 8]),
            ]
            .concat(),
            Error(&[]),
        ),
        (
            "6.2 another's HEADERS within a block",
            [frame(HEADERS, END_STREAM, 1, &block()), ask(3)].concat(),
            Error(&[]),
        ),
        (
            "6.3 PRIORITY on stream 0",
            frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 9]),
            Error(&[]),
        ),
        (
            "6.3 PRIORITY of four bytes",
            frame(PRIORITY, 0, 1, &[0; 4]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "6.4 RST_STREAM on stream 0",
            frame(RST_STREAM, 0, 0, &[0; 4]),
            Error(&[]),
        ),
        (
            "6.4 RST_STREAM of three bytes",
            [open(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "6.5 an acknowledgement with content",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "6.5 SETTINGS on a stream",
            frame(SETTINGS, 0, 1, &[]),
            Error(&[]),
        ),
        (
            "6.5 SETTINGS of five bytes",
            frame(SETTINGS, 0, 0, &[0; 5]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        ("6.5.2 ENABLE_PUSH of 2", setting(2, 2), Error(&[])),
        (
            "6.5.2 a window of 2^31",
            setting(4, 1 << 31),
            Error(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "6.5.2 frames of 16,383 bytes",
            setting(5, 16_383),
            Error(&[]),
        ),
        (
            "6.5.2 frames of 2^24 bytes",
            setting(5, 1 << 24),
            Error(&[]),
        ),
        ("6.5.2 an unknown setting", setting(0xff, 1), Ignored),
        (
            "6.6 PUSH_PROMISE",
            [
                open(1),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2][..], &block()].concat(),
                ),
            ]
            .concat(),
            Error(&[]),
        ),
        (
            "6.7 PING on a stream",
            frame(PING, 0, 1, &[0; 8]),
            Error(&[]),
        ),
        (
            "6.7 PING of seven bytes",
            frame(PING, 0, 0, &[0; 7]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "6.7 an answer to no PING",
            frame(PING, ACK, 0, &[7; 8]),
            Ignored,
        ),
        (
            "6.8 GOAWAY on a stream",
            frame(GOAWAY, 0, 1, &[0; 8]),
            Error(&[]),
        ),
        ("6.9 a window by nothing", window(0, 0), Error(&[])),
        (
            "6.9 a stream's window by nothing",
            [open(1), window(1, 0)].concat(),
            Error(&[]),
        ),
        (
            "6.9 WINDOW_UPDATE of three bytes",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            Error(&[FRAME_SIZE_ERROR]),
        ),
        (
            "6.9.1 a window over 2^31",
            window(0, 0x7fff_ffff).repeat(2),
            Error(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "6.10 CONTINUATION behind a whole block",
            [ask(1), frame(CONTINUATION, END_HEADERS, 1, &block())].concat(),
            Error(&[]),
        ),
        (
            "6.10 CONTINUATION of another stream",
            [
                frame(HEADERS, END_STREAM, 1, &block()),
                frame(CONTINUATION, END_HEADERS, 3, &[]),
            ]
            .concat(),
            Error(&[]),
        ),
    ]
}

/// RFC 7541: a block that cannot be decoded.
fn compression() -> Vec<Row> {
    [
        ("2.3.3 an index beyond both tables", &[0xff, 0x80, 0x01][..]),
        (
            "4.2 a table larger than was agreed on",
            &[0x3f, 0xe2, 0x1f, 0x82],
        ),
        (
            "5.1 an integer without end",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("5.2 a text beyond the block", &[0x00, 0x01, b'x', 0x7e]),
        (
            "5.2 padding of a whole byte",
            &[0x00, 0x01, b'x', 0x83, 0xe7, 0xff, 0xff],
        ),
        ("5.2 padding of zeros", &[0x00, 0x01, b'x', 0x81, 0x00]),
        (
            "5.2 the end of a text, encoded",
            &[0x00, 0x01, b'x', 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        ("6.1 index 0", &[0x80]),
    ]
    .map(|(name, rest)| (name, headers(rest), Error(&[COMPRESSION_ERROR])))
    .into()
}

/// The reason of the last error that came.
fn error(outcome: &Outcome) -> Option<u32> {
    let reset = outcome
        .frames
        .iter()
        .rev()
        .find(|frame| frame.kind == RST_STREAM);
    let code = reset.and_then(|frame| frame.payload.first_chunk::<4>());
    outcome
        .goaway()
        .or_else(|| code.map(|code| u32::from_be_bytes(*code)))
}

#[test]
fn frames_out_of_place_are_refused() {
    let mut bench = Bench::new();
    let mark = *b"are you?";
    for (name, bytes, expect) in framing().into_iter().chain(compression()) {
        let mut client = Frames::connect(bench.plain.address());
        client.raw(&bytes);
        client.send(PING, 0, 0, &mark);
        let is_mark = |seen: &Outcome| {
            seen.frames
                .iter()
                .any(|f| f.kind == PING && f.flags & ACK != 0 && f.payload == mark)
        };
        let outcome = client.read_until(Duration::from_secs(10), |seen| {
            seen.has(GOAWAY) || is_mark(seen)
        });
        let found = error(&outcome);
        match expect {
            Error(codes) => assert!(
                found.is_some_and(|code| code == PROTOCOL_ERROR || codes.contains(&code)),
                "{name}: {found:?}, not of {codes:?}"
            ),
            Ignored => assert!(found.is_none() && is_mark(&outcome), "{name}: {outcome:?}"),
        }
        bench.is_well(name);
    }
    bench.conclude();
}

#[test]
fn a_bad_preface_ends_the_connection() {
    let mut bench = Bench::new();
    for (name, preface) in [
        (
            "a wrong last byte",
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\0"[..],
        ),
        ("another version", b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"),
        ("a request within it", b"PRI * HTTP/2.0\r\nHost: gw\r\n\r\n"),
        (
            "HTTP/1.1 behind it",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /v1/items/hidden HTTP/1.1\r\n\r\n",
        ),
    ] {
        let mut client = Frames::silent(bench.plain.address());
        client.raw(preface);
        let outcome = client.read_until(Duration::from_secs(20), |seen| seen.has(GOAWAY));
        assert!(outcome.closed || outcome.has(GOAWAY), "{name}: {outcome:?}");
        bench.is_well(name);
    }
    bench.conclude();
}
