//! A request's body on its way to the upstream.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderName;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{BodyError, BodyErrorBox, EndBy};
use crate::code::Code;
use crate::net::deadline::{Alarm, Phase};
use crate::net::{Pace, Peer};
use crate::proxy::context::Held;
use crate::proxy::headers::clean_trailers;
use crate::proxy::revoke::Revocable;
use crate::proxy::version::drop_from_trailers;
use crate::proxy::waiter::Waiter;
use crate::telemetry::metrics::{Deadline, WorkerMetrics};

/// A request's body as the upstream connection reads it.
pub(in crate::proxy) struct RequestBody(Option<Box<Upload>>);

struct Upload {
    incoming: Incoming,
    progress: Rc<UploadProgress>,
    received: Rc<Cell<u64>>,
    limit: Option<u64>,
    idle: Option<Duration>,
    metrics: Arc<WorkerMetrics>,
    alarm: Alarm,
    waiting_since: Option<Instant>,
    /// A field that no trailer may carry, beside those that are always the gate's.
    without_trailer: Option<HeaderName>,
}

/// How far an upload has come, for who waits for the answer.
#[derive(Default)]
pub(in crate::proxy) struct UploadProgress {
    /// Why it failed.
    pub(in crate::proxy) fault: Cell<Option<Code>>,
    /// It has been read at least in part, so that it cannot be sent again.
    pub(in crate::proxy) begun: Cell<bool>,
    /// It has been read whole.
    pub(in crate::proxy) done: Cell<bool>,
    /// The upstream connection whose answer is waited for once it is done.
    pub(in crate::proxy) answer: RefCell<Option<Arc<Pace>>>,
    /// When the whole exchange must have ended.
    pub(in crate::proxy) end_by: Cell<Option<EndBy>>,
    /// There is somebody who reads it.
    taken: Cell<bool>,
    /// The task that waits for more of it.
    waiter: Waiter,
    /// What is left of it, once it is answered and goes on.
    rest: RefCell<Option<Box<Rest>>>,
}

/// The rest of an upload that was answered before its end. It is of the request still.
struct Rest {
    peer: Rc<Peer>,
    /// Which message of the connection it belongs to, where that has one at a time.
    message: Option<u32>,
    /// Where it is to end with the token.
    revocable: Option<Rc<Revocable>>,
    /// Given up with it. `None` where the request has failed: the rest is wanted no more.
    held: Option<Held>,
}

impl UploadProgress {
    fn finish(&self, cx: &Context<'_>) {
        self.done.set(true);
        if let Some(pace) = self.answer.borrow_mut().take() {
            pace.enter(Phase::FirstByte);
            // The connection's task must look at its socket again for the deadline to count.
            cx.waker().wake_by_ref();
        }
        self.end_rest(true);
    }

    /// It has been answered before its end: none of what the client sends of it is a next
    /// request. Where it may go on, it keeps what its request takes up, and its token's end.
    pub(in crate::proxy) fn leave_open(
        &self,
        peer: &Rc<Peer>,
        goes_on: Option<(Held, Option<Rc<Revocable>>)>,
    ) {
        if !self.taken.get() {
            if !peer.http2 {
                peer.pace.leave_body_open();
            }
            return;
        }
        let (held, revocable) = goes_on.unzip();
        *self.rest.borrow_mut() = Some(Box::new(Rest {
            peer: Rc::clone(peer),
            message: (!peer.http2).then(|| peer.pace.leave_body_taken()),
            revocable: revocable.flatten(),
            held,
        }));
        // Who takes it waits for less from now on.
        self.waiter.wake();
    }

    /// Why the rest of it is not to be taken, where that is so.
    fn poll_unwanted(&self, cx: &Context<'_>) -> Option<(Code, BodyError)> {
        let rest = self.rest.borrow();
        let rest = rest.as_ref()?;
        if rest.held.is_none() {
            return Some((Code::ClientClosed, BodyError::Unwanted));
        }
        match rest.revocable.as_ref()?.poll(cx) {
            Poll::Ready(denial) => Some((denial.code(), BodyError::Revoked(denial.code()))),
            Poll::Pending => None,
        }
    }

    /// By when what is left after the answer must have come. Until the answer, who waits for
    /// it keeps that deadline.
    fn rest_end_by(&self) -> Option<EndBy> {
        self.end_by.get().filter(|_| self.rest.borrow().is_some())
    }

