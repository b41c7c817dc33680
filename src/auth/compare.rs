//! What a token may call under one version and not under another, judged by the code that
//! judges requests.
//!
//! Only rules that are limited to versions can make a difference: one that comes admits,
//! or takes calls from a wider rule; one that goes leaves them to it. So for each such rule
//! one path is tried that it matches, and one that it and a rule of the token both match.

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;

use super::{Denial, Permit, authorize_under, public};
use crate::catalog::template::{Methods, Rule, Template};
use crate::catalog::{Catalog, VersionId};
use crate::code::Code;
use crate::token::{State, Token};

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

/// What changes for a token that goes from one version to another; its state plays no part.
#[must_use]
pub fn compare(catalog: &Catalog, token: &Token, from: VersionId, to: VersionId) -> Difference {
    let exists = |limit: &[VersionId], version| limit.contains(&version);
    let limited = catalog.limited.iter();
    let mut changing = limited
        .filter(|(_, limit)| exists(limit, from) != exists(limit, to))
        .peekable();
    let mut trial = Trial {
        catalog,
        token: Arc::new(Token {
            state: State::Enabled,
            ..token.clone()
        }),
        versions: [from, to],
        tried: HashSet::new(),
        difference: Difference::default(),
    };
    if changing.peek().is_none() {
        return trial.difference;
    }
    let held = held_rules(catalog, token);
    for (rule, _) in changing {
        trial.attempt(&rule.methods, &rule.template);
        for other in &held {
            let methods = rule.methods.common(&other.methods);
            if let Some((methods, both)) = methods.zip(rule.template.overlap(&other.template)) {
                trial.attempt(&methods, &both);
            }
        }
    }
    let Difference { gains, loses } = &mut trial.difference;
    for calls in [gains, loses] {
        calls.sort_by(|a, b| (a.line, &a.path).cmp(&(b.line, &b.path)));
    }
    trial.difference
}

/// The rules of the token's scopes.
fn held_rules(catalog: &Catalog, token: &Token) -> Vec<Rule> {
    let scopes = catalog.categories.iter().flat_map(|c| &c.scopes);
    let held = scopes.filter(|scope| token.scopes.contains(scope.number));
    let rules = held.flat_map(|scope| &scope.rules);
    rules.filter_map(|rule| rule.parse().ok()).collect()
}

struct Trial<'c> {
    catalog: &'c Catalog,
    token: Arc<Token>,
    versions: [VersionId; 2],
    tried: HashSet<(Method, String)>,
    difference: Difference,
}

impl Trial<'_> {
    /// Tries one path of the template by each of the methods.
    fn attempt(&mut self, methods: &Methods, template: &Template) {
        let path = template.example(self.token.sid.as_str());
        let template = template.to_string();
        let (any, methods) = match methods {
            Methods::Any => (true, &Methods::USUAL[..]),
            Methods::Listed(listed) => (false, &listed[..]),
        };
        let [mut gained, mut lost] = [Vec::new(), Vec::new()];
        for method in methods {
            if !self.tried.insert((method.clone(), path.clone())) {
                continue;
            }
            // Where a public rule admits, it is by no token's version.
            if public(self.catalog, method, &path, false).is_some() {
                continue;
            }
            let judge = |version| self.judge(version, method, &path, false);
            match self.versions.map(judge) {
                [Err(denial), Ok(permit)] => {
                    note(&mut gained, method, &template, &permit, Some(&denial));
                }
                [Ok(permit), Err(denial)] => {
                    note(&mut lost, method, &template, &permit, Some(&denial));
                }
                [Ok(_), Ok(_)] => {
                    let judge = |version| self.judge(version, method, &path, true);
                    let upgrades = |permit: &Permit| permit.allows_upgrade();
                    match self.versions.map(|v| judge(v).ok().filter(upgrades)) {
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
            if any && call.methods.len() == Methods::USUAL.len() {
                call.methods = vec!["*".to_owned()];
            }
        }
        self.difference.gains.extend(gained);
        self.difference.loses.extend(lost);
    }

    fn judge(
        &self,
        version: VersionId,
        method: &Method,
        path: &str,
        upgrade: bool,
    ) -> Result<Permit, Denial> {
        let (token, named) = (Arc::clone(&self.token), Ok(Some(version)));
        authorize_under(self.catalog, token, named, method, path, upgrade)
    }
}

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
