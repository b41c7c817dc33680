//! What clients of a gate with a million tokens feel of a change: the real binary, a client
//! on a connection of its own, operators' changes one after the other.
//!
//! The client is refused for want of a scope, so that every request is judged by the
//! tokens, and no upstream is in the figure. Quiet and busy times take turns.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sidgate::token::{Digest, Secret};

use crate::{CATALOG, MILLION, sid};

const SECRET: &str = "a-secret-of-many-bits-for-all";
const TURNS: usize = 4;
const CHANGES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn pauses() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (gate, admin) = (free_address(), free_address());
    lay(dir.path(), gate, admin);
    let _gate = Gate(
        Command::new(env!("CARGO_BIN_EXE_sidgate"))
            .args(["serve", "--config"])
            .arg(dir.path().join("sidgate.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let before = Instant::now();
    while ask(admin, "GET /readyz", "ops", "").is_none_or(|status| status != 200) {
        assert!(before.elapsed() < PATIENCE, "the gate does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!(
        "a gate with {MILLION} tokens starts in {:.1?}",
        before.elapsed()
    );

    let (mut quiet, mut busy, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        quiet.extend(hammer(gate, || std::thread::sleep(Duration::from_secs(5))));
        busy.extend(hammer(gate, || {
            for number in 0..CHANGES {
                let body = format!("{{\"description\":\"Turn {turn}, change {number}\"}}");
                let call = format!("PATCH /v1/tokens/{}", sid(number * 4_711));
                let before = Instant::now();
                assert_eq!(ask(admin, &call, "ops", &body), Some(200));
                changes.push(before.elapsed());
            }
        }));
    }
    let longest = changes.iter().max().copied().unwrap_or_default();
    println!(
        "{} changes of {MILLION} tokens: median {:.1?}, the longest {longest:.1?}",
        changes.len(),
        crate::median(changes)
    );
    for (what, times) in [("without changes", quiet), ("during changes", busy)] {
        tell(what, times);
    }
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    let long = times.iter().filter(|time| time.as_millis() >= 10).count();
    println!(
        "{} requests {what}: median {:.1?}, 99.9 % {:.1?}, the longest {:.1?}, {long} of 10 ms or \
         more",
        times.len(),
        at(0.5),
        at(0.999),
        times[times.len() - 1],
    );
}

/// Asks the gate on one connection as long as the work takes; how long each answer took.
fn hammer(gate: SocketAddr, work: impl FnOnce()) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hammering = scope.spawn(|| {
            let mut times = Vec::new();
            let request = request("GET /v1/items", sid(500).as_str(), "");
            while !done.load(Ordering::Relaxed) {
                let mut stream = connect(gate).unwrap();
                while !done.load(Ordering::Relaxed) {
                    let before = Instant::now();
                    match exchange(&mut stream, &request) {
                        Some(status) => assert_eq!(status, 403),
                        None => break,
                    }
                    times.push(before.elapsed());
                }
            }
            times
        });
        work();
        done.store(true, Ordering::Relaxed);
        hammering.join().unwrap()
    })
}

fn lay(dir: &Path, gate: SocketAddr, admin: SocketAddr) {
    let digest = Digest::of(&Secret::new(SECRET.as_bytes().to_vec())).to_text();
    fs::write(
        dir.join("sidgate.toml"),
        format!(
            "[proxy]\nlisten = [\"{gate}\"]\nworkers = 1\n[[upstream]]\nname = \"default\"\n\
             servers = [\"http://127.0.0.1:1\"]\n[files]\ncatalog = \"catalog.toml\"\n\
             tokens = \"tokens.toml\"\nmax_size = \"1GiB\"\nmax_tokens = {}\n\
             [access_log]\noutput = \"off\"\n[admin]\nlisten = \"{admin}\"\n\
             [[admin.operator]]\nname = \"ops\"\nrole = \"administrator\"\ndigest = \"{digest}\"\n",
            2 * MILLION
        ),
    )
    .unwrap();
    fs::write(dir.join("catalog.toml"), CATALOG).unwrap();
    let mut tokens = String::from("# Made by a benchmark.\n");
    for number in 0..MILLION {
        let sid = sid(number);
        write!(
            tokens,
            "\n[[token]]\nsid = \"{sid}\"\nname = \"Token {number}\"\ndigest = \"{digest}\"\n"
        )
        .unwrap();
    }
    fs::write(dir.join("tokens.toml"), tokens).unwrap();
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn request(start: &str, user: &str, body: &str) -> String {
    let credentials = STANDARD.encode(format!("{user}:{SECRET}"));
    format!(
        "{start} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\
         Content-Type: application/merge-patch+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn connect(to: SocketAddr) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(to).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(BufReader::new(stream))
}

/// One request on a connection of its own; the status.
fn ask(to: SocketAddr, start: &str, user: &str, body: &str) -> Option<u16> {
    exchange(&mut connect(to)?, &request(start, user, body))
}

/// Sends a request and reads the whole answer; the status, unless the connection ends.
fn exchange(stream: &mut BufReader<TcpStream>, request: &str) -> Option<u16> {
    stream.get_mut().write_all(request.as_bytes()).ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(status)
}

/// Killed when dropped.
struct Gate(Child);

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
