//! The lifecycle of a token, call by call.

use serde_json::{Value, json};

use crate::support::{Reply, SPECIALIST, VIEWER, create, start};

fn times(token: &Value) -> (String, String) {
    let text = |field: &str| token[field].as_str().expect("a time").to_owned();
    (text("created_at"), text("updated_at"))
}

#[test]
fn a_token_is_made_with_what_was_asked_for() {
    let admin = start();
    let reply = admin.json(
        SPECIALIST,
        "POST /v1/tokens",
        &json!({
            "name": "Reporting",
            "description": "Nightly report pull",
            "api_version": "15",
            "primary_contact": "dana@example.com",
            "developer_emails": ["dev@example.com", "ops@example.com"],
            "scopes": ["ads:write", "ads:read"],
        }),
    );
    assert_eq!(reply.status, 201);
    let mut token = reply.value();
    let sid = token["sid"].as_str().expect("a SID").to_owned();
    assert_eq!(sid.len(), 34);
    assert!(sid.starts_with("IR") && sid.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_eq!(
        reply.header("location"),
        Some(&*format!("/v1/tokens/{sid}"))
    );
    let auth_token = token["auth_token"].as_str().expect("shown now");
    assert!(auth_token.starts_with("sgt_") && auth_token.len() == 40);
    let (created, updated) = times(&token);
    assert_eq!(created, updated);
    assert!(created.ends_with('Z'));

    token.as_object_mut().unwrap().remove("auth_token");
    let shown = admin.get(VIEWER, &format!("/v1/tokens/{sid}"));
    assert_eq!(shown.value(), token);
    assert_eq!(shown.header("etag"), reply.header("etag"));
    assert_eq!(
        token,
        json!({
            "sid": sid,
            "name": "Reporting",
            "description": "Nightly report pull",
            "api_version": "15",
            "latest_version": "16",
            "primary_contact": "dana@example.com",
            "developer_emails": ["dev@example.com", "ops@example.com"],
            "scopes": ["ads:read", "ads:write"],
            "state": "enabled",
            "created_at": created,
            "updated_at": updated,
        })
    );
    assert_eq!(
        admin.get(VIEWER, "/v1/tokens").value()["tokens"],
        json!([token])
    );
}

#[test]
fn a_name_is_enough() {
    let admin = start();
    for body in [
        json!({"name": "a"}),
        json!({
            "name": "a", "description": null, "api_version": null, "primary_contact": null,
            "developer_emails": null, "scopes": null,
        }),
    ] {
        let token = admin.json(SPECIALIST, "POST /v1/tokens", &body).value();
        assert_eq!(token["api_version"], "16", "the latest by default");
        assert_eq!(token["description"], "");
        assert_eq!(token["primary_contact"], "");
        assert_eq!(token["developer_emails"], json!([]));
        assert_eq!(token["scopes"], json!([]));
    }
}

#[test]
fn every_fault_of_a_new_token_is_told() {
    let admin = start();
    let long = "é".repeat(129);
    for (body, fields) in [
        (json!({}), &["name"][..]),
        (json!({"name": ""}), &["name"]),
        (json!({"name": long}), &["name"]),
        (json!({"name": "a\u{1b}[2J"}), &["name"]),
        (
            json!({"name": null, "sid": "mine", "state": "disabled"}),
            &["name", "sid", "state"],
        ),
        (
            json!({
                "name": 1,
                "description": "x".repeat(1025),
                "api_version": "17",
                "primary_contact": "nobody",
                "developer_emails": ["a@b.example", "", 3, "@"],
                "scopes": ["ads:read", "ads:all"],
            }),
            &[
                "name",
                "developer_emails[2]",
                "description",
                "api_version",
                "primary_contact",
                "scopes[1]",
            ],
        ),
    ] {
        let reply = admin.json(SPECIALIST, "POST /v1/tokens", &body);
        reply.is_problem(422, "invalid_fields");
        let mut told = reply.fields();
        let mut expected = fields.to_vec();
        told.sort();
        expected.sort_unstable();
        assert_eq!(told, expected, "{body}");
    }
    assert_eq!(admin.get(VIEWER, "/v1/tokens").value()["total"], 0);
}

#[test]
fn a_merge_patch_changes_what_it_names() {
    let admin = start();
    let sid = create(
        &admin,
        &json!({
            "name": "a", "description": "d", "api_version": "14", "primary_contact": "a@b.example",
            "developer_emails": ["c@d.example"], "scopes": ["ads:read"],
        }),
    );
    let path = format!("/v1/tokens/{sid}");
    let patch = |body: &Value| -> Reply {
        let body = body.to_string();
        admin.ask(
            SPECIALIST,
            &format!("PATCH {path}"),
            &["Content-Type: application/merge-patch+json"],
            body.as_bytes(),
        )
    };
    let before = admin.get(VIEWER, &path).value();
    let nothing = patch(&json!({}));
    assert_eq!((nothing.status, nothing.value()), (200, before.clone()));

    let token = patch(&json!({"name": "b", "api_version": "15", "scopes": ["ads:write"]})).value();
    let mut expected = before;
    expected["name"] = json!("b");
    expected["api_version"] = json!("15");
    expected["scopes"] = json!(["ads:write"]);
    expected["updated_at"] = token["updated_at"].clone();
    assert_eq!(token, expected);
    assert_ne!(token["updated_at"], token["created_at"]);

    let cleared = patch(&json!({
        "description": null, "primary_contact": null, "developer_emails": null, "scopes": [],
    }));
    let cleared = cleared.value();
    assert_eq!(
        (&cleared["description"], &cleared["primary_contact"]),
        (&json!(""), &json!(""))
    );
    assert_eq!(
        (&cleared["developer_emails"], &cleared["scopes"]),
        (&json!([]), &json!([]))
    );

    for (body, field) in [
        (json!({"name": null}), "name"),
        (json!({"api_version": null}), "api_version"),
        (json!({"api_version": "14"}), "api_version"),
        (json!({"state": "disabled"}), "state"),
        (json!({"sid": "other"}), "sid"),
        (json!({"auth_token": "mine"}), "auth_token"),
    ] {
        let reply = patch(&body);
        reply.is_problem(422, "invalid_fields");
        assert_eq!(reply.fields(), [field]);
    }
    assert_eq!(admin.get(VIEWER, &path).value(), cleared);
}

#[test]
fn a_version_only_rises() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a", "api_version": "14"}));
    let upgrade =
        |body: &Value| admin.json(SPECIALIST, &format!("POST /v1/tokens/{sid}/upgrade"), body);
    assert_eq!(
        upgrade(&json!({"version": "15"})).value()["api_version"],
        "15"
    );
    upgrade(&json!({"version": "15"})).is_problem(409, "version_reached");
    let lower = upgrade(&json!({"version": "14"}));
    lower.is_problem(422, "invalid_fields");
    assert_eq!(lower.fields(), ["version"]);
    upgrade(&json!({"version": "17"})).is_problem(422, "invalid_fields");
    let latest = admin.ask(
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/upgrade"),
        &[],
        b"",
    );
    assert_eq!(latest.value()["api_version"], "16");
    upgrade(&json!({})).is_problem(409, "version_reached");
    upgrade(&json!({"version": null})).is_problem(409, "version_reached");
}

