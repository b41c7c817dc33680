//! Which scope of the file each scope of the documents is.
//!
//! An id alone does not say it. `C++` and `C#` both make `c`, and which of them has it depends
//! on what else the documents have: a token that holds the one must not come to hold the
//! other. So what an import has marked counts first, then names, and ids last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::openapi::{Category, Draft, Scope, folded, slug};
use super::existing::{Existing, ScopeAt};
use super::plan::{Home, Versions, covers, is_marked};

/// Where the scopes of a draft have their places in the file.
pub(super) struct Homes<'a> {
    /// By the id in the draft: the number among all scopes of the file.
    of: BTreeMap<&'a str, usize>,
    there: Vec<There<'a>>,
    existing: &'a Existing,
}

/// A scope of the file.
struct There<'a> {
    scope: &'a ScopeAt,
    category: usize,
    folded: String,
    /// `read` or `write`, where its id is made of the category's name.
    access: Option<&'a str>,
}

/// A scope of the draft.
struct Wanted<'a> {
    scope: &'a Scope,
    folded: String,
    access: Option<&'a str>,
    /// Scopes of the file that have marks of its rules, and how many.
    marked: BTreeMap<usize, usize>,
}

impl<'a> Homes<'a> {
    pub(super) fn find(existing: &'a Existing, draft: &'a Draft, versions: &Versions) -> Self {
        let there = there(existing);
        let wanted = wanted(existing, draft, &there);
        let mut finder = Finder {
            free: there.iter().map(|_| true).collect(),
            found: BTreeMap::new(),
            wanted: &wanted,
            there: &there,
        };
        finder.pass(|want, _, there, marks| marks > 0 && want.is_kin(there));
        finder.pass(|want, _, there, marks| marks > 0 && want.has_its_id(there));
        finder.pass(|want, at, there, marks| {
            // An operation's scope is not a category's: the granularity has changed.
            if want.access.is_none() && there.access.is_some() {
                return false;
            }
            let rules = want.scope.rules.len();
            let alone = want.marked.keys().all(|other| *other == at);
            let near = marks * 2 >= rules || want.folded == there.folded;
            let mostly = marks * 2 > rules || (marks > 0 && alone && near);
            mostly && there.is_mostly(want.scope, versions)
        });
        finder.pass(|want, _, there, _| want.is_kin(there));
        finder.pass(|want, _, there, _| want.has_its_id(there));
        Self {
            of: finder.found,
            there,
            existing,
        }
    }

    /// The scope's place, if it has one.
    pub(super) fn of(&self, scope: &Scope) -> Option<(usize, &'a ScopeAt)> {
        let at = *self.of.get(scope.id.as_str())?;
        Some((at, self.there.get(at)?.scope))
    }

    /// The category of a new scope: that of its siblings, else one of its name.
    pub(super) fn category(&self, category: &Category) -> Home {
        let siblings = category.scopes.iter();
        let sibling = siblings.flat_map(|s| self.of.get(s.id.as_str())).next();
        let of_sibling = sibling.and_then(|at| Some(self.there.get(*at)?.category));
        let mut names = self.existing.categories.iter();
        match of_sibling.or_else(|| names.position(|c| c.name == category.name)) {
            Some(at) => Home::Category(at),
            None => Home::New(category.name.clone()),
        }
    }

    pub(super) fn ids(&self) -> Ids<'_, 'a> {
        Ids {
            homes: self,
            taken: self.there.iter().map(|t| t.scope.id.clone()).collect(),
            bases: HashMap::new(),
            notes: Vec::new(),
        }
    }
}

fn there(existing: &Existing) -> Vec<There<'_>> {
    let mut there = Vec::new();
    for (category, of) in existing.categories.iter().enumerate() {
        let slug = slug(&of.name);
        there.extend(of.scopes.iter().map(|scope| There {
            scope,
            category,
            folded: folded(&of.name),
            access: access(&scope.id, &slug),
        }));
    }
    there
}

fn wanted<'a>(existing: &Existing, draft: &'a Draft, there: &[There<'_>]) -> Vec<Wanted<'a>> {
    let mut by_mark: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, there) in there.iter().enumerate() {
        for mark in &there.scope.marks {
            by_mark.entry(mark).or_default().push(at);
        }
    }
    let versions = existing.versions.iter().map(|v| Some(v.id.as_str()));
    let versions: Vec<Option<&str>> = versions.chain([None]).collect();
    let mut all = Vec::new();
    for category in &draft.categories {
        let slug = slug(&category.name);
        for scope in &category.scopes {
            let mut marked: BTreeMap<usize, usize> = BTreeMap::new();
            for rule in &scope.rules {
                let marks = versions.iter().map(|version| rule.mark(*version));
                let found: BTreeSet<usize> = marks
                    .flat_map(|mark| by_mark.get(mark.as_str()).into_iter().flatten())
                    .copied()
                    .collect();
                for at in found {
                    *marked.entry(at).or_default() += 1;
                }
            }
            all.push(Wanted {
                scope,
                folded: folded(&category.name),
                access: access(&scope.id, &slug),
                marked,
            });
        }
    }
    all
}

/// What an id says of access where it is made of a category's name: `read` of `c-2:read`,
/// which is made of `C++`.
fn access<'i>(id: &'i str, slug: &str) -> Option<&'i str> {
    let (base, access) = id.rsplit_once(':')?;
    let rest = base.strip_prefix(slug)?;
    let count = rest.strip_prefix('-').unwrap_or_default();
    let counted = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    (["read", "write"].contains(&access) && (rest.is_empty() || counted)).then_some(access)
}

