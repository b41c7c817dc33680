//! Who calls: HTTP Basic with an operator's name and secret, judged by the settings in
//! force at this request.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::State;
use super::problem::Problem;
use super::throttle::Guesser;
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
    if !headers.contains_key(AUTHORIZATION) {
        return Err(Problem::MissingCredentials);
    }
    let admitted = |now| match state.throttle.wait(guesser, now) {
        Some(wait) => Err(Problem::Throttled(wait)),
        None => Ok(()),
    };
    admitted(Instant::now())?;
    let proven = match read(headers) {
        Some(claim) => verify(state, claim, || admitted(Instant::now())).await?,
        None => None,
    };
    proven.ok_or_else(|| {
        state.throttle.failed(guesser, Instant::now());
        Problem::BadCredentials
    })
}

/// Verifies a claim against the operator of that name. `admitted` is asked again once a slow
/// verification has its turn: guesses sent all at once are counted one after the other.
async fn verify(
    state: &State,
    claim: Claim,
    admitted: impl Fn() -> Result<(), Problem>,
) -> Result<Option<Proven>, Problem> {
    let settings = state.context.settings.load_full();
    let operators = &settings.admin.operators;
    let known = operators.iter().find(|o| o.name == claim.name);
    let Some(operator) = known.or_else(|| decoy(state, operators, &claim.name)) else {
        return Ok(None);
    };
    let right = if let Digest::Slow(_) = operator.digest {
        let _turn = state.slow_check.lock().await;
        admitted()?;
        matches(state, &operator.digest, claim.secret).await?
    } else {
        matches(state, &operator.digest, claim.secret).await?
    };
    Ok(known.filter(|_| right).map(|operator| Proven {
        name: operator.name.as_str().into(),
        role: operator.role,
    }))
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

/// Whether the secret has this digest.
async fn matches(state: &State, digest: &Digest, secret: Secret) -> Result<bool, Problem> {
    let _ = state;
    match digest {
        Digest::Sha256(kept) => {
            let offered = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.expose());
            Ok(offered.as_ref().ct_eq(kept).into())
        }
        Digest::HmacSha256(_) | Digest::Slow(_) => Ok(false),
    }
}
