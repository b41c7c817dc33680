//! One request's context: who asks, what was decided, and the one record of it.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::uri::PathAndQuery;
use http::{HeaderValue, Method};

use super::Worker;
use super::body::UploadProgress;
use super::dialect::Form;
use super::limits::Told;
use super::revoke::Revocable;
use crate::auth::{Denial, Permit};
use crate::catalog::ApiVersion;
use crate::code::Code;
use crate::limit::Place;
use crate::net::{Peer, StreamPace};
use crate::telemetry::access::Record;
use crate::telemetry::metrics::Deadline;
use crate::token::Sid;

/// What is known of a request and its answer. Dropped with the last of the answer, which
/// writes the access record, counts it and ends the exchange on the connection. What the
/// request takes up goes to its body then, where that goes on.
pub(super) struct Exchange {
    pub(super) worker: Rc<Worker>,
    pub(super) peer: Rc<Peer>,
    pub(super) stream: Option<Rc<StreamPace>>,
    pub(super) request_id: RequestId,
    pub(super) started: Instant,
    pub(super) method: Method,
    /// Canonical, or as it came where it is not.
    pub(super) target: Option<PathAndQuery>,
    pub(super) decision: Decision,
    /// Under which version it was refused; a permit has its own.
    pub(super) version: Option<Arc<ApiVersion>>,
    /// Where the request is to end with its token.
    pub(super) revocable: Option<Rc<Revocable>>,
    /// How a refusal of it is written.
    pub(super) form: Form,
    /// It counts among the requests that the limit allows.
    pub(super) placed: bool,
    /// Its place among its token's, where those are counted. Apart, like the next, for most
    /// exchanges have none.
    pub(super) token_place: Option<Box<Place>>,
    /// What its client is told of the limits that it counts towards.
    pub(super) limits_told: Option<Box<Told>>,
    pub(super) code: Code,
    pub(super) status: u16,
    /// What came of a body or into a tunnel, where there is one.
    pub(super) received: Option<Rc<Cell<u64>>>,
    /// How far the request's body has come; `None` where it has none.
    pub(super) upload: Option<Rc<UploadProgress>>,
    pub(super) sent: u64,
    pub(super) server: Option<Rc<str>>,
    pub(super) upstream_duration: Option<Duration>,
}

/// What a request takes up until it has ended, with all that comes of its body.
pub(super) struct Held {
    worker: Rc<Worker>,
    placed: bool,
    _token_place: Option<Box<Place>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.worker.metrics.request_ended();
        self.worker.leave(self.placed);
    }
}

/// What the rules said.
pub(super) enum Decision {
    /// Nothing yet.
    Open,
    /// It may pass.
    Permit(Permit),
    /// It may not.
    Denial(Denial),
}

impl Exchange {
    pub(super) fn begin(
        worker: &Rc<Worker>,
        peer: &Rc<Peer>,
        stream: Option<Rc<StreamPace>>,
        method: &Method,
    ) -> Box<Self> {
        worker.metrics.request_started();
        Box::new(Self {
            worker: Rc::clone(worker),
            peer: Rc::clone(peer),
            stream,
            request_id: worker.ids.next(),
            started: Instant::now(),
            method: method.clone(),
            target: None,
            decision: Decision::Open,
            version: None,
            revocable: None,
            form: Form::Problem,
            placed: false,
            token_place: None,
            limits_told: None,
            // Until something else is known: dropped now, nobody was there to answer.
            code: Code::ClientClosed,
            status: Code::ClientClosed.status().as_u16(),
            received: None,
            upload: None,
            sent: 0,
            server: None,
            upstream_duration: None,
        })
    }

    /// The count of what comes of the request's body, or into its tunnel.
    pub(super) fn count_received(&mut self) -> Rc<Cell<u64>> {
        Rc::clone(self.received.get_or_insert_default())
    }

    /// Whether the client may still be sending what nobody will read, so that its connection
    /// cannot go on (RFC 9112 9.3). HTTP/2 ends the stream alone.
    pub(super) fn is_unread(&self) -> bool {
        let unread = |upload: &Rc<UploadProgress>| !upload.done.get();
        !self.peer.http2 && self.upload.as_ref().is_some_and(unread)
    }

