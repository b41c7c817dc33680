//! How many requests of each token are in flight, over all workers.

use std::num::NonZeroU32;
use std::sync::Arc;

use dashmap::DashMap;

use crate::token::Sid;

/// Counts requests in flight by SID. As many entries as requests at the most.
#[derive(Debug, Default)]
pub struct InFlight(DashMap<Sid, u32>);

/// A request's place among its token's; given back when dropped, however it ends.
#[derive(Debug)]
pub struct Place {
    of: Arc<InFlight>,
    sid: Sid,
}

impl InFlight {
    /// A place for a request of this token, unless it has as many as it may.
    #[must_use = "a place that is dropped is given back"]
    pub fn enter(this: &Arc<Self>, sid: Sid, most: NonZeroU32) -> Option<Place> {
        let mut taken = this.0.entry(sid).or_insert(0);
        if *taken >= most.get() {
            return None;
        }
        *taken += 1;
        Some(Place {
            of: Arc::clone(this),
            sid,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.0.remove_if_mut(&self.sid, |_, taken| {
            *taken = taken.saturating_sub(1);
            *taken == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn sid(text: &str) -> Sid {
        Sid::parse(text.as_bytes()).expect("a SID")
    }

    #[test]
    fn never_more_than_the_limit_and_each_token_has_its_own() {
        let counts = Arc::new(InFlight::default());
        let two = NonZeroU32::new(2).expect("not 0");
        let enter = |who| InFlight::enter(&counts, sid(who), two);
        let first = enter("a");
        let second = enter("a");
        assert!(first.is_some() && second.is_some() && enter("a").is_none());
        assert!(enter("b").is_some());
        drop(first);
        let third = enter("a");
        assert!(third.is_some() && enter("a").is_none());
        drop((second, third));
        assert!(counts.0.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn a_lowered_limit_holds_once_requests_have_ended() {
        let counts = Arc::new(InFlight::default());
        let [one, two] = [1, 2].map(|n| NonZeroU32::new(n).expect("not 0"));
        let mut held: Vec<_> = (0..2)
            .map(|_| InFlight::enter(&counts, sid("a"), two))
            .collect();
        held.pop();
        assert!(InFlight::enter(&counts, sid("a"), one).is_none());
        held.pop();
        assert!(InFlight::enter(&counts, sid("a"), one).is_some());
    }

    #[test]
    fn threads_find_exactly_as_many_places_as_there_are() {
        let counts = Arc::new(InFlight::default());
        let most = NonZeroU32::new(100).expect("not 0");
        for _ in 0..20 {
            let taken: Vec<Place> = thread::scope(|scope| {
                let take = || -> Vec<Place> {
                    (0..50)
                        .filter_map(|_| InFlight::enter(&counts, sid("a"), most))
                        .collect()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
                threads
                    .into_iter()
                    .flat_map(|thread| thread.join().expect("no panic"))
                    .collect()
            });
            assert_eq!(taken.len(), 100);
        }
        assert!(counts.0.is_empty());
    }
}
