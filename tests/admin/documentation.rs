//! `docs/admin.md` does what it says: its lines are run as they stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{ADMINISTRATOR, Builder, VIEWER, skip, start};

#[test]
fn every_line_of_the_page_works() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip("curl");
    }
    let admin = Builder {
        seals: Some(format!("k1:{}", "ab".repeat(32))),
        ..Builder::default()
    }
    .start();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/admin.md");
    let page = fs::read_to_string(page).unwrap();
    let mut blocks = page.split("```sh\n").skip(1);
    let blocks: Vec<&str> = blocks
        .by_ref()
        .map(|b| b.split("```").next().unwrap())
        .collect();
    let (setup, rest) = blocks.split_first().expect("blocks");
    let setup = setup
        .replace(
            "http://127.0.0.1:8081",
            &format!("http://{}", admin.address()),
        )
        .replace(
            "ops:SECRET",
            &format!("{}:{}", ADMINISTRATOR.0, ADMINISTRATOR.1),
        );
    let script = format!("set -euxo pipefail\n{setup}\n{}", rest.concat());
    let output = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .current_dir(admin.dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(rest.len() > 5 && script.matches("curl ").count() > 20);
    // What is left: the import, the duplicate, the sealed one.
    assert_eq!(
        admin.get(VIEWER, "/v1/tokens").value()["total"],
        3,
        "{told}"
    );
}

/// The page has every code that the API's description has, and no other.
#[test]
fn every_code_is_on_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/admin.md")).unwrap();
    let table = page.split("| status | codes |").nth(1).unwrap();
    let document = start().get(VIEWER, "/openapi.json").value();
    let responses = document["components"]["responses"].as_object().unwrap();
    let described = responses
        .values()
        .flat_map(|response| codes(response["description"].as_str().unwrap()));
    let mut described: BTreeSet<&str> = described.collect();
    // Operations that are not there are not described.
    described.extend(["method_not_allowed", "not_found"]);
    assert_eq!(codes(table).collect::<BTreeSet<_>>(), described);
}

/// The words between backticks that are spelt as codes are.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2);
    words.filter(|word| {
        *word != "errors" && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    })
}
