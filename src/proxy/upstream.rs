//! From a permit to an answer: choose a server, get a connection, send, and try again
//! only where that cannot do anything twice.

pub mod health;
mod pool;
pub mod servers;
mod spare;

use std::error::Error as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

use self::pool::{Connection, ServerPool, Waited};
use self::servers::{InFlight, UpstreamState};
use self::spare::Spare;
use super::body::{EndBy, RequestBody, UploadProgress};
use super::headers::detach;
use crate::auth::Permit;
use crate::code::Code;
use crate::config::Protocol;
use crate::net::deadline::{Expired, Phase};
use crate::telemetry::metrics::{Deadline, WorkerMetrics};

pub(super) use self::pool::Lease;

/// Servers that one request is tried on, at most.
const ATTEMPTS: usize = 3;

/// One worker's connections to one upstream.
pub(super) struct Upstream {
    state: Arc<UpstreamState>,
    servers: Vec<Rc<ServerPool>>,
    metrics: Arc<WorkerMetrics>,
}

/// A request on its way to an upstream. It stays in its place and is lent from there: a
/// request is a few hundred bytes, and each level of futures would move it once more.
pub(super) struct Outgoing {
    /// Taken by the connection that sends it, and put back where it may be sent again.
    pub(super) request: Option<Request<RequestBody>>,
    /// The Host of the client, for upstreams that want to see it.
    pub(super) host: HeaderValue,
    /// `None` where there is no body.
    pub(super) upload: Option<Rc<UploadProgress>>,
    /// When the whole exchange must have ended.
    pub(super) end_by: Option<EndBy>,
}

/// An upstream's answer, and the connection that its body still occupies.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) lease: Lease,
    pub(super) server: Rc<str>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) server: Option<Rc<str>>,
}

/// What came of one try.
#[expect(
    clippy::large_enum_variant,
    reason = "it is an answer almost always, and none is kept"
)]
enum Attempt {
    Answer(Response<Incoming>, Lease),
    /// Nothing reached the server: the request is whole, in its place, and may go elsewhere.
    Unsent(Code),
    /// It may be sent once more, and is in its place again: on a `fresh` connection where the
    /// one that it was on has ended under it.
    Again {
        fresh: bool,
    },
    Failed(Code),
}

