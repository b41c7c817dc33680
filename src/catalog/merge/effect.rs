//! Who can call what after a change of the rules: found by asking both catalogues, so that
//! a rule which shadows another one, or does so no more, is seen too.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use super::super::template::{Methods, Rule, Template};
use super::super::{Catalog, VersionId};
use super::existing::{Existing, RuleAt};
use crate::token::{ScopeId, ScopeSet};

/// What calls come to under two catalogues, where it is not the same.
#[derive(Debug)]
pub struct Effects(Vec<Probe>);

/// What somebody gains and loses, each as `METHOD TEMPLATE`, with the versions where not
/// all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Calls that are admitted then, and were not.
    pub gains: Vec<String>,
    /// Calls that were admitted, and are not then.
    pub loses: Vec<String>,
}

/// A call, and who is admitted under one version.
#[derive(Debug)]
struct Probe {
    shown: String,
    version: Option<String>,
    was: Admitted,
    is: Admitted,
}

/// The scopes that admit a call, and whether it must name the caller's own SID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Admitted {
    scopes: BTreeSet<ScopeId>,
    own: bool,
}

impl Effects {
    /// Asks both catalogues about every call that a changed rule is for. Numbers of scopes
    /// and versions are the same in both.
    pub(super) fn between(
        before: &Catalog,
        after: &Catalog,
        was: &Existing,
        is: &Existing,
    ) -> Self {
        let mut versions: Vec<Option<VersionId>> =
            after.versions.iter().map(|v| Some(v.number)).collect();
        if versions.is_empty() {
            versions.push(None);
        }
        let mut seen = BTreeSet::new();
        let mut probes = Vec::new();
        let all: Vec<&Rule> = all(was)
            .chain(all(is))
            .map(|(_, rule)| &rule.rule)
            .collect();
        for (rule, other) in pairs(&differing(was, is), &all) {
            let methods = rule.methods.common(&other.methods);
            let Some((methods, both)) = methods.zip(rule.template.overlap(&other.template)) else {
                continue;
            };
            let path = both.example(Template::ANY);
            // Of two rules that are for every method, GET stands for all.
            let methods = match methods {
                Methods::Any => vec![Method::GET],
                Methods::Listed(methods) => methods,
            };
            for method in methods {
                if !seen.insert((method.to_string(), path.clone())) {
                    continue;
                }
                for &version in &versions {
                    let was = Admitted::of(before, &method, &path, version);
                    let is = Admitted::of(after, &method, &path, version);
                    if was == is {
                        continue;
                    }
                    // With one version, there is no need to name it.
                    let named = after.version(version).filter(|_| versions.len() > 1);
                    probes.push(Probe {
                        shown: format!("{method} {both}"),
                        version: named.map(|v| v.id.to_string()),
                        was,
                        is,
                    });
                }
            }
        }
        Self(probes)
    }

    /// What the holder of these scopes gains and loses.
    #[must_use]
    pub fn of(&self, scopes: &ScopeSet) -> Reach {
        let mut gains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut loses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for probe in &self.0 {
            let (was, is) = (probe.was.reach(scopes), probe.is.reach(scopes));
            let side = if is > was {
                &mut gains
            } else if was > is {
                &mut loses
            } else {
                continue;
            };
            let versions = side.entry(&probe.shown).or_default();
            versions.extend(probe.version.as_deref());
        }
        let told = |side: BTreeMap<&str, Vec<&str>>| {
            side.into_iter()
                .map(|(shown, versions)| match versions.as_slice() {
                    [] => shown.to_owned(),
                    some => format!("{shown} (version {})", some.join(", ")),
                })
                .collect()
        };
        Reach {
            gains: told(gains),
            loses: told(loses),
        }
    }
}

impl Reach {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gains.is_empty() && self.loses.is_empty()
    }
}

impl Admitted {
    fn of(catalog: &Catalog, method: &Method, path: &str, version: Option<VersionId>) -> Self {
        // Nobody is served under a version that there is not yet.
        if version.is_some() && catalog.version(version).is_none() {
            return Self::default();
        }
        let found = catalog.routes.find(method, path, version);
        found.map_or_else(Self::default, |found| Self {
            scopes: found.route.grants.iter().map(|grant| grant.scope).collect(),
            own: found.sid.is_some(),
        })
    }

    /// How far somebody gets: not at all, to what is their own, or to anybody's.
    fn reach(&self, scopes: &ScopeSet) -> u8 {
        let admits = self.scopes.iter().any(|scope| scopes.contains(*scope));
        match (admits, self.own) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        }
    }
}

fn all(existing: &Existing) -> impl Iterator<Item = (&str, &RuleAt)> {
    existing
        .scopes()
        .flat_map(|scope| scope.rules.iter().map(|rule| (scope.id.as_str(), rule)))
}

/// The rules that only one of the two has, or has under another scope or other versions.
fn differing<'e>(was: &'e Existing, is: &'e Existing) -> Vec<&'e Rule> {
    let said = |existing| -> BTreeSet<(&'e str, String)> {
        all(existing)
            .map(|(scope, rule)| (scope, rule.render()))
            .collect()
    };
    let (old, new) = (said(was), said(is));
    // A plain rule means more where there are more versions.
    let more = was.versions.len() != is.versions.len();
    let only = |other: &BTreeSet<(&'e str, String)>, (scope, rule): &(&'e str, &'e RuleAt)| {
        (more && rule.versions.is_none()) || !other.contains(&(*scope, rule.render()))
    };
    let gone = all(was).filter(|rule| only(&new, rule));
    let come = all(is).filter(|rule| only(&old, rule));
    gone.chain(come).map(|(_, rule)| &rule.rule).collect()
}

fn pairs<'r>(some: &[&'r Rule], all: &[&'r Rule]) -> Vec<(&'r Rule, &'r Rule)> {
    let with_all = |rule: &&'r Rule| {
        let rule = *rule;
        all.iter().map(move |other| (rule, *other))
    };
    some.iter().flat_map(with_all).collect()
}
