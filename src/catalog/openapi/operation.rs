//! One operation of a document, and one that no rule can name.

use std::path::PathBuf;

use http::Method;

use super::super::Catalog;
use super::super::path::canonical;
use super::super::template::Template;
use crate::fault::Fault;

/// An operation as far as a catalogue needs it.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) template: Template,
    /// What its category is called: the first tag, else the first literal segment, else the
    /// document's title.
    pub(super) category: String,
    /// `operationId`.
    pub(super) id: Option<String>,
    /// What it is called in the document.
    pub(super) summary: Option<String>,
    pub(super) at: Place,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// An operation whose path no template says.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) method: Method,
    /// The path with its base path, as the document has it.
    pub(super) path: String,
    pub(super) why: String,
    pub(super) at: Place,
}

impl Place {
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            place: Some((self.line, self.column)),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl Refusal {
    /// The warning; it names the rule that lets such requests through, if one does.
    pub(super) fn into_warning(self, catalog: &Catalog) -> Fault {
        let (method, path) = (&self.method, self.path.escape_debug());
        let mut message = format!("`{method} {path}` is not imported: {}", self.why);
        let example = example(&self.path);
        let latest = catalog.latest;
        let form = canonical(&example).ok();
        let met = form.and_then(|form| {
            let found = catalog.routes.find(&self.method, &form, latest)?;
            Some(found.route.rule.to_string())
        });
        if let Some(rule) = met {
            message.push_str(&format!("; a request for it meets the rule `{rule}`"));
        }
        self.at.fault(message)
    }
}

/// A path that meets what is written: each parameter becomes a letter.
fn example(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut example = String::new();
    let mut open = false;
    for c in path.chars() {
        match c {
            '{' => open = true,
            '}' => {
                open = false;
                example.push('x');
            }
            c if !open => example.push(c),
            _ => {}
        }
    }
    example
}
