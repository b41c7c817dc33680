//! What is seen from outside: life, readiness, metrics, status.

use std::sync::atomic::Ordering;

use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::State;
use super::problem::Problem;
use super::respond::Answer;
use crate::fault::{Fault, Faults};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

#[derive(Serialize)]
struct Counts {
    tokens: usize,
    enabled: usize,
    disabled: usize,
    scopes: usize,
    rules: usize,
}

#[derive(Serialize)]
struct Status {
    version: &'static str,
    started_at: String,
    revision: u64,
    ready: bool,
    counts: Counts,
    last_reload: LastReload,
    fault: Option<FaultList>,
    needs_restart: Vec<String>,
    workers: usize,
}

#[derive(Serialize)]
struct LastReload {
    at: String,
    outcome: &'static str,
}

#[derive(Serialize)]
struct FaultList {
    faults: Vec<PlacedFault>,
}

#[derive(Serialize)]
struct PlacedFault {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

#[derive(Serialize)]
struct Word {
    status: &'static str,
}

/// `GET /healthz`.
pub(super) fn health() -> Answer {
    Answer::json(StatusCode::OK, &Word { status: "ok" })
}

/// `GET /readyz`.
///
/// # Errors
/// [`Problem::NotReady`].
pub(super) fn ready(state: &State) -> Result<Answer, Problem> {
    if !is_ready(state) {
        return Err(Problem::NotReady(
            "the gate's workers are not listening: it is starting or stopping",
        ));
    }
    Ok(Answer::json(StatusCode::OK, &Word { status: "ready" }))
}

/// `GET /metrics`.
pub(super) fn metrics(state: &State) -> Answer {
    Answer::of(StatusCode::OK, OPEN_METRICS, (state.context.metrics)())
}

/// `GET /v1/status`.
pub(super) fn status(state: &State) -> Answer {
    let context = &state.context;
    let store = context.writer.status();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: context.started_at.to_string(),
        revision: store.revision.0,
        ready: is_ready(state),
        counts: Counts {
            tokens: store.tokens,
            enabled: store.enabled,
            disabled: store.disabled,
            scopes: store.scopes,
            rules: store.rules,
        },
        last_reload: LastReload {
            at: store.last_reload.at.to_string(),
            outcome: store.last_reload.outcome.as_str(),
        },
        fault: FaultList::of(context.main_faults.load().as_deref(), store.fault.as_ref()),
        needs_restart: context.needs_restart.load().to_vec(),
        workers: context.workers.get(),
    };
    Answer::json(StatusCode::OK, &status)
}

/// A snapshot is there before this API is: what else is needed is that workers listen.
fn is_ready(state: &State) -> bool {
    state.context.listening.load(Ordering::Acquire)
}

impl FaultList {
    /// All of them as one list; `None` where there is none. What the store refused while
    /// the main file was read is known to both.
    fn of(main: Option<&Faults>, store: Option<&Faults>) -> Option<Self> {
        let main = main.filter(|&main| store != Some(main));
        let faults = main.into_iter().chain(store).flat_map(|faults| &faults.0);
        let faults: Vec<PlacedFault> = faults.map(PlacedFault::from).collect();
        (!faults.is_empty()).then_some(Self { faults })
    }
}

impl From<&Fault> for PlacedFault {
    fn from(fault: &Fault) -> Self {
        Self {
            file: fault.file.display().to_string(),
            line: fault.place.map(|(line, _)| line),
            column: fault.place.map(|(_, column)| column),
            message: fault.message.clone(),
        }
    }
}
