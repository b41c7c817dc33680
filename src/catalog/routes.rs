//! Every rule, compiled into a trie of path segments.
//!
//! A look-up walks down the trie once per segment of the path: at each node to the child
//! for this very literal, then, if nothing below that fits, to the child for `{name}`,
//! then to the rules whose `{*name}` begins here. So what it costs depends on the path's
//! length and not on the number of rules: a child is found by one hash, and a subtree
//! without a rule for the request's method is passed over.
//!
//! Only where a literal and a `{name}` stand side by side can a walk have to come back.
//! Each node is reached by one way alone, hence entered at most once in a look-up; and how
//! many nodes the worst path would enter is known when the rules are compiled. A catalogue
//! in which that is more than [`RouteTable::MAX_STEPS`] is refused, so no request can make
//! a look-up slow.

mod compile;
mod trie;

use std::sync::Arc;

use http::Method;
use smallvec::SmallVec;

pub(super) use compile::{Draft, compile};

use super::method::MethodNumbers;
use super::{RateGroup, VersionId};
use crate::token::ScopeId;
use trie::{Trie, Wanted};

/// Compiled rules.
#[derive(Debug, Default)]
pub struct RouteTable {
    scoped: Trie,
    public: Trie,
    methods: MethodNumbers,
    ignored_suffixes: Box<[Box<str>]>,
}

/// The rules of one method and template under one version: what a path matched.
#[derive(Debug)]
pub struct Route {
    /// The rule as written, for people and records: `GET /v1/items/{id}`. Where several
    /// rules meet here, the first of the file; each grant names its own.
    pub rule: Arc<str>,
    /// Line of the rule in the catalogue's file.
    pub line: usize,
    /// Any of these admits, in the file's order; empty for a public rule.
    pub grants: SmallVec<[Grant; 1]>,
    /// The ids of the scopes that admit, sorted, each once.
    pub required_scopes: Vec<Arc<str>>,
    /// At least one of the rules allows an upgrade.
    pub upgrade: bool,
}

/// One scope under which a route may be called.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The scope's number.
    pub scope: ScopeId,
    /// Its id.
    pub id: Arc<str>,
    /// The rule allows an upgrade.
    pub upgrade: bool,
    /// What a request counts towards, if anything is counted.
    pub rate: Option<Arc<RateGroup>>,
    /// The rule as written.
    pub rule: Arc<str>,
    /// Its line in the catalogue's file.
    pub line: usize,
}

/// A match.
#[derive(Debug)]
pub struct Found<'t, 'p> {
    /// What matched.
    pub route: &'t Arc<Route>,
    /// The segment that stood for `{sid}`.
    pub sid: Option<&'p str>,
}

impl RouteTable {
    /// The most nodes that a look-up may enter: a bound on what one request can cost.
    pub const MAX_STEPS: usize = 4096;

    /// The best route for a method and canonical path under a version. Rules that are
    /// limited to other versions do not exist for it.
    #[must_use]
    pub fn find<'a>(
        &self,
        method: &Method,
        path: &'a str,
        version: Option<VersionId>,
    ) -> Option<Found<'_, 'a>> {
        self.find_in(&self.scoped, method, path, version)
    }

    /// The best public route.
    #[must_use]
    pub fn find_public<'a>(
        &self,
        method: &Method,
        path: &'a str,
        version: Option<VersionId>,
    ) -> Option<Found<'_, 'a>> {
        self.find_in(&self.public, method, path, version)
    }

    fn find_in<'t, 'a>(
        &'t self,
        trie: &'t Trie,
        method: &Method,
        path: &'a str,
        version: Option<VersionId>,
    ) -> Option<Found<'t, 'a>> {
        let wanted = Wanted {
            method: self.methods.set(method),
            version,
        };
        let named = without_suffix(path.strip_prefix('/')?, &self.ignored_suffixes)?;
        trie.find(named, wanted)
    }
}

/// The part of a path that rules name: all but an ignored suffix of the last segment.
///
/// Where nothing, `.` or `..` would be left of the segment nothing matches: an upstream that
/// takes suffixes off would see a trailing slash or a dot segment.
fn without_suffix<'a>(path: &'a str, suffixes: &[Box<str>]) -> Option<&'a str> {
    // They are sorted with the longest first.
    for suffix in suffixes {
        if let Some(named) = path.strip_suffix(&**suffix) {
            let bad = matches!(named.rsplit('/').next(), Some("" | "." | ".."));
            return (!bad).then_some(named);
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests;
