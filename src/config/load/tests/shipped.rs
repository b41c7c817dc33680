//! `config/sidgate.toml`: that it runs, is complete, and tells the truth about defaults.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::Deserializer;
use toml::{Table, Value};

use super::super::{load, parse};
use crate::config::raw::Raw;

fn shipped() -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sidgate.toml");
    let text = std::fs::read_to_string(&path).expect("the shipped file is there");
    (path, text)
}

/// The shipped file with all lines of these marks put in force.
fn uncommented(marks: &[&str]) -> String {
    let (_, text) = shipped();
    let is_toml = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        let is_key = key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
        line.starts_with('[') || (is_key && line.contains(" = "))
    };
    let lines = text.lines().map(|line| {
        let rest = marks.iter().find_map(|mark| line.strip_prefix(mark));
        rest.filter(|rest| is_toml(rest)).unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_loads() {
    let (path, _) = shipped();
    let config = load(&path).expect("the shipped file has no fault");
    assert_eq!(
        config.fixed.listen,
        ["127.0.0.1:8080".parse().expect("an address")]
    );
    assert_eq!(
        config.settings.files.catalog,
        path.with_file_name("catalog.toml")
    );
    assert!(config.settings.admin.operators.is_empty());
}

#[test]
fn the_commented_defaults_of_the_shipped_file_are_the_defaults() {
    let (path, as_it_is) = shipped();
    let all = uncommented(&["# "]);
    assert_ne!(all, as_it_is);
    let (all, as_it_is) = (parse(&path, &all), parse(&path, &as_it_is));
    let (all, as_it_is) = (all.expect("sound"), as_it_is.expect("sound"));
    assert_eq!(all.settings, as_it_is.settings);
    assert_eq!(all.fixed, as_it_is.fixed);
}

#[test]
fn every_key_is_in_the_shipped_file() {
    let all: Table = uncommented(&["# ", "#: "]).parse().expect("TOML");
    let mut tables = 0;
    look(&all, &mut Vec::new(), &mut |path| {
        // An unknown key makes serde list the known ones.
        let mut probe = all.clone();
        let mut table = &mut probe;
        for key in path {
            table = match table.get_mut(key).expect("the path was walked") {
                Value::Table(table) => table,
                Value::Array(items) => items[0].as_table_mut().expect("an array of tables"),
                other => panic!("{key} is {other:?}"),
            };
        }
        let present = table.clone();
        table.insert("unknown".to_owned(), Value::Boolean(true));
        let probe = toml::to_string(&probe).expect("TOML");
        let probe = Deserializer::parse(&probe).expect("TOML");
        let error = Raw::deserialize(probe).expect_err("an unknown key");
        let known: Vec<_> = error.message().split('`').skip(3).step_by(2).collect();
        assert!(!known.is_empty(), "{error}");
        for key in known {
            assert!(present.contains_key(key), "{path:?} lacks {key}");
        }
        tables += 1;
    });
    assert_eq!(tables, 20);
}

/// Calls with the path of every table.
fn look(table: &Table, path: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    visit(path);
    for (key, value) in table {
        let inner = match value {
            Value::Table(table) => Some(table),
            Value::Array(items) => items.first().and_then(Value::as_table),
            _ => None,
        };
        if let Some(inner) = inner {
            path.push(key.clone());
            look(inner, path, visit);
            path.pop();
        }
    }
}

#[test]
fn the_examples_of_the_shipped_file_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let all = uncommented(&["#: "]).replace("http://127.0.0.1:9000", "https://127.0.0.1:9000");
    std::fs::create_dir(directory.path().join("tls")).expect("a directory");
    std::fs::create_dir(directory.path().join("keys")).expect("a directory");
    for file in [
        "tls/cert.pem",
        "tls/key.pem",
        "tls/ca.pem",
        "tls/client.pem",
        "tls/client.key",
        "tls/admin.pem",
        "tls/admin.key",
        "keys/hmac.key",
        "keys/sealing.keys",
    ] {
        std::fs::write(directory.path().join(file), "a".repeat(32)).expect("a file");
    }
    let path = directory.path().join("sidgate.toml");
    std::fs::write(&path, all).expect("a file");
    let config = load(&path).expect("no fault");
    let upstream = &config.settings.upstreams[0];
    let check = upstream.health_check.as_ref().expect("a health check");
    assert_eq!(
        (check.path.as_str(), check.healthy, check.unhealthy),
        ("/health", 2, 3)
    );
    // The examples give the defaults of the section too.
    let mut without = uncommented(&["#: "]).replace("http://127", "https://127");
    for key in ["interval", "timeout", "healthy", "unhealthy"] {
        without = without.replace(&format!("\n{key} = "), "\n# ");
    }
    let without = parse(&path, &without).expect("no fault");
    assert_eq!(without.settings, config.settings);
}
