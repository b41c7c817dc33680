//! `POST /v1/tokens/{sid}/reveal`: an auth token shown again, where sealing is configured.

use http::StatusCode;
use serde::Serialize;

use super::State;
use super::exchange::Exchange;
use super::problem::Problem;
use super::respond::Answer;
use crate::token::seal::SealingKeys;
use crate::token::{Secret, Token};

#[derive(Serialize)]
struct Revealed<'a> {
    sid: &'a str,
    auth_token: &'a str,
}

/// Shows the auth token of a token. Unless that is in the audit, it is not done.
///
/// # Errors
/// [`Problem::TokenNotFound`]; [`Problem::Conflict`] `not_sealed` where there is nothing to
/// show; [`Problem::StoreUnavailable`] where it cannot be recorded.
pub(super) async fn reveal(
    state: &State,
    exchange: &mut Exchange,
    sid: &str,
) -> Result<Answer, Problem> {
    exchange.body().await?.finish()?;
    let snapshot = state.snapshot();
    let token = snapshot.tokens.find(sid.as_bytes());
    let token = token.ok_or(Problem::TokenNotFound)?;
    let keys = state.context.seals.load_full();
    let keys = keys.ok_or_else(|| not_sealed("no sealing keys are configured"))?;
    let auth_token = open(state, &keys, token).await?;
    let shown = std::str::from_utf8(auth_token.expose()).map_err(|_| Problem::Internal)?;
    let origin = exchange.origin();
    let writer = &state.context.writer;
    writer
        .record(&origin, "reveal", Some(&token.sid), "done")
        .await?;
    let revealed = Revealed {
        sid: token.sid.as_str(),
        auth_token: shown,
    };
    Ok(Answer::secret(StatusCode::OK, &revealed))
}

/// Opens a token's seal. What it holds must be what the token is verified against: a digest
/// edited by hand leaves a seal behind that is of no use.
async fn open(state: &State, keys: &SealingKeys, token: &Token) -> Result<Secret, Problem> {
    let seal = token.texts.sealed.as_deref();
    let seal = seal.ok_or_else(|| not_sealed("the auth token of this token is not sealed"))?;
    let opened = keys.open(&token.sid, seal);
    let opened = opened.map_err(|error| not_sealed(&error.to_string()))?;
    let digests = state.context.keys.load_full();
    let current = state
        .context
        .verifier
        .verify_digest(&digests, &token.digest, &opened)
        .await
        .map_err(|_| Problem::Overloaded)?;
    if !current {
        return Err(not_sealed("the seal is not of this token's auth token"));
    }
    Ok(opened)
}

fn not_sealed(why: &str) -> Problem {
    Problem::Conflict("not_sealed", why.to_owned())
}
