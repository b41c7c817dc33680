//! A start for which something is missing: memory, threads, descriptors, a port, a file. The
//! gate then ends with 1 and says what it was, and has answered nobody before.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::gate::{Builder, Failed};
use crate::support::ports::Port;
use crate::support::programs::have;
use crate::support::{ALICE, Gate};

/// No start takes more descriptors or threads than this.
const MOST: usize = 100;

/// Lets the client end, also where a test panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Starts a gate that may fail to, while a client asks it the whole time.
#[track_caller]
fn start(builder: Builder) -> Result<Gate, Failed> {
    let port = Port::claim();
    let done = AtomicBool::new(false);
    let (started, was_answered) = thread::scope(|scope| {
        let (ended, done) = (&done, Done(&done));
        let asking = scope.spawn(|| {
            let mut answered = false;
            while !ended.load(Ordering::SeqCst) {
                answered |= is_answered(port.address());
                thread::sleep(Duration::from_millis(1));
            }
            answered
        });
        let started = builder.listen(&port.address().to_string()).try_start();
        drop(done);
        (started, asking.join().unwrap())
    });
    if let Err(failed) = &started {
        assert!(!was_answered, "a client was answered: {failed:?}");
        assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
        assert!(!failed.stderr.contains("gate listens"), "{}", failed.stderr);
        assert_eq!(failed.status.code(), Some(1), "{}", failed.stderr);
    }
    started
}

/// Whether anything but the end of the connection comes back.
fn is_answered(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: gw\r\n\r\n")?;
        Ok(stream.read(&mut [0])? > 0)
    };
    ask().unwrap_or(false)
}

/// What the gate said last, beside its log, which another thread writes.
#[track_caller]
fn reason(failed: &Failed) -> &str {
    let mut lines = failed.stderr.lines().rev();
    lines.find(|line| !line.starts_with('{')).expect("a reason")
}

/// Runs the gate after this line of a shell.
fn after(line: &str) -> Builder {
    let line = format!("{line}; exec \"$0\" \"$@\"");
    Gate::builder().under(&["sh", "-c", &line])
}

#[test]
fn each_descriptor_that_is_missing_is_told() {
    let mut reasons = Vec::new();
    // With fewer the program cannot even be loaded.
    for descriptors in 5..MOST {
        let builder = after(&format!("ulimit -n {descriptors}"));
        match start(builder) {
            Ok(_) => {
                println!("{descriptors} descriptors are enough; before: {reasons:#?}");
                assert!(reasons.len() >= 3, "{reasons:?}");
                return;
            }
            Err(failed) => {
                let reason = reason(&failed).to_owned();
                assert!(reason.contains("Too many open files"), "{reason}");
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
    }
    panic!("{MOST} descriptors are not enough");
}

#[test]
fn each_thread_that_is_missing_is_told() {
    if !have("strace", &["-D", "-f", "-q", "-o", "/dev/null", "true"]) {
        return;
    }
    let mut reasons = Vec::new();
    for thread in 1..MOST {
        let inject = format!("inject=clone3:error=EAGAIN:when={thread}");
        // The tracer is the gate's grandchild, and the gate ours.
        let strace = ["strace", "-D", "-f", "-q", "-o", "/dev/null"];
        let under = [&strace[..], &["-e", "trace=clone3", "-e", &inject]].concat();
        match start(Gate::builder().proxy("workers = 3").under(&under)) {
            Ok(_) => {
                println!("{} threads, each told: {reasons:#?}", thread - 1);
                // Three workers, and one for each of log, files, records and operators.
                assert!(thread > 7, "{reasons:?}");
                return;
            }
            Err(failed) => {
                let reason = reason(&failed).to_owned();
                assert!(reason.starts_with("sidgate: "), "{reason}");
                assert!(reason.contains("temporarily unavailable"), "{reason}");
                reasons.push(reason);
            }
        }
    }
    panic!("more than {MOST} threads");
}

#[test]
fn too_little_memory_is_told() {
    let mut told = 0;
    // With less the program cannot even be loaded.
    for mebibytes in (32..).step_by(8).take(MOST) {
        match start(after(&format!("ulimit -v {}", mebibytes * 1024))) {
            Ok(_) => {
                println!("{mebibytes} MiB of addresses are enough, {told} times there were less");
                assert!(told > 0);
                return;
            }
            Err(failed) => {
                told += 1;
                let reason = reason(&failed);
                assert!(reason.starts_with("sidgate: cannot start"), "{reason}");
            }
        }
    }
    panic!("no start in {MOST} tries");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let first = Gate::builder().start();
    for (builder, address) in [
        (
            Gate::builder().listen(&first.address().to_string()),
            first.address(),
        ),
        (
            Gate::builder().listen(&first.admin_address().to_string()),
            first.admin_address(),
        ),
    ] {
        let failed = builder.try_start().err().expect("the port is taken");
        assert_eq!(failed.status.code(), Some(1));
        let expected = format!("sidgate: cannot listen on {address}: Address already in use");
        assert!(reason(&failed).starts_with(&expected), "{failed:?}");
    }
    // The one that runs has not noticed.
    assert_eq!(first.read_as(&ALICE, "/nothing").status, 403);
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let cases: [(&str, Builder); 6] = [
        (
            "cert.pem",
            Gate::builder()
                .proxy("tls = { certificate = \"cert.pem\", private_key = \"key.pem\" }"),
        ),
        (
            "hmac.key",
            Gate::builder().section("[secrets]\nhmac_key_file = \"hmac.key\""),
        ),
        (
            "sealing.keys",
            Gate::builder().section("[secrets]\nsealing_key_file = \"sealing.keys\""),
        ),
        (
            "access log",
            Gate::builder().section("[access_log]\noutput = \"file:missing/access.log\""),
        ),
        (
            "catalog.toml",
            after("d=$(dirname \"$3\"); rm \"$d\"/catalog.toml; mkdir \"$d\"/catalog.toml"),
        ),
        (
            "tokens.toml",
            after("d=$(dirname \"$3\"); rm \"$d\"/tokens.toml; mkfifo \"$d\"/tokens.toml"),
        ),
    ];
    for (what, builder) in cases {
        let failed = start(builder).err().unwrap_or_else(|| panic!("{what}"));
        assert!(failed.stderr.contains(what), "{what}: {failed:?}");
    }
}
