//! A running sidgate with an admin API on a Unix socket, and one connection to it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use sidgate::{app, config};
use tempfile::TempDir;

use crate::scratch;

const MAIN: &str = r#"
[proxy]
listen = ["127.0.0.1:0"]
workers = 1
[[upstream]]
name = "default"
servers = ["http://127.0.0.1:1"]
[files]
catalog = "catalog.toml"
tokens = "tokens.toml"
[admin]
listen = "unix:admin.sock"
audit = "off"
[[admin.operator]]
name = "ops"
role = "administrator"
digest = "sha256:32323cfa9ec9d62750daad0836a4cf3d7b60d23723b7852a529667deed01669f"
[access_log]
output = "off"
"#;

const CATALOG: &str = r#"
[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"
[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
allow = ["GET /v1/items", "GET /v1/items/{id}"]
[[category.scope]]
id = "items:write"
allow = ["POST /v1/items"]
"#;

const TOKENS: &str = r#"# The token that is changed again and again.
[[token]]
sid = "subject"
name = "Subject"
api_version = "1"
digest = "sha256:5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
"#;

/// `ops` and `ops-secret`.
const OPERATOR: &str = "Basic b3BzOm9wcy1zZWNyZXQ=";

/// How long a start or an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The admin API.
pub(super) struct Bench {
    files: TempDir,
    connection: UnixStream,
}

/// An answer of it.
pub(super) struct Answer {
    pub(super) status: u16,
    body: Vec<u8>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let files = scratch::directory();
        let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text);
        write("catalog.toml", CATALOG).expect("written");
        write("tokens.toml", TOKENS).expect("written");
        write("sidgate.toml", MAIN).expect("written");
        let config = config::load(&files.path().join("sidgate.toml")).expect("a good main file");
        std::thread::spawn(move || {
            let ended = app::run(config, std::future::pending());
            panic!("the admin API ended: {ended:?}");
        });
        let connection = connect(files.path().join("admin.sock"));
        Self { files, connection }
    }

    /// Sends a request and reads its answer.
    pub(super) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Answer {
        let media = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {OPERATOR}\r\n\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.connection
            .write_all(&[head.as_bytes(), body].concat())
            .expect("it reads");
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
        loop {
            let read = match self.connection.read(&mut buffer) {
                // libFuzzer's clock is a signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("an answer in time"),
            };
            assert!(
                read > 0,
                "the connection ended: {}",
                String::from_utf8_lossy(&bytes)
            );
            bytes.extend_from_slice(&buffer[..read]);
            if let Some(answer) = Answer::read(&bytes) {
                return answer;
            }
        }
    }

    /// # Panics
    /// Where the token file does not say what was answered.
    pub(super) fn assert_stored(&self, token: &Map<String, Value>) {
        let text = std::fs::read_to_string(self.files.path().join("tokens.toml")).expect("read");
        let document: toml::Table = text.parse().expect("TOML");
        let tokens = document["token"].as_array().expect("tables");
        let stored = tokens
            .iter()
            .find(|stored| stored["sid"].as_str() == token["sid"].as_str());
        let stored = stored.expect("an answered change is on disk");
        for key in ["name", "description", "primary_contact"] {
            let stored = stored
                .get(key)
                .map_or("", |value| value.as_str().expect("a string"));
            assert_eq!(token[key], stored, "{key}");
        }
    }
}

fn connect(path: PathBuf) -> UnixStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(&path) {
            Ok(connection) => {
                connection
                    .set_read_timeout(Some(PATIENCE))
                    .expect("a timeout");
                return connection;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Answer {
    /// Reads an answer with a length; `None` where it is not all there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {head:?}"));
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, length)| length.parse().expect("a number"));
        let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
        Some(Self { status, body })
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer is UTF-8")
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The token of the answer, without the time of its last change.
    pub(super) fn token(&self) -> Map<String, Value> {
        let mut token = self.json().as_object().expect("an object").clone();
        token.remove("updated_at");
        token
    }

    /// # Panics
    /// Where a refusal has not the form of one.
    pub(super) fn assert_problem(&self) {
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(
            problem["code"].is_string() && problem["title"].is_string(),
            "{self:?}"
        );
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}
