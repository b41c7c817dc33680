//! An OpenAPI document -> [`sidgate::catalog::openapi`].
//!
//! What is drafted must be a catalogue. Where the document is plain JSON, every rule must be
//! one of its operations, and every operation a rule or told of in a warning.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sidgate::catalog::Catalog;
use sidgate::catalog::openapi::{Document, Granularity, Import, Options, import};
use sidgate::catalog::template::Segment;

use crate::catalog::faults_are_sound;

/// Methods that an OpenAPI document has keys for and a rule can name.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The first byte holds options, the rest is a document in YAML or JSON.
///
/// # Panics
/// Where the draft is no catalogue, or says something else than the document.
pub fn check(data: &[u8]) {
    let Some((bits, text)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let file = Path::new("api.yaml");
    let given = |bit: u8, value: &str| {
        let set = bits & bit != 0;
        set.then(|| value.to_owned())
    };
    let options = Options {
        granularity: match bits & 1 {
            0 => Granularity::Access,
            _ => Granularity::Operation,
        },
        sid_parameters: given(2, "sid").into_iter().collect(),
        api_version: given(4, "16"),
        ignored_suffixes: given(8, ".json").into_iter().collect(),
        servers: Vec::new(),
    };
    let document = Document { file, text };
    let imported = match import(&[document], &options) {
        Ok(imported) => imported,
        Err(faults) => {
            // Rules that cannot both hold are told by their place in the draft.
            if faults.0.iter().all(|fault| fault.file == file) {
                faults_are_sound(&faults, file, text);
            }
            return;
        }
    };
    let again = import(&[document, document], &options).expect("the same document");
    assert_eq!(
        again.draft, imported.draft,
        "a document that is named twice"
    );

    let rendered = imported.draft.render();
    let catalog = Catalog::parse(Path::new("draft"), &rendered, None);
    let catalog = catalog.unwrap_or_else(|faults| panic!("{faults}\n{rendered}"));
    let drafted: Vec<_> = imported
        .draft
        .scopes()
        .map(|(_, scope)| scope.id.clone())
        .collect();
    let scopes = catalog
        .categories
        .iter()
        .flat_map(|category| &category.scopes);
    let mut read: Vec<String> = scopes.map(|scope| scope.id.to_string()).collect();
    let mut drafted = drafted;
    drafted.sort();
    read.sort();
    assert_eq!(read, drafted);
    if let Ok(document) = serde_json::from_str::<Value>(text) {
        compare(&imported, &document, options.ignored_suffixes.is_empty());
    }
}

/// Holds rules and operations against each other, as far as both are plain.
fn compare(imported: &Import, document: &Value, whole_segments: bool) {
    let text = document.to_string();
    let Some(paths) = document["paths"].as_object() else {
        return;
    };
    // Paths that lie elsewhere, below a base, or that a rule spells in another way.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/{}_-".contains(&b);
    if text.contains("$ref")
        || text.contains("servers")
        || text.contains("x-")
        || !whole_segments
        || !paths.keys().all(|path| path.bytes().all(plain))
    {
        return;
    }
    let mut operations = BTreeSet::new();
    for (path, item) in paths {
        for method in METHODS.iter().filter(|method| item[**method].is_object()) {
            operations.insert(format!("{} {}", method.to_ascii_uppercase(), shape(path)));
        }
    }
    let rules = imported.draft.scopes().flat_map(|(_, scope)| &scope.rules);
    let rules: BTreeSet<String> = rules
        .map(|rule| {
            let segments = rule
                .template
                .segments()
                .iter()
                .map(|segment| match segment {
                    Segment::Literal(literal) => format!("/{literal}"),
                    Segment::Sid | Segment::Parameter(_) => "/{}".to_owned(),
                    Segment::Rest(_) => "/{*}".to_owned(),
                });
            format!("{} {}", rule.method, segments.collect::<String>())
        })
        .collect();
    for rule in &rules {
        assert!(
            operations.contains(rule),
            "{rule} is none of {operations:?}"
        );
    }
    let missing = operations.difference(&rules).next();
    assert!(
        missing.is_none() || !imported.warnings.is_empty(),
        "{missing:?} of {text}"
    );
}

/// A path with its parameters unnamed.
fn shape(path: &str) -> String {
    let segments = path.split('/').skip(1).map(|segment| {
        let parameter = segment.starts_with('{') && segment.ends_with('}');
        if parameter {
            "/{}".to_owned()
        } else {
            format!("/{segment}")
        }
    });
    segments.collect()
}
