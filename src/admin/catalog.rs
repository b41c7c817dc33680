//! `GET /v1/catalog`: what can be granted, as people choose from it.

use http::StatusCode;
use serde::Serialize;

use super::State;
use super::respond::Answer;
use crate::catalog::{ApiVersion, Catalog, Category, RateGroup};

#[derive(Serialize)]
struct CatalogView<'a> {
    latest_version: Option<&'a str>,
    versions: Vec<VersionView<'a>>,
    categories: Vec<CategoryView<'a>>,
    limit_groups: Vec<LimitGroupView<'a>>,
    public: Vec<&'a str>,
}

#[derive(Serialize)]
struct VersionView<'a> {
    id: &'a str,
    released: Option<String>,
    deprecated: Option<String>,
    sunset: Option<String>,
    notes: Option<&'a str>,
    upstream: Option<&'a str>,
}

#[derive(Serialize)]
struct CategoryView<'a> {
    name: &'a str,
    limits: Vec<&'a str>,
    limits_per: &'static str,
    scopes: Vec<ScopeView<'a>>,
}

#[derive(Serialize)]
struct LimitGroupView<'a> {
    name: &'a str,
    limits: Vec<&'a str>,
    per: &'static str,
}

#[derive(Serialize)]
struct ScopeView<'a> {
    id: &'a str,
    name: &'a str,
    rules: Vec<&'a str>,
}

/// The catalogue in force.
pub(super) fn show(state: &State) -> Answer {
    let snapshot = state.snapshot();
    Answer::json(StatusCode::OK, &CatalogView::from(&*snapshot.catalog))
}

impl<'a> From<&'a Catalog> for CatalogView<'a> {
    fn from(catalog: &'a Catalog) -> Self {
        Self {
            latest_version: catalog.version(None).map(|version| &*version.id),
            versions: catalog.versions.iter().map(|v| (&**v).into()).collect(),
            categories: catalog.categories.iter().map(Into::into).collect(),
            limit_groups: catalog.rate_groups.iter().map(|g| (&**g).into()).collect(),
            public: catalog.public.iter().map(|rule| &**rule).collect(),
        }
    }
}

impl<'a> From<&'a ApiVersion> for VersionView<'a> {
    fn from(version: &'a ApiVersion) -> Self {
        let text = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string());
        Self {
            id: &version.id,
            released: text(version.released),
            deprecated: text(version.deprecated),
            sunset: text(version.sunset),
            notes: version.notes.as_deref(),
            upstream: version.upstream.as_deref(),
        }
    }
}

impl<'a> From<&'a Category> for CategoryView<'a> {
    fn from(category: &'a Category) -> Self {
        let scopes = category.scopes.iter().map(|scope| ScopeView {
            id: &scope.id,
            name: &scope.name,
            rules: scope.rules.iter().map(|rule| &**rule).collect(),
        });
        Self {
            name: &category.name,
            limits: texts(&category.rate),
            limits_per: category.rate.per.as_str(),
            scopes: scopes.collect(),
        }
    }
}

impl<'a> From<&'a RateGroup> for LimitGroupView<'a> {
    fn from(group: &'a RateGroup) -> Self {
        Self {
            name: &group.name,
            limits: texts(group),
            per: group.per.as_str(),
        }
    }
}

fn texts(group: &RateGroup) -> Vec<&str> {
    group.limits.iter().map(|limit| &*limit.text).collect()
}
