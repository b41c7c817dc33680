//! Reads TOML tables key by key and goes on after a fault, so that all faults of a file
//! are told at once, each with its place.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::fault::{Fault, Faults};

/// Collects the faults of one text.
pub(super) struct Reader<'f> {
    file: &'f Path,
    text: &'f str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    faults: Vec<(Option<usize>, String)>,
}

/// A value and the byte at which it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A table, what it is called in faults, and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    keys: &'t DeTable<'t>,
    what: &'static str,
    pub(super) offset: usize,
}

/// More faults than this are counted, not told: a file that is something else altogether
/// must not fill the log.
const MAX_FAULTS: usize = 1000;

type Value<'t> = &'t Spanned<DeValue<'t>>;

impl<'f> Reader<'f> {
    pub(super) fn new(file: &'f Path, text: &'f str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            file,
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            faults: Vec::new(),
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, offset: impl Into<Option<usize>>, message: impl Into<String>) {
        self.faults.push((offset.into(), message.into()));
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset)
    }

    /// Line and column of a byte, from 1.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let line = self.line(offset);
        let start = self.lines.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// What was made of the text, unless it had a fault.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Faults> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by_key(|(offset, _)| *offset);
        let more = self.faults.len().saturating_sub(MAX_FAULTS);
        let told = self.faults.iter().take(MAX_FAULTS);
        let told = told.map(|(offset, message)| Fault {
            file: self.file.to_owned(),
            place: offset.map(|offset| self.place(offset)),
            message: message.clone(),
        });
        let mut told: Vec<Fault> = told.collect();
        if more > 0 {
            told.push(Fault::new(self.file, format!("and {more} more faults")));
        }
        Err(Faults(told))
    }

    /// The root table.
    pub(super) fn root<'t>(&mut self, root: &'t DeTable<'t>, keys: &[&str]) -> Table<'t> {
        let table = Table {
            keys: root,
            what: "the catalogue",
            offset: 0,
        };
        self.deny_unknown(table, keys);
        table
    }

    fn deny_unknown(&mut self, table: Table<'_>, known: &[&str]) {
        for (key, _) in table.keys {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let message = format!(
                    "unknown key `{}` in {}; it has {}",
                    name.escape_default(),
                    table.what,
                    known.join(", ")
                );
                self.fault(key.span().start, message);
            }
        }
    }

    /// A value as a table that has these keys and no other.
    pub(super) fn as_table<'t>(
        &mut self,
        value: Value<'t>,
        what: &'static str,
        known: &[&str],
    ) -> Option<Table<'t>> {
        let keys = self.expect(value, "a table", DeValue::as_table)?;
        let offset = value.span().start;
        let table = Table { keys, what, offset };
        self.deny_unknown(table, known);
        Some(table)
    }

    /// The table under a key.
    pub(super) fn table<'t>(
        &mut self,
        table: Table<'t>,
        key: &str,
        what: &'static str,
        known: &[&str],
    ) -> Option<Table<'t>> {
        self.as_table(table.keys.get(key)?, what, known)
    }

    /// The values of an array under a key; none where the key is missing.
    pub(super) fn array<'t>(&mut self, table: Table<'t>, key: &str) -> &'t [Spanned<DeValue<'t>>] {
        let array = |value| self.expect(value, "an array", DeValue::as_array);
        table
            .keys
            .get(key)
            .and_then(array)
            .map_or(&[], |array| array)
    }

    /// The tables of an array under a key.
    pub(super) fn tables<'t>(
        &mut self,
        table: Table<'t>,
        key: &str,
        what: &'static str,
        known: &[&str],
    ) -> Vec<Table<'t>> {
        let values = self.array(table, key).iter();
        values
            .filter_map(|value| self.as_table(value, what, known))
            .collect()
    }

    /// The strings of an array under a key.
    pub(super) fn strings<'t>(&mut self, table: Table<'t>, key: &str) -> Vec<At<&'t str>> {
        let values = self.array(table, key).iter();
        values.filter_map(|value| self.as_string(value)).collect()
    }

    /// The strings of a table under a key, each with its own key; none where the table is
    /// missing.
    pub(super) fn named_strings<'t>(
        &mut self,
        table: Table<'t>,
        key: &str,
    ) -> Vec<(At<&'t str>, At<&'t str>)> {
        let value = table.keys.get(key);
        let pairs = value.and_then(|value| self.expect(value, "a table", DeValue::as_table));
        let mut strings = Vec::new();
        for (name, value) in pairs.into_iter().flatten() {
            let name = At {
                value: &**name.get_ref(),
                offset: name.span().start,
            };
            strings.extend(self.as_string(value).map(|value| (name, value)));
        }
        strings
    }

    /// A value as a string.
    pub(super) fn as_string<'t>(&mut self, value: Value<'t>) -> Option<At<&'t str>> {
        self.expect(value, "a string", DeValue::as_str)
            .map(|text| At {
                value: text,
                offset: value.span().start,
            })
    }

    /// The string under a key.
    pub(super) fn string<'t>(&mut self, table: Table<'t>, key: &str) -> Option<At<&'t str>> {
        self.as_string(table.keys.get(key)?)
    }

    /// The string under a key that must be there.
    pub(super) fn needed<'t>(&mut self, table: Table<'t>, key: &str) -> Option<At<&'t str>> {
        if !table.keys.contains_key(key) {
            self.fault(
                table.offset,
                format!("{} needs the key `{key}`", table.what),
            );
        }
        self.string(table, key)
    }

    /// The boolean under a key; false where it is missing.
    pub(super) fn flag(&mut self, table: Table<'_>, key: &str) -> bool {
        let value = table.keys.get(key);
        value
            .and_then(|value| self.expect(value, "true or false", DeValue::as_bool))
            .unwrap_or(false)
    }

    /// The date under a key.
    pub(super) fn date(&mut self, table: Table<'_>, key: &str) -> Option<At<jiff::civil::Date>> {
        let value = table.keys.get(key)?;
        let offset = value.span().start;
        let date = match value.get_ref().as_datetime() {
            Some(Datetime {
                date: Some(date),
                time: None,
                offset: None,
            }) => jiff::civil::Date::new(
                i16::try_from(date.year).unwrap_or(i16::MAX),
                i8::try_from(date.month).unwrap_or(i8::MAX),
                i8::try_from(date.day).unwrap_or(i8::MAX),
            )
            .ok(),
            _ => None,
        };
        if date.is_none() {
            self.fault(offset, format!("`{key}` is a date: 2026-06-01"));
        }
        date.map(|value| At { value, offset })
    }

    fn expect<'t, T>(
        &mut self,
        value: Value<'t>,
        what: &str,
        read: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let found = read(value.get_ref());
        if found.is_none() {
            let message = format!("expected {what}, found {}", kind(value.get_ref()));
            self.fault(value.span().start, message);
        }
        found
    }
}

impl Table<'_> {
    /// Whether a key is there.
    pub(super) fn has(self, key: &str) -> bool {
        self.keys.contains_key(key)
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
