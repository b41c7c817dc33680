//! From operations to categories, scopes and rules.
//!
//! The order of the operations makes no difference: everything is sorted by what it says,
//! and where two names meet in one id, their own order decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::Method;

use super::operation::Operation;
use super::path::shape;
use super::slug::{folded, name_for_people, shortened, slug};
use super::{Findings, Granularity, Options};
use crate::catalog::template::Template;

/// What can be granted, as documents say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The version of the API that the documents describe.
    pub version: Option<String>,
    /// Ends of the last segment that no rule names.
    pub ignored_suffixes: Vec<String>,
    /// In the order of their names.
    pub categories: Vec<Category>,
}

/// A group of scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Category {
    /// Its name for people.
    pub name: String,
    /// Never empty.
    pub scopes: Vec<Scope>,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Its id, as a token lists it.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Never empty; sorted by template.
    pub rules: Vec<Rule>,
}

/// One method on one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The template.
    pub template: Template,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

impl Draft {
    /// Every scope, with its category.
    pub fn scopes(&self) -> impl Iterator<Item = (&Category, &Scope)> {
        self.categories
            .iter()
            .flat_map(|category| category.scopes.iter().map(move |scope| (category, scope)))
    }
}

/// Whether a call of this method changes nothing (RFC 9110 section 9.2.1).
fn reads(method: &Method) -> bool {
    method.is_safe() || method.as_str() == "QUERY"
}

/// Drafts a catalogue; what clashes is noted as a fault.
pub(super) fn draft(
    mut operations: Vec<Operation>,
    options: &Options,
    found: &mut Findings,
) -> Draft {
    operations.sort_by_cached_key(sort_key);
    let operations = merged(operations, options.granularity, found);
    let mut groups: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for operation in operations {
        let group = groups.entry(folded(&operation.category)).or_default();
        group.push(operation);
    }
    let mut ids = BTreeSet::new();
    let doubtful = doubtful_ids(&groups);
    let mut categories: Vec<Category> = Vec::new();
    for operations in groups.into_values() {
        let name = spelling(&operations);
        let scopes = match options.granularity {
            Granularity::Access => {
                let base = free(&slug(&name), &mut ids);
                if base != slug(&name)
                    && let Some(first) = operations.first()
                {
                    let message = format!(
                        "the category `{name}` has the id `{base}`, since another one has `{}`",
                        slug(&name)
                    );
                    found.warnings.push(first.at.fault(message));
                }
                by_access(&base, &name, operations)
            }
            Granularity::Operation => by_operation(operations, &doubtful, &mut ids, found),
        };
        categories.push(Category { name, scopes });
    }
    categories.sort_by_cached_key(|category| (category.name.to_lowercase(), category.name.clone()));
    Draft {
        version: options.api_version.clone(),
        ignored_suffixes: options.ignored_suffixes.clone(),
        categories,
    }
}

/// By what the operations are put in order, whichever way they came.
fn sort_key(operation: &Operation) -> (String, usize, String, String, super::operation::Place) {
    let method = operation.method.as_str();
    let usual = [
        "GET", "HEAD", "OPTIONS", "QUERY", "POST", "PUT", "PATCH", "DELETE",
    ];
    let rank = usual.iter().position(|usual| *usual == method);
    (
        operation.template.to_string(),
        rank.unwrap_or(usual.len()),
        method.to_owned(),
        operation.category.clone(),
        operation.at.clone(),
    )
}

