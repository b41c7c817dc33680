//! From a plan to text: each change where it belongs, every other byte as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::openapi::{self, marks_text, quoted};
use super::super::template::{Methods, Rule};
use super::existing::{Existing, RuleAt, ScopeAt};
use super::plan::{Home, Plan, ScopePlan};

/// What cannot be edited, and at which byte.
type Unfit = (usize, String);

/// The text after the changes.
pub(super) fn apply(text: &str, existing: &Existing, plan: &Plan) -> Result<String, Unfit> {
    let mut edits = Edits {
        text,
        made: Vec::new(),
    };
    if let Some(version) = &plan.version {
        edits.version(existing, version);
    }
    let scopes: Vec<&ScopeAt> = existing.scopes().collect();
    for planned in &plan.scopes {
        if let Some(scope) = scopes.get(planned.scope) {
            edits.scope(scope, planned)?;
        }
    }
    let mut by_home: BTreeMap<&Home, String> = BTreeMap::new();
    for (home, scope) in &plan.fresh {
        let block = by_home.entry(home).or_insert_with(|| match home {
            Home::Category(_) => String::new(),
            Home::New(name) => format!("\n[[category]]\nname = {}\n", quoted(name)),
        });
        block.push('\n');
        block.push_str(&fresh(scope, plan));
    }
    let mut end = String::new();
    for (home, block) in by_home {
        match home {
            Home::Category(at) => {
                let after = existing.categories.get(*at).map_or(0, |c| c.end);
                edits.after_line(after, &block);
            }
            Home::New(_) => end.push_str(&block),
        }
    }
    Ok(joined(&edits.finish(), &end))
}

/// A text and more lines, which end as its own do.
pub(super) fn joined(text: &str, more: &str) -> String {
    let ended = text.is_empty() || more.is_empty() || text.ends_with('\n');
    let gap = if ended { "" } else { "\n" };
    format!("{text}{}", ended_as(text, format!("{gap}{more}")))
}

/// Lines for a text, with CRLF where that is how its first one ends.
fn ended_as(text: &str, lines: String) -> String {
    let first = text.split_inclusive('\n').next();
    match first.is_some_and(|line| line.ends_with("\r\n")) {
        true => lines.replace('\n', "\r\n"),
        false => lines,
    }
}

/// What the file shall say then: every rule by its scope's id.
pub(super) fn planned<'p>(
    existing: &'p Existing,
    plan: &'p Plan,
) -> BTreeMap<&'p str, BTreeSet<String>> {
    let mut said = existing.said();
    for (at, scope) in existing.scopes().enumerate() {
        if let Some(planned) = plan.scopes.iter().find(|planned| planned.scope == at) {
            let rules = planned.rules.iter().flatten().chain(&planned.added);
            said.insert(&scope.id, rules.map(RuleAt::render).collect());
        }
    }
    for (_, scope) in &plan.fresh {
        let rules = scope.rules.iter().map(|rule| limited(rule, plan).render());
        said.insert(&scope.id, rules.collect());
    }
    said
}

/// A new scope as a block.
fn fresh(scope: &openapi::Scope, plan: &Plan) -> String {
    let mut text = format!(
        "[[category.scope]]\nid = {}\nname = {}\nallow = [\n",
        quoted(&scope.id),
        quoted(&scope.name)
    );
    for rule in &scope.rules {
        text.push_str(&format!("    {},\n", limited(rule, plan).render()));
    }
    let version = plan.mark.as_deref();
    let marks = scope.rules.iter().map(|rule| rule.mark(version));
    text.push_str(&format!("]\nimported = {}\n", marks_text(marks)));
    text
}

fn limited(rule: &openapi::Rule, plan: &Plan) -> RuleAt {
    RuleAt {
        at: 0..0,
        rule: Rule {
            methods: Methods::Listed(vec![rule.method.clone()]),
            template: rule.template.clone(),
        },
        upgrade: false,
        limit: None,
        versions: plan.limited.clone(),
    }
}

