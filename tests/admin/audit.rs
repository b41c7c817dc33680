//! What the audit has of the API's calls.

use serde_json::{Value, json};

use crate::support::{ADMINISTRATOR, Admin, Builder, SPECIALIST, VIEWER, basic, create, start};

fn audit(admin: &Admin, query: &str) -> Vec<Value> {
    let reply = admin.get(ADMINISTRATOR, &format!("/v1/audit{query}"));
    assert_eq!(reply.status, 200);
    let records = reply.value()["records"].take();
    let Value::Array(records) = records else {
        panic!("a list");
    };
    records
}

/// Action and outcome of each record that has an outcome, oldest first.
fn outcomes(admin: &Admin, query: &str) -> Vec<(String, String)> {
    let text = |record: &Value, field: &str| record[field].as_str().unwrap().to_owned();
    let mut told: Vec<_> = audit(admin, query)
        .iter()
        .filter(|record| record["outcome"].is_string())
        .map(|record| (text(record, "action"), text(record, "outcome")))
        .collect();
    told.reverse();
    told
}

#[test]
fn changes_are_told_by_whom_and_from_where() {
    let admin = start();
    let made = admin.json(SPECIALIST, "POST /v1/tokens", &json!({"name": "a"}));
    let sid = made.value()["sid"].as_str().unwrap().to_owned();
    let records = audit(&admin, "");
    let outcome = &records[0];
    assert_eq!(outcome["action"], "create");
    assert_eq!(outcome["outcome"], "done");
    assert_eq!(outcome["sid"], *sid);
    assert_eq!(outcome["actor"], SPECIALIST.0);
    assert_eq!(outcome["role"], SPECIALIST.2);
    assert_eq!(outcome["peer"], "127.0.0.1");
    assert_eq!(outcome["request_id"].as_str(), made.header("x-request-id"));
    let intent = &records[1];
    assert_eq!(intent["kind"], "intent");
    assert_eq!(intent["after"]["name"], "a");
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains(made.value()["auth_token"].as_str().unwrap()));
    assert!(!text.contains("sha256:"));
}

#[test]
fn refusals_of_operators_are_told_and_those_of_strangers_not() {
    let admin = Builder {
        seals: Some(format!("k1:{}", "ab".repeat(32))),
        ..Builder::default()
    }
    .start();
    let sid = create(&admin, &json!({"name": "a"}));
    let path = format!("/v1/tokens/{sid}");
    admin
        .ask(VIEWER, &format!("DELETE {path}"), &[], b"")
        .is_problem(403, "forbidden_role");
    admin.json(SPECIALIST, &format!("PATCH {path}"), &json!({"name": ""}));
    let stale = ["If-Match: \"stale\""];
    admin.ask(SPECIALIST, &format!("POST {path}/disable"), &stale, b"");
    admin.ask(ADMINISTRATOR, &format!("POST {path}/reveal"), &[], b"");
    admin.ask(SPECIALIST, &format!("POST {path}/reveal"), &[], b"");
    let wrong = format!("Authorization: {}", basic(SPECIALIST.0, "wrong"));
    admin.send(&format!("DELETE {path}"), &["Host: localhost", &wrong], b"");
    let told = outcomes(&admin, &format!("?sid={sid}"));
    let told: Vec<_> = told.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    assert_eq!(
        told,
        [
            ("create", "done"),
            ("delete", "forbidden_role"),
            ("edit", "invalid_fields"),
            ("disable", "precondition_failed"),
            ("reveal", "done"),
            ("reveal", "forbidden_role"),
        ]
    );
}

#[test]
fn records_are_found_by_token_and_number() {
    let admin = start();
    let first = create(&admin, &json!({"name": "a"}));
    let second = create(&admin, &json!({"name": "b"}));
    assert!(
        audit(&admin, &format!("?sid={first}"))
            .iter()
            .all(|r| r["sid"] == *first)
    );
    assert_eq!(audit(&admin, "?limit=1").len(), 1);
    assert_eq!(audit(&admin, "?limit=1")[0]["sid"], *second);
    assert_eq!(audit(&admin, "?sid=nobody"), Vec::<Value>::new());
    for query in ["?limit=0", "?limit=1001", "?sid=%20", "?who=me", "?sid="] {
        let reply = admin.get(ADMINISTRATOR, &format!("/v1/audit{query}"));
        reply.is_problem(422, "invalid_fields");
    }
    admin
        .get(SPECIALIST, "/v1/audit")
        .is_problem(403, "forbidden_role");
}
