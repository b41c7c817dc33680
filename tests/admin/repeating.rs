//! Changes that are made once, and only to what was read: `Idempotency-Key`, `If-Match`.

use serde_json::{Value, json};

use crate::support::{ADMINISTRATOR, Admin, Reply, SPECIALIST, VIEWER, Who, create, start};

fn keyed(admin: &Admin, who: Who, start: &str, key: &str, body: &Value) -> Reply {
    let key = format!("Idempotency-Key: {key}");
    let headers = ["Content-Type: application/json", &key];
    admin.ask(who, start, &headers, body.to_string().as_bytes())
}

fn total(admin: &Admin) -> Value {
    admin.get(VIEWER, "/v1/tokens").value()["total"].clone()
}

#[test]
fn a_repeated_call_is_done_once() {
    let admin = start();
    let body = json!({"name": "a"});
    let first = keyed(&admin, SPECIALIST, "POST /v1/tokens", "k-1", &body);
    assert_eq!(first.status, 201);
    for _ in 0..3 {
        let again = keyed(&admin, SPECIALIST, "POST /v1/tokens", "k-1", &body);
        assert_eq!((again.status, again.value()), (201, first.value()));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    assert_eq!(total(&admin), 1);
    let sid = first.value()["sid"].as_str().unwrap().to_owned();
    for call in ["duplicate", "reset"] {
        let start = format!("POST /v1/tokens/{sid}/{call}");
        let first = keyed(&admin, SPECIALIST, &start, call, &json!({}));
        let again = keyed(&admin, SPECIALIST, &start, call, &json!({}));
        assert!(first.value()["auth_token"].is_string());
        assert_eq!(again.value(), first.value(), "{call}");
    }
    assert_eq!(total(&admin), 2);
}

#[test]
fn a_key_is_for_one_call_of_one_operator() {
    let admin = start();
    let body = json!({"name": "a"});
    let first = keyed(&admin, SPECIALIST, "POST /v1/tokens", "k", &body);
    let sid = first.value()["sid"].as_str().unwrap().to_owned();
    let other_body = keyed(
        &admin,
        SPECIALIST,
        "POST /v1/tokens",
        "k",
        &json!({"name": "b"}),
    );
    other_body.is_problem(409, "idempotency_key_reused");
    let other_path = keyed(
        &admin,
        SPECIALIST,
        &format!("POST /v1/tokens/{sid}/reset"),
        "k",
        &body,
    );
    other_path.is_problem(409, "idempotency_key_reused");
    let other_operator = keyed(&admin, ADMINISTRATOR, "POST /v1/tokens", "k", &body);
    assert_eq!(other_operator.status, 201);
    assert_ne!(other_operator.value()["sid"], first.value()["sid"]);
    keyed(&admin, SPECIALIST, "POST /v1/tokens", "a b", &body).is_problem(400, "bad_header");
    assert_eq!(total(&admin), 2);
}

#[test]
fn a_refused_call_can_be_repeated_otherwise() {
    let admin = start();
    let refused = keyed(&admin, SPECIALIST, "POST /v1/tokens", "k", &json!({}));
    refused.is_problem(422, "invalid_fields");
    let body = json!({"name": "a"});
    assert_eq!(
        keyed(&admin, SPECIALIST, "POST /v1/tokens", "k", &body).status,
        201
    );
}

#[test]
fn repeats_that_come_at_once_are_one() {
    let admin = start();
    let body = json!({"name": "a"});
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| keyed(&admin, SPECIALIST, "POST /v1/tokens", "k", &body).value())
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(total(&admin), 1);
}

#[test]
fn a_stale_change_is_refused() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = format!("/v1/tokens/{sid}");
    let patch = |etag: &str, name: &str| {
        let if_match = format!("If-Match: {etag}");
        let headers = ["Content-Type: application/json", &if_match];
        let body = json!({"name": name}).to_string();
        admin.ask(
            SPECIALIST,
            &format!("PATCH {path}"),
            &headers,
            body.as_bytes(),
        )
    };
    let first = admin.get(VIEWER, &path).header("etag").unwrap().to_owned();
    let changed = patch(&first, "b");
    assert_eq!(changed.status, 200);
    let second = changed.header("etag").unwrap().to_owned();
    assert_ne!(first, second);
    patch(&first, "c").is_problem(412, "precondition_failed");
    patch(&format!("W/{second}"), "c").is_problem(412, "precondition_failed");
    patch("nonsense", "c").is_problem(400, "bad_header");
    let current = admin.get(VIEWER, &path);
    assert_eq!(current.value()["name"], "b");
    assert_eq!(current.header("etag"), Some(&*second));
    assert_eq!(patch(&format!("{first}, {second}"), "d").status, 200);
    assert_eq!(patch("*", "e").status, 200);

    let stale = format!("If-Match: {first}");
    for start in [
        format!("DELETE {path}"),
        format!("POST {path}/disable"),
        format!("POST {path}/reset"),
        format!("POST {path}/duplicate"),
        format!("POST {path}/upgrade"),
    ] {
        admin
            .ask(SPECIALIST, &start, &[&stale], b"")
            .is_problem(412, "precondition_failed");
    }
    assert_eq!(total(&admin), 1);
}

/// Of many changes to what was read, one is made.
#[test]
fn no_update_is_lost() {
    let admin = start();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = format!("/v1/tokens/{sid}");
    let etag = admin.get(VIEWER, &path).header("etag").unwrap().to_owned();
    let if_match = format!("If-Match: {etag}");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|number| {
                let (admin, path, if_match) = (&admin, &path, &if_match);
                scope.spawn(move || {
                    let headers = ["Content-Type: application/json", if_match];
                    let body = json!({"name": format!("name {number}")}).to_string();
                    let start = format!("PATCH {path}");
                    admin
                        .ask(SPECIALIST, &start, &headers, body.as_bytes())
                        .status
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|&&status| status == 412).count(), 15);
}
