//! What all workers share, and what one worker makes of it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use http::HeaderValue;

use super::respond::{self, Refusal};
use super::room::Places;
use super::upstream::Upstream;
use super::upstream::servers::UpstreamState;
use crate::auth::{Keys, Permit};
use crate::code::Code;
use crate::config::Settings;
use crate::limit::{Guesses, InFlight, RateLimiter, Verifier};
use crate::snapshot::SnapshotHandle;
use crate::telemetry::metrics::WorkerMetrics;

/// What a reload of the main file may replace, as one value.
#[derive(Debug)]
pub struct Active {
    /// The settings.
    pub settings: Arc<Settings>,
    /// Keys of digests.
    pub keys: Keys,
    /// The gate's certificate.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The upstreams, in the settings' order.
    pub upstreams: Vec<Arc<UpstreamState>>,
}

/// What all workers share.
#[derive(Debug)]
pub struct Gate {
    pub(super) snapshot: Arc<SnapshotHandle>,
    pub(super) active: ArcSwap<Active>,
    pub(super) generation: AtomicU64,
    pub(super) verifier: Verifier,
    pub(super) guesses: Guesses,
    pub(super) places: Places,
    pub(super) rates: RateLimiter,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) workers: usize,
}

impl Gate {
    /// A gate for so many workers.
    #[must_use]
    pub fn new(
        snapshot: Arc<SnapshotHandle>,
        active: Active,
        verifier: Verifier,
        workers: usize,
    ) -> Self {
        Self {
            snapshot,
            places: Places::new(active.settings.limits.requests_in_flight),
            rates: RateLimiter::new(Instant::now()),
            in_flight: Arc::default(),
            workers,
            active: ArcSwap::from_pointee(active),
            generation: AtomicU64::new(0),
            verifier,
            guesses: Guesses::default(),
        }
    }

    /// What is in force.
    #[must_use]
    pub fn active(&self) -> Arc<Active> {
        self.active.load_full()
    }

    /// What verifies slow digests of tokens.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// What counts the calls of tokens and accounts.
    #[must_use]
    pub fn rates(&self) -> &RateLimiter {
        &self.rates
    }

    /// Puts new settings in force, for every request that begins after this.
    pub fn replace(&self, active: Active) {
        let limit = active.settings.limits.requests_in_flight;
        let old = self.active.swap(Arc::new(active));
        let old = old.settings.limits.requests_in_flight;
        self.places.resize(old, limit);
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// [`Active`] with the worker's own connections.
pub(super) struct Local {
    pub(super) generation: u64,
    pub(super) active: Arc<Active>,
    pub(super) upstreams: Vec<Rc<Upstream>>,
    pub(super) challenge: HeaderValue,
}

impl Local {
    pub(super) fn new(
        gate: &Gate,
        metrics: &Arc<WorkerMetrics>,
        previous: &[Rc<Upstream>],
    ) -> Self {
        // The generation is read first: a change in between is then seen by the next request.
        let generation = gate.generation.load(Ordering::Acquire);
        let active = gate.active();
        let connected = |state: &Arc<UpstreamState>| {
            let same = previous.iter().find(|upstream| upstream.is_of(state));
            same.map_or_else(|| Rc::new(Upstream::new(state, metrics)), Rc::clone)
        };
        Self {
            generation,
            upstreams: active.upstreams.iter().map(connected).collect(),
            challenge: respond::challenge(&active.settings.realm),
            active,
        }
    }

    /// The upstream of the request's version, or the first.
    pub(super) fn upstream(&self, permit: &Permit) -> Result<&Rc<Upstream>, Refusal> {
        let named = permit
            .version()
            .and_then(|version| version.upstream.as_ref());
        let found = match named {
            None => self.upstreams.first(),
            Some(name) => self.upstreams.iter().find(|u| u.name() == &**name),
        };
        // Names are checked when files are loaded, but the two files change on their own.
        found.ok_or_else(|| Refusal::new(Code::UpstreamUnavailable))
    }
}
