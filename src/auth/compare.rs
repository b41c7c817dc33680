//! What a token may call under one version and not under another, or by one catalogue and
//! not by another, judged by the code that judges requests.
//!
//! Only rules that change can make a difference: one that comes admits, or takes calls from
//! a wider rule; one that goes leaves them to it. So for each such rule one path is tried
//! that it matches, and one that it and another rule both match.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::Method;

use super::{Denial, Permit, authorize_under, public_under};
use crate::catalog::template::{Methods, Rule, Template};
use crate::catalog::{Catalog, VersionId};
use crate::code::Code;
use crate::token::{ScopeId, State, Token};

/// What changes for a token.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Calls that are admitted under the new version alone.
    pub gains: Vec<Call>,
    /// Calls that are admitted under the old version alone.
    pub loses: Vec<Call>,
}

/// Calls that change together.
#[derive(Clone, Debug)]
pub struct Call {
    /// The methods; `*` alone where it is any.
    pub methods: Vec<String>,
    /// The paths, as a template.
    pub path: String,
    /// The rule that admits them under the one version, as written.
    pub rule: Arc<str>,
    /// Its line in the catalogue's file.
    pub line: usize,
    /// The scope that admits them there.
    pub scope: Arc<str>,
    /// With what they are refused under the other; [`Code::Ok`] where `upgrade` is told.
    pub code: Code,
    /// Upgrades alone change: the other admits the calls too, but tunnels none of them.
    pub upgrade: bool,
    /// Of which scopes one would help there, sorted; mostly none.
    pub required_scopes: Vec<Arc<str>>,
}

/// What judges the calls of a token.
#[derive(Clone, Copy, Debug)]
pub struct Side<'c> {
    /// The catalogue.
    pub catalog: &'c Catalog,
    /// The token's version; the catalogue's latest where it is none.
    pub version: Option<VersionId>,
    /// Each request names that version. Then it counts for public rules too.
    pub named: bool,
}

/// Two sides, and the calls on which they may differ for some token.
#[derive(Debug)]
pub struct Comparison<'c> {
    sides: [Side<'c>; 2],
    trials: Vec<Trial>,
}

/// Calls of one path that are tried.
#[derive(Debug)]
struct Trial {
    methods: Vec<Method>,
    /// All usual methods stand for any.
    any: bool,
    template: Template,
    /// The scopes that admit on one side at least: nothing changes for a token without.
    scopes: Vec<ScopeId>,
}

/// What changes for a token that goes from one version to another; its state plays no part.
#[must_use]
pub fn compare(catalog: &Catalog, token: &Token, from: VersionId, to: VersionId) -> Difference {
    let exists = |limit: &[VersionId], version| limit.contains(&version);
    let changing = catalog
        .limited
        .iter()
        .filter(|(_, limit)| exists(limit, from) != exists(limit, to));
    let changing: Vec<&Rule> = changing.map(|(rule, _)| rule).collect();
    if changing.is_empty() {
        return Difference::default();
    }
    let sides = [from, to].map(|version| Side {
        catalog,
        version: Some(version),
        named: false,
    });
    let held = held_rules(catalog, token);
    let held: Vec<&Rule> = held.iter().collect();
    Comparison::between(sides, &changing, &held).of(token)
}

/// The rules of the token's scopes.
fn held_rules(catalog: &Catalog, token: &Token) -> Vec<Rule> {
    let scopes = catalog.categories.iter().flat_map(|c| &c.scopes);
    let held = scopes.filter(|scope| token.scopes.contains(scope.number));
    let rules = held.flat_map(|scope| &scope.rules);
    rules.filter_map(|rule| rule.parse().ok()).collect()
}

