//! What an API access token is: its name, its rights, its state.
//!
//! The data path reads the fixed-size part; texts that only people read lie apart in
//! [`Texts`], so that a decision touches three cache lines and not a page.

mod digest;
pub mod rules;
mod scopes;
pub mod seal;
pub mod secret;

use std::fmt;

use jiff::Timestamp;

pub(crate) use digest::sha256;
pub use digest::{BadDigest, Digest};
pub use scopes::{ScopeId, ScopeSet};
pub use secret::{AuthToken, Secret, looks_generated};

use crate::catalog::VersionId;
use crate::catalog::path::is_unreserved;

/// One API access token as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The user name of HTTP Basic.
    pub sid: Sid,
    /// What the auth token is verified against.
    pub digest: Digest,
    /// Enabled or disabled.
    pub state: State,
    /// The API version; `None` means the latest, whatever it is.
    pub version: Option<VersionId>,
    /// What is granted.
    pub scopes: ScopeSet,
    /// The account that `{sid}` may name instead of the SID; same grammar as a SID.
    pub account: Option<Box<Sid>>,
    /// What only people read.
    pub texts: Box<Texts>,
}

impl Token {
    /// An enabled token with these scopes, whose auth token nobody has: to ask what it might
    /// do, and never put in force.
    #[must_use]
    pub(crate) fn supposed(sid: Sid, scopes: ScopeSet) -> Self {
        Self {
            sid,
            digest: Digest::Sha256([0; 32]),
            state: State::Enabled,
            version: None,
            scopes,
            account: None,
            texts: Box::default(),
        }
    }
}

/// The part of a token that no decision reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// 1 to 128 characters.
    pub name: Box<str>,
    /// Up to 1,024 characters; may be empty.
    pub description: Box<str>,
    /// An e-mail address, or empty.
    pub primary_contact: Box<str>,
    /// E-mail addresses.
    pub developer_emails: Box<[Box<str>]>,
    /// When it was made; `None` counts as over 30 days ago.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The sealed auth token, where sealing is configured.
    pub sealed: Option<Box<str>>,
}

/// Whether a token admits anyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// In use.
    #[default]
    Enabled,
    /// Refused with `token_disabled`.
    Disabled,
}

/// An Account SID: 1 to 64 of `A-Z a-z 0-9 . _ ~ -`, held inline so that comparing
/// one follows no pointer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sid {
    bytes: [u8; Sid::MAX],
    len: u8,
}

/// A text that is no SID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SID is 1 to 64 of A-Z a-z 0-9 . _ ~ -")]
pub struct BadSid;

impl Sid {
    /// The longest SID in bytes.
    pub const MAX: usize = 64;
    /// How many random base-62 characters a generated SID has after its prefix.
    pub const RANDOM_LEN: usize = 32;

    /// A new SID: the prefix and 32 random base-62 characters (190 bits).
    ///
    /// # Errors
    /// [`BadSid`] where the prefix is longer than 32 bytes or has a character that no
    /// SID has. An empty one is none.
    pub fn generate(prefix: &str) -> Result<Self, BadSid> {
        let mut text = prefix.as_bytes().to_vec();
        secret::extend_base62(&mut text, Self::RANDOM_LEN);
        Self::parse(&text)
    }

    /// Reads a SID.
    ///
    /// # Errors
    /// [`BadSid`] when empty, too long or with another character.
    pub fn parse(text: &[u8]) -> Result<Self, BadSid> {
        if text.is_empty() || !text.iter().copied().all(is_unreserved) {
            return Err(BadSid);
        }
        let mut bytes = [0; Self::MAX];
        let place = bytes.get_mut(..text.len()).ok_or(BadSid)?;
        place.copy_from_slice(text);
        let len = u8::try_from(text.len()).map_err(|_| BadSid)?;
        Ok(Self { bytes, len })
    }

    /// The SID's bytes, all ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The SID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

impl State {
    /// `enabled` or `disabled`, as in the token file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_generated_sid_is_a_prefix_and_32_base62_characters() {
        for prefix in ["IR", "", "a.b_c~d-", &"x".repeat(32)] {
            let sid = Sid::generate(prefix).expect("a prefix of SID characters");
            let rest = sid.as_str().strip_prefix(prefix).expect("the prefix");
            assert_eq!(rest.len(), 32);
            assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()), "{sid}");
            assert_ne!(Sid::generate(prefix), Ok(sid));
        }
        for prefix in ["a b", "é", "a:b", &"x".repeat(33)] {
            assert_eq!(Sid::generate(prefix), Err(BadSid), "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn a_sid_is_1_to_64_of_its_characters(text in "[A-Za-z0-9._~-]{1,64}") {
            let sid = Sid::parse(text.as_bytes()).expect("a SID");
            prop_assert_eq!(sid.as_str(), text);
        }

        #[test]
        fn nothing_else_is(text in "[A-Za-z0-9._~-]{65,70}|[a-z]{0,9}[^A-Za-z0-9._~-][a-z]{0,9}|") {
            prop_assert_eq!(Sid::parse(text.as_bytes()), Err(BadSid));
        }
    }
}
