//! The main file, resolved: every path absolute, every default filled in, every
//! combination checked. `raw` is its mirror in TOML.

mod address;
mod check;
mod defaults;
mod dialect;
mod hazard;
mod keys;
mod load;
mod raw;
mod resolve;
mod sealing;
pub mod units;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use ipnet::IpNet;

pub use dialect::RateLimitHeaders;
pub use hazard::hazards;
pub use load::{load, parse};

use crate::token::Digest;

/// The whole configuration: what is fixed at start, and what a reload may change.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the main file lies.
    pub path: PathBuf,
    /// What only a restart changes.
    pub fixed: Fixed,
    /// What a reload changes.
    pub settings: Settings,
}

/// Listeners, workers and the audit's file: a change here needs a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// Where the gate listens.
    pub listen: Vec<SocketAddr>,
    /// How many workers; resolved, never 0.
    pub workers: NonZeroUsize,
    /// Whether the gate's listeners speak TLS (the files themselves may change).
    pub tls: bool,
    /// Where the admin listens; `None` where there is no `[admin]`.
    pub admin_listen: Option<AdminListen>,
    /// Whether the admin listener speaks TLS.
    pub admin_tls: bool,
    /// Where operators' changes are recorded; `None` where they are not, or where there is no
    /// `[admin]`. Default `audit.jsonl` beside the token file.
    pub audit: Option<PathBuf>,
}

/// An address of the admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminListen {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

impl Config {
    /// What a newer configuration changes that only a restart applies, by the names of
    /// its keys.
    #[must_use]
    pub fn needs_restart(&self, newer: &Self) -> Vec<&'static str> {
        let (old, new) = (&self.fixed, &newer.fixed);
        // A section that comes or goes is named by its listener alone.
        let same_sides = old.admin_listen.is_some() == new.admin_listen.is_some();
        let changes = [
            ("proxy.listen", old.listen != new.listen),
            ("proxy.workers", old.workers != new.workers),
            ("proxy.tls (on or off)", old.tls != new.tls),
            ("admin.listen", old.admin_listen != new.admin_listen),
            ("admin.tls (on or off)", old.admin_tls != new.admin_tls),
            ("admin.audit", same_sides && old.audit != new.audit),
        ];
        let changed = changes.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(key, _)| key).collect()
    }
}

impl std::fmt::Display for AdminListen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Everything that a reload may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The realm of `WWW-Authenticate`; no quote, backslash or control character in it.
    pub realm: String,
    /// In what words refusals are written. Default: problem documents.
    pub errors: Errors,
    /// Plaintext is served on non-loopback addresses.
    pub allow_plaintext: bool,
    /// Certificate and key of the gate.
    pub tls: Option<TlsFiles>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Wrong credentials.
    pub guessing: Guessing,
    /// Upstreams; the first is the default. Never empty.
    pub upstreams: Vec<Arc<Upstream>>,
    /// Bounds on what clients may send and hold.
    pub limits: Limits,
    /// Deadlines of the client's hop.
    pub timeouts: Timeouts,
    /// The catalogue and token files.
    pub files: Files,
    /// The admin side.
    pub admin: Admin,
    /// Keys and the form of generated secrets.
    pub secrets: Secrets,
    /// How bcrypt and argon2id digests are verified.
    pub verification: Verification,
    /// What becomes of what runs under a token that is disabled, deleted or reset.
    pub running: Running,
    /// Access records.
    pub access_log: AccessLog,
    /// The process's own log.
    pub log: Log,
}

/// A PEM certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1.
    pub private_key: PathBuf,
    /// Whose certificates clients show; `None`: they are not asked for any.
    pub clients: Option<ClientTrust>,
}

/// Whose certificates clients show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTrust {
    /// PEM file of the authorities that are believed.
    pub ca: PathBuf,
    /// What becomes of a client that shows none.
    pub certificates: ClientCertificates,
}

