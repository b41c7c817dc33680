//! curl as the client.

use std::process::Command;
use std::time::Duration;

use crate::support::gate::process;
use crate::support::programs::{have, have_curl_http2};
use crate::support::recorder::ok;
use crate::support::tls::Authority;
use crate::support::{ALICE, BOB, Gate, Recorder, Who};

/// What curl prints for these arguments: `STATUS HTTP-VERSION BODY`.
fn curl(who: &Who, arguments: &[&str]) -> String {
    let output = process::output(
        Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--noproxy",
                "*",
            ])
            .args(["--user", &format!("{}:{}", who.sid, who.secret)])
            .args(["--write-out", " %{http_code} %{http_version}"])
            .args(arguments),
        Duration::from_secs(30),
    );
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curl_over_http1_and_http2_in_the_clear() {
    if !have_curl_http2() {
        return;
    }
    let upstream =
        Recorder::replying(|request| ok(&format!("{} {}", request.method, request.target)));
    let gate = Gate::before(&upstream);
    let url = format!("http://{}/v1/items/7?a=b", gate.address());
    for (option, version) in [
        ("--http1.1", "1.1"),
        // An upgrade from HTTP/1.1 is not taken: the answer is an ordinary one.
        ("--http2", "1.1"),
        ("--http2-prior-knowledge", "2"),
    ] {
        assert_eq!(
            curl(&ALICE, &[option, &url]),
            format!("GET /v1/items/7?a=b 200 {version}"),
            "{option}"
        );
        assert!(curl(&BOB, &[option, &url]).ends_with(&format!(" 403 {version}")));
    }
    for request in upstream.requests() {
        assert_eq!(request.header("upgrade"), None);
        assert_eq!(request.header("http2-settings"), None);
        assert_eq!(request.header("connection"), None);
    }
}

#[test]
fn curl_over_tls_speaks_http2() {
    if !have_curl_http2() {
        return;
    }
    let upstream = Recorder::replying(|request| ok(&request.body.len().to_string()));
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .file("ca.pem", authority.pem())
        .file("upload", vec![b'x'; 3_000_000])
        .start();
    let url = format!("https://localhost:{}/any/upload", gate.address().port());
    let ca = gate.path("ca.pem").display().to_string();
    let upload = format!("@{}", gate.path("upload").display());
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let printed = curl(
            &ALICE,
            &[option, "--cacert", &ca, "--data-binary", &upload, &url],
        );
        // curl expects 100-continue before a body of this size over HTTP/1.1.
        assert_eq!(printed, format!("3000000 200 {version}"), "{option}");
    }
}

#[test]
fn curl_sends_chunks_head_and_path_as_it_is() {
    if !have("curl", &["--version"]) {
        return;
    }
    let upstream = Recorder::ok();
    let gate = Gate::builder()
        .before(&upstream)
        .file("upload", "chunks")
        .start();
    let url = |path: &str| format!("http://{}{path}", gate.address());
    let upload = format!("@{}", gate.path("upload").display());
    let printed = curl(
        &ALICE,
        &[
            "-X",
            "PUT",
            "-H",
            "Transfer-Encoding: chunked",
            "--data-binary",
            &upload,
            &url("/any"),
        ],
    );
    assert_eq!(printed, "ok 200 1.1");
    assert_eq!(upstream.last().body, b"chunks");
    let printed = curl(&ALICE, &["--path-as-is", &url("/v1/items/../items")]);
    assert!(printed.ends_with(" 400 1.1"), "{printed}");
    let printed = curl(&ALICE, &["--head", &url("/ping")]);
    assert!(printed.ends_with(" 200 1.1"), "{printed}");
}
