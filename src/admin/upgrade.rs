//! What an upgrade would change: the answer of `POST /v1/tokens/{sid}/upgrade` to a dry run.

use std::sync::Arc;

use http::StatusCode;
use http::header::ETAG;
use serde::Serialize;

use super::exchange::Exchange;
use super::precondition;
use super::problem::Problem;
use super::respond::Answer;
use super::view::{etag, etag_value};
use crate::auth::{self, Call};
use crate::catalog::Catalog;
use crate::snapshot::Snapshot;
use crate::store::MutateError;
use crate::store::mutation::{Change, MutationError};
use crate::token::Token;

#[derive(Serialize)]
struct Preview<'a> {
    sid: &'a str,
    name: &'a str,
    from: Option<&'a str>,
    to: Option<&'a str>,
    gains: Vec<CallView<'a>>,
    loses: Vec<CallView<'a>>,
}

#[derive(Serialize)]
struct CallView<'a> {
    methods: &'a [String],
    path: &'a str,
    rule: &'a str,
    line: usize,
    scope: &'a str,
    code: &'static str,
    upgrade: bool,
    required_scopes: Vec<&'a str>,
}

/// Tells what an upgrade would change. The entity tag is the token's as it is, so that an
/// `If-Match` of it upgrades what was told of and nothing else.
///
/// # Errors
/// What stands against the upgrade, [`Problem::PreconditionFailed`] among it.
pub(super) async fn tell(
    exchange: &Exchange,
    snapshot: Arc<Snapshot>,
    upgraded: Result<Change, MutationError>,
) -> Result<Answer, Problem> {
    let if_match = precondition::if_match(&exchange.head.headers)?;
    let change = upgraded.map_err(MutateError::from)?;
    // A token that is to be upgraded is there before and after.
    let (Some(before), Some(after)) = (change.before, change.after) else {
        return Err(Problem::TokenNotFound);
    };
    let catalog = &snapshot.catalog;
    if if_match.is_some_and(|if_match| !if_match.holds(&etag(&before, catalog))) {
        return Err(Problem::PreconditionFailed);
    }
    let catalog = Arc::clone(catalog);
    // Many rules may be tried: others of this runtime do not wait for that.
    let told = tokio::task::spawn_blocking(move || preview(&catalog, &before, &after));
    told.await.map_err(|_| Problem::Internal)
}

fn preview(catalog: &Catalog, before: &Token, after: &Token) -> Answer {
    let from = catalog.version(before.version);
    let to = catalog.version(after.version);
    let difference = match (from, to) {
        (Some(from), Some(to)) => auth::compare(catalog, before, from.number, to.number),
        _ => auth::Difference::default(),
    };
    let preview = Preview {
        sid: before.sid.as_str(),
        name: &before.texts.name,
        from: from.map(|version| &*version.id),
        to: to.map(|version| &*version.id),
        gains: difference.gains.iter().map(CallView::from).collect(),
        loses: difference.loses.iter().map(CallView::from).collect(),
    };
    Answer::json(StatusCode::OK, &preview).with(ETAG, etag_value(before, catalog))
}

impl<'a> From<&'a Call> for CallView<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            methods: &call.methods,
            path: &call.path,
            rule: &call.rule,
            line: call.line,
            scope: &call.scope,
            code: call.code.as_str(),
            upgrade: call.upgrade,
            required_scopes: call.required_scopes.iter().map(|id| &**id).collect(),
        }
    }
}
