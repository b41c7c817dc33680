//! Which rules an import changes, for whoever asks who can call what then.

use std::collections::{BTreeMap, BTreeSet};

use super::super::template::Rule;
use super::existing::{Existing, RuleAt};

/// The rules of two catalogues.
#[derive(Debug, Default)]
pub struct Rules {
    /// Those that only one of them has, or has under another scope or other versions.
    pub changing: Vec<Rule>,
    /// All of both, each once.
    pub all: Vec<Rule>,
}

impl Rules {
    pub(super) fn of(was: &Existing, is: &Existing) -> Self {
        let said = |existing| -> BTreeSet<(&str, String)> {
            all(existing)
                .map(|(scope, rule)| (scope, rule.render()))
                .collect()
        };
        let (old, new) = (said(was), said(is));
        // A plain rule means more where there are more versions.
        let more = was.versions.len() != is.versions.len();
        let only = |other: &BTreeSet<(&str, String)>, (scope, rule): &(&str, &RuleAt)| {
            (more && rule.versions.is_none()) || !other.contains(&(*scope, rule.render()))
        };
        let gone = all(was).filter(|rule| only(&new, rule));
        let come = all(is).filter(|rule| only(&old, rule));
        Self {
            changing: each_once(gone.chain(come)),
            all: each_once(all(was).chain(all(is))),
        }
    }
}

fn all(existing: &Existing) -> impl Iterator<Item = (&str, &RuleAt)> {
    existing
        .scopes()
        .flat_map(|scope| scope.rules.iter().map(|rule| (scope.id.as_str(), rule)))
}

fn each_once<'r>(rules: impl Iterator<Item = (&'r str, &'r RuleAt)>) -> Vec<Rule> {
    let by_text: BTreeMap<String, &Rule> = rules
        .map(|(_, rule)| (rule.rule.to_string(), &rule.rule))
        .collect();
    by_text.into_values().cloned().collect()
}
