//! From rules as they were read to tries, and the rules that cannot both hold.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::method::{MethodNumbers, MethodSet};
use super::super::template::{Rule, Segment};
use super::super::{RateGroup, VersionId};
use super::trie::{End, Node, NodeId, Trie, Versions, index};
use super::{Grant, Route, RouteTable};
use crate::token::ScopeId;

/// A rule as it was read.
#[derive(Debug)]
pub(in crate::catalog) struct Draft {
    /// Methods and template.
    pub(in crate::catalog) rule: Rule,
    /// As written.
    pub(in crate::catalog) text: Arc<str>,
    /// Where it stands in the file: byte and line.
    pub(in crate::catalog) offset: usize,
    pub(in crate::catalog) line: usize,
    /// It allows an upgrade.
    pub(in crate::catalog) upgrade: bool,
    /// The versions to which it is limited, if it is.
    pub(in crate::catalog) versions: Option<Vec<VersionId>>,
    /// What its requests count towards.
    pub(in crate::catalog) rate: Option<Arc<RateGroup>>,
    /// Whose it is; `None` for a public rule.
    pub(in crate::catalog) scope: Option<(ScopeId, Arc<str>)>,
}

/// Why rules cannot be compiled: what, and at which byte of the file, if at one.
pub(in crate::catalog) type Conflict = (Option<usize>, String);

/// A rule in a trie: its methods as bits and the place of its `{sid}`.
struct Entry<'d> {
    draft: &'d Draft,
    methods: MethodSet,
    sid: Option<u8>,
}

/// A node while rules are added to it: numbers of entries, in the file's order.
#[derive(Default)]
struct Sketch {
    node: Node,
    ends: Vec<usize>,
    rests: Vec<usize>,
}

/// Compiles the rules of a catalogue with these versions. The suffixes may be in any order.
pub(in crate::catalog) fn compile(
    drafts: &[Draft],
    versions: &[VersionId],
    suffixes: &[String],
) -> Result<RouteTable, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let mut methods = MethodNumbers::default();
    let (mut scoped, mut public) = (Vec::new(), Vec::new());
    for draft in drafts {
        let Some(set) = methods.add(&draft.rule.methods) else {
            let message = format!(
                "more than {} unusual methods are named",
                MethodNumbers::MAX_OTHERS
            );
            conflicts.push((Some(draft.offset), message));
            continue;
        };
        let entry = Entry {
            draft,
            methods: set,
            // A template has fewer segments than a byte counts.
            sid: draft.rule.template.sid().and_then(|at| at.try_into().ok()),
        };
        match draft.scope {
            Some(_) => scoped.push(entry),
            None => public.push(entry),
        }
    }
    let scoped = trie(&scoped, versions, &mut conflicts);
    let public = trie(&public, versions, &mut conflicts);
    if !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut suffixes: Vec<Box<str>> = suffixes.iter().map(|s| s.as_str().into()).collect();
    suffixes.sort_by_key(|s| std::cmp::Reverse(s.len()));
    Ok(RouteTable {
        scoped,
        public,
        methods,
        ignored_suffixes: suffixes.into(),
    })
}

