//! The codes by which an answer of the gate, an access record and a metric name one outcome.

use http::StatusCode;

/// One outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Forwarded; the status is the upstream's.
    Ok,
    /// 400: the request target is not in canonical form.
    BadRequestTarget,
    /// 400: the request needs exactly one valid Host.
    BadHost,
    /// 400: a header of the request is not valid.
    BadHeader,
    /// 405: the method is not served.
    MethodNotAllowed,
    /// 408: the request did not arrive in time.
    RequestTimeout,
    /// 413: the request body is too large.
    BodyTooLarge,
    /// 414: the request target is too long.
    TargetTooLong,
    /// 417: only 100-continue can be expected.
    ExpectationFailed,
    /// 431: the request's header fields are too large.
    HeadTooLarge,
    /// 400: the catalogue does not have the version that the request names.
    UnknownVersion,
    /// 400: the request names different versions.
    VersionConflict,
    /// 401: credentials are required.
    MissingCredentials,
    /// 401: the credentials are not valid.
    BadCredentials,
    /// 403: the token is disabled.
    TokenDisabled,
    /// 403: no rule allows this method and path.
    NoRoute,
    /// 403: the SID in the path is not the authenticated one.
    SidMismatch,
    /// 403: the token lacks the scope that this call needs.
    ScopeNotGranted,
    /// 429: too many requests.
    RateLimited,
    /// 503: the gate is at its limit.
    Overloaded,
    /// 502: the upstream could not be reached.
    UpstreamUnreachable,
    /// 502: the upstream's answer was not valid HTTP.
    UpstreamBadResponse,
    /// 503: every server of the upstream is out.
    UpstreamUnavailable,
    /// 504: the upstream did not answer in time.
    UpstreamTimeout,
    /// 500: the gate failed.
    InternalError,
    /// The client went away before an answer; appears in records only.
    ClientClosed,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub const ALL: &[Self] = &[
        Self::Ok,
        Self::BadRequestTarget,
        Self::BadHost,
        Self::BadHeader,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::TargetTooLong,
        Self::ExpectationFailed,
        Self::HeadTooLarge,
        Self::UnknownVersion,
        Self::VersionConflict,
        Self::MissingCredentials,
        Self::BadCredentials,
        Self::TokenDisabled,
        Self::NoRoute,
        Self::SidMismatch,
        Self::ScopeNotGranted,
        Self::RateLimited,
        Self::Overloaded,
        Self::UpstreamUnreachable,
        Self::UpstreamBadResponse,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::InternalError,
        Self::ClientClosed,
    ];

    /// The code as users see it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().1).expect("every row has a status of three digits")
    }

    /// The `title` of its problem document.
    #[must_use]
    pub fn title(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Ok => ("ok", 200, "OK"),
            Self::BadRequestTarget => (
                "bad_request_target",
                400,
                "The request target is not in canonical form",
            ),
            Self::BadHost => ("bad_host", 400, "The request needs exactly one valid Host"),
            Self::BadHeader => ("bad_header", 400, "A header of the request is not valid"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "The method is not served"),
            Self::RequestTimeout => ("request_timeout", 408, "The request did not arrive in time"),
            Self::BodyTooLarge => ("body_too_large", 413, "The request body is too large"),
            Self::TargetTooLong => ("target_too_long", 414, "The request target is too long"),
            Self::ExpectationFailed => (
                "expectation_failed",
                417,
                "Only 100-continue can be expected",
            ),
            Self::HeadTooLarge => (
                "head_too_large",
                431,
                "The request's header fields are too large",
            ),
            Self::UnknownVersion => ("unknown_version", 400, "The API has no such version"),
            Self::VersionConflict => (
                "version_conflict",
                400,
                "The request names different versions",
            ),
            Self::MissingCredentials => ("missing_credentials", 401, "Credentials are required"),
            Self::BadCredentials => ("bad_credentials", 401, "The credentials are not valid"),
            Self::TokenDisabled => ("token_disabled", 403, "The token is disabled"),
            Self::NoRoute => ("no_route", 403, "No rule allows this method and path"),
            Self::SidMismatch => (
                "sid_mismatch",
                403,
                "The SID in the path is not the authenticated one",
            ),
            Self::ScopeNotGranted => (
                "scope_not_granted",
                403,
                "The token lacks the scope that this call needs",
            ),
            Self::RateLimited => ("rate_limited", 429, "Too many requests"),
            Self::Overloaded => ("overloaded", 503, "The gate is at its limit"),
            Self::UpstreamUnreachable => (
                "upstream_unreachable",
                502,
                "The upstream could not be reached",
            ),
            Self::UpstreamBadResponse => (
                "upstream_bad_response",
                502,
                "The upstream's answer was not valid HTTP",
            ),
            Self::UpstreamUnavailable => (
                "upstream_unavailable",
                503,
                "Every server of the upstream is out",
            ),
            Self::UpstreamTimeout => (
                "upstream_timeout",
                504,
                "The upstream did not answer in time",
            ),
            Self::InternalError => ("internal_error", 500, "The gate failed"),
            Self::ClientClosed => ("client_closed", 499, "The client went away"),
        }
    }
}
