//! What a scanner of TLS sees.

use std::process::Command;

use crate::support::Gate;
use crate::support::programs::have;
use crate::support::tls::Authority;

#[test]
fn old_versions_and_weak_ciphers_are_off() {
    if !have("sslscan", &["--version"]) {
        return;
    }
    let gate = Gate::builder()
        .tls(&Authority::new().issue(&["localhost"]))
        .start();
    let scan = Command::new("sslscan")
        .args(["--no-colour", &gate.address().to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&scan.stdout);
    let version = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1))
    };
    for old in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
        assert_eq!(version(old), Some("disabled"), "{old}: {text}");
    }
    for new in ["TLSv1.2", "TLSv1.3"] {
        assert_eq!(version(new), Some("enabled"), "{new}: {text}");
    }
    let ciphers: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("Accepted") || line.starts_with("Preferred"))
        .collect();
    assert!(ciphers.len() >= 6, "{text}");
    for cipher in ciphers {
        // Authenticated encryption alone; in TLS 1.2 with forward secrecy.
        let is_sound = cipher.contains("GCM") || cipher.contains("CHACHA20");
        assert!(is_sound, "{cipher}");
        assert!(
            cipher.contains("TLSv1.3") || cipher.contains("ECDHE"),
            "{cipher}"
        );
    }
    for weakness in [
        "vulnerable",
        "Insecure session renegotiation",
        "Compression enabled",
    ] {
        let found = text.lines().find(|line| line.contains(weakness));
        assert!(
            found.is_none_or(|line| line.contains("not vulnerable")),
            "{found:?}"
        );
    }
}
