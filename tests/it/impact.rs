//! The catalogues in `config/impact`, against the documents that they were drafted from:
//! every operation is admitted with the scope of its tag and kind of access, and with no
//! other one.
//!
//! The documents are not part of the project. They are read here line by line, by their
//! indentation and by nothing that the importer uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::support::fixture::{basic, token};
use crate::support::{Client, Gate, Recorder};

/// One operation of a document.
struct Operation {
    method: String,
    path: String,
    tag: String,
}

/// A scope, and the token that holds it alone.
struct Holder {
    scope: String,
    category: String,
    sid: String,
    authorization: String,
}

/// The documents' folder; `None`, and said so, where there is none.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn documents(side: &str) -> Option<PathBuf> {
    let Some(shared) = std::env::var_os("SIDGATE_SHARED") else {
        println!("skipped: SIDGATE_SHARED names no folder with openapi/{side}");
        return None;
    };
    Some(Path::new(&shared).join("openapi").join(side))
}

fn operations(folder: &Path) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for entry in fs::read_dir(folder).expect("the documents") {
        let text = fs::read_to_string(entry.expect("a file").path()).expect("a document");
        let mut lines = text.lines().skip_while(|line| *line != "paths:").skip(1);
        let mut path = String::new();
        let mut in_tags = false;
        for line in lines
            .by_ref()
            .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        {
            let words = line.trim_start();
            let indentation = line.len() - words.len();
            let key = words.strip_suffix(':');
            match (indentation, key) {
                (2, Some(key)) => path = key.trim_matches(['"', '\'']).to_owned(),
                (4, Some("get" | "put" | "post" | "delete" | "patch" | "head" | "options")) => {
                    operations.push(Operation {
                        method: key.unwrap_or_default().to_uppercase(),
                        path: path.clone(),
                        tag: String::new(),
                    });
                }
                (6 | 8, _) if words.starts_with("- ") && in_tags => {
                    let operation = operations.last_mut().expect("tags are an operation's");
                    words[2..]
                        .trim_matches(['"', '\''])
                        .clone_into(&mut operation.tag);
                    in_tags = false;
                    continue;
                }
                _ => {}
            }
            in_tags = indentation == 6 && key == Some("tags");
        }
    }
    operations
}

/// A gate with one side's catalogue, and a token for each of its scopes.
fn gate(side: &str, upstream: &Recorder) -> (Gate, Vec<Holder>) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config/impact")
        .join(side);
    let catalog = fs::read_to_string(config.join("catalog.toml")).expect("the catalogue");
    let table: toml::Table = catalog.parse().expect("TOML");
    let text = |value: &toml::Value, key: &str| value[key].as_str().expect("a text").to_owned();
    let mut holders = Vec::new();
    let mut tokens = String::new();
    for category in table["category"].as_array().expect("categories") {
        for scope in category["scope"].as_array().expect("scopes") {
            let (sid, scope) = (format!("IR{:032}", holders.len()), text(scope, "id"));
            let secret = format!("the auth token of {scope}");
            tokens.push_str(&token(&sid, &secret, &[&scope]));
            holders.push(Holder {
                category: text(category, "name"),
                authorization: basic(&format!("{sid}:{secret}")),
                scope,
                sid,
            });
        }
    }
    let gate = Gate::builder()
        .before(upstream)
        .catalog(catalog)
        .tokens(tokens);
    (gate.start(), holders)
}

/// The request of an operation by this token: each parameter has some value, but the
/// account's is the token's own.
fn request(operation: &Operation, by: &Holder) -> String {
    let segments = operation.path.split('/').map(|segment| match segment {
        "{AccountSID}" => by.sid.as_str(),
        other if other.starts_with('{') => "12",
        other => other,
    });
    let path = segments.collect::<Vec<_>>().join("/");
    format!(
        "{} {path} HTTP/1.1\r\nHost: gw\r\nAuthorization: {}\r\nContent-Length: 0\r\n\r\n",
        operation.method, by.authorization
    )
}

fn every_operation(side: &str, expected: usize) {
    let Some(folder) = documents(side) else {
        return;
    };
    let operations = operations(&folder);
    assert_eq!(operations.len(), expected);
    let upstream = Recorder::ok();
    let (gate, holders) = gate(side, &upstream);
    let part = operations.len().div_ceil(4);
    thread::scope(|scope| {
        for operations in operations.chunks(part) {
            let (gate, holders) = (&gate, &holders);
            scope.spawn(move || {
                let mut client = gate.connect();
                for operation in operations {
                    try_with_each(operation, holders, &mut client);
                }
            });
        }
    });
    assert_eq!(
        upstream.requests().len(),
        expected,
        "one token each is let through"
    );
}

/// With its scope, and with every other one.
fn try_with_each(operation: &Operation, holders: &[Holder], client: &mut Client) {
    let kind = if operation.method == "GET" {
        ":read"
    } else {
        ":write"
    };
    let mut admitted = 0;
    for holder in holders {
        client.send(request(operation, holder));
        let reply = client.reply(&operation.method);
        let name = format!(
            "{} {} with {}",
            operation.method, operation.path, holder.scope
        );
        if holder.category == operation.tag && holder.scope.ends_with(kind) {
            assert_eq!(reply.status, 200, "{name}");
            admitted += 1;
        } else {
            assert_eq!(reply.status, 403, "{name}");
            assert_eq!(reply.json()["code"], "scope_not_granted", "{name}");
        }
    }
    assert_eq!(
        admitted, 1,
        "{} {}: {}",
        operation.method, operation.path, operation.tag
    );
}

#[test]
fn every_operation_of_a_partner_takes_its_scope_and_no_other() {
    every_operation("partner", 74);
}

#[test]
fn every_operation_of_a_brand_takes_its_scope_and_no_other() {
    every_operation("brand", 117);
}

#[test]
fn the_gates_of_the_example_check_well() {
    for (side, count) in [("partner", 74), ("brand", 117)] {
        let config = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config/impact")
            .join(side);
        let checked = Command::new(env!("CARGO_BIN_EXE_sidgate"))
            .args(["check", "--config"])
            .arg(config.join("sidgate.toml"))
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{said}{checked:?}");
        assert!(said.contains(&format!("{count} rules")), "{said}");
    }
}
