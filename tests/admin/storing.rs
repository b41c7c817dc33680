//! What the calls do to the file, and what the file does to them.

use std::fs;

use serde_json::{Value, json};
use sidgate::config::Settings;
use sidgate::token::State;

use crate::support::{Admin, SPECIALIST, VIEWER, create, eventually, start};

fn tokens(admin: &Admin) -> String {
    fs::read_to_string(admin.dir.path().join("tokens.toml")).unwrap()
}

/// The state in force, as requests would be judged by it.
fn state(admin: &Admin, sid: &str) -> Option<State> {
    let snapshot = admin.snapshot.load();
    snapshot
        .tokens
        .find(sid.as_bytes())
        .map(|token| token.state)
}

#[test]
fn an_answered_change_is_on_disk_and_in_force() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "Reporting"}));
    assert_eq!(state(&admin, &sid), Some(State::Enabled));
    let text = tokens(&admin);
    assert!(text.starts_with("# none yet\n") && text.contains("Reporting"));
    for (call, expected) in [("disable", State::Disabled), ("enable", State::Enabled)] {
        let start = format!("POST /v1/tokens/{sid}/{call}");
        assert_eq!(admin.ask(SPECIALIST, &start, &[], b"").status, 200);
        assert_eq!(state(&admin, &sid), Some(expected));
    }
    let start = format!("DELETE /v1/tokens/{sid}");
    assert_eq!(admin.ask(SPECIALIST, &start, &[], b"").status, 204);
    assert_eq!(state(&admin, &sid), None);
    assert_eq!(tokens(&admin).trim_end(), "# none yet");
}

#[test]
fn while_the_file_is_bad_nothing_changes() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let good = tokens(&admin);
    let path = admin.dir.path().join("tokens.toml");
    fs::write(&path, format!("{good}\nnonsense = ")).unwrap();
    let before = admin.get(VIEWER, "/v1/tokens").value();
    for start in [
        "POST /v1/tokens".to_owned(),
        format!("PATCH /v1/tokens/{sid}"),
    ] {
        let reply = admin.json(SPECIALIST, &start, &json!({"name": "b"}));
        reply.is_problem(503, "store_unavailable");
        assert!(reply.header("retry-after").is_some());
    }
    assert_eq!(admin.get(VIEWER, "/v1/tokens").value(), before);
    fs::write(&path, good).unwrap();
    let made = eventually(|| {
        let reply = admin.json(SPECIALIST, "POST /v1/tokens", &json!({"name": "b"}));
        (reply.status == 201).then(|| reply.value())
    });
    assert_eq!(made["name"], "b");
}

#[test]
fn a_hand_edit_is_never_overwritten() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = admin.dir.path().join("tokens.toml");
    let edited = tokens(&admin).replace("\"a\"", "\"by hand\"") + "# and a remark\n";
    fs::write(&path, edited).unwrap();
    let patch = json!({"description": "by call"});
    let reply = admin.json(SPECIALIST, &format!("PATCH /v1/tokens/{sid}"), &patch);
    match reply.status {
        // The edit was read before the call.
        200 => assert_eq!(reply.value()["name"], "by hand"),
        _ => drop(reply.is_problem(409, "conflict")),
    }
    let text = tokens(&admin);
    assert!(
        text.contains("by hand") && text.contains("# and a remark"),
        "{text}"
    );
}

#[test]
fn many_changes_at_once_are_all_made() {
    let admin = start();
    let sids: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let admin = &admin;
                scope.spawn(move || create(admin, &json!({"name": format!("name {number}")})))
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let listed = admin.get(VIEWER, "/v1/tokens?limit=1000").value();
    assert_eq!(listed["total"], 100);
    let text = tokens(&admin);
    assert!(sids.iter().all(|sid| text.contains(sid)));
    assert_eq!(listed["next_cursor"], Value::Null);
}

#[test]
fn new_auth_tokens_are_kept_under_the_hmac_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "k".repeat(32)).unwrap();
    let admin = crate::support::Builder {
        keys: sidgate::auth::Keys::load(Some(&key)).unwrap(),
        ..crate::support::Builder::default()
    }
    .start();
    create(&admin, &json!({"name": "a"}));
    assert!(tokens(&admin).contains("hmac-sha256:"));
}

#[test]
fn generated_sids_have_the_configured_prefix() {
    let admin = start();
    let mut settings = Settings::clone(&admin.settings.load());
    settings.secrets.sid_prefix = "ACME-".to_owned();
    admin.settings.store(settings.into());
    let sid = create(&admin, &json!({"name": "a"}));
    assert!(sid.starts_with("ACME-") && sid.len() == 37);
}
