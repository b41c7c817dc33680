//! One token: made, shown, changed, taken away.

use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};

use super::State;
use super::body::{Body, Field};
use super::commit::{self, commit};
use super::exchange::Exchange;
use super::problem::Problem;
use super::respond::Answer;
use super::view::{TokenView, etag_value};
use super::{fields, idempotency, upgrade};
use crate::catalog::Catalog;
use crate::store::Mutated;
use crate::store::mutation::{Kept, Mutation};
use crate::token::{AuthToken, Sid, Token};

/// `GET /v1/tokens/{sid}`.
///
/// # Errors
/// [`Problem::TokenNotFound`].
pub(super) fn show(state: &State, sid: &str) -> Result<Answer, Problem> {
    let snapshot = state.snapshot();
    let token = snapshot.tokens.find(sid.as_bytes());
    let token = token.ok_or(Problem::TokenNotFound)?;
    Ok(view(StatusCode::OK, token, &snapshot.catalog, None))
}

/// `POST /v1/tokens`.
///
/// # Errors
/// What is wrong with the body, and what the store has against it.
pub(super) async fn create(state: &State, exchange: &mut Exchange) -> Result<Answer, Problem> {
    let bytes = exchange.bytes().await?;
    let work = async {
        let snapshot = state.snapshot();
        let mut body = Body::parse(&bytes)?;
        let sid = new_sid(state)?;
        let (auth_token, kept) = new_auth_token(state, &sid)?;
        let fields = fields::new_token(&mut body);
        let mutation = Mutation::Create { sid, kept, fields };
        fields::judged(body, &commit::preview(&mutation, &snapshot))?;
        made(state, exchange, mutation, &auth_token).await
    };
    idempotency::once(state, exchange, &bytes, work).await
}

/// `POST /v1/tokens/{sid}/duplicate`.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what the store has against it.
pub(super) async fn duplicate(
    state: &State,
    exchange: &mut Exchange,
    of: &str,
) -> Result<Answer, Problem> {
    let bytes = exchange.bytes().await?;
    let work = async {
        Body::parse(&bytes)?.finish()?;
        let of = parse(of)?;
        let sid = new_sid(state)?;
        let (auth_token, kept) = new_auth_token(state, &sid)?;
        let mutation = Mutation::Duplicate { of, sid, kept };
        made(state, exchange, mutation, &auth_token).await
    };
    idempotency::once(state, exchange, &bytes, work).await
}

/// `POST /v1/tokens/{sid}/reset`.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what the store has against it.
pub(super) async fn reset(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    let bytes = exchange.bytes().await?;
    let work = async {
        Body::parse(&bytes)?.finish()?;
        let sid = parse(sid)?;
        let (auth_token, kept) = new_auth_token(state, &sid)?;
        let reset = commit(state, exchange, Mutation::Reset { sid, kept }).await?;
        Ok(shown(StatusCode::OK, &reset, Some(&auth_token)))
    };
    idempotency::once(state, exchange, &bytes, work).await
}

/// `PATCH /v1/tokens/{sid}`.
///
/// # Errors
/// What is wrong with the body, [`Problem::TokenNotFound`], [`Problem::PreconditionFailed`],
/// and what the store has against it.
pub(super) async fn edit(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    let snapshot = state.snapshot();
    let bytes = exchange.bytes().await?;
    if bytes.is_empty() {
        return Err(Problem::BadJson("a merge patch is needed".into()));
    }
    let mut body = Body::parse(&bytes)?;
    let mutation = Mutation::Edit(parse(sid)?, fields::patch(&mut body));
    fields::judged(body, &commit::preview(&mutation, &snapshot))?;
    change(state, exchange, mutation).await
}

