//! The one canonical form of a path, on which rules are matched and which goes upstream.
use std::borrow::Cow;
/// Why a path has no canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// (one variant per class of fault)
    #[error("the path is empty")]
    Empty,
}
/// The canonical form of a request's path; borrowed where the path has it already.
///
/// # Errors
/// [`BadPath`] names the first thing that no canonical form holds.
pub fn canonical(_path: &str) -> Result<Cow<'_, str>, BadPath> {
    unimplemented!()
}
