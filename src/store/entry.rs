//! One `[[token]]` block becomes a [`Token`], or the list of all that is wrong with it.
//!
//! The TOML library reads the block into its spanned tree and this file walks the tree,
//! for three reasons: every fault has its own place, one fault does not hide the next, and
//! every message is composed here, so that none can repeat a digest.

use std::ops::Range;

use jiff::Timestamp;
use jiff::tz::Offset;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use toml::value::{Datetime, Offset as TomlOffset};

use super::Terms;
use super::places::Flaw;
use crate::catalog::VersionId;
use crate::token::rules::{self, BadText};
use crate::token::{Digest, ScopeSet, Sid, State, Token, looks_generated};

/// Keys longer than this are not repeated in a message: an auth token pasted into the
/// wrong place is longer.
const QUOTABLE_KEY: usize = 24;
/// Values of names are repeated up to this many characters.
const QUOTABLE_NAME: usize = 64;

/// Reads one block.
pub(super) fn parse(block: &str, terms: &Terms<'_>) -> Result<Token, Vec<Flaw>> {
    let (document, errors) = DeTable::parse_recoverable(block);
    if !errors.is_empty() {
        // What the parser recovers after an error may be anything: judging it would tell
        // faults that are none. The library's messages are fixed texts; only its `Display`
        // quotes the line.
        return Err(errors
            .iter()
            .map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                Flaw::new(offset, format!("invalid TOML: {}", error.message()))
            })
            .collect());
    }
    let mut reader = Reader {
        terms,
        flaws: Vec::new(),
    };
    let token = reader.document(document.get_ref());
    match token {
        Some(token) if reader.flaws.is_empty() => Ok(token),
        None if reader.flaws.is_empty() => Err(vec![Flaw::new(0, "there is no [[token]] here")]),
        _ => {
            reader.flaws.sort_by_key(|flaw| flaw.offset);
            Err(reader.flaws)
        }
    }
}

/// Where the value of `sid` stands in a block that [`parse`] takes.
pub(super) fn sid_offset(block: &str) -> usize {
    let document = DeTable::parse(block).ok();
    let offset = document.as_ref().and_then(|document| {
        let tables = document.get_ref().get("token")?.get_ref().as_array()?;
        let sid = tables.first()?.get_ref().as_table()?.get("sid")?;
        Some(sid.span().start)
    });
    offset.unwrap_or(0)
}

/// Whether a token could stand under these terms as it is.
pub(super) fn fits(token: &Token, terms: &Terms<'_>) -> bool {
    let named = terms.catalog.is_none_or(|catalog| {
        token
            .scopes
            .iter()
            .all(|scope| catalog.scope(scope).is_some())
            && token
                .version
                .is_none_or(|version| catalog.version(Some(version)).is_some())
    });
    named && (terms.hmac || !matches!(token.digest, Digest::HmacSha256(_)))
}

