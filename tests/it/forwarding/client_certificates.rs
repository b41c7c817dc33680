//! Certificates that clients show.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, Gate, Recorder, eventually};

/// A gate, its authority, and the one of its clients.
struct Bench {
    upstream: Recorder,
    gate: Gate,
    server: Authority,
    clients: Authority,
}

impl Bench {
    fn new(more: &str) -> Self {
        let (server, clients) = (Authority::new(), Authority::new());
        let upstream = Recorder::ok();
        let gate = Gate::builder()
            .before(&upstream)
            .tls(&server.issue(&["localhost"]))
            .client_certificates(&format!(", client_ca = \"clients.pem\"{more}"))
            .file("clients.pem", clients.pem())
            .start();
        Self {
            upstream,
            gate,
            server,
            clients,
        }
    }

    /// A client with a certificate of this authority.
    fn shows(&self, authority: &Authority) -> Arc<ClientConfig> {
        self.server.client_as(&authority.issue(&["a client"]))
    }

    /// The status of its answer; `None` where there is no connection.
    fn asks(&self, config: Arc<ClientConfig>) -> Option<u16> {
        let mut client = connect(&self.gate, config);
        let request = self.gate.ask("GET", "/v1/items").by(&ALICE).bytes();
        client.try_send(request).ok()?;
        client.try_reply("GET").ok().map(|reply| reply.status)
    }

    fn refused(&self) -> u64 {
        let metrics = self.gate.ask_admin("/metrics").text();
        let name = "sidgate_tls_client_certificates_refused_total ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.expect("the series").parse().expect("a count")
    }
}

#[test]
fn only_a_certificate_of_the_authority_opens_a_connection() {
    let bench = Bench::new("");
    assert_eq!(bench.asks(bench.shows(&bench.clients)), Some(200));
    assert_eq!(bench.asks(bench.shows(&Authority::new())), None);
    assert_eq!(bench.asks(bench.server.client(&[])), None, "none at all");
    eventually("both are counted", Duration::from_secs(10), || {
        (bench.refused() == 2).then_some(())
    });
    // It grants nothing: who has no credentials is refused, and the upstream is told of none.
    let mut client = connect(&bench.gate, bench.shows(&bench.clients));
    client.send(bench.gate.ask("GET", "/v1/items").bytes());
    assert_eq!(client.reply("GET").status, 401);
    let seen = String::from_utf8_lossy(&bench.upstream.bytes()).to_lowercase();
    assert!(
        !seen.contains("cert") && !seen.contains("a client"),
        "{seen}"
    );
}

#[test]
fn an_optional_certificate_may_be_missing_and_not_bad() {
    let bench = Bench::new(", client_certificates = \"optional\"");
    assert_eq!(bench.asks(bench.server.client(&[])), Some(200));
    assert_eq!(bench.asks(bench.shows(&bench.clients)), Some(200));
    assert_eq!(bench.asks(bench.shows(&Authority::new())), None);
}

#[test]
fn another_authority_holds_from_the_next_connection_on_and_a_bad_file_changes_nothing() {
    let bench = Bench::new("");
    let (old, next) = (bench.shows(&bench.clients), Authority::new());
    assert_eq!(bench.asks(Arc::clone(&old)), Some(200));
    bench.gate.replace("clients.pem", "no certificate");
    bench.gate.logged(&["clients.pem", "PEM"]);
    assert_eq!(bench.asks(Arc::clone(&old)), Some(200));
    bench.gate.replace("clients.pem", next.pem());
    let shown = bench.shows(&next);
    eventually("the new authority", Duration::from_secs(10), || {
        (bench.asks(Arc::clone(&shown)) == Some(200)).then_some(())
    });
    // This client would resume the session that it had.
    assert_eq!(bench.asks(old), None);
}

#[test]
fn a_bad_authority_is_told_with_its_place() {
    let server = Authority::new();
    let run = |more: &str, file: &str| {
        let ran = Gate::builder()
            .tls(&server.issue(&["localhost"]))
            .client_certificates(more)
            .file("clients.pem", file)
            .run("check");
        assert_eq!(ran.status.code(), Some(1));
        String::from_utf8_lossy(&ran.stderr).into_owned()
    };
    let named = run(", client_ca = \"clients.pem\"", "no certificate");
    assert!(named.contains("clients.pem"), "{named}");
    let absent = run(", client_ca = \"absent.pem\"", "");
    assert!(absent.contains("sidgate.toml:4:"), "{absent}");
    let alone = run(", client_certificates = \"optional\"", "");
    assert!(alone.contains("`client_ca`"), "{alone}");
    let odd = run(
        ", client_ca = \"absent.pem\", client_certificates = \"some\"",
        "",
    );
    assert!(odd.contains("\"required\", \"optional\""), "{odd}");
}