/// The operations without those that say the same as another. Two for the same requests
/// that do not are a fault.
fn merged(
    operations: Vec<Operation>,
    granularity: Granularity,
    found: &mut Findings,
) -> Vec<Operation> {
    let mut kept: Vec<Operation> = Vec::with_capacity(operations.len());
    let mut places: HashMap<(Method, String), usize> = HashMap::new();
    for operation in operations {
        let key = (operation.method.clone(), shape(&operation.template));
        let Some(first) = places.get(&key).and_then(|&at| kept.get(at)) else {
            places.insert(key, kept.len());
            kept.push(operation);
            continue;
        };
        let rule = |o: &Operation| format!("{} {}", o.method, o.template);
        let (this, that) = (rule(&operation), rule(first));
        let differ = if first.template.sid() != operation.template.sid() {
            Some("one names the caller's SID, and the other does not".to_owned())
        } else if folded(&first.category) != folded(&operation.category) {
            Some(format!(
                "one is in `{}`, the other in `{}`",
                first.category, operation.category
            ))
        } else if granularity == Granularity::Operation && first.id != operation.id {
            Some("their `operationId` is not the same".to_owned())
        } else {
            None
        };
        match differ {
            Some(why) => {
                let message = format!("`{this}` clashes with `{that}` in {}: {why}", first.at);
                found.faults.push(operation.at.fault(message));
            }
            None => {
                let message = format!("`{this}` is the same as `{that}` in {}", first.at);
                found.warnings.push(operation.at.fault(message));
            }
        }
    }
    kept
}

/// The spelling of a category that most of its operations use.
fn spelling(operations: &[Operation]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for operation in operations {
        *counts.entry(&operation.category).or_default() += 1;
    }
    // Of several, the first in their own order.
    let best = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    best.map_or_else(String::new, |(name, _)| name.to_owned())
}

/// The id, or the first of `id-2`, `id-3` and so on that is free.
fn free(id: &str, taken: &mut BTreeSet<String>) -> String {
    let mut candidate = id.to_owned();
    let mut count = 1_u32;
    while !taken.insert(candidate.clone()) {
        count += 1;
        candidate = format!("{id}-{count}");
    }
    candidate
}

fn by_access(base: &str, name: &str, operations: Vec<Operation>) -> Vec<Scope> {
    let (read, write): (Vec<_>, Vec<_>) = operations.into_iter().partition(|o| reads(&o.method));
    let scope = |access: &str, verb: &str, operations: Vec<Operation>| Scope {
        id: format!("{base}:{access}"),
        name: format!("{verb} {name}"),
        rules: operations.into_iter().map(rule).collect(),
    };
    [("read", "Read", read), ("write", "Change", write)]
        .into_iter()
        .filter(|(.., operations)| !operations.is_empty())
        .map(|(access, verb, operations)| scope(access, verb, operations))
        .collect()
}

fn rule(operation: Operation) -> Rule {
    Rule {
        method: operation.method,
        template: operation.template,
    }
}

/// The ids that more than one operation has.
fn doubtful_ids(groups: &BTreeMap<String, Vec<Operation>>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let ids = groups.values().flatten().filter_map(|o| o.id.as_deref());
    ids.filter(|id| !seen.insert(identifier(id)))
        .map(identifier)
        .collect()
}

fn by_operation(
    operations: Vec<Operation>,
    doubtful: &BTreeSet<String>,
    ids: &mut BTreeSet<String>,
    found: &mut Findings,
) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for operation in operations {
        let own = operation.id.as_deref().map(identifier);
        let by_path = || {
            identifier(&format!(
                "{}:{}",
                operation.method.as_str().to_ascii_lowercase(),
                operation.template
            ))
        };
        let id = match own {
            Some(own) if !doubtful.contains(&own) => own,
            Some(own) => {
                let by_path = by_path();
                let message = format!(
                    "the operationId `{own}` is that of several operations; this one's scope is \
                     `{by_path}`"
                );
                found.warnings.push(operation.at.fault(message));
                by_path
            }
            None => by_path(),
        };
        let named = operation.summary.clone().or_else(|| operation.id.clone());
        let name = named.and_then(|name| name_for_people(&name));
        scopes.push(Scope {
            id: free(&id, ids),
            name: name.unwrap_or_else(|| {
                format!("{} {}", operation.method, operation.template)
                    .chars()
                    .take(128)
                    .collect()
            }),
            rules: vec![rule(operation)],
        });
    }
    scopes
}

/// A text as a scope's id: what cannot stand in one becomes `-`.
fn identifier(text: &str) -> String {
    let fit = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    let id: String = text.chars().map(|c| if fit(c) { c } else { '-' }).collect();
    shortened(id)
}