/// Walks the tree and gathers flaws.
struct Reader<'a> {
    terms: &'a Terms<'a>,
    flaws: Vec<Flaw>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn flaw(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.flaws.push(Flaw::new(span.start, message));
    }

    fn document(&mut self, document: &DeTable<'_>) -> Option<Token> {
        let mut token = None;
        for (key, value) in document {
            match value.get_ref() {
                DeValue::Array(tables) if key.get_ref() == "token" => {
                    token = self.tables(key.span(), tables);
                }
                _ => self.flaw(
                    key.span(),
                    "only [[token]] tables may stand in this file, and nothing outside them",
                ),
            }
        }
        token
    }

    fn tables(&mut self, key: Range<usize>, tables: &DeArray<'_>) -> Option<Token> {
        match &**tables {
            [table] => match table.get_ref() {
                DeValue::Table(fields) => return self.table(table.span(), fields),
                _ => self.flaw(table.span(), "a token is a [[token]] table"),
            },
            // The lexer cuts at every plain header, so this one is spelt in some odd way.
            _ => self.flaw(key, "write the header as [[token]], on a line of its own"),
        }
        None
    }

    fn table(&mut self, span: Range<usize>, fields: &DeTable<'_>) -> Option<Token> {
        let mut sid = None;
        let mut digest = None;
        let mut named = false;
        let mut token = Token {
            sid: Sid::parse(b"-").expect("a hyphen is a SID"),
            digest: Digest::Sha256([0; 32]),
            state: State::default(),
            version: None,
            scopes: ScopeSet::default(),
            account: None,
            texts: Box::default(),
        };
        let (mut has_sid, mut has_digest) = (false, false);
        for (key, value) in fields {
            let texts = &mut token.texts;
            match key.get_ref().as_ref() {
                "sid" => {
                    has_sid = true;
                    sid = self.sid(value);
                }
                "digest" => {
                    has_digest = true;
                    digest = self.digest(value);
                }
                "name" => {
                    named = true;
                    texts.name = self.text(value, rules::name);
                }
                "description" => texts.description = self.text(value, rules::description),
                "primary_contact" => {
                    texts.primary_contact = self.text(value, rules::email_or_empty)
                }
                "developer_emails" => texts.developer_emails = self.emails(value),
                "sealed" => texts.sealed = self.string(value).map(Into::into),
                "created_at" => texts.created_at = self.timestamp(value),
                "updated_at" => texts.updated_at = self.timestamp(value),
                "account" => token.account = self.sid(value).map(Box::new),
                "api_version" => token.version = self.version(value),
                "scopes" => token.scopes = self.scopes(value),
                "state" => token.state = self.state(value),
                other => {
                    let message = match other.len() {
                        1..=QUOTABLE_KEY => format!("unknown key {other:?}"),
                        _ => "unknown key".to_owned(),
                    };
                    self.flaw(key.span(), message);
                }
            }
        }
        for (has, key) in [(has_sid, "sid"), (named, "name"), (has_digest, "digest")] {
            if !has {
                self.flaw(span.clone(), format!("the token has no `{key}`"));
            }
        }
        token.sid = sid?;
        token.digest = digest?;
        Some(token)
    }

    fn string<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.flaw(value.span(), "this must be a string");
        }
        text
    }

    fn text(&mut self, value: &Value<'_>, rule: fn(&str) -> Result<(), BadText>) -> Box<str> {
        let Some(text) = self.string(value) else {
            return Box::default();
        };
        if let Err(bad) = rule(text) {
            self.flaw(value.span(), bad.to_string());
        }
        text.into()
    }

    fn array<'v, 'i>(&mut self, value: &'v Value<'i>) -> &'v [Value<'i>] {
        if let Some(items) = value.get_ref().as_array() {
            return items;
        }
        self.flaw(value.span(), "this must be an array of strings");
        &[]
    }

    fn emails(&mut self, value: &Value<'_>) -> Box<[Box<str>]> {
        let items = self.array(value);
        if items.len() > rules::EMAILS_MAX {
            self.flaw(value.span(), BadText::TooManyEmails.to_string());
        }
        items
            .iter()
            .map(|item| self.text(item, rules::email))
            .collect()
    }

    fn sid(&mut self, value: &Value<'_>) -> Option<Sid> {
        let text = self.string(value)?;
        Sid::parse(text.as_bytes())
            .map_err(|bad| self.flaw(value.span(), bad.to_string()))
            .ok()
    }

    fn digest(&mut self, value: &Value<'_>) -> Option<Digest> {
        let text = self.string(value)?;
        match Digest::parse(text) {
            Ok(Digest::HmacSha256(_)) if !self.terms.hmac => self.flaw(
                value.span(),
                "an hmac-sha256 digest needs [secrets] hmac_key_file in the main file",
            ),
            Ok(digest) => return Some(digest),
            Err(bad) => self.flaw(value.span(), bad.to_string()),
        }
        None
    }

    fn version(&mut self, value: &Value<'_>) -> Option<VersionId> {
        let text = self.string(value)?;
        let number = self.terms.catalog?.version_number(text);
        if number.is_none() {
            let message = format!("the catalogue has no version {}", quoted(text));
            self.flaw(value.span(), message);
        }
        number
    }

    fn scopes(&mut self, value: &Value<'_>) -> ScopeSet {
        let mut numbers = Vec::new();
        for item in self.array(value) {
            let (Some(text), Some(catalog)) = (self.string(item), self.terms.catalog) else {
                continue;
            };
            match catalog.scope_number(text) {
                Some(number) => numbers.push(number),
                None => {
                    let message = format!("the catalogue has no scope {}", quoted(text));
                    self.flaw(item.span(), message);
                }
            }
        }
        numbers.into_iter().collect()
    }

    fn state(&mut self, value: &Value<'_>) -> State {
        match value.get_ref().as_str() {
            Some("enabled") => return State::Enabled,
            Some("disabled") => return State::Disabled,
            _ => self.flaw(value.span(), "a state is \"enabled\" or \"disabled\""),
        }
        State::default()
    }

    fn timestamp(&mut self, value: &Value<'_>) -> Option<Timestamp> {
        let timestamp = value.get_ref().as_datetime().and_then(to_timestamp);
        if timestamp.is_none() {
            self.flaw(
                value.span(),
                "this must be a date and time with offset, unquoted: 2026-11-21T12:00:00Z",
            );
        }
        timestamp
    }
}

/// Hex digits in one text from which on it may be a key or a digest.
const SECRET_HEX: usize = 32;

/// A name for a message: escaped, and cut where it is long.
fn quoted(text: &str) -> String {
    // A secret in the wrong place is a likely slip, and messages reach logs and screens.
    let hex = text.bytes().filter(u8::is_ascii_hexdigit).count();
    if looks_generated(text.as_bytes()).is_some() || hex >= SECRET_HEX {
        return "that is named (not shown, as it looks like a secret)".to_owned();
    }
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(QUOTABLE_NAME).collect();
    let more = if chars.next().is_some() { "..." } else { "" };
    format!("{start:?}{more}")
}

/// An offset date-time of TOML as an instant. A leap second is the second before it, as
/// RFC 3339, section 5.6 lets a reader do.
fn to_timestamp(datetime: &Datetime) -> Option<Timestamp> {
    let (date, time, offset) = (datetime.date?, datetime.time?, datetime.offset?);
    let civil = jiff::civil::DateTime::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
        i8::try_from(time.hour).ok()?,
        i8::try_from(time.minute).ok()?,
        i8::try_from(time.second.unwrap_or(0).min(59)).ok()?,
        i32::try_from(time.nanosecond.unwrap_or(0)).ok()?,
    )
    .ok()?;
    let seconds = match offset {
        TomlOffset::Z => 0,
        TomlOffset::Custom { minutes } => i32::from(minutes) * 60,
    };
    let offset = Offset::from_seconds(seconds).ok()?;
    offset.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests;
