//! What is kept of an auth token, as the files write it.

use std::fmt;

use aws_lc_rs::digest;

use super::Secret;

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

/// A text that is no digest. Never repeats what it judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDigest {
    /// None of the known forms.
    #[error("a digest begins with sha256:, hmac-sha256:, $2a$, $2b$, $2y$ or $argon2id$")]
    UnknownForm,
    /// The hex digits are too few, too many, or none.
    #[error("{0}: takes exactly 64 hex digits")]
    NotHex(&'static str),
    /// SHA-256 of nothing: the secret was lost on its way into the digest.
    #[error("the digest is that of an empty secret")]
    EmptySecret,
    /// A bcrypt prefix, and then something else.
    #[error("the bcrypt digest is malformed")]
    Bcrypt,
    /// A bcrypt digest that would take too long, or that bcrypt does not know.
    #[error("the bcrypt cost {0} is outside {BCRYPT_MIN_COST} to {BCRYPT_MAX_COST}")]
    BcryptCost(u32),
    /// An argon2id prefix, and then something else.
    #[error("the argon2id digest is malformed")]
    Argon2,
    /// An argon2id digest that would take too much memory.
    #[error("the argon2id memory m={0} is above {ARGON2_MAX_MEMORY} (256 MiB)")]
    Argon2Memory(u32),
    /// An argon2id digest that would take too long.
    #[error("the argon2id iterations t={0} are above {ARGON2_MAX_ITERATIONS}")]
    Argon2Iterations(u32),
    /// An argon2id digest of more lanes than any machine is asked for.
    #[error("the argon2id parallelism p={0} is above {ARGON2_MAX_LANES}")]
    Argon2Lanes(u32),
}

/// The costs that one verification may have: a few seconds and 256 MiB at the most, for
/// who writes a digest into a file decides what each guess at it costs the gate.
const BCRYPT_MIN_COST: u32 = 4;
const BCRYPT_MAX_COST: u32 = 16;
const ARGON2_MAX_MEMORY: u32 = 256 * 1024;
const ARGON2_MAX_ITERATIONS: u32 = 16;
const ARGON2_MAX_LANES: u32 = 16;

const SHA256: &str = "sha256";
const HMAC_SHA256: &str = "hmac-sha256";

impl Digest {
    /// Reads a digest as the files write it.
    ///
    /// # Errors
    /// [`BadDigest`]; its text never repeats the digest.
    pub fn parse(text: &str) -> Result<Self, BadDigest> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            let bytes = hex(digits).ok_or(BadDigest::NotHex(SHA256))?;
            if bytes == sha256(b"") {
                return Err(BadDigest::EmptySecret);
            }
            Ok(Self::Sha256(bytes))
        } else if let Some(digits) = text.strip_prefix("hmac-sha256:") {
            hex(digits)
                .map(Self::HmacSha256)
                .ok_or(BadDigest::NotHex(HMAC_SHA256))
        } else if ["$2a$", "$2b$", "$2y$"].iter().any(|p| text.starts_with(p)) {
            check_bcrypt(text)?;
            Ok(Self::Slow(text.into()))
        } else if text.starts_with("$argon2id$") {
            check_argon2(text)?;
            Ok(Self::Slow(text.into()))
        } else {
            Err(BadDigest::UnknownForm)
        }
    }

    /// The SHA-256 digest of a secret.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        Self::Sha256(sha256(secret.expose()))
    }

    /// The digest as the files write it. Not `Display`: a digest belongs in the token
    /// file and nowhere else.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Sha256(bytes) => with_hex(SHA256, bytes),
            Self::HmacSha256(bytes) => with_hex(HMAC_SHA256, bytes),
            Self::Slow(text) => text.as_ref().to_owned(),
        }
    }
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

/// SHA-256, in one call that takes no memory.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-256 gives 32 bytes")
}

fn hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let pairs = digits.as_bytes().chunks(2);
    if digits.len() != 64 {
        return None;
    }
    for (to, pair) in bytes.iter_mut().zip(pairs) {
        for &digit in pair {
            let value = char::from(digit).to_digit(16)?;
            *to = *to << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(bytes)
}

fn with_hex(kind: &str, bytes: &[u8; 32]) -> String {
    let digits = bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
    kind.chars().chain([':']).chain(digits).collect()
}

fn check_bcrypt(text: &str) -> Result<(), BadDigest> {
    // The library reads the two digits of the cost as a number, a sign included.
    let digits = text.get(4..6).ok_or(BadDigest::Bcrypt)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadDigest::Bcrypt);
    }
    let parts: bcrypt::HashParts = text.parse().map_err(|_| BadDigest::Bcrypt)?;
    let cost = parts.get_cost();
    if !(BCRYPT_MIN_COST..=BCRYPT_MAX_COST).contains(&cost) {
        return Err(BadDigest::BcryptCost(cost));
    }
    Ok(())
}

fn check_argon2(text: &str) -> Result<(), BadDigest> {
    let hash = argon2::PasswordHash::new(text).map_err(|_| BadDigest::Argon2)?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(BadDigest::Argon2);
    }
    if let Some(version) = hash.version {
        argon2::Version::try_from(version).map_err(|_| BadDigest::Argon2)?;
    }
    let params = argon2::Params::try_from(&hash).map_err(|_| BadDigest::Argon2)?;
    if params.m_cost() > ARGON2_MAX_MEMORY {
        return Err(BadDigest::Argon2Memory(params.m_cost()));
    }
    if params.t_cost() > ARGON2_MAX_ITERATIONS {
        return Err(BadDigest::Argon2Iterations(params.t_cost()));
    }
    if params.p_cost() > ARGON2_MAX_LANES {
        return Err(BadDigest::Argon2Lanes(params.p_cost()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
