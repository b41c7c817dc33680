//! The commands as a user types them: what they print, where, and their exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

#[path = "cli/catalog.rs"]
mod catalog;

const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const PATIENCE: Duration = Duration::from_secs(30);

fn sidgate(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sidgate"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing has closed its end already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_level_has_help_and_wrong_usage_is_2() {
    for command in [
        &[][..],
        &["serve"],
        &["check"],
        &["demo"],
        &["digest"],
        &["catalog"],
        &["catalog", "import"],
    ] {
        let out = sidgate(&[command, &["--help"]].concat(), b"");
        assert_eq!(out.status.code(), Some(0), "{command:?}");
        assert!(text(&out.stdout).contains("Usage: sidgate"), "{command:?}");
        let out = sidgate(&[command, &["--no-such-flag"]].concat(), b"");
        assert_eq!(out.status.code(), Some(2), "{command:?}");
    }
    let version = sidgate(&["--version"], b"");
    assert_eq!(
        text(&version.stdout),
        concat!("sidgate ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(sidgate(&[], b"").status.code(), Some(2));
}

#[test]
fn digest_prints_the_digest_alone() {
    for input in [&b"abc"[..], b"abc\n", b"abc\r\n"] {
        let out = sidgate(&["digest"], input);
        assert_eq!(text(&out.stdout), format!("{DIGEST}\n"));
        assert!(out.stderr.is_empty() && out.status.success());
    }
    for input in [&b""[..], b"\n", b"a\nb", &[b'x'; 1025]] {
        let out = sidgate(&["digest"], input);
        assert_eq!(out.status.code(), Some(1));
        assert!(out.stdout.is_empty());
        assert!(text(&out.stderr).starts_with("sidgate: the secret "));
    }
}

#[test]
fn digest_can_use_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let out = sidgate(
        &["digest", "--hmac-key-file", key.to_str().unwrap()],
        b"abc",
    );
    // As `openssl dgst -sha256 -hmac KEY` says it.
    assert_eq!(
        text(&out.stdout),
        "hmac-sha256:a60c859a6827c5ea576a48d8d368672fbfe4667c6a927428284a0cb3859cc1d6\n"
    );
    fs::write(&key, "short\n").unwrap();
    let out = sidgate(
        &["digest", "--hmac-key-file", key.to_str().unwrap()],
        b"abc",
    );
    assert_eq!(out.status.code(), Some(1));
}

const CATALOG: &str = r#"[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"

[paths]
public = ["GET /health"]

[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
name = "Read items"
allow = ["GET /items", "GET /items/{id}"]
"#;

/// The three files of a sound gate.
fn write_files(folder: &Path) -> PathBuf {
    let main_file = folder.join("sidgate.toml");
    fs::write(
        &main_file,
        format!(
            "[proxy]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n\
             [[upstream]]\nservers = [\"http://127.0.0.1:9\", \"http://127.0.0.1:10\"]\n\
             [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n\
             [[admin.operator]]\nname = \"ops\"\nrole = \"viewer\"\ndigest = \"{DIGEST}\"\n"
        ),
    )
    .unwrap();
    fs::write(folder.join("catalog.toml"), CATALOG).unwrap();
    let token = |sid: &str, rest: &str| {
        format!("[[token]]\nsid = \"{sid}\"\nname = \"n\"\ndigest = \"{DIGEST}\"\n{rest}\n")
    };
    let tokens = [
        token("a", "scopes = [\"items:read\"]"),
        token("b", ""),
        token("c", "state = \"disabled\""),
    ];
    fs::write(folder.join("tokens.toml"), tokens.concat()).unwrap();
    main_file
}

fn check(main_file: &Path) -> Output {
    sidgate(&["check", "--config", main_file.to_str().unwrap()], b"")
}

#[test]
fn check_says_what_it_found() {
    let folder = tempfile::tempdir().unwrap();
    let out = check(&write_files(folder.path()));
    let (said, errors) = (text(&out.stdout), text(&out.stderr));
    assert_eq!(out.status.code(), Some(0), "{errors}");
    for part in [
        "127.0.0.1:0 (plaintext, 1 worker)",
        "1 operator",
        "default: http://127.0.0.1:9, http://127.0.0.1:10",
        "2, 1 (latest 2)",
        "1 category, 1 scope, 2 rules",
        "GET /health",
        "2 enabled, 1 disabled",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(!said.contains("unsafe"), "{said}");
    assert!(!said.contains("ba7816bf"), "a digest in {said}");
}

#[test]
fn check_tells_each_fault_with_its_place() {
    for (file, from, to, place) in [
        ("sidgate.toml", "workers = 1", "wrokers = 1", ":3:1: "),
        (
            "catalog.toml",
            "GET /items/{id}",
            "GET /items/{id",
            ":16:24: ",
        ),
        ("tokens.toml", "items:read", "items:write", ":5:11: "),
        ("tokens.toml", "sid = \"b\"", "sid = \"a\"", ":7:7: "),
        ("tokens.toml", "\"disabled\"", "disabled", ":15:9: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let main_file = write_files(folder.path());
        let path = folder.path().join(file);
        let broken = fs::read_to_string(&path).unwrap().replacen(from, to, 1);
        fs::write(&path, broken).unwrap();
        let out = check(&main_file);
        assert_eq!(out.status.code(), Some(1), "{to}");
        assert!(out.stdout.is_empty(), "{to}");
        let told = text(&out.stderr);
        let start = format!("{}{place}", path.display());
        assert!(
            told.lines().any(|l| l.starts_with(&start)),
            "{start} in {told}"
        );
        assert!(!told.contains("ba7816bf"), "a digest in {told}");
        let out = sidgate(&["serve", "--config", main_file.to_str().unwrap()], b"");
        assert_eq!(out.status.code(), Some(1), "{to}");
        assert_eq!(text(&out.stderr), told, "serve tells the same");
    }
}

#[test]
fn check_reads_what_the_main_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let main_file = write_files(folder.path());
    let catalog = folder.path().join("catalog.toml");
    let text_of_it = CATALOG.replacen("id = \"1\"", "id = \"1\"\nupstream = \"old\"", 1);
    fs::write(&catalog, text_of_it).unwrap();
    let out = check(&main_file);
    assert_eq!(out.status.code(), Some(1));
    let told = text(&out.stderr);
    assert!(
        told.starts_with(&format!("{}:7:", catalog.display())),
        "{told}"
    );

    fs::remove_file(&catalog).unwrap();
    assert!(text(&check(&main_file).stderr).contains("catalog.toml:1:1: "));
}

/// Serves with a socket as a service manager passes one: as descriptor 3.
fn serve_on(socket: TcpListener, main_file: &Path) -> Child {
    let script = format!(
        "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec '{}' serve --config '{}'",
        env!("CARGO_BIN_EXE_sidgate"),
        main_file.display()
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_passed_socket_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let child = serve_on(socket, &write_files(folder.path()));
    let mut gate = Running(child);
    // The socket listens already: the request waits in its queue until the gate accepts.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /items HTTP/1.1\r\nhost: gw\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
    drop(stream);
    assert_eq!(gate.end(Signal::TERM), Some(0));
}

#[test]
fn a_passed_socket_is_not_served_in_plaintext_to_other_machines() {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let child = serve_on(socket, &write_files(folder.path()));
    let mut gate = Running(child);
    assert_eq!(gate.wait(), Some(1));
    let mut told = String::new();
    let mut stderr = gate.0.stderr.take().unwrap();
    stderr.read_to_string(&mut told).unwrap();
    assert!(told.contains("allow_plaintext"), "{told}");
}

/// A running demo and what it prints.
struct Demo {
    running: Running,
    lines: Receiver<String>,
}

impl Demo {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sidgate"))
            .args(["demo", "--port", "0", "--admin-port", "0"])
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            running: Running(child),
            lines,
        }
    }

    /// Returns when it has said all that it says before it serves.
    fn wait_for_introduction(&self) {
        let said = || self.lines.recv_timeout(PATIENCE).expect("it says so soon");
        while !said().contains("recorded below") {}
    }
}

/// A process that ends with its test.
struct Running(Child);

impl Running {
    fn end(&mut self, signal: Signal) -> Option<i32> {
        let id = i32::try_from(self.0.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        self.wait()
    }

    fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it did not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test passed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_leaves_nothing_behind_however_it_is_asked_to_end() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Demo::start(folder.path());
        demo.wait_for_introduction();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(demo.running.end(signal), Some(0), "{signal:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
