//! An import onto a catalogue that is there: what it changes, line by line.
//!
//! What was written by hand stays: comments, order, names, limits, own scopes and rules,
//! rules that somebody has taken out. An import knows its own rules by the marks that it
//! leaves under the key `imported` of each scope.

mod changing;
mod edit;
mod existing;
mod home;
mod plan;

use std::path::Path;
use std::sync::Arc;

pub use changing::Rules;

use self::existing::Existing;
use super::Catalog;
use super::openapi::Draft;
use crate::fault::{Fault, Faults};

/// What an import onto a catalogue comes to.
#[derive(Debug)]
pub struct Merge {
    /// What changes, in the order of the file; empty where nothing does.
    pub changes: Vec<Change>,
    /// What was left as it is by hand, for people.
    pub notes: Vec<String>,
    /// The text of the catalogue then.
    pub text: String,
    /// The catalogue as it is.
    pub before: Catalog,
    /// The catalogue then; numbers of scopes and versions are those of `before`.
    pub after: Arc<Catalog>,
    /// The rules of both.
    pub rules: Rules,
}

/// One change of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A version comes; the latest stays what it is.
    VersionAdded(String),
    /// A scope comes, with its rules.
    ScopeAdded {
        /// Its id.
        id: String,
        /// The name of its category.
        category: String,
    },
    /// The documents have nothing of this scope any more. It stays without rules: a
    /// catalogue without a scope that a token holds does not come into force.
    ScopeEmptied(String),
    /// A rule comes.
    RuleAdded {
        /// The scope's id.
        scope: String,
        /// The rule.
        rule: String,
    },
    /// A rule that an import made goes: the documents do not have it any more.
    RuleGone {
        /// The scope's id.
        scope: String,
        /// The rule.
        rule: String,
    },
    /// A rule holds under other versions then.
    RuleChanged {
        /// The scope's id.
        scope: String,
        /// The rule.
        rule: String,
        /// The versions to which it is limited.
        from: Option<Vec<String>>,
        /// Those to which it will be.
        to: Option<Vec<String>>,
    },
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let versions = |versions: &Option<Vec<String>>| match versions {
            None => "every version".to_owned(),
            Some(versions) => versions.join(", "),
        };
        match self {
            Self::VersionAdded(id) => write!(f, "+ version {id}"),
            Self::ScopeAdded { id, category } => write!(f, "+ scope {id} in {category}"),
            Self::ScopeEmptied(id) => write!(f, "- scope {id}: it stays, without rules"),
            Self::RuleAdded { scope, rule } => write!(f, "+ rule {scope}: {rule}"),
            Self::RuleGone { scope, rule } => write!(f, "- rule {scope}: {rule}"),
            Self::RuleChanged {
                scope,
                rule,
                from,
                to,
            } => {
                let (from, to) = (versions(from), versions(to));
                write!(f, "~ rule {scope}: {rule}: {from} -> {to}")
            }
        }
    }
}

/// Puts a draft onto a catalogue, or makes one where there is no text yet.
///
/// # Errors
/// The faults of the catalogue as it is; and what of it cannot be changed without harm to
/// what was written by hand.
pub fn merge(file: &Path, text: Option<&str>, draft: &Draft) -> Result<Merge, Faults> {
    let before = match text {
        Some(text) => Catalog::parse(file, text, None)?,
        None => Catalog::default(),
    };
    let text = text.unwrap_or_default();
    let existing = Existing::read(text);
    let blank = existing.is_blank() && before.public.is_empty();
    if !blank {
        fits(file, &existing, draft)?;
    }
    let plan = plan::plan(&existing, draft);
    let unfit = |message: String| Faults::from(Fault::new(file, message));
    let changed = if blank {
        // There is nothing to take care of but comments.
        edit::joined(text, &draft.render())
    } else {
        edit::apply(text, &existing, &plan)
            .map_err(|(offset, message)| Fault::at(file, text, offset, message))?
    };
    let layout = "its layout cannot be edited; write scopes as [[category.scope]] and one rule \
                  in a line";
    // The text that was there is TOML: what is none any more, an edit has broken.
    if toml::de::DeTable::parse(&changed).is_err() {
        return Err(unfit(layout.to_owned()));
    }
    let after = Catalog::parse(file, &changed, Some(&before)).map_err(|faults| {
        let first = faults.0.first().map(|fault| fault.message.clone());
        unfit(format!(
            "with what the documents say it would be refused: {}",
            first.unwrap_or_default()
        ))
    })?;
    // The last word has the reader: what the file says then must be what was planned.
    let then = Existing::read(&changed);
    if then.said() != edit::planned(&existing, &plan) {
        return Err(unfit(layout.to_owned()));
    }
    Ok(Merge {
        rules: Rules::of(&existing, &then),
        changes: plan.changes,
        notes: plan.notes,
        text: changed,
        before,
        after: Arc::new(after),
    })
}

/// Whether the draft is of the kind that the catalogue is.
fn fits(file: &Path, existing: &Existing, draft: &Draft) -> Result<(), Faults> {
    let unfit = |message: String| Err(Fault::new(file, message).into());
    for suffix in &draft.ignored_suffixes {
        if !existing.suffixes.contains(suffix) {
            return unfit(format!(
                "`{suffix}` is not among its ignored_suffixes: add it there, which changes what \
                 every rule means, or leave --ignored-suffix out"
            ));
        }
    }
    match &draft.version {
        Some(version) if existing.versions.is_empty() => unfit(format!(
            "it has no versions, so nothing can be said of version `{version}`: add [versions] \
             first, or leave --api-version out"
        )),
        _ => Ok(()),
    }
}

/// The ignored suffixes of a catalogue, for the draft that is put onto it.
#[must_use]
pub fn ignored_suffixes(text: &str) -> Vec<String> {
    Existing::read(text).suffixes
}

/// By what versions are put in order: numbers as numbers.
fn natural(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(|c: char| !c.is_ascii_alphanumeric());
    let number = |part: &str| {
        let digits: String = part.chars().filter(char::is_ascii_digit).collect();
        (digits.parse().unwrap_or(0), part.to_owned())
    };
    parts.map(number).collect()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
