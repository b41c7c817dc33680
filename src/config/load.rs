//! Reads the main file and resolves it.
use super::Config;
use crate::fault::Faults;
use std::path::Path;
/// Reads the main file.
///
/// # Errors
/// All its faults.
pub fn load(_path: &Path) -> Result<Config, Faults> {
    unimplemented!()
}
