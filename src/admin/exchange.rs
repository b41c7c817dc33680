//! One request and its answer: the walls, the operator, the role, the call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use super::connection::Ends;
use super::endpoint::Endpoint;
use super::operator::{self, Proven};
use super::problem::Problem;
use super::respond::{Answer, RequestId};
use super::{State, json, walls};

/// Bytes of a request body.
const BODY_BYTES: usize = 64 * 1024;
/// For a whole request body.
const BODY: Duration = Duration::from_secs(10);

/// An admitted request: all that a call may know of it.
pub(super) struct Exchange {
    /// Who asks; `None` only where nobody need prove anything.
    pub(super) operator: Option<Proven>,
    /// The name of this exchange.
    pub(super) id: RequestId,
    /// The two ends.
    pub(super) ends: Ends,
    /// The request's head.
    pub(super) head: request::Parts,
    body: Incoming,
}

/// Answers one request. The work is a task of its own: a client that goes away leaves no
/// change half told, and a panic is an answer.
pub(super) async fn answer(
    state: Arc<State>,
    ends: Ends,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let id = RequestId::random();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let work = tokio::spawn({
        let id = id.clone();
        async move { admit(&state, ends, request, id).await }
    });
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

async fn admit(
    state: &State,
    ends: Ends,
    request: Request<Incoming>,
    id: RequestId,
) -> Result<Answer, Problem> {
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
    let exchange = Exchange {
        operator,
        id,
        ends,
        head,
        body,
    };
    super::call(state, endpoint, exchange).await
}

impl Exchange {
    /// The body as JSON; `None` where there is none.
    ///
    /// # Errors
    /// [`Problem::BodyTooLarge`], [`Problem::RequestTimeout`], [`Problem::BadJson`].
    pub(super) async fn json(&mut self) -> Result<Option<json::Value>, Problem> {
        let body = self.bytes().await?;
        if body.is_empty() {
            return Ok(None);
        }
        json::parse(&body).map(Some)
    }

    async fn bytes(&mut self) -> Result<Bytes, Problem> {
        let most = u64::try_from(BODY_BYTES).unwrap_or(u64::MAX);
        if self.body.size_hint().lower() > most {
            return Err(Problem::BodyTooLarge(BODY_BYTES));
        }
        let whole = Limited::new(&mut self.body, BODY_BYTES).collect();
        match tokio::time::timeout(BODY, whole).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(Problem::BodyTooLarge(BODY_BYTES))
            }
            // Nobody reads this answer: the connection broke, or its framing did.
            Ok(Err(_)) => Err(Problem::BadJson("the body did not arrive whole".into())),
            Err(_) => Err(Problem::RequestTimeout),
        }
    }

    /// Whether the request changes nothing by its method.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD)
    }
}
