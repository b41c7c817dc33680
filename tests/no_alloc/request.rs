//! A whole request over sockets, from its head to its record: how often the worker's thread
//! asks the allocator, against the bound in `benches/steady/bounds.toml`.
//!
//! Client and upstream are threads of their own, whose memory is not counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sidgate::app::GateHandler;
use sidgate::auth::Keys;
use sidgate::catalog::Catalog;
use sidgate::config::{self, Config};
use sidgate::limit::Verifier;
use sidgate::proxy::upstream::servers::UpstreamState;
use sidgate::proxy::{Active, Gate, Worker};
use sidgate::server::{self, Stop};
use sidgate::snapshot::{Revision, Snapshot, SnapshotHandle, TokenTable};
use sidgate::telemetry::access::AccessLog;
use sidgate::telemetry::metrics::Metrics;
use sidgate::token::{Digest, Secret, Sid, State, Texts, Token};
use tokio::sync::watch;

const CATALOG: &str = r#"
[[category]]
name = "Ads"
[[category.scope]]
id = "ads:read"
name = "Read ads"
allow = ["GET /Mediapartners/{sid}/Ads"]
"#;
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
/// What is taken once is in both counts, and so in neither's difference.
const FEW: u64 = 200;
const MANY: u64 = 1200;

#[derive(serde::Deserialize)]
struct Bounds {
    allocations: Allocations,
}

#[derive(serde::Deserialize)]
struct Allocations {
    admitted: f64,
    refused: f64,
}

fn bounds() -> Allocations {
    let text = include_str!("../../benches/steady/bounds.toml");
    toml::from_str::<Bounds>(text).unwrap().allocations
}

/// A gate before this server, which knows `alice` and her secret `right`.
fn gate(config: &Config) -> Arc<Gate> {
    let settings = Arc::new(config.settings.clone());
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG, None).unwrap();
    let alice = Token {
        sid: Sid::parse(b"alice").unwrap(),
        digest: Digest::of(&Secret::new(b"right".to_vec())),
        state: State::Enabled,
        version: None,
        scopes: catalog.scope_number("ads:read").into_iter().collect(),
        account: None,
        texts: Box::new(Texts::default()),
    };
    let snapshot = Snapshot {
        revision: Revision(1),
        tokens: TokenTable::new([Arc::new(alice)]),
        catalog: Arc::new(catalog),
    };
    let active = Active {
        keys: Keys::default(),
        tls: None,
        upstreams: vec![UpstreamState::new(&settings.upstreams[0]).unwrap()],
        settings: Arc::clone(&settings),
    };
    let verifier = Verifier::start(&settings.verification).unwrap();
    let snapshot = Arc::new(SnapshotHandle::new(snapshot));
    Arc::new(Gate::new(snapshot, active, verifier, 1))
}

/// Answers every request on one connection.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        while exchanged(&mut socket, ANSWER, b"\r\n\r\n") {}
    });
    address
}

/// Reads up to `end`, then writes; false where the other side has ended.
fn exchanged(socket: &mut TcpStream, answer: &[u8], end: &[u8]) -> bool {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while !buffer[..filled].ends_with(end) {
        match socket.read(&mut buffer[filled..]) {
            Ok(count @ 1..) => filled += count,
            _ => return false,
        }
    }
    socket.write_all(answer).is_ok()
}

/// How often the worker's thread asks for memory while it serves so many requests.
fn taken(requests: u64, target: &str, end_of_answer: &'static [u8]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidgate.toml");
    let text = format!(
        "[proxy]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n\
         [[upstream]]\nname = \"default\"\nservers = [\"http://{}\"]\n\
         [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n\
         [access_log]\noutput = \"file:{}\"\n",
        upstream(),
        folder.path().join("access.log").display(),
    );
    std::fs::write(&path, text).unwrap();
    let config = config::load(&path).unwrap();
    let listeners = server::bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
    let address = listeners.addresses().unwrap()[0];
    let credentials = STANDARD.encode("alice:right");
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Basic {credentials}\r\n\r\n"
    );
    let (stop, stopping) = watch::channel(Stop::No);
    let client = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        for _ in 1..requests {
            assert!(exchanged(&mut socket, request.as_bytes(), end_of_answer));
        }
        assert!(exchanged(&mut socket, b"", end_of_answer));
        stop.send_replace(Stop::Now);
    });
    let gate = gate(&config);
    let access = AccessLog::start(&config.settings.access_log).unwrap();
    let metrics = Metrics::new(1);
    let worker = server::Worker::all(listeners, &stopping).next().unwrap();
    let taken = allocation_counter::measure(|| {
        let handler = || {
            Rc::new(GateHandler(Worker::new(
                gate,
                metrics.worker(0),
                access.worker(),
            )))
        };
        server::run(worker, handler).unwrap();
    });
    client.join().unwrap();
    taken.count_total
}

fn each(target: &str, end_of_answer: &'static [u8]) -> f64 {
    let few = taken(FEW, target, end_of_answer);
    let many = taken(MANY, target, end_of_answer);
    // Housekeeping runs by the clock, and takes a little once in a while.
    ((many - few) as f64 / (MANY - FEW) as f64).round()
}

#[test]
fn an_admitted_request_takes_no_more_than_its_bound() {
    let (found, bound) = (
        each("/Mediapartners/alice/Ads", b"\r\n\r\n{}"),
        bounds().admitted,
    );
    println!("allocations for an admitted request: {found}, bound {bound}");
    assert!(found <= bound, "{found} allocations, bound {bound}");
}

#[test]
fn a_refused_request_takes_no_more_than_its_bound() {
    let (found, bound) = (
        each("/Mediapartners/alice/Actions", b"}\n"),
        bounds().refused,
    );
    println!("allocations for a refused request: {found}, bound {bound}");
    assert!(found <= bound, "{found} allocations, bound {bound}");
}
