//! `GET /v1/tokens`: filters, and pages that stay right while tokens change.
//!
//! A page begins after the last token of the one before, not after a count: whatever is
//! created or deleted between two pages, no token comes twice and none is left out that
//! was there all the while. Newest first; tokens without a creation time come last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::State as Admin;
use super::exchange::Exchange;
use super::problem::Problem;
use super::query::Query;
use super::respond::Answer;
use super::view::TokenView;
use crate::snapshot::Snapshot;
use crate::token::{Sid, State, Token};

/// Tokens on a page, unless the query says otherwise.
const PAGE: usize = 100;
/// The most that it may say.
const PAGE_MAX: usize = 1000;

/// A query that has been understood.
#[derive(Clone, Debug)]
struct Listing {
    filter: Filter,
    limit: usize,
    /// The moment that ages are counted to: that of the first page.
    now: Timestamp,
    after: Option<Position>,
}

/// Which tokens are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Filter {
    /// In lower case.
    name: String,
    created: Option<Created>,
    state: Option<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Created {
    LastWeek,
    LastMonth,
    Older,
}

/// Where a token stands in the list. Smaller is earlier.
type Position = (Reverse<Option<i128>>, Sid);

/// A page, as the answer shows it.
#[derive(Serialize)]
struct Page<'a> {
    tokens: Vec<TokenView<'a>>,
    total: usize,
    next_cursor: Option<String>,
}

/// `GET /v1/tokens`. The walk over a large table is not done on the runtime, where other
/// operators wait.
///
/// # Errors
/// [`Problem::BadQuery`], [`Problem::InvalidFields`], [`Problem::CursorMismatch`].
pub(super) async fn list(state: &Admin, exchange: &Exchange) -> Result<Answer, Problem> {
    let listing = Listing::parse(exchange.head.uri.query(), Timestamp::now())?;
    let snapshot = state.snapshot();
    let work = move || Answer::json(StatusCode::OK, &listing.page(&snapshot));
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Problem::Internal)
}

impl Listing {
    /// Reads the parameters.
    ///
    /// # Errors
    /// As [`list`].
    fn parse(query: Option<&str>, now: Timestamp) -> Result<Self, Problem> {
        let mut query = Query::parse(query)?;
        let name = query.take("name").unwrap_or_default();
        let created = match query.take("created").as_deref() {
            None => None,
            Some("last-7-days") => Some(Created::LastWeek),
            Some("last-30-days") => Some(Created::LastMonth),
            Some("over-30-days") => Some(Created::Older),
            Some(_) => {
                query.fault(
                    "created",
                    "must be last-7-days, last-30-days or over-30-days",
                );
                None
            }
        };
        let state = match query.take("state").as_deref() {
            None => None,
            Some("enabled") => Some(State::Enabled),
            Some("disabled") => Some(State::Disabled),
            Some(_) => {
                query.fault("state", "must be enabled or disabled");
                None
            }
        };
        let limit = query.number("limit", 1, PAGE_MAX).unwrap_or(PAGE);
        let mut listing = Self {
            filter: Filter {
                name: name.to_lowercase(),
                created,
                state,
            },
            limit,
            now,
            after: None,
        };
        let cursor = query.take("cursor");
        if cursor
            .as_deref()
            .is_some_and(|text| !Cursor::is_formed(text))
        {
            query.fault("cursor", "is not a cursor of this API");
        }
        query.finish()?;
        if let Some(text) = cursor {
            let cursor = Cursor::decode(&text)
                .filter(|cursor| cursor.filter == listing.filter.fingerprint())
                .ok_or(Problem::CursorMismatch)?;
            listing.now = cursor.now;
            listing.after = Some(cursor.last);
        }
        Ok(listing)
    }

