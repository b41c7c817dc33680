//! `GET /v1/audit`: who did what when, newest first.

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::State;
use super::exchange::Exchange;
use super::problem::Problem;
use super::query::Query;
use super::respond::Answer;
use crate::telemetry::audit;
use crate::token::Sid;

/// Records of an answer, unless the query says otherwise.
const PAGE: usize = 100;
/// The most that it may say.
const PAGE_MAX: usize = 1000;

#[derive(Serialize)]
struct Page {
    records: Vec<Value>,
}

/// Lists records. Where there is no audit, there are none.
///
/// # Errors
/// What is wrong with the query; [`Problem::StoreUnavailable`] where the file cannot be read.
pub(super) async fn list(state: &State, exchange: &Exchange) -> Result<Answer, Problem> {
    let mut query = Query::parse(exchange.head.uri.query())?;
    let sid = query.take("sid");
    if sid
        .as_ref()
        .is_some_and(|sid| Sid::parse(sid.as_bytes()).is_err())
    {
        query.fault("sid", "is no SID");
    }
    let limit = query.number("limit", 1, PAGE_MAX).unwrap_or(PAGE);
    query.finish()?;
    let Some(path) = state.context.audit.clone() else {
        return Ok(Answer::json(StatusCode::OK, &Page { records: vec![] }));
    };
    let work = move || audit::newest(&path, sid.as_deref(), limit);
    let read = tokio::task::spawn_blocking(work).await;
    let records = read.map_err(|_| Problem::Internal)?.map_err(|error| {
        tracing::error!(%error, "the audit cannot be read");
        Problem::StoreUnavailable("the audit cannot be read".to_owned())
    })?;
    Ok(Answer::json(StatusCode::OK, &Page { records }))
}
