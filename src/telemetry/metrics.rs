//! Metrics in the OpenMetrics text format.
//!
//! Every worker counts in cells of its own, which only it writes: no lock and no contended
//! cache line on the data path. A scrape sums them. Labels take only values that the code
//! or the configuration names, so that no client can make one more time series; nothing
//! here knows a SID.

mod exposition;
mod worker;

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::registry::Registry;

pub use worker::{ConnectionKind, Deadline, Fault, Protocol, Refused, TokenLimit, WorkerMetrics};

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that is counted in this process.
#[derive(Debug)]
pub struct Metrics {
    state: Arc<State>,
    registry: Registry,
}

/// What others than workers know, as it is at a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The revision of the snapshot in force.
    pub revision: u64,
    /// How many tokens it holds.
    pub tokens: u64,
    /// Reloads that were taken over.
    pub reloads: u64,
    /// Reloads that were refused.
    pub failed_reloads: u64,
    /// Access records that were not written.
    pub dropped_records: u64,
    /// Admin calls that were refused for want of an operator's credentials.
    pub strangers: u64,
    /// What is counted for the catalogue's limits: tokens and accounts in groups.
    pub rate_limit_counters: u64,
    /// Every server of every upstream.
    pub servers: Vec<ServerHealth>,
}

/// Whether requests are sent to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHealth {
    /// The upstream's name.
    pub upstream: Arc<str>,
    /// The server's URL, as configured.
    pub server: Arc<str>,
    /// Whether it is in.
    pub healthy: bool,
}

/// What a scrape reads.
struct State {
    workers: Vec<Arc<WorkerMetrics>>,
    observe: OnceLock<Box<dyn Fn() -> Observed + Send + Sync>>,
    started: f64,
}

impl Metrics {
    /// Metrics of so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let state = Arc::new(State {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            observe: OnceLock::new(),
            started: started.unwrap_or_default().as_secs_f64(),
        });
        let mut registry = Registry::with_prefix("sidgate");
        registry.register_collector(Box::new(exposition::Exposition(Arc::clone(&state))));
        Arc::new(Self { state, registry })
    }

    /// The cells of a worker, from 0. Only that worker's thread writes them.
    ///
    /// # Panics
    /// When there is no such worker.
    #[must_use]
    pub fn worker(&self, number: usize) -> Arc<WorkerMetrics> {
        let cells = self.state.workers.get(number);
        Arc::clone(cells.expect("workers are numbered below the count that was given"))
    }

    /// Where the rest comes from; asked at every scrape, on the scraper's thread. Only the
    /// first call has an effect.
    pub fn observe(&self, source: impl Fn() -> Observed + Send + Sync + 'static) {
        // A second source would be a second set of the same series.
        let _ = self.state.observe.set(Box::new(source));
    }

    /// Everything, in the format of [`CONTENT_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        prometheus_client::encoding::text::encode(&mut text, &self.registry)
            .expect("a String takes every byte");
        text
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
