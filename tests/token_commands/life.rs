//! A token's whole life by commands alone, at a gate that serves.

use crate::Ran;
use crate::gate::Gate;

#[test]
fn an_operator_needs_no_file_and_no_curl() {
    let gate = Gate::start("127.0.0.1:0", "", 0);
    let token = |arguments: &[&str]| -> Ran {
        gate.run(&[&["token", "--operator", "ada"], arguments].concat())
    };
    let done = |arguments: &[&str]| -> String {
        let ran = token(arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    let create = [
        "create",
        "--name",
        "Nightly",
        "--api-version",
        "15",
        "--scope",
        "ads:read",
    ];
    let auth_token = done(&create);
    assert!(auth_token.starts_with("sgt_") && auth_token.ends_with('\n'));
    let list = done(&["list"]);
    let row: Vec<&str> = list.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[1..5], ["Nightly", "enabled", "15", "1"]);
    let sid = row[0];

    assert_eq!(done(&["reveal", sid]), auth_token);
    let edited = done(&["edit", sid, "--description", "at night", "--clear-scopes"]);
    assert!(
        edited.contains("\ndescription        at night\n"),
        "{edited}"
    );
    assert!(edited.contains("\nscopes             -\n"), "{edited}");
    assert!(done(&["upgrade", sid]).contains("\nversion            16\n"));
    token(&["upgrade", sid]).failed("(409 ");
    token(&["edit", sid, "--name", "", "--scope", "none"]).failed("\n  name: ");
    assert!(done(&["disable", sid, "-y"]).contains("\nstate              disabled\n"));
    assert!(done(&["enable", sid]).contains("\nstate              enabled\n"));

    let reset = done(&["reset", sid, "-y"]);
    assert_ne!(reset, auth_token);
    assert_eq!(done(&["reveal", sid]), reset);
    let copy = done(&["duplicate", sid]);
    assert!(copy != reset && done(&["list"]).lines().count() == 3);
    assert_eq!(done(&["delete", sid, "-y"]), "");
    token(&["show", sid]).failed("(404 token_not_found)");
    assert_eq!(done(&["list"]).lines().count(), 2);
}
