//! What an API access token is: its name, its rights, its state.
//!
//! The data path reads the fixed-size part; texts that only people read lie apart in
//! [`Texts`], so that a decision touches two cache lines and not a page.

mod scopes;
pub mod secret;

use std::fmt;

use jiff::Timestamp;

pub use scopes::{ScopeId, ScopeSet};
pub use secret::{Digest, Secret};

use crate::catalog::VersionId;

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

    /// Reads a SID.
    ///
    /// # Errors
    /// [`BadSid`] when empty, too long or with another character.
    pub fn parse(text: &[u8]) -> Result<Self, BadSid> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"._~-".contains(b);
        if text.is_empty() || text.len() > Self::MAX || !text.iter().all(allowed) {
            return Err(BadSid);
        }
        let mut bytes = [0; Self::MAX];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
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
