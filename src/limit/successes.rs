//! Which secrets were verified against which slow digests, so that a client pays for
//! bcrypt once and not at each request.
//!
//! A success is kept as a MAC over digest and secret under a key that this process made
//! and never shows. So a token whose digest changes has no success left, and who reads
//! the memory without the key holds no fast hash of a weak password. Failures are not
//! kept: there is no end to them.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use dashmap::DashMap;
use rand::Rng;
use zeroize::Zeroizing;

/// Verified pairs of digest and secret, up to a number of them.
///
/// When it is full, those go that were not asked for since it was last full; where more
/// than half are left, every second one of them goes too. So making room takes a step or
/// two for each place that it gives, and it is done by the thread that verified.
pub(super) struct Successes {
    key: hmac::Key,
    /// Each success, and whether it was asked for since room was last made.
    asked_for: DashMap<Mark, AtomicBool>,
    capacity: usize,
    /// Held while one is added, so that there are never more than `capacity`.
    adding: Mutex<()>,
}

/// Stands for a digest and a secret.
pub(super) type Mark = [u8; 32];

impl Successes {
    /// Remembers up to `capacity`; 0 remembers nothing.
    pub(super) fn new(capacity: usize) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(&mut *key);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &*key),
            asked_for: DashMap::new(),
            capacity,
            adding: Mutex::new(()),
        }
    }

    /// What stands for this digest, which has no NUL, and this secret.
    pub(super) fn mark(&self, digest: &str, secret: &[u8]) -> Mark {
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(digest.as_bytes());
        mac.update(&[0]);
        mac.update(secret);
        let tag = mac.sign();
        tag.as_ref()
            .try_into()
            .expect("HMAC-SHA-256 gives 32 bytes")
    }

    /// Whether it was added, and has not made room since.
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        let found = self.asked_for.get(mark);
        if let Some(asked_for) = &found {
            asked_for.store(true, Ordering::Relaxed);
        }
        found.is_some()
    }

    /// Remembers a success.
    pub(super) fn add(&self, mark: Mark) {
        if self.capacity == 0 {
            return;
        }
        let _one_at_a_time = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if self.asked_for.len() >= self.capacity {
            self.make_room();
        }
        self.asked_for.insert(mark, AtomicBool::new(false));
    }

    fn make_room(&self) {
        self.asked_for
            .retain(|_, asked_for| mem::take(asked_for.get_mut()));
        if self.asked_for.len() > self.capacity / 2 {
            let mut keep = true;
            self.asked_for.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }
}

impl fmt::Debug for Successes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Successes({} of {})",
            self.asked_for.len(),
            self.capacity
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(successes: &Successes, number: usize) -> Mark {
        successes.mark("$2y$", &number.to_le_bytes())
    }

    #[test]
    fn a_success_is_one_of_this_digest_this_secret_and_this_process() {
        let successes = Successes::new(10);
        successes.add(successes.mark("ab", b"cd"));
        assert!(successes.contains(&successes.mark("ab", b"cd")));
        for (digest, secret) in [
            ("ab", "ce"),
            ("ac", "cd"),
            ("abc", "d"),
            ("a", "bcd"),
            ("", ""),
        ] {
            let mark = successes.mark(digest, secret.as_bytes());
            assert!(!successes.contains(&mark), "{digest} {secret}");
        }
        assert_ne!(successes.mark("a", b"b"), Successes::new(1).mark("a", b"b"));
    }

    #[test]
    fn there_are_never_more_than_its_capacity_and_the_last_is_among_them() {
        for capacity in [1, 2, 3, 10, 100] {
            let successes = Successes::new(capacity);
            for number in 0..1_000 {
                successes.add(mark(&successes, number));
                assert!(successes.asked_for.len() <= capacity);
                assert!(successes.contains(&mark(&successes, number)));
            }
        }
    }

    #[test]
    fn what_is_asked_for_stays() {
        let successes = Successes::new(100);
        for wanted in 0..10 {
            successes.add(mark(&successes, wanted));
        }
        for number in 0..1_000 {
            for wanted in 0..10 {
                assert!(successes.contains(&mark(&successes, wanted)), "{number}");
            }
            successes.add(mark(&successes, 10 + number));
        }
    }

    #[test]
    fn half_goes_where_all_are_asked_for() {
        let successes = Successes::new(100);
        for number in 0..101 {
            let asked_for = mark(&successes, number);
            successes.add(asked_for);
            assert!(successes.contains(&asked_for));
        }
        assert_eq!(successes.asked_for.len(), 51);
    }

    #[test]
    fn no_capacity_remembers_nothing() {
        let successes = Successes::new(0);
        successes.add(mark(&successes, 1));
        assert!(!successes.contains(&mark(&successes, 1)));
        assert_eq!(format!("{successes:?}"), "Successes(0 of 0)");
    }
}