/// Whether a client must show a certificate. One that is shown must be good in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Without one there is no connection.
    #[default]
    Required,
    /// One may show none.
    Optional,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Its servers; never empty.
    pub servers: Vec<Server>,
    /// What is spoken to them.
    pub protocol: Protocol,
    /// The client's Host is forwarded instead of the server's authority.
    pub preserve_host: bool,
    /// At most this many connections to each server, over all workers; `None`: unbounded.
    pub max_connections: Option<NonZeroUsize>,
    /// Trust and client certificate for https servers.
    pub tls: UpstreamTls,
    /// Deadlines of the upstream's hop.
    pub timeouts: UpstreamTimeouts,
    /// Active health checks.
    pub health_check: Option<HealthCheck>,
    /// Consecutive failures after which a server is left out; 0: never. Default 5.
    pub ejection_failures: u32,
    /// For how long it is left out. Default 10 s.
    pub ejection_duration: Duration,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// As configured, for logs.
    pub url: Arc<str>,
    /// How it is reached.
    pub address: ServerAddress,
    /// The connection is TLS.
    pub tls: bool,
    /// The `Host` it is sent, and the name its certificate must carry.
    pub authority: Authority,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// A host name or address, resolved at each connect, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The HTTP version spoken to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: ALPN over TLS, prior knowledge otherwise.
    Http2,
}

/// Whom an https upstream is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// PEM file of CA certificates; `None`: the system's roots.
    pub ca: Option<PathBuf>,
    /// The certificate that the gate shows.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Deadlines towards a server. `None`, in the file "0s": no deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// Name look-up, TCP and TLS handshake. Default 5 s.
    pub connect: Duration,
    /// From the request's head being sent to the first byte of the answer. Default 30 s.
    pub first_byte: Option<Duration>,
    /// From the first byte to the whole head of the answer. Default 10 s.
    pub head: Option<Duration>,
    /// Between two pieces of the answer's body. Default 5 min: event streams are quiet.
    pub body_idle: Option<Duration>,
    /// Without progress while sending. Default 30 s.
    pub send_idle: Option<Duration>,
    /// How long an idle connection is kept. Default 50 s.
    pub keep_alive: Duration,
    /// The whole exchange. Default none.
    pub total: Option<Duration>,
}

/// Probing of each server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path that is asked with GET; 2xx and 3xx are healthy.
    pub path: String,
    /// Between two probes. Default 5 s.
    pub interval: Duration,
    /// For one probe. Default 2 s.
    pub timeout: Duration,
    /// Successes in a row to come back. Default 2.
    pub healthy: u32,
    /// Failures in a row to go out. Default 3.
    pub unhealthy: u32,
}

/// Bounds on what clients may send and hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections on each listener. Default 10,000.
    pub connections: usize,
    /// Connections of one peer address (IPv6: /64). Default 256.
    pub connections_per_peer: usize,
    /// Requests in flight over all workers; beyond: 503 `overloaded`. Default 10,000.
    pub requests_in_flight: usize,
    /// Requests in flight of one token; beyond: 429 `rate_limited`. Default unbounded.
    pub requests_in_flight_per_token: Option<NonZeroU32>,
    /// How answers tell of the catalogue's limits. Default `x-ratelimit`.
    pub rate_limit_headers: RateLimitHeaders,
    /// Counters for those limits: one for each token or account in each category or group
    /// that it calls. Beyond: 503 `overloaded`. Default 4,000,000.
    pub rate_limit_counters: usize,
    /// Bytes of path and query. Default 8 KiB; 414.
    pub target: usize,
    /// Bytes of an HTTP/1.1 head. Default 32 KiB; 431.
    pub head: usize,
    /// Number of header fields. Default 100; 431.
    pub headers: usize,
    /// Bytes of a request body; `None`: unbounded. Default none; 413.
    pub body: Option<u64>,
    /// Streams on an HTTP/2 connection. Default 100.
    pub h2_streams: u32,
    /// Frames of an HTTP/2 connection in 10 s that carry nothing (PING, SETTINGS, resets
    /// and their like), and four more for each that carries something; beyond, the
    /// connection is ended. Default 1,000.
    pub h2_control_frames: u32,
    /// Streams that a client may have reset before they were looked at. Default 20.
    pub h2_resets: usize,
    /// Bytes of an HTTP/2 header list. Default 16 KiB.
    pub h2_header_list: u32,
    /// Flow-control window of an HTTP/2 stream. Default 64 KiB.
    pub h2_stream_window: u32,
    /// Flow-control window of an HTTP/2 connection. Default 1 MiB.
    pub h2_connection_window: u32,
}

