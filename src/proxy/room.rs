//! How many requests may be in flight over all workers.
//!
//! Workers take places from a common stock a few at a time and keep them for their next
//! requests, so that a request seldom touches memory that all workers write. There are
//! never more in flight than the limit; where it is reached, a worker may refuse while
//! others hold a few free places: at most 1/64 of the limit in all, and none where the
//! limit is under 64 for each worker.

use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// The stock of all workers. Below zero while a lowered limit waits for requests to end.
#[derive(Debug)]
pub(super) struct Places(AtomicIsize);

/// A worker's own places.
#[derive(Debug, Default)]
pub(super) struct Room {
    free: Cell<isize>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self(AtomicIsize::new(signed(limit)))
    }

    /// A reload changed the limit.
    pub(super) fn resize(&self, old: usize, new: usize) {
        self.0.fetch_add(signed(new) - signed(old), Relaxed);
    }

    /// How many places a worker takes at a time.
    fn chunk(limit: usize, workers: usize) -> isize {
        signed(limit / workers.saturating_mul(64).max(1)).clamp(1, 32)
    }
}

impl Room {
    /// Takes a place for one request, if there is one.
    pub(super) fn enter(&self, places: &Places, limit: usize, workers: usize) -> bool {
        if self.free.get() == 0 {
            let chunk = Places::chunk(limit, workers);
            let take = |left: isize| (left > 0).then(|| left - chunk.min(left));
            let Ok(before) = places.0.fetch_update(Relaxed, Relaxed, take) else {
                return false;
            };
            self.free.set(chunk.min(before));
        }
        self.free.set(self.free.get() - 1);
        true
    }

    /// Gives a place back.
    pub(super) fn leave(&self, places: &Places, limit: usize, workers: usize) {
        let free = self.free.get() + 1;
        if free < Places::chunk(limit, workers) {
            self.free.set(free);
        } else {
            self.free.set(0);
            places.0.fetch_add(free, Relaxed);
        }
    }
}

/// Limits are bounded far below this by the configuration.
fn signed(number: usize) -> isize {
    isize::try_from(number).unwrap_or(isize::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills two workers in turn and counts what they let in.
    fn fill(limit: usize) -> usize {
        let (places, rooms) = (Places::new(limit), [Room::default(), Room::default()]);
        let mut inside = 0;
        while rooms.iter().any(|room| room.enter(&places, limit, 2)) {
            inside += 1;
        }
        inside
    }

    #[test]
    fn never_more_than_the_limit_and_hardly_less() {
        for limit in [1, 2, 3, 63, 64, 127, 1_000, 10_000] {
            assert_eq!(fill(limit), limit);
        }
    }

    #[test]
    fn places_that_are_given_back_serve_every_worker() {
        for limit in [1, 100, 10_000] {
            let (places, one, two) = (Places::new(limit), Room::default(), Room::default());
            for _ in 0..limit {
                assert!(one.enter(&places, limit, 2));
            }
            assert!(!one.enter(&places, limit, 2) && !two.enter(&places, limit, 2));
            for _ in 0..limit {
                one.leave(&places, limit, 2);
            }
            let held = (0..limit)
                .take_while(|_| two.enter(&places, limit, 2))
                .count();
            assert!(held + limit / 64 >= limit, "{held} of {limit}");
        }
    }

    #[test]
    fn a_lowered_limit_holds_once_requests_have_ended() {
        let (places, room) = (Places::new(4), Room::default());
        assert!((0..4).all(|_| room.enter(&places, 4, 1)));
        places.resize(4, 2);
        assert!(!room.enter(&places, 2, 1));
        room.leave(&places, 2, 1);
        room.leave(&places, 2, 1);
        assert!(!room.enter(&places, 2, 1), "two are inside still");
        room.leave(&places, 2, 1);
        assert!(room.enter(&places, 2, 1));
    }
}
