//! Auth tokens shown again.

use std::sync::Arc;

use serde_json::json;
use sidgate::token::seal::SealingKeys;

use crate::support::{ADMINISTRATOR, Admin, Builder, Reply, SPECIALIST, VIEWER, create, start};

const OLD: &str = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "k2:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn sealing() -> Admin {
    Builder {
        seals: Some(OLD.to_owned()),
        ..Builder::default()
    }
    .start()
}

fn reveal(admin: &Admin, sid: &str) -> Reply {
    let start = format!("POST /v1/tokens/{sid}/reveal");
    admin.ask(ADMINISTRATOR, &start, &[], b"")
}

#[test]
fn a_sealed_auth_token_is_shown_again() {
    let admin = sealing();
    let made = admin.json(SPECIALIST, "POST /v1/tokens", &json!({"name": "a"}));
    let made = made.value();
    let sid = made["sid"].as_str().unwrap();
    let revealed = reveal(&admin, sid);
    assert_eq!(revealed.status, 200);
    assert_eq!(revealed.header("cache-control"), Some("no-store"));
    assert_eq!(
        revealed.value(),
        json!({"sid": sid, "auth_token": made["auth_token"]})
    );

    let reset = admin.ask(
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/reset"),
        &[],
        b"",
    );
    let reset = reset.value();
    assert_ne!(reset["auth_token"], made["auth_token"]);
    assert_eq!(
        reveal(&admin, sid).value()["auth_token"],
        reset["auth_token"]
    );

    let copy = admin.ask(
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/duplicate"),
        &[],
        b"",
    );
    let copy = copy.value();
    let shown = reveal(&admin, copy["sid"].as_str().unwrap()).value();
    assert_eq!(shown["auth_token"], copy["auth_token"]);

    let file = std::fs::read_to_string(admin.dir.path().join("tokens.toml")).unwrap();
    for token in [&made, &reset, &copy] {
        assert!(!file.contains(token["auth_token"].as_str().unwrap()));
    }
}

#[test]
fn what_is_not_sealed_is_not_shown() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    reveal(&admin, &sid).is_problem(409, "not_sealed");
    admin
        .seals
        .store(Some(Arc::new(SealingKeys::parse(OLD).unwrap())));
    reveal(&admin, &sid).is_problem(409, "not_sealed");
    let sealed = create(&admin, &json!({"name": "b"}));
    assert_eq!(reveal(&admin, &sealed).status, 200);
    reveal(&admin, "nobody").is_problem(404, "token_not_found");
    for who in [VIEWER, SPECIALIST] {
        let start = format!("POST /v1/tokens/{sealed}/reveal");
        admin
            .ask(who, &start, &[], b"")
            .is_problem(403, "forbidden_role");
    }
}

#[test]
fn keys_are_rotated() {
    let admin = sealing();
    let sid = create(&admin, &json!({"name": "a"}));
    let both = SealingKeys::parse(&format!("{NEW}\n{OLD}\n")).unwrap();
    admin.seals.store(Some(Arc::new(both)));
    assert_eq!(reveal(&admin, &sid).status, 200);
    let newer = create(&admin, &json!({"name": "b"}));
    let new = SealingKeys::parse(NEW).unwrap();
    admin.seals.store(Some(Arc::new(new)));
    assert_eq!(reveal(&admin, &newer).status, 200);
    reveal(&admin, &sid).is_problem(409, "not_sealed");
}

/// A digest that was edited by hand leaves a seal of another auth token behind.
#[test]
fn a_seal_of_another_secret_is_not_shown() {
    let admin = sealing();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = admin.dir.path().join("tokens.toml");
    let file = std::fs::read_to_string(&path).unwrap();
    let edited: String = file
        .lines()
        .map(|line| match line.starts_with("digest") {
            true => format!("digest = \"sha256:{}\"\n", "ab".repeat(32)),
            false => format!("{line}\n"),
        })
        .collect();
    assert_ne!(file, edited);
    let revision = admin.get(VIEWER, "/v1/status").value()["revision"].clone();
    std::fs::write(&path, edited).unwrap();
    crate::support::eventually(|| {
        let status = admin.get(VIEWER, "/v1/status").value();
        (status["revision"] != revision).then_some(())
    });
    reveal(&admin, &sid).is_problem(409, "not_sealed");
}
