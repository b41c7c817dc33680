//! One request and its answer: the walls, the operator, the role, the call.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};

use super::connection::Ends;
use super::endpoint::Endpoint;
use super::operator;
use super::problem::Problem;
use super::respond::{Answer, RequestId};
use super::{State, walls};

/// Answers one request. The work is a task of its own: a client that goes away leaves no
/// change half told, and a panic is an answer.
pub(super) async fn answer(
    state: Arc<State>,
    ends: Ends,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let id = RequestId::random();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let work = tokio::spawn(async move { admit(&state, ends, request).await });
    let outcome = work.await.unwrap_or_else(|_| {
        tracing::error!(request_id = %id, "a call of the admin API panicked");
        Err(Problem::Internal)
    });
    let answer = match outcome {
        Ok(answer) => answer,
        Err(problem) => {
            tracing::info!(request_id = %id, %method, path, code = problem.code(), "admin refusal");
            Answer::problem(&problem, &id)
        }
    };
    answer.finish(&id)
}

async fn admit(state: &State, ends: Ends, request: Request<Incoming>) -> Result<Answer, Problem> {
    let (head, body) = request.into_parts();
    // Absolute-form and authority-form name a server; only a path is ours to answer.
    if head.uri.authority().is_some() || !head.uri.path().starts_with('/') {
        return Err(Problem::BadRequestTarget);
    }
    walls::host(
        &head.headers,
        ends.own,
        &state.context.settings.load().admin.hosts,
    )?;
    walls::site(&head.headers)?;
    walls::content_type(&head.method, &head.headers, !body.is_end_stream())?;
    let path = head.uri.path().to_owned();
    let found = Endpoint::find(&head.method, &path);
    let operator = match found {
        Some((None, _)) => None,
        _ => Some(operator::prove(state, ends.guesser, &head.headers).await?),
    };
    let Some((role, endpoint)) = found else {
        let allowed = Endpoint::allowed(&path);
        return Err(if allowed.is_empty() {
            Problem::NotFound
        } else {
            Problem::MethodNotAllowed(allowed)
        });
    };
    if let (Some(role), Some(operator)) = (role, &operator)
        && operator.role < role
    {
        return Err(Problem::ForbiddenRole(role));
    }
    super::call(state, endpoint).await
}
