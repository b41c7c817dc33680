//! Every fault that the admin API answers, and the one place where each becomes a
//! problem document (RFC 9457).

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::config::Role;

/// Why a call was not done. A call that answers one of these changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Problem {
    /// The target is no canonical path, or names a host.
    #[error("the request target must be a path in canonical form")]
    BadRequestTarget,
    /// Not exactly one sound Host.
    #[error("the request needs exactly one valid Host")]
    BadHost,
    /// A Host that is not ours: DNS rebinding, or a name missing in `admin.hosts`.
    #[error("this Host is neither the listener's own, a loopback name nor one of admin.hosts")]
    ForeignHost,
    /// A browser says that another site made it send this.
    #[error("requests made by web pages are refused")]
    CrossSite,
    /// No `Authorization` at all.
    #[error("an operator's name and secret are required")]
    MissingCredentials,
    /// Anything but an operator's name and secret.
    #[error("the name or the secret is not an operator's")]
    BadCredentials,
    /// Too many wrong secrets from this address.
    #[error("too many wrong credentials came from this address")]
    Throttled(Duration),
    /// Too much waits already.
    #[error("the admin API is at its limit")]
    Overloaded,
    /// The operator may not do this.
    #[error("this call needs the role {}", .0.as_str())]
    ForbiddenRole(Role),
    /// Nothing is served at this path.
    #[error("nothing is served at this path")]
    NotFound,
    /// No token has this SID.
    #[error("no token has this SID")]
    TokenNotFound,
    /// The path is served, the method is not; the methods that are.
    #[error("this path serves {0}")]
    MethodNotAllowed(String),
    /// A body that is not declared as JSON.
    #[error("a body must be sent as {0}")]
    UnsupportedMediaType(&'static str),
    /// A body over the bound.
    #[error("a body may hold {0} bytes")]
    BodyTooLarge(usize),
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    RequestTimeout,
    /// A body that is not JSON as RFC 8259 has it, or says a thing twice.
    #[error("{0}")]
    BadJson(String),
    /// A query that cannot be decoded.
    #[error("{0}")]
    BadQuery(String),
    /// A header that this call reads and that makes no sense.
    #[error("{0}")]
    BadHeader(String),
    /// Fields that break their rules: all of them.
    #[error("{} of the fields sent cannot be taken", .0.len())]
    InvalidFields(Vec<FieldFault>),
    /// A cursor that another query gave.
    #[error("the cursor belongs to another query")]
    CursorMismatch,
    /// The token is not the one that `If-Match` names.
    #[error("the token has changed since it was read")]
    PreconditionFailed,
    /// The state of things forbids the call.
    #[error("{1}")]
    Conflict(&'static str, String),
    /// The key was used for another call.
    #[error("this Idempotency-Key was used for another call")]
    IdempotencyKeyReused,
    /// The store cannot take a change now.
    #[error("{0}")]
    StoreUnavailable(String),
    /// `/readyz`: what is missing.
    #[error("{0}")]
    NotReady(&'static str),
    /// A defect of ours.
    #[error("the admin API failed; the process's log says more")]
    Internal,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldFault {
    /// Its name, with the place in a list: `developer_emails[1]`. Empty for the whole body.
    pub(super) field: String,
    /// What is wrong, in a sentence without a full stop.
    pub(super) message: String,
}

/// The problem document (RFC 9457); its `type` names the code, as the gate's do.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault>,
}

impl Problem {
    /// The code by which programs tell problems apart.
    pub(super) fn code(&self) -> &'static str {
        self.row().0
    }

    /// The status that goes with it.
    pub(super) fn status(&self) -> StatusCode {
        self.row().1
    }

    /// What is sent.
    pub(super) fn document<'a>(&self, request_id: &'a str) -> Document<'a> {
        let (code, status, title) = self.row();
        Document {
            r#type: format!("urn:sidgate:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: self.to_string(),
            request_id,
            errors: match self {
                Self::InvalidFields(faults) => faults.clone(),
                Self::CursorMismatch => vec![FieldFault::new("cursor", self.to_string())],
                _ => Vec::new(),
            },
        }
    }

    fn row(&self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequestTarget => (
                "bad_request_target",
                S::BAD_REQUEST,
                "The request target is not valid",
            ),
            Self::BadHost => ("bad_host", S::BAD_REQUEST, "The Host is not valid"),
            Self::ForeignHost => (
                "foreign_host",
                S::MISDIRECTED_REQUEST,
                "The Host is not this server's",
            ),
            Self::CrossSite => (
                "cross_site",
                S::FORBIDDEN,
                "Cross-site requests are refused",
            ),
            Self::MissingCredentials => (
                "missing_credentials",
                S::UNAUTHORIZED,
                "Credentials are required",
            ),
            Self::BadCredentials => (
                "bad_credentials",
                S::UNAUTHORIZED,
                "The credentials are not valid",
            ),
            Self::Throttled(_) => (
                "throttled",
                S::TOO_MANY_REQUESTS,
                "Too many wrong credentials",
            ),
            Self::Overloaded => (
                "overloaded",
                S::SERVICE_UNAVAILABLE,
                "The admin API is at its limit",
            ),
            Self::ForbiddenRole(_) => (
                "forbidden_role",
                S::FORBIDDEN,
                "The operator's role does not allow this",
            ),
            Self::NotFound => ("not_found", S::NOT_FOUND, "Nothing is served here"),
            Self::TokenNotFound => ("token_not_found", S::NOT_FOUND, "There is no such token"),
            Self::MethodNotAllowed(_) => (
                "method_not_allowed",
                S::METHOD_NOT_ALLOWED,
                "The method is not served here",
            ),
            Self::UnsupportedMediaType(_) => (
                "unsupported_media_type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON",
            ),
            Self::BodyTooLarge(_) => (
                "body_too_large",
                S::PAYLOAD_TOO_LARGE,
                "The request body is too large",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                S::REQUEST_TIMEOUT,
                "The request did not arrive in time",
            ),
            Self::BadJson(_) => ("bad_json", S::BAD_REQUEST, "The body is not sound JSON"),
            Self::BadQuery(_) => ("bad_query", S::BAD_REQUEST, "The query is not valid"),
            Self::BadHeader(_) => ("bad_header", S::BAD_REQUEST, "A header is not valid"),
            Self::InvalidFields(_) => (
                "invalid_fields",
                S::UNPROCESSABLE_ENTITY,
                "Some fields are not valid",
            ),
            Self::CursorMismatch => (
                "cursor_mismatch",
                S::CONFLICT,
                "The cursor does not fit the query",
            ),
            Self::PreconditionFailed => (
                "precondition_failed",
                S::PRECONDITION_FAILED,
                "The token has changed",
            ),
            Self::Conflict(code, _) => (code, S::CONFLICT, "The token's state forbids this"),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                S::CONFLICT,
                "The Idempotency-Key was used before",
            ),
            Self::StoreUnavailable(_) => (
                "store_unavailable",
                S::SERVICE_UNAVAILABLE,
                "The store takes no change now",
            ),
            Self::NotReady(_) => ("not_ready", S::SERVICE_UNAVAILABLE, "The gate is not ready"),
            Self::Internal => (
                "internal_error",
                S::INTERNAL_SERVER_ERROR,
                "The admin API failed",
            ),
        }
    }
}

impl FieldFault {
    /// A fault of this field.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}
