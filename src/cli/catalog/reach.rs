//! Who gains and who loses what by an import: each token under the versions that it can
//! call under, found by what tells of an upgrade too.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use crate::auth::{Call, Comparison, Side};
use crate::catalog::VersionId;
use crate::catalog::merge::Merge;
use crate::catalog::template::{Rule, Segment};
use crate::token::{ScopeId, ScopeSet, Sid, Token};

/// What somebody gains and loses, each as `METHOD TEMPLATE`, with the versions where there
/// are several under which one may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// Calls that are admitted then, and were not.
    pub(super) gains: Vec<String>,
    /// Calls that were admitted, and are not then.
    pub(super) loses: Vec<String>,
}

impl Reach {
    /// Whether nothing changes.
    pub(super) fn is_empty(&self) -> bool {
        self.gains.is_empty() && self.loses.is_empty()
    }
}

/// What tokens have in common for which the same changes: version, scopes, and the SID with
/// the account where one of the two is not like any other.
type Alike = (Option<VersionId>, Vec<ScopeId>, Option<(Sid, Option<Sid>)>);

/// What changes, for whoever is asked about.
pub(super) struct Effects<'m> {
    merge: &'m Merge,
    /// By the version that a token has, where requests name none; by the one that they name.
    comparisons: HashMap<(Option<VersionId>, bool), Comparison<'m>>,
    /// What was found already.
    known: HashMap<Alike, Rc<Reach>>,
    /// The literals of all rules, the public ones too.
    literals: HashSet<Box<str>>,
}

impl<'m> Effects<'m> {
    pub(super) fn of(merge: &'m Merge) -> Self {
        let public = merge.before.public.iter().chain(&merge.after.public);
        let public: Vec<Rule> = public.filter_map(|rule| rule.parse().ok()).collect();
        let rules = merge.rules.all.iter().chain(&public);
        let segments = rules.flat_map(|rule| rule.template.segments());
        let literals = segments.filter_map(|segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            _ => None,
        });
        Self {
            merge,
            comparisons: HashMap::new(),
            known: HashMap::new(),
            literals: literals.collect(),
        }
    }

    /// What the token gains and loses: under its own version or, where requests can name
    /// theirs, under each.
    pub(super) fn of_token(&mut self, token: &Token) -> Rc<Reach> {
        let scopes: Vec<ScopeId> = token.scopes.iter().collect();
        let account = token.account.as_deref().copied();
        let is_odd = self.is_odd(token.sid) || account.is_some_and(|sid| self.is_odd(sid));
        let key = (
            token.version,
            scopes,
            is_odd.then_some((token.sid, account)),
        );
        if let Some(known) = self.known.get(&key) {
            return Rc::clone(known);
        }
        let reach = if self.can_name() {
            self.reach(token, self.each_version())
        } else {
            self.reach(token, vec![(token.version, false)])
        };
        let reach = Rc::new(reach);
        self.known.insert(key, Rc::clone(&reach));
        reach
    }

    /// What whoever holds the scope gains and loses, under each version.
    pub(super) fn of_scope(&mut self, scope: ScopeId) -> Reach {
        let mut sids = (0_usize..).filter_map(|n| Sid::parse(format!("sid{n}").as_bytes()).ok());
        let plain = sids.find(|sid| !self.is_odd(*sid));
        let plain = plain.expect("rules have an end");
        let holder = Token::supposed(plain, ScopeSet::from_iter([scope]));
        self.reach(&holder, self.each_version())
    }

    /// Whether a rule may name this SID, or a path that ends in it would lose its end: then
    /// it is not like any other.
    fn is_odd(&self, sid: Sid) -> bool {
        let (sid, suffixes) = (sid.as_str(), &self.merge.after.ignored_suffixes);
        self.literals.contains(sid) || suffixes.iter().any(|s| sid.ends_with(&**s))
    }

    /// Whether requests can name their version.
    fn can_name(&self) -> bool {
        let after = &self.merge.after;
        let by_any = after.version_header.is_some() || !after.version_query.is_empty();
        by_any && !after.versions.is_empty()
    }

    /// Every version, and whether requests name it.
    fn each_version(&self) -> Vec<(Option<VersionId>, bool)> {
        let versions = self.merge.after.versions.iter();
        let named = self.can_name();
        let ways: Vec<_> = versions.map(|v| (Some(v.number), named)).collect();
        if ways.is_empty() {
            return vec![(None, false)];
        }
        ways
    }

    fn reach(&mut self, token: &Token, ways: Vec<(Option<VersionId>, bool)>) -> Reach {
        let mut gains = BTreeMap::new();
        let mut loses = BTreeMap::new();
        for &(version, named) in &ways {
            let comparison = self.comparison(version, named);
            let difference = comparison.of(token);
            // With one version, there is no need to name it.
            let shown = self.merge.after.version(version).filter(|_| ways.len() > 1);
            for (calls, side) in [
                (difference.gains, &mut gains),
                (difference.loses, &mut loses),
            ] {
                for call in calls.iter().flat_map(shown_calls) {
                    let versions: &mut Vec<&str> = side.entry(call).or_default();
                    let shown = shown.map(|version| &*version.id);
                    // Calls that were refused for two reasons are one line here.
                    let shown = shown.filter(|id| versions.last() != Some(id));
                    versions.extend(shown);
                }
            }
        }
        let told = |side: BTreeMap<String, Vec<&str>>| {
            side.into_iter()
                .map(|(call, versions)| match versions.as_slice() {
                    [] => call,
                    some => format!("{call} (version {})", some.join(", ")),
                })
                .collect()
        };
        Reach {
            gains: told(gains),
            loses: told(loses),
        }
    }

    fn comparison(&mut self, version: Option<VersionId>, named: bool) -> &Comparison<'m> {
        let merge = self.merge;
        self.comparisons.entry((version, named)).or_insert_with(|| {
            let sides = [&merge.before, &*merge.after].map(|catalog| Side {
                catalog,
                version,
                named,
            });
            let rules = &merge.rules;
            let [changing, all] =
                [&rules.changing, &rules.all].map(|all| all.iter().collect::<Vec<&Rule>>());
            Comparison::between(sides, &changing, &all)
        })
    }
}

/// Calls as they are told, one for each method.
fn shown_calls(call: &Call) -> impl Iterator<Item = String> {
    let upgrades = if call.upgrade { "upgrades of " } else { "" };
    let methods = call.methods.iter();
    methods.map(move |method| format!("{upgrades}{method} {}", call.path))
}

#[cfg(test)]
mod tests;
