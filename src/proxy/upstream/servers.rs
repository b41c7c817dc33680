//! What all workers know of an upstream's servers: shared counters, no connections.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::HeaderValue;
use rustls::ClientConfig;
use tokio::sync::Semaphore;

use crate::config::{Protocol, Server, Upstream};
use crate::fault::Fault;
use crate::net::tls;

/// The point from which ejections count; an `Instant` does not fit an atomic.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One upstream.
#[derive(Debug)]
pub struct UpstreamState {
    /// As configured.
    pub config: Arc<Upstream>,
    pub(crate) servers: Vec<Arc<ServerState>>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// One server.
#[derive(Debug)]
pub struct ServerState {
    /// As configured.
    pub server: Server,
    pub(crate) host: HeaderValue,
    /// Connections that may still be opened, where they are bounded.
    pub(crate) permits: Option<Arc<Semaphore>>,
    /// Requests that wait for one of them, over all workers.
    pub(crate) waiting: AtomicUsize,
    in_flight: AtomicUsize,
    healthy: AtomicBool,
    failures: AtomicU32,
    ejected_until: AtomicU64,
}

/// One request at one server; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<ServerState>);

impl UpstreamState {
    /// The servers of an upstream, all believed to be well.
    ///
    /// # Errors
    /// A [`Fault`] of a CA or certificate file.
    pub fn new(config: &Arc<Upstream>) -> Result<Arc<Self>, Fault> {
        let secure = config.servers.iter().any(|server| server.tls);
        let http2 = config.protocol == Protocol::Http2;
        let tls = secure
            .then(|| tls::client(&config.tls, http2))
            .transpose()?;
        let state = |server: &Server| {
            Arc::new(ServerState {
                server: server.clone(),
                host: HeaderValue::from_str(server.authority.as_str())
                    .expect("an authority is visible ASCII"),
                permits: config
                    .max_connections
                    .map(|most| Arc::new(Semaphore::new(most.get()))),
                waiting: AtomicUsize::new(0),
                in_flight: AtomicUsize::new(0),
                healthy: AtomicBool::new(true),
                failures: AtomicU32::new(0),
                ejected_until: AtomicU64::new(0),
            })
        };
        Ok(Arc::new(Self {
            config: Arc::clone(config),
            servers: config.servers.iter().map(state).collect(),
            tls,
        }))
    }

    /// Each server and whether it is in use: probed healthy and not ejected.
    pub fn health(&self) -> impl Iterator<Item = (&Server, bool)> {
        let now = millis();
        let servers = self.servers.iter();
        servers.map(move |s| (&s.server, s.is_healthy() && !s.is_ejected(now)))
    }

    /// A server for a request: the less loaded of two that chance names, among those that
    /// are healthy, not ejected and not yet `tried` (a bit each). Where that leaves none,
    /// an ejected one is better than none; one that a probe found dead is not.
    pub(crate) fn choose(&self, tried: u64) -> Option<usize> {
        if let [only] = self.servers.as_slice() {
            return only.is_healthy().then_some(0);
        }
        let now = millis();
        let untried = |at: usize| tried & (1 << (at % 64)) == 0;
        let well = |at: usize, s: &ServerState| s.is_healthy() && untried(at) && !s.is_ejected(now);
        self.pick(well)
            .or_else(|| self.pick(|at, s| s.is_healthy() && untried(at)))
            .or_else(|| self.pick(|_, s| s.is_healthy()))
    }

    fn pick(&self, fits: impl Fn(usize, &ServerState) -> bool) -> Option<usize> {
        let candidates = || {
            let numbered = self.servers.iter().enumerate();
            numbered.filter(|(at, server)| fits(*at, server))
        };
        let count = candidates().count();
        if count < 2 {
            return candidates().next().map(|(at, _)| at);
        }
        let first = rand::random_range(0..count);
        let second = (first + rand::random_range(1..count)) % count;
        let one = candidates().nth(first)?;
        let two = candidates().nth(second)?;
        let load = |server: &ServerState| server.in_flight.load(Relaxed);
        Some(if load(two.1) < load(one.1) {
            two.0
        } else {
            one.0
        })
    }
}

impl ServerState {
    /// A copy of `host` that shares nothing, not even a count, with other workers.
    pub(crate) fn own_host(&self) -> HeaderValue {
        HeaderValue::from_bytes(self.host.as_bytes()).unwrap_or_else(|_| self.host.clone())
    }

    /// An answer came: whatever it was, the server works.
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// No answer came; enough of that in a row ejects the server for a while.
    pub(crate) fn failed(&self, upstream: &UpstreamState) {
        let config = &upstream.config;
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if config.ejection_failures == 0 || failures < config.ejection_failures {
            return;
        }
        self.failures.store(0, Relaxed);
        if upstream.servers.len() < 2 {
            return;
        }
        let duration = u64::try_from(config.ejection_duration.as_millis()).unwrap_or(u64::MAX);
        self.ejected_until
            .store(millis().saturating_add(duration), Relaxed);
        tracing::warn!(
            upstream = %config.name,
            server = %self.server.url,
            failures,
            seconds = config.ejection_duration.as_secs_f64(),
            "server ejected"
        );
    }

    /// What a probe found. True where that is news.
    pub(crate) fn set_healthy(&self, healthy: bool) -> bool {
        self.healthy.swap(healthy, Relaxed) != healthy
    }

    fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    fn is_ejected(&self, now: u64) -> bool {
        self.ejected_until.load(Relaxed) > now
    }
}

impl InFlight {
    /// Counts a request, where there is a choice that the count serves.
    pub(crate) fn count(server: &Arc<ServerState>, servers: usize) -> Option<Self> {
        (servers > 1).then(|| {
            server.in_flight.fetch_add(1, Relaxed);
            Self(Arc::clone(server))
        })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

fn millis() -> u64 {
    u64::try_from(EPOCH.elapsed().as_millis()).unwrap_or(u64::MAX)
}
