//! State that outlives snapshots: slow verifications and what is bounded per peer.
use crate::auth::{Denial, SlowCheck};
use crate::config::Verification;
use crate::token::Token;
use std::sync::Arc;
/// Verifies slow digests on threads of its own.
#[derive(Clone, Debug)]
pub struct Verifier {}
/// Why a slow verification gave no token.
#[derive(Debug)]
pub enum VerifyError {
    /// The secret is not the token's.
    Denied(Denial),
    /// Too many wait already.
    Overloaded,
}
impl Verifier {
    /// Starts the threads.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(_settings: &Verification) -> std::io::Result<Self> {
        unimplemented!()
    }
    /// Verifies, from the cache or on a thread.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(&self, _check: SlowCheck) -> Result<Arc<Token>, VerifyError> {
        unimplemented!()
    }
}
