//! Who may do what: a snapshot and a request's head give a [`Permit`] or a [`Denial`].
//!
//! Nothing here does I/O or waits. Only this module makes a [`Permit`], and only a
//! [`Permit`] reaches the upstream code.

mod authorize;
pub mod basic;
mod compare;
mod explain;
pub mod target;
pub mod verify;
mod version;

use std::sync::Arc;

pub use authorize::{authorize, authorize_under, public, public_under};
pub use compare::{Call, Comparison, Difference, Side, compare};
pub use explain::{Decision, Holder, explain};
pub use verify::{Authentication, Keys, SlowCheck, authenticate};
pub use version::{BadVersion, NamedVersion, named_version};

use crate::catalog::{ApiVersion, Grant, RateGroup, Route};
use crate::code::Code;
use crate::token::{Sid, Token};

/// The proof that a request may pass. It owns what it needs, so that a long download
/// pins no snapshot.
#[derive(Clone, Debug)]
pub struct Permit {
    token: Option<Arc<Token>>,
    route: Arc<Route>,
    /// Which of the route's grants admitted; none where the rule is public.
    grant: Option<usize>,
    version: Option<Arc<ApiVersion>>,
    upgrade: bool,
}

impl Permit {
    /// The token that holds the right; `None` where the rule is public.
    #[must_use]
    pub fn token(&self) -> Option<&Arc<Token>> {
        self.token.as_ref()
    }

    /// What matched; [`rule`](Self::rule) is the one of its rules that admitted.
    #[must_use]
    pub fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// The rule that admitted, as written.
    #[must_use]
    pub fn rule(&self) -> &Arc<str> {
        self.grant().map_or(&self.route.rule, |grant| &grant.rule)
    }

    /// Its line in the catalogue's file.
    #[must_use]
    pub fn line(&self) -> usize {
        self.grant().map_or(self.route.line, |grant| grant.line)
    }

    /// The scope that admitted; `None` where the rule is public.
    #[must_use]
    pub fn scope(&self) -> Option<&Arc<str>> {
        self.grant().map(|grant| &grant.id)
    }

    /// What the request counts towards; `None` where nothing is counted.
    #[must_use]
    pub fn rate(&self) -> Option<&RateGroup> {
        self.grant()?.rate.as_deref()
    }

    /// The version that the request is served under, where the catalogue has versions.
    #[must_use]
    pub fn version(&self) -> Option<&Arc<ApiVersion>> {
        self.version.as_ref()
    }

    /// Whether an upgrade was wanted and the rule allows it.
    #[must_use]
    pub fn allows_upgrade(&self) -> bool {
        self.upgrade
    }

    fn grant(&self) -> Option<&Grant> {
        self.route.grants.get(self.grant?)
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
    /// 400: the request names its version wrongly. Told to who holds a token that is
    /// enabled, and to anyone under a public rule.
    BadVersion(BadVersion, Option<Sid>),
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
            Self::BadVersion(BadVersion::Unknown, _) => Code::UnknownVersion,
            Self::BadVersion(BadVersion::Conflict, _) => Code::VersionConflict,
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
            Self::BadVersion(_, sid) => sid.as_ref(),
            Self::TokenDisabled(sid)
            | Self::NoRoute(sid)
            | Self::SidMismatch(sid, _)
            | Self::ScopeNotGranted(sid, _) => Some(sid),
        }
    }

    /// The ids of the scopes of which one is needed, sorted; empty where none would help.
    #[must_use]
    pub fn required_scopes(&self) -> &[Arc<str>] {
        match self {
            Self::ScopeNotGranted(_, route) => &route.required_scopes,
            _ => &[],
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
