//! What the tests of imports share: a draft of some paths, and its merge into a catalogue.

use std::path::Path;

use super::{Merge, merge};
use crate::catalog::openapi::{Document, Draft, Options, import};

/// What is imported of these paths of a document, in which `{Sid}` is the caller's own.
pub(crate) fn draft(paths: &str, version: Option<&str>) -> Draft {
    let text = format!("openapi: 3.0.0\npaths:\n{paths}");
    let document = Document {
        file: Path::new("api.yaml"),
        text: &text,
    };
    // To name one that no path has is a fault.
    let sid = text.contains("{Sid}").then(|| "Sid".to_owned());
    let options = Options {
        api_version: version.map(str::to_owned),
        sid_parameters: sid.into_iter().collect(),
        ..Options::default()
    };
    import(&[document], &options).expect(&text).draft
}

/// A draft onto a catalogue that takes it.
pub(crate) fn merged(text: &str, draft: &Draft) -> Merge {
    merge(Path::new("catalog.toml"), Some(text), draft).unwrap_or_else(|f| panic!("{f}\n{text}"))
}
