//! Reads the main file: its bytes, its form, its meaning, and every fault of each.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;
use super::check::Checker;
use super::raw::Raw;
use super::resolve;
use super::units::Size;
use crate::fault::{Fault, Faults};

/// The main file is written by hand; a larger one is the wrong file.
const MAX_SIZE: u64 = 1 << 20;

/// Faults of form that are told at once; each costs one more pass over the tree.
const MAX_FAULTS_OF_FORM: usize = 100;

/// Reads the main file. Relative paths in it are relative to its directory.
///
/// # Errors
/// All its faults, in the order of their places. No text of theirs repeats a value that
/// could be a secret.
pub fn load(path: &Path) -> Result<Config, Faults> {
    let bytes = read(path).map_err(|message| Fault::new(path, message))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let sound = std::str::from_utf8(sound).unwrap_or_default();
        Fault::at(path, sound, sound.len(), "the file is not UTF-8")
    })?;
    parse(path, text)
}

/// Resolves the text of a main file as if it lay at `path`, which itself is not read.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Config, Faults> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Fault::new(path, format!("the path cannot be resolved: {error}")))?;
    let mut checker = Checker::new(absolute.parent().unwrap_or(Path::new("/")));
    let (tree, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let raw = shape(tree, &mut checker);
        let config = resolve::config(path, raw, &mut checker);
        if checker.is_sound() {
            return Ok(config);
        }
    }
    for error in errors {
        checker.fault(&error.span().unwrap_or(0..0), plain(error.message()));
    }
    Err(checker.into_faults(path, text))
}

/// Opens a regular file, or says why not.
pub(super) fn open(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new()
        .read(true)
        // Opening a FIFO that nobody writes would otherwise wait for ever.
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_file() {
        Ok(file)
    } else {
        Err("not a regular file".to_owned())
    }
}

pub(super) fn unreadable(error: std::io::Error) -> String {
    format!("cannot be read: {error}")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // One byte more shows that the file is larger.
    let mut bounded = open(path)?.take(MAX_SIZE + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > MAX_SIZE) {
        return Err(format!("larger than {}", Size(MAX_SIZE)));
    }
    Ok(bytes)
}

/// From a syntactically sound tree to its serde mirror. serde stops at the first unknown
/// key or value of a wrong type; so each is noted, cut out, and the rest tried again.
fn shape(mut tree: Spanned<DeTable<'_>>, checker: &mut Checker) -> Raw {
    for _ in 0..MAX_FAULTS_OF_FORM {
        let error = match Raw::deserialize(Deserializer::from(tree.clone())) {
            Ok(raw) => return raw,
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        checker.fault(&span, plain(error.message()));
        match cut(tree.get_mut(), &span) {
            Some(key) => checker.note_cut(key),
            None => break,
        }
    }
    Raw::default()
}

/// Takes the innermost entry at this place out of the tree and returns its key.
fn cut(table: &mut DeTable<'_>, place: &Range<usize>) -> Option<String> {
    // The span of a table is that of its header: it does not contain its entries, so
    // every branch is looked into before an entry itself is judged.
    for value in table.iter_mut().map(|(_, value)| value) {
        let inner = match value.get_mut() {
            DeValue::Table(table) => cut(table, place),
            DeValue::Array(array) => array.iter_mut().find_map(|item| match item.get_mut() {
                DeValue::Table(table) => cut(table, place),
                _ => None,
            }),
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
    }
    let is_there = |span: &Range<usize>| span.start <= place.start && place.end <= span.end;
    let key = table.iter().find_map(|(key, value)| {
        let items: &[Spanned<DeValue<'_>>] = match value.get_ref() {
            DeValue::Array(array) => array,
            _ => &[],
        };
        let inside = is_there(&key.span())
            || is_there(&value.span())
            || items.iter().any(|item| is_there(&item.span()));
        inside.then(|| key.get_ref().to_string())
    })?;
    table.remove(key.as_str()).map(|_| key)
}

/// A message of the TOML library or of serde without the value that it quotes (a secret
/// may stand where none is expected), without control characters, in the file's terms.
fn plain(message: &str) -> String {
    let quotes_a_value = message.starts_with("invalid ");
    let text = match message.rsplit_once(", expected ") {
        Some((_, expected)) if quotes_a_value => format!("expected {expected}"),
        _ => message.replacen("unknown field", "unknown key", 1),
    };
    let text = text
        .replace("a sequence", "an array")
        .replace("a boolean", "true or false");
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let itself = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(itself)
        })
        .collect()
}

#[cfg(test)]
mod tests;
