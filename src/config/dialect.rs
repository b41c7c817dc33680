//! In which header fields clients are told of the catalogue's limits.

use toml::Spanned;

use super::check::Checker;
use super::raw::{Given, Spelt, Word};

/// The dialects in which answers tell of limits, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, of the window with least left.
    pub x_ratelimit: bool,
    /// `X-RateLimit-Limit-hour` and `X-RateLimit-Remaining-hour`, for each window, and
    /// `RateLimit-Reset`.
    pub x_ratelimit_window: bool,
    /// `RateLimit` and `RateLimit-Policy`: draft-ietf-httpapi-ratelimit-headers-11.
    pub ietf: bool,
}

/// One dialect, as the main file spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    XRateLimit,
    XRateLimitWindow,
    Ietf,
}

impl Spelt for Dialect {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("x-ratelimit", Self::XRateLimit),
        ("x-ratelimit-window", Self::XRateLimitWindow),
        ("ietf", Self::Ietf),
    ];
}

impl Default for RateLimitHeaders {
    fn default() -> Self {
        Self {
            x_ratelimit: true,
            ..Self::NONE
        }
    }
}

impl RateLimitHeaders {
    /// Answers do not tell of limits.
    pub const NONE: Self = Self {
        x_ratelimit: false,
        x_ratelimit_window: false,
        ietf: false,
    };
}

/// The dialects of a list, each once; the default where there is no list.
pub(super) fn rate_limit_headers(
    given: Given<Vec<Spanned<Word<Dialect>>>>,
    checker: &mut Checker,
) -> RateLimitHeaders {
    let Some(dialects) = given else {
        return RateLimitHeaders::default();
    };
    let mut headers = RateLimitHeaders::NONE;
    for dialect in dialects.get_ref() {
        let told = match dialect.get_ref().0 {
            Dialect::XRateLimit => &mut headers.x_ratelimit,
            Dialect::XRateLimitWindow => &mut headers.x_ratelimit_window,
            Dialect::Ietf => &mut headers.ietf,
        };
        if *told {
            checker.fault(&dialect.span(), "this one is there already");
        }
        *told = true;
    }
    headers
}
