//! Long work beside requests. The scheduler lets a thread that has much to do go on for some
//! milliseconds, and a request that comes to the same core meanwhile would wait for that.

use std::thread::yield_now;
use std::time::{Duration, Instant};

/// What is done without a pause.
const WORK: Duration = Duration::from_micros(300);

/// For how long others are let go first. Where they always have something to do, a pause costs
/// what they take, and a change of the file must not wait for that.
const PATIENCE: Duration = Duration::from_millis(250);

/// Steps between two looks at the clock.
const STEPS: u32 = 16;

/// The pauses of one piece of work, in which others go first.
pub(super) struct Pauses {
    begun: Instant,
    last: Instant,
    steps: u32,
}

impl Pauses {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            last: now,
            steps: 0,
        }
    }

    /// After each step, of microseconds.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        if self.steps >= STEPS {
            self.look();
        }
    }

    /// After a longer one.
    pub(super) fn look(&mut self) {
        self.steps = 0;
        let now = Instant::now();
        if now - self.last >= WORK && now - self.begun < PATIENCE {
            yield_now();
            self.last = Instant::now();
        }
    }
}

/// The same items, with pauses in between.
pub(super) fn politely<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let mut pauses = Pauses::new();
    items.into_iter().inspect(move |_| pauses.step())
}
