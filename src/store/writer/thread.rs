//! The thread that does the writer's work on the disk.
//!
//! It is there from the start to the end: a pool would want a new thread at a moment when
//! the machine has none left, and then nothing could be revoked any more.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A thread that does one piece of work after the other, until this is dropped.
#[derive(Debug)]
pub(super) struct WorkThread(Sender<Work>);

impl WorkThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, work) = channel::<Work>();
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                for work in work {
                    // A panic costs this piece alone; the panic hook tells where and why.
                    let _ = catch_unwind(AssertUnwindSafe(work));
                }
            })?;
        Ok(Self(sender))
    }

    /// Does a piece of work, whether or not the result is waited for. `None` where it
    /// panicked.
    pub(super) fn run<T, W>(&self, work: W) -> impl Future<Output = Option<T>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (done, result) = oneshot::channel();
        let work = move || drop(done.send(work()));
        // The thread ends only after this; where it could not be told, there is no result.
        let _ = self.0.send(Box::new(work));
        async { result.await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_piece_of_work() {
        let thread = WorkThread::start().unwrap();
        let bad = thread.run(|| -> u8 { panic!("as a defect would") });
        let good = thread.run(|| 1);
        assert_eq!((bad.await, good.await), (None, Some(1)));
    }

    #[tokio::test]
    async fn work_is_done_in_order_and_without_anybody_waiting() {
        let thread = WorkThread::start().unwrap();
        let (sender, receiver) = channel();
        for number in 0..3 {
            let sender = sender.clone();
            drop(thread.run(move || sender.send(number)));
        }
        thread.run(|| ()).await;
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }
}
