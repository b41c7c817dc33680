//! Tokens as TOML: a new block, or an old one with as little changed as can be.
//!
//! Values are exchanged at the places where the parser saw them, so that comments, order and
//! spacing of a hand-written block stay.

use std::fmt::Write;
use std::ops::Range;

use toml::de::DeTable;

use super::super::blocks;
use crate::catalog::Catalog;
use crate::token::{Sid, State, Token};

/// A key as it stands in the file.
struct Entry {
    key: &'static str,
    /// Its value as TOML; `None` where it has its default and need not stand there.
    value: Option<String>,
    /// How the default is spelt where the key stands there all the same; a key without such
    /// a spelling is taken away.
    default: Option<&'static str>,
}

/// A block for a new token.
pub(super) fn block(token: &Token, catalog: &Catalog) -> String {
    let mut text = "[[token]]\n".to_owned();
    for Entry { key, value, .. } in entries(token, catalog) {
        if let Some(value) = value {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text
}

/// A block that said the old token, and says the new one. `None` for a text that is no block.
pub(super) fn edited(block: &str, old: &Token, new: &Token, catalog: &Catalog) -> Option<String> {
    let document = DeTable::parse(block).ok()?;
    let tables = document.get_ref().get("token")?.get_ref().as_array()?;
    let table = tables.first()?.get_ref().as_table()?;
    let line_end = if block.contains("\r\n") { "\r\n" } else { "\n" };
    let mut added = String::new();
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut indent = "";
    for (old, new) in entries(old, catalog).into_iter().zip(entries(new, catalog)) {
        let place = table.get_key_value(new.key);
        if new.key == "sid" {
            indent = place.map_or("", |(key, _)| indent_of(block, key.span().start));
        }
        if old.value == new.value {
            continue;
        }
        let value = new.value.or_else(|| new.default.map(str::to_owned));
        match (place, value) {
            (Some((_, place)), Some(value)) => edits.push((place.span(), value)),
            (Some((key, place)), None) => {
                edits.push((
                    lines_of(block, key.span().start..place.span().end),
                    String::new(),
                ));
            }
            (None, Some(value)) => {
                let key = new.key;
                let _ = write!(added, "{indent}{key} = {value}{line_end}");
            }
            (None, None) => {}
        }
    }
    if !added.is_empty() {
        let end = blocks::body_end(block);
        if !block.get(..end)?.ends_with('\n') {
            added.insert_str(0, line_end);
        }
        edits.push((end..end, added));
    }
    // From the last to the first, so that places stay true.
    edits.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut text = block.to_owned();
    for (place, value) in edits {
        text.get(place.clone())?;
        text.replace_range(place, &value);
    }
    Some(text)
}

/// The blanks before a key on its line.
fn indent_of(block: &str, key: usize) -> &str {
    let start = block
        .get(..key)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let indent = block.get(start..key).unwrap_or_default();
    if indent.trim().is_empty() { indent } else { "" }
}

/// The whole lines that a place touches.
fn lines_of(block: &str, place: Range<usize>) -> Range<usize> {
    let start = block
        .get(..place.start)
        .and_then(|before| before.rfind('\n'));
    let end = block.get(place.end..).and_then(|after| after.find('\n'));
    start.map_or(0, |at| at + 1)..end.map_or(block.len(), |at| place.end + at + 1)
}

fn entries(token: &Token, catalog: &Catalog) -> Vec<Entry> {
    let texts = &token.texts;
    let entry = |key, value| Entry {
        key,
        value,
        default: None,
    };
    let optional = |key, value: Option<String>, default| Entry {
        key,
        value,
        default: Some(default),
    };
    let text = |text: &str| (!text.is_empty()).then(|| string(text));
    let version = token
        .version
        .and_then(|version| catalog.version(Some(version)));
    let scopes = token.scopes.iter().filter_map(|scope| catalog.scope(scope));
    let mut scopes: Vec<&str> = scopes.map(|scope| &*scope.id).collect();
    scopes.sort_unstable();
    let emails: Vec<&str> = texts
        .developer_emails
        .iter()
        .map(|email| &**email)
        .collect();
    let state = match token.state {
        State::Enabled => None,
        State::Disabled => Some(string(State::Disabled.as_str())),
    };
    let account = token.account.as_deref().map(Sid::as_str);
    vec![
        entry("sid", Some(string(token.sid.as_str()))),
        entry("name", Some(string(&texts.name))),
        optional("description", text(&texts.description), "\"\""),
        entry("api_version", version.map(|version| string(&version.id))),
        optional("primary_contact", text(&texts.primary_contact), "\"\""),
        optional("developer_emails", array(&emails), "[]"),
        entry("account", account.map(string)),
        optional("scopes", array(&scopes), "[]"),
        optional("state", state, "\"enabled\""),
        entry("created_at", texts.created_at.map(|at| at.to_string())),
        entry("updated_at", texts.updated_at.map(|at| at.to_string())),
        entry("digest", Some(string(&token.digest.to_text()))),
        entry("sealed", texts.sealed.as_deref().map(string)),
    ]
}

fn array(texts: &[&str]) -> Option<String> {
    let items: Vec<String> = texts.iter().map(|text| string(text)).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
}

/// A text as a basic string on one line.
fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The parser reads what was written.
        #[test]
        fn a_string_is_read_as_it_was(text in "\\PC{0,20}|[\u{0}-\u{9f}\"'\\\\é]{0,20}") {
            let table: toml::Table = format!("a = {}", string(&text)).parse().expect("TOML");
            prop_assert_eq!(table["a"].as_str(), Some(text.as_str()));
        }
    }
}