#[test]
fn a_dry_run_of_an_upgrade_tells_what_would_change_and_changes_nothing() {
    let admin = start();
    let fields = json!({"name": "a", "api_version": "14", "scopes": ["ads:read"]});
    let sid = create(&admin, &fields);
    let call = format!("POST /v1/tokens/{sid}/upgrade");
    let before = admin.get(VIEWER, &format!("/v1/tokens/{sid}"));
    let told = admin.json(
        SPECIALIST,
        &call,
        &json!({"version": "15", "dry_run": true}),
    );
    let expected = json!({
        "sid": sid, "name": "a", "from": "14", "to": "15", "gains": [], "loses": [],
    });
    assert_eq!(told.value(), expected);
    assert_eq!(told.header("etag"), before.header("etag"));
    let latest = admin.json(SPECIALIST, &call, &json!({"dry_run": true}));
    assert_eq!(latest.value()["to"], "16");
    let after = admin.get(VIEWER, &format!("/v1/tokens/{sid}"));
    assert_eq!(after.value(), before.value());

    for body in [
        json!({"version": "14", "dry_run": true}),
        json!({"version": "14"}),
    ] {
        admin
            .json(SPECIALIST, &call, &body)
            .is_problem(409, "version_reached");
    }
    for body in [
        json!({"dry_run": 1}),
        json!({"dry_run": true, "version": "17"}),
    ] {
        admin
            .json(SPECIALIST, &call, &body)
            .is_problem(422, "invalid_fields");
    }
    admin
        .json(VIEWER, &call, &json!({"dry_run": true}))
        .is_problem(403, "forbidden_role");
    let stale = ["If-Match: \"stale\"", "Content-Type: application/json"];
    admin
        .ask(SPECIALIST, &call, &stale, b"{\"dry_run\": true}")
        .is_problem(412, "precondition_failed");
    // It is told, and not done, where it is asked for and only there.
    let done = admin.json(SPECIALIST, &call, &json!({"dry_run": false}));
    assert_eq!(done.value()["api_version"], "16");
}

#[test]
fn enabling_and_disabling_are_idempotent() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let act = |what: &str| {
        let reply = admin.ask(
            SPECIALIST,
            &format!("POST /v1/tokens/{sid}/{what}"),
            &[],
            b"",
        );
        assert_eq!(reply.status, 200);
        reply.value()
    };
    for (what, state) in [("disable", "disabled"), ("enable", "enabled")] {
        let once = act(what);
        assert_eq!(once["state"], state);
        assert_eq!(act(what), once, "nothing changes, the time neither");
        let listed = admin
            .get(VIEWER, &format!("/v1/tokens?state={state}"))
            .value();
        assert_eq!(listed["tokens"], json!([once]));
    }
}

