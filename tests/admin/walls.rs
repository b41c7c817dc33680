//! What is refused before credentials and body are looked at.

use std::io::Write;
use std::net::TcpListener;

use serde_json::json;

use crate::support::{ADMINISTRATOR, Admin, Reply, Who, basic, create, read, start};

const JSON: &str = "Content-Type: application/json";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// What a page can make a browser say, and what a name that was bound anew looks like: the
/// lines in place of a sound Host and content type, and the answer.
const WALLS: [(&[&str], u16, &str); 34] = [
    (&["Host: evil.example", JSON], 421, "foreign_host"),
    (&["Host: evil.example:8081", JSON], 421, "foreign_host"),
    (&["Host: localhost.evil.example", JSON], 421, "foreign_host"),
    (&["Host: 127.0.0.1.evil.example", JSON], 421, "foreign_host"),
    (&["Host: 127.0.0.1.nip.example", JSON], 421, "foreign_host"),
    (&["Host: xlocalhost", JSON], 421, "foreign_host"),
    (&["Host: ops.example.evil", JSON], 421, "foreign_host"),
    (&["Host: x.ops.example", JSON], 421, "foreign_host"),
    (&["Host: 0.0.0.0", JSON], 421, "foreign_host"),
    (&["Host: 10.0.0.1", JSON], 421, "foreign_host"),
    (&["Host: [::2]", JSON], 421, "foreign_host"),
    (&["Host: 2130706433", JSON], 421, "foreign_host"),
    (&["Host: 0177.0.0.1", JSON], 421, "foreign_host"),
    (&[JSON], 400, "bad_host"),
    (&["Host:", JSON], 400, "bad_host"),
    (
        &["Host: localhost", "Host: localhost", JSON],
        400,
        "bad_host",
    ),
    (
        &["Host: localhost", "Host: evil.example", JSON],
        400,
        "bad_host",
    ),
    (&["Host: ops@localhost", JSON], 400, "bad_host"),
    (&["Host: localhost/x", JSON], 400, "bad_host"),
    (&["Host: localhost, evil.example", JSON], 400, "bad_host"),
    (
        &["Host: localhost", "Origin: http://evil.example", JSON],
        403,
        "cross_site",
    ),
    (
        &["Host: localhost", "Origin: http://localhost", JSON],
        403,
        "cross_site",
    ),
    (
        &["Host: localhost", "Origin: null", JSON],
        403,
        "cross_site",
    ),
    (&["Host: localhost", "Origin:", JSON], 403, "cross_site"),
    (
        &["Host: localhost", "Sec-Fetch-Site: cross-site", JSON],
        403,
        "cross_site",
    ),
    (
        &["Host: localhost", "Sec-Fetch-Site: same-site", JSON],
        403,
        "cross_site",
    ),
    (
        &["Host: localhost", "Sec-Fetch-Site: NONE", JSON],
        403,
        "cross_site",
    ),
    (
        &[
            "Host: localhost",
            "Sec-Fetch-Site: none",
            "Sec-Fetch-Site: cross-site",
            JSON,
        ],
        403,
        "cross_site",
    ),
    (
        &["Host: localhost", "Content-Type: text/plain"],
        415,
        "unsupported_media_type",
    ),
    (&["Host: localhost", FORM], 415, "unsupported_media_type"),
    (
        &[
            "Host: localhost",
            "Content-Type: multipart/form-data; boundary=x",
        ],
        415,
        "unsupported_media_type",
    ),
    (
        &[
            "Host: localhost",
            "Content-Type: text/plain; application/json",
        ],
        415,
        "unsupported_media_type",
    ),
    (
        &["Host: localhost", JSON, "Content-Type: text/plain"],
        415,
        "unsupported_media_type",
    ),
    (&["Host: localhost"], 415, "unsupported_media_type"),
];

/// Calls that change something, of a token of this SID, each with a body.
fn changes(sid: &str) -> Vec<String> {
    let mut all = vec!["POST /v1/tokens".to_owned()];
    all.extend(["PATCH", "DELETE"].map(|method| format!("{method} /v1/tokens/{sid}")));
    let calls = [
        "duplicate",
        "reset",
        "upgrade",
        "disable",
        "enable",
        "reveal",
    ];
    all.extend(calls.map(|call| format!("POST /v1/tokens/{sid}/{call}")));
    all
}

/// All that there is to change, and the file of it.
fn state(admin: &Admin) -> (Reply, Vec<u8>) {
    let mut tokens = admin.get(ADMINISTRATOR, "/v1/tokens");
    tokens.headers.clear();
    (
        tokens,
        std::fs::read(admin.dir.path().join("tokens.toml")).unwrap(),
    )
}

fn authorization(who: Who) -> String {
    format!("Authorization: {}", basic(who.0, who.1))
}

