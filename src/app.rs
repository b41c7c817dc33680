//! Wires the parts: files to snapshots, sockets to workers, signals to reload and stop.
//!
//! Threads: one for each worker, one for the admin listener, and the caller's own, which
//! watches files, writes snapshots and waits for signals.

mod active;
mod admin;
mod listen;
mod reload;
mod resources;
mod signals;
mod sweep;
mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::sync::watch;

pub use self::resources::keep_memory_private;
use self::signals::{Hangup, Stops};
pub use self::workers::GateHandler;
use crate::admin::AdminListener;
use crate::auth::Keys;
use crate::config::{self, Config, Settings};
use crate::fault::Faults;
use crate::limit::Verifier;
use crate::proxy::{Active, Gate};
use crate::server::Stop;
use crate::snapshot::Snapshot;
use crate::store;
use crate::telemetry::access::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::token::seal::SealingKeys;

/// Why the gate did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not as it must be.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}")]
    Listen(String, #[source] io::Error),
    /// A socket that was passed is open to other machines, and without TLS.
    #[error(
        "the passed socket {0} is reachable from other machines, and without TLS credentials \
         can be read on their way: set `tls` or `allow_plaintext` in [proxy]"
    )]
    Plaintext(SocketAddr),
    /// A thread, a runtime or a log could not be started.
    #[error("cannot start {0}")]
    Start(&'static str, #[source] io::Error),
    /// The audit cannot be written, so nothing could be changed.
    #[error("the audit {} cannot be opened", .0.display())]
    Audit(PathBuf, #[source] io::Error),
    /// A worker ended while it should have served.
    #[error("worker {0} ended early")]
    Worker(usize),
}

/// Makes sure, before anything else, that the system gives what a process of ours needs.
///
/// # Errors
/// [`Error::Start`] where it does not.
pub fn prepare() -> Result<(), Error> {
    resources::prove_memory().map_err(|e| Error::Start("with so little memory", e))?;
    resources::raise_descriptor_limit();
    resources::prove_signals().map_err(|e| Error::Start("with so few descriptors", e))
}

/// Runs gate and admin until `shutdown` ends or a signal asks to stop, then drains.
///
/// SIGTERM and SIGINT stop; a second one ends the grace period. SIGHUP reads every file
/// again and opens the access log anew.
///
/// # Errors
/// [`Error`] when something cannot start. Nothing has been served then.
pub fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Start("the runtime", e))?;
    runtime.block_on(serve(config, shutdown))
}

async fn serve(
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let started_at = Timestamp::now();
    let (mut stops, hangup) = (Stops::new(), Hangup::new());
    // Read once more, now that it is watched: no change falls between the two.
    let watch = reload::watch(&config).map_err(|e| Error::Start("watching the files", e))?;
    let config = config::load(&config.path)?;
    let fixed = config.fixed.clone();
    let count = fixed.workers.get();
    let settings = Arc::new(config.settings.clone());

    // Files first: a bad one means no start, and nothing is bound.
    let files = read(&config)?;
    let access =
        AccessLog::start(&settings.access_log).map_err(|e| Error::Start("the access log", e))?;
    let verifier =
        Verifier::start(&settings.verification).map_err(|e| Error::Start("verification", e))?;

    let listeners = listen::listen(&config)?;
    let addresses = listeners
        .addresses()
        .map_err(|e| Error::Start("a listener", e))?;
    let admin_listener = match &fixed.admin_listen {
        None => None,
        Some(address) => {
            Some(AdminListener::bind(address).map_err(|e| Error::Listen(address.to_string(), e))?)
        }
    };
    // Strangers at the gate do not fill the queue in which operators wait.
    let admin_verifier = admin_listener
        .as_ref()
        .map(|_| Verifier::start(&settings.verification))
        .transpose()
        .map_err(|e| Error::Start("the admin's verification", e))?;
    // After the listeners: the audit of a gate that runs already is left alone.
    let writer_task = match admin::audit(&config)? {
        Some(audit) => files.writer_task.with_audit(audit),
        None => files.writer_task,
    };
    let writer_task = writer_task
        .start()
        .map_err(|e| Error::Start("the store", e))?;

    let metrics = Metrics::new(count);
    let gate = Arc::new(Gate::new(
        Arc::clone(files.writer.snapshot()),
        files.active,
        verifier,
        count,
    ));
    let shared = Arc::new(Shared {
        settings: Arc::new(ArcSwap::new(settings)),
        keys: Arc::new(ArcSwap::from_pointee(files.keys)),
        seals: Arc::new(ArcSwapOption::new(files.seals)),
        strangers: Arc::default(),
        admin_verifier: admin_verifier.clone(),
        listening: Arc::new(AtomicBool::new(false)),
        needs_restart: Arc::new(ArcSwap::default()),
        main_faults: Arc::new(ArcSwapOption::empty()),
        admin_tls: ArcSwapOption::new(files.admin_tls),
        gate,
        writer: files.writer,
        metrics,
        access: Mutex::new(access),
        started_at,
    });

    let (stop, stopping) = watch::channel(Stop::Starting);
    let admin_described = admin_listener.as_ref().map(AdminListener::describe);
    let admin_thread = admin_listener
        .zip(admin_verifier)
        .map(|(listener, verifier)| {
            let context = admin::context(&shared, &config, verifier);
            admin::start(context, listener, stopping.clone())
        })
        .transpose()?;
    let mut workers = workers::start(&shared, listeners, &stopping).await?;
    resources::prove_spare().map_err(|e| Error::Start("with so few descriptors", e))?;
    // Nothing can fail from here on: now clients are accepted.
    stop.send_replace(Stop::No);
    let (end_writer, writer_ended) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(writer_task.run(async {
        writer_ended.await.ok();
    }));
    let sweeping = tokio::spawn(sweep::run(Arc::clone(&shared.gate)));
    let reloading = tokio::spawn(reload::run(Arc::clone(&shared), config, watch, hangup));

    shared.listening.store(true, Ordering::Release);
    announce(&shared, &addresses, admin_described.as_deref(), count);
    notify(&[sd_notify::NotifyState::Ready]);

    let result = tokio::select! {
        () = stops.next() => Ok(()),
        () = shutdown => Ok(()),
        ended = workers.first_to_end() => Err(Error::Worker(ended)),
    };
    shared.listening.store(false, Ordering::Release);
    notify(&[sd_notify::NotifyState::Stopping]);
    let grace = shared.settings.load().timeouts.grace;
    tracing::info!(grace_seconds = grace.as_secs_f64(), "stopping");
    stop.send_replace(Stop::Drain);
    tokio::select! {
        () = workers.all_ended() => {}
        () = tokio::time::sleep(grace) => tracing::warn!("grace period over"),
        () = stops.next() => tracing::warn!("asked again: stopping now"),
    }
    stop.send_replace(Stop::Now);
    workers.join();
    if let Some(thread) = admin_thread {
        match thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => tracing::error!(error = %e, "the admin ended early"),
            Err(_) => tracing::error!("the admin panicked"),
        }
    }
    for task in [reloading, sweeping] {
        task.abort();
        task.await.ok();
    }
    drop(end_writer);
    writing.await.ok();
    // The last owner of the access log: it writes what is queued.
    drop(shared);
    tracing::info!("stopped");
    result
}