fn trie(entries: &[Entry<'_>], versions: &[VersionId], conflicts: &mut Vec<Conflict>) -> Trie {
    if entries.is_empty() {
        return Trie::default();
    }
    let mut sketches = vec![Sketch::default()];
    for (number, entry) in entries.iter().enumerate() {
        insert(&mut sketches, entry, number);
    }
    // A child always comes after its parent, so backwards every child is known in time.
    let mut steps = vec![0_usize; sketches.len()];
    for at in (0..sketches.len()).rev() {
        let node = &sketches[at].node;
        let literals = || node.literals.iter().flat_map(|l| l.values()).copied();
        let literal = literals().map(|child| steps[index(child)]).max();
        let parameter = node.parameter.map(|child| steps[index(child)]);
        steps[at] = 1 + literal.unwrap_or(0) + parameter.unwrap_or(0);
        let below = literals()
            .chain(node.parameter)
            .map(|child| sketches[index(child)].node.methods)
            .fold(MethodSet::default(), MethodSet::union);
        let sketch = &mut sketches[at];
        let here = sketch.ends.iter().chain(&sketch.rests);
        sketch.node.methods = here
            .map(|&number| entries[number].methods)
            .fold(below, MethodSet::union);
        for numbers in [&sketch.ends, &sketch.rests] {
            let rules: Vec<&Entry<'_>> = numbers.iter().map(|&number| &entries[number]).collect();
            find_conflicts(&rules, conflicts);
        }
        sketch.node.ends = ends(&sketch.ends, entries, versions);
        sketch.node.rests = ends(&sketch.rests, entries, versions).into_vec().into();
    }
    if steps[0] > RouteTable::MAX_STEPS {
        let message = format!(
            "literals and parameters stand side by side so often that one path could take {} \
             steps to match; at most {} are allowed",
            steps[0],
            RouteTable::MAX_STEPS
        );
        conflicts.push((None, message));
    }
    Trie {
        nodes: sketches.into_iter().map(|sketch| sketch.node).collect(),
    }
}

/// Adds the nodes of a template and notes the rule where it ends.
fn insert(sketches: &mut Vec<Sketch>, entry: &Entry<'_>, number: usize) {
    let mut at = 0;
    for segment in entry.draft.rule.template.segments() {
        // So many would not fit in memory: they take 400 GiB while they are compiled.
        let next = NodeId::try_from(sketches.len()).expect("fewer segments than 2^32");
        let node = &mut sketches[at].node;
        let child = match segment {
            Segment::Literal(text) => {
                let literals = node.literals.get_or_insert_default();
                *literals.entry(text.as_ref().into()).or_insert(next)
            }
            Segment::Sid | Segment::Parameter(_) => *node.parameter.get_or_insert(next),
            // It is the last segment of its template.
            Segment::Rest(_) => return sketches[at].rests.push(number),
        };
        if child == next {
            sketches.push(Sketch::default());
        }
        at = index(child);
    }
    sketches[at].ends.push(number);
}

/// Finds rules for the same requests that say different things.
fn find_conflicts(rules: &[&Entry<'_>], conflicts: &mut Vec<Conflict>) {
    let mut of_scope: HashMap<Option<ScopeId>, Vec<&Entry<'_>>> = HashMap::new();
    let mut of_sid: HashMap<Option<u8>, Vec<&Entry<'_>>> = HashMap::new();
    for &rule in rules {
        let text = &rule.draft.text;
        let others = of_sid
            .iter()
            .filter(|(sid, _)| **sid != rule.sid)
            .flat_map(|(_, others)| others);
        if let Some(other) = first_overlap(rule, others) {
            let message = format!(
                "`{text}` and `{}` in line {} cannot both hold: where one has {{sid}}, the \
                 other has a plain parameter",
                other.draft.text, other.draft.line
            );
            conflicts.push((Some(rule.draft.offset), message));
        }
        of_sid.entry(rule.sid).or_default().push(rule);

        let scope = rule.draft.scope.as_ref().map(|(number, _)| *number);
        let same = of_scope.entry(scope).or_default();
        let differing = same
            .iter()
            .filter(|other| other.draft.upgrade != rule.draft.upgrade);
        if let Some(other) = first_overlap(rule, differing) {
            let message = format!(
                "`{text}` and `{}` in line {} cannot both hold: one allows an upgrade, the \
                 other does not",
                other.draft.text, other.draft.line
            );
            conflicts.push((Some(rule.draft.offset), message));
        }
        let number = |entry: &Entry<'_>| entry.draft.rate.as_ref().map(|rate| rate.number);
        let differing = same.iter().filter(|other| number(other) != number(rule));
        if let Some(other) = first_overlap(rule, differing) {
            let message = format!(
                "`{text}` and `{}` in line {} cannot both hold: their requests count towards \
                 different limits",
                other.draft.text, other.draft.line
            );
            conflicts.push((Some(rule.draft.offset), message));
        }
        same.push(rule);
    }
}

/// The first of the rules that is for a request that this rule is for too.
fn first_overlap<'e, 'd: 'e>(
    rule: &Entry<'d>,
    others: impl Iterator<Item = &'e &'e Entry<'d>>,
) -> Option<&'e Entry<'d>> {
    let meet = |other: &Entry<'_>| match (&rule.draft.versions, &other.draft.versions) {
        (Some(these), Some(those)) => these.iter().any(|v| those.contains(v)),
        _ => true,
    };
    others
        .copied()
        .filter(|other| rule.methods.intersects(other.methods) && meet(other))
        .min_by_key(|other| other.draft.offset)
}