/// `POST /v1/tokens/{sid}/upgrade`; with `dry_run` it is told what would change, and nothing
/// does.
///
/// # Errors
/// What is wrong with the body, [`Problem::TokenNotFound`], [`Problem::Conflict`] where the
/// token has the version already, and what the store has against it.
pub(super) async fn upgrade(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    let snapshot = state.snapshot();
    let mut body = exchange.body().await?;
    let version = match body.text("version") {
        Field::Absent | Field::Null => None,
        Field::Value(version) => Some(version),
    };
    let dry_run = body.flag("dry_run");
    let mutation = Mutation::Upgrade(parse(sid)?, version);
    let preview = commit::preview(&mutation, &snapshot);
    fields::judged(body, &preview)?;
    if dry_run {
        return upgrade::tell(exchange, snapshot, preview).await;
    }
    change(state, exchange, mutation).await
}

/// `POST /v1/tokens/{sid}/enable`.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what the store has against it.
pub(super) async fn enable(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    exchange.body().await?.finish()?;
    change(state, exchange, Mutation::Enable(parse(sid)?)).await
}

/// `POST /v1/tokens/{sid}/disable`.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what the store has against it.
pub(super) async fn disable(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    exchange.body().await?.finish()?;
    change(state, exchange, Mutation::Disable(parse(sid)?)).await
}

/// `DELETE /v1/tokens/{sid}`.
///
/// # Errors
/// [`Problem::TokenNotFound`], and what the store has against it.
pub(super) async fn delete(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    exchange.body().await?.finish()?;
    commit(state, exchange, Mutation::Delete(parse(sid)?)).await?;
    Ok(Answer::empty())
}

/// Commits a change of a token that stays, and shows it.
async fn change(state: &State, exchange: &Exchange, mutation: Mutation) -> Result<Answer, Problem> {
    let changed = commit(state, exchange, mutation).await?;
    Ok(shown(StatusCode::OK, &changed, None))
}

/// Commits a new token, and shows it with its auth token: 201.
async fn made(
    state: &State,
    exchange: &Exchange,
    mutation: Mutation,
    auth_token: &AuthToken,
) -> Result<Answer, Problem> {
    let made = commit(state, exchange, mutation).await?;
    let location = format!("/v1/tokens/{}", made.token.sid);
    let location = HeaderValue::from_str(&location).map_err(|_| Problem::Internal)?;
    let answer = shown(StatusCode::CREATED, &made, Some(auth_token));
    Ok(answer.with(LOCATION, location))
}

fn new_sid(state: &State) -> Result<Sid, Problem> {
    let settings = state.context.settings.load();
    Sid::generate(&settings.secrets.sid_prefix).map_err(|_| Problem::Internal)
}

/// A new auth token, and what is kept of it.
fn new_auth_token(state: &State, sid: &Sid) -> Result<(AuthToken, Kept), Problem> {
    let auth_token = AuthToken::generate();
    // Sealing that is asked for and fails is no reason to do without.
    let seals = state.context.seals.load();
    let sealed = seals
        .as_ref()
        .map(|keys| keys.seal(sid, auth_token.secret()));
    let sealed = sealed.transpose().map_err(|_| Problem::Internal)?;
    let digest = state.context.keys.load().digest(auth_token.secret());
    Ok((auth_token, Kept { digest, sealed }))
}

/// The SID of a path. A text that is no SID is no token's.
fn parse(sid: &str) -> Result<Sid, Problem> {
    Sid::parse(sid.as_bytes()).map_err(|_| Problem::TokenNotFound)
}

/// A token as a change has left it.
fn shown(status: StatusCode, mutated: &Mutated, auth_token: Option<&AuthToken>) -> Answer {
    view(status, &mutated.token, &mutated.catalog, auth_token)
}

fn view(
    status: StatusCode,
    token: &Token,
    catalog: &Catalog,
    auth_token: Option<&AuthToken>,
) -> Answer {
    let mut view = TokenView::new(token, catalog);
    let answer = match auth_token {
        None => Answer::json(status, &view),
        Some(auth_token) => {
            view = view.with_auth_token(auth_token.expose());
            Answer::secret(status, &view)
        }
    };
    answer.with(ETAG, etag_value(token, catalog))
}
