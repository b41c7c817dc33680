//! A directory for the files of a target, in memory where the system has such a place.

use std::path::Path;

use tempfile::TempDir;

/// A new directory, gone when dropped.
///
/// # Panics
/// Where none can be made.
#[must_use]
pub fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
    made.expect("a temporary directory")
}
