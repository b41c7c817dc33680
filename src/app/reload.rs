//! Reloads the main file and the certificates and keys that it names. Tokens and
//! catalogue are the store's.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::signals::Hangup;
use super::{Shared, active};
use crate::auth::Keys;
use crate::config::{self, Config};
use crate::fault::Faults;
use crate::proxy::Active;
use crate::proxy::upstream::health;
use crate::store::watch::{FileWatch, WatchedFile};
use crate::telemetry::log;

/// How soon a reload that was refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Begins to watch the main file and what it names. A change is one against the state of
/// now, so this comes before the files are read.
pub(super) fn watch(config: &Config) -> io::Result<FileWatch> {
    FileWatch::start(watched(&[config]), config.settings.files.poll, true)
}

/// Follows the files until it is dropped; probes the upstreams' servers meanwhile.
pub(super) async fn run(shared: Arc<Shared>, config: Config, watch: FileWatch, mut hangup: Hangup) {
    let mut config = config;
    let mut probes = probe(&shared.gate.active());
    loop {
        tokio::select! {
            () = hangup.next() => {
                tracing::info!("asked to reload every file");
                shared.access().reopen();
                if let Err(faults) = shared.writer.reload().await {
                    tracing::debug!(%faults, "files stay as they were");
                }
            }
            files = watch.settled() => {
                tracing::debug!(?files, "files have changed");
            }
            // A bad main file may name files that nobody watches, as nobody could read it.
            () = tokio::time::sleep(RETRY), if shared.main_faults.load().is_some() => {}
        }
        match reload(&shared, &config, &watch).await {
            Ok(newer) => {
                watch.watch(watched(&[&newer]), newer.settings.files.poll);
                config = newer;
                shared.main_faults.store(None);
                probes.abort_all();
                probes = probe(&shared.gate.active());
            }
            Err(faults) => {
                // Told once, however often it is tried again.
                if shared.main_faults.load().as_deref() != Some(&faults) {
                    for fault in &faults.0 {
                        tracing::error!(%fault, "not reloaded; what was in force stays");
                    }
                    shared.main_faults.store(Some(Arc::new(faults)));
                }
            }
        }
    }
}

/// Reads everything anew and puts it in force, or changes nothing.
async fn reload(shared: &Shared, old: &Config, watch: &FileWatch) -> Result<Config, Faults> {
    let mut newer = config::load(&old.path)?;
    // Before they are read: no change falls between the two.
    watch.watch(watched(&[old, &newer]), newer.settings.files.poll);
    let waiting = old.needs_restart(&newer);
    for key in &waiting {
        tracing::warn!(key, "changed; takes effect with a restart");
    }
    // What is fixed stays what it was at the start, to be compared with again.
    newer.fixed = old.fixed.clone();
    let settings = &newer.settings;
    let hmac = settings.secrets.hmac_key_file.as_deref();
    let keys = Keys::load(hmac)?;
    let seals = active::seals(&newer)?;
    let active = active::build(&newer, keys, Some(&shared.gate.active()))?;
    let admin_tls = active::admin_tls(&newer)?;
    let names = active.upstreams.iter().map(|u| Arc::clone(&u.config.name));
    let names: Vec<Arc<str>> = names.collect();
    let hmac = hmac.is_some();
    shared
        .writer
        .configure(&settings.files, &names, hmac)
        .await?;
    log::apply(&settings.log).unwrap_or_else(|e| tracing::warn!(error = %e, "log unchanged"));
    shared
        .access()
        .reconfigure(&settings.access_log)
        .unwrap_or_else(|e| tracing::warn!(error = %e, "access log unchanged"));
    for verifier in [Some(shared.gate.verifier()), shared.admin_verifier.as_ref()]
        .into_iter()
        .flatten()
    {
        verifier
            .reconfigure(&settings.verification)
            .unwrap_or_else(|e| tracing::warn!(error = %e, "verification unchanged"));
    }
    shared.keys.store(Arc::new(active.keys.clone()));
    shared.seals.store(seals);
    shared.settings.store(Arc::clone(&active.settings));
    shared.gate.replace(active);
    // As with the gate's: a listener of TLS never falls back.
    if admin_tls.is_some() {
        shared.admin_tls.store(admin_tls);
    }
    let waiting = waiting.into_iter().map(str::to_owned).collect();
    shared.needs_restart.store(Arc::new(waiting));
    tracing::info!("main file reloaded");
    Ok(newer)
}

/// The main file, and every file whose content it stands for, in these of its versions.
fn watched(configs: &[&Config]) -> Vec<WatchedFile> {
    let mut files: Vec<PathBuf> = Vec::new();
    for config in configs {
        let settings = &config.settings;
        files.push(config.path.clone());
        for tls in [&settings.tls, &settings.admin.tls].into_iter().flatten() {
            files.extend([tls.certificate.clone(), tls.private_key.clone()]);
            files.extend(tls.clients.as_ref().map(|clients| clients.ca.clone()));
        }
        for upstream in &settings.upstreams {
            files.extend(upstream.tls.ca.clone());
            if let Some((certificate, key)) = &upstream.tls.client {
                files.extend([certificate.clone(), key.clone()]);
            }
        }
        files.extend(settings.secrets.hmac_key_file.clone());
        files.extend(settings.secrets.sealing_key_file.clone());
    }
    files.sort();
    files.dedup();
    let watched = |path| WatchedFile { path, loaded: None };
    files.into_iter().map(watched).collect()
}

/// One task for each upstream that has a health check.
fn probe(active: &Active) -> tokio::task::JoinSet<()> {
    let mut probes = tokio::task::JoinSet::new();
    for upstream in &active.upstreams {
        probes.spawn(health::probe(Arc::clone(upstream)));
    }
    probes
}
