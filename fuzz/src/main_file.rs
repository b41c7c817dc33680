//! The main file's text -> [`sidgate::config`].
//!
//! What is taken must be TOML, must keep the promises that make it safe, and must mean the
//! same below a comment; with a key that does not exist it must be refused.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use sidgate::config::{self, AdminListen, Config};
use toml::Value;

use crate::catalog::faults_are_sound;

/// The input is the text of a main file.
///
/// # Panics
/// Where a configuration breaks a promise, or a fault is told badly.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Nothing lies there, so that no file of this machine is named by accident.
    let file = Path::new("/nonexistent/sidgate.toml");
    let document = text.parse::<toml::Table>();
    let config = match config::parse(file, text) {
        Err(faults) => {
            faults_are_sound(&faults, file, text);
            let digests = document.map(|table| digests(&Value::Table(table)));
            for digest in digests.unwrap_or_default() {
                let told = faults.0.iter().any(|fault| fault.message.contains(&digest));
                assert!(!told || text.matches(&digest).count() > 1, "{faults}");
            }
            return;
        }
        Ok(config) => config,
    };
    document.expect("what is taken is TOML");
    promises(&config);

    let below = config::parse(file, &format!("# A comment.\n{text}"));
    let below = below.expect("a comment changes nothing");
    assert_eq!(below.fixed, config.fixed);
    assert_eq!(below.settings, config.settings);
    assert!(config.needs_restart(&below).is_empty());
    assert!(config::parse(file, &format!("{text}\n[no_such_section]\n")).is_err());
}

/// Texts of keys that hold digests, long enough to be told from other texts.
fn digests(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                match value {
                    Value::String(text) if key == "digest" && text.len() > 16 => {
                        found.insert(text.clone());
                    }
                    other => found.extend(digests(other)),
                }
            }
        }
        Value::Array(items) => found.extend(items.iter().flat_map(digests)),
        _ => {}
    }
    found
}

fn promises(config: &Config) {
    let (fixed, settings) = (&config.fixed, &config.settings);
    assert!(!fixed.listen.is_empty());
    for address in &fixed.listen {
        let open = !address.ip().to_canonical().is_loopback();
        assert!(
            !open || fixed.tls || settings.allow_plaintext,
            "{address} without TLS"
        );
    }
    assert_eq!(fixed.tls, settings.tls.is_some());
    if let Some(AdminListen::Tcp(address)) = &fixed.admin_listen {
        assert!(
            address.ip().to_canonical().is_loopback() || fixed.admin_tls,
            "{address}"
        );
    }
    assert!(fixed.admin_listen.is_some() || settings.admin.operators.is_empty());
    let visible = |c: char| !c.is_control() && c != '"' && c != '\\';
    assert!(settings.realm.chars().all(visible));

    assert!(!settings.upstreams.is_empty());
    let names: BTreeSet<&str> = settings.upstreams.iter().map(|u| &*u.name).collect();
    assert_eq!(
        names.len(),
        settings.upstreams.len(),
        "two upstreams of one name"
    );
    assert!(
        settings
            .upstreams
            .iter()
            .all(|upstream| !upstream.servers.is_empty())
    );
    let operators: BTreeSet<&str> = settings.admin.operators.iter().map(|o| &*o.name).collect();
    assert_eq!(
        operators.len(),
        settings.admin.operators.len(),
        "two operators of one name"
    );
    assert!(
        operators
            .iter()
            .all(|name| !name.is_empty() && !name.contains(':'))
    );

    let (limits, timeouts) = (&settings.limits, &settings.timeouts);
    for count in [
        limits.connections,
        limits.connections_per_peer,
        limits.requests_in_flight,
        limits.target,
        limits.head,
        limits.headers,
    ] {
        assert!(count > 0, "{limits:?}");
    }
    assert!(
        limits.body != Some(0) && limits.h2_streams > 0,
        "{limits:?}"
    );
    let year = Duration::from_secs(366 * 86_400);
    let needed = [
        timeouts.first_byte,
        timeouts.tls_handshake,
        timeouts.head,
        timeouts.keep_alive,
    ];
    let optional = [
        timeouts.body_idle,
        timeouts.send_idle,
        timeouts.total,
        timeouts.tunnel_idle,
    ];
    for time in needed.into_iter().chain(optional.into_iter().flatten()) {
        assert!(!time.is_zero() && time <= year, "{timeouts:?}");
    }
    let files = &settings.files;
    assert!(files.catalog.is_absolute() && files.tokens.is_absolute());
    assert!(files.poll <= Duration::from_millis(500) && !files.poll.is_zero());
}
