//! Who calls: HTTP Basic with an operator's name and secret, judged by the settings in
//! force at this request.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;

use super::State;
use super::problem::Problem;
use super::throttle::{ALLOWANCE, Guesser};
use crate::config::{Operator, Role};
use crate::token::{Digest, Secret};

/// The longest `Authorization` that is decoded.
const MAX_VALUE: usize = 2048;

/// An operator whose secret was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proven {
    /// The name, for records.
    pub(super) name: Arc<str>,
    /// What may be done.
    pub(super) role: Role,
}

/// Lets one slow verification run at a time for each guesser; a few guessers share one.
#[derive(Debug)]
pub(super) struct Turns {
    stripes: Box<[Mutex<()>]>,
    hasher: RandomState,
}

/// A name and what was offered as its secret.
struct Claim {
    name: String,
    secret: Secret,
}

/// Proves an operator. An unknown name and a wrong secret are the same answer, after the
/// same work.
///
/// # Errors
/// [`Problem::MissingCredentials`], [`Problem::BadCredentials`], [`Problem::Throttled`],
/// [`Problem::Overloaded`].
pub(super) async fn prove(
    state: &State,
    guesser: Guesser,
    headers: &HeaderMap,
) -> Result<Proven, Problem> {
    let proven = judge(state, guesser, headers).await;
    if proven.is_err() {
        state.context.strangers.fetch_add(1, Ordering::Relaxed);
    }
    proven
}

async fn judge(state: &State, guesser: Guesser, headers: &HeaderMap) -> Result<Proven, Problem> {
    if !headers.contains_key(AUTHORIZATION) {
        return Err(Problem::MissingCredentials);
    }
    admitted(state, guesser)?;
    let proven = match read(headers) {
        Some(claim) => verify(state, guesser, claim).await?,
        None => None,
    };
    proven.ok_or_else(|| {
        let now = Instant::now();
        state.guesses.failed(&guesser, None, ALLOWANCE, now);
        Problem::BadCredentials
    })
}

/// Refuses who has guessed wrong too often.
fn admitted(state: &State, guesser: Guesser) -> Result<(), Problem> {
    match state
        .guesses
        .wait(&guesser, None, ALLOWANCE, Instant::now())
    {
        Some(wait) => Err(Problem::Throttled(wait)),
        None => Ok(()),
    }
}

/// Verifies a claim against the operator of that name.
async fn verify(state: &State, guesser: Guesser, claim: Claim) -> Result<Option<Proven>, Problem> {
    let settings = state.context.settings.load_full();
    let operators = &settings.admin.operators;
    let known = operators.iter().find(|o| o.name == claim.name);
    let Some(operator) = known.or_else(|| decoy(state, operators, &claim.name)) else {
        return Ok(None);
    };
    // Guesses that are slow to judge and come all at once are judged, and counted, one
    // after the other.
    let _turn = match operator.digest {
        Digest::Slow(_) => Some(state.slow_checks.turn(guesser).await),
        Digest::Sha256(_) | Digest::HmacSha256(_) => None,
    };
    admitted(state, guesser)?;
    let keys = state.context.keys.load_full();
    let right = state
        .context
        .verifier
        .verify_digest(&keys, &operator.digest, &claim.secret)
        .await
        .map_err(|_| Problem::Overloaded)?;
    Ok(known.filter(|_| right).map(|operator| Proven {
        name: operator.name.as_str().into(),
        role: operator.role,
    }))
}

impl Turns {
    async fn turn(&self, guesser: Guesser) -> Option<MutexGuard<'_, ()>> {
        let count = u64::try_from(self.stripes.len()).ok()?;
        let at = self.hasher.hash_one(guesser).checked_rem(count)?;
        let stripe = self.stripes.get(usize::try_from(at).ok()?)?;
        Some(stripe.lock().await)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            stripes: std::iter::repeat_with(Mutex::default).take(64).collect(),
            hasher: RandomState::new(),
        }
    }
}

/// The operator whose digest an unknown name is verified against, in vain: the same one
/// each time for one name, so that neither the time of an answer nor a change of it tells
/// which names are known.
fn decoy<'o>(state: &State, operators: &'o [Operator], name: &str) -> Option<&'o Operator> {
    let count = u64::try_from(operators.len()).ok()?;
    let at = state.names_hasher.hash_one(name).checked_rem(count)?;
    operators.get(usize::try_from(at).ok()?)
}

/// The claim of a request: `Basic`, one or more spaces, canonical padded base64 of a name
/// without colon, a colon and a secret, no control character in either (RFC 7617 section 2).
fn read(headers: &HeaderMap) -> Option<Claim> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let value = value.as_bytes();
    let (scheme, rest) = value.split_at_checked(b"Basic ".len())?;
    if value.len() > MAX_VALUE || !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let start = rest.iter().position(|&byte| byte != b' ')?;
    let decoded = Zeroizing::new(STANDARD.decode(rest.get(start..)?).ok()?);
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    let (name, secret) = decoded.split_at_checked(colon)?;
    let secret = secret.get(1..)?;
    if secret.is_empty() || decoded.iter().any(u8::is_ascii_control) {
        return None;
    }
    Some(Claim {
        name: std::str::from_utf8(name).ok()?.to_owned(),
        secret: Secret::new(secret.to_vec()),
    })
}
