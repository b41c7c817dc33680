use http::Method;

use super::*;
use crate::admin::endpoint::Endpoint;

/// Every operation of the document, as a method and a path with `{sid}` filled in.
fn operations() -> Vec<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for method in item.as_object().expect("a path item").keys() {
            if method != "parameters" {
                operations.push((method.to_uppercase(), path.replace("{sid}", "IR1")));
            }
        }
    }
    operations
}

#[test]
fn what_is_described_is_served() {
    for (method, path) in operations() {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        assert!(Endpoint::find(&method, &path).is_some(), "{method} {path}");
    }
}

#[test]
fn what_is_served_is_described() {
    let operations = operations();
    for (_, path) in &operations {
        for method in Endpoint::allowed(path).split(", ").filter(|&m| m != "HEAD") {
            let operation = (method.to_owned(), path.clone());
            assert!(operations.contains(&operation), "{method} {path}");
        }
    }
    // The map of the room names the same calls.
    let map = include_str!("../../admin.rs");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let mut named: Vec<_> = rows
        .filter_map(|row| row.split_once('`'))
        .filter_map(|(call, _)| call.split_once(' '))
        .map(|(method, path)| (method.to_owned(), path.replace("{sid}", "IR1")))
        .collect();
    let mut described = operations;
    named.sort();
    described.sort();
    assert_eq!(named, described);
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, check: &mut impl FnMut(&str)) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    check(reference);
                }
                fields.values().for_each(|value| walk(value, check));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, check)),
            _ => {}
        }
    }
    let mut count = 0;
    walk(&DOCUMENT, &mut |reference| {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
        count += 1;
    });
    assert!(count > 50);
    assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
}
