//! Guesses, counted.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const WINDOW: Duration = Duration::from_secs(60);

fn allowed(failures: u32) -> Allowance {
    Allowance {
        failures,
        window: WINDOW,
    }
}

#[test]
fn a_peer_is_heard_again_when_the_window_ends() {
    let (guesses, start) = (Guesses::default(), Instant::now());
    let three = allowed(3);
    for last in [false, false, true] {
        assert_eq!(guesses.wait(&"a", None, three, start), None);
        assert_eq!(guesses.failed(&"a", None, three, start), last);
    }
    let later = start + Duration::from_secs(20);
    assert_eq!(
        guesses.wait(&"a", None, three, later),
        Some(Duration::from_secs(40))
    );
    assert_eq!(guesses.wait(&"b", None, three, later), None);
    let end = start + WINDOW;
    assert!(guesses.is_quiet(three, end));
    assert_eq!(guesses.wait(&"a", None, three, end), None);
    assert!(!guesses.failed(&"a", None, three, end));
    assert!(!guesses.is_quiet(three, end));
}

#[test]
fn a_guess_that_is_repeated_counts_by_itself_alone() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    let three = allowed(3);
    let wait = |guess: &str| guesses.wait(&"a", Some(guess.as_bytes()), three, now);
    for _ in 0..3 {
        assert_eq!(wait("old"), None);
        guesses.failed(&"a", Some(b"old"), three, now);
    }
    assert_eq!(wait("old"), Some(WINDOW), "it will not become right");
    assert_eq!(wait("new"), None, "another is looked at");
    // In the next window it is not new either.
    let next = now + WINDOW;
    guesses.failed(&"a", Some(b"old"), three, next);
    for guess in ["one", "two"] {
        assert!(!guesses.failed(&"a", Some(guess.as_bytes()), three, next));
    }
    assert!(guesses.failed(&"a", Some(b"three"), three, next));
    for guess in ["old", "new"] {
        assert!(
            guesses
                .wait(&"a", Some(guess.as_bytes()), three, next)
                .is_some()
        );
        assert_eq!(
            guesses.wait(&"b", Some(guess.as_bytes()), three, next),
            None,
            "what one peer guessed says nothing of another"
        );
    }
}

#[test]
fn nothing_is_counted_where_all_is_allowed() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    guesses.failed(&"a", None, allowed(0), now);
    assert!(guesses.sketch.get().is_none());
    guesses.failed(&"a", None, allowed(1), now);
    assert!(guesses.wait(&"a", None, allowed(1), now).is_some());
    assert_eq!(guesses.wait(&"a", None, allowed(0), now), None);
}

#[test]
fn many_peers_neither_clear_a_count_nor_lock_others_out() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    let many = allowed(300);
    for _ in 0..300 {
        guesses.failed(&"guesser", None, many, now);
    }
    for peer in 0..200_000_u32 {
        guesses.failed(&peer, None, many, now);
    }
    assert!(guesses.wait(&"guesser", None, many, now).is_some());
    let locked = (200_000..300_000_u32).filter(|p| guesses.wait(p, None, many, now).is_some());
    assert_eq!(locked.count(), 0);
}

#[test]
fn of_many_guessers_over_the_limit_hardly_one_hides_another() {
    let (guesses, now) = (Guesses::default(), Instant::now());
    let once = allowed(1);
    for peer in 0..1_000_u32 {
        guesses.failed(&peer, None, once, now);
    }
    assert!((0..1_000_u32).all(|peer| guesses.wait(&peer, None, once, now).is_some()));
    let locked = (1_000..101_000_u32).filter(|p| guesses.wait(p, None, once, now).is_some());
    // One in a million is expected; five of 100,000 have odds below one in 10 million.
    let locked = locked.count();
    assert!(locked < 5, "{locked} of 100,000");
}

#[test]
fn another_length_of_the_window_counts_anew() {
    let (guesses, start) = (Guesses::default(), Instant::now());
    let hour = Allowance {
        failures: 2,
        window: Duration::from_secs(3_600),
    };
    let late = start + Duration::from_secs(5_000);
    guesses.failed(&"a", None, allowed(2), start);
    for (now, allowance) in [(late, allowed(2)), (late, hour), (late, allowed(2))] {
        assert!(!guesses.failed(&"a", None, allowance, now));
        assert!(guesses.failed(&"a", None, allowance, now));
        assert!(guesses.wait(&"a", None, allowance, now).is_some());
    }
}

proptest! {
    /// Whatever comes in whatever order: who has failed as often as allowed has to wait.
    #[test]
    fn no_failure_is_lost(
        steps in prop::collection::vec((0_u8..20, 0_u64..20), 1..400),
        failures in 1_u32..6,
    ) {
        let (guesses, start) = (Guesses::default(), Instant::now());
        let allowance = allowed(failures);
        let mut truth: HashMap<(u64, u8), u32> = HashMap::new();
        let mut passed = 0;
        // The first failure, of somebody else, opens the first window.
        guesses.failed(&"first", None, allowance, start);
        for (peer, seconds) in steps {
            passed += seconds;
            let now = start + Duration::from_secs(passed);
            guesses.failed(&peer, None, allowance, now);
            let window = passed / WINDOW.as_secs();
            let count = truth.entry((window, peer)).or_insert(0);
            *count += 1;
            if *count >= failures {
                prop_assert!(guesses.wait(&peer, None, allowance, now).is_some());
            }
        }
    }
}
