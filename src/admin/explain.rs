//! `POST /v1/explain`: what would become of a request, by the code that decides requests.

use http::{Method, StatusCode};
use serde::Serialize;

use super::State;
use super::body::Field;
use super::exchange::Exchange;
use super::problem::Problem;
use super::respond::Answer;
use crate::auth::{self, Holder};

/// The longest path that is looked at, in characters.
const PATH_MAX: usize = 8192;

/// The longest method.
const METHOD_MAX: usize = 64;

/// The SID that stands for any token, unless a token has it.
const ANY: &str = "any";

#[derive(Serialize)]
struct Explanation<'a> {
    admitted: bool,
    code: &'static str,
    status: u16,
    sid: &'a str,
    method: &'a str,
    path: Option<&'a str>,
    version: Option<&'a str>,
    scope: Option<&'a str>,
    rule: Option<&'a str>,
    line: Option<usize>,
    required_scopes: Vec<&'a str>,
    upgrade: bool,
    reason: &'a str,
}

/// Explains a decision.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what is wrong with the body.
pub(super) async fn explain(state: &State, exchange: &mut Exchange) -> Result<Answer, Problem> {
    let mut body = exchange.body().await?;
    let snapshot = state.snapshot();
    let sid = match body.text("sid") {
        Field::Value(sid) => sid,
        Field::Absent | Field::Null => ANY.to_owned(),
    };
    let method = body.needed_text("method").and_then(|text| {
        let method = Method::from_bytes(text.as_bytes());
        let method = method.ok().filter(|_| text.len() <= METHOD_MAX);
        if method.is_none() {
            body.fault("method", "is not an HTTP method");
        }
        method
    });
    let path = body.needed_text("path");
    if path
        .as_ref()
        .is_some_and(|path| path.chars().count() > PATH_MAX)
    {
        body.fault("path", format!("has more than {PATH_MAX} characters"));
    }
    let version = match body.text("version") {
        Field::Absent | Field::Null => None,
        Field::Value(id) => {
            let number = snapshot.catalog.version_number(&id);
            if number.is_none() {
                body.fault("version", "is not a version of the catalogue");
            }
            number
        }
    };
    let (method, path) = body.finish_with(method.zip(path))?;
    let holder = match snapshot.tokens.find(sid.as_bytes()) {
        Some(token) => Holder::Token(token),
        None if sid == ANY => Holder::Any,
        None => return Err(Problem::TokenNotFound),
    };
    let decision = auth::explain(&snapshot.catalog, holder, &method, &path, version);
    let explanation = Explanation {
        admitted: decision.admitted,
        code: decision.code.as_str(),
        status: decision.code.status().as_u16(),
        sid: &sid,
        method: method.as_str(),
        path: decision.path.as_deref(),
        version: decision.version.as_deref(),
        scope: decision.scope.as_deref(),
        rule: decision.rule.as_deref(),
        line: decision.line,
        required_scopes: decision.required_scopes.iter().map(|id| &**id).collect(),
        upgrade: decision.upgrade,
        reason: &decision.reason,
    };
    Ok(Answer::json(StatusCode::OK, &explanation))
}
