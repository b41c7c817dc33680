//! What is wrong with a file, and where.

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
        let file = self.file.display();
        // A fault of the whole file is told at its beginning, so that programs that read
        // FILE:LINE:COLUMN find one form.
        let (line, column) = self.place.unwrap_or((1, 1));
        write!(f, "{file}:{line}:{column}: {}", self.message)
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
