//! What can be granted: versions, categories, scopes and their rules, compiled.

mod aliases;
mod load;
pub mod merge;
mod method;
mod notice;
pub mod openapi;
pub(crate) mod path;
mod rate;
mod reader;
pub mod routes;
pub mod template;

use std::collections::HashMap;
use std::sync::Arc;

pub use aliases::Aliases;
pub use notice::Notice;
pub use rate::{BadRateLimit, Per, RateGroup, RateGroupId, RateLimit, Window};
pub use routes::{Grant, Route, RouteTable};

use crate::token::{ScopeId, ScopeSet};

/// A version's number: stable for the life of the process, as [`ScopeId`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub u16);

/// The catalogue in force.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Versions, newest first.
    pub versions: Vec<Arc<ApiVersion>>,
    /// The version of a token that names none.
    pub latest: Option<VersionId>,
    /// A header by which one request may name its version.
    pub version_header: Option<http::HeaderName>,
    /// Query parameters that do the same.
    pub version_query: Vec<String>,
    /// Suffixes of the last segment that no rule names.
    pub ignored_suffixes: Vec<String>,
    /// Other names for the first segment of paths.
    pub aliases: Aliases,
    /// Categories in the file's order, for people.
    pub categories: Vec<Category>,
    /// Groups of rules that are counted apart from their categories, in the file's order.
    pub rate_groups: Vec<Arc<RateGroup>>,
    /// Rules that need no credentials, as written.
    pub public: Vec<Arc<str>>,
    /// Every rule, compiled.
    pub routes: RouteTable,
    /// Rules of scopes that are limited to versions, and to which.
    pub limited: Vec<(template::Rule, Vec<VersionId>)>,
    pub(crate) names: Names,
    /// Scopes by their numbers; a number that only an earlier catalogue used has none.
    scopes: Vec<Option<Arc<Scope>>>,
    /// The upstreams that versions name, and where.
    upstreams: Vec<(Arc<str>, Place)>,
}

/// Line and column in the catalogue's file, from 1.
pub type Place = (usize, usize);

/// One version of the API.
#[derive(Clone, Debug)]
pub struct ApiVersion {
    /// Its number in this process.
    pub number: VersionId,
    /// Its name, as `X-Api-Version` says it.
    pub id: Arc<str>,
    /// The upstream that serves it, where it is not the first.
    pub upstream: Option<Arc<str>>,
    /// Release date.
    pub released: Option<jiff::civil::Date>,
    /// Deprecation date.
    pub deprecated: Option<jiff::civil::Date>,
    /// The date after which it may stop working.
    pub sunset: Option<jiff::civil::Date>,
    /// Where its changes are described.
    pub notes: Option<String>,
    /// The header by which requests name versions, where the catalogue has one: what the
    /// upstream gets under that name is this version's id, or nothing.
    pub header: Option<http::HeaderName>,
    /// What answers under it carry.
    pub notice: Notice,
}

/// A group of scopes, as people see them.
#[derive(Clone, Debug)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// What its rules count towards, but for those that name a group of their own.
    pub rate: Arc<RateGroup>,
    /// Its scopes.
    pub scopes: Vec<Arc<Scope>>,
}

/// One right that a token can hold.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Its number in this process.
    pub number: ScopeId,
    /// Its id, as a token names it: `ads:read`.
    pub id: Arc<str>,
    /// Its name for people.
    pub name: String,
    /// Its rules, as written.
    pub rules: Vec<Arc<str>>,
}

impl Catalog {
    /// The number of a scope that this catalogue has.
    #[must_use]
    pub fn scope_number(&self, id: &str) -> Option<ScopeId> {
        let number = ScopeId(self.names.scopes.find(id)?);
        self.scope(number).map(|scope| scope.number)
    }

    /// The scope with this number, if this catalogue has it.
    #[must_use]
    pub fn scope(&self, number: ScopeId) -> Option<&Arc<Scope>> {
        let at = usize::try_from(number.0).ok()?;
        self.scopes.get(at)?.as_ref()
    }

    /// The version named so, if this catalogue has it.
    #[must_use]
    pub fn version_number(&self, id: &str) -> Option<VersionId> {
        let mut versions = self.versions.iter();
        versions.find(|v| *v.id == *id).map(|v| v.number)
    }

    /// The version with this number; `None` for the latest.
    #[must_use]
    pub fn version(&self, number: Option<VersionId>) -> Option<&Arc<ApiVersion>> {
        let number = number.or(self.latest)?;
        self.versions.iter().find(|v| v.number == number)
    }

    /// The path for which a canonical path is taken, where its first segment is an alias.
    #[must_use]
    pub fn without_alias(&self, path: &str) -> Option<String> {
        self.aliases.resolve(path, &self.ignored_suffixes)
    }

    /// Which of the scopes in use this catalogue does not have, by id: a catalogue that
    /// drops one must not come into force.
    #[must_use]
    pub fn dropped(&self, in_use: &ScopeSet) -> Vec<Arc<str>> {
        let dropped = in_use.iter().filter(|number| self.scope(*number).is_none());
        let mut ids: Vec<Arc<str>> = dropped
            .map(|number| name_of(&self.names.scopes, number.0))
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Which of the versions in use this catalogue does not have, by id.
    #[must_use]
    pub fn dropped_versions(&self, in_use: impl IntoIterator<Item = VersionId>) -> Vec<Arc<str>> {
        let dropped = in_use
            .into_iter()
            .filter(|number| self.version(Some(*number)).is_none());
        let mut ids: Vec<Arc<str>> = dropped
            .map(|number| name_of(&self.names.versions, number.0.into()))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The upstreams that versions name, each with its place, for the caller to check
    /// against those that the main file has.
    pub fn upstream_names(&self) -> impl Iterator<Item = (&str, Place)> {
        self.upstreams.iter().map(|(name, place)| (&**name, *place))
    }

    fn add_scope(&mut self, scope: Arc<Scope>) {
        let at = usize::try_from(scope.number.0).expect("a u32 fits a usize");
        if self.scopes.len() <= at {
            self.scopes.resize(at + 1, None);
        }
        if let Some(place) = self.scopes.get_mut(at) {
            *place = Some(scope);
        }
    }
}

/// The name behind a number, also where this catalogue does not have it any more.
fn name_of(names: &Interner, number: u32) -> Arc<str> {
    let name = names.name(number);
    name.map_or_else(|| format!("number {number}").into(), Arc::clone)
}

/// Names and their numbers; grows, never forgets, so that a number in a token stays true
/// when the catalogue changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) scopes: Interner,
    pub(crate) versions: Interner,
    /// Of rate groups; see [`RateGroup::number`].
    pub(crate) rates: Interner,
}

/// Gives each distinct name the next number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interner {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Interner {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("fewer names than 2^32");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: u32) -> Option<&Arc<str>> {
        usize::try_from(number)
            .ok()
            .and_then(|at| self.names.get(at))
    }
}
