//! Who may do what: a snapshot and a request's head give a [`Permit`] or a [`Denial`].
//!
//! Nothing here does I/O or waits. Only this module makes a [`Permit`], and only a
//! [`Permit`] reaches the upstream code.

pub mod basic;
pub mod target;
pub mod verify;

use std::sync::Arc;

use crate::catalog::{ApiVersion, Route};
use crate::token::{Sid, Token};

/// The proof that a request may pass. It owns what it needs, so that a long download
/// pins no snapshot.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The token that holds the right; `None` where the rule is public.
    pub(crate) token: Option<Arc<Token>>,
    /// The rule that matched.
    pub(crate) route: Arc<Route>,
    /// The scope that admitted; `None` where the rule is public.
    pub(crate) scope: Option<Arc<str>>,
    /// The version that the request is served under, where the catalogue has versions.
    pub(crate) version: Option<Arc<ApiVersion>>,
}

/// Why a request may not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
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
