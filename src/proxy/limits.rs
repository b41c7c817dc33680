//! Row 6 of the table: whether there is room for the request, and what its client is told
//! of the limits that it counts towards.

use std::fmt::Write;
use std::time::Instant;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Worker;
use super::context::{Decision, Exchange};
use super::respond::Refusal;
use crate::auth::Permit;
use crate::catalog::{RateGroup, Window};
use crate::code::Code;
use crate::config::{self, RateLimitHeaders};
use crate::limit::{InFlight, Left, Standing, Taking};
use crate::telemetry::metrics::TokenLimit;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const WINDOW_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a client is told of its limits, and in which fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    standing: Standing,
    /// It was refused for want of a request in one of the windows.
    exceeded: bool,
    headers: RateLimitHeaders,
}

impl Worker {
    /// Finds room for an admitted request: over all, among its token's, and in the windows
    /// that it counts towards. The windows come last, so that what finds no room elsewhere
    /// uses none of them up. All room is given back with the exchange.
    pub(super) fn make_room(
        &self,
        limits: &config::Limits,
        permit: &Permit,
        exchange: &mut Exchange,
    ) -> Result<(), Refusal> {
        let (gate, most) = (&self.gate, limits.requests_in_flight);
        exchange.placed = self.room.enter(&gate.places, most, gate.workers);
        if !exchange.placed {
            return Err(Refusal::new(Code::Overloaded));
        }
        // A public rule has no holder whose requests could be counted.
        let Some(token) = permit.token() else {
            return Ok(());
        };
        if let Some(most) = limits.requests_in_flight_per_token {
            exchange.token_place = InFlight::enter(&gate.in_flight, token.sid, most).map(Box::new);
            if exchange.token_place.is_none() {
                self.metrics.rate_limited(TokenLimit::InFlight);
                return Err(Refusal::new(Code::RateLimited));
            }
        }
        let Some(group) = permit.rate() else {
            return Ok(());
        };
        let now = exchange.started;
        let taking = gate
            .rates
            .take(group, token, limits.rate_limit_counters, now);
        let (standing, exceeded) = match taking {
            Taking::Taken(standing) => (standing, false),
            Taking::Exceeded(standing) => (standing, true),
            Taking::Full => return Err(Refusal::new(Code::Overloaded)),
        };
        exchange.limits_told = Some(Box::new(Told {
            standing,
            exceeded,
            headers: limits.rate_limit_headers,
        }));
        if !exceeded {
            return Ok(());
        }
        self.metrics.rate_limited(TokenLimit::Rate);
        // Until then all of the windows that have none left have ended.
        let exhausted = standing.windows().filter(|left| left.remaining == 0);
        let end = exhausted.map(|left| left.ends).max().unwrap_or(now);
        let wait = end.saturating_duration_since(now);
        Err(Refusal::later(Code::RateLimited, wait))
    }
}

/// Writes the fields of the limits that a request counted towards, in the place of an
/// upstream's of the same names.
pub(super) fn tell(headers: &mut HeaderMap, exchange: &Exchange) {
    let Some(told) = &exchange.limits_told else {
        return;
    };
    let now = Instant::now();
    if told.headers.x_ratelimit
        && let Some(left) = told.standing.tightest()
    {
        headers.insert(LIMIT, left.limit.into());
        headers.insert(REMAINING, left.remaining.into());
        headers.insert(RESET, left.seconds(now).into());
    }
    if told.headers.x_ratelimit_window {
        for left in told.standing.windows() {
            let (limit, remaining) = of_window(left.window);
            headers.insert(limit, left.limit.into());
            headers.insert(remaining, left.remaining.into());
        }
        if let Some(left) = told.standing.tightest() {
            headers.insert(WINDOW_RESET, left.seconds(now).into());
        }
    }
    // The permit knows the group's name; who lost it meanwhile is told nothing of it.
    if told.headers.ietf
        && let Decision::Permit(permit) = &exchange.decision
        && let Some(group) = permit.rate()
    {
        ietf(headers, told, group, now);
    }
}

fn of_window(window: Window) -> (HeaderName, HeaderName) {
    let (limit, remaining) = match window {
        Window::Minute => ("x-ratelimit-limit-minute", "x-ratelimit-remaining-minute"),
        Window::Hour => ("x-ratelimit-limit-hour", "x-ratelimit-remaining-hour"),
        Window::Day => ("x-ratelimit-limit-day", "x-ratelimit-remaining-day"),
    };
    (
        HeaderName::from_static(limit),
        HeaderName::from_static(remaining),
    )
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11, 3 and 4):
/// lists of structured fields (RFC 9651 3.1), a policy for each window.
fn ietf(headers: &mut HeaderMap, told: &Told, group: &RateGroup, now: Instant) {
    let (mut policies, mut limits) = (String::new(), String::new());
    for left in told.standing.windows() {
        let seconds = left.window.duration().as_secs();
        push_policy(&mut policies, group, left);
        write!(policies, ";q={};w={seconds}", left.limit).expect("a String takes all");
        // Section 6: `Retry-After` is not to be earlier than a window that is told.
        if told.exceeded && left.remaining > 0 {
            continue;
        }
        push_policy(&mut limits, group, left);
        write!(limits, ";r={};t={}", left.remaining, left.seconds(now))
            .expect("a String takes all");
    }
    for (name, value) in [(RATELIMIT_POLICY, policies), (RATELIMIT, limits)] {
        let value = HeaderValue::try_from(value);
        headers.insert(name, value.expect("printable ASCII is a field's value"));
    }
}

/// A policy's name, a String (RFC 9651 3.3.3): the group's and the window's. Strings are
/// ASCII; what else a name has is told as `?`.
fn push_policy(list: &mut String, group: &RateGroup, left: &Left) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push('"');
    for character in group.name.chars() {
        match character {
            '"' | '\\' => list.extend(['\\', character]),
            ' '..='~' => list.push(character),
            _ => list.push('?'),
        }
    }
    list.push('/');
    list.push_str(left.window.as_str());
    list.push('"');
}
