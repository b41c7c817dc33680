//! The suites' own tools, tried on each other: what cannot fail proves nothing.

use std::panic::catch_unwind;
use std::time::Duration;

use http::Response;

use super::http1::{Ask, Client};
use super::http2::client::{Http2, full};
use super::http2::frames::{END_STREAM, Frames};
use super::http2::run;
use super::http2::upstream::Http2Upstream;
use super::recorder::{Recorder, ok};
use super::{ALICE, eventually};

#[test]
fn a_client_and_a_recorder_understand_each_other() {
    let upstream = Recorder::replying(|request| ok(&format!("{} bytes", request.body.len())));
    let mut client = Client::tcp(upstream.address());
    client.send(
        Ask::new(upstream.address(), "POST", "/a?b")
            .body("five!")
            .bytes(),
    );
    assert_eq!(client.reply("POST").text(), "5 bytes");
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n");
    assert_eq!(client.reply("POST").text(), "3 bytes");
    let requests = upstream.requests();
    assert_eq!(requests[0].target, "/a?b");
    assert_eq!(requests[1].trailers, [("X-T".to_owned(), "1".to_owned())]);
    assert_eq!((upstream.connections(), upstream.open()), (1, 1));
    drop(client);
    eventually("the end is noticed", Duration::from_secs(5), || {
        (upstream.open() == 0).then_some(())
    });
}

#[test]
fn a_recorder_does_not_let_an_unsound_request_pass() {
    for bytes in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let upstream = Recorder::ok();
        let mut client = Client::tcp(upstream.address());
        client.send(bytes);
        client.rest();
        let looked = catch_unwind(std::panic::AssertUnwindSafe(|| upstream.requests()));
        assert!(looked.is_err(), "{bytes:?}");
    }
}

#[test]
fn frames_and_a_client_and_an_upstream_speak_http2() {
    let upstream = Http2Upstream::start(None, |asked| Response::new(full(asked.body.clone())));
    let address = upstream
        .url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    run(async {
        let mut client = Http2::connect(address).await;
        let request = client.request("POST", "/x", &ALICE).map(|_| full("echo"));
        let answer = client.exchange(request).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"echo"[..]));
    });
    let mut frames = Frames::connect(address);
    frames.ask(
        1,
        &[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", "/y"),
        ],
    );
    let outcome = frames.read_until(Duration::from_secs(10), |seen| {
        seen.frames
            .iter()
            .any(|frame| frame.stream == 1 && frame.flags & END_STREAM != 0)
    });
    assert!(!outcome.closed, "{outcome:?}");
    let asked = upstream.asked();
    assert_eq!(asked[0].uri.path(), "/x");
    assert_eq!(asked[1].uri.path(), "/y");
}
