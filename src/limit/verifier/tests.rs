use std::num::NonZeroUsize;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::token::{ScopeSet, Sid, State, Texts};

const PATIENCE: Duration = Duration::from_secs(20);

fn settings(queue: usize) -> Verification {
    Verification {
        threads: NonZeroUsize::MIN,
        queue,
        cache: 100,
    }
}

fn check(digest: &str, secret: &str) -> SlowCheck {
    SlowCheck {
        token: Arc::new(Token {
            sid: Sid::parse(b"alice").expect("a SID"),
            digest: Digest::Slow(digest.into()),
            state: State::Enabled,
            version: None,
            scopes: ScopeSet::default(),
            account: None,
            texts: Box::new(Texts::default()),
        }),
        secret: Secret::copy_of(secret.as_bytes()),
    }
}

/// What a verification came to.
async fn outcome(verifier: &Pool, digest: &str, secret: &str) -> &'static str {
    match verifier.verify(check(digest, secret)).await {
        Ok(_) => "proven",
        Err(VerifyError::Denied(Denial::BadCredentials)) => "denied",
        Err(VerifyError::Overloaded(Overloaded)) => "overloaded",
        Err(other) => panic!("{other:?}"),
    }
}

/// A door at which the threads wait, and how many came to it.
#[derive(Default)]
struct Door {
    state: Mutex<(usize, bool)>,
    moved: Condvar,
}

impl Door {
    fn pass(&self) {
        let mut state = self.state.lock().expect("no panic at the door");
        state.0 += 1;
        self.moved.notify_all();
        let passed = self.moved.wait_timeout_while(state, PATIENCE, |s| !s.1);
        assert!(!passed.expect("no panic at the door").1.timed_out());
    }

    fn wait_for(&self, came: usize) {
        let state = self.state.lock().expect("no panic at the door");
        let arrived = self
            .moved
            .wait_timeout_while(state, PATIENCE, |s| s.0 < came);
        assert!(!arrived.expect("no panic at the door").1.timed_out());
    }

    fn open(&self) {
        self.state.lock().expect("no panic at the door").1 = true;
        self.moved.notify_all();
    }
}

/// A verifier whose thread waits at a door whenever the secret is not `right`.
fn guarded(queue: usize) -> (Pool, Arc<Door>) {
    let door = Arc::new(Door::default());
    let at = Arc::clone(&door);
    let verifier = Pool::start_with(&settings(queue), move |_, secret| {
        if secret == b"right" {
            return true;
        }
        at.pass();
        false
    });
    (verifier.expect("a thread"), door)
}

/// Starts guesses that all wait, or are refused; tells how many of them were refused.
async fn guess(
    verifier: &Pool,
    digests: impl Iterator<Item = String>,
) -> (usize, Vec<tokio::task::JoinHandle<&'static str>>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut guesses = Vec::new();
    for digest in digests {
        let (verifier, begun) = (verifier.clone(), Arc::clone(&begun));
        guesses.push(tokio::spawn(async move {
            begun.fetch_add(1, Ordering::Relaxed);
            outcome(&verifier, &digest, "wrong").await
        }));
    }
    // On this runtime of one thread, what has begun has also come to its wait.
    while begun.load(Ordering::Relaxed) < guesses.len() {
        tokio::task::yield_now().await;
    }
    let mut refused = 0;
    let mut waiting = Vec::new();
    for guess in guesses {
        if guess.is_finished() {
            assert_eq!(guess.await.expect("no panic"), "overloaded");
            refused += 1;
        } else {
            waiting.push(guess);
        }
    }
    (refused, waiting)
}

#[tokio::test]
async fn a_thousand_guesses_wait_in_a_bounded_queue_and_block_no_worker() {
    let (verifier, door) = guarded(16);
    assert_eq!(outcome(&verifier, "$2y$known", "right").await, "proven");

    let (refused, mut waiting) = guess(&verifier, ["$2y$first".into()].into_iter()).await;
    assert_eq!(refused, 0);
    door.wait_for(1);
    let (refused, more) = guess(&verifier, (1..1000).map(|n| format!("$2y${n}"))).await;
    assert_eq!((refused, more.len()), (999 - 16, 16));
    waiting.extend(more);
    assert_eq!(verifier.waiting.each.len(), 17);

    // The only thread stands at the door, yet what was proven before is answered.
    assert_eq!(outcome(&verifier, "$2y$known", "right").await, "proven");
    assert_eq!(outcome(&verifier, "$2y$known", "wrong").await, "overloaded");

    door.open();
    for guess in waiting {
        assert_eq!(guess.await.expect("no panic"), "denied");
    }
    assert_eq!(outcome(&verifier, "$2y$1", "right").await, "proven");
    let failed = verifier.successes.mark("$2y$1", b"wrong");
    assert!(!verifier.successes.contains(&failed));
}