/// The routes of rules that end in one place: one for each group of methods and versions
/// to which the same rules apply.
fn ends(numbers: &[usize], entries: &[Entry<'_>], versions: &[VersionId]) -> SmallVec<[End; 1]> {
    let rules = || numbers.iter().map(|&number| &entries[number]);
    let mut classes = vec![MethodSet::ALL];
    for rule in rules() {
        classes = classes
            .iter()
            .flat_map(|class| {
                [
                    class.intersection(rule.methods),
                    class.without(rule.methods),
                ]
            })
            .filter(|class| !class.is_empty())
            .collect();
    }
    // Where no rule is limited, no version makes a difference.
    let limited = rules().any(|rule| rule.draft.versions.is_some());
    let candidates: Vec<Option<VersionId>> = if limited {
        versions.iter().copied().map(Some).collect()
    } else {
        vec![None]
    };
    let mut groups: Vec<(MethodSet, Vec<usize>, Vec<VersionId>)> = Vec::new();
    for version in candidates {
        for &methods in &classes {
            let applies = |number: &usize| {
                let rule = &entries[*number];
                let limit = rule.draft.versions.as_ref();
                rule.methods.intersects(methods)
                    && limit.is_none_or(|only| version.is_some_and(|v| only.contains(&v)))
            };
            let chosen: Vec<usize> = numbers.iter().copied().filter(applies).collect();
            if chosen.is_empty() {
                continue;
            }
            let same = groups.iter_mut().find(|g| g.0 == methods && g.1 == chosen);
            match same {
                Some((.., versions)) => versions.extend(version),
                None => groups.push((methods, chosen, version.into_iter().collect())),
            }
        }
    }
    let end = |(methods, numbers, versions): (_, Vec<usize>, Vec<VersionId>)| {
        let rules: Vec<&Entry<'_>> = numbers.iter().map(|&number| &entries[number]).collect();
        Some(End {
            methods,
            versions: if limited {
                Versions::Only(versions.into())
            } else {
                Versions::All
            },
            sid: rules.first()?.sid,
            route: Arc::new(route(&rules)?),
        })
    };
    groups.into_iter().filter_map(end).collect()
}

fn route(rules: &[&Entry<'_>]) -> Option<Route> {
    let first = rules.first()?.draft;
    let grants: SmallVec<[Grant; 1]> = rules
        .iter()
        .filter_map(|rule| {
            let (scope, id) = rule.draft.scope.as_ref()?;
            Some(Grant {
                scope: *scope,
                id: Arc::clone(id),
                upgrade: rule.draft.upgrade,
                rate: rule.draft.rate.clone().filter(|r| !r.limits.is_empty()),
                rule: Arc::clone(&rule.draft.text),
                line: rule.draft.line,
            })
        })
        .collect();
    let mut required_scopes: Vec<Arc<str>> = grants.iter().map(|g| Arc::clone(&g.id)).collect();
    required_scopes.sort_unstable();
    required_scopes.dedup();
    Some(Route {
        rule: Arc::clone(&first.text),
        line: first.line,
        grants,
        required_scopes,
        upgrade: rules.iter().any(|rule| rule.draft.upgrade),
    })
}
