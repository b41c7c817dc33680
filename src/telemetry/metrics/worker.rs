//! What one worker counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::code::Code;

/// The HTTP version of a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// The kinds of client connections that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKind {
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether in TLS.
    pub tls: bool,
}

/// Why a connection was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The listener has as many as it may.
    Total,
    /// Its peer has as many as it may.
    PerPeer,
    /// The process can open no more.
    Exhausted,
}

/// What a client sent that ended its connection without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A head that is larger than may be.
    HeadTooLarge,
    /// What is not HTTP.
    Malformed,
    /// More HTTP/2 frames or resets than may be.
    Flood,
}

/// A limit of one token or account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimit {
    /// Requests in a window, as the catalogue says.
    Rate,
    /// Requests in flight.
    InFlight,
}

/// A deadline that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The client's first byte.
    FirstByte,
    /// The client's TLS handshake.
    TlsHandshake,
    /// A request's head.
    Head,
    /// The next request.
    KeepAlive,
    /// The next piece of a request's body.
    BodyIdle,
    /// Progress while sending to the client.
    SendIdle,
    /// The whole request.
    Total,
    /// A byte in a tunnel, either way.
    TunnelIdle,
    /// An answer to an HTTP/2 PING.
    H2Ping,
    /// A connection to a server.
    UpstreamConnect,
    /// A server's first byte.
    UpstreamFirstByte,
    /// The head of a server's answer.
    UpstreamHead,
    /// The next piece of an answer's body.
    UpstreamBodyIdle,
    /// Progress while sending to a server.
    UpstreamSendIdle,
    /// The whole exchange with a server.
    UpstreamTotal,
}

/// Upper bounds of the histograms' buckets in microseconds; the last bucket has none. From
/// what a gate adds by itself up to what a patient client waits.
pub(super) const BOUNDS: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

/// Classes of status codes: 1xx to 5xx.
pub(super) const CLASSES: usize = 5;

const CODES: usize = Code::ALL.len();

/// What one worker counts. Its methods are for that worker's thread alone: two writers
/// would lose counts, though nothing worse.
#[derive(Debug, Default)]
#[repr(align(128))] // Two cells of different workers never share a pair of cache lines.
pub struct WorkerMetrics {
    pub(super) requests: [[Count; CLASSES]; CODES],
    pub(super) in_flight: Gauge,
    pub(super) bytes_in: Count,
    pub(super) bytes_out: Count,
    pub(super) total: Histogram,
    pub(super) upstream: Histogram,
    pub(super) connections: [Gauge; ConnectionKind::ALL.len()],
    pub(super) refused: [Count; Refused::ALL.len()],
    pub(super) faults: [Count; Fault::ALL.len()],
    pub(super) deadlines: [Count; Deadline::ALL.len()],
    pub(super) connects: Outcomes,
    pub(super) retries: Count,
    pub(super) handshakes: Outcomes,
    pub(super) certificates_refused: Count,
    pub(super) tunnels: Gauge,
    pub(super) guesses_refused: Count,
    pub(super) rate_limited: [Count; TokenLimit::ALL.len()],
}

impl WorkerMetrics {
    /// A request ended: how, after how long, and how long the server took to its first
    /// byte, where one was asked.
    pub fn request(
        &self,
        code: Code,
        status: u16,
        bytes_in: u64,
        bytes_out: u64,
        total: Duration,
        upstream: Option<Duration>,
    ) {
        let class = usize::from(status / 100).saturating_sub(1).min(CLASSES - 1);
        // `Code::ALL` is in the order of the variants, which a test holds.
        let row = self.requests.get(code as usize);
        if let Some(count) = row.and_then(|row| row.get(class)) {
            count.add(1);
        }
        self.bytes_in.add(bytes_in);
        self.bytes_out.add(bytes_out);
        self.total.add(total);
        if let Some(upstream) = upstream {
            self.upstream.add(upstream);
        }
    }

    /// A request's head arrived.
    pub fn request_started(&self) {
        self.in_flight.opened.add(1);
    }

    /// Its answer and its body ended, or it was given up.
    pub fn request_ended(&self) {
        self.in_flight.closed.add(1);
    }

    /// A client's connection is served.
    pub fn connection_opened(&self, kind: ConnectionKind) {
        at(&self.connections, kind.index()).opened.add(1);
    }

    /// It ended.
    pub fn connection_closed(&self, kind: ConnectionKind) {
        at(&self.connections, kind.index()).closed.add(1);
    }

    /// A client's connection was closed unserved.
    pub fn connection_refused(&self, reason: Refused) {
        at(&self.refused, reason as usize).add(1);
    }

    /// A client's connection was ended for what it sent, without an answer.
    pub fn client_fault(&self, fault: Fault) {
        at(&self.faults, fault as usize).add(1);
    }

    /// A deadline passed.
    pub fn deadline(&self, deadline: Deadline) {
        at(&self.deadlines, deadline as usize).add(1);
    }

