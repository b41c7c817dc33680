//! What an import changes: three states are compared, rule by rule. What an earlier import
//! made (the marks), what stands in the file now, and what the documents say.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use super::super::openapi::{self, Draft, shape};
use super::super::template::{Methods, Template};
use super::existing::{Existing, RuleAt, ScopeAt};
use super::home::Homes;
use super::{Change, natural};

/// What becomes of one scope that is there.
#[derive(Debug)]
pub(super) struct ScopePlan {
    /// Its number among all scopes of the file.
    pub(super) scope: usize,
    /// Rules that stay, as they read then; `None` for one that goes.
    pub(super) rules: Vec<Option<RuleAt>>,
    /// Rules that come.
    pub(super) added: Vec<RuleAt>,
    pub(super) marks: BTreeSet<String>,
}

/// What becomes of the file.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) scopes: Vec<ScopePlan>,
    /// New scopes: the number of a category that is there, or the name of a new one.
    pub(super) fresh: Vec<(Home, openapi::Scope)>,
    /// The version that comes.
    pub(super) version: Option<String>,
    /// The version in the marks that are made; none where the documents speak of all.
    pub(super) mark: Option<String>,
    /// Versions to which the rules of new scopes are limited.
    pub(super) limited: Option<Vec<String>>,
    pub(super) changes: Vec<Change>,
    pub(super) notes: Vec<String>,
}

/// Where a new scope goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    Category(usize),
    New(String),
}

/// Versions before and after, and those of which the documents speak.
pub(super) struct Versions {
    before: Vec<String>,
    after: Vec<String>,
    /// Of which the documents speak; what is unversioned has the one version "".
    pub(super) target: Vec<String>,
    /// The version in the marks that are made: "" where the documents speak of all.
    mark: Option<String>,
}

/// Compares.
pub(super) fn plan(existing: &Existing, draft: &Draft) -> Plan {
    let mut plan = Plan::default();
    let versions = Versions::new(existing, draft, &mut plan);
    let homes = Homes::find(existing, draft, &versions);
    let mut wanted: BTreeMap<usize, &openapi::Scope> = BTreeMap::new();
    let mut ids = homes.ids();
    for (category, scope) in draft.scopes() {
        if let Some((at, found)) = homes.of(scope) {
            if found.id != scope.id {
                let (id, there) = (&scope.id, &found.id);
                let note = format!("what would be the scope `{id}` is `{there}` here");
                plan.notes.push(note);
            }
            wanted.insert(at, scope);
            continue;
        }
        let scope = openapi::Scope {
            id: ids.fresh(category, scope),
            ..scope.clone()
        };
        plan.changes.push(Change::ScopeAdded {
            id: scope.id.clone(),
            category: category.name.clone(),
        });
        for rule in &scope.rules {
            plan.changes.push(Change::RuleAdded {
                scope: scope.id.clone(),
                rule: rule.to_string(),
            });
        }
        plan.fresh.push((homes.category(category), scope));
    }
    plan.notes.extend(ids.notes);
    plan.limited = versions.written(&versions.target);
    plan.mark.clone_from(&versions.mark);
    for (at, scope) in existing.scopes().enumerate() {
        let wanted = wanted
            .get(&at)
            .map_or(&[][..], |scope| scope.rules.as_slice());
        // A scope that no import has touched is none of its business.
        if !wanted.is_empty() || !scope.marks.is_empty() {
            let done = compare(at, scope, wanted, &versions, &mut plan);
            plan.scopes.push(done);
        }
    }
    plan
}

