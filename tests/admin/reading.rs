//! Catalogue, explanations, and the errors of bodies.

use serde_json::json;

use crate::support::{VIEWER, start};

#[test]
fn the_catalogue_is_shown_as_people_choose_from_it() {
    let admin = start();
    let catalog = admin.get(VIEWER, "/v1/catalog").value();
    assert_eq!(catalog["latest_version"], "16");
    assert_eq!(catalog["versions"][0]["released"], "2026-06-01");
    assert_eq!(catalog["versions"][1]["notes"], "https://example.com/15");
    assert_eq!(catalog["versions"][1]["sunset"], "2027-01-01");
    assert_eq!(catalog["public"], json!(["GET /ping"]));
    let category = &catalog["categories"][0];
    assert_eq!(category["name"], "Ads");
    assert_eq!(category["limits"], json!(["1000/hour"]));
    assert_eq!(
        category["scopes"][0],
        json!({
            "id": "ads:read",
            "name": "Read ads",
            "rules": ["GET /Mediapartners/{sid}/Ads", "GET /Mediapartners/{sid}/Ads/{AdId}"],
        })
    );
}

#[test]
fn explanations_come_from_the_code_that_decides() {
    let admin = start();
    let explain = |body| admin.json(VIEWER, "POST /v1/explain", &body);
    let public = explain(json!({"method": "GET", "path": "/ping"})).value();
    assert_eq!(public["admitted"], true);
    assert_eq!(public["rule"], "GET /ping");
    let any = explain(
        json!({"sid": "any", "method": "POST", "path": "/Mediapartners/a/Ads", "version": null}),
    );
    let any = any.value();
    assert_eq!(
        (&any["admitted"], &any["scope"]),
        (&json!(true), &json!("ads:write"))
    );
    assert_eq!(any["required_scopes"], json!(["ads:write"]));
    let none = explain(json!({"method": "GET", "path": "/nothing", "version": "15"})).value();
    assert_eq!(
        (&none["code"], &none["status"]),
        (&json!("no_route"), &json!(403))
    );
    let odd = explain(json!({"method": "GET", "path": "/a/../b"})).value();
    assert_eq!(
        (&odd["code"], &odd["path"]),
        (&json!("bad_request_target"), &json!(null))
    );
    explain(json!({"sid": "nobody", "method": "GET", "path": "/ping"}))
        .is_problem(404, "token_not_found");
}

#[test]
fn every_fault_of_a_body_is_told() {
    let admin = start();
    let reply = admin.json(
        VIEWER,
        "POST /v1/explain",
        &json!({"sid": 1, "method": "G T", "version": "17", "extra": true}),
    );
    reply.is_problem(422, "invalid_fields");
    assert_eq!(
        reply.fields(),
        ["sid", "method", "path", "version", "extra"]
    );
    let empty = admin.ask(VIEWER, "POST /v1/explain", &[], b"");
    empty.is_problem(422, "invalid_fields");
    assert_eq!(empty.fields(), ["method", "path"]);
    let list = admin.json(VIEWER, "POST /v1/explain", &json!([]));
    list.is_problem(422, "invalid_fields");
}

#[test]
fn unsound_bodies_are_refused() {
    let admin = start();
    let send = |body: &[u8]| {
        let json = ["Content-Type: application/json"];
        admin.ask(VIEWER, "POST /v1/explain", &json, body)
    };
    let deep = "[".repeat(50_000);
    for body in [
        &b"{"[..],
        b"{\"method\": \"GET\", \"method\": \"PUT\", \"path\": \"/\"}",
        b"{\"path\": \"\xff\"}",
        b"{} x",
        deep.as_bytes(),
    ] {
        send(body).is_problem(400, "bad_json");
    }
    let large = format!("{{\"path\": \"{}\"}}", "x".repeat(64 * 1024));
    send(large.as_bytes()).is_problem(413, "body_too_large");
}

#[test]
fn an_empty_list_is_a_list() {
    let admin = start();
    let page = admin.get(VIEWER, "/v1/tokens").value();
    assert_eq!(page, json!({"tokens": [], "total": 0, "next_cursor": null}));
    admin
        .get(VIEWER, "/v1/tokens/nobody")
        .is_problem(404, "token_not_found");
    admin
        .get(VIEWER, "/v1/tokens?state=%zz")
        .is_problem(400, "bad_query");
    let reply = admin.get(VIEWER, "/v1/tokens?state=on&page=2");
    reply.is_problem(422, "invalid_fields");
    assert_eq!(reply.fields(), ["state", "page"]);
}
