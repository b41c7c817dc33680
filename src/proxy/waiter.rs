//! Who waits for something that comes from elsewhere on the same thread.

use std::cell::RefCell;
use std::task::{Context, Waker};

/// The one task that waits, or the last of those that do in turn.
#[derive(Debug, Default)]
pub(super) struct Waiter(RefCell<Option<Waker>>);

impl Waiter {
    /// This task is woken next.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waker = self.0.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Wakes who waits, if anyone does.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
