//! The admin listener's context: what it reads of the running gate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::{Error, Shared};
use crate::admin::{self, AdminListener, Context};
use crate::config::Config;
use crate::limit::Verifier;
use crate::server::Stop;
use crate::telemetry::audit::AuditLog;
use crate::telemetry::metrics::{Observed, ServerHealth};

/// Starts the admin's thread. It answers until the workers have drained.
pub(super) fn start(
    context: Arc<Context>,
    listener: AdminListener,
    mut stop: watch::Receiver<Stop>,
) -> Result<JoinHandle<io::Result<()>>, Error> {
    let stopped = async move {
        // An error means that nobody can tell to stop any more: stop.
        stop.wait_for(|s| *s >= Stop::Now).await.ok();
    };
    admin::serve(listener, context, stopped).map_err(|e| Error::Start("the admin thread", e))
}

/// Opens the audit. `None` where there is none, and where it would lie beside a token file in
/// a folder that cannot be written: there no change can be made either.
pub(super) fn audit(config: &Config) -> Result<Option<AuditLog>, Error> {
    let Some(path) = &config.fixed.audit else {
        return Ok(None);
    };
    let tokens = &config.settings.files.tokens;
    match AuditLog::open(path) {
        Ok(audit) => Ok(Some(audit)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            ) && path.parent() == tokens.parent()
                && !path.exists() =>
        {
            tracing::warn!(%error, path = %path.display(), "there is no audit");
            Ok(None)
        }
        Err(error) => Err(Error::Audit(path.clone(), error)),
    }
}

/// What the admin API reads and does.
pub(super) fn context(shared: &Arc<Shared>, config: &Config, verifier: Verifier) -> Arc<Context> {
    let tls = shared.admin_tls.load_full().map(|first| {
        let current = Arc::clone(shared);
        let latest = move || {
            let tls = current.admin_tls.load_full();
            tls.unwrap_or_else(|| Arc::clone(&first))
        };
        Arc::new(latest) as admin::Tls
    });
    let metrics = Arc::clone(shared);
    shared.metrics.observe(observe(shared));
    Arc::new(Context {
        settings: Arc::clone(&shared.settings),
        writer: shared.writer.clone(),
        verifier,
        tls,
        metrics: Box::new(move || metrics.metrics.encode()),
        strangers: Arc::clone(&shared.strangers),
        listening: Arc::clone(&shared.listening),
        keys: Arc::clone(&shared.keys),
        seals: Arc::clone(&shared.seals),
        audit: config.fixed.audit.clone(),
        needs_restart: Arc::clone(&shared.needs_restart),
        main_faults: Arc::clone(&shared.main_faults),
        started_at: shared.started_at,
        workers: config.fixed.workers,
    })
}

/// What a scrape reads beside the workers' counters. It must not keep the gate alive.
fn observe(shared: &Arc<Shared>) -> impl Fn() -> Observed + Send + Sync + 'static {
    let shared = Arc::downgrade(shared);
    move || {
        let Some(shared) = shared.upgrade() else {
            return Observed::default();
        };
        let status = shared.writer.status();
        let (reloads, failed_reloads) = shared.writer.loads();
        let active = shared.gate.active();
        let servers = active.upstreams.iter().flat_map(|upstream| {
            upstream.health().map(|(server, healthy)| ServerHealth {
                upstream: Arc::clone(&upstream.config.name),
                server: Arc::clone(&server.url),
                healthy,
            })
        });
        Observed {
            revision: status.revision.0,
            tokens: u64::try_from(status.tokens).unwrap_or(u64::MAX),
            reloads,
            failed_reloads,
            dropped_records: shared.access().dropped(),
            strangers: shared.strangers.load(Ordering::Relaxed),
            rate_limit_counters: u64::try_from(shared.gate.rates().len()).unwrap_or(u64::MAX),
            servers: servers.collect(),
        }
    }
}
