//! One token's states over time, and whether what clients were answered fits them.
//!
//! The model is a register with one writer. A version is what one change made; it may be
//! in force from the change's call on, and is in force for certain from its answer to the
//! next one's call. Each request reads the register at one moment between its start and
//! its end.

use std::ops::RangeInclusive;
use std::time::Instant;

/// What one change made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The number of the credentials that the token has; `None` where it is deleted.
    pub(super) credentials: Option<usize>,
    pub(super) enabled: bool,
    pub(super) called: Instant,
    pub(super) answered: Instant,
}

impl Version {
    /// What it answers to the holder of these credentials.
    fn answer(&self, credentials: usize) -> u16 {
        match self.credentials {
            Some(right) if right == credentials && self.enabled => 200,
            Some(right) if right == credentials => 403,
            _ => 401,
        }
    }
}

/// What one request was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    pub(super) credentials: usize,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) status: u16,
}

/// The versions that a request may have been judged by.
fn candidates(versions: &[Version], seen: &Observed) -> RangeInclusive<usize> {
    let answered = versions.partition_point(|version| version.answered <= seen.began);
    let called = versions.partition_point(|version| version.called < seen.ended);
    answered.saturating_sub(1)..=called.saturating_sub(1)
}

/// How many requests each version judged for certain: no change was under way meanwhile.
pub(super) fn certain(versions: &[Version], seen: &[Observed]) -> Vec<usize> {
    let mut counts = vec![0; versions.len()];
    for one in seen {
        let range = candidates(versions, one);
        if range.start() == range.end() {
            counts[*range.start()] += 1;
        }
    }
    counts
}

/// What no order of changes and requests explains: a request judged by a version that was
/// replaced when it began or not made when it ended, or by an older one than a request
/// that had ended before it began.
///
/// Each request takes the oldest version that explains it and is not older than what was
/// known to be in force; as that is the least that later requests are bound by, it finds
/// an order where there is one.
pub(super) fn violations(versions: &[Version], mut seen: Vec<Observed>) -> Vec<String> {
    seen.sort_by_key(|one| one.began);
    let mut by_end: Vec<usize> = (0..seen.len()).collect();
    by_end.sort_by_key(|&index| seen[index].ended);
    let mut ended = by_end.into_iter().peekable();
    let mut judged = vec![0; seen.len()];
    let mut least = 0;
    let mut violations = Vec::new();
    for (index, one) in seen.iter().enumerate() {
        while let Some(before) = ended.next_if(|&before| seen[before].ended < one.began) {
            least = least.max(judged[before]);
        }
        let range = candidates(versions, one);
        let (first, last) = (least.max(*range.start()), *range.end());
        let fits = |&version: &usize| versions[version].answer(one.credentials) == one.status;
        match (first..=last).find(fits) {
            Some(version) => judged[index] = version,
            None => {
                violations.push(format!(
                    "{one:?} by versions {first} to {last}: {:?}",
                    versions.get(first..=last)
                ));
                judged[index] = first;
            }
        }
    }
    violations
}

mod tests {
    use std::time::{Duration, Instant};

    use super::{Observed, Version, certain, violations};

    /// Enabled at 0, disabled from 10 to 14, enabled again from 20 to 24.
    fn versions(zero: Instant) -> Vec<Version> {
        let at = |millis| zero + Duration::from_millis(millis);
        [(0, 0, true), (10, 14, false), (20, 24, true)]
            .map(|(called, answered, enabled)| Version {
                credentials: Some(0),
                enabled,
                called: at(called),
                answered: at(answered),
            })
            .to_vec()
    }

    /// How many violations there are, and how many requests each version judged.
    fn judged(requests: &[(u64, u64, u16)]) -> (usize, Vec<usize>) {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        let seen: Vec<Observed> = requests
            .iter()
            .map(|&(began, ended, status)| Observed {
                credentials: 0,
                began: at(began),
                ended: at(ended),
                status,
            })
            .collect();
        let versions = versions(zero);
        let certain = certain(&versions, &seen);
        (violations(&versions, seen).len(), certain)
    }

    #[test]
    fn what_fits_is_no_violation() {
        let fits = [
            (1, 2, 200),
            (9, 13, 200),
            (9, 13, 403),
            (15, 16, 403),
            (8, 30, 403),
            (8, 30, 200),
            (25, 26, 200),
        ];
        assert_eq!(judged(&fits), (0, vec![1, 1, 1]));
    }

    #[test]
    fn an_older_or_a_later_state_is_a_violation() {
        for wrong in [(15, 16, 200), (15, 16, 401), (1, 2, 403), (25, 26, 403)] {
            assert_eq!(judged(&[wrong]).0, 1, "{wrong:?}");
        }
        // Once one request was judged by the new state, no later one is by the older.
        assert_eq!(judged(&[(10, 11, 403), (12, 13, 200)]).0, 1);
        assert_eq!(judged(&[(10, 12, 403), (11, 13, 200)]).0, 0, "they overlap");
    }
}