/// How many wrong credentials are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guessing {
    /// Of one client address (IPv6: /64) in each window; 0: without end. Default 300.
    pub failures: u32,
    /// How long they count. Default 1 min.
    pub window: Duration,
    /// Addresses that are not counted. Default those of this machine.
    pub exempt: Vec<IpNet>,
}

/// Deadlines towards clients. `None`, in the file "0s": no deadline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept (or the TLS handshake) to the first byte. Default 10 s.
    pub first_byte: Duration,
    /// For the TLS handshake. Default 10 s.
    pub tls_handshake: Duration,
    /// From a head's first byte to its last. Default 10 s.
    pub head: Duration,
    /// Between two pieces of a request body. Default 30 s.
    pub body_idle: Option<Duration>,
    /// Without progress while sending to the client. Default 30 s.
    pub send_idle: Option<Duration>,
    /// Between two requests. Default 60 s.
    pub keep_alive: Duration,
    /// An HTTP/2 connection that is quiet for so long is asked whether it lives, and has as
    /// long again to answer. Default 20 s.
    pub h2_ping: Duration,
    /// A whole request. Default none.
    pub total: Option<Duration>,
    /// A tunnel without a byte either way. Default 1 h.
    pub tunnel_idle: Option<Duration>,
    /// How long requests in flight may take at a stop. Default 30 s.
    pub grace: Duration,
}

/// The catalogue and token files, and how they are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// catalog.toml.
    pub catalog: PathBuf,
    /// tokens.toml.
    pub tokens: PathBuf,
    /// A file of more bytes is refused. Default 64 MiB.
    pub max_size: u64,
    /// More tokens are refused. Default 100,000.
    pub max_tokens: usize,
    /// How often the files are looked at where no event arrives. Default 250 ms; at most
    /// 500 ms, so that a change is in force within 2 s.
    pub poll: Duration,
}

/// The admin side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Certificate and key.
    pub tls: Option<TlsFiles>,
    /// Further Host values accepted, in lower case.
    pub hosts: Vec<String>,
    /// Who may use it.
    pub operators: Vec<Operator>,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The user name of HTTP Basic.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// What his secret is verified against.
    pub digest: Digest,
}

/// What an operator may do; each role may do all that the one before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Creates and changes tokens.
    ImplementationSpecialist,
    /// Reveals auth tokens, reads the audit log.
    Administrator,
}

impl Role {
    /// The role as the main file spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::ImplementationSpecialist => "implementation-specialist",
            Self::Administrator => "administrator",
        }
    }
}

/// Keys and the form of generated secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// File with the key of `hmac-sha256:` digests: 32 bytes or more.
    pub hmac_key_file: Option<PathBuf>,
    /// File with the sealing keys.
    pub sealing_key_file: Option<PathBuf>,
    /// What generated SIDs begin with. Default `IR`.
    pub sid_prefix: String,
}

/// How bcrypt and argon2id digests are verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Threads that verify. Default: half the cores, at least one.
    pub threads: NonZeroUsize,
    /// Requests that may wait for them; beyond: 503 `overloaded`. Default 256.
    pub queue: usize,
    /// Successes that are remembered. Default 10,000.
    pub cache: usize,
}

/// Access records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where they go; `None`: nowhere. Default standard output.
    pub target: Option<LogTarget>,
    /// Bytes that may wait to be written; beyond, records are dropped and counted. Default 8 MiB.
    pub buffer: usize,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Appended to a file, opened again on SIGHUP.
    File(PathBuf),
}

/// In what words the gate's refusals are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Errors {
    /// Problem documents (RFC 9457).
    #[default]
    Problem,
    /// As the API that the gate was modelled on words them, in JSON or XML.
    Impact,
}

/// What becomes of running requests, downloads and tunnels when their token ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Running {
    /// They finish; new requests are refused at once in any case.
    #[default]
    Finish,
    /// They end within a second.
    End,
}

/// The process's own log, on standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// As `tracing-subscriber`'s `EnvFilter` reads it. Default `info`.
    pub level: String,
    /// Default `auto`: text on a terminal, JSON otherwise.
    pub format: LogFormat,
}

/// The form of the process's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}
