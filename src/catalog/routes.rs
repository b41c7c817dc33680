//! Every rule, compiled into one trie of path segments.

use std::sync::Arc;

use http::Method;

use super::VersionId;
use crate::token::ScopeId;

/// Compiled rules.
#[derive(Debug, Default)]
pub struct RouteTable {}

/// The rules of one method and template: what a path matched.
#[derive(Debug)]
pub struct Route {
    /// The rule as written, for people and records: `GET /v1/items/{id}`.
    pub rule: Arc<str>,
    /// Any of these admits; empty for a public rule.
    pub grants: Vec<Grant>,
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
}

impl RouteTable {
    /// The best route for a method and canonical path under a version.
    #[must_use]
    pub fn find<'a>(
        &self,
        _method: &Method,
        _path: &'a str,
        _version: Option<VersionId>,
    ) -> Option<Found<'_, 'a>> {
        unimplemented!()
    }
    /// The best public route.
    #[must_use]
    pub fn find_public<'a>(&self, _method: &Method, _path: &'a str) -> Option<Found<'_, 'a>> {
        unimplemented!()
    }
}

/// A match.
#[derive(Debug)]
pub struct Found<'t, 'p> {
    /// What matched.
    pub route: &'t Arc<Route>,
    /// The segment that stood for `{sid}`.
    pub sid: Option<&'p str>,
}