#[test]
fn nothing_is_changed_by_what_a_page_sends() {
    let admin = start();
    let sid = create(&admin, &json!({ "name": "kept" }));
    let before = state(&admin);
    let credentials = authorization(ADMINISTRATOR);
    for (lines, status, code) in WALLS {
        for call in changes(&sid) {
            let all = [lines, &[credentials.as_str()]].concat();
            let reply = admin.send(&call, &all, b"{\"name\":\"changed\"}");
            assert_eq!(reply.status, status, "{call} {lines:?}");
            reply.is_problem(status, code);
        }
        // What is read is walled too, but for the type of a body that is not there.
        if status != 415 {
            let all = [lines, &[credentials.as_str()]].concat();
            admin
                .send("GET /v1/tokens", &all, b"")
                .is_problem(status, code);
        }
    }
    assert_eq!(state(&admin), before);
}

#[test]
fn who_asks_by_a_sound_name_is_answered() {
    let admin = start();
    let port = admin.address().port();
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        &format!("127.0.0.1:{port}"),
        "[::1]:1",
        "ops.example",
    ] {
        let reply = admin.send("GET /healthz", &[&format!("Host: {host}")], b"");
        assert_eq!(reply.status, 200, "{host}");
    }
    for line in [
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Site: same-origin",
        "Referer: http://x/",
    ] {
        let reply = admin.ask(ADMINISTRATOR, "GET /v1/status", &[line], b"");
        assert_eq!(reply.status, 200, "{line}");
    }
}

/// A link, an image or a form can make a browser send these, and so can a proxy's retry.
#[test]
fn a_method_that_reads_changes_nothing() {
    let admin = start();
    let sid = create(&admin, &json!({ "name": "kept" }));
    let before = state(&admin);
    for call in changes(&sid) {
        let (method, path) = call.split_once(' ').unwrap();
        for safe in ["GET", "HEAD", "OPTIONS"] {
            let overriding = format!("X-HTTP-Method-Override: {method}");
            for start in [
                format!("{safe} {path}"),
                format!("{safe} {path}?_method={method}"),
            ] {
                let lines = [
                    "Host: localhost",
                    &authorization(ADMINISTRATOR),
                    &overriding,
                ];
                let reply = admin.send(&start, &lines, b"");
                assert!(
                    matches!(reply.status, 200 | 404 | 405 | 422),
                    "{start}: {}",
                    reply.status
                );
            }
        }
    }
    assert_eq!(state(&admin), before);
}

#[test]
fn a_token_is_no_operator() {
    let admin = start();
    let fields = json!({ "name": "a client's", "scopes": ["ads:read", "ads:write"] });
    let made = admin
        .json(ADMINISTRATOR, "POST /v1/tokens", &fields)
        .value();
    let (sid, secret) = (
        made["sid"].as_str().unwrap(),
        made["auth_token"].as_str().unwrap(),
    );
    let (_, before) = state(&admin);
    let reads = [
        "/v1/tokens",
        "/v1/status",
        "/v1/catalog",
        "/v1/audit",
        "/metrics",
        "/openapi.json",
    ];
    let calls = changes(sid)
        .into_iter()
        .chain(reads.map(|path| format!("GET {path}")));
    for call in calls {
        // As itself, under an operator's name, and with an operator's secret under its own.
        for (name, word) in [(sid, secret), ("ada", secret), (sid, ADMINISTRATOR.1)] {
            let credentials = format!("Authorization: {}", basic(name, word));
            let body: &[u8] = if call.starts_with("GET") { b"" } else { b"{}" };
            let reply = admin.send(&call, &["Host: localhost", JSON, &credentials], body);
            assert!(
                matches!(reply.status, 401 | 429),
                "{call}: {}",
                reply.status
            );
        }
    }
    // So many guesses are throttled, and the operator with them: the file tells.
    let file = std::fs::read(admin.dir.path().join("tokens.toml")).unwrap();
    assert_eq!(file, before);
}

/// A body that names a server, a file or a command is refused, and nothing is fetched.
#[test]
fn nothing_that_a_body_names_is_fetched() {
    let admin = start();
    let decoy = TcpListener::bind("127.0.0.1:0").unwrap();
    decoy.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", decoy.local_addr().unwrap());
    let before = state(&admin);
    for key in [
        "url", "upstream", "servers", "catalog", "tokens", "file", "include", "digest", "sid",
        "$ref",
    ] {
        let body = json!({ "name": "x", key: url });
        let reply = admin.json(ADMINISTRATOR, "POST /v1/tokens", &body);
        assert!(matches!(reply.status, 400 | 422), "{key}: {}", reply.status);
    }
    // Where a text is taken, it is a text.
    let sid = create(&admin, &json!({ "name": "x", "description": url }));
    let reply = admin.json(
        ADMINISTRATOR,
        &format!("PATCH /v1/tokens/{sid}"),
        &json!({ "name": url }),
    );
    assert_eq!(reply.status, 200);
    assert_ne!(state(&admin), before);
    assert!(decoy.accept().is_err(), "a URL of the body was asked");
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
