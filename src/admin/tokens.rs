//! One token: shown and changed.

use http::StatusCode;
use http::header::ETAG;

use super::State;
use super::problem::Problem;
use super::respond::Answer;
use super::view::{TokenView, etag_value};

/// `GET /v1/tokens/{sid}`.
///
/// # Errors
/// [`Problem::TokenNotFound`].
pub(super) fn show(state: &State, sid: &str) -> Result<Answer, Problem> {
    let snapshot = state.snapshot();
    let token = snapshot.tokens.find(sid.as_bytes());
    let token = token.ok_or(Problem::TokenNotFound)?;
    let view = TokenView::new(token, &snapshot.catalog);
    let etag = etag_value(token, &snapshot.catalog);
    Ok(Answer::json(StatusCode::OK, &view).with(ETAG, etag))
}