/// Reads every file as [`run`] would, and gives what would be in force. Binds nothing and
/// starts nothing.
///
/// # Errors
/// All faults of the files.
pub fn check(config: &Config) -> Result<Arc<Snapshot>, Error> {
    let files = read(config)?;
    Ok(Arc::clone(&files.writer.snapshot().load()))
}

/// What every file says.
struct Files {
    writer: store::Writer,
    writer_task: store::WriterTask,
    keys: Keys,
    seals: Option<Arc<SealingKeys>>,
    active: Active,
    admin_tls: Option<Arc<rustls::ServerConfig>>,
}

fn read(config: &Config) -> Result<Files, Error> {
    let settings = &config.settings;
    let hmac = settings.secrets.hmac_key_file.as_deref();
    let keys = Keys::load(hmac).map_err(Faults::from)?;
    let seals = active::seals(config).map_err(Faults::from)?;
    let active = active::build(config, keys.clone(), None)?;
    let admin_tls = active::admin_tls(config)?;
    let names = settings.upstreams.iter().map(|u| Arc::clone(&u.name));
    let names: Vec<Arc<str>> = names.collect();
    let (writer, writer_task) = store::open(&settings.files, &names, hmac.is_some())?;
    Ok(Files {
        writer,
        writer_task,
        keys,
        seals,
        active,
        admin_tls,
    })
}

/// What the parts share.
struct Shared {
    gate: Arc<Gate>,
    writer: store::Writer,
    settings: Arc<ArcSwap<Settings>>,
    keys: Arc<ArcSwap<Keys>>,
    seals: Arc<ArcSwapOption<SealingKeys>>,
    admin_tls: ArcSwapOption<rustls::ServerConfig>,
    /// `None` where there is no admin listener.
    admin_verifier: Option<Verifier>,
    metrics: Arc<Metrics>,
    /// Behind a lock, as its channel wants one owner; nobody on a request's way takes it.
    access: Mutex<AccessLog>,
    /// Admin calls that were refused for want of an operator's credentials.
    strangers: Arc<AtomicU64>,
    listening: Arc<AtomicBool>,
    needs_restart: Arc<ArcSwap<Vec<String>>>,
    main_faults: Arc<ArcSwapOption<Faults>>,
    started_at: Timestamp,
}

impl Shared {
    fn access(&self) -> MutexGuard<'_, AccessLog> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says where the gate listens, what it loaded, and what is unsafe.
fn announce(shared: &Shared, addresses: &[SocketAddr], admin: Option<&str>, workers: usize) {
    let settings = shared.settings.load();
    let status = shared.writer.status();
    for address in addresses {
        let tls = settings.tls.is_some();
        tracing::info!(%address, tls, "gate listens");
    }
    match admin {
        Some(address) => tracing::info!(%address, "admin listens"),
        None => tracing::info!("no admin listener is configured"),
    }
    for upstream in &settings.upstreams {
        let servers: Vec<_> = upstream.servers.iter().map(|s| &*s.url).collect();
        tracing::info!(upstream = %upstream.name, ?servers, "upstream");
    }
    tracing::info!(
        tokens = status.tokens,
        scopes = status.scopes,
        rules = status.rules,
        workers,
        "loaded"
    );
    for hazard in crate::config::hazards(&settings, addresses) {
        tracing::warn!("{hazard}");
    }
}

/// Tells the service manager, where there is one (sd_notify(3)).
fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!(error = %e, "cannot notify the service manager");
    }
}
