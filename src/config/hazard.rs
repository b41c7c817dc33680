//! What a sound configuration says that is unsafe: told at start and by `sidgate check`,
//! so that whoever wrote it means it.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Settings, address};

/// The mode bit by which every user of the machine may read a file.
const READABLE_BY_ALL: u32 = 0o004;

/// What is unsafe, a sentence each. `gate` is where the gate listens. Looks at the modes of
/// the files that hold keys.
#[must_use]
pub fn hazards(settings: &Settings, gate: &[SocketAddr]) -> Vec<String> {
    let exposed = gate.iter().filter(|a| !address::is_loopback(a));
    let plaintext = exposed.filter(|_| settings.tls.is_none()).map(|address| {
        format!("{address} is served in plaintext: credentials can be read on their way")
    });
    let networks = settings.trusted_proxies.iter();
    let trusting = networks.filter(|n| n.prefix_len() == 0).map(|network| {
        format!("{network} in `trusted_proxies` lets every peer make up X-Forwarded-For")
    });
    let readable = keys(settings)
        .filter(|key| is_readable_by_all(key))
        .map(|key| {
            let key = key.display();
            format!("{key} holds a key and can be read by every user of this machine")
        });
    plaintext.chain(trusting).chain(readable).collect()
}

/// The files that hold keys.
fn keys(settings: &Settings) -> impl Iterator<Item = &Path> {
    let upstreams = settings.upstreams.iter();
    let clients = upstreams.filter_map(|upstream| upstream.tls.client.as_ref());
    let servers = settings.tls.iter().chain(&settings.admin.tls);
    servers
        .map(|tls| &tls.private_key)
        .chain(clients.map(|(_, key)| key))
        .chain(&settings.secrets.hmac_key_file)
        .chain(&settings.secrets.sealing_key_file)
        .map(AsRef::as_ref)
}

/// A file that is not there is told of by whoever reads it.
fn is_readable_by_all(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.mode() & READABLE_BY_ALL != 0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::load::parse;
    use super::*;

    const MAIN: &str = "[[upstream]]\nservers = [\"http://127.0.0.1:9\"]\n\
        [files]\ncatalog = \"c\"\ntokens = \"t\"\n";

    fn hazards_of(text: &str, folder: &Path) -> Vec<String> {
        let text = format!("{text}\n{MAIN}");
        let config = parse(&folder.join("sidgate.toml"), &text).unwrap();
        hazards(&config.settings, &config.fixed.listen)
    }

    #[test]
    fn the_defaults_are_safe() {
        assert!(hazards_of("", Path::new("/")).is_empty());
        let loopback = "[proxy]\nlisten = [\"[::1]:1\", \"127.9.9.9:1\"]";
        assert!(hazards_of(loopback, Path::new("/")).is_empty());
    }

    #[test]
    fn plaintext_and_trust_in_everybody_are_told() {
        let text = "[proxy]\nlisten = [\"0.0.0.0:80\", \"127.0.0.1:80\"]\n\
            allow_plaintext = true\ntrusted_proxies = [\"10.0.0.0/8\", \"::/0\"]";
        let told = hazards_of(text, Path::new("/"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|h| h.contains("0.0.0.0:80")));
        assert!(told.iter().any(|h| h.contains("::/0")));
    }

    #[test]
    fn a_key_that_everybody_reads_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("hmac.key");
        fs::write(&key, [b'k'; 32]).unwrap();
        let text = "[secrets]\nhmac_key_file = \"hmac.key\"";
        for (mode, told) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
            fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
            assert_eq!(hazards_of(text, folder.path()).len(), told, "{mode:o}");
        }
    }
}
