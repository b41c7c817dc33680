//! Would this be admitted, and what decides? The same code that judges requests, asked by
//! an operator.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method};

use super::target::canonical;
use super::{
    BadVersion, Denial, NamedVersion, Permit, authorize_under, named_version, public_under,
};
use crate::catalog::template::Methods;
use crate::catalog::{ApiVersion, Catalog, VersionId};
use crate::code::Code;
use crate::token::{Sid, Token};

/// For whom a decision is asked.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'t> {
    /// This token.
    Token(&'t Arc<Token>),
    /// Any token with every right: it tells what the rules demand.
    Any,
}

/// What would happen to a request, and why.
#[derive(Clone, Debug)]
pub struct Decision {
    /// It would go to the upstream.
    pub admitted: bool,
    /// The code of the answer; [`Code::Ok`] where it is admitted.
    pub code: Code,
    /// The path by which it is matched, where there is one.
    pub path: Option<String>,
    /// The id of the version under which it is judged, where the catalogue has versions.
    pub version: Option<Arc<str>>,
    /// The scope that admits.
    pub scope: Option<Arc<str>>,
    /// The rule that decides, as written.
    pub rule: Option<Arc<str>>,
    /// Its line in the catalogue's file.
    pub line: Option<usize>,
    /// The scopes of which any admits, sorted; empty for a public rule and where none does.
    pub required_scopes: Vec<Arc<str>>,
    /// A request for an upgrade would be upgraded.
    pub upgrade: bool,
    /// All this in a sentence without a full stop.
    pub reason: String,
}

/// Judges a request that would come with valid credentials.
///
/// The version is the one that the request names in its header, if it does. Of a query
/// after the path, the parameters that name a version count, and nothing else: as in a
/// request.
#[must_use]
pub fn explain(
    catalog: &Catalog,
    holder: Holder<'_>,
    method: &Method,
    target: &str,
    version: Option<VersionId>,
) -> Decision {
    let target = target.split('#').next().unwrap_or(target);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return refused(Code::MethodNotAllowed, format!("{method} is never served"));
    }
    let path = match canonical(path) {
        Ok(path) => path,
        Err(fault) => return refused(Code::BadRequestTarget, fault.to_string()),
    };
    let path = match catalog.without_alias(&path) {
        Some(path) => Cow::Owned(path),
        None => path,
    };
    let named = agreed(version, named_version(catalog, &HeaderMap::new(), query));
    let any;
    let token = match holder {
        Holder::Token(token) => token,
        Holder::Any => {
            any = anyone(catalog, method, &path, named.ok().flatten());
            &any
        }
    };
    let asked = Asked {
        catalog,
        holder,
        token,
        method,
        path: &path,
        named,
    };
    let mut decision = match asked.judge(false) {
        Ok(permit) => asked.admitted(&permit),
        Err(denial) => asked.denied(&denial),
    };
    decision.upgrade = asked.judge(true).is_ok_and(|p| p.allows_upgrade());
    decision.path = Some(path.to_string());
    decision
}

/// A question whose path and method are fit to be judged.
struct Asked<'a> {
    catalog: &'a Catalog,
    holder: Holder<'a>,
    token: &'a Arc<Token>,
    method: &'a Method,
    path: &'a str,
    named: NamedVersion,
}

