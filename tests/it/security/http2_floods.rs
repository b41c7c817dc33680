//! Class F: floods of HTTP/2 frames. The connection ends or the cost is bounded, and
//! others are served.

use std::time::{Duration, Instant};

use super::bench::Bench;
use crate::support::ALICE;
use crate::support::http2::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, literal,
};

/// RFC 9113 section 7.
const ENHANCE_YOUR_CALM: u32 = 11;

fn block(path: &str) -> Vec<u8> {
    literal(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gw"),
        (":path", path),
        ("authorization", &ALICE.basic()),
    ])
}

#[test]
fn rapid_resets_end_the_connection() {
    let mut bench = Bench::new();
    let mut client = Frames::connect(bench.plain.address());
    let block = block("/v1/items/reset");
    for number in 0..2_000_u32 {
        let stream = 2 * number + 1;
        let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        if !client.raw(&bytes) {
            break;
        }
    }
    let outcome = client.read_until(Duration::from_secs(10), |seen| seen.has(GOAWAY));
    assert!(
        outcome.closed || outcome.goaway() == Some(ENHANCE_YOUR_CALM),
        "{:?}",
        outcome.goaway()
    );
    let asked = bench.upstream.requests().len();
    assert!(asked < 1_000, "{asked} requests went upstream");
    bench.is_well("rapid resets");
    bench.reconcile();
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let bench = Bench::new();
    let flood = |size: usize| {
        let mut client = Frames::connect(bench.plain.address());
        client.send(HEADERS, END_STREAM, 1, &block("/v1/items/1"));
        let filler = vec![0; size];
        for _ in 0..10_000 {
            if !client.send(CONTINUATION, 0, 1, &filler) {
                break;
            }
        }
        let outcome = client.read_until(Duration::from_secs(10), |seen| seen.has(GOAWAY));
        assert!(outcome.closed || outcome.has(GOAWAY), "{size}");
    };
    // What the first ones cost each worker is not given back, and is all there is.
    for _ in 0..8 {
        flood(1);
        flood(16_000);
    }
    let resident = bench.plain.resident();
    for _ in 0..8 {
        flood(1);
        flood(16_000);
    }
    let growth = bench.plain.resident().saturating_sub(resident);
    assert!(growth < 1 << 20, "grew by {growth}");
}

#[test]
fn references_to_one_header_are_bounded() {
    let mut bench = Bench::new();
    let resident = bench.plain.resident();
    // A window of zero holds every answer; one entry in the table is named over and over.
    let mut client = Frames::connect_with(bench.plain.address(), &[(4, 0)]);
    let mut head = block("/v1/items/1");
    // Literal with incremental indexing, new name `a`, empty value: entry 62 from now on.
    head.extend_from_slice(&[0x40, 1, b'a', 0]);
    head.extend(std::iter::repeat_n(0x80 | 62, 16_000 - head.len()));
    for number in 0..100_u32 {
        if !client.send(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head) {
            break;
        }
    }
    let outcome = client.read_until(Duration::from_secs(3), |seen| seen.has(GOAWAY));
    assert!(outcome.closed || !outcome.frames.is_empty());
    let growth = bench.plain.resident().saturating_sub(resident);
    assert!(growth < 16 << 20, "grew by {growth}");
    assert_eq!(bench.upstream.requests().len(), 0);
    bench.is_well("references");
}

#[test]
fn control_frames_are_bounded() {
    let mut bench = Bench::new();
    let resident = bench.plain.resident();
    for (name, bytes) in [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        (
            "WINDOW_UPDATE",
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        ),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 7])),
        ("empty DATA", frame(DATA, 0, 1, &[])),
    ] {
        let mut client = Frames::connect(bench.plain.address());
        if name == "empty DATA" {
            let head = literal(&[
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "gw"),
                (":path", "/v1/items"),
                ("authorization", &crate::support::BOB.basic()),
            ]);
            client.send(HEADERS, END_HEADERS, 1, &head);
        }
        let flood = bytes.repeat(1_000);
        let began = Instant::now();
        // Nothing is read meanwhile: a peer that answers without bound would fill up.
        for _ in 0..50 {
            if !client.raw(&flood) || began.elapsed() > Duration::from_secs(5) {
                break;
            }
        }
        bench.is_well(name);
        drop(client);
    }
    let growth = bench.plain.resident().saturating_sub(resident);
    assert!(growth < 16 << 20, "grew by {growth}");
    // Once they are gone, so is the work.
    let spent = bench.plain.processor_time();
    std::thread::sleep(Duration::from_millis(300));
    let spent = bench.plain.processor_time() - spent;
    assert!(spent < Duration::from_millis(150), "still busy: {spent:?}");
}

#[test]
fn streams_of_a_connection_are_bounded() {
    let bench = Bench::new();
    let mut client = Frames::connect(bench.plain.address());
    let outcome = client.read_until(Duration::from_secs(5), |seen| seen.has(SETTINGS));
    let settings = outcome
        .frames
        .iter()
        .find(|f| f.kind == SETTINGS && f.flags & frames::ACK == 0);
    let payload = &settings.expect("the gate's settings").payload;
    let most = payload
        .chunks_exact(6)
        .find(|setting| setting.starts_with(&[0, 3]))
        .map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]));
    assert_eq!(most, Some(100));
}
