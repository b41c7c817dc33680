//! What a token may call under one version and not under another, or by one catalogue and
//! not by another, judged by the code that judges requests.
//!
//! Only rules that change can make a difference: one that comes admits, or takes calls from
//! a wider rule; one that goes leaves them to it. So for each such rule the paths are tried
//! that it matches, and those that it and another rule both match.
//!
//! Of all of these a few are enough, for the rest are judged alike: each number of segments up
//! to one more than any rule has, with and without a trailing slash where a `{*name}` leaves
//! that open; in place of `{sid}` what is the caller's own, and what is not; and each method
//! that a rule names, with one that none does. Elsewhere stands a text that is no literal:
//! whatever rule it meets, every other text in its place meets too.

mod trials;

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;

use self::trials::{Trial, fillings, told};
use super::{Denial, Permit, authorize_under, public_under};
use crate::catalog::template::{Rule, Template};
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
    /// The methods; `*` alone where it is any, and [`Call::OTHERS`] for all that no rule names.
    pub methods: Vec<String>,
    /// The paths, as a template: `{sid}` is the caller's own, and `{other}` any other in its
    /// place. Of a last `{*name}`, some number of segments at least.
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

impl Call {
    /// Stands for the methods that no rule names; it is none itself.
    pub const OTHERS: &str = "(others)";
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
    /// What is tried for any method; the last is one that no rule names.
    every: Vec<Method>,
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
    // Those of scopes that the token does not hold too: a call that they take is lost.
    let scopes = catalog.categories.iter().flat_map(|c| &c.scopes);
    let all = scopes.flat_map(|scope| &scope.rules);
    let all: Vec<Rule> = all.filter_map(|rule| rule.parse().ok()).collect();
    let all: Vec<&Rule> = all.iter().collect();
    Comparison::between(sides, &changing, &all).of(token)
}

impl Comparison<'_> {
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
        let held = |trial: &&Trial| trial.scopes.iter().any(|s| token.scopes.contains(*s));
        let trials: Vec<&Trial> = self.trials.iter().filter(held).collect();
        let account = token.account.as_deref();
        let own: Vec<&str> = [Some(&token.sid), account]
            .into_iter()
            .flatten()
            .map(|sid| sid.as_str())
            .collect();
        let mut tried = HashSet::new();
        let mut difference = Difference::default();
        // What is not the caller's own comes last: a plain parameter says it better.
        for others in [false, true] {
            for trial in &trials {
                for sids in fillings(trial.path.sids(), &own) {
                    if sids.contains(&None) == others {
                        self.attempt(trial, &sids, &tokens, &mut tried, &mut difference);
                    }
                }
            }
        }
        let every: Vec<String> = self.every.iter().map(|m| self.name(m)).collect();
        for calls in [&mut difference.gains, &mut difference.loses] {
            join(calls, &every);
        }
        difference
    }

    /// Tries a path by each of the methods by which it was not; `None` is a SID that is not
    /// the token's.
    fn attempt(
        &self,
        trial: &Trial,
        sids: &[Option<&str>],
        tokens: &[Arc<Token>; 2],
        tried: &mut HashSet<(Method, String)>,
        difference: &mut Difference,
    ) {
        let [before, after] = &self.sides;
        let [was, is] = tokens;
        let filled = |at: usize| sids.get(at).copied().flatten();
        let path = trial.path.example(|at| filled(at).unwrap_or(Template::ANY));
        let template = told(&trial.template, sids);
        let [mut gained, mut lost] = [Vec::new(), Vec::new()];
        for method in &trial.methods {
            // Where a public rule admits, it is by no token's rights.
            if !tried.insert((method.clone(), path.clone())) || after.is_public(method, &path) {
                continue;
            }
            let judge = |upgrade| {
                let first = before.judge(was, method, &path, upgrade);
                [first, after.judge(is, method, &path, upgrade)]
            };
            let name = self.name(method);
            match judge(false) {
                [Err(denial), Ok(permit)] => {
                    note(&mut gained, name, &template, &permit, Some(&denial));
                }
                [Ok(permit), Err(denial)] => {
                    note(&mut lost, name, &template, &permit, Some(&denial));
                }
                [Ok(_), Ok(_)] => {
                    match judge(true).map(|permit| permit.ok().filter(Permit::allows_upgrade)) {
                        [None, Some(permit)] => note(&mut gained, name, &template, &permit, None),
                        [Some(permit), None] => note(&mut lost, name, &template, &permit, None),
                        _ => {}
                    }
                }
                [Err(_), Err(_)] => {}
            }
        }
        difference.gains.extend(gained);
        difference.loses.extend(lost);
    }

    /// What a method that was tried stands for.
    fn name(&self, method: &Method) -> String {
        if self.every.last() == Some(method) {
            return Call::OTHERS.to_owned();
        }
        method.to_string()
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
}

/// Adds a method to the calls that change in the same way, or begins new ones. Without a
/// denial it is their upgrades that change.
fn note(
    calls: &mut Vec<Call>,
    method: String,
    path: &str,
    permit: &Permit,
    denial: Option<&Denial>,
) {
    let Some(scope) = permit.scope() else {
        return;
    };
    let code = denial.map_or(Code::Ok, Denial::code);
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

/// Sorts calls, and makes one of those that differ in nothing but methods: a `{*name}` is
/// tried by several paths.
fn join(calls: &mut Vec<Call>, every: &[String]) {
    calls.sort_by(|a, b| order(a).cmp(&order(b)));
    calls.dedup_by(|later, first| {
        let same = order(later) == order(first);
        if same {
            for method in later.methods.drain(..) {
                if !first.methods.contains(&method) {
                    first.methods.push(method);
                }
            }
        }
        same
    });
    for call in calls {
        if every.iter().all(|method| call.methods.contains(method)) {
            call.methods = vec!["*".to_owned()];
        }
    }
}

/// All of a call but its methods: by the rule's line first, then by the path.
fn order(call: &Call) -> impl Ord {
    (
        call.line,
        call.path.as_str(),
        &*call.rule,
        &*call.scope,
        (!call.upgrade, call.code.as_str()),
        call.required_scopes.as_slice(),
    )
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
