//! Reads catalog.toml: every key of it, every fault of it.

mod aliases;
mod limits;
mod versions;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::path::canonical;
use super::rate::RateGroup;
use super::reader::{At, Reader, Table};
use super::routes::{Draft, compile};
use super::template::{Rule, Segment};
use super::{Catalog, Category, Scope, VersionId};
use crate::fault::Faults;
use crate::token::ScopeId;

impl Catalog {
    /// Reads a catalogue. Numbers given by `previous` stay as they are.
    ///
    /// # Errors
    /// All faults of the text.
    pub fn parse(file: &Path, text: &str, previous: Option<&Self>) -> Result<Self, Faults> {
        let mut reader = Reader::new(file, text);
        if text.is_empty() {
            reader.fault(
                None,
                "the file is empty; a comment makes it an empty catalogue",
            );
            return reader.finish(Self::default());
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in errors {
                reader.fault(error.span().map(|span| span.start), error.message());
            }
            return reader.finish(Self::default());
        }
        let names = previous.map(|p| p.names.clone()).unwrap_or_default();
        let catalog = Loader {
            reader: &mut reader,
            catalog: Self {
                names,
                ..Self::default()
            },
            defaults: limits::Defaults::default(),
            drafts: Vec::new(),
        }
        .load(root.get_ref());
        reader.finish(catalog)
    }
}

/// A catalogue in the making.
struct Loader<'r, 'f> {
    reader: &'r mut Reader<'f>,
    catalog: Catalog,
    defaults: limits::Defaults,
    drafts: Vec<Draft>,
}

/// Which names were seen before, to tell of the second one.
#[derive(Default)]
struct Seen(HashMap<String, usize>);

impl Seen {
    /// Notes a name; a fault where it was there already.
    fn once(&mut self, reader: &mut Reader<'_>, what: &str, name: At<&str>) -> bool {
        let first = *self.0.entry(name.value.to_owned()).or_insert(name.offset);
        if first != name.offset {
            let line = reader.line(first);
            let message = format!("{what} `{}` is there already, in line {line}", name.value);
            reader.fault(name.offset, message);
        }
        first == name.offset
    }
}

impl Loader<'_, '_> {
    fn load(mut self, root: &DeTable<'_>) -> Catalog {
        let known = ["versions", "paths", "limits", "category"];
        let root = self.reader.root(root, &known);
        self.versions(root);
        self.shared_limits(root);
        self.categories(root);
        self.paths(root);
        let versions: Vec<VersionId> = self.catalog.versions.iter().map(|v| v.number).collect();
        match compile(&self.drafts, &versions, &self.catalog.ignored_suffixes) {
            Ok(routes) => self.catalog.routes = routes,
            Err(conflicts) => {
                for (offset, message) in conflicts {
                    self.reader.fault(offset, message);
                }
            }
        }
        let scoped = self.drafts.into_iter().filter(|d| d.scope.is_some());
        let limited = scoped.filter_map(|draft| Some((draft.rule, draft.versions?)));
        self.catalog.limited = limited.collect();
        self.catalog
    }

    fn categories(&mut self, root: Table<'_>) {
        let known = ["name", "limits", "limits_per", "scope"];
        let (mut names, mut ids) = (Seen::default(), Seen::default());
        for table in self.reader.tables(root, "category", "[[category]]", &known) {
            let name = self.reader.needed(table, "name");
            if let Some(name) = name
                && self.is_name(name)
            {
                names.once(self.reader, "the category", name);
            }
            let rate = self.category_limits(table, name);
            let known = ["id", "name", "allow", "imported"];
            let scopes = self
                .reader
                .tables(table, "scope", "[[category.scope]]", &known)
                .into_iter()
                .filter_map(|table| self.scope(table, &rate, &mut ids))
                .collect();
            self.catalog.categories.push(Category {
                name: name.map(|n| n.value.to_owned()).unwrap_or_default(),
                rate,
                scopes,
            });
        }
    }

    fn scope(
        &mut self,
        table: Table<'_>,
        rate: &Arc<RateGroup>,
        ids: &mut Seen,
    ) -> Option<Arc<Scope>> {
        let name = self.reader.string(table, "name");
        let named = name.is_none_or(|name| self.is_name(name));
        let id = self.reader.needed(table, "id");
        let fit = id.is_none_or(|id| is_identifier(id.value));
        if let (Some(id), false) = (id, fit) {
            self.reader.fault(id.offset, IDENTIFIER);
        }
        let number = id.map(|id| ScopeId(self.catalog.names.scopes.number(id.value)));
        let owner = id.zip(number).map(|(id, number)| {
            let name = self.catalog.names.scopes.name(number.0);
            (number, name.map_or_else(|| id.value.into(), Arc::clone))
        });
        self.marks(table);
        let values = self.reader.array(table, "allow");
        // The rules of a scope without an id are read for their faults alone.
        let mut rules = Vec::new();
        for value in values {
            let Some(mut draft) = self.rule(value, owner.clone()) else {
                continue;
            };
            draft.rate.get_or_insert_with(|| Arc::clone(rate));
            rules.push(Arc::clone(&draft.text));
            if owner.is_some() {
                self.drafts.push(draft);
            }
        }
        let (number, shared) = owner?;
        if !fit || !named || !ids.once(self.reader, "the scope", id?) {
            return None;
        }
        let scope = Arc::new(Scope {
            number,
            name: name.map_or_else(|| shared.to_string(), |n| n.value.to_owned()),
            id: shared,
            rules,
        });
        self.catalog.add_scope(Arc::clone(&scope));
        Some(scope)
    }