#[test]
fn a_duplicate_has_the_same_rights_and_another_secret() {
    let admin = start();
    let body = json!({"name": "a", "api_version": "15", "scopes": ["ads:read"]});
    let original = admin.json(SPECIALIST, "POST /v1/tokens", &body).value();
    let sid = original["sid"].as_str().unwrap();
    let reply = admin.ask(
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/duplicate"),
        &[],
        b"",
    );
    assert_eq!(reply.status, 201);
    let copy = reply.value();
    assert_eq!(
        reply.header("location").unwrap(),
        format!("/v1/tokens/{}", copy["sid"].as_str().unwrap())
    );
    for field in ["sid", "auth_token", "created_at"] {
        assert_ne!(copy[field], original[field], "{field}");
    }
    for field in ["name", "api_version", "scopes", "state", "primary_contact"] {
        assert_eq!(copy[field], original[field], "{field}");
    }
    assert_eq!(admin.get(VIEWER, "/v1/tokens").value()["total"], 2);
}

#[test]
fn a_reset_shows_another_auth_token() {
    let admin = start();
    let original = admin.json(SPECIALIST, "POST /v1/tokens", &json!({"name": "a"}));
    let original = original.value();
    let sid = original["sid"].as_str().unwrap();
    let reply = admin.ask(
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/reset"),
        &[],
        b"",
    );
    assert_eq!(reply.status, 200);
    let reset = reply.value();
    assert_ne!(reset["auth_token"], original["auth_token"]);
    assert_ne!(reset["updated_at"], original["updated_at"]);
    assert_eq!(reset["created_at"], original["created_at"]);
}

#[test]
fn a_deleted_token_is_gone() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let delete = || admin.ask(SPECIALIST, &format!("DELETE /v1/tokens/{sid}"), &[], b"");
    let reply = delete();
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    delete().is_problem(404, "token_not_found");
    admin
        .get(VIEWER, &format!("/v1/tokens/{sid}"))
        .is_problem(404, "token_not_found");
    assert_eq!(admin.get(VIEWER, "/v1/tokens").value()["total"], 0);
}

#[test]
fn no_token_has_these_sids() {
    let admin = start();
    for sid in ["nobody", "%C3%A9", &"x".repeat(65), "a:b"] {
        for (start, body) in [
            (format!("GET /v1/tokens/{sid}"), ""),
            (format!("DELETE /v1/tokens/{sid}"), ""),
            (format!("PATCH /v1/tokens/{sid}"), r#"{"name": "a"}"#),
            (format!("POST /v1/tokens/{sid}/duplicate"), ""),
            (format!("POST /v1/tokens/{sid}/reset"), ""),
            (format!("POST /v1/tokens/{sid}/upgrade"), ""),
            (format!("POST /v1/tokens/{sid}/enable"), ""),
            (format!("POST /v1/tokens/{sid}/disable"), ""),
        ] {
            let json = ["Content-Type: application/json"];
            let reply = admin.ask(SPECIALIST, &start, &json, body.as_bytes());
            reply.is_problem(404, "token_not_found");
        }
    }
}

#[test]
fn calls_without_fields_take_none() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    for call in ["duplicate", "reset", "enable", "disable"] {
        let start = format!("POST /v1/tokens/{sid}/{call}");
        let reply = admin.json(SPECIALIST, &start, &json!({"name": "b"}));
        reply.is_problem(422, "invalid_fields");
        assert_eq!(reply.fields(), ["name"]);
        let status = admin.json(SPECIALIST, &start, &json!({})).status;
        assert!(matches!(status, 200 | 201), "{call}");
    }
}

#[test]
fn an_unreadable_body_changes_nothing() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = format!("/v1/tokens/{sid}");
    let before = admin.get(VIEWER, &path).value();
    for start in [
        format!("PATCH {path}"),
        format!("DELETE {path}"),
        format!("POST {path}/disable"),
        format!("POST {path}/reset"),
        "POST /v1/tokens".to_owned(),
    ] {
        let json = ["Content-Type: application/json"];
        admin
            .ask(SPECIALIST, &start, &json, b"{")
            .is_problem(400, "bad_json");
        let form = ["Content-Type: application/x-www-form-urlencoded"];
        admin
            .ask(SPECIALIST, &start, &form, b"name=b")
            .is_problem(415, "unsupported_media_type");
        admin
            .ask(
                SPECIALIST,
                &start,
                &["Origin: http://evil.example", json[0]],
                b"{}",
            )
            .is_problem(403, "cross_site");
    }
    assert_eq!(admin.get(VIEWER, &path).value(), before);
    assert_eq!(admin.get(VIEWER, "/v1/tokens").value()["total"], 1);
}
