//! From a proven token to a permit: state, rule, `{sid}`, scope.

use std::sync::Arc;

use http::Method;

use super::{Denial, Permit};
use crate::catalog::{Catalog, VersionId};
use crate::token::{State, Token};

/// Rows 3 to 5 of the table: state, rule, scope. The version is the token's or, where it
/// names none, the latest. The path is in canonical form.
///
/// # Errors
/// The first row that does not hold.
pub fn authorize(
    catalog: &Catalog,
    token: Arc<Token>,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Result<Permit, Denial> {
    let version = token.version;
    authorize_under(catalog, token, version, method, path, wants_upgrade)
}

/// The same for a request that names its own version; `None` is the latest.
///
/// Where several scopes that the token holds admit, the first of the catalogue's file does;
/// but a request for an upgrade is admitted by one that allows it, if one does.
///
/// # Errors
/// The first row that does not hold. A version that the catalogue does not have is
/// [`Denial::NoRoute`]: there is no rule under it.
pub fn authorize_under(
    catalog: &Catalog,
    token: Arc<Token>,
    version: Option<VersionId>,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Result<Permit, Denial> {
    if token.state != State::Enabled {
        return Err(Denial::TokenDisabled(token.sid));
    }
    let named = version;
    let version = catalog.version(named);
    if version.is_none() && named.is_some() {
        return Err(Denial::NoRoute(token.sid));
    }
    let found = catalog.routes.find(method, path, version.map(|v| v.number));
    let Some(found) = found else {
        return Err(Denial::NoRoute(token.sid));
    };
    if found.sid.is_some_and(|sid| !is_own(&token, sid)) {
        return Err(Denial::SidMismatch(token.sid, Arc::clone(found.route)));
    }
    let grants = found.route.grants.iter().enumerate();
    let mut granted = grants.filter(|(_, grant)| token.scopes.contains(grant.scope));
    let admitting = match granted.next() {
        Some(first) if wants_upgrade && !first.1.upgrade => {
            Some(granted.find(|(_, grant)| grant.upgrade).unwrap_or(first))
        }
        first => first,
    };
    let Some((at, grant)) = admitting else {
        return Err(Denial::ScopeNotGranted(token.sid, Arc::clone(found.route)));
    };
    Ok(Permit {
        route: Arc::clone(found.route),
        grant: Some(at),
        version: version.cloned(),
        upgrade: wants_upgrade && grant.upgrade,
        token: Some(token),
    })
}

/// The permit of a public rule under the latest version, if one matches.
#[must_use]
pub fn public(
    catalog: &Catalog,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Option<Permit> {
    public_under(catalog, None, method, path, wants_upgrade)
}

/// The same for a request that names its own version; `None` is the latest.
#[must_use]
pub fn public_under(
    catalog: &Catalog,
    version: Option<VersionId>,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Option<Permit> {
    let named = version;
    let version = catalog.version(named);
    if version.is_none() && named.is_some() {
        return None;
    }
    let number = version.map(|v| v.number);
    let found = catalog.routes.find_public(method, path, number)?;
    Some(Permit {
        token: None,
        route: Arc::clone(found.route),
        grant: None,
        version: version.cloned(),
        upgrade: wants_upgrade && found.route.upgrade,
    })
}

/// Whether a path's `{sid}` names the token: by its SID or by its account.
fn is_own(token: &Token, sid: &str) -> bool {
    let account = token.account.as_deref();
    token.sid.as_bytes() == sid.as_bytes()
        || account.is_some_and(|account| account.as_bytes() == sid.as_bytes())
}

#[cfg(test)]
mod tests;
