//! The operators' side: an API of its own listener, thread and runtime, so that neither
//! side slows the other.
//!
//! | method and path | role | answers |
//! | --- | --- | --- |
//! | `GET /healthz` | anyone | 200: the process lives |
//! | `GET /readyz` | anyone | 200 when requests are served, 503 `not_ready` before and while stopping |
//! | `GET /metrics` | viewer | OpenMetrics text |
//! | `GET /openapi.json` | viewer | this API as OpenAPI 3.1 |
//! | `GET /v1/status` | viewer | revision, counts, last load and its faults |
//! | `GET /v1/catalog` | viewer | versions, categories, scopes, rules |
//! | `POST /v1/explain` | viewer | what would become of a request, and why |
//! | `GET /v1/tokens` | viewer | a page of the tokens that a filter names |
//! | `POST /v1/tokens` | implementation-specialist | makes a token, shows its auth token |
//! | `GET /v1/tokens/{sid}` | viewer | one token and its `ETag` |
//! | `PATCH /v1/tokens/{sid}` | implementation-specialist | changes fields |
//! | `DELETE /v1/tokens/{sid}` | implementation-specialist | takes a token away for good |
//! | `POST /v1/tokens/{sid}/duplicate` | implementation-specialist | makes a token with the same rights |
//! | `POST /v1/tokens/{sid}/reset` | implementation-specialist | gives it another auth token |
//! | `POST /v1/tokens/{sid}/upgrade` | implementation-specialist | raises its version, or tells what that would change |
//! | `POST /v1/tokens/{sid}/enable` | implementation-specialist | enables it |
//! | `POST /v1/tokens/{sid}/disable` | implementation-specialist | disables it |
//! | `POST /v1/tokens/{sid}/reveal` | administrator | shows its auth token, where that is sealed |
//! | `GET /v1/audit` | administrator | who did what when, newest first |
//!
//! A request's walk: `connection` accepts and speaks HTTP; `exchange` raises the walls, proves
//! the operator, compares the role; `endpoint` is the list of calls; one file for each
//! group of calls does them; `problem` and `respond` give answers their form.

mod audit;
mod body;
mod catalog;
mod commit;
mod connection;
mod endpoint;
mod exchange;
mod explain;
mod fields;
mod idempotency;
mod json;
mod list;
mod listener;
mod monitoring;
mod openapi;
mod operator;
mod precondition;
mod problem;
mod query;
mod respond;
mod reveal;
mod throttle;
mod tokens;
mod upgrade;
mod view;
mod walls;

use std::collections::hash_map::RandomState;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;

pub use connection::{run, serve};
pub use listener::{AdminListener, SocketFile};

use self::endpoint::Call;
use self::exchange::Exchange;
use self::problem::Problem;
use self::respond::Answer;
use crate::auth::Keys;
use crate::config::Settings;
use crate::fault::Faults;
use crate::limit::{Guesses, Verifier};
use crate::snapshot::Snapshot;
use crate::store::Writer;
use crate::token::seal::SealingKeys;

/// Gives the TLS configuration in force; asked at each handshake.
pub type Tls = Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>;

/// What the admin API reads and acts on.
pub struct Context {
    /// The settings in force, read at each request: operators, hosts, grace.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Tokens and catalogue in force, and the way to change them.
    pub writer: Writer,
    /// Verifies operators' bcrypt and argon2id digests; not the gate's, so that those who
    /// guess there keep no operator waiting.
    pub verifier: Verifier,
    /// The key of operators' `hmac-sha256:` digests.
    pub keys: Arc<ArcSwap<Keys>>,
    /// Seals new auth tokens and opens sealed ones, where that is configured.
    pub seals: Arc<ArcSwapOption<SealingKeys>>,
    /// The audit's file, where there is one.
    pub audit: Option<PathBuf>,
    /// TLS, where the listener speaks it.
    pub tls: Option<Tls>,
    /// The text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Counts calls that were refused for want of an operator's credentials.
    pub strangers: Arc<AtomicU64>,
    /// True from when every worker listens until the stop begins.
    pub listening: Arc<AtomicBool>,
    /// What has changed in the main file and waits for a restart, by key.
    pub needs_restart: Arc<ArcSwap<Vec<String>>>,
    /// What is wrong with the main file or with one that it names, apart from the store's.
    pub main_faults: Arc<ArcSwapOption<Faults>>,
    /// When the process started.
    pub started_at: Timestamp,
    /// Worker threads of the gate.
    pub workers: NonZeroUsize,
}

/// The context and what the API itself remembers.
struct State {
    context: Arc<Context>,
    /// Wrong credentials of each peer.
    guesses: Guesses,
    /// Whose slow digest is being verified.
    slow_checks: operator::Turns,
    /// Answers that keyed calls had.
    replays: idempotency::Replays,
    /// Picks the digest that an unknown name is compared with.
    names_hasher: RandomState,
}

impl State {
    /// Tokens and catalogue in force, for as long as an answer is made.
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.context.writer.snapshot().load())
    }

    fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            guesses: Guesses::default(),
            slow_checks: operator::Turns::default(),
            replays: idempotency::Replays::default(),
            names_hasher: RandomState::new(),
        }
    }
}

/// Does a call.
async fn call(state: &State, call: Call<'_>, exchange: &mut Exchange) -> Result<Answer, Problem> {
    match call {
        Call::Metrics => Ok(monitoring::metrics(state)),
        Call::OpenApi => Ok(openapi::show(state)),
        Call::Status => Ok(monitoring::status(state)),
        Call::Catalog => Ok(catalog::show(state)),
        Call::Explain => explain::explain(state, exchange).await,
        Call::List => list::list(state, exchange).await,
        Call::Create => tokens::create(state, exchange).await,
        Call::Show(sid) => tokens::show(state, sid),
        Call::Edit(sid) => tokens::edit(state, exchange, sid).await,
        Call::Delete(sid) => tokens::delete(state, exchange, sid).await,
        Call::Duplicate(sid) => tokens::duplicate(state, exchange, sid).await,
        Call::Reset(sid) => tokens::reset(state, exchange, sid).await,
        Call::Upgrade(sid) => tokens::upgrade(state, exchange, sid).await,
        Call::Enable(sid) => tokens::enable(state, exchange, sid).await,
        Call::Disable(sid) => tokens::disable(state, exchange, sid).await,
        Call::Reveal(sid) => reveal::reveal(state, exchange, sid).await,
        Call::Audit => audit::list(state, exchange).await,
    }
}