    /// The marks by which an import knows its own rules: hex digits, eight for each.
    fn marks(&mut self, table: Table<'_>) {
        for marks in self.reader.strings(table, "imported") {
            let hex = |mark: &str| mark.len() == 8 && mark.bytes().all(|b| b.is_ascii_hexdigit());
            if !marks.value.split_ascii_whitespace().all(hex) {
                let message = "`imported` is written by `sidgate catalog import`: words of 8 \
                               hexadecimal digits";
                self.reader.fault(marks.offset, message);
            }
        }
    }

    fn paths(&mut self, root: Table<'_>) {
        let known = ["ignored_suffixes", "public", "aliases"];
        let Some(table) = self.reader.table(root, "paths", "[paths]", &known) else {
            return;
        };
        let mut seen = Seen::default();
        for suffix in self.reader.strings(table, "ignored_suffixes") {
            if !is_suffix(suffix.value) {
                let message = "a suffix is `.` and more, in canonical form and without `/`";
                self.reader.fault(suffix.offset, message);
            } else if seen.once(self.reader, "the suffix", suffix) {
                self.catalog.ignored_suffixes.push(suffix.value.to_owned());
            }
        }
        for value in self.reader.array(table, "public") {
            let Some(draft) = self.rule(value, None) else {
                continue;
            };
            if draft.rule.template.sid().is_some() {
                let message = "a public rule has no {sid}: nobody is authenticated";
                self.reader.fault(draft.offset, message);
            }
            if draft.rate.is_some() {
                let message = "a public rule has no limit: nobody is authenticated";
                self.reader.fault(draft.offset, message);
            }
            self.catalog.public.push(Arc::clone(&draft.text));
            self.drafts.push(draft);
        }
        self.unreachable_literals();
        self.aliases(table);
    }

    /// Rules that no request can meet, since their last literal ends in an ignored suffix.
    fn unreachable_literals(&mut self) {
        for draft in &self.drafts {
            let Some(Segment::Literal(last)) = draft.rule.template.segments().last() else {
                continue;
            };
            let mut suffixes = self.catalog.ignored_suffixes.iter();
            let ignored = |s: &&String| last.ends_with(s.as_str());
            if let Some(suffix) = suffixes.find(ignored) {
                let message = format!("`{suffix}` is an ignored suffix, so no rule can name it");
                self.reader.fault(draft.offset, message);
            }
        }
    }

    /// A rule: a string, or a table with flags.
    fn rule(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        scope: Option<(ScopeId, Arc<str>)>,
    ) -> Option<Draft> {
        let (text, upgrade, versions, rate) = if value.get_ref().is_table() {
            let known = ["rule", "upgrade", "versions", "limit"];
            let table = self.reader.as_table(value, "a rule", &known)?;
            let upgrade = self.reader.flag(table, "upgrade");
            let versions = self.rule_versions(table);
            let rate = self.rule_limit(table);
            (self.reader.needed(table, "rule")?, upgrade, versions, rate)
        } else {
            (self.reader.as_string(value)?, false, None, None)
        };
        match text.value.parse::<Rule>() {
            Ok(rule) => Some(Draft {
                rule,
                text: text.value.into(),
                offset: text.offset,
                line: self.reader.line(text.offset),
                upgrade,
                versions,
                rate,
                scope,
            }),
            Err(fault) => {
                self.reader.fault(text.offset, fault.to_string());
                None
            }
        }
    }

    fn rule_versions(&mut self, table: Table<'_>) -> Option<Vec<VersionId>> {
        if !table.has("versions") {
            return None;
        }
        let mut versions = Vec::new();
        let names = self.reader.strings(table, "versions");
        if names.is_empty() {
            let message = "a rule that names no version would never apply";
            self.reader.fault(table.offset, message);
        }
        for name in names {
            match self.catalog.version_number(name.value) {
                Some(number) if versions.contains(&number) => {
                    let message = format!("the version `{}` is named twice", name.value);
                    self.reader.fault(name.offset, message);
                }
                Some(number) => versions.push(number),
                None => {
                    let message = format!("the catalogue has no version `{}`", name.value);
                    self.reader.fault(name.offset, message);
                }
            }
        }
        Some(versions)
    }

    /// Notes a fault where a text is no name for people.
    fn is_name(&mut self, name: At<&str>) -> bool {
        let length = name.value.chars().count();
        let fit = (1..=128).contains(&length)
            && name.value.trim() == name.value
            && !name.value.contains(char::is_control);
        if !fit {
            let message = "a name is 1 to 128 characters, without control characters or \
                           spaces around it";
            self.reader.fault(name.offset, message);
        }
        fit
    }
}

const IDENTIFIER: &str = "an id is 1 to 128 printable ASCII characters without spaces, \" and \\";

/// The `scope-token` of RFC 6749 section 3.3, which also fits a header's value.
fn is_identifier(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    (1..=128).contains(&id.len()) && id.bytes().all(allowed)
}

fn is_suffix(suffix: &str) -> bool {
    // With a letter before it, so that `.` and `..` are not taken for dot segments.
    let path = format!("/a{suffix}");
    suffix.len() > 1
        && suffix.starts_with('.')
        && !suffix.contains('/')
        && canonical(&path).is_ok_and(|form| *form == *path)
}

#[cfg(test)]
mod tests;
