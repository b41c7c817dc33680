//! `/openapi.json` against what is served, by schemathesis: requests made from the document,
//! sound and unsound ones, and answers held against it.

use std::path::Path;
use std::process::Command;

use crate::support::{ADMINISTRATOR, Builder, skip};

#[test]
fn what_is_described_is_what_is_served() {
    // Beside the Python that `scripts/test` prepares, or on the path.
    let python = std::env::var("SIDGATE_PYTHON").unwrap_or_default();
    let beside = Path::new(&python).with_file_name("schemathesis");
    let program = match beside.is_file() {
        true => beside.as_os_str(),
        false => "schemathesis".as_ref(),
    };
    if Command::new(program).arg("--version").output().is_err() {
        return skip("schemathesis");
    }
    let admin = Builder {
        seals: Some(format!("k1:{}", "ab".repeat(32))),
        ..Builder::default()
    }
    .start();
    let output = Command::new(program)
        .arg("run")
        .arg(format!("http://{}/openapi.json", admin.address()))
        .arg(format!("--auth={}:{}", ADMINISTRATOR.0, ADMINISTRATOR.1))
        .args([
            "--checks=all",
            "--max-examples=10",
            "--seed=1",
            "--no-color",
        ])
        .current_dir(admin.dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("generated"), "{told}");
}
