//! The walk of mutations that wait together: applied one after the other, announced to the
//! audit, committed as one, published, told.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use tokio::sync::oneshot;

use super::record;
use super::state::WriterState;
use crate::catalog::Catalog;
use crate::snapshot::Revision;
use crate::store::CommitError;
use crate::store::mutation::{Change, FieldFault, Mutation, MutationError};
use crate::store::pair::Which;
use crate::token::{Sid, Token};

/// How often a batch begins anew because the file was edited meanwhile.
const ATTEMPTS: usize = 5;
/// How long a file that is being written is waited for.
const SETTLE: Duration = Duration::from_secs(5);
/// Between two looks whether it has settled.
const SETTLE_STEP: Duration = Duration::from_millis(20);

/// Who asks for a change, for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The operator's name.
    pub actor: String,
    /// The operator's role.
    pub role: String,
    /// Where the request came from.
    pub peer: String,
    /// The request's id.
    pub request_id: String,
}

/// Judges the token that is to be changed, as `If-Match` does.
pub type Precondition = Box<dyn Fn(&Token, &Catalog) -> bool + Send>;

/// A change that is on disk and in force.
#[derive(Clone, Debug)]
pub struct Mutated {
    /// The token as it is now; as it was last, where it is gone.
    pub token: Arc<Token>,
    /// The catalogue that it was judged by.
    pub catalog: Arc<Catalog>,
    /// Whether anything changed.
    pub changed: bool,
    /// The snapshot that has the change.
    pub revision: Revision,
}

/// Why nothing was changed, in memory or on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MutateError {
    /// 404: no token has this SID.
    #[error("there is no such token")]
    NotFound,
    /// 412: the precondition does not hold.
    #[error("the token is not as the request expects it")]
    PreconditionFailed,
    /// 409: the token has the version already.
    #[error("the token has this version already")]
    VersionReached,
    /// 409: someone edited the same token in the file at the same time.
    #[error("the token was edited in the file at the same time")]
    Conflict,
    /// 422: fields break their rules.
    #[error("fields break their rules")]
    Fields(Vec<FieldFault>),
    /// 503: the token file or the audit cannot be written, or is bad as it lies there.
    #[error("{0}")]
    Unavailable(String),
}

impl MutateError {
    /// The code of the problem that the answer and the audit name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "token_not_found",
            Self::PreconditionFailed => "precondition_failed",
            Self::VersionReached => "version_reached",
            Self::Conflict => "conflict",
            Self::Fields(_) => "invalid_fields",
            Self::Unavailable(_) => "store_unavailable",
        }
    }
}

impl From<MutationError> for MutateError {
    fn from(error: MutationError) -> Self {
        match error {
            MutationError::NotFound => Self::NotFound,
            MutationError::VersionReached => Self::VersionReached,
            MutationError::Fields(faults) => Self::Fields(faults),
            // 190 random bits: this is no chance, something is wrong with the randomness.
            MutationError::SidTaken => Self::Unavailable("the new SID is taken".to_owned()),
        }
    }
}

type Answer = oneshot::Sender<Result<Mutated, MutateError>>;

/// A mutation that waits.
pub(super) struct Request {
    pub(super) mutation: Mutation,
    pub(super) origin: Origin,
    pub(super) precondition: Option<Precondition>,
    /// Its intent is in the audit.
    pub(super) announced: bool,
    pub(super) answer: Answer,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("action", &self.mutation.action())
            .field("sid", self.mutation.subject())
            .finish_non_exhaustive()
    }
}

/// A mutation with what becomes of its token.
struct Planned {
    request: Request,
    change: Change,
}

impl WriterState {
    /// Does all mutations that wait, or refuses each with its reason, and answers.
    pub(super) fn mutate(&mut self, requests: Vec<Request>) {
        let mut waiting = requests;
        let mut by_hand = HashSet::new();
        for _ in 0..ATTEMPTS {
            let mut plan = self.plan(waiting, &by_hand);
            let changes = net_changes(&plan);
            if changes.is_empty() {
                return self.done(plan);
            }
            if let Err(error) = self.announce(&mut plan) {
                tracing::error!(%error, "the audit cannot be written, so nothing is changed");
                return self.refuse_all(plan, "the audit cannot be written");
            }
            match self.pair.commit(&changes) {
                Ok(()) => {
                    self.publish();
                    self.shared.count(&self.pair);
                    return self.done(plan);
                }
                Err(CommitError::Unavailable(why)) => {
                    tracing::error!(why, "the token file cannot be written");
                    return self.refuse_all(plan, &why);
                }
                Err(CommitError::Moved) => {
                    if let Err(why) = self.read_hand_edit(&mut by_hand) {
                        return self.refuse_all(plan, &why);
                    }
                    waiting = plan.into_iter().map(|planned| planned.request).collect();
                }
            }
        }
        let plan = self.plan(waiting, &by_hand);
        self.refuse_all(plan, "the token file is being edited all the time");
    }

