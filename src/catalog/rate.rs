//! Limits as the catalogue states them: `1000/hour`, for a category or a group of rules.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// What is counted together: the requests under a category's rules, or under those rules
/// that name a group of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateGroup {
    /// Its number in this process, which stays with its name when the catalogue changes.
    pub number: RateGroupId,
    /// The category's name, or the group's.
    pub name: Arc<str>,
    /// At most one for each window, the shortest first. None: nothing is counted.
    pub limits: Vec<RateLimit>,
    /// Whose requests are counted together.
    pub per: Per,
}

/// A group's number: stable for the life of the process, as [`ScopeId`] is.
///
/// [`ScopeId`]: crate::token::ScopeId
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RateGroupId(pub u32);

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Per {
    /// One token's.
    #[default]
    Token,
    /// Those of all tokens that name one account. A token that names none counts alone.
    Account,
}

/// At most so many requests in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests in a window.
    pub count: NonZeroU32,
    /// How long a window is.
    pub window: Window,
    /// As written.
    pub text: Box<str>,
}

/// How long a limit counts before it begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

/// A text that is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit is a count from 1 to 4294967295 for a minute, hour or day: 1000/hour")]
pub struct BadRateLimit;

impl Per {
    /// `token` or `account`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Account => "account",
        }
    }
}

impl Window {
    /// All of them, the shortest first and each at its number.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        })
    }

    /// `minute`, `hour` or `day`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl FromStr for RateLimit {
    type Err = BadRateLimit;

    fn from_str(text: &str) -> Result<Self, BadRateLimit> {
        let (count, window) = text.split_once('/').ok_or(BadRateLimit)?;
        // `u32::from_str` takes a sign, which no limit has.
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadRateLimit);
        }
        let window = Window::ALL
            .into_iter()
            .find(|w| w.as_str() == window)
            .ok_or(BadRateLimit)?;
        Ok(Self {
            count: count.parse().map_err(|_| BadRateLimit)?,
            window,
            text: text.into(),
        })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_written() {
        for (text, count, seconds) in [
            ("1/minute", 1, 60),
            ("1000/hour", 1000, 3600),
            ("4294967295/day", u32::MAX, 86_400),
        ] {
            let limit: RateLimit = text.parse().expect(text);
            assert_eq!(
                (limit.count.get(), limit.window.duration().as_secs()),
                (count, seconds)
            );
            assert_eq!(limit.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_no_limits() {
        for text in [
            "",
            "1000",
            "/hour",
            "0/hour",
            "+1/hour",
            "-1/hour",
            "1.5/hour",
            "1/second",
            "1/Hour",
            "1/hours",
            "1 /hour",
            "4294967296/day",
            "1/hour/day",
        ] {
            assert_eq!(text.parse::<RateLimit>(), Err(BadRateLimit), "{text}");
        }
    }
}