#[tokio::test]
async fn guesses_at_one_digest_leave_half_of_the_queue_to_others() {
    let (verifier, door) = guarded(16);
    let (refused, mut waiting) = guess(&verifier, (0..1000).map(|_| "$2y$one".into())).await;
    assert_eq!((refused, waiting.len()), (992, 8));
    let (refused, others) = guess(&verifier, (0..8).map(|n| format!("$2y${n}"))).await;
    assert_eq!(refused, 0);
    waiting.extend(others);
    door.open();
    for guess in waiting {
        assert_eq!(guess.await.expect("no panic"), "denied");
    }
}

#[tokio::test]
async fn what_no_one_waits_for_is_not_verified() {
    let (verifier, door) = guarded(16);
    let (_, first) = guess(&verifier, ["$2y$first".into()].into_iter()).await;
    door.wait_for(1);
    let (_, gone) = guess(&verifier, (0..10).map(|n| format!("$2y${n}"))).await;
    for guess in gone {
        guess.abort();
        assert!(guess.await.is_err());
    }
    door.open();
    for guess in first {
        assert_eq!(guess.await.expect("no panic"), "denied");
    }
    assert_eq!(outcome(&verifier, "$2y$last", "wrong").await, "denied");
    // The first and the last came to the door.
    assert_eq!(door.state.lock().expect("no panic at the door").0, 2);
}

#[tokio::test]
async fn a_wait_has_a_deadline() {
    let (mut verifier, door) = guarded(16);
    assert_eq!(verifier.deadline, DEADLINE);
    verifier.deadline = Duration::from_millis(20);
    assert_eq!(outcome(&verifier, "$2y$1", "wrong").await, "overloaded");
    door.open();
}

#[tokio::test]
async fn a_panic_takes_no_thread_away() {
    let verifier = Pool::start_with(&settings(16), |_, secret| {
        assert!(secret != b"panic", "as the test asks");
        true
    })
    .expect("a thread");
    for _ in 0..3 {
        assert_eq!(outcome(&verifier, "$2y$1", "panic").await, "overloaded");
    }
    assert_eq!(outcome(&verifier, "$2y$1", "right").await, "proven");
    assert!(verifier.waiting.each.is_empty());
}

#[tokio::test]
async fn a_success_is_remembered_until_the_digest_changes_and_a_failure_is_not() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let verifier = Pool::start_with(&settings(16), move |_, secret| {
        counted.fetch_add(1, Ordering::Relaxed);
        secret == b"right"
    })
    .expect("a thread");
    for _ in 0..5 {
        assert_eq!(outcome(&verifier, "$2y$old", "right").await, "proven");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(outcome(&verifier, "$2y$new", "right").await, "proven");
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    for _ in 0..5 {
        assert_eq!(outcome(&verifier, "$2y$old", "wrong").await, "denied");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 7);
}

#[tokio::test]
async fn every_kind_of_digest_is_verified() {
    let verifier = Pool::start(&settings(16)).expect("a thread");
    let keys = Keys::default();
    let secret = Secret::copy_of(b"hunter2");
    let wrong = Secret::copy_of(b"hunter3");
    let bcrypt = "$2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
    for digest in [
        Digest::of(&secret),
        Digest::parse(bcrypt).expect("a digest"),
    ] {
        assert_eq!(
            verifier.verify_digest(&keys, &digest, &secret).await,
            Ok(true)
        );
        assert_eq!(
            verifier.verify_digest(&keys, &digest, &wrong).await,
            Ok(false)
        );
    }
    // No key, so no secret has this one.
    let hmac = Digest::HmacSha256([0; 32]);
    assert_eq!(
        verifier.verify_digest(&keys, &hmac, &secret).await,
        Ok(false)
    );
}

#[test]
fn the_threads_end_with_the_last_clone() {
    let held = Arc::new(());
    let holds = Arc::clone(&held);
    let verifier = Pool::start_with(&settings(1), move |_, _| Arc::strong_count(&holds) > 0)
        .expect("a thread");
    drop(verifier.clone());
    assert!(Arc::strong_count(&held) > 1);
    drop(verifier);
    let begin = std::time::Instant::now();
    while Arc::strong_count(&held) > 1 {
        assert!(begin.elapsed() < PATIENCE, "the thread still runs");
        thread::yield_now();
    }
}
