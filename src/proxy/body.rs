//! Bodies on their way through: streamed piece by piece, counted, bounded, and timed.

mod upload;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::context::Exchange;
use super::headers::clean_trailers;
use super::upstream::Lease;
use crate::code::Code;
use crate::net::deadline::Alarm;
use crate::telemetry::metrics::Deadline;

pub(super) use self::upload::{RequestBody, UploadProgress};

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the request body did not arrive in time")]
    RequestTimeout,
    #[error("the request body is larger than allowed")]
    TooLarge,
    #[error("the client ended the request body early")]
    Client(#[source] hyper::Error),
    #[error("the upstream was silent for too long")]
    UpstreamTimeout(Deadline),
    #[error("the upstream ended its answer early")]
    Upstream(#[source] hyper::Error),
    #[error("the token was disabled, deleted or reset")]
    Revoked(Code),
    #[error("the request has ended before its body")]
    Unwanted,
}

/// When an exchange must have ended, and what says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndBy {
    pub(super) by: Instant,
    pub(super) deadline: Deadline,
}

impl EndBy {
    /// The sooner one of the client's deadline and the upstream's, which begin now.
    pub(super) fn soonest(client: Option<Duration>, upstream: Option<Duration>) -> Option<Self> {
        let client = client.map(|total| (total, Deadline::Total));
        let upstream = upstream.map(|total| (total, Deadline::UpstreamTotal));
        let ends = client.into_iter().chain(upstream);
        ends.min_by_key(|(total, _)| *total)
            .map(|(total, deadline)| Self {
                by: Instant::now() + total,
                deadline,
            })
    }
}

/// A body's error as hyper takes it.
type BodyErrorBox = Box<dyn std::error::Error + Send + Sync>;

/// A response's body as the client connection reads it. It holds the request's context,
/// which ends with it.
pub struct Body {
    kind: Kind,
    exchange: Option<Box<Exchange>>,
}

enum Kind {
    Full(Option<Bytes>),
    Download(Box<Download>),
}

/// An answer of the upstream on its way to the client.
struct Download {
    incoming: Incoming,
    /// Given back when the answer is whole.
    lease: Option<Lease>,
    idle: Option<Duration>,
    end_by: Option<EndBy>,
    alarm: Alarm,
    waiting_since: Option<Instant>,
}

impl Body {
    /// A body that the gate wrote.
    pub(super) fn full(exchange: Box<Exchange>, bytes: Bytes) -> Self {
        Self {
            kind: Kind::Full((!bytes.is_empty()).then_some(bytes)),
            exchange: Some(exchange),
        }
    }

    /// No body, of a request whose context lives elsewhere.
    pub(super) fn none() -> Self {
        Self {
            kind: Kind::Full(None),
            exchange: None,
        }
    }

    /// The upstream's body. Its connection is free again as soon as it has sent all.
    pub(super) fn download(
        exchange: Box<Exchange>,
        incoming: Incoming,
        lease: Lease,
        idle: Option<Duration>,
        end_by: Option<EndBy>,
    ) -> Self {
        if incoming.is_end_stream() {
            lease.give_back();
            return Self::full(exchange, Bytes::new());
        }
        if let Some(stream) = &exchange.stream {
            stream.handed_over();
        }
        if let Some(revocable) = &exchange.revocable {
            revocable.answers(&exchange.peer, exchange.stream.as_ref());
        }
        Self {
            kind: Kind::Download(Box::new(Download {
                incoming,
                lease: Some(lease),
                idle,
                end_by,
                alarm: Alarm::default(),
                waiting_since: None,
            })),
            exchange: Some(exchange),
        }
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(end) = self.end_by.filter(|end| Instant::now() >= end.by) {
            return Poll::Ready(Some(Err(BodyError::UpstreamTimeout(end.deadline))));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                self.waiting_since = None;
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                }
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(e))) => Poll::Ready(Some(Err(BodyError::Upstream(e)))),
            Poll::Pending => {
                let since = *self.waiting_since.get_or_insert_with(Instant::now);
                let idle = self.idle.map(|idle| EndBy {
                    by: since + idle,
                    deadline: Deadline::UpstreamBodyIdle,
                });
                let ends = idle.into_iter().chain(self.end_by);
                let Some(end) = ends.min_by_key(|end| end.by) else {
                    return Poll::Pending;
                };
                self.alarm
                    .poll(cx, end.by)
                    .map(|()| Some(Err(BodyError::UpstreamTimeout(end.deadline))))
            }
        }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyErrorBox;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyErrorBox>>> {
        let this = self.get_mut();
        let frame = match &mut this.kind {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Kind::Download(download) => {
                if let Some(stream) = this.exchange.as_ref().and_then(|e| e.stream.as_ref()) {
                    stream.asked_for_more();
                }
                match this.exchange.as_ref().and_then(|e| e.revocable.as_ref()) {
                    Some(revocable) if let Poll::Ready(denial) = revocable.poll(cx) => {
                        Poll::Ready(Some(Err(BodyError::Revoked(denial.code()))))
                    }
                    _ => download.poll(cx),
                }
            }
        };
        let Some(exchange) = &mut this.exchange else {
            return frame.map_err(BodyErrorBox::from);
        };
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    exchange.sent += u64::try_from(data.len()).unwrap_or(u64::MAX);
                }
                if let Some(stream) = &exchange.stream {
                    stream.handed_over();
                }
            }
            // The head is out already: the record alone can tell what went wrong.
            Poll::Ready(Some(Err(BodyError::UpstreamTimeout(deadline)))) => {
                exchange.worker.metrics.deadline(*deadline);
                exchange.code = Code::UpstreamTimeout;
            }
            Poll::Ready(Some(Err(BodyError::Revoked(code)))) => exchange.code = *code,
            Poll::Ready(Some(Err(_))) => exchange.code = Code::UpstreamBadResponse,
            _ => {}
        }
        frame.map_err(BodyErrorBox::from)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Download(download) => download.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Full(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Kind::Download(download) => download.incoming.size_hint(),
        }
    }
}
