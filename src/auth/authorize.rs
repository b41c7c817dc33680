//! From a proven token to a permit: state, rule, `{sid}`, scope.

use std::sync::Arc;

use http::Method;

use super::{Denial, NamedVersion, Permit};
use crate::catalog::Catalog;
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
    authorize_under(catalog, token, Ok(None), method, path, wants_upgrade)
}

/// The same for a request that may name its own version.
///
/// Where several scopes that the token holds admit, the first of the catalogue's file does;
/// but a request for an upgrade is admitted by one that allows it, if one does.
///
/// # Errors
/// The first row that does not hold; a version that cannot be used is told after the
/// token's state. A version of the token that the catalogue does not have is
/// [`Denial::NoRoute`]: there is no rule under it.
pub fn authorize_under(
    catalog: &Catalog,
    token: Arc<Token>,
    named: NamedVersion,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Result<Permit, Denial> {
    if token.state != State::Enabled {
        return Err(Denial::TokenDisabled(token.sid));
    }
    let named = named.map_err(|bad| Denial::BadVersion(bad, Some(token.sid)))?;
    let number = named.or(token.version);
    let version = catalog.version(number);
    if version.is_none() && number.is_some() {
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
    public_under(catalog, Ok(None), method, path, wants_upgrade)
        .ok()
        .flatten()
}

/// The same for a request that may name its own version.
///
/// # Errors
/// [`Denial::BadVersion`] where a rule is public under any version, and the one that the
/// request names cannot be used.
pub fn public_under(
    catalog: &Catalog,
    named: NamedVersion,
    method: &Method,
    path: &str,
    wants_upgrade: bool,
) -> Result<Option<Permit>, Denial> {
    let find = |number| catalog.routes.find_public(method, path, number);
    let version = match named {
        Ok(named) => match catalog.version(named) {
            // A number of another catalogue: there is no rule under it.
            None if named.is_some() => return Ok(None),
            version => version,
        },
        Err(bad) => {
            let mut versions = catalog.versions.iter();
            return if versions.any(|version| find(Some(version.number)).is_some()) {
                Err(Denial::BadVersion(bad, None))
            } else {
                Ok(None)
            };
        }
    };
    let permit = find(version.map(|v| v.number)).map(|found| Permit {
        token: None,
        route: Arc::clone(found.route),
        grant: None,
        version: version.cloned(),
        upgrade: wants_upgrade && found.route.upgrade,
    });
    Ok(permit)
}

/// Whether a path's `{sid}` names the token: by its SID or by its account.
fn is_own(token: &Token, sid: &str) -> bool {
    let account = token.account.as_deref();
    token.sid.as_bytes() == sid.as_bytes()
        || account.is_some_and(|account| account.as_bytes() == sid.as_bytes())
}

#[cfg(test)]
mod tests;
