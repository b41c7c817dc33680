//! `GET /openapi.json`: this API as OpenAPI 3.1, with the scopes and versions that the
//! catalogue in force has.

use std::sync::LazyLock;

use http::StatusCode;
use serde_json::{Value, json};

use super::State;
use super::respond::Answer;

/// The document, but for what depends on the catalogue.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut document: Value = serde_json::from_str(include_str!("openapi.json"))
        .expect("the document beside this file is JSON, which a test holds");
    set(
        &mut document,
        "/info/version",
        json!(env!("CARGO_PKG_VERSION")),
    );
    document
});

/// Shows the document.
pub(super) fn show(state: &State) -> Answer {
    let snapshot = state.snapshot();
    let catalog = &snapshot.catalog;
    let scopes = catalog.categories.iter().flat_map(|c| &c.scopes);
    let scopes: Vec<&str> = scopes.map(|scope| &*scope.id).collect();
    let versions: Vec<&str> = catalog.versions.iter().map(|v| &*v.id).collect();
    // An older version is valid too, for a token that has one older still. What is said to
    // be valid is so for every token.
    let latest = catalog.version(None).map(|latest| &*latest.id);
    let raised = "A version not older than the token's: the latest, or one between.";
    let mut document = DOCUMENT.clone();
    for (schema, names, description) in [
        ("Scope", scopes, "A scope of the catalogue."),
        ("Version", versions, "A version of the catalogue."),
        ("RaisedVersion", latest.into_iter().collect(), raised),
    ] {
        // An empty list of values is no schema (JSON Schema 6.1.2); nothing is valid then.
        let schema = format!("/components/schemas/{schema}");
        let valid = if names.is_empty() {
            json!({"description": description, "not": {}})
        } else {
            json!({"description": description, "type": "string", "enum": names})
        };
        set(&mut document, &schema, valid);
    }
    Answer::json(StatusCode::OK, &document)
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    }
}

#[cfg(test)]
mod tests;