impl Upstream {
    pub(super) fn new(state: &Arc<UpstreamState>, metrics: &Arc<WorkerMetrics>) -> Self {
        let pool = |server| Rc::new(ServerPool::new(server, state, metrics));
        Self {
            state: Arc::clone(state),
            servers: state.servers.iter().map(pool).collect(),
            metrics: Arc::clone(metrics),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.state.config.name
    }

    /// Whether these are connections to that upstream as it is now.
    pub(super) fn is_of(&self, state: &Arc<UpstreamState>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }

    /// Whether an upgrade can pass: HTTP/2 upstreams have none (RFC 9113 8.6).
    pub(super) fn can_upgrade(&self) -> bool {
        self.state.config.protocol == Protocol::Http1
    }

    /// How long an answer's body may be silent.
    pub(super) fn body_idle(&self) -> Option<Duration> {
        self.state.config.timeouts.body_idle
    }

    /// How long an exchange may take as a whole.
    pub(super) fn total(&self) -> Option<Duration> {
        self.state.config.timeouts.total
    }

    /// Closes what has idled for too long.
    pub(super) fn sweep(&self) {
        for server in &self.servers {
            server.sweep();
        }
    }

    /// Sends an admitted request. The permit is the proof that it is one.
    pub(super) async fn send(
        &self,
        _: &Permit,
        outgoing: &mut Outgoing,
    ) -> Result<Answer, Failure> {
        let mut tried = 0u64;
        let mut again = false;
        // Set once a kept connection has failed: what was opened before may fail as well.
        let mut since = None;
        let mut attempts = 0;
        loop {
            let Some(at) = self.state.choose(tried) else {
                return Err(Failure {
                    code: Code::UpstreamUnavailable,
                    server: None,
                });
            };
            let (Some(state), Some(pool)) = (self.state.servers.get(at), self.servers.get(at))
            else {
                return Err(Failure {
                    code: Code::InternalError,
                    server: None,
                });
            };
            tried |= 1 << (at % 64);
            attempts += 1;
            let fail = |code| {
                Err(Failure {
                    code,
                    server: Some(Rc::clone(pool.url())),
                })
            };
            if self.address(outgoing, pool).is_none() {
                return fail(Code::InternalError);
            }
            let counted = InFlight::count(state, self.servers.len());
            match self.attempt(pool, outgoing, since).await {
                Attempt::Answer(response, lease) => {
                    state.succeeded();
                    return Ok(Answer {
                        response,
                        lease: lease.counted(counted),
                        server: Rc::clone(pool.url()),
                    });
                }
                Attempt::Again { fresh } if !again => {
                    self.metrics.upstream_retry();
                    again = true;
                    since = fresh.then(Instant::now);
                    attempts -= 1;
                    tried &= !(1 << (at % 64));
                }
                Attempt::Again { .. } => return fail(Code::UpstreamBadResponse),
                Attempt::Unsent(code) => {
                    state.failed(&self.state);
                    if attempts >= ATTEMPTS.min(self.servers.len()) {
                        return fail(code);
                    }
                    self.metrics.upstream_retry();
                }
                Attempt::Failed(code) => {
                    if is_servers_fault(code) {
                        state.failed(&self.state);
                    }
                    return fail(code);
                }
            }
        }
    }

    /// One try, within what is left of the exchange's time.
    async fn attempt(
        &self,
        pool: &Rc<ServerPool>,
        outgoing: &mut Outgoing,
        fresh: Option<Instant>,
    ) -> Attempt {
        match outgoing.end_by {
            None => self.exchange(pool, outgoing, fresh).await,
            // Its time is seldom bounded: the timer has no place in every request's future.
            Some(end) => {
                let exchange = self.exchange(pool, outgoing, fresh);
                let ended = Box::pin(tokio::time::timeout_at(end.by, exchange)).await;
                ended.unwrap_or_else(|_| self.timed_out(end.deadline))
            }
        }
    }

    /// One request and the head of its answer, on one connection.
    async fn exchange(
        &self,
        pool: &Rc<ServerPool>,
        outgoing: &mut Outgoing,
        fresh: Option<Instant>,
    ) -> Attempt {
        let mut lease = match pool.connection(fresh).await {
            Ok(lease) => lease,
            Err(Waited::Overloaded) => return Attempt::Failed(Code::Overloaded),
            Err(Waited::TimedOut) => {
                self.metrics.deadline(Deadline::UpstreamConnect);
                return Attempt::Unsent(Code::UpstreamTimeout);
            }
            Err(Waited::Unreachable(e)) => {
                tracing::debug!(server = %pool.url(), error = %e, "cannot connect");
                return Attempt::Unsent(Code::UpstreamUnreachable);
            }
        };
        let upload = outgoing.upload.as_ref();
        let Some(request) = outgoing.request.take() else {
            return Attempt::Failed(Code::InternalError);
        };
        // A reused connection may be one that its server is closing. Only what is safe to
        // repeat (RFC 9110 9.2.2) and has no body to read twice is kept for a second try.
        let mut spare = (lease.reused && upload.is_none() && is_idempotent(request.method()))
            .then(|| Spare::of(&request));
        let timeouts = &self.state.config.timeouts;
        let sent = match &mut lease.connection {
            Connection::Http1(connection) => {
                let pace = Arc::clone(&connection.pace);
                match upload {
                    None => pace.enter(Phase::FirstByte),
                    Some(upload) => {
                        pace.enter(Phase::Exchange);
                        *upload.answer.borrow_mut() = Some(Arc::clone(&pace));
                    }
                }
                let sent = connection.sender.try_send_request(request).await;
                if pace.phase() == Phase::Head {
                    // Bytes of an answer came: the request was received, not overtaken.
                    spare = None;
                }
                if let Some(upload) = upload {
                    // An upload that goes on after its answer waits for no other.
                    upload.answer.take();
                }
                pace.enter(Phase::Exchange);
                sent
            }
            Connection::Http2(connection) => {
                let response = connection.sender.try_send_request(request);
                match answer_within(timeouts.first_byte, upload, response).await {
                    Some(sent) => sent,
                    None => {
                        lease.suspect();
                        return self.timed_out(Deadline::UpstreamFirstByte);
                    }
                }
            }
        };
        let mut error = match sent {
            Ok(response) => return Attempt::Answer(response, lease),
            Err(error) => error,
        };
        if let Some(code) = upload.and_then(|upload| upload.fault.get()) {
            return Attempt::Failed(code);
        }
        if let Some(request) = error.take_message()
            && upload.is_none_or(|upload| !upload.begun.get())
        {
            // It never left the queue of a connection that was closing.
            outgoing.request = Some(request);
            lease.suspect();
            return if lease.reused {
                Attempt::Again { fresh: true }
            } else {
                Attempt::Unsent(Code::UpstreamUnreachable)
            };
        }
        let error = error.into_error();
        let expired = lease.expired();
        tracing::debug!(server = %lease.url(), error = %error, ?expired, "no answer");
        match (expired, spare) {
            (Some(Expired::FirstByte), _) => self.timed_out(Deadline::UpstreamFirstByte),
            (Some(Expired::Head), _) => self.timed_out(Deadline::UpstreamHead),
            (Some(Expired::SendIdle), _) => self.timed_out(Deadline::UpstreamSendIdle),
            _ if error.is_parse() => Attempt::Failed(Code::UpstreamBadResponse),
            (_, Some(spare)) => {
                let reset = reset(&error);
                // The connection is well, and nothing says that the request was not processed.
                if reset.is_some_and(|reason| reason != Reason::REFUSED_STREAM) {
                    return Attempt::Failed(Code::UpstreamBadResponse);
                }
                let fresh = reset.is_none();
                if fresh {
                    lease.suspect();
                }
                outgoing.request = spare.request();
                Attempt::Again { fresh }
            }
            _ => Attempt::Failed(Code::UpstreamBadResponse),
        }
    }

    fn timed_out(&self, deadline: Deadline) -> Attempt {
        self.metrics.deadline(deadline);
        Attempt::Failed(Code::UpstreamTimeout)
    }

    /// Names the server in the request, as its protocol does.
    fn address(&self, outgoing: &mut Outgoing, pool: &ServerPool) -> Option<()> {
        let request = outgoing.request.as_mut()?;
        let host = if self.state.config.preserve_host {
            &outgoing.host
        } else {
            pool.host()
        };
        match self.state.config.protocol {
            Protocol::Http1 => {
                let has_body = !request.body().is_end_stream();
                let headers = request.headers_mut();
                headers.insert(HOST, host.clone());
                // hyper sends a GET's body only where the head says that there is one.
                if has_body && !headers.contains_key(CONTENT_LENGTH) {
                    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
            }
            Protocol::Http2 => {
                let scheme = if pool.is_tls() {
                    Scheme::HTTPS
                } else {
                    Scheme::HTTP
                };
                let mut parts = std::mem::take(request.uri_mut()).into_parts();
                parts.scheme = Some(scheme);
                parts.authority = Some(Authority::try_from(host.as_bytes()).ok()?);
                *request.uri_mut() = Uri::from_parts(parts).ok()?;
                request.headers_mut().remove(HOST);
                detach(request.headers_mut());
            }
        }
        Some(())
    }
}

/// RFC 9110 9.2.2, without TRACE, which the gate does not serve.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}

/// Why the server ended this one stream of a connection that goes on (RFC 9113 5.4.2).
fn reset(error: &hyper::Error) -> Option<Reason> {
    let error = error.source()?.downcast_ref::<h2::Error>()?;
    error.reason().filter(|_| error.is_reset())
}

/// Failures that say something about the server, and not about the client or the gate.
fn is_servers_fault(code: Code) -> bool {
    matches!(
        code,
        Code::UpstreamBadResponse | Code::UpstreamTimeout | Code::UpstreamUnreachable
    )
}

/// Waits for an answer that must begin within `limit` once the request is sent whole.
async fn answer_within<T>(
    limit: Option<Duration>,
    upload: Option<&Rc<UploadProgress>>,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let Some(limit) = limit else {
        return Some(answer.await);
    };
    let mut answer = std::pin::pin!(answer);
    loop {
        let sent = upload.is_none_or(|upload| upload.done.get());
        match tokio::time::timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(_) if sent => return None,
            Err(_) => {}
        }
    }
}
