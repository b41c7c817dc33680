//! A request's walk, top to bottom: [`Worker::handle`].
//!
//! Row by row as the contract's table: a sound request, credentials, the token's state,
//! a rule, a scope, room, and then the upstream. Every early exit is a refusal, and every
//! refusal becomes a response in one place.

mod body;
mod context;
mod deliver;
mod dialect;
mod gate;
mod guessing;
mod headers;
mod limits;
mod respond;
mod revoke;
mod room;
mod sound;
mod tunnel;
pub mod upstream;
mod version;
mod waiter;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use http::header::{HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::sync::Notify;

pub use self::body::Body;
pub use self::gate::{Active, Gate};

use self::body::{EndBy, RequestBody};
use self::context::{Decision, Exchange, RequestIds};
use self::deliver::{Passed, deliver, switch};
use self::dialect::Form;
use self::gate::Local;
use self::guessing::Guess;
use self::respond::Refusal;
use self::revoke::{Revocable, Running};
use self::room::Room;
use self::sound::Sound;
use self::upstream::Outgoing;
use crate::auth::{self, Authentication, Permit};
use crate::code::Code;
use crate::config::{self, Settings};
use crate::limit::VerifyError;
use crate::net::{Peer, StreamPace};
use crate::snapshot::Snapshot;
use crate::telemetry::access::WorkerLog;
use crate::telemetry::metrics::WorkerMetrics;
use crate::token::Token;

/// One worker's side of the gate. It never leaves its thread.
pub struct Worker {
    gate: Arc<Gate>,
    local: RefCell<Rc<Local>>,
    metrics: Arc<WorkerMetrics>,
    log: RefCell<WorkerLog>,
    ids: RequestIds,
    in_flight: Cell<usize>,
    room: Room,
    /// Told when the last request in flight has ended.
    settled: Notify,
    running: Running,
}

impl Worker {
    /// A worker.
    #[must_use]
    pub fn new(gate: Arc<Gate>, metrics: Arc<WorkerMetrics>, log: WorkerLog) -> Rc<Self> {
        let local = Local::new(&gate, &metrics, &[]);
        Rc::new(Self {
            gate,
            local: RefCell::new(Rc::new(local)),
            metrics,
            log: RefCell::new(log),
            ids: RequestIds::new(),
            in_flight: Cell::new(0),
            room: Room::default(),
            settled: Notify::new(),
            running: Running::default(),
        })
    }

    /// The settings in force.
    #[must_use]
    pub fn active(&self) -> Arc<Active> {
        Arc::clone(&self.local().active)
    }

    /// The worker's counters.
    #[must_use]
    pub fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    /// Housekeeping, ten times a second: records out, connections that idle closed, and
    /// requests ended whose tokens have ended.
    pub fn tick(&self) {
        self.running.look(&self.gate.snapshot.load());
        self.log.borrow_mut().flush();
        for upstream in &self.local().upstreams {
            upstream.sweep();
        }
    }

    /// The whole HTTP/1.1 answer to a connection that there is no room for.
    #[must_use]
    pub fn overloaded(&self) -> Vec<u8> {
        let errors = self.local().active.settings.errors;
        respond::overloaded(&self.ids.next(), errors)
    }

    /// Ends when no request is in flight, tunnels included.
    pub async fn settled(&self) {
        while self.in_flight.get() > 0 {
            self.settled.notified().await;
        }
    }

    /// Answers one request.
    pub async fn handle(
        self: Rc<Self>,
        peer: Rc<Peer>,
        stream: Option<Rc<StreamPace>>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let mut exchange = Exchange::begin(&self, &peer, stream, request.method());
        let local = self.local();
        exchange.form = Form::of(local.active.settings.errors, &request);
        self.in_flight.set(self.in_flight.get() + 1);
        let walk = self.walk(&local, &mut exchange, request);
        let passed = unpanicked(pin!(walk)).await;
        Ok(
            match passed.unwrap_or_else(|| Err(Refusal::new(Code::InternalError))) {
                Ok(Passed::Answer(answer, end_by)) => deliver(exchange, answer, &local, end_by),
                Ok(Passed::Switched(answer, client)) => switch(exchange, answer, client, &local),
                Err(refusal) => respond::refuse(exchange, refusal, &local.challenge),
            },
        )
    }

