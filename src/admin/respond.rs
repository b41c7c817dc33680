//! What a call answers, and the form in which it leaves.

use std::fmt;
use std::io;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::limit::whole_seconds;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The name of one exchange, in the answer, the log and the audit: 128 random bits in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestId(String);

/// An answer before it is given its request's id.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Counts what is written to it.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RequestId {
    pub(super) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bodies of answers may hold an auth token.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, ..)", self.status)
    }
}

impl Answer {
    /// JSON with this status.
    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::of(status, JSON, body),
            Err(error) => {
                tracing::error!(%error, "an answer of the admin API cannot be written as JSON");
                Self::of(StatusCode::INTERNAL_SERVER_ERROR, JSON, "{}")
            }
        }
    }

    /// JSON that holds an auth token: wiped once it has been sent.
    pub(super) fn secret(status: StatusCode, value: &impl Serialize) -> Self {
        // As much room as it takes: growing would leave parts of it behind.
        let mut counted = Counted(0);
        let body = serde_json::to_writer(&mut counted, value).and_then(|()| {
            let mut body = Zeroizing::new(Vec::with_capacity(counted.0));
            serde_json::to_writer(&mut *body, value).map(|()| body)
        });
        match body {
            Ok(body) => Self::of(status, JSON, Bytes::from_owner(body)),
            Err(_) => Self::of(StatusCode::INTERNAL_SERVER_ERROR, JSON, "{}"),
        }
    }

    /// A body of another type.
    pub(super) fn of(
        status: StatusCode,
        content_type: HeaderValue,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            status,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, content_type)]),
            body: body.into(),
        }
    }

    /// 204.
    pub(super) fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The problem document and the headers that belong to it.
    pub(super) fn problem(problem: &Problem, id: &RequestId) -> Self {
        let mut answer = Self::json(problem.status(), &problem.document(id.as_str()));
        answer.headers.insert(CONTENT_TYPE, PROBLEM);
        let header = match problem {
            Problem::MissingCredentials | Problem::BadCredentials => Some((
                WWW_AUTHENTICATE,
                // RFC 7617 2.1. The realm is not the gate's: its credentials are no operator's.
                HeaderValue::from_static("Basic realm=\"sidgate admin\", charset=\"UTF-8\""),
            )),
            Problem::Throttled(wait) => {
                // A client that waits as told is let in.
                Some((RETRY_AFTER, HeaderValue::from(whole_seconds(*wait))))
            }
            Problem::Overloaded | Problem::StoreUnavailable(_) | Problem::NotReady(_) => {
                Some((RETRY_AFTER, HeaderValue::from(1)))
            }
            Problem::MethodNotAllowed(methods) => {
                HeaderValue::from_str(methods).ok().map(|v| (ALLOW, v))
            }
            _ => None,
        };
        answer.headers.extend(header);
        answer
    }

    /// The response, with what every answer carries.
    pub(super) fn finish(self, id: &RequestId) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        *headers = self.headers;
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert(X_REQUEST_ID, id);
        }
        response
    }
}
