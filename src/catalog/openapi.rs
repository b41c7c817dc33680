//! From OpenAPI documents to a catalogue: categories, scopes and rules, as a draft that a
//! person then reads.
//!
//! Only what a rule needs is read of a document: paths, methods, tags, path parameters,
//! servers, and the references between them. All else may be as it likes. What no rule can
//! say is told, with its place, and never dropped in silence.

mod document;
mod draft;
mod operation;
mod path;
mod reference;
mod render;
mod server;
mod slug;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

pub use draft::{Category, Draft, Rule, Scope};
pub(super) use path::shape;
pub(super) use render::{marks_text, quoted};
pub(super) use slug::{folded, slug};

use self::document::read;
use super::Catalog;
use crate::fault::{Fault, Faults};
use crate::token::sha256;

/// The most bytes that a document may have. The largest that are published by their makers
/// have some 20 MB.
pub const MAX_DOCUMENT: u64 = 32 * 1024 * 1024;

/// One OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The file, as it was named.
    pub file: &'a Path,
    /// Its text.
    pub text: &'a str,
}

/// How operations become scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// One for reading and one for the rest, for each category.
    #[default]
    Access,
    /// One for each operation.
    Operation,
}

/// What an import is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Path parameters that name the caller's Account SID.
    pub sid_parameters: Vec<String>,
    /// The version of the API that the documents describe.
    pub api_version: Option<String>,
    /// How operations become scopes.
    pub granularity: Granularity,
    /// Only operations on these servers, each a host or a URL; all where it is empty.
    pub servers: Vec<String>,
    /// Ends of the last segment that no rule names.
    pub ignored_suffixes: Vec<String>,
}

/// What came of an import.
#[derive(Debug)]
pub struct Import {
    /// What can be granted.
    pub draft: Draft,
    /// What of the documents is not in it, or not as one might expect.
    pub warnings: Vec<Fault>,
}

/// Drafts a catalogue from documents. The order of the documents makes no difference.
///
/// # Errors
/// All faults of the documents: what is no OpenAPI, references that lead round or nowhere,
/// operations that clash, and options that no document answers to.
pub fn import(documents: &[Document<'_>], options: &Options) -> Result<Import, Faults> {
    let mut documents = documents.to_vec();
    documents.sort_by_key(|document| (document.file, document.text));
    let mut found = Findings::default();
    let mut operations = Vec::new();
    for document in &documents {
        operations.extend(read(document, options, &mut found));
    }
    if found.faults.is_empty() {
        answered(&documents, options, &mut found);
    }
    if !found.faults.is_empty() {
        return Err(found.into_faults());
    }
    let draft = draft::draft(operations, options, &mut found);
    let catalog = match Catalog::parse(Path::new("drafted catalogue"), &draft.render(), None) {
        Ok(catalog) => catalog,
        Err(faults) => {
            found.faults.extend(faults.0);
            return Err(found.into_faults());
        }
    };
    if !found.faults.is_empty() {
        return Err(found.into_faults());
    }
    found.tell_refused(&catalog);
    found
        .warnings
        .sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
    Ok(Import {
        draft,
        warnings: found.warnings,
    })
}

/// Notes a fault for each option that no document answered to: a slip in a name must not
/// leave rules unbound, or the catalogue empty.
fn answered(documents: &[Document<'_>], options: &Options, found: &mut Findings) {
    let Some(first) = documents.first() else {
        return;
    };
    let mut missing = Vec::new();
    for name in &options.sid_parameters {
        if !found.bound.contains(name) {
            let name = name.escape_debug();
            missing.push(format!(
                "no operation has the path parameter `{name}` (--sid-parameter)"
            ));
        }
    }
    for server in &options.servers {
        if !found.picked.contains(server) {
            let server = server.escape_debug();
            missing.push(format!(
                "no operation is on the server `{server}` (--server)"
            ));
        }
    }
    if missing.is_empty() && found.operations == 0 {
        missing.push("there is no operation that can be imported".to_owned());
    }
    for message in missing {
        found.faults.push(Fault::new(first.file, message));
    }
    if found.operations == 0 {
        // Nothing is printed then, so what was to be a warning is the reason.
        let refused = std::mem::take(&mut found.refused);
        let nothing = Catalog::default();
        let reasons = refused
            .into_iter()
            .map(|refusal| refusal.into_warning(&nothing));
        found.faults.extend(reasons);
        found.faults.append(&mut found.warnings);
    }
}

/// What is found on the way, beside operations.
#[derive(Debug, Default)]
struct Findings {
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    /// Operations whose path no template says: whether another rule lets them through is
    /// known when all rules are.
    refused: Vec<operation::Refusal>,
    /// Parameters that became `{sid}`.
    bound: BTreeSet<String>,
    /// Values of `--server` that picked one.
    picked: BTreeSet<String>,
    /// How many operations were read.
    operations: usize,
}

impl Findings {
    fn into_faults(mut self) -> Faults {
        self.faults
            .sort_by(|a, b| (&a.file, a.place).cmp(&(&b.file, b.place)));
        self.faults.dedup();
        Faults(self.faults)
    }

    /// Tells of each refused operation, and of a rule that meets its requests all the same.
    fn tell_refused(&mut self, catalog: &Catalog) {
        for refusal in std::mem::take(&mut self.refused) {
            self.warnings.push(refusal.into_warning(catalog));
        }
    }
}

/// A number for a text, by which it is known again.
fn fingerprint(text: &str) -> u32 {
    let hash = sha256(text.as_bytes());
    let first = hash.iter().take(4);
    first.fold(0, |number, &byte| (number << 8) | u32::from(byte))
}

#[cfg(test)]
mod tests;
