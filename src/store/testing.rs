//! What the tests of the store share: a catalogue, tokens and a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::Catalog;

/// Versions 2 and 1; scopes items:read, items:write, events:read.
pub(super) const CATALOG: &str = r#"
[versions]
latest = "2"
[[versions.version]]
id = "2"
[[versions.version]]
id = "1"

[[category]]
name = "Items"
[[category.scope]]
id = "items:read"
name = "Read items"
allow = ["GET /v1/items", "GET /v1/items/{id}"]
[[category.scope]]
id = "items:write"
name = "Write items"
allow = ["POST /v1/items"]

[[category]]
name = "Events"
[[category.scope]]
id = "events:read"
name = "Read events"
allow = ["GET /v1/events"]
"#;

/// The catalogue of [`CATALOG`].
pub(super) fn catalog() -> Arc<Catalog> {
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG, None);
    Arc::new(catalog.expect("a good catalogue"))
}

/// A digest that no secret of a test has.
pub(super) const DIGEST: &str =
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A block with these scopes, quoted and separated.
pub(super) fn block(sid: &str, scopes: &str) -> String {
    format!(
        "[[token]]\nsid = \"{sid}\"\nname = \"Name of {sid}\"\nscopes = [{scopes}]\ndigest = \"{DIGEST}\"\n\n"
    )
}

/// A directory with both files in it, gone when dropped.
#[derive(Debug)]
pub(super) struct Files(tempfile::TempDir);

impl Files {
    /// The catalogue of [`CATALOG`] and this text of tokens.
    pub(super) fn new(tokens: &str) -> Self {
        let files = Self(tempfile::tempdir().expect("a temporary directory"));
        std::fs::write(files.catalog(), CATALOG).expect("written");
        files.write(tokens);
        files
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn catalog(&self) -> PathBuf {
        self.0.path().join("catalog.toml")
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.0.path().join("tokens.toml")
    }

    /// The files as the configuration has them.
    pub(super) fn settings(&self) -> crate::config::Files {
        crate::config::Files {
            catalog: self.catalog(),
            tokens: self.tokens(),
            max_size: 64 << 20,
            max_tokens: 100_000,
            poll: std::time::Duration::from_millis(250),
        }
    }

    /// Writes the token file in place.
    pub(super) fn write(&self, tokens: &str) {
        std::fs::write(self.tokens(), tokens).expect("written");
    }

    /// Puts a new token file in the place of the old one.
    pub(super) fn replace(&self, tokens: &str) {
        self.put(&self.tokens(), tokens);
    }

    /// Puts a new catalogue in the place of the old one.
    pub(super) fn replace_catalog(&self, catalog: &str) {
        self.put(&self.catalog(), catalog);
    }

    fn put(&self, path: &Path, text: &str) {
        let new = self.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, path).expect("renamed");
    }
}