impl Versions {
    fn new(existing: &Existing, draft: &Draft, plan: &mut Plan) -> Self {
        let before: Vec<String> = existing.versions.iter().map(|v| v.id.clone()).collect();
        let mut after = before.clone();
        let target = match &draft.version {
            None if before.is_empty() => vec![String::new()],
            None => before.clone(),
            Some(version) => {
                if !before.contains(version) {
                    let later = |v: &String| natural(v) < natural(version);
                    let at = before.iter().position(later).unwrap_or(before.len());
                    after.insert(at, version.clone());
                    plan.version = Some(version.clone());
                    plan.changes.push(Change::VersionAdded(version.clone()));
                }
                vec![version.clone()]
            }
        };
        Self {
            before,
            after,
            target,
            mark: draft.version.clone(),
        }
    }

    /// The versions under which a rule holds. One that an import made holds under those
    /// that there were then, until an import says that a new one has it too.
    pub(super) fn of(&self, rule: &RuleAt, made: bool) -> Vec<String> {
        match &rule.versions {
            Some(versions) => versions.clone(),
            None if self.after.is_empty() => vec![String::new()],
            None if made => self.before.clone(),
            None => self.after.clone(),
        }
    }

    /// Whether an import made the rule under this version. A mark without a version is of an
    /// import that spoke of all that there were: of one that comes it says nothing.
    fn marked(&self, scope: &ScopeAt, rule: &openapi::Rule, version: &str) -> bool {
        let of_all = version.is_empty() || self.before.iter().any(|v| v == version);
        scope.marks.contains(&rule.mark(Some(version)))
            || (of_all && scope.marks.contains(&rule.mark(None)))
    }

    /// How versions are written: not at all where they are all that there are.
    fn written(&self, versions: &[String]) -> Option<Vec<String>> {
        let all = self.after.iter().all(|v| versions.contains(v));
        let ordered = self.after.iter().filter(|v| versions.contains(v));
        (!all).then(|| ordered.cloned().collect())
    }
}

fn compare(
    at: usize,
    scope: &ScopeAt,
    wanted: &[openapi::Rule],
    versions: &Versions,
    plan: &mut Plan,
) -> ScopePlan {
    let mut done = ScopePlan {
        scope: at,
        rules: scope.rules.iter().cloned().map(Some).collect(),
        added: Vec::new(),
        marks: scope.marks.clone(),
    };
    // What each rule holds under then.
    let mut holds: Vec<Vec<String>> = scope
        .rules
        .iter()
        .map(|rule| versions.of(rule, is_marked(scope, rule, versions)))
        .collect();
    for rule in wanted {
        let covering = |r: &RuleAt| covers(r, &rule.method, &rule.template);
        let mut missing = Vec::new();
        for version in &versions.target {
            let mut there = scope.rules.iter().zip(&holds);
            if there.any(|(r, holds)| covering(r) && holds.contains(version)) {
                continue;
            }
            if versions.marked(scope, rule, version) {
                let id = &scope.id;
                let note = format!("`{rule}` was taken out of `{id}` by hand, and stays out");
                plan.notes.push(note);
            } else {
                missing.push(version.clone());
            }
        }
        done.marks.insert(rule.mark(versions.mark.as_deref()));
        if missing.is_empty() {
            continue;
        }
        let own = scope
            .rules
            .iter()
            .position(|r| covering(r) && is_single(r) && !r.upgrade);
        match own.and_then(|own| holds.get_mut(own)) {
            Some(holds) => holds.extend(missing),
            None => {
                plan.changes.push(Change::RuleAdded {
                    scope: scope.id.clone(),
                    rule: rule.to_string(),
                });
                done.added.push(RuleAt {
                    at: 0..0,
                    rule: super::super::template::Rule {
                        methods: Methods::Listed(vec![rule.method.clone()]),
                        template: rule.template.clone(),
                    },
                    upgrade: false,
                    limit: None,
                    versions: versions.written(&missing),
                });
            }
        }
    }
    for ((rule, holds), done_rule) in scope.rules.iter().zip(&mut holds).zip(&mut done.rules) {
        let made: Vec<openapi::Rule> = operations(rule);
        let gone = |version: &String| {
            made.iter().all(|made| {
                let still = wanted.iter().any(|w| covers(rule, &w.method, &w.template));
                versions.marked(scope, made, version) && !still
            })
        };
        let dropped: Vec<String> = match made.as_slice() {
            [_] => versions
                .target
                .iter()
                .filter(|v| gone(v))
                .cloned()
                .collect(),
            // The methods of an import stand alone: this one was changed by hand.
            _ => Vec::new(),
        };
        let before = versions.of(rule, false);
        holds.retain(|version| !dropped.contains(version));
        if let [made] = made.as_slice()
            && !dropped.is_empty()
        {
            forget(&mut done.marks, made, versions);
        }
        let text = rule.rule.to_string();
        if holds.is_empty() {
            plan.changes.push(Change::RuleGone {
                scope: scope.id.clone(),
                rule: text,
            });
            *done_rule = None;
        } else if differ(&before, holds) {
            let now = versions.written(holds);
            plan.changes.push(Change::RuleChanged {
                scope: scope.id.clone(),
                rule: text,
                from: rule.versions.clone(),
                to: now.clone(),
            });
            if let Some(rule) = done_rule {
                rule.versions = now;
            }
        }
    }
    if plan.version.is_some() {
        let there = scope.rules.iter().flat_map(operations);
        for rule in there.chain(wanted.iter().cloned()) {
            limit_mark(&mut done.marks, &rule, &versions.before);
        }
    }
    let empty = done.rules.iter().all(Option::is_none) && done.added.is_empty();
    if empty && !scope.rules.is_empty() {
        plan.changes.push(Change::ScopeEmptied(scope.id.clone()));
    }
    done
}

