//! A catalogue's text as it lies: which byte belongs to which rule, scope and category, so
//! that a change touches nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::super::openapi::quoted;
use super::super::template::Rule;

/// What of a catalogue an import may touch.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// In the file's order.
    pub(super) versions: Vec<VersionAt>,
    pub(super) categories: Vec<CategoryAt>,
    pub(super) suffixes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct VersionAt {
    pub(super) id: String,
    /// All of its keys and values.
    pub(super) extent: Range<usize>,
}

#[derive(Debug)]
pub(super) struct CategoryAt {
    pub(super) name: String,
    /// The end of its last key, those of its scopes included.
    pub(super) end: usize,
    pub(super) scopes: Vec<ScopeAt>,
}

#[derive(Debug)]
pub(super) struct ScopeAt {
    pub(super) id: String,
    /// The value of `id`.
    pub(super) id_at: Range<usize>,
    /// The array `allow` with its brackets.
    pub(super) allow: Option<Range<usize>>,
    pub(super) rules: Vec<RuleAt>,
    /// The value of `imported`.
    pub(super) imported: Option<Range<usize>>,
    pub(super) marks: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct RuleAt {
    pub(super) at: Range<usize>,
    pub(super) rule: Rule,
    pub(super) upgrade: bool,
    /// The group of limits that counts it.
    pub(super) limit: Option<String>,
    /// The versions to which it is limited, if it is.
    pub(super) versions: Option<Vec<String>>,
}

type Value<'t> = Spanned<DeValue<'t>>;

impl Existing {
    /// Reads a text that [`Catalog::parse`](super::super::Catalog::parse) has taken; what
    /// is not as it expects is left out.
    pub(super) fn read(text: &str) -> Self {
        let Ok(root) = DeTable::parse(text) else {
            return Self::default();
        };
        let root = root.get_ref();
        let versions = root.get("versions").and_then(table);
        let versions = versions.map(|v| tables(v, "version")).unwrap_or_default();
        let paths = root.get("paths").and_then(table);
        let read_version = |table: &&DeTable<'_>| {
            Some(VersionAt {
                id: string(table, "id")?.to_owned(),
                extent: extent(table),
            })
        };
        Self {
            versions: versions.iter().filter_map(read_version).collect(),
            categories: tables(root, "category").into_iter().map(category).collect(),
            suffixes: paths.map_or_else(Vec::new, |paths| strings(paths, "ignored_suffixes")),
        }
    }

    /// Whether there is nothing that an import could meet.
    pub(super) fn is_blank(&self) -> bool {
        self.versions.is_empty() && self.categories.is_empty() && self.suffixes.is_empty()
    }

    pub(super) fn scopes(&self) -> impl Iterator<Item = &ScopeAt> {
        self.categories.iter().flat_map(|category| &category.scopes)
    }

    /// Every rule by its scope's id, as it reads: to tell whether two texts say the same.
    pub(super) fn said(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let said = |scope: &ScopeAt| scope.rules.iter().map(RuleAt::render).collect();
        self.scopes()
            .map(|scope| (scope.id.as_str(), said(scope)))
            .collect()
    }
}

impl RuleAt {
    /// The rule as an element of `allow`.
    pub(super) fn render(&self) -> String {
        let rule = quoted(&self.rule.to_string());
        let mut flags = String::new();
        if self.upgrade {
            flags.push_str(", upgrade = true");
        }
        if let Some(limit) = &self.limit {
            flags.push_str(&format!(", limit = {}", quoted(limit)));
        }
        if let Some(versions) = &self.versions {
            let versions: Vec<String> = versions.iter().map(|v| quoted(v)).collect();
            flags.push_str(&format!(", versions = [{}]", versions.join(", ")));
        }
        if flags.is_empty() {
            return rule;
        }
        format!("{{ rule = {rule}{flags} }}")
    }
}

fn category(table: &DeTable<'_>) -> CategoryAt {
    CategoryAt {
        name: string(table, "name").unwrap_or_default().to_owned(),
        end: extent(table).end,
        scopes: tables(table, "scope")
            .into_iter()
            .filter_map(scope)
            .collect(),
    }
}

fn scope(table: &DeTable<'_>) -> Option<ScopeAt> {
    let id = table.get("id")?;
    let marks = strings(table, "imported");
    Some(ScopeAt {
        id: id.get_ref().as_str()?.to_owned(),
        id_at: id.span(),
        allow: table.get("allow").map(Spanned::span),
        rules: elements(table, "allow").iter().filter_map(rule).collect(),
        imported: table.get("imported").map(Spanned::span),
        marks: marks
            .iter()
            .flat_map(|marks| marks.split_ascii_whitespace())
            .map(str::to_ascii_lowercase)
            .collect(),
    })
}

fn rule(value: &Value<'_>) -> Option<RuleAt> {
    let plain = |text: &str| {
        Some(RuleAt {
            at: value.span(),
            rule: text.parse().ok()?,
            upgrade: false,
            limit: None,
            versions: None,
        })
    };
    match value.get_ref() {
        DeValue::String(text) => plain(text),
        DeValue::Table(table) => Some(RuleAt {
            upgrade: table.get("upgrade").and_then(|v| v.get_ref().as_bool()) == Some(true),
            limit: string(table, "limit").map(str::to_owned),
            versions: table.get("versions").map(|_| strings(table, "versions")),
            ..plain(string(table, "rule")?)?
        }),
        _ => None,
    }
}

fn table<'a, 't>(value: &'a Value<'t>) -> Option<&'a DeTable<'t>> {
    value.get_ref().as_table()
}

fn tables<'a, 't>(parent: &'a DeTable<'t>, key: &str) -> Vec<&'a DeTable<'t>> {
    elements(parent, key).iter().filter_map(table).collect()
}

fn elements<'a, 't>(parent: &'a DeTable<'t>, key: &str) -> &'a [Value<'t>] {
    let array = parent.get(key).and_then(|value| value.get_ref().as_array());
    array.map_or(&[], |array| array)
}

fn string<'a>(table: &'a DeTable<'_>, key: &str) -> Option<&'a str> {
    table.get(key)?.get_ref().as_str()
}

fn strings(table: &DeTable<'_>, key: &str) -> Vec<String> {
    let texts = elements(table, key).iter();
    texts
        .filter_map(|value| value.get_ref().as_str().map(str::to_owned))
        .collect()
}

/// From the first key of a table to the end of its last value, whatever lies below it.
fn extent(table: &DeTable<'_>) -> Range<usize> {
    let mut whole: Option<Range<usize>> = None;
    let mut tables = vec![table];
    let mut widen = |span: Range<usize>| {
        let known = whole.take().unwrap_or_else(|| span.clone());
        whole = Some(known.start.min(span.start)..known.end.max(span.end));
    };
    while let Some(table) = tables.pop() {
        for (key, value) in table {
            widen(key.span());
            match value.get_ref() {
                DeValue::Array(array) if array.iter().any(|v| v.get_ref().is_table()) => {
                    for element in array {
                        match element.get_ref().as_table() {
                            Some(inner) => tables.push(inner),
                            None => widen(element.span()),
                        }
                    }
                    // Of an array that is written as one, the bracket too; of `[[tables]]`
                    // the span says no more than their own do.
                }
                DeValue::Table(inner) => tables.push(inner),
                _ => widen(value.span()),
            }
        }
    }
    whole.unwrap_or(0..0)
}
