//! The whole token file, read by the TOML library at once.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use sidgate::catalog::Catalog;
use sidgate::token::{Digest, Sid, State, Token, rules};
use toml::Value;
use toml::de::DeTable;

use super::Set;

/// A token file as one document.
pub(super) struct Document<'t> {
    text: &'t str,
    tokens: Vec<Written>,
}

/// One table of the document.
struct Written {
    fields: toml::Table,
    /// From its header to the end of its last value.
    place: Range<usize>,
}

impl<'t> Document<'t> {
    /// Reads a document; an error where it is no TOML or has another shape.
    pub(super) fn parse(text: &'t str) -> Result<Self, String> {
        let whole: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        let spanned = DeTable::parse(text).map_err(|e| e.to_string())?;
        if whole.keys().any(|key| key != "token") {
            return Err("another key".into());
        }
        let values = whole
            .get("token")
            .map(|tokens| tokens.as_array().ok_or("no array"));
        let values = values.transpose()?.cloned().unwrap_or_default();
        let places = spanned.get_ref().get("token");
        let places = places.and_then(|tokens| tokens.get_ref().as_array());
        let mut tokens = Vec::new();
        for (value, spanned) in values
            .into_iter()
            .zip(places.into_iter().flat_map(|a| a.iter()))
        {
            let Value::Table(fields) = value else {
                return Err("no table".into());
            };
            let inner = spanned.get_ref().as_table().ok_or("no table")?;
            let end = inner.iter().map(|(_, value)| value.span().end).max();
            let start = spanned.span().start;
            let place = start..end.unwrap_or(spanned.span().end);
            tokens.push(Written { fields, place });
        }
        Ok(Self { text, tokens })
    }

    /// Whether the document has just these SIDs.
    pub(super) fn is_of(&self, set: &Set) -> bool {
        let sids: BTreeSet<&str> = self.tokens.iter().filter_map(Written::sid).collect();
        sids.len() == self.tokens.len() && sids.into_iter().eq(set.keys().map(Sid::as_str))
    }

    /// # Panics
    /// Where the tokens are others than the document's.
    pub(super) fn says(&self, set: &Set, catalog: &Catalog) {
        assert!(self.is_of(set), "{:?} in\n{}", set.keys(), self.text);
        for written in &self.tokens {
            let sid = Sid::parse(written.sid().unwrap_or_default().as_bytes()).expect("a SID");
            written.says(&set[&sid], catalog);
        }
    }

    /// Whether nothing is wrong with the file, and its headers are spelt in the usual way.
    /// False where that is not easily told.
    pub(super) fn is_plainly_sound(&self, catalog: &Catalog) -> bool {
        let headers = self
            .text
            .lines()
            .filter(|line| line.trim() == "[[token]]")
            .count();
        let sids: BTreeSet<_> = self.tokens.iter().filter_map(Written::sid).collect();
        !self.text.trim_matches('\u{feff}').trim().is_empty()
            && !self.text.contains("'''")
            && !self.text.contains("\"\"\"")
            && headers == self.tokens.len()
            && sids.len() == self.tokens.len()
            && self
                .tokens
                .iter()
                .all(|token| token.is_plainly_sound(catalog))
    }

    /// What stands before a token and after the line on which its last value ends.
    pub(super) fn around(&self, sid: &Sid) -> (&'t str, &'t str) {
        let at = self.find(sid);
        let place = &self.tokens[at].place;
        (
            &self.text[..place.start],
            &self.text[self.line_end(place.end)..],
        )
    }

    /// The text without a token: the comments directly above its header go with it, those
    /// after its last value stay.
    pub(super) fn without(&self, sid: &Sid) -> String {
        let at = self.find(sid);
        let start = self.block_start(at);
        let end = match self.tokens.get(at + 1) {
            Some(_) => self.block_start(at + 1),
            None => self.text.len(),
        };
        let tail = &self.text[self.line_end(self.tokens[at].place.end)..end];
        let kept = if tail.trim().is_empty() { "" } else { tail };
        format!("{}{kept}{}", &self.text[..start], &self.text[end..])
    }

    fn find(&self, sid: &Sid) -> usize {
        let mut tokens = self.tokens.iter();
        let at = tokens.position(|token| token.sid() == Some(sid.as_str()));
        at.expect("the token is in the document")
    }

    /// Where the comments directly above a header begin.
    fn block_start(&self, at: usize) -> usize {
        let line_start = |at: usize| self.text[..at].rfind('\n').map_or(0, |at| at + 1);
        let least = match at {
            0 => 0,
            at => self.line_end(self.tokens[at - 1].place.end),
        };
        let header = line_start(self.tokens[at].place.start);
        let mut start = header;
        while start > least {
            let above = line_start(start - 1);
            let line = self.text[above..start].trim_start_matches(['\u{feff}', ' ', '\t']);
            if above < least || !line.starts_with('#') {
                break;
            }
            start = above;
        }
        // A comment that opens the file speaks of the file.
        let bom = if self.text.starts_with('\u{feff}') {
            3
        } else {
            0
        };
        if start == 0 && header > 0 {
            header
        } else {
            start.max(bom)
        }
    }

