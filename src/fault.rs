//! What is wrong with a file, and where; told so that a terminal obeys none of it, whatever
//! the file and its name say.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// One fault of one file. Its text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as the configuration names it.
    pub file: PathBuf,
    /// Line and column from 1, where the fault has a place. Columns count characters.
    pub place: Option<(usize, usize)>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

impl Fault {
    /// A fault of a whole file.
    pub fn new(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
        }
    }

    /// A fault at a byte of the file's text.
    pub fn at(file: &Path, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Self {
            place: Some((line, column)),
            ..Self::new(file, message)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        let (file, message) = (printable(&file), printable(&self.message));
        // A fault of the whole file is told at its beginning, so that programs that read
        // FILE:LINE:COLUMN find one form.
        let (line, column) = self.place.unwrap_or((1, 1));
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

/// All faults of a load, in the order of their places. Never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// A text that moves no cursor and hides nothing: control characters, and those that turn
/// the direction of what follows, are written as escapes.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// Whether a terminal or an editor may obey a character instead of showing it.
pub(crate) fn is_unsafe(character: char) -> bool {
    // Unicode's bidirectional controls (UAX #9, section 2) and line separators.
    let turns = matches!(
        character,
        '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || turns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_cannot_play_with_the_terminal() {
        assert_eq!(printable("Ünïcode – ok"), "Ünïcode – ok");
        assert_eq!(printable("a\u{1b}[31m\u{202e}b"), "a\\u{1b}[31m\\u{202e}b");
    }

    #[test]
    fn a_fault_is_one_line_that_a_terminal_does_not_obey() {
        let fault = Fault::new(Path::new("a\u{1b}[2J\n.toml"), "unknown key `\u{9b}31m\r`");
        let faults = Faults(vec![fault.clone(), fault]);
        let line = "a\\u{1b}[2J\\n.toml:1:1: unknown key `\\u{9b}31m\\r`";
        assert_eq!(faults.to_string(), format!("{line}\n{line}"));
    }

    proptest! {
        #[test]
        fn what_is_printable_has_no_control_character(text in any::<String>()) {
            prop_assert!(!printable(&text).contains(is_unsafe));
        }
    }
}
