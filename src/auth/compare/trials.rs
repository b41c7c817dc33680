//! Which calls are tried: those on which two sides differ for somebody.

use std::collections::{BTreeSet, HashSet};

use http::Method;

use super::{Comparison, Side};
use crate::catalog::template::{Methods, Rule, Segment, Template};
use crate::token::ScopeId;

/// Two SIDs that are nobody's, and no literals: one for each place of `{sid}`.
const NOBODY: [&str; 2] = [" 0", " 1"];

/// Calls of one path that are tried.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) methods: Vec<Method>,
    /// As they are told.
    pub(super) template: Template,
    /// The same with a number of segments for its `{*name}`.
    pub(super) path: Template,
    /// The scopes that admit on one side at least: nothing changes for a token without.
    pub(super) scopes: Vec<ScopeId>,
}

impl<'c> Comparison<'c> {
    /// Compares two sides, whose numbers of scopes and versions are the same. `changing` are
    /// the rules that only one of them has; `others` are all of both, which may have what
    /// these leave or take.
    #[must_use]
    pub fn between(sides: [Side<'c>; 2], changing: &[&Rule], others: &[&Rule]) -> Self {
        let public = sides.iter().flat_map(|side| &side.catalog.public);
        let public: Vec<Rule> = public.filter_map(|rule| rule.parse().ok()).collect();
        let rules = || changing.iter().chain(others).copied().chain(&public);
        let longest = rules().map(|rule| rule.template.segments().len()).max();
        let mut comparison = Self {
            sides,
            trials: Vec::new(),
            every: every_method(rules()),
        };
        // Of longer paths no rule knows more than that they are longer than it is.
        let most = longest.unwrap_or(0) + 1;
        let mut tried = HashSet::new();
        let mut add = |methods: &Methods, template: &Template| {
            for path in template.lengths(most) {
                comparison.add(methods, template, path, &mut tried);
            }
        };
        for rule in changing {
            add(&rule.methods, &rule.template);
            for other in others {
                let methods = rule.methods.common(&other.methods);
                if let Some((methods, both)) = methods.zip(rule.template.overlap(&other.template)) {
                    add(&methods, &both);
                }
            }
        }
        comparison
    }

    /// Notes the calls of a path on which the sides differ.
    fn add(
        &mut self,
        methods: &Methods,
        template: &Template,
        path: Template,
        tried: &mut HashSet<(Method, String)>,
    ) {
        let example = path.example(|at| NOBODY.get(at).copied().unwrap_or(Template::ANY));
        let methods = match methods {
            Methods::Any => &self.every,
            Methods::Listed(listed) => listed,
        };
        let mut is_new = |method: &&Method| tried.insert(((*method).clone(), example.clone()));
        let mut scopes = BTreeSet::new();
        let mut differ = |method: &&Method| {
            let [one, other] = self.sides.map(|side| side.admitting(method, &example));
            let all = one.iter().chain(&other).flat_map(|(scopes, _)| scopes);
            scopes.extend(all.map(|(scope, _)| *scope));
            one != other
        };
        let methods: Vec<Method> = methods
            .iter()
            .filter(|method| is_new(method))
            .filter(|method| differ(method))
            .cloned()
            .collect();
        if !methods.is_empty() {
            self.trials.push(Trial {
                methods,
                template: template.clone(),
                path,
                scopes: scopes.into_iter().collect(),
            });
        }
    }
}

impl Side<'_> {
    /// What admits a call: the scopes, each with whether it tunnels, and the SID that has to
    /// be the caller's.
    fn admitting<'p>(&self, method: &Method, path: &'p str) -> Option<Admitting<'p>> {
        let version = match self.catalog.version(self.version) {
            None if self.version.is_some() => return None,
            version => version.map(|v| v.number),
        };
        let found = self.catalog.routes.find(method, path, version)?;
        let grants = found.route.grants.iter();
        let scopes = grants.map(|grant| (grant.scope, grant.upgrade)).collect();
        Some((scopes, found.sid))
    }
}

type Admitting<'p> = (BTreeSet<(ScopeId, bool)>, Option<&'p str>);

/// The usual methods, those that rules name, and at last one that no rule does.
fn every_method<'r>(rules: impl Iterator<Item = &'r Rule>) -> Vec<Method> {
    let mut every = Methods::USUAL.to_vec();
    for rule in rules {
        let Methods::Listed(listed) = &rule.methods else {
            continue;
        };
        for method in listed {
            if !every.contains(method) {
                every.push(method.clone());
            }
        }
    }
    let unnamed = (0_usize..)
        .filter_map(|number| Method::from_bytes(format!("OTHER{number}").as_bytes()).ok())
        .find(|method| !every.contains(method));
    every.extend(unnamed);
    every
}

/// Every way to put SIDs into so many places: each of the caller's own, or `None` for one
/// that is not.
pub(super) fn fillings<'s>(places: usize, own: &[&'s str]) -> Vec<Vec<Option<&'s str>>> {
    let mut all = vec![Vec::new()];
    for _ in 0..places {
        let longer = |filling: Vec<Option<&'s str>>| {
            let sids = own.iter().copied().map(Some).chain([None]);
            let with = move |sid| filling.iter().copied().chain([sid]).collect();
            sids.map(with).collect::<Vec<_>>()
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// A template as it is told: with `{other}` for a SID that is not the caller's.
pub(super) fn told(template: &Template, sids: &[Option<&str>]) -> String {
    let mut sids = sids.iter();
    let mut text = String::new();
    for segment in template.segments() {
        let told = match segment {
            Segment::Sid if sids.next() == Some(&None) => "{other}".to_owned(),
            segment => segment.to_string(),
        };
        text.push('/');
        text.push_str(&told);
    }
    text
}
