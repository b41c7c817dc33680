//! From an `Authorization` header to a proven token.
//!
//! For SHA-256 and HMAC digests the cost is one header, one look-up, one hash of each
//! configured kind and one comparison, whether the SID is known or not, and whatever kind
//! of digest it has. An unknown SID reads a neighbour's token and never matches it.

use std::sync::Arc;

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use http::HeaderMap;
use rand::Rng;

use super::{Denial, basic};
use crate::snapshot::TokenTable;
use crate::token::{Digest, Secret, Token, looks_generated, sha256};

/// The key of `hmac-sha256:` digests, if one is configured; read by [`Keys::load`].
#[derive(Clone)]
pub struct Keys {
    hmac: Option<hmac::Key>,
    /// Compared where there is nothing to compare with. Random, so that no input is known
    /// to have this digest; a match is not believed either.
    decoy: [u8; 32],
}

impl Keys {
    /// With an HMAC key, or without one. [`load`](Self::load) reads one from its file.
    #[must_use]
    pub(crate) fn new(hmac: Option<&[u8]>) -> Self {
        let mut decoy = [0; 32];
        rand::rng().fill_bytes(&mut decoy);
        Self {
            hmac: hmac.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)),
            decoy,
        }
    }

    /// Whether an HMAC key is configured: without one no `hmac-sha256:` digest matches.
    #[must_use]
    pub fn has_hmac(&self) -> bool {
        self.hmac.is_some()
    }

    /// What to keep of a new secret: its HMAC where a key is configured, else its SHA-256.
    #[must_use]
    pub fn digest(&self, secret: &Secret) -> Digest {
        match self.hmac_sha256(secret.expose()) {
            Some(bytes) => Digest::HmacSha256(bytes),
            None => Digest::of(secret),
        }
    }

    /// Whether the secret has this digest; `None` where that is slow to say. `digest` is
    /// not believed where `known` is false; the time is the same.
    pub(crate) fn matches(
        &self,
        digest: Option<&Digest>,
        known: bool,
        secret: &[u8],
    ) -> Option<bool> {
        let sha256 = sha256(secret);
        let hmac = self.hmac_sha256(secret);
        let (believed, kept, offered) = match (digest, &hmac) {
            (Some(Digest::Slow(_)), _) if known => return None,
            (Some(Digest::Sha256(kept)), _) => (known, kept, &sha256),
            (Some(Digest::HmacSha256(kept)), Some(hmac)) => (known, kept, hmac),
            _ => (false, &self.decoy, &sha256),
        };
        // Not `&&`: the comparison is made in any case.
        Some(verify_slices_are_equal(kept, offered).is_ok() & believed)
    }

    fn hmac_sha256(&self, secret: &[u8]) -> Option<[u8; 32]> {
        let tag = hmac::sign(self.hmac.as_ref()?, secret);
        let bytes = tag.as_ref().try_into();
        Some(bytes.expect("HMAC-SHA-256 gives 32 bytes"))
    }
}

impl Default for Keys {
    /// No HMAC key.
    fn default() -> Self {
        Self::new(None)
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("hmac", &self.has_hmac())
            .finish_non_exhaustive()
    }
}

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

impl SlowCheck {
    /// Verifies on this thread, for as long as it takes.
    ///
    /// # Errors
    /// [`Denial::BadCredentials`] where the secret is not the token's.
    pub fn verify(self) -> Result<Arc<Token>, Denial> {
        if slow_matches(&self.token.digest, self.secret.expose()) {
            Ok(self.token)
        } else {
            Err(Denial::BadCredentials)
        }
    }
}

/// Row 2 of the table: whose credentials are these? The cost is the same for a known SID,
/// an unknown one and any number of tokens. No allocation but for a [`SlowCheck`].
///
/// # Errors
/// [`Denial::MissingCredentials`] or [`Denial::BadCredentials`].
pub fn authenticate(
    tokens: &TokenTable,
    keys: &Keys,
    headers: &HeaderMap,
) -> Result<Authentication, Denial> {
    let mut buffer = basic::Buffer::new();
    let offered = buffer.read(headers)?;
    // A mistyped auth token is known as such by itself, whatever the SID is.
    if looks_generated(offered.secret) == Some(false) {
        return Err(Denial::BadCredentials);
    }
    let (token, known) = tokens.probe(offered.sid.as_bytes());
    let verdict = keys.matches(token.map(|token| &token.digest), known, offered.secret);
    match (verdict, token) {
        (Some(true), Some(token)) => Ok(Authentication::Token(Arc::clone(token))),
        (None, Some(token)) => Ok(Authentication::Slow(SlowCheck {
            token: Arc::clone(token),
            secret: Secret::copy_of(offered.secret),
        })),
        _ => Err(Denial::BadCredentials),
    }
}

/// bcrypt reads no further than this; what is longer would match by its beginning.
const BCRYPT_MAX_SECRET: usize = 72;

/// Verifies against a slow digest, on this thread. A digest of another kind, or one that
/// cannot be read, matches nothing.
pub(crate) fn slow_matches(digest: &Digest, secret: &[u8]) -> bool {
    let Digest::Slow(text) = digest else {
        return false;
    };
    if text.starts_with("$argon2id$") {
        PasswordHash::new(text)
            .is_ok_and(|hash| Argon2::default().verify_password(secret, &hash).is_ok())
    } else {
        secret.len() <= BCRYPT_MAX_SECRET && bcrypt::verify(secret, text).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
