//! What can be granted: versions, categories, scopes and their rules, compiled.

mod load;
pub(crate) mod path;
pub mod routes;
pub mod template;

use std::collections::HashMap;
use std::sync::Arc;

pub use routes::{Route, RouteTable};

use crate::token::ScopeId;

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
    /// Categories in the file's order, for people.
    pub categories: Vec<Category>,
    /// Every rule, compiled.
    pub routes: RouteTable,
    pub(crate) names: Names,
}

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
}

/// A group of scopes, as people see them.
#[derive(Clone, Debug)]
pub struct Category {
    /// Its name.
    pub name: String,
    /// Limits for each token, as written: `1000/hour`.
    pub limits: Vec<String>,
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

/// Names and their numbers; grows, never forgets, so that a number in a token stays true
/// when the catalogue changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) scopes: Interner,
    pub(crate) versions: Interner,
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
