//! Reads documents: whole, bounded, and from pipes too.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::catalog::openapi::MAX_DOCUMENT;
use crate::fault::{Fault, Faults};

/// The texts of all files, or the faults of all that cannot be read.
pub(super) fn read_all(files: &[PathBuf]) -> Result<Vec<String>, Faults> {
    let mut texts = Vec::with_capacity(files.len());
    let mut faults = Vec::new();
    for file in files {
        match read(file) {
            Ok(text) => texts.push(text),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(texts)
    } else {
        Err(Faults(faults))
    }
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: io::Error| Fault::new(path, format!("cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than may be, to tell the largest file from one that is too large.
    let mut bounded = file.take(MAX_DOCUMENT + 1);
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > MAX_DOCUMENT) {
        let most = MAX_DOCUMENT / (1024 * 1024);
        let message = format!("is larger than {most} MiB, the most that a document may have");
        return Err(Fault::new(path, message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes().get(..valid).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        Fault::at(path, &text, valid, "is not UTF-8")
    })
}
