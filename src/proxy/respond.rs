//! Every refusal becomes a response here, and nowhere else.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Response};

use super::body::Body;
use super::context::{Decision, Exchange, RequestId};
use super::dialect::{self, Form};
use super::headers::X_REQUEST_ID;
use super::limits;
use crate::auth::Denial;
use crate::code::Code;
use crate::config::Errors;
use crate::limit::whole_seconds;

/// Why a request got no answer from the upstream.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) detail: Option<String>,
    pub(super) denial: Option<Denial>,
    /// After so many seconds it may be worth another try; told with 429 and 503.
    pub(super) retry_after: u32,
}

impl Refusal {
    pub(super) fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            denial: None,
            retry_after: 1,
        }
    }

    pub(super) fn detailed(code: Code, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(code)
        }
    }

    /// One that holds for a while.
    pub(super) fn later(code: Code, wait: Duration) -> Self {
        Self {
            retry_after: u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX),
            ..Self::new(code)
        }
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        Self {
            denial: Some(denial.clone()),
            ..Self::new(denial.code())
        }
    }
}

/// The answer of a refusal: a problem document (RFC 9457), or what the dialect has for it.
pub(super) fn refuse(
    mut exchange: Box<Exchange>,
    refusal: Refusal,
    challenge: &HeaderValue,
) -> Response<Body> {
    let code = refusal.code;
    let status = code.status();
    let required = refusal
        .denial
        .as_ref()
        .map_or(&[][..], Denial::required_scopes);
    let (id, form) = (exchange.request_id, exchange.form);
    let detail = refusal.detail.as_deref();
    let text = match form {
        Form::Problem => Bytes::from(document(code, detail, required, &id)),
        form => dialect::document(form, code, detail, required),
    };
    exchange.code = code;
    exchange.status = status.as_u16();
    if let Some(denial) = refusal.denial {
        exchange.decision = Decision::Denial(denial);
    }

    let (http2, unread) = (exchange.peer.http2, exchange.is_unread());
    let mut told = HeaderMap::new();
    limits::tell(&mut told, &exchange);
    told.insert(X_REQUEST_ID, exchange.request_id.header());
    let mut response = Response::new(Body::full(exchange, text));
    *response.headers_mut() = told;
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, form.content_type());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match status.as_u16() {
        401 => {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        405 => {
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        429 | 503 => {
            headers.insert(RETRY_AFTER, refusal.retry_after.into());
        }
        _ => {}
    }
    // After a request that was not sound, nothing on the connection is believed.
    let judged = matches!(code, Code::UnknownVersion | Code::VersionConflict);
    let unsound = !judged && !matches!(status.as_u16(), 401 | 403 | 429 | 500..);
    if unsound && !http2 || unread {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The whole HTTP/1.1 answer to a connection that there is no room for. Nobody has read what
/// its client would accept.
pub(super) fn overloaded(id: &RequestId, errors: Errors) -> Vec<u8> {
    let (kind, body) = match errors {
        Errors::Problem => {
            let problem = document(Code::Overloaded, None, &[], id);
            ("application/problem+json", Bytes::from(problem))
        }
        Errors::Impact => {
            let body = dialect::document(Form::Json, Code::Overloaded, None, &[]);
            ("application/json", body)
        }
    };
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         content-type: {kind}\r\n\
         cache-control: no-store\r\n\
         x-request-id: {}\r\n\
         retry-after: 1\r\n\
         connection: close\r\n\
         content-length: {}\r\n\r\n",
        id.as_str(),
        body.len(),
    );
    [head.as_bytes(), &body].concat()
}

fn document(code: Code, detail: Option<&str>, required: &[Arc<str>], id: &RequestId) -> String {
    let mut text = String::with_capacity(256);
    let name = code.as_str();
    // Neither code, title, status nor id holds a character that JSON escapes.
    write!(
        text,
        r#"{{"type":"urn:sidgate:problem:{name}","title":"{}","status":{},"code":"{name}""#,
        code.title(),
        code.status().as_u16(),
    )
    .expect("a String takes all");
    if let Some(detail) = detail {
        text.push_str(r#","detail":"#);
        push_string(&mut text, detail);
    }
    if !required.is_empty() {
        text.push_str(r#","required_scopes":["#);
        for (at, scope) in required.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            push_string(&mut text, scope);
        }
        text.push(']');
    }
    write!(text, r#","request_id":"{}"}}"#, id.as_str()).expect("a String takes all");
    text.push('\n');
    text
}

fn push_string(text: &mut String, value: &str) {
    let quoted = serde_json::to_string(value).expect("a str is always JSON");
    text.push_str(&quoted);
}

/// The challenge of a realm (RFC 7617 2.1).
pub(super) fn challenge(realm: &str) -> HeaderValue {
    let text = format!(r#"Basic realm="{realm}", charset="UTF-8""#);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_retry_is_invited_before_the_wait_is_over() {
        for (wait, seconds) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(5), 5),
            (Duration::from_nanos(5_000_000_001), 6),
            (Duration::from_millis(5_001), 6),
            (Duration::MAX, u32::MAX),
        ] {
            let refusal = Refusal::later(Code::RateLimited, wait);
            assert_eq!(refusal.retry_after, seconds, "{wait:?}");
        }
    }
}
