//! The one way from a call to the store's writer, and from its refusals to problems.

use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::State;
use super::exchange::Exchange;
use super::precondition;
use super::problem::{FieldFault, Problem};
use super::view::etag;
use crate::snapshot::Snapshot;
use crate::store::mutation::{Change, Mutation, MutationError};
use crate::store::{MutateError, Mutated, Precondition};

/// What becomes of a mutation by the tokens in force, so that its faults can be told along
/// with those of the body.
///
/// # Errors
/// As [`Mutation::apply`].
pub(super) fn preview(mutation: &Mutation, snapshot: &Snapshot) -> Result<Change, MutationError> {
    mutation.apply(&snapshot.tokens, &snapshot.catalog, Timestamp::now())
}

/// Makes a change. When this returns it is on disk, in the audit and in force; `If-Match` was
/// judged at the moment of the change.
///
/// # Errors
/// [`Problem::BadHeader`], and what the writer has against it; nothing has changed.
pub(super) async fn commit(
    state: &State,
    exchange: &Exchange,
    mutation: Mutation,
) -> Result<Mutated, Problem> {
    let if_match = precondition::if_match(&exchange.head.headers)?;
    let holds = if_match.map(|if_match| -> Precondition {
        Box::new(move |token, catalog| if_match.holds(&etag(token, catalog)))
    });
    exchange.recorded.store(true, Ordering::Relaxed);
    let writer = &state.context.writer;
    let mutated = writer.mutate(mutation, exchange.origin(), holds).await?;
    tracing::info!(
        request_id = %exchange.id,
        operator = &*exchange.operator.name,
        method = %exchange.head.method,
        sid = %mutated.token.sid,
        changed = mutated.changed,
        revision = mutated.revision.0,
        "an operator's change is in force"
    );
    Ok(mutated)
}

impl From<MutateError> for Problem {
    fn from(error: MutateError) -> Self {
        let (code, told) = (error.code(), error.to_string());
        match error {
            MutateError::NotFound => Self::TokenNotFound,
            MutateError::PreconditionFailed => Self::PreconditionFailed,
            MutateError::VersionReached | MutateError::Conflict => Self::Conflict(code, told),
            MutateError::Fields(faults) => {
                let faults = faults.into_iter();
                let faults = faults.map(|fault| FieldFault::new(fault.field, fault.message));
                Self::InvalidFields(faults.collect())
            }
            MutateError::Unavailable(_) => Self::StoreUnavailable(told),
        }
    }
}
