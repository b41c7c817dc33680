//! An admin API on a port or socket of its own.

mod client;

use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sidgate::admin::{self, AdminListener, Context, Tls};
use sidgate::auth::Keys;
use sidgate::config::{self, AdminListen, Settings};
use sidgate::limit::Verifier;
use sidgate::snapshot::SnapshotHandle;
use sidgate::store;
use sidgate::telemetry::audit::AuditLog;
use sidgate::token::seal::SealingKeys;
use sidgate::token::{Digest, Secret};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub(crate) use client::{Reply, Stream, exchange, read};

/// Longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An operator: a name, a secret and a role.
pub(crate) type Who = (&'static str, &'static str, &'static str);
pub(crate) const VIEWER: Who = ("vera", "veras-secret-of-many-bits", "viewer");
pub(crate) const SPECIALIST: Who = (
    "ivo",
    "ivos-secret-of-many-bits",
    "implementation-specialist",
);
pub(crate) const ADMINISTRATOR: Who = ("ada", "adas-secret-of-many-bits", "administrator");

const CATALOG: &str = r#"
[versions]
latest = "16"
[[versions.version]]
id = "16"
released = 2026-06-01
[[versions.version]]
id = "15"
sunset = 2027-01-01
notes = "https://example.com/15"
[[versions.version]]
id = "14"

[paths]
public = ["GET /ping"]

[[category]]
name = "Ads"
limits = ["1000/hour"]
[[category.scope]]
id = "ads:read"
name = "Read ads"
allow = ["GET /Mediapartners/{sid}/Ads", "GET /Mediapartners/{sid}/Ads/{AdId}"]
[[category.scope]]
id = "ads:write"
name = "Write ads"
allow = ["POST /Mediapartners/{sid}/Ads"]
"#;

/// A running admin API and its files. Stops when dropped.
pub(crate) struct Admin {
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) listening: Arc<AtomicBool>,
    pub(crate) strangers: Arc<AtomicU64>,
    pub(crate) dir: TempDir,
    pub(crate) snapshot: Arc<SnapshotHandle>,
    pub(crate) seals: Arc<ArcSwapOption<SealingKeys>>,
    place: Place,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What an admin API is started with.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) main: String,
    pub(crate) operators: String,
    pub(crate) tls: Option<Tls>,
    pub(crate) unix: bool,
    /// The text of a file of sealing keys.
    pub(crate) seals: Option<String>,
    pub(crate) keys: Keys,
}

pub(crate) fn start() -> Admin {
    Builder::default().start()
}

/// `[[admin.operator]]` with this digest.
pub(crate) fn operator(name: &str, role: &str, digest: &str) -> String {
    format!("[[admin.operator]]\nname = {name:?}\nrole = {role:?}\ndigest = {digest:?}\n")
}

pub(crate) fn sha256(secret: &str) -> String {
    Digest::of(&Secret::new(secret.as_bytes().to_vec())).to_text()
}