/// Changes of a text, each of its own bytes.
struct Edits<'t> {
    text: &'t str,
    made: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    fn replace(&mut self, at: Range<usize>, with: impl Into<String>) {
        self.made.push((at, ended_as(self.text, with.into())));
    }

    /// Puts lines after the line in which a byte lies.
    fn after_line(&mut self, offset: usize, lines: &str) {
        let at = self.line_end(offset);
        // A last line without an end gets one first.
        let ended = self
            .text
            .get(..at)
            .is_some_and(|before| before.ends_with('\n'));
        let gap = if ended { "" } else { "\n" };
        self.replace(at..at, format!("{gap}{lines}"));
    }

    fn finish(mut self) -> String {
        // Insertions at one place stay in the order in which they were made.
        self.made.sort_by_key(|(at, _)| (at.start, at.end));
        let mut out = String::with_capacity(self.text.len() + 1024);
        let mut done = 0;
        for (at, with) in &self.made {
            out.push_str(self.text.get(done..at.start).unwrap_or_default());
            out.push_str(with);
            done = at.end.max(done);
        }
        out.push_str(self.text.get(done..).unwrap_or_default());
        out
    }

    fn line_start(&self, offset: usize) -> usize {
        let before = self.text.get(..offset).unwrap_or_default();
        before.rfind('\n').map_or(0, |at| at + 1)
    }

    /// The byte after the line in which one lies.
    fn line_end(&self, offset: usize) -> usize {
        let after = self.text.get(offset..).unwrap_or_default();
        after
            .find('\n')
            .map_or(self.text.len(), |at| offset + at + 1)
    }

    /// A block for a version: after the newer one, or before the first.
    fn version(&mut self, existing: &Existing, version: &str) {
        let block = format!("[[versions.version]]\nid = {}\n", quoted(version));
        let newer =
            |v: &&super::existing::VersionAt| super::natural(&v.id) > super::natural(version);
        // Up to the first that is older, as the plan has it.
        let before = existing.versions.iter().take_while(newer).last();
        match (before, existing.versions.first()) {
            (Some(newer), _) => self.after_line(newer.extent.end, &format!("\n{block}")),
            (None, Some(first)) => {
                let mut at = self.line_start(first.extent.start);
                // The header and the comments directly above it belong to the block.
                while let Some(above) = at.checked_sub(1) {
                    let start = self.line_start(above);
                    let line = self.text.get(start..above).unwrap_or_default().trim();
                    if !line.starts_with(['[', '#']) {
                        break;
                    }
                    at = start;
                }
                self.replace(at..at, format!("{block}\n"));
            }
            (None, None) => {}
        }
    }

    fn scope(&mut self, scope: &ScopeAt, planned: &ScopePlan) -> Result<(), Unfit> {
        self.rules(scope, planned)?;
        if planned.marks == scope.marks {
            return Ok(());
        }
        let marks = marks_text(planned.marks.iter().cloned());
        match &scope.imported {
            Some(at) => self.replace(at.clone(), marks),
            None => {
                let after = scope.allow.as_ref().map_or(scope.id_at.end, |at| at.end);
                self.after_line(after, &format!("imported = {marks}\n"));
            }
        }
        Ok(())
    }

    fn rules(&mut self, scope: &ScopeAt, planned: &ScopePlan) -> Result<(), Unfit> {
        let changed = |(old, new): (&RuleAt, &Option<RuleAt>)| {
            new.as_ref().is_none_or(|new| new.versions != old.versions)
        };
        let touched = scope.rules.iter().zip(&planned.rules).any(changed);
        if !touched && planned.added.is_empty() {
            return Ok(());
        }
        let Some(allow) = &scope.allow else {
            let rules = planned.added.iter();
            let text = format!("allow = {}\n", array(rules));
            self.after_line(scope.id_at.end, &text);
            return Ok(());
        };
        let alone = scope.rules.iter().all(|rule| self.is_alone(&rule.at));
        if scope.rules.is_empty() || !alone {
            self.is_bare(scope, allow)?;
            let rules = planned.rules.iter().flatten().chain(&planned.added);
            self.replace(allow.clone(), array(rules));
            return Ok(());
        }
        for (old, new) in scope.rules.iter().zip(&planned.rules) {
            match new {
                None => {
                    let whole = self.line_start(old.at.start)..self.line_end(old.at.end);
                    self.replace(whole, "");
                }
                Some(new) if new.versions != old.versions => {
                    self.replace(old.at.clone(), new.render());
                }
                Some(_) => {}
            }
        }
        self.append(scope, planned);
        Ok(())
    }

    /// New rules as lines after the last one.
    fn append(&mut self, scope: &ScopeAt, planned: &ScopePlan) {
        let (Some(last), Some(first)) = (scope.rules.last(), scope.rules.first()) else {
            return;
        };
        if planned.added.is_empty() {
            return;
        }
        let stays = planned.rules.last().is_some_and(Option::is_some);
        let rest = self.text.get(last.at.end..).unwrap_or_default();
        if stays && !rest.trim_start().starts_with(',') {
            self.replace(last.at.end..last.at.end, ",");
        }
        let start = self.line_start(first.at.start);
        let indent = self.text.get(start..first.at.start).unwrap_or_default();
        let lines: String = planned
            .added
            .iter()
            .map(|rule| format!("{indent}{},\n", rule.render()))
            .collect();
        let at = self.line_end(last.at.end);
        self.replace(at..at, lines);
    }

    /// Whether nothing but its comma and a comment stands in the lines of an element.
    fn is_alone(&self, at: &Range<usize>) -> bool {
        let start = self.line_start(at.start);
        let before = self.text.get(start..at.start).unwrap_or_default();
        let after = self.text.get(at.end..self.line_end(at.end));
        let after = after.unwrap_or_default().trim_start();
        let after = after.strip_prefix(',').unwrap_or(after).trim_start();
        before.trim().is_empty() && (after.is_empty() || after.starts_with('#'))
    }

    /// Whether an array can be written anew without losing a comment.
    fn is_bare(&self, scope: &ScopeAt, allow: &Range<usize>) -> Result<(), Unfit> {
        let mut between = String::new();
        let mut done = allow.start;
        for rule in &scope.rules {
            between.push_str(self.text.get(done..rule.at.start).unwrap_or_default());
            done = rule.at.end;
        }
        between.push_str(self.text.get(done..allow.end).unwrap_or_default());
        if between.contains('#') {
            let message = "these rules cannot be edited: write one in a line".to_owned();
            return Err((allow.start, message));
        }
        Ok(())
    }
}

fn array<'r>(rules: impl Iterator<Item = &'r RuleAt>) -> String {
    let lines: String = rules
        .map(|rule| format!("    {},\n", rule.render()))
        .collect();
    if lines.is_empty() {
        return "[]".to_owned();
    }
    format!("[\n{lines}]")
}
