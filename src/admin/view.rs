//! A token as answers show it. Never a digest.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::token::Token;

/// A token, and its auth token where this is the answer that shows it.
#[derive(Serialize)]
pub(super) struct TokenView<'a> {
    sid: &'a str,
    name: &'a str,
    description: &'a str,
    api_version: Option<&'a str>,
    latest_version: Option<&'a str>,
    primary_contact: &'a str,
    developer_emails: &'a [Box<str>],
    scopes: Vec<&'a str>,
    state: &'static str,
    created_at: Option<String>,
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
}

impl<'a> TokenView<'a> {
    /// A token under a catalogue that has its scopes and version.
    pub(super) fn new(token: &'a Token, catalog: &'a Catalog) -> Self {
        let id = |version| catalog.version(version).map(|version| &*version.id);
        let scopes = token.scopes.iter();
        let mut scopes: Vec<_> = scopes
            .filter_map(|number| catalog.scope(number))
            .map(|scope| &*scope.id)
            .collect();
        scopes.sort_unstable();
        Self {
            sid: token.sid.as_str(),
            name: &token.texts.name,
            description: &token.texts.description,
            api_version: id(token.version),
            latest_version: id(None),
            primary_contact: &token.texts.primary_contact,
            developer_emails: &token.texts.developer_emails,
            scopes,
            state: token.state.as_str(),
            created_at: token.texts.created_at.map(|at| at.to_string()),
            updated_at: token.texts.updated_at.map(|at| at.to_string()),
            auth_token: None,
        }
    }

    /// With the auth token, in the one answer that shows it.
    pub(super) fn with_auth_token(self, auth_token: &'a str) -> Self {
        Self {
            auth_token: Some(auth_token),
            ..self
        }
    }
}

/// The entity tag of a token (RFC 9110 8.8.3): strong, of all that its representation shows
/// and not of its digest, which nobody may learn anything about.
pub(super) fn etag(token: &Token, catalog: &Catalog) -> String {
    let shown = serde_json::to_vec(&TokenView::new(token, catalog)).unwrap_or_default();
    let hash = digest(&SHA256, &shown);
    let short = hash.as_ref().get(..16).unwrap_or_default();
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(short))
}

/// An entity tag as a header value.
pub(super) fn etag_value(token: &Token, catalog: &Catalog) -> HeaderValue {
    HeaderValue::from_str(&etag(token, catalog)).expect("base64 between quotes is visible ASCII")
}
