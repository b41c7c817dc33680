//! From a proven token to a permit: rule, `{sid}`, scope.
use super::{Denial, Permit};
use crate::catalog::Catalog;
use crate::token::Token;
use http::Method;
use std::sync::Arc;
/// Rows 3 to 5 of the table: state, rule, scope.
///
/// # Errors
/// The first row that does not hold.
pub fn authorize(
    _catalog: &Catalog,
    _token: Arc<Token>,
    _method: &Method,
    _path: &str,
    _wants_upgrade: bool,
) -> Result<Permit, Denial> {
    unimplemented!()
}
/// The permit of a public rule, if one matches.
#[must_use]
pub fn public(
    _catalog: &Catalog,
    _method: &Method,
    _path: &str,
    _wants_upgrade: bool,
) -> Option<Permit> {
    unimplemented!()
}