    fn line_end(&self, at: usize) -> usize {
        self.text[at..]
            .find('\n')
            .map_or(self.text.len(), |found| at + found + 1)
    }
}

impl Written {
    fn sid(&self) -> Option<&str> {
        self.fields.get("sid")?.as_str()
    }

    fn text(&self, key: &str) -> &str {
        self.fields
            .get(key)
            .map_or("", |value| value.as_str().expect("a string"))
    }

    fn texts(&self, key: &str) -> Vec<&str> {
        let items = self.fields.get(key).and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items.map(|item| item.as_str().expect("a string")).collect()
    }

    fn instant(&self, key: &str) -> Option<String> {
        // To the second, and without its fraction: the oracle does not round.
        let text = self.fields.get(key)?.as_datetime()?.to_string();
        Some(text)
    }

    /// # Panics
    /// Where a field of the token is not what the table says.
    fn says(&self, token: &Arc<Token>, catalog: &Catalog) {
        let texts = &token.texts;
        assert_eq!(*texts.name, *self.text("name"));
        assert_eq!(*texts.description, *self.text("description"));
        assert_eq!(*texts.primary_contact, *self.text("primary_contact"));
        assert_eq!(
            texts.sealed.as_deref(),
            self.fields.get("sealed").map(|_| self.text("sealed"))
        );
        let emails: Vec<&str> = texts.developer_emails.iter().map(|e| &**e).collect();
        assert_eq!(emails, self.texts("developer_emails"));
        assert_eq!(
            token.digest.to_text().to_lowercase(),
            self.text("digest").to_lowercase()
        );
        let account = token.account.as_ref().map(|account| account.as_str());
        assert_eq!(
            account,
            self.fields.get("account").map(|_| self.text("account"))
        );
        let state = self
            .fields
            .get("state")
            .map_or("enabled", |_| self.text("state"));
        assert_eq!(token.state.as_str(), state);
        assert_eq!(token.state == State::Disabled, state == "disabled");
        let version = token
            .version
            .map(|version| catalog.version(Some(version)).expect("known"));
        let version = version.map(|version| &*version.id);
        assert_eq!(
            version,
            self.fields
                .get("api_version")
                .map(|_| self.text("api_version"))
        );
        let granted = token
            .scopes
            .iter()
            .map(|scope| catalog.scope(scope).expect("known"));
        let granted: BTreeSet<&str> = granted.map(|scope| &*scope.id).collect();
        assert_eq!(granted, self.texts("scopes").into_iter().collect());
        for (key, read) in [
            ("created_at", texts.created_at),
            ("updated_at", texts.updated_at),
        ] {
            let written = self.instant(key);
            assert_eq!(read.is_some(), written.is_some(), "{key}");
            // Leap seconds are the second before.
            let written = written.map(|text| text.replace(":60", ":59"));
            if let Some(Ok(written)) = written.map(|text| text.parse()) {
                assert_eq!(read, Some(written), "{key}");
            }
        }
    }

    fn is_plainly_sound(&self, catalog: &Catalog) -> bool {
        let text = |key: &str, fits: &dyn Fn(&str) -> bool| {
            let value = self.fields.get(key);
            value.is_none_or(|value| value.as_str().is_some_and(fits))
        };
        let list = |key: &str, fits: &dyn Fn(&str) -> bool| {
            let fits = |value: &Value| value.as_str().is_some_and(fits);
            let value = self.fields.get(key);
            value.is_none_or(|value| value.as_array().is_some_and(|items| items.iter().all(fits)))
        };
        let is_sid = |text: &str| Sid::parse(text.as_bytes()).is_ok();
        let known = [
            "sid",
            "name",
            "digest",
            "description",
            "primary_contact",
            "developer_emails",
            "account",
            "api_version",
            "scopes",
            "state",
            "sealed",
        ];
        // Dates are left to the other direction: few of TOML's are instants.
        self.fields.keys().all(|key| known.contains(&key.as_str()))
            && ["sid", "name", "digest"]
                .iter()
                .all(|key| self.fields.contains_key(*key))
            && text("sid", &is_sid)
            && text("account", &is_sid)
            && text("name", &|name| rules::name(name).is_ok())
            && text("description", &|text| rules::description(text).is_ok())
            && text("primary_contact", &|text| {
                rules::email_or_empty(text).is_ok()
            })
            && text("digest", &|text| {
                text.starts_with("sha256:") && Digest::parse(text).is_ok()
            })
            && text("sealed", &|_| true)
            && text("state", &|state| state == "enabled" || state == "disabled")
            && text("api_version", &|id| catalog.version_number(id).is_some())
            && list("scopes", &|id| catalog.scope_number(id).is_some())
            && list("developer_emails", &|email| rules::email(email).is_ok())
            && self.texts("developer_emails").len() <= rules::EMAILS_MAX
    }
}