    fn sid(&self) -> Option<&Sid> {
        match &self.decision {
            Decision::Open => None,
            Decision::Permit(permit) => permit.token().map(|t| &t.sid),
            Decision::Denial(denial) => denial.sid(),
        }
    }

    fn record(&self, bytes_in: u64, duration: Duration) -> Record<'_> {
        let permit = match &self.decision {
            Decision::Permit(permit) => Some(permit),
            _ => None,
        };
        let version = permit.and_then(Permit::version).or(self.version.as_ref());
        let now = SystemTime::now();
        Record {
            time: now.checked_sub(duration).unwrap_or(now),
            request_id: self.request_id.as_str(),
            peer: self.peer.address,
            protocol: if self.peer.http2 { "h2" } else { "http/1.1" },
            tls: self.peer.tls,
            method: self.method.as_str(),
            path: self.target.as_ref().map_or("", PathAndQuery::path),
            sid: self.sid().map(Sid::as_str),
            code: self.code,
            scope: permit.and_then(Permit::scope).map(|s| &**s),
            rule: self.rule(),
            version: version.map(|v| &*v.id),
            status: self.status,
            bytes_in,
            bytes_out: self.sent,
            upstream: self.server.as_deref(),
            duration,
            upstream_duration: self.upstream_duration,
        }
    }

    fn rule(&self) -> Option<&str> {
        match &self.decision {
            Decision::Open => None,
            Decision::Permit(permit) => Some(permit.rule()),
            Decision::Denial(denial) => denial.route().map(|r| &*r.rule),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        // An answer that was cut off while its client took nothing ends without a word.
        if let Some(denial) = self.revocable.as_ref().and_then(|r| r.cut_off()) {
            self.code = denial.code();
        }
        let bytes_in = self.received.as_ref().map_or(0, |bytes| bytes.get());
        let worker = &self.worker;
        if self.stream.as_ref().is_some_and(|stream| stream.stalled()) {
            worker.metrics.deadline(Deadline::SendIdle);
        }
        let mut log = worker.log.borrow_mut();
        if log.is_enabled() {
            log.record(&self.record(bytes_in, duration));
        }
        drop(log);
        worker.metrics.request(
            self.code,
            self.status,
            bytes_in,
            self.sent,
            duration,
            self.upstream_duration,
        );
        let held = Held {
            worker: Rc::clone(worker),
            placed: self.placed,
            _token_place: self.token_place.take(),
        };
        if let Some(upload) = self.upload.take().filter(|upload| !upload.done.get()) {
            // What the upstream answered may go on to it.
            let goes_on = matches!(self.code, Code::Ok).then(|| (held, self.revocable.take()));
            upload.leave_open(&self.peer, goes_on);
        }
        self.peer.pace.end_exchange();
    }
}

/// Names one request: 32 hex digits, unique over workers and restarts.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId([u8; 32]);

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).expect("hex digits are visible ASCII")
    }
}

/// Makes request ids: a random half for the worker, a counter for the request.
#[derive(Debug)]
pub(super) struct RequestIds {
    worker: [u8; 16],
    next: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(16);
        write!(text, "{:016x}", rand::random::<u64>()).expect("a String takes all");
        let mut worker = [b'0'; 16];
        worker.copy_from_slice(text.as_bytes());
        Self {
            worker,
            next: Cell::new(0),
        }
    }

    pub(super) fn next(&self) -> RequestId {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let mut id = [b'0'; 32];
        let (prefix, counter) = id.split_at_mut(16);
        prefix.copy_from_slice(&self.worker);
        for (place, digit) in counter.iter_mut().rev().enumerate() {
            let nibble = usize::try_from((number >> (4 * place)) & 15).unwrap_or_default();
            *digit = DIGITS.get(nibble).copied().unwrap_or(b'0');
        }
        RequestId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ() {
        let ids = RequestIds::new();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a.as_str(), b.as_str());
        assert!(a.as_str().ends_with("0000000000000000"));
        assert!(b.as_str().ends_with("0000000000000001"));
        assert_ne!(RequestIds::new().next().as_str(), a.as_str());
    }
}
