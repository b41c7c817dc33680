//! From an `Authorization` header to a proven token.
use super::Denial;
use crate::snapshot::TokenTable;
use crate::token::{Secret, Token};
use http::HeaderMap;
use std::sync::Arc;
/// The key of `hmac-sha256:` digests, if one is configured.
#[derive(Clone, Debug, Default)]
pub struct Keys {}
/// What a header proves.
#[derive(Debug)]
pub enum Authentication {
    /// It is this token's.
    Token(Arc<Token>),
    /// It may be this token's: its digest is slow to verify.
    Slow(SlowCheck),
}
/// A verification that takes tens of milliseconds of CPU.
#[derive(Debug)]
pub struct SlowCheck {
    /// Whose it claims to be.
    pub token: Arc<Token>,
    /// What was offered.
    pub secret: Secret,
}
/// Rows 2 of the table: whose credentials are these? The cost is the same for a known SID,
/// an unknown one and any number of tokens.
///
/// # Errors
/// [`Denial::MissingCredentials`] or [`Denial::BadCredentials`].
pub fn authenticate(
    _tokens: &TokenTable,
    _keys: &Keys,
    _headers: &HeaderMap,
) -> Result<Authentication, Denial> {
    unimplemented!()
}
