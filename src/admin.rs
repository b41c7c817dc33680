//! The operators' side: an API of its own listener, thread and runtime, so that neither
//! side slows the other.
//!
//! | method and path | role | answers |
//! | --- | --- | --- |
//! | `GET /healthz` | anyone | 200: the process lives |
//! | `GET /readyz` | anyone | 200 when requests are served, 503 `not_ready` before and while stopping |
//! | `GET /metrics` | viewer | OpenMetrics text |
//! | `GET /v1/status` | viewer | revision, counts, last load and its faults |
//!
//! A request's walk: `connection` accepts and speaks HTTP; `exchange` raises the walls, proves
//! the operator, compares the role; `endpoint` is the list of calls; one file for each
//! group of calls does them; `problem` and `respond` give answers their form.

mod connection;
mod endpoint;
mod exchange;
mod listener;
mod monitoring;
mod operator;
mod problem;
mod respond;
mod throttle;
mod walls;

use std::collections::hash_map::RandomState;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use jiff::Timestamp;

pub use connection::serve;
pub use listener::{AdminListener, SocketFile};

use crate::config::Settings;
use crate::fault::Faults;
use crate::limit::Verifier;
use crate::snapshot::SnapshotHandle;

/// Gives the TLS configuration in force; asked at each handshake.
pub type Tls = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// What the admin API reads and acts on.
pub struct Context {
    /// The settings in force, read at each request: operators, hosts, grace.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Tokens and catalogue in force.
    pub snapshot: Arc<SnapshotHandle>,
    /// Verifies operators' bcrypt and argon2id digests.
    pub verifier: Verifier,
    /// TLS, where the listener speaks it.
    pub tls: Option<Tls>,
    /// The text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// What became of the last load of the files.
    pub loads: Box<dyn Fn() -> Loads + Send + Sync>,
    /// True from when every worker listens until the stop begins.
    pub listening: Arc<AtomicBool>,
    /// What has changed in the main file and waits for a restart, by key.
    pub needs_restart: Arc<ArcSwap<Vec<String>>>,
    /// When the process started.
    pub started_at: Timestamp,
    /// Worker threads of the gate.
    pub workers: NonZeroUsize,
}

/// What became of the files when they were last loaded.
#[derive(Clone, Debug, Default)]
pub struct Loads {
    /// When they were last loaded, if they were.
    pub at: Option<Timestamp>,
    /// What is wrong with the files as they lie there now; the last good content is in
    /// force.
    pub faults: Option<Arc<Faults>>,
}

/// The context and what the API itself remembers.
struct State {
    context: Arc<Context>,
    /// Wrong credentials of each peer.
    throttle: throttle::Throttle,
    /// Held by the one operator whose slow digest is being verified.
    slow_check: tokio::sync::Mutex<()>,
    /// Picks the digest that an unknown name is compared with.
    names_hasher: RandomState,
    /// Counts of the last snapshot that was asked about.
    counts: monitoring::CountsCache,
}

impl State {
    fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            throttle: throttle::Throttle::default(),
            slow_check: tokio::sync::Mutex::new(()),
            names_hasher: RandomState::new(),
            counts: monitoring::CountsCache::default(),
        }
    }
}

/// Does a call.
async fn call(
    state: &State,
    endpoint: endpoint::Endpoint,
) -> Result<respond::Answer, problem::Problem> {
    use endpoint::Endpoint as E;
    match endpoint {
        E::Health => Ok(monitoring::health()),
        E::Ready => monitoring::ready(state),
        E::Metrics => Ok(monitoring::metrics(state)),
        E::Status => Ok(monitoring::status(state)),
    }
}