    /// The page that was asked for. Walks every token once and keeps as many as fit on the
    /// page.
    fn page<'a>(&self, snapshot: &'a Snapshot) -> Page<'a> {
        let mut total = 0;
        // The page's tokens so far, the last of them on top; one more tells of a next page.
        let mut first: BinaryHeap<(Position, usize)> = BinaryHeap::new();
        let mut kept: Vec<&'a Arc<Token>> = Vec::new();
        for token in snapshot.tokens.iter() {
            if !self.filter.matches(token, self.now) {
                continue;
            }
            total += 1;
            let position = position(token);
            if self.after.is_some_and(|after| position <= after) {
                continue;
            }
            if first.len() <= self.limit {
                first.push((position, kept.len()));
                kept.push(token);
            } else if let Some(mut last) = first.peek_mut()
                && position < last.0
                && let Some(place) = kept.get_mut(last.1)
            {
                *place = token;
                last.0 = position;
            }
        }
        let mut ordered = first.into_sorted_vec();
        let more = ordered.len() > self.limit;
        ordered.truncate(self.limit);
        let last = ordered.last().map(|(position, _)| *position);
        let tokens = ordered
            .iter()
            .filter_map(|(_, at)| kept.get(*at))
            .map(|token| TokenView::new(token, &snapshot.catalog));
        Page {
            tokens: tokens.collect(),
            total,
            next_cursor: last.filter(|_| more).map(|last| {
                let cursor = Cursor {
                    filter: self.filter.fingerprint(),
                    now: self.now,
                    last,
                };
                cursor.encode()
            }),
        }
    }
}

fn position(token: &Token) -> Position {
    let created = token.texts.created_at.map(Timestamp::as_nanosecond);
    (Reverse(created), token.sid)
}

impl Filter {
    fn matches(&self, token: &Token, now: Timestamp) -> bool {
        let state = self.state.is_none_or(|state| state == token.state);
        state
            && self.created.is_none_or(|created| {
                let age = token.texts.created_at.map(|at| now.duration_since(at));
                created.holds(age)
            })
            && (self.name.is_empty() || token.texts.name.to_lowercase().contains(&self.name))
    }

    /// Tells one filter from another, in a cursor.
    fn fingerprint(&self) -> [u8; 8] {
        let state = self.state.map(State::as_str);
        let text = format!("{:?} {:?} {:?}", self.name, self.created, state);
        let hash = digest(&SHA256, text.as_bytes());
        let first = hash.as_ref().first_chunk();
        *first.expect("SHA-256 gives 32 bytes")
    }
}

impl Created {
    /// Whether a token of this age is meant; no known age is over 30 days.
    fn holds(self, age: Option<SignedDuration>) -> bool {
        let within =
            |days: i64| age.is_some_and(|age| age <= SignedDuration::from_hours(24 * days));
        match self {
            Self::LastWeek => within(7),
            Self::LastMonth => within(30),
            Self::Older => !within(30),
        }
    }
}

/// Where the next page begins. Clients hand it back as it is.
#[derive(Debug, PartialEq, Eq)]
struct Cursor {
    filter: [u8; 8],
    now: Timestamp,
    last: Position,
}

impl Cursor {
    /// The filter's fingerprint, both times in nanoseconds (the least number for none), and
    /// the SID.
    fn encode(&self) -> String {
        let (Reverse(created), sid) = self.last;
        let mut bytes = self.filter.to_vec();
        bytes.extend(self.now.as_nanosecond().to_be_bytes());
        bytes.extend(created.unwrap_or(i128::MIN).to_be_bytes());
        bytes.extend(sid.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether a text could be a cursor at all.
    fn is_formed(text: &str) -> bool {
        let alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        // From 41 to 104 bytes in base64.
        (55..=139).contains(&text.len()) && text.bytes().all(alphabet)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (filter, rest) = bytes.split_first_chunk()?;
        let (now, rest) = rest.split_first_chunk()?;
        let (created, sid) = rest.split_first_chunk()?;
        let now = Timestamp::from_nanosecond(i128::from_be_bytes(*now)).ok()?;
        let created = Some(i128::from_be_bytes(*created)).filter(|&at| at != i128::MIN);
        Some(Self {
            filter: *filter,
            now,
            last: (Reverse(created), Sid::parse(sid).ok()?),
        })
    }
}

#[cfg(test)]
mod tests;