impl<'c> Comparison<'c> {
    /// Compares two sides, whose numbers of scopes and versions are the same. `changing` are
    /// the rules that only one of them has; `others` are those by which tokens may call what
    /// these leave or take.
    #[must_use]
    pub fn between(sides: [Side<'c>; 2], changing: &[&Rule], others: &[&Rule]) -> Self {
        let mut tried = HashSet::new();
        let mut comparison = Self {
            sides,
            trials: Vec::new(),
        };
        for rule in changing {
            comparison.add(&rule.methods, rule.template.clone(), &mut tried);
            for other in others {
                let methods = rule.methods.common(&other.methods);
                if let Some((methods, both)) = methods.zip(rule.template.overlap(&other.template)) {
                    comparison.add(&methods, both, &mut tried);
                }
            }
        }
        comparison
    }

    /// Notes the calls of a template on which the sides differ.
    fn add(
        &mut self,
        methods: &Methods,
        template: Template,
        tried: &mut HashSet<(Method, String)>,
    ) {
        // No SID has a space, so no rule names this one.
        let path = template.example(" ");
        let (any, methods) = match methods {
            Methods::Any => (true, &Methods::USUAL[..]),
            Methods::Listed(listed) => (false, &listed[..]),
        };
        let mut is_new = |method: &&Method| tried.insert(((*method).clone(), path.clone()));
        let mut scopes = BTreeSet::new();
        let mut differ = |method: &&Method| {
            let [one, other] = self.sides.map(|side| side.admitting(method, &path));
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
                any,
                template,
                scopes: scopes.into_iter().collect(),
            });
        }
    }

    /// What changes for a token from the first side to the second; its state and its version
    /// play no part.
    #[must_use]
    pub fn of(&self, token: &Token) -> Difference {
        let tokens = self.sides.map(|side| {
            Arc::new(Token {
                state: State::Enabled,
                version: side.version,
                ..token.clone()
            })
        });
        let mut difference = Difference::default();
        for trial in &self.trials {
            let mut scopes = trial.scopes.iter();
            if scopes.any(|scope| token.scopes.contains(*scope)) {
                self.attempt(trial, &tokens, &mut difference);
            }
        }
        let Difference { gains, loses } = &mut difference;
        for calls in [gains, loses] {
            calls.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
        }
        difference
    }

    /// Tries one path of the template by each of the methods.
    fn attempt(&self, trial: &Trial, tokens: &[Arc<Token>; 2], difference: &mut Difference) {
        let [before, after] = &self.sides;
        let [was, is] = tokens;
        let path = trial.template.example(was.sid.as_str());
        let template = trial.template.to_string();
        let [mut gained, mut lost] = [Vec::new(), Vec::new()];
        for method in &trial.methods {
            // Where a public rule admits, it is by no token's rights.
            if after.is_public(method, &path) {
                continue;
            }
            let judge = |upgrade| {
                let first = before.judge(was, method, &path, upgrade);
                [first, after.judge(is, method, &path, upgrade)]
            };
            match judge(false) {
                [Err(denial), Ok(permit)] => {
                    note(&mut gained, method, &template, &permit, Some(&denial));
                }
                [Ok(permit), Err(denial)] => {
                    note(&mut lost, method, &template, &permit, Some(&denial));
                }
                [Ok(_), Ok(_)] => {
                    match judge(true).map(|permit| permit.ok().filter(Permit::allows_upgrade)) {
                        [None, Some(permit)] => {
                            note(&mut gained, method, &template, &permit, None);
                        }
                        [Some(permit), None] => note(&mut lost, method, &template, &permit, None),
                        _ => {}
                    }
                }
                [Err(_), Err(_)] => {}
            }
        }
        for call in gained.iter_mut().chain(&mut lost) {
            if trial.any && call.methods.len() == Methods::USUAL.len() {
                call.methods = vec!["*".to_owned()];
            }
        }
        difference.gains.extend(gained);
        difference.loses.extend(lost);
    }
}

impl Side<'_> {
    fn name(&self) -> Option<VersionId> {
        self.version.filter(|_| self.named)
    }

    fn is_public(&self, method: &Method, path: &str) -> bool {
        let public = public_under(self.catalog, Ok(self.name()), method, path, false);
        public.is_ok_and(|permit| permit.is_some())
    }

    fn judge(
        &self,
        token: &Arc<Token>,
        method: &Method,
        path: &str,
        upgrade: bool,
    ) -> Result<Permit, Denial> {
        let (token, named) = (Arc::clone(token), Ok(self.name()));
        authorize_under(self.catalog, token, named, method, path, upgrade)
    }

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

/// Adds a method to the calls that change in the same way, or begins new ones. Without a
/// denial it is their upgrades that change.
fn note(
    calls: &mut Vec<Call>,
    method: &Method,
    path: &str,
    permit: &Permit,
    denial: Option<&Denial>,
) {
    let Some(scope) = permit.scope() else {
        return;
    };
    let code = denial.map_or(Code::Ok, Denial::code);
    let method = method.to_string();
    let same = calls
        .iter_mut()
        .find(|call| call.rule == *permit.rule() && call.scope == *scope && call.code == code);
    match same {
        Some(call) => call.methods.push(method),
        None => calls.push(Call {
            methods: vec![method],
            path: path.to_owned(),
            rule: Arc::clone(permit.rule()),
            line: permit.line(),
            scope: Arc::clone(scope),
            code,
            upgrade: denial.is_none(),
            required_scopes: denial.map_or_else(Vec::new, |d| d.required_scopes().to_vec()),
        }),
    }
}

#[cfg(test)]
mod tests;
