//! HTTP/2 streams as tasks, each with a deadline for sending.
//!
//! A peer that opens no flow-control window stalls one stream without stalling the
//! socket, so the socket's deadline does not see it. hyper spawns each stream's task
//! right after it called the service: the connection hands the pace of that request over
//! to the task that will send its answer.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::net::StreamPace;
use crate::net::deadline::Alarm;
use hyper::rt::Executor;
use pin_project_lite::pin_project;

/// Where a connection leaves the pace of its newest request for the executor.
#[derive(Clone, Debug, Default)]
pub(super) struct NextStream(Rc<RefCell<Option<Rc<StreamPace>>>>);

impl NextStream {
    pub(super) fn begin(&self) -> Rc<StreamPace> {
        let pace = Rc::new(StreamPace::default());
        *self.0.borrow_mut() = Some(Rc::clone(&pace));
        pace
    }
}

/// Runs the tasks of one HTTP/2 connection on this thread.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    pub(super) next: NextStream,
    pub(super) send_idle: Option<Duration>,
}

impl<F: Future + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, task: F) {
        let pace = self.next.0.borrow_mut().take();
        match pace {
            Some(pace) => {
                tokio::task::spawn_local(Paced {
                    task,
                    pace,
                    send_idle: self.send_idle,
                    alarm: Alarm::default(),
                });
            }
            None => {
                tokio::task::spawn_local(async {
                    task.await;
                });
            }
        }
    }
}

pin_project! {
    /// A stream's task; ended (which resets the stream) when its peer takes nothing, or
    /// when its answer is cut off.
    struct Paced<F> {
        #[pin]
        task: F,
        pace: Rc<StreamPace>,
        send_idle: Option<Duration>,
        alarm: Alarm,
    }
}

impl<F: Future> Future for Paced<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if this.pace.is_cut() {
            return Poll::Ready(());
        }
        let (Some(since), Some(send_idle)) = (this.pace.sending_since(), *this.send_idle) else {
            return Poll::Pending;
        };
        if this.alarm.poll(cx, since + send_idle).is_pending() {
            return Poll::Pending;
        }
        this.pace.stall();
        Poll::Ready(())
    }
}