impl Asked<'_> {
    /// As the gate does: public rules first, without a look at the credentials, so under
    /// the version that the request names and not the token's.
    fn judge(&self, wants_upgrade: bool) -> Result<Permit, Denial> {
        let (catalog, method, path) = (self.catalog, self.method, self.path);
        if let Some(permit) = public_under(catalog, self.named, method, path, wants_upgrade)? {
            return Ok(permit);
        }
        let token = Arc::clone(self.token);
        authorize_under(catalog, token, self.named, method, path, wants_upgrade)
    }

    /// The version under which rules are sought, where there is one.
    fn version(&self) -> Option<&Arc<ApiVersion>> {
        let named = self.named.ok()?;
        self.catalog.version(named.or(self.token.version))
    }

    fn admitted(&self, permit: &Permit) -> Decision {
        let reason = match (permit.scope(), self.holder) {
            (None, _) => "a public rule admits it; credentials are not looked at".to_owned(),
            (Some(scope), Holder::Token(_)) => format!("the scope {scope} admits it"),
            (Some(_), Holder::Any) => format!(
                "a token with {} is admitted",
                one_of(&permit.route().required_scopes)
            ),
        };
        Decision {
            admitted: true,
            code: Code::Ok,
            path: None,
            version: permit.version().map(|v| Arc::clone(&v.id)),
            scope: permit.scope().cloned(),
            rule: Some(Arc::clone(permit.rule())),
            line: Some(permit.line()),
            required_scopes: permit.route().required_scopes.clone(),
            upgrade: false,
            reason,
        }
    }

    fn denied(&self, denial: &Denial) -> Decision {
        let version = self.version().map(|v| Arc::clone(&v.id));
        let under = version
            .as_ref()
            .map_or_else(String::new, |v| format!(" under version {v}"));
        let reason = match denial {
            Denial::TokenDisabled(_) => "the token is disabled".to_owned(),
            Denial::BadVersion(bad, _) => bad.to_string(),
            Denial::NoRoute(_) => {
                let others = self.other_methods();
                let hint = if others.is_empty() {
                    String::new()
                } else {
                    format!("; for this path there are rules for {}", others.join(", "))
                };
                format!("no rule names {} {}{under}{hint}", self.method, self.path)
            }
            Denial::SidMismatch(..) => {
                "the {sid} in the path is neither the SID nor the account of the token".to_owned()
            }
            Denial::ScopeNotGranted(_, route) => {
                format!("the token does not hold {}", one_of(&route.required_scopes))
            }
            Denial::MissingCredentials | Denial::BadCredentials => denial.code().title().into(),
        };
        Decision {
            version,
            rule: denial.route().map(|route| Arc::clone(&route.rule)),
            line: denial.route().map(|route| route.line),
            required_scopes: denial
                .route()
                .map(|route| route.required_scopes.clone())
                .unwrap_or_default(),
            ..refused(denial.code(), reason)
        }
    }

    /// Usual methods for which this path has a rule.
    fn other_methods(&self) -> Vec<String> {
        let number = self.version().map(|v| v.number);
        let routes = &self.catalog.routes;
        Methods::USUAL
            .iter()
            .filter(|method| routes.find(method, self.path, number).is_some())
            .map(Method::to_string)
            .collect()
    }
}

/// What header and query say together.
fn agreed(header: Option<VersionId>, query: NamedVersion) -> NamedVersion {
    match (header, query) {
        (None, query) => query,
        (Some(header), Ok(query)) if query.is_none_or(|query| query == header) => Ok(Some(header)),
        (Some(_), _) => Err(BadVersion::Conflict),
    }
}

fn refused(code: Code, reason: String) -> Decision {
    Decision {
        admitted: false,
        code,
        path: None,
        version: None,
        scope: None,
        rule: None,
        line: None,
        required_scopes: Vec::new(),
        upgrade: false,
        reason,
    }
}

fn one_of(scopes: &[Arc<str>]) -> String {
    match scopes {
        [one] => format!("the scope {one}"),
        several => format!("one of the scopes {}", several.join(", ")),
    }
}

/// An enabled token with every scope, whose SID is the one that the path names. It is
/// judged and never leaves this module.
fn anyone(
    catalog: &Catalog,
    method: &Method,
    path: &str,
    version: Option<VersionId>,
) -> Arc<Token> {
    let number = catalog.version(version).map(|v| v.number);
    let found = catalog.routes.find(method, path, number);
    let sid = found.and_then(|found| Sid::parse(found.sid?.as_bytes()).ok());
    let any = || Sid::parse(b"any").expect("three letters are a SID");
    let scopes = catalog.categories.iter().flat_map(|c| &c.scopes);
    let scopes = scopes.map(|scope| scope.number).collect();
    Arc::new(Token::supposed(sid.unwrap_or_else(any), scopes))
}

#[cfg(test)]
mod tests;
