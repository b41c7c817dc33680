//! From a configuration to what is in force: keys, certificates, upstreams.

use std::sync::Arc;

use rustls::ServerConfig;

use crate::auth::Keys;
use crate::config::Config;
use crate::fault::{Fault, Faults};
use crate::net::tls;
use crate::proxy::Active;
use crate::proxy::upstream::servers::UpstreamState;
use crate::token::seal::SealingKeys;

/// Reads what the settings name. Upstreams that are as in `previous` are kept, with their
/// connections and what is known of their servers; those with files of their own are read
/// anew, as the files may have changed.
///
/// # Errors
/// All faults of certificates and keys.
pub(super) fn build(
    config: &Config,
    keys: Keys,
    previous: Option<&Active>,
) -> Result<Active, Faults> {
    let settings = &config.settings;
    let mut faults = Vec::new();
    // TLS on or off is fixed at the start; the files are not. A main file that names none
    // any more takes nothing from listeners that speak it: what they had stays.
    let tls = match settings.tls.as_ref().filter(|_| config.fixed.tls) {
        None => previous.and_then(|active| active.tls.clone()),
        Some(files) => tls::server(files).map_err(|f| faults.push(f)).ok(),
    };
    let mut upstreams = Vec::with_capacity(settings.upstreams.len());
    for upstream in &settings.upstreams {
        let reads_files = upstream.tls.ca.is_some() || upstream.tls.client.is_some();
        let known = previous
            .into_iter()
            .flat_map(|active| &active.upstreams)
            .find(|state| !reads_files && state.config == *upstream);
        if let Some(state) = known {
            upstreams.push(Arc::clone(state));
            continue;
        }
        match UpstreamState::new(upstream) {
            Ok(state) => upstreams.push(state),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    Ok(Active {
        settings: Arc::new(settings.clone()),
        keys,
        tls,
        upstreams,
    })
}

/// The keys that auth tokens are sealed under, where there are any.
///
/// # Errors
/// What is wrong with their file.
pub(super) fn seals(config: &Config) -> Result<Option<Arc<SealingKeys>>, Fault> {
    let file = config.settings.secrets.sealing_key_file.as_deref();
    file.map(|file| SealingKeys::load(file).map(Arc::new))
        .transpose()
}

/// The admin's certificate, where its listener speaks TLS.
///
/// # Errors
/// A fault of its files.
pub(super) fn admin_tls(config: &Config) -> Result<Option<Arc<ServerConfig>>, Faults> {
    let files = config.settings.admin.tls.as_ref();
    let files = files.filter(|_| config.fixed.admin_tls);
    Ok(files.map(tls::server).transpose()?)
}