impl Builder {
    pub(crate) fn start(self) -> Admin {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("catalog.toml"), CATALOG).unwrap();
        std::fs::write(dir.path().join("tokens.toml"), "# none yet\n").unwrap();
        let config = config(dir.path(), &self.main, &self.operators);
        let hmac = self.keys.has_hmac();
        let (writer, task) = store::open(&config.settings.files, &[], hmac).unwrap();
        let audit = dir.path().join("audit.jsonl");
        let task = task.with_audit(AuditLog::open(&audit).unwrap());
        let seals = self.seals.as_deref().map(SealingKeys::parse);
        let seals = seals.map(|keys| Arc::new(keys.unwrap()));
        let seals = Arc::new(ArcSwapOption::new(seals));
        let address = if self.unix {
            AdminListen::Unix(dir.path().join("admin.sock"))
        } else {
            AdminListen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let listener = AdminListener::bind(&address).unwrap();
        let place = match (&address, listener.tcp_address()) {
            (AdminListen::Unix(path), _) => Place::Unix(path.clone()),
            (_, Some(address)) => Place::Tcp(address),
            (_, None) => panic!("a TCP listener has an address"),
        };
        let settings = Arc::new(ArcSwap::from_pointee(config.settings));
        let listening = Arc::new(AtomicBool::new(true));
        let strangers = Arc::default();
        let snapshot = Arc::clone(writer.snapshot());
        let context = Context {
            settings: Arc::clone(&settings),
            writer,
            verifier: Verifier::start(&settings.load().verification).unwrap(),
            keys: Arc::new(ArcSwap::from_pointee(self.keys)),
            seals: Arc::clone(&seals),
            audit: Some(audit.clone()),
            tls: self.tls,
            metrics: Box::new(|| "# EOF\n".to_owned()),
            strangers: Arc::clone(&strangers),
            listening: Arc::clone(&listening),
            main_faults: Arc::default(),
            needs_restart: Arc::new(ArcSwap::from_pointee(vec!["proxy.listen".to_owned()])),
            started_at: "2026-11-21T12:00:00Z".parse().unwrap(),
            workers: NonZeroUsize::MIN,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let (end, ended) = oneshot::channel::<()>();
                let writing = tokio::spawn(task.start().unwrap().run(async {
                    let _ = ended.await;
                }));
                let shutdown = async {
                    let _ = stopped.await;
                };
                admin::run(listener, Arc::new(context), shutdown)
                    .await
                    .unwrap();
                drop(end);
                writing.await.unwrap();
            });
        });
        Admin {
            snapshot,
            seals,
            settings,
            listening,
            strangers,
            dir,
            place,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

/// The settings of a main file with these further lines.
pub(crate) fn config(dir: &Path, main: &str, operators: &str) -> config::Config {
    let standing: String = [VIEWER, SPECIALIST, ADMINISTRATOR]
        .iter()
        .map(|(name, secret, role)| operator(name, role, &sha256(secret)))
        .collect();
    let text = format!(
        "[proxy]\nlisten = [\"127.0.0.1:0\"]\n\
         [[upstream]]\nname = \"default\"\nservers = [\"http://127.0.0.1:9\"]\n\
         [files]\ncatalog = \"catalog.toml\"\ntokens = \"tokens.toml\"\n{main}\n\
         [admin]\nlisten = \"127.0.0.1:0\"\nhosts = [\"ops.example\"]\n{standing}{operators}"
    );
    let path = dir.join("sidgate.toml");
    std::fs::write(&path, text).unwrap();
    config::load(&path).unwrap_or_else(|faults| panic!("{faults}"))
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the admin's thread does not panic");
        }
    }
}

impl Admin {
    pub(crate) fn connect(&self) -> Box<dyn Stream> {
        match &self.place {
            Place::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.place {
            Place::Tcp(address) => address,
            Place::Unix(_) => panic!("a Unix socket has no address"),
        }
    }

    pub(crate) fn socket(&self) -> &Path {
        match &self.place {
            Place::Unix(path) => path,
            Place::Tcp(_) => panic!("a TCP listener has no path"),
        }
    }

    /// Sends a head of these lines and a body on a new connection, and reads the answer.
    pub(crate) fn send(&self, start: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        exchange(&mut stream, start, headers, body)
    }

    /// As [`send`](Self::send), with a sound Host and these credentials.
    pub(crate) fn ask(&self, who: Who, start: &str, headers: &[&str], body: &[u8]) -> Reply {
        let authorization = format!("Authorization: {}", basic(who.0, who.1));
        let mut all = vec!["Host: localhost", &authorization];
        all.extend(headers);
        self.send(start, &all, body)
    }

    /// Asks with GET.
    pub(crate) fn get(&self, who: Who, path: &str) -> Reply {
        self.ask(who, &format!("GET {path}"), &[], b"")
    }

    /// Sends JSON.
    pub(crate) fn json(&self, who: Who, start: &str, body: &Value) -> Reply {
        let body = body.to_string();
        self.ask(
            who,
            start,
            &["Content-Type: application/json"],
            body.as_bytes(),
        )
    }
}

pub(crate) fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")))
}

/// Waits, not too long, until there is something.
#[track_caller]
pub(crate) fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes a token of these fields; its SID.
#[track_caller]
pub(crate) fn create(admin: &Admin, fields: &Value) -> String {
    let reply = admin.json(SPECIALIST, "POST /v1/tokens", fields);
    assert_eq!(reply.status, 201, "{}", reply.value());
    reply.value()["sid"].as_str().expect("a SID").to_owned()
}

/// Says that a test did not run. Under CI that is a failure.
#[track_caller]
pub(crate) fn skip(what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{what} is missing, and under CI nothing may be skipped"
    );
    eprintln!("SKIPPED: {what} is missing");
}
