//! `docs/protect-an-api.md`, followed word for word: its commands are run as they stand, on
//! ports that are free.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::ports::Port;
use crate::support::programs::have;

/// The commands of a document, in its order.
fn commands(document: &str) -> String {
    let blocks = document.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().expect("a block ends"));
    blocks.collect()
}

#[test]
fn the_guide_leads_to_a_gate_that_admits_and_refuses_as_told() {
    if !have("bash", &["--version"]) || !have("python3", &["--version"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("docs/protect-an-api.md")).expect("the guide");
    let mut script = commands(&guide);
    let (gate, admin, api) = (Port::claim(), Port::claim(), Port::claim());
    for (documented, port) in [(8080, &gate), (8081, &admin), (9000, &api)] {
        let own = port.address().port();
        script = script.replace(
            &format!("127.0.0.1:{documented}"),
            &format!("127.0.0.1:{own}"),
        );
        script = script.replace(&format!(", {documented})"), &format!(", {own})"));
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_sidgate"));
    let path = std::env::var("PATH").unwrap_or_default();
    let directory = tempfile::tempdir().expect("a directory");
    let ran = Command::new("timeout")
        .args(["60", "bash", "-c", &script])
        .current_dir(directory.path())
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().expect("a folder").display()),
        )
        .env("SIDGATE_ADMIN_URL", format!("http://{}", admin.address()))
        .output()
        .expect("bash runs");
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    let mut rest = &*out;
    for told in [
        "id = \"orders:read\"",
        "\"GET /v1/accounts/{sid}/orders/{id}\"",
        "2 categories, 3 scopes, 4 rules",
        "Partner one",
        "GET /v1/accounts/IR",
        "\"code\":\"scope_not_granted\",\"required_scopes\":[\"orders:write\"]",
        "\"code\":\"sid_mismatch\"",
        "\"required_scopes\":[\"books:read\"]",
        "\"code\":\"bad_credentials\"",
        "required scopes  orders:write",
        "orders:read, orders:write",
        "POST /v1/accounts/IR",
        "+ rule orders:write: POST /v1/accounts/{sid}/orders/{id}/cancel",
        "would gain POST",
        "/orders/12/cancel for IR",
    ] {
        let Some((_, after)) = rest.split_once(told) else {
            panic!("{told} is missing:\n{out}\n--- standard error\n{err}");
        };
        rest = after;
    }
    assert!(
        ran.status.success(),
        "{}\n{out}\n--- standard error\n{err}",
        ran.status
    );
}
