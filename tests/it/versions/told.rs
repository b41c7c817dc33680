//! What operators are told: of an upgrade beforehand, of a decision under a version.

use serde_json::json;

use super::CATALOG;
use crate::support::{ALICE, Gate, Recorder};

fn start(upstream: &Recorder) -> Gate {
    let catalog = CATALOG.replace("upstream = \"old\"", "").replace(
        "[[category.scope]]\nid = \"any:call\"",
        "[[category.scope]]\nid = \"old:call\"\nallow = [{ rule = \"* /old/{x}\", versions = [\"15\"] }]\n\
         [[category.scope]]\nid = \"any:call\"",
    );
    let scopes = ["items:read", "old:call"];
    let tokens = format!("{}api_version = \"15\"\n", ALICE.token(&scopes));
    let gate = Gate::builder().before(upstream).catalog(catalog);
    gate.tokens(tokens).start()
}

#[test]
fn an_upgrade_tells_beforehand_what_then_happens() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    let upgrade = |body: &str| gate.tell_admin("POST", "/v1/tokens/alice/upgrade", body);
    let told = upgrade(r#"{"dry_run": true}"#);
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    assert_eq!((&told["from"], &told["to"]), (&json!("15"), &json!("16")));
    let calls = |calls: &serde_json::Value| -> Vec<String> {
        let calls = calls.as_array().expect("a list").iter();
        calls
            .map(|call| format!("{} {} {}", call["methods"], call["path"], call["code"]))
            .collect()
    };
    assert_eq!(calls(&told["gains"]), [r#"["GET"] "/v1/new" "no_route""#]);
    assert_eq!(calls(&told["loses"]), [r#"["*"] "/old/{x}" "no_route""#]);

    let judged =
        || ["/v1/items", "/v1/new", "/old/1"].map(|path| gate.read_as(&ALICE, path).status);
    assert_eq!(judged(), [200, 403, 200]);
    assert_eq!(upgrade("{}").status, 200);
    assert_eq!(judged(), [200, 200, 403]);
    // There is nothing left to tell.
    assert_eq!(upgrade(r#"{"dry_run": true}"#).status, 409);
}

#[test]
fn an_explanation_is_what_the_gate_does() {
    let upstream = Recorder::ok();
    let gate = start(&upstream);
    for path in [
        "/v1/items",
        "/v1/new",
        "/v1/new?IrVersion=16",
        "/v1/new?IrVersion=15",
        "/v1/new?IrVersion=99",
        "/v1/new?IrVersion",
        "/v1/new?IrVersion=16&Ir-Version=15",
        "/old/1?IrVersion=16",
        "/old/1",
        "/classic?IrVersion=15",
        "/classic?IrVersion=99",
        "/any",
    ] {
        for header in [None, Some("15"), Some("16")] {
            let mut ask = gate.ask("GET", path).by(&ALICE);
            if let Some(header) = header {
                ask = ask.header("IR-Version", header);
            }
            let reply = ask.send();
            let question = json!({
                "sid": "alice", "method": "GET", "path": path, "version": header,
            });
            let told = gate.tell_admin("POST", "/v1/explain", &question.to_string());
            let told = told.json();
            let code = if reply.status == 200 {
                "ok".to_owned()
            } else {
                reply.code()
            };
            assert_eq!(told["code"], code, "{path} {header:?}: {told}");
            if reply.status == 200 {
                let seen = upstream.last();
                assert_eq!(seen.header("x-api-version"), told["version"].as_str());
            }
        }
    }
}