fn differ(a: &[String], b: &[String]) -> bool {
    let set = |versions: &[String]| versions.iter().cloned().collect::<BTreeSet<_>>();
    set(a) != set(b)
}

/// Takes out the marks of a rule for the versions of which the documents speak.
fn forget(marks: &mut BTreeSet<String>, made: &openapi::Rule, versions: &Versions) {
    for version in &versions.target {
        marks.remove(&made.mark(Some(version)));
    }
    let others = versions
        .after
        .iter()
        .filter(|v| !versions.target.contains(v));
    limit_mark(marks, made, others);
}

/// Makes of the mark of a rule for every version one for each of these.
fn limit_mark<'v>(
    marks: &mut BTreeSet<String>,
    made: &openapi::Rule,
    versions: impl IntoIterator<Item = &'v String>,
) {
    if marks.remove(&made.mark(None)) {
        let versions = versions.into_iter();
        marks.extend(versions.map(|version| made.mark(Some(version))));
    }
}

/// Whether an import made the rule, under any version.
pub(super) fn is_marked(scope: &ScopeAt, rule: &RuleAt, versions: &Versions) -> bool {
    operations(rule).iter().any(|made| {
        let mut all = versions
            .after
            .iter()
            .map(|v| Some(v.as_str()))
            .chain([None]);
        all.any(|version| scope.marks.contains(&made.mark(version)))
    })
}

/// The rule as an import would have made it: one method each.
fn operations(rule: &RuleAt) -> Vec<openapi::Rule> {
    let Methods::Listed(methods) = &rule.rule.methods else {
        return Vec::new();
    };
    let one = |method: &Method| openapi::Rule {
        method: method.clone(),
        template: rule.rule.template.clone(),
    };
    methods.iter().map(one).collect()
}

fn is_single(rule: &RuleAt) -> bool {
    matches!(&rule.rule.methods, Methods::Listed(methods) if methods.len() == 1)
}

/// Whether a rule is for these requests, whatever its parameters are called.
pub(super) fn covers(rule: &RuleAt, method: &Method, template: &Template) -> bool {
    let methods = match &rule.rule.methods {
        Methods::Any => true,
        Methods::Listed(methods) => methods.contains(method),
    };
    methods
        && rule.rule.template.sid() == template.sid()
        && shape(&rule.rule.template) == shape(template)
}
