//! The 55 documents of a real API, where they lie beside the project.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use super::*;

/// The documents of one folder; `None`, said aloud, where they are not there.
fn folder(name: &str) -> Option<Vec<(PathBuf, String)>> {
    let Some(shared) = std::env::var_os("SIDGATE_SHARED") else {
        println!("SIDGATE_SHARED is not set: the real documents of {name} are not imported");
        return None;
    };
    let folder = Path::new(&shared).join("openapi").join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of documents")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let texts = files.into_iter().map(|file| {
        let text = fs::read_to_string(&file).expect("a document");
        (file, text)
    });
    Some(texts.collect())
}

/// Method and path of every operation, read off the lines of the text.
fn operations(text: &str) -> BTreeSet<(String, String)> {
    let (mut path, mut found) = (None, BTreeSet::new());
    for line in text.lines().map(str::trim_end) {
        if let Some(rest) = line.strip_prefix("  /") {
            path = rest.strip_suffix(':').map(|rest| format!("/{rest}"));
        } else if !line.is_empty() && !line.starts_with("  ") {
            path = None;
        } else if let (Some(path), Some(method)) = (&path, line.strip_prefix("    "))
            && let Some(method) = method.strip_suffix(':')
            && ["get", "put", "post", "delete", "patch"].contains(&method)
        {
            found.insert((
                method.to_ascii_uppercase(),
                path.replace("{AccountSID}", "{sid}"),
            ));
        }
    }
    found
}

#[test]
fn every_operation_of_the_real_documents_is_in_the_draft() {
    for (name, documents, rules) in [("partner", 26, 74), ("brand", 29, 117)] {
        let Some(texts) = folder(name) else {
            return;
        };
        assert_eq!(texts.len(), documents);
        let wanted: BTreeSet<_> = texts
            .iter()
            .flat_map(|(_, text)| operations(text))
            .collect();
        assert_eq!(wanted.len(), rules, "{name}");
        let read: Vec<Document<'_>> = texts
            .iter()
            .map(|(file, text)| Document { file, text })
            .collect();
        for granularity in [Granularity::Access, Granularity::Operation] {
            let options = Options {
                sid_parameters: vec!["AccountSID".to_owned()],
                api_version: Some("1".to_owned()),
                granularity,
                ..options()
            };
            let start = Instant::now();
            let import = import(&read, &options).expect("an import");
            // In under a second as it is shipped; unoptimised and on a busy machine, not much more.
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "{:?}",
                start.elapsed()
            );
            let scopes = || import.draft.scopes();
            let found: BTreeSet<_> = scopes()
                .flat_map(|(_, scope)| &scope.rules)
                .map(|rule| (rule.method.to_string(), rule.template.to_string()))
                .collect();
            assert_eq!(found, wanted, "{name}");
            if granularity == Granularity::Operation {
                assert_eq!(scopes().count(), rules, "{name}");
            }
            assert!(import.warnings.is_empty(), "{:#?}", warnings(&import));
        }
    }
}