impl Wanted<'_> {
    /// Whether both are the same access to categories of one name, or have one id there.
    fn is_kin(&self, there: &There<'_>) -> bool {
        let same = self.access.is_some() && self.access == there.access;
        self.folded == there.folded && (same || self.scope.id == there.scope.id)
    }

    /// Whether both have one id, and the other's is not made of another name.
    fn has_its_id(&self, there: &There<'_>) -> bool {
        let other = there.access.is_some() && self.folded != there.folded;
        self.scope.id == there.scope.id && !other
    }
}

impl There<'_> {
    /// Whether half of what an import has made of it, or more, is wanted in this one.
    fn is_mostly(&self, wanted: &Scope, versions: &Versions) -> bool {
        let made = self.scope.rules.iter();
        let made: Vec<_> = made
            .filter(|rule| is_marked(self.scope, rule, versions))
            .collect();
        let holds = |version: &String| {
            let of = |rule: &&&_| versions.of(rule, true).contains(version);
            made.iter().filter(of).copied().collect::<Vec<_>>()
        };
        let mut here: Vec<_> = versions.target.iter().flat_map(holds).collect();
        if here.is_empty() {
            // The version comes.
            here = made;
        }
        let still = here.iter().filter(|rule| {
            let mut wanted = wanted.rules.iter();
            wanted.any(|w| covers(rule, &w.method, &w.template))
        });
        still.count() * 2 >= here.len()
    }
}

/// Scopes that have no place yet, and places that are free.
struct Finder<'f, 'a> {
    found: BTreeMap<&'a str, usize>,
    free: Vec<bool>,
    wanted: &'f [Wanted<'a>],
    there: &'f [There<'a>],
}

impl<'a> Finder<'_, 'a> {
    /// Gives each scope the place that fits, those with the most marks in common first.
    fn pass(&mut self, fits: impl Fn(&Wanted<'a>, usize, &There<'a>, usize) -> bool) {
        let mut pairs = Vec::new();
        for want in self.wanted {
            if self.found.contains_key(want.scope.id.as_str()) {
                continue;
            }
            for (at, there) in self.there.iter().enumerate() {
                let marks = want.marked.get(&at).copied().unwrap_or(0);
                if self.free.get(at) == Some(&true) && fits(want, at, there, marks) {
                    let id = want.scope.id.as_str();
                    pairs.push((Reverse(marks), there.scope.id != id, id, at));
                }
            }
        }
        pairs.sort_unstable();
        for (_, _, id, at) in pairs {
            if let Some(free) = self.free.get_mut(at)
                && *free
                && !self.found.contains_key(id)
            {
                *free = false;
                self.found.insert(id, at);
            }
        }
    }
}

/// Ids for new scopes: none that a scope of the file has.
pub(super) struct Ids<'h, 'a> {
    homes: &'h Homes<'a>,
    taken: BTreeSet<String>,
    /// What ids begin with, by the name of the category.
    bases: HashMap<&'a str, String>,
    pub(super) notes: Vec<String>,
}

impl<'a> Ids<'_, 'a> {
    pub(super) fn fresh(&mut self, category: &'a Category, scope: &Scope) -> String {
        let slug = slug(&category.name);
        let id = match access(&scope.id, &slug) {
            Some(access) => {
                let base = self.base(category, &slug);
                format!("{base}:{access}")
            }
            None => scope.id.clone(),
        };
        let id = numbered(&id, |id| !self.taken.contains(id));
        if id != scope.id {
            let of = &scope.id;
            let note = match self.taken.contains(of) {
                true => format!("`{of}` is another scope here, and this one is `{id}`"),
                false => format!("what would be the scope `{of}` is `{id}` here"),
            };
            self.notes.push(note);
        }
        self.taken.insert(id.clone());
        id
    }

    /// What the ids of a category begin with: what its scopes in the file do, else what no
    /// other's do.
    fn base(&mut self, category: &'a Category, slug: &str) -> String {
        if let Some(base) = self.bases.get(category.name.as_str()) {
            return base.clone();
        }
        let homes = self.homes;
        let siblings = category.scopes.iter().filter_map(|s| homes.of(s));
        let folded = folded(&category.name);
        let namesakes = homes.there.iter().filter(|t| t.folded == folded);
        let made = siblings
            .map(|(_, scope)| scope)
            .chain(namesakes.map(|there| there.scope))
            .filter(|scope| access(&scope.id, slug).is_some());
        let of_made = made.filter_map(|scope| scope.id.rsplit_once(':')).next();
        let base = match of_made {
            Some((base, _)) => base.to_owned(),
            None => numbered(slug, |base| {
                let is_free = |access: &str| !self.taken.contains(&format!("{base}:{access}"));
                is_free("read") && is_free("write")
            }),
        };
        self.bases.insert(&category.name, base.clone());
        base
    }
}

/// The text, or the first of `text-2`, `text-3` and so on that will do.
fn numbered(text: &str, will_do: impl Fn(&str) -> bool) -> String {
    let mut candidate = text.to_owned();
    let mut count = 1_u32;
    while !will_do(&candidate) {
        count += 1;
        candidate = format!("{text}-{count}");
    }
    candidate
}

#[cfg(test)]
mod tests;
