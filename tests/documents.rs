//! The documents say what is there: every key of the main file, every link between pages,
//! every test that a promise names.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// `[section]` and key.
type Key = (String, String);

#[test]
fn the_reference_has_every_key_of_the_main_file_and_no_other() {
    let main_file = keys_of_main_file(&read("config/sidgate.toml"));
    let reference = keys_of_reference(&read("docs/configuration.md"));
    assert!(main_file.len() > 50, "{} keys found", main_file.len());
    let undocumented: Vec<_> = main_file.difference(&reference).collect();
    let unknown: Vec<_> = reference.difference(&main_file).collect();
    assert!(
        undocumented.is_empty(),
        "not in the reference: {undocumented:?}"
    );
    assert!(unknown.is_empty(), "not in the main file: {unknown:?}");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        let folder = page.parent().unwrap();
        for link in links_of(&fs::read_to_string(&page).unwrap()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                folder.join(file)
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let headings = headings_of(&fs::read_to_string(&target).unwrap());
                assert!(
                    headings.contains(heading),
                    "{}: {link}: {headings:?}",
                    page.display()
                );
            }
        }
    }
    assert!(links > 20, "{links} links found");
}

/// A promise names the tests that hold it.
#[test]
fn every_test_that_a_promise_names_is_there() {
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests"] {
        names_of_functions(&root().join(folder), &mut tests);
    }
    let text = read("SECURITY.md");
    let (_, promises) = text.split_once("## What it promises").unwrap();
    let (promises, _) = promises.split_once("\n## ").unwrap();
    let mut named = 0;
    for promise in promises.split("*Tests:*").skip(1) {
        let (names, _) = promise.split_once(".\n").unwrap();
        for name in names.split('`').skip(1).step_by(2) {
            assert!(tests.contains(name), "there is no test {name}");
            named += 1;
        }
    }
    assert_eq!(
        promises.matches(". **").count(),
        promises.matches("*Tests:*").count()
    );
    assert!(named > 30, "{named} tests named");
}

/// Every function of these sources.
fn names_of_functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names_of_functions(&path, names);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text
                .split("fn ")
                .skip(1)
                .filter_map(|rest| rest.split_once('('));
            names.extend(functions.map(|(name, _)| name.to_owned()));
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn pages() -> Vec<PathBuf> {
    let pages: Vec<_> = [root().to_owned(), root().join("docs")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    assert!(pages.len() > 5);
    pages
}

/// Keys that are set, and those that stand in a comment as a default (`# key = `) or an
/// example (`#: key = `); of an inline table, the table alone.
fn keys_of_main_file(text: &str) -> BTreeSet<Key> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim_start_matches("#:").trim_start_matches('#').trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ")
            && !section.is_empty()
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

/// The rows of the tables below a heading that names a section.
fn keys_of_reference(text: &str) -> BTreeSet<Key> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('#') {
            let name = line.split('`').nth(1).unwrap_or_default();
            section = name.trim_matches(['[', ']']).to_owned();
        } else if let Some(row) = line.strip_prefix("| `")
            && let Some((key, _)) = row.split_once('`')
        {
            keys.insert((section.clone(), key.to_owned()));
        }
    }
    keys
}

/// The targets of `[text](target)` outside of code blocks.
fn links_of(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2).collect::<String>();
    outside
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// Headings as a page's anchors.
fn headings_of(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}
