//! Certificates that are renewed while the gate runs.

use super::PROMISE;
use crate::support::tls::{Authority, connect};
use crate::support::{ALICE, Client, Gate, Recorder, eventually};

/// Whether a client of this authority gets its answer.
pub(super) fn is_trusted(gate: &Gate, authority: &Authority) -> bool {
    let mut client: Client = connect(gate, authority.client(&[]));
    client
        .try_send(gate.ask("GET", "/v1/items").by(&ALICE).bytes())
        .is_ok()
        && client
            .try_reply("GET")
            .is_ok_and(|reply| reply.status == 200)
}

#[test]
fn a_renewed_certificate_is_shown_to_new_connections() {
    let upstream = Recorder::ok();
    let (old, new) = (Authority::new(), Authority::new());
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&old.issue(&["localhost"]))
        .start();
    let mut kept = connect(&gate, old.client(&[]));
    kept.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(kept.reply("GET").status, 200);

    let renewed = new.issue(&["localhost"]);
    gate.replace("key.pem", &renewed.key);
    gate.replace("cert.pem", &renewed.certificate);
    eventually("the new certificate", PROMISE, || {
        is_trusted(&gate, &new).then_some(())
    });
    assert!(!is_trusted(&gate, &old));
    // What was agreed on before goes on.
    kept.send(gate.ask("GET", "/v1/items").by(&ALICE).bytes());
    assert_eq!(kept.reply("GET").status, 200);
}

#[test]
fn a_bad_certificate_changes_nothing() {
    let upstream = Recorder::ok();
    let authority = Authority::new();
    let gate = Gate::builder()
        .before(&upstream)
        .tls(&authority.issue(&["localhost"]))
        .start();
    gate.replace("cert.pem", "not a certificate");
    gate.logged(&["cert.pem"]);
    assert!(is_trusted(&gate, &authority));
    // A key that is not the certificate's is no pair either.
    let (one, two) = (
        authority.issue(&["localhost"]),
        authority.issue(&["localhost"]),
    );
    gate.replace("cert.pem", &one.certificate);
    gate.replace("key.pem", &two.key);
    assert!(is_trusted(&gate, &authority));
}
