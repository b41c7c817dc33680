//! One request and its answer: the walls, the operator, the role, the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};

use super::body::Body as Fields;
use super::connection::Ends;
use super::endpoint::{Call, Endpoint};
use super::operator::{self, Proven};
use super::problem::Problem;
use super::respond::{Answer, RequestId};
use super::{State, monitoring, walls};
use crate::auth::target::canonical;
use crate::store::Origin;
use crate::token::Sid;

/// Bytes of a request body.
const BODY_BYTES: usize = 64 * 1024;
/// For a whole request body.
const BODY: Duration = Duration::from_secs(10);

/// An admitted request: all that a call may know of it.
pub(super) struct Exchange {
    /// Who asks.
    pub(super) operator: Proven,
    /// The name of this exchange.
    pub(super) id: RequestId,
    /// The two ends.
    pub(super) ends: Ends,
    /// The writer has recorded what became of it, or will.
    pub(super) recorded: AtomicBool,
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
    if head.uri.authority().is_some() {
        return Err(Problem::BadRequestTarget);
    }
    walls::host(
        &head.headers,
        ends.own,
        &state.context.settings.load().admin.hosts,
    )?;
    walls::site(&head.headers)?;
    walls::content_type(&head.method, &head.headers, !body.is_end_stream())?;
    let path = canonical(head.uri.path()).map_err(|_| Problem::BadRequestTarget)?;
    let path = path.into_owned();
    match Endpoint::find(&head.method, &path) {
        Some(Endpoint::Health) => Ok(monitoring::health()),
        Some(Endpoint::Ready) => monitoring::ready(state),
        Some(Endpoint::Call(role, call)) => {
            let operator = operator::prove(state, ends.guesser, &head.headers).await?;
            let mut exchange = Exchange {
                operator,
                id,
                ends,
                recorded: AtomicBool::new(false),
                head,
                body,
            };
            let result = if exchange.operator.role < role {
                Err(Problem::ForbiddenRole(role))
            } else {
                super::call(state, call, &mut exchange).await
            };
            if let Err(problem) = &result {
                exchange.record_refusal(state, call, problem).await;
            }
            result
        }
        None => {
            // What is served is told to operators alone.
            operator::prove(state, ends.guesser, &head.headers).await?;
            match Endpoint::allowed(&path) {
                none if none.is_empty() => Err(Problem::NotFound),
                allowed => Err(Problem::MethodNotAllowed(allowed)),
            }
        }
    }
}

impl Exchange {
    /// Who asks, for the audit.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            actor: self.operator.name.to_string(),
            role: self.operator.role.as_str().to_owned(),
            peer: match self.ends.remote {
                Some(remote) => remote.ip().to_canonical().to_string(),
                None => "unix".to_owned(),
            },
            request_id: self.id.as_str().to_owned(),
        }
    }

    /// Records that a proven operator was refused a change, unless the writer has.
    async fn record_refusal(&self, state: &State, call: Call<'_>, problem: &Problem) {
        let Some((action, sid)) = call.recorded() else {
            return;
        };
        if self.recorded.load(Ordering::Relaxed) {
            return;
        }
        let sid = sid.and_then(|sid| Sid::parse(sid.as_bytes()).ok());
        let (writer, origin) = (&state.context.writer, self.origin());
        let recorded = writer.record(&origin, action, sid.as_ref(), problem.code());
        if let Err(error) = recorded.await {
            tracing::error!(request_id = %self.id, %error, "a refusal is not in the audit");
        }
    }

    /// The body's fields.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and what is wrong with it as JSON.
    pub(super) async fn body(&mut self) -> Result<Fields, Problem> {
        Fields::parse(&self.bytes().await?)
    }

    /// The body as it came.
    ///
    /// # Errors
    /// [`Problem::BodyTooLarge`], [`Problem::RequestTimeout`], [`Problem::BadJson`].
    pub(super) async fn bytes(&mut self) -> Result<Bytes, Problem> {
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
}