    fn rest_goes_on(&self) {
        if let Some(rest) = &*self.rest.borrow() {
            let pace = &rest.peer.pace;
            match rest.message {
                Some(message) => pace.body_goes_on(message),
                None => pace.stream_goes_on(),
            }
        }
    }

    fn end_rest(&self, whole: bool) {
        if let Some(rest) = self.rest.take() {
            match rest.message {
                Some(message) => rest.peer.pace.body_ended(message, whole),
                None => rest.peer.pace.stream_goes_on(),
            }
        }
    }
}

impl RequestBody {
    /// A request without a body.
    pub(in crate::proxy) fn empty() -> Self {
        Self(None)
    }

    /// A body as it arrives.
    pub(in crate::proxy) fn upload(
        incoming: Incoming,
        progress: Rc<UploadProgress>,
        received: Rc<Cell<u64>>,
        limit: Option<u64>,
        idle: Option<Duration>,
        metrics: &Arc<WorkerMetrics>,
    ) -> Self {
        progress.taken.set(true);
        Self(Some(Box::new(Upload {
            incoming,
            progress,
            received,
            limit,
            idle,
            metrics: Arc::clone(metrics),
            alarm: Alarm::default(),
            waiting_since: None,
            without_trailer: None,
        })))
    }

    /// The same, without this field among its trailers.
    pub(in crate::proxy) fn without_trailer(mut self, header: Option<&HeaderName>) -> Self {
        if let Some(upload) = &mut self.0 {
            upload.without_trailer = header.cloned();
        }
        self
    }
}

impl Upload {
    fn fail(&self, code: Code, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.progress.fault.set(Some(code));
        Poll::Ready(Some(Err(error)))
    }

    fn time_out(&self, deadline: Deadline) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.metrics.deadline(deadline);
        self.fail(Code::RequestTimeout, BodyError::RequestTimeout)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.progress.begun.set(true);
        if let Some((code, error)) = self.progress.poll_unwanted(cx) {
            return self.fail(code, error);
        }
        let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                self.progress.waiter.wait(cx);
                let since = *self.waiting_since.get_or_insert_with(Instant::now);
                let idle = self.idle.map(|idle| EndBy {
                    by: since + idle,
                    deadline: Deadline::BodyIdle,
                });
                let ends = idle.into_iter().chain(self.progress.rest_end_by());
                let Some(end) = ends.min_by_key(|end| end.by) else {
                    return Poll::Pending;
                };
                if self.alarm.poll(cx, end.by).is_pending() {
                    return Poll::Pending;
                }
                return self.time_out(end.deadline);
            }
        };
        self.waiting_since = None;
        match frame {
            None => {
                self.progress.finish(cx);
                Poll::Ready(None)
            }
            Some(Err(e)) if is_malformed(&e) => self.fail(Code::BadHeader, BodyError::Client(e)),
            Some(Err(e)) => self.fail(Code::ClientClosed, BodyError::Client(e)),
            Some(Ok(mut frame)) => {
                let end = self.progress.rest_end_by();
                if let Some(end) = end.filter(|end| Instant::now() >= end.by) {
                    return self.time_out(end.deadline);
                }
                self.progress.rest_goes_on();
                if let Some(data) = frame.data_ref() {
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    let received = self.received.get().saturating_add(length);
                    self.received.set(received);
                    if self.limit.is_some_and(|limit| received > limit) {
                        return self.fail(Code::BodyTooLarge, BodyError::TooLarge);
                    }
                }
                if let Some(trailers) = frame.trailers_mut() {
                    clean_trailers(trailers);
                    if let Some(header) = &self.without_trailer {
                        drop_from_trailers(trailers, header);
                    }
                }
                if self.incoming.is_end_stream() {
                    self.progress.finish(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.progress.taken.set(false);
        self.progress.end_rest(false);
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyErrorBox;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyErrorBox>>> {
        match &mut self.get_mut().0 {
            None => Poll::Ready(None),
            Some(upload) => upload.poll(cx).map_err(BodyErrorBox::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|u| u.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(upload) => upload.incoming.size_hint(),
        }
    }
}

/// Whether the body itself was wrong, as chunks can be, and not merely cut off.
fn is_malformed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidInput)
}
