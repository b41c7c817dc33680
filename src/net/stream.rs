//! The sending side of one HTTP/2 stream.

use std::cell::Cell;

use tokio::time::Instant;

/// Since when a stream's answer has waited for its peer.
#[derive(Debug, Default)]
pub struct StreamPace {
    sending_since: Cell<Option<Instant>>,
    stalled: Cell<bool>,
    cut: Cell<bool>,
}

impl StreamPace {
    /// A piece of the answer was handed over: from now on the peer is waited for.
    pub fn handed_over(&self) {
        self.sending_since.set(Some(Instant::now()));
    }

    /// The next piece is asked for: the peer is not waited for any more.
    pub fn asked_for_more(&self) {
        self.sending_since.set(None);
    }

    /// Since when the peer has been waited for, while it is.
    #[must_use]
    pub fn sending_since(&self) -> Option<Instant> {
        self.sending_since.get()
    }

    /// Gives the peer up.
    pub fn stall(&self) {
        self.stalled.set(true);
    }

    /// The answer is not to be finished: the stream's task, once woken, ends.
    pub fn cut(&self) {
        self.cut.set(true);
    }

    /// Whether the answer is not to be finished.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Whether the stream was reset because its peer took nothing.
    #[must_use]
    pub fn stalled(&self) -> bool {
        self.stalled.get()
    }
}