    /// A connection to a server was made, or was not.
    pub fn upstream_connect(&self, ok: bool) {
        self.connects.add(ok);
    }

    /// A request was sent again.
    pub fn upstream_retry(&self) {
        self.retries.add(1);
    }

    /// A client's TLS handshake ended.
    pub fn tls_handshake(&self, ok: bool) {
        self.handshakes.add(ok);
    }

    /// A request met a limit of its token or account.
    pub fn rate_limited(&self, limit: TokenLimit) {
        at(&self.rate_limited, limit as usize).add(1);
    }

    /// Credentials were not looked at, as too many had been wrong.
    pub fn guess_refused(&self) {
        self.guesses_refused.add(1);
    }

    /// A client's certificate was not good, or was wanted and not shown.
    pub fn client_certificate_refused(&self) {
        self.certificates_refused.add(1);
    }

    /// A connection became a tunnel.
    pub fn tunnel_opened(&self) {
        self.tunnels.opened.add(1);
    }

    /// It ended.
    pub fn tunnel_closed(&self) {
        self.tunnels.closed.add(1);
    }
}

impl Protocol {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::H1 => "http/1.1",
            Self::H2 => "h2",
        }
    }
}

impl ConnectionKind {
    pub(super) const ALL: [Self; 4] = [
        Self::of(Protocol::H1, false),
        Self::of(Protocol::H1, true),
        Self::of(Protocol::H2, false),
        Self::of(Protocol::H2, true),
    ];

    const fn of(protocol: Protocol, tls: bool) -> Self {
        Self { protocol, tls }
    }

    fn index(self) -> usize {
        usize::from(self.protocol == Protocol::H2) * 2 + usize::from(self.tls)
    }
}

impl Refused {
    pub(super) const ALL: [Self; 3] = [Self::Total, Self::PerPeer, Self::Exhausted];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::PerPeer => "per_peer",
            Self::Exhausted => "exhausted",
        }
    }
}

impl Fault {
    pub(super) const ALL: [Self; 3] = [Self::HeadTooLarge, Self::Malformed, Self::Flood];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::Flood => "h2_flood",
        }
    }
}

impl TokenLimit {
    pub(super) const ALL: [Self; 2] = [Self::Rate, Self::InFlight];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::InFlight => "in_flight",
        }
    }
}

impl Deadline {
    pub(super) const ALL: [Self; 15] = [
        Self::FirstByte,
        Self::TlsHandshake,
        Self::Head,
        Self::KeepAlive,
        Self::BodyIdle,
        Self::SendIdle,
        Self::Total,
        Self::TunnelIdle,
        Self::H2Ping,
        Self::UpstreamConnect,
        Self::UpstreamFirstByte,
        Self::UpstreamHead,
        Self::UpstreamBodyIdle,
        Self::UpstreamSendIdle,
        Self::UpstreamTotal,
    ];

    /// The hop and the configuration's name of the deadline.
    pub(super) fn as_strs(self) -> (&'static str, &'static str) {
        match self {
            Self::FirstByte => ("client", "first_byte"),
            Self::TlsHandshake => ("client", "tls_handshake"),
            Self::Head => ("client", "head"),
            Self::KeepAlive => ("client", "keep_alive"),
            Self::BodyIdle => ("client", "body_idle"),
            Self::SendIdle => ("client", "send_idle"),
            Self::Total => ("client", "total"),
            Self::TunnelIdle => ("client", "tunnel_idle"),
            Self::H2Ping => ("client", "h2_ping"),
            Self::UpstreamConnect => ("upstream", "connect"),
            Self::UpstreamFirstByte => ("upstream", "first_byte"),
            Self::UpstreamHead => ("upstream", "head"),
            Self::UpstreamBodyIdle => ("upstream", "body_idle"),
            Self::UpstreamSendIdle => ("upstream", "send_idle"),
            Self::UpstreamTotal => ("upstream", "total"),
        }
    }
}

/// A counter with one writer: a load and a store, which need no locked instruction.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    fn add(&self, n: u64) {
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(n), Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What comes and goes, as two counters: the difference is what is there.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) opened: Count,
    pub(super) closed: Count,
}

/// What succeeds or fails.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) ok: Count,
    pub(super) failed: Count,
}

impl Outcomes {
    fn add(&self, ok: bool) {
        let count = if ok { &self.ok } else { &self.failed };
        count.add(1);
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Not cumulative; the last is for what passes every bound.
    pub(super) buckets: [Count; BOUNDS.len() + 1],
    pub(super) micros: Count,
}

impl Histogram {
    fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        at(
            &self.buckets,
            BOUNDS.partition_point(|bound| *bound < micros),
        )
        .add(1);
        self.micros.add(micros);
    }
}

/// The element that an enum of as many variants names.
fn at<T, const N: usize>(cells: &[T; N], index: usize) -> &T {
    cells
        .get(index)
        .expect("an array has an element for each variant")
}
