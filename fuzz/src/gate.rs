//! Bytes in on a connection, the whole server and proxy, and an upstream that is strict.
//!
//! Whatever the bytes: each request that reaches the upstream is one sound HTTP/1.1 request
//! that its rules allow, with the gate's own fields once and the client's under no spelling;
//! it is answered in its turn; and the connection ends. Where the bytes are plain enough to
//! be judged by hand, just what is admitted reaches the upstream, byte for byte.
//!
//! Everything runs on one thread, before a clock that jumps ahead where nothing happens: no
//! deadline is waited for. The gate lives on from input to input, with its connections to
//! the upstream, so that what one input leaves behind there is found by the next.

mod client;
mod rules;
mod upstream;
mod wire;

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sidgate::app::GateHandler;
use sidgate::auth::Keys;
use sidgate::config;
use sidgate::limit::Verifier;
use sidgate::proxy::upstream::servers::UpstreamState;
use sidgate::proxy::{Active, Gate, Worker};
use sidgate::server;
use sidgate::store;
use sidgate::telemetry::access::AccessLog;
use sidgate::telemetry::metrics::Metrics;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::scratch;
use upstream::Seen;

/// Whom the gate takes the client for.
const PEER: &str = "192.0.2.7";

/// Longer than all deadlines of a connection together.
const PATIENCE: Duration = Duration::from_secs(120);

/// How far the clock jumps at once. The shortest deadline is a hundred times longer, so that
/// none is over while there is still something to do.
const PULSE: Duration = Duration::from_millis(10);

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::new());
}

/// The input is what a client sends; it then waits for the connection's end.
///
/// # Panics
/// Where one of the promises above is broken.
pub fn check(data: &[u8]) {
    BENCH.with(|bench| bench.borrow_mut().check(data));
}

/// A gate and its upstream.
struct Bench {
    runtime: LocalRuntime,
    handler: Rc<GateHandler>,
    seen: Rc<RefCell<Seen>>,
    _files: TempDir,
    _access: AccessLog,
}

impl Bench {
    fn new() -> Self {
        let files = scratch::directory();
        let write = |name: &str, text: &str| std::fs::write(files.path().join(name), text);
        write("catalog.toml", rules::CATALOG).expect("written");
        write("tokens.toml", rules::TOKENS).expect("written");
        let main = files.path().join("sidgate.toml");
        let config = config::parse(&main, rules::MAIN).expect("a good main file");
        let settings = Arc::new(config.settings);
        let (writer, _) = store::open(&settings.files, &[], false).expect("good files");
        let upstreams = settings.upstreams.iter().map(UpstreamState::new);
        let active = Active {
            keys: Keys::default(),
            tls: None,
            upstreams: upstreams
                .collect::<Result<_, _>>()
                .expect("an upstream without files"),
            settings: Arc::clone(&settings),
        };
        let verifier = Verifier::start(&settings.verification).expect("threads");
        let gate = Gate::new(Arc::clone(writer.snapshot()), active, verifier, 1);
        let access = AccessLog::start(&settings.access_log).expect("a thread");

        let mut builder = Builder::new_current_thread();
        builder.enable_all().start_paused(true);
        let runtime = builder
            .build_local(LocalOptions::default())
            .expect("a runtime");
        let worker = Worker::new(Arc::new(gate), Metrics::new(1).worker(0), access.worker());
        let seen = Rc::<RefCell<Seen>>::default();
        let recorded = Rc::clone(&seen);
        let socket = files.path().join("upstream.sock");
        runtime.block_on(async {
            let listener = UnixListener::bind(Path::new(&socket)).expect("a socket");
            tokio::task::spawn_local(upstream::listen(listener, recorded));
            tokio::task::spawn_local(async {
                loop {
                    tokio::time::sleep(PULSE).await;
                }
            });
        });
        Self {
            runtime,
            handler: Rc::new(GateHandler(worker)),
            seen,
            _files: files,
            _access: access,
        }
    }

    fn check(&mut self, input: &[u8]) {
        let before = self.seen.borrow().count;
        let answers = self.runtime.block_on(converse(&self.handler, input));
        let requests = std::mem::take(&mut self.seen.borrow_mut().requests);

        for sid in ["alice", "bob"] {
            let by = requests
                .iter()
                .filter(|r| r.one("x-auth-sid") == Some(sid))
                .count();
            // HTTP/2 may say a field once and then point at it.
            let most = client::credentials_of(sid, input);
            assert!(
                by <= most || client::is_http2(input),
                "{by} requests by {sid}"
            );
        }
        if client::is_http2(input) {
            return;
        }
        let numbers = client::numbers(&answers);
        let expected: Vec<usize> = (before + 1..=before + requests.len()).collect();
        assert_eq!(numbers, expected, "{}", String::from_utf8_lossy(&answers));
        let expected = client::expected(input);
        assert!(
            requests.len() >= expected.admitted.len(),
            "{expected:?}, {requests:?}"
        );
        for (admitted, seen) in expected.admitted.iter().zip(&requests) {
            admitted.assert_is(seen);
        }
        let more = requests.len() > expected.admitted.len();
        assert!(!(more && expected.complete), "{expected:?}, {requests:?}");
    }
}

/// Sends the input, and gives what came until the connection ended.
async fn converse(handler: &Rc<GateHandler>, input: &[u8]) -> Vec<u8> {
    let (client, gate) = tokio::io::duplex(1 << 16);
    let peer: IpAddr = PEER.parse().expect("an address");
    let serving = tokio::task::spawn_local(server::converse(Rc::clone(handler), gate, peer));
    let (mut from, mut to) = tokio::io::split(client);
    let conversation = async {
        // In two pieces, cut where the input says.
        let cut = input
            .last()
            .map_or(0, |&byte| usize::from(byte))
            .min(input.len());
        let (first, second) = input.split_at(cut);
        let mut answers = Vec::new();
        let sending = async {
            let _ = to.write_all(first).await;
            tokio::task::yield_now().await;
            // The gate may have heard enough, and closed.
            let _ = to.write_all(second).await;
        };
        let reading = async {
            let _ = from.read_to_end(&mut answers).await;
        };
        tokio::join!(sending, reading);
        answers
    };
    let answers = tokio::time::timeout(PATIENCE, conversation).await;
    let answers = answers.expect("every stage of a connection has its deadline");
    drop((from, to));
    let ending = async {
        serving.await.expect("a connection does not panic");
        handler.0.settled().await;
        // What is on its way to the upstream arrives.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ending)
        .await
        .expect("every request ends");
    handler.0.tick();
    answers
}
