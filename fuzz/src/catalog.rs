//! A catalogue's text -> [`sidgate::catalog::Catalog`].
//!
//! What is taken must be TOML by the library's own reader of whole documents, must mean what
//! that reader says, and every one of its rules must be met by a request made from it.

use std::path::Path;
use std::sync::Arc;

use http::Method;
use sidgate::catalog::Catalog;
use sidgate::catalog::template::{Methods, Rule, Segment};
use sidgate::fault::Faults;
use toml::Value;

/// The input is the text of a catalogue.
///
/// # Panics
/// Where the catalogue says something else than its text, or a fault has no place in it.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let file = Path::new("catalog.toml");
    let document = text.parse::<toml::Table>();
    let catalog = match (Catalog::parse(file, text, None), document) {
        (Err(faults), _) => return faults_are_sound(&faults, file, text),
        (Ok(_), Err(error)) => panic!("taken, and no TOML: {error}"),
        (Ok(catalog), Ok(document)) => {
            says(&catalog, &document);
            catalog
        }
    };
    each_rule_is_met(&catalog);

    // Read again after itself, nothing moves: numbers stay, nothing in use is dropped.
    let again = Catalog::parse(file, text, Some(&catalog)).expect("taken before");
    let scopes = |catalog: &Catalog| -> Vec<_> {
        let categories = catalog.categories.iter();
        let scopes = categories.flat_map(|category| &category.scopes);
        scopes
            .map(|scope| (Arc::clone(&scope.id), scope.number))
            .collect()
    };
    assert_eq!(scopes(&catalog), scopes(&again));
    let in_use = scopes(&catalog).into_iter().map(|(_, number)| number);
    assert!(again.dropped(&in_use.collect()).is_empty());
    let versions = catalog.versions.iter().map(|version| version.number);
    assert!(again.dropped_versions(versions).is_empty());
    assert_eq!(catalog.latest, again.latest);
}

/// Every fault is of this file, on one of its lines, and one line itself.
///
/// # Panics
/// Where one is not.
pub fn faults_are_sound(faults: &Faults, file: &Path, text: &str) {
    assert!(!faults.0.is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for fault in &faults.0 {
        assert_eq!(fault.file, file);
        // A text that is cut short has dots behind it; a sentence has none.
        let message = fault.message.as_str();
        let is_sentence = message.ends_with('.') && !message.ends_with("\"...");
        assert!(!message.is_empty() && !is_sentence, "{fault}");
        assert!(!fault.to_string().contains(char::is_control), "{fault:?}");
        if let Some((line, column)) = fault.place {
            let line = lines.get(line.wrapping_sub(1));
            let line = line.unwrap_or_else(|| panic!("no such line: {fault}"));
            assert!((1..=line.chars().count() + 1).contains(&column), "{fault}");
        }
    }
}

/// Holds ids, rules and versions against the document.
fn says(catalog: &Catalog, document: &toml::Table) {
    let array =
        |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let rule = |value: &Value| match value {
        Value::String(rule) => rule.clone(),
        other => other["rule"]
            .as_str()
            .expect("a rule is a string")
            .to_owned(),
    };
    let mut written = Vec::new();
    for category in array(document.get("category")) {
        for scope in array(category.get("scope")) {
            let rules: Vec<String> = array(scope.get("allow")).iter().map(rule).collect();
            written.push((scope["id"].as_str().expect("an id").to_owned(), rules));
        }
    }
    let scopes = catalog
        .categories
        .iter()
        .flat_map(|category| &category.scopes);
    let read: Vec<(String, Vec<String>)> = scopes
        .map(|scope| {
            assert_eq!(catalog.scope_number(&scope.id), Some(scope.number));
            let rules = scope.rules.iter().map(|rule| rule.to_string());
            (scope.id.to_string(), rules.collect())
        })
        .collect();
    assert_eq!(read, written);
    let public = document.get("paths").and_then(|paths| paths.get("public"));
    let public: Vec<String> = array(public).iter().map(rule).collect();
    let read: Vec<String> = catalog.public.iter().map(|rule| rule.to_string()).collect();
    assert_eq!(read, public);
    let versions = document.get("versions");
    let ids = array(versions.and_then(|versions| versions.get("version")));
    let ids: Vec<&str> = ids
        .iter()
        .filter_map(|version| version["id"].as_str())
        .collect();
    let read: Vec<&str> = catalog
        .versions
        .iter()
        .map(|version| &*version.id)
        .collect();
    assert_eq!(read, ids);
    let latest = versions.map(|versions| versions["latest"].as_str().expect("needed"));
    assert_eq!(catalog.version(None).map(|version| &*version.id), latest);
}

/// A request that a rule names finds that rule or a narrower one, under some version.
fn each_rule_is_met(catalog: &Catalog) {
    let versions: Vec<_> = match catalog.versions.as_slice() {
        [] => vec![None],
        versions => versions
            .iter()
            .map(|version| Some(version.number))
            .collect(),
    };
    let scoped = catalog
        .categories
        .iter()
        .flat_map(|category| &category.scopes);
    let scoped = scoped
        .flat_map(|scope| &scope.rules)
        .map(|rule| (rule, false));
    for (text, public) in scoped.chain(catalog.public.iter().map(|rule| (rule, true))) {
        let rule: Rule = text.parse().expect("a rule of a catalogue");
        let method = match &rule.methods {
            Methods::Any => Method::GET,
            Methods::Listed(methods) => methods[0].clone(),
        };
        let segments = rule
            .template
            .segments()
            .iter()
            .map(|segment| match segment {
                Segment::Literal(literal) => literal.to_string(),
                Segment::Rest(_) => "x/y".to_owned(),
                Segment::Sid | Segment::Parameter(_) => "x".to_owned(),
            });
        let path: String = segments.map(|segment| format!("/{segment}")).collect();
        let met = versions.iter().any(|&version| {
            let found = if public {
                catalog.routes.find_public(&method, &path, version)
            } else {
                catalog.routes.find(&method, &path, version)
            };
            found.is_some()
        });
        assert!(met, "nothing is met by {method} {path} of {text}");
    }
}
