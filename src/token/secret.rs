//! Auth tokens: how they are made, recognised, kept and compared.

use std::fmt;

use zeroize::Zeroizing;

/// A secret in memory: no `Display`, a redacted `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes.into_boxed_slice()))
    }

    /// The bytes themselves, for verifying and for the one answer that shows them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is kept of an auth token.
#[derive(Clone, PartialEq, Eq)]
pub enum Digest {
    /// `sha256:` and 64 hex digits: SHA-256 of the auth token's bytes.
    Sha256([u8; 32]),
    /// `hmac-sha256:` and 64 hex digits: HMAC-SHA-256 under the configured key.
    HmacSha256([u8; 32]),
    /// `$2a$`, `$2b$`, `$2y$` (bcrypt) or `$argon2id$`, as imported: slow to verify.
    Slow(Box<str>),
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256(_) => "Sha256(..)",
            Self::HmacSha256(_) => "HmacSha256(..)",
            Self::Slow(_) => "Slow(..)",
        })
    }
}