    /// The walk itself, up to the head of the upstream's answer.
    async fn walk(
        &self,
        local: &Rc<Local>,
        exchange: &mut Exchange,
        request: Request<Incoming>,
    ) -> Result<Passed, Refusal> {
        let settings = &local.active.settings;
        let (mut parts, incoming) = request.into_parts();
        let has_body = !http_body::Body::is_end_stream(&incoming);
        exchange.upload = has_body.then(Rc::default);

        let mut sound = sound::check(&parts, &exchange.peer, has_body, &settings.limits)
            .inspect_err(|_| exchange.target = parts.uri.path_and_query().cloned())?;
        exchange.target = Some(sound.target.clone());
        let permit = self.decide(local, exchange, &mut sound, &parts).await?;
        let room = self.make_room(&settings.limits, &permit, exchange);
        exchange.decision = Decision::Permit(permit);
        room?;
        let Decision::Permit(permit) = &exchange.decision else {
            return Err(Refusal::new(Code::InternalError));
        };

        let upstream = local.upstream(permit)?;
        let upgrade = sound
            .upgrade
            .as_ref()
            .filter(|_| permit.allows_upgrade() && upstream.can_upgrade());
        let trusted = is_trusted(settings, &exchange.peer);
        let named = version::Named::take(&mut parts.headers, permit);
        headers::for_upstream(
            &mut parts.headers,
            &sound,
            upgrade,
            permit,
            exchange,
            trusted,
        );
        named.put(&mut parts.headers);
        headers::drop_framing(&mut parts.headers, has_body);
        let client = upgrade.and_then(|_| parts.extensions.remove::<OnUpgrade>());

        let upload = exchange.upload.clone();
        let body = match &upload {
            None => RequestBody::empty(),
            Some(progress) => RequestBody::upload(
                incoming,
                Rc::clone(progress),
                Rc::clone(exchange.received.get_or_insert_default()),
                settings.limits.body,
                settings.timeouts.body_idle,
                &self.metrics,
            )
            .without_trailer(version::naming(permit)),
        };
        let end_by = EndBy::soonest(settings.timeouts.total, upstream.total());
        if let Some(upload) = &upload {
            upload.end_by.set(end_by);
        }
        parts.uri = Uri::from(sound.target);
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        let mut outgoing = Outgoing {
            request: Some(Request::from_parts(parts, body)),
            host: sound.host,
            upload,
            end_by,
        };
        let sent = Instant::now();
        if settings.running == config::Running::End {
            exchange.revocable = permit.token().map(|token| self.running.begin(token));
        }
        let mut sending = pin!(upstream.send(permit, &mut outgoing));
        let answer = match exchange.revocable.clone() {
            None => sending.await,
            ended => tokio::select! {
                answer = &mut sending => answer,
                denial = Revocable::ended(ended) => return Err(denial.into()),
            },
        };
        let answer = answer.map_err(|failure| {
            exchange.server = failure.server;
            match failure.code {
                Code::BadHeader => {
                    Refusal::detailed(failure.code, "the body's chunks are not valid")
                }
                code => Refusal::new(code),
            }
        })?;
        exchange.upstream_duration = Some(sent.elapsed());
        exchange.server = Some(Rc::clone(&answer.server));
        if answer.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Passed::Answer(answer, end_by));
        }
        // A switch that nobody asked for, or to something else, would leave the connection in
        // nobody's protocol.
        let agreed = answer.response.headers().get(UPGRADE);
        let asked = sound.upgrade.as_ref();
        client
            .filter(|_| is_same_protocol(asked, agreed))
            .map(|client| Passed::Switched(answer, client))
            .ok_or_else(|| Refusal::new(Code::UpstreamBadResponse))
    }

    /// Rows 2 to 5. One snapshot judges the request, and is let go before anything waits,
    /// but for a slow digest, which has to be judged by the one it was read from. Where a
    /// rule or scope is missing, the exchange is told under which version.
    async fn decide(
        &self,
        local: &Local,
        exchange: &mut Exchange,
        sound: &mut Sound,
        parts: &http::request::Parts,
    ) -> Result<Permit, Refusal> {
        let upgrade = sound.upgrade.is_some();
        let guess = Guess {
            guesses: &self.gate.guesses,
            settings: &local.active.settings,
            peer: &exchange.peer,
            headers: &parts.headers,
            now: exchange.started,
        };
        let mut authorize = |snapshot: &Snapshot, token: Arc<Token>, named, path: &str| {
            let (catalog, own) = (&snapshot.catalog, token.version);
            let permit = auth::authorize_under(catalog, token, named, &parts.method, path, upgrade);
            permit.map_err(|denial| {
                let named = named.ok().map(|named| named.or(own));
                exchange.version = named.and_then(|number| catalog.version(number)).cloned();
                Refusal::from(denial)
            })
        };
        let (check, snapshot, named) = {
            let snapshot = self.gate.snapshot.load();
            let catalog = &snapshot.catalog;
            if let Some(path) = catalog.without_alias(sound.target.path()) {
                sound.target = sound::with_path(&sound.target, path)?;
                exchange.target = Some(sound.target.clone());
            }
            let (path, query) = (sound.target.path(), sound.target.query());
            let named = auth::named_version(catalog, &parts.headers, query);
            let public = auth::public_under(catalog, named, &parts.method, path, upgrade)?;
            if let Some(permit) = public {
                return Ok(permit);
            }
            guess.look().inspect_err(|_| self.metrics.guess_refused())?;
            let offered = auth::authenticate(&snapshot.tokens, &local.active.keys, &parts.headers);
            match offered.map_err(|denial| guess.denied(denial, false))? {
                Authentication::Token(token) => return authorize(&snapshot, token, named, path),
                Authentication::Slow(check) => (check, Arc::clone(&snapshot), named),
            }
        };
        let token = match Box::pin(self.gate.verifier.verify(check)).await {
            Ok(token) => token,
            Err(VerifyError::Denied(denial)) => return Err(guess.denied(denial, true).into()),
            Err(VerifyError::Overloaded(_)) => return Err(Refusal::new(Code::Overloaded)),
        };
        authorize(&snapshot, token, named, sound.target.path())
    }

    /// A request has ended; `placed` where it had been given a place.
    fn leave(&self, placed: bool) {
        if placed {
            let limit = self.limit();
            self.room.leave(&self.gate.places, limit, self.gate.workers);
        }
        let left = self.in_flight.get().saturating_sub(1);
        self.in_flight.set(left);
        if left == 0 {
            self.settled.notify_waiters();
        }
    }

    fn limit(&self) -> usize {
        let local = self.local.borrow();
        local.active.settings.limits.requests_in_flight
    }

    /// What is in force, with this worker's connections; those of unchanged upstreams stay.
    fn local(&self) -> Rc<Local> {
        let local = Rc::clone(&self.local.borrow());
        if local.generation == self.gate.generation.load(Ordering::Acquire) {
            return local;
        }
        let fresh = Rc::new(Local::new(&self.gate, &self.metrics, &local.upstreams));
        *self.local.borrow_mut() = Rc::clone(&fresh);
        fresh
    }
}

