//! Who may do what: a snapshot and a request's head give a [`Permit`] or a [`Denial`].
//!
//! Nothing here does I/O or waits. Only this module makes a [`Permit`], and only a
//! [`Permit`] reaches the upstream code.

mod authorize;
pub mod basic;
pub mod target;
pub mod verify;

use std::sync::Arc;

pub use authorize::{authorize, public};
pub use verify::{Authentication, Keys, SlowCheck, authenticate};

use crate::catalog::{ApiVersion, Route};
use crate::code::Code;
use crate::token::{Sid, Token};

/// The proof that a request may pass. It owns what it needs, so that a long download
/// pins no snapshot.
#[derive(Clone, Debug)]
pub struct Permit {
    token: Option<Arc<Token>>,
    route: Arc<Route>,
    scope: Option<Arc<str>>,
    version: Option<Arc<ApiVersion>>,
    upgrade: bool,
}

impl Permit {
    /// The token that holds the right; `None` where the rule is public.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<Token>> {
        self.token.as_ref()
    }

    /// The rule that matched.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The scope that admitted; `None` where the rule is public.
    #[must_use]
    pub fn scope(&self) -> Option<&Arc<str>> {
        self.scope.as_ref()
    }

    /// The version that the request is served under, where the catalogue has versions.
    #[must_use]
    pub fn version(&self) -> Option<&Arc<ApiVersion>> {
        self.version.as_ref()
    }

    /// Whether the rule lets the connection be upgraded.
    #[must_use]
    pub fn allows_upgrade(&self) -> bool {
        self.upgrade
    }
}

/// Why a request may not pass.
#[derive(Clone, Debug)]
pub enum Denial {
    /// 401: no `Authorization` at all.
    MissingCredentials,
    /// 401: anything but the SID and auth token of a token.
    BadCredentials,
    /// 403: the token is disabled. Told only to who holds its auth token.
    TokenDisabled(Sid),
    /// 403: no rule names this method and path.
    NoRoute(Sid),
    /// 403: the `{sid}` in the path is neither the SID nor the account.
    SidMismatch(Sid, Arc<Route>),
    /// 403: a rule matches, and none of its scopes is granted.
    ScopeNotGranted(Sid, Arc<Route>),
}

impl Denial {
    /// The code that the answer and the access record carry.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::MissingCredentials => Code::MissingCredentials,
            Self::BadCredentials => Code::BadCredentials,
            Self::TokenDisabled(_) => Code::TokenDisabled,
            Self::NoRoute(_) => Code::NoRoute,
            Self::SidMismatch(..) => Code::SidMismatch,
            Self::ScopeNotGranted(..) => Code::ScopeNotGranted,
        }
    }

    /// Whose request it was, where that was proven.
    #[must_use]
    pub fn sid(&self) -> Option<&Sid> {
        match self {
            Self::MissingCredentials | Self::BadCredentials => None,
            Self::TokenDisabled(sid)
            | Self::NoRoute(sid)
            | Self::SidMismatch(sid, _)
            | Self::ScopeNotGranted(sid, _) => Some(sid),
        }
    }

    /// The rule that matched, if one did.
    #[must_use]
    pub fn route(&self) -> Option<&Arc<Route>> {
        match self {
            Self::SidMismatch(_, route) | Self::ScopeNotGranted(_, route) => Some(route),
            _ => None,
        }
    }
}