    /// Applies one after the other, each to what the one before has left. What cannot be is
    /// answered at once.
    fn plan(&mut self, requests: Vec<Request>, by_hand: &HashSet<Sid>) -> Vec<Planned> {
        let now = now();
        let mut tokens = self.pair.tokens.clone();
        let mut plan = Vec::with_capacity(requests.len());
        let mut refused = Vec::new();
        for request in requests {
            let catalog = self.pair.catalog();
            let subject = request.mutation.subject();
            let token = tokens.find(subject.as_bytes());
            let holds = match (&request.precondition, token) {
                (Some(holds), Some(token)) => holds(token, catalog),
                _ => true,
            };
            let applied = if by_hand.contains(subject) {
                Err(MutateError::Conflict)
            } else if !holds {
                Err(MutateError::PreconditionFailed)
            } else {
                let applied = request.mutation.apply(&tokens, catalog, now);
                applied.map_err(MutateError::from)
            };
            match applied {
                Ok(change) => {
                    if !change.is_empty() {
                        tokens = tokens.with([(change.sid, change.after.clone())]);
                    }
                    plan.push(Planned { request, change });
                }
                Err(error) => refused.push((request, error)),
            }
        }
        let records = refused.iter().map(|(request, error)| {
            let mutation = &request.mutation;
            let (action, sid) = (mutation.action(), Some(mutation.subject()));
            record::outcome(&request.origin, action, sid, Err(error))
        });
        let records = records.collect();
        self.tell_audit(records);
        for (request, error) in refused {
            // Who asked may have gone.
            let _ = request.answer.send(Err(error));
        }
        plan
    }

    /// Writes down what is about to be done. Nothing is done unless that is on disk.
    fn announce(&mut self, plan: &mut [Planned]) -> std::io::Result<()> {
        let Some(audit) = &mut self.audit else {
            return Ok(());
        };
        let now = Timestamp::now();
        let catalog = self.pair.catalog();
        let new = plan.iter().filter(|planned| !planned.request.announced);
        let intents = new.map(|Planned { request, change }| {
            let action = request.mutation.action();
            record::intent(&request.origin, action, change, catalog, now)
        });
        audit.append(&intents.collect::<Vec<_>>())?;
        for planned in plan {
            planned.request.announced = true;
        }
        Ok(())
    }

    fn done(&mut self, plan: Vec<Planned>) {
        let records = plan.iter().map(|Planned { request, change }| {
            let action = request.mutation.action();
            record::outcome(&request.origin, action, Some(&change.sid), Ok(()))
        });
        let records = records.collect();
        self.tell_audit(records);
        let (catalog, revision) = (Arc::clone(self.pair.catalog()), self.pair.revision());
        for Planned { request, change } in plan {
            let changed = !change.is_empty();
            let Some(token) = change.after.or(change.before) else {
                continue; // a change has one or the other
            };
            let mutated = Mutated {
                token,
                catalog: Arc::clone(&catalog),
                changed,
                revision,
            };
            let _ = request.answer.send(Ok(mutated));
        }
    }

    fn refuse_all(&mut self, plan: Vec<Planned>, why: &str) {
        let error = MutateError::Unavailable(why.to_owned());
        let records = plan.iter().map(|Planned { request, change }| {
            let action = request.mutation.action();
            record::outcome(&request.origin, action, Some(&change.sid), Err(&error))
        });
        let records = records.collect();
        self.tell_audit(records);
        for planned in plan {
            let _ = planned.request.answer.send(Err(error.clone()));
        }
    }

    /// Reads what someone else has put into the file, when it has settled, and puts it in
    /// force.
    fn read_hand_edit(&mut self, by_hand: &mut HashSet<Sid>) -> Result<(), String> {
        let sources = self.pair.sources().clone();
        let tokens = &sources.files.tokens;
        if let Some(watch) = &self.watch {
            let before = Instant::now();
            while tokens.exists() && !watch.is_settled(tokens) {
                if before.elapsed() > SETTLE {
                    return Err("the token file is being written".to_owned());
                }
                std::thread::sleep(SETTLE_STEP);
            }
        }
        let which = Which {
            catalog: self
                .watch
                .as_ref()
                .is_none_or(|watch| watch.is_settled(&sources.files.catalog)),
            tokens: true,
        };
        match self.pair.look(sources, which) {
            Ok(next) => {
                by_hand.extend(self.take(next));
                Ok(())
            }
            Err(faults) => {
                self.shared.refuse(&faults);
                Err("the token file is bad as it lies there".to_owned())
            }
        }
    }
}

/// What a plan changes in all: of several changes to one token, from the first state to the
/// last.
fn net_changes(plan: &[Planned]) -> Vec<Change> {
    let mut net: Vec<Change> = Vec::new();
    let mut places: HashMap<Sid, usize> = HashMap::new();
    for Planned { change, .. } in plan {
        match places.get(&change.sid).and_then(|&at| net.get_mut(at)) {
            Some(earlier) => earlier.after.clone_from(&change.after),
            None => {
                places.insert(change.sid, net.len());
                net.push(change.clone());
            }
        }
    }
    net.retain(|change| !change.is_empty());
    net
}

/// The time of a change: to the millisecond, so that it reads well in the file.
fn now() -> Timestamp {
    let now = Timestamp::now();
    let rounded = now.round(
        TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(RoundMode::Trunc),
    );
    rounded.unwrap_or(now)
}