/// Runs a future whose panic costs one request and not the connection: `None` then. What
/// the panicking request had borrowed is released as its stack unwinds, and nothing that
/// outlives a request is left half changed by it, so the worker goes on.
async fn unpanicked<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| {
        let poll = AssertUnwindSafe(|| future.as_mut().poll(cx));
        match catch_unwind(poll) {
            Ok(poll) => poll.map(Some),
            Err(_) => {
                // The panic hook has logged where and why.
                tracing::error!("a request made the gate panic; it is answered with 500");
                Poll::Ready(None)
            }
        }
    })
    .await
}

/// Whether the upstream switches to what was asked for (RFC 9110 7.8).
fn is_same_protocol(asked: Option<&HeaderValue>, agreed: Option<&HeaderValue>) -> bool {
    let pair = asked.zip(agreed);
    pair.is_some_and(|(a, b)| a.as_bytes().eq_ignore_ascii_case(b.as_bytes()))
}

fn is_trusted(settings: &Settings, peer: &Peer) -> bool {
    let nets = &settings.trusted_proxies;
    nets.iter().any(|net| net.contains(&peer.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_request() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime starts");
        let (bad, good) = runtime.block_on(async {
            let bad = unpanicked(pin!(async { panic!("as a defect would") })).await;
            let bad: Option<()> = bad;
            (bad, unpanicked(pin!(async { 1 })).await)
        });
        assert_eq!((bad, good), (None, Some(1)));
    }
}
