//! What is refused before credentials and body are looked at.

use std::io::Write;

use crate::support::{ADMINISTRATOR, basic, read, start};

#[test]
fn a_foreign_host_is_misdirected() {
    let admin = start();
    let port = admin.address().port();
    for host in [
        "localhost",
        "127.0.0.1",
        &format!("127.0.0.1:{port}"),
        "[::1]:1",
        "ops.example",
    ] {
        let reply = admin.send("GET /healthz", &[&format!("Host: {host}")], b"");
        assert_eq!(reply.status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1"] {
        let reply = admin.send("GET /healthz", &[&format!("Host: {host}")], b"");
        reply.is_problem(421, "foreign_host");
    }
    admin
        .send("GET /healthz", &[], b"")
        .is_problem(400, "bad_host");
    let two = ["Host: localhost", "Host: localhost"];
    admin
        .send("GET /healthz", &two, b"")
        .is_problem(400, "bad_host");
}

#[test]
fn what_a_page_sends_is_refused() {
    let admin = start();
    for header in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        let reply = admin.ask(ADMINISTRATOR, "GET /v1/status", &[header], b"");
        reply.is_problem(403, "cross_site");
    }
    let reply = admin.ask(
        ADMINISTRATOR,
        "GET /v1/status",
        &["Sec-Fetch-Site: none"],
        b"",
    );
    assert_eq!(reply.status, 200);
}

/// The body never comes, and the answer does.
#[test]
fn the_walls_do_not_wait_for_a_body() {
    let admin = start();
    let json = "Content-Type: application/json";
    for (header, content_type, status, code) in [
        ("Host: evil.example", json, 421, "foreign_host"),
        ("Host: localhost\r\nOrigin: null", json, 403, "cross_site"),
        (
            "Host: localhost",
            "Content-Type: text/plain",
            415,
            "unsupported_media_type",
        ),
        (
            "Host: localhost",
            "Accept: */*",
            415,
            "unsupported_media_type",
        ),
        ("Host: localhost", json, 401, "missing_credentials"),
    ] {
        let mut stream = admin.connect();
        let head = format!(
            "POST /v1/explain HTTP/1.1\r\n{header}\r\n{content_type}\r\nContent-Length: 99\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        read(&mut stream, false).is_problem(status, code);
    }
}

#[test]
fn only_a_path_is_a_target() {
    let admin = start();
    let authorization = format!("Authorization: {}", basic(ADMINISTRATOR.0, ADMINISTRATOR.1));
    for target in [
        "http://evil.example/v1/status",
        "http://localhost/v1/status",
        "*",
    ] {
        let reply = admin.send(
            &format!("GET {target}"),
            &["Host: localhost", &authorization],
            b"",
        );
        reply.is_problem(400, "bad_request_target");
    }
    for path in [
        "//v1/status",
        "/v1//status",
        "/v1/./status",
        "/v1/tokens/a%2fb",
    ] {
        admin
            .get(ADMINISTRATOR, path)
            .is_problem(400, "bad_request_target");
    }
    for path in ["/v1/status/", "/v1/Status", "/"] {
        admin.get(ADMINISTRATOR, path).is_problem(404, "not_found");
    }
    assert_eq!(admin.get(ADMINISTRATOR, "/v1/%73tatus").status, 200);
}
