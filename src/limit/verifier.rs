//! Verifies slow digests (bcrypt, argon2id) on threads of its own.
//!
//! A worker only ever waits for an answer, and never long: the queue is bounded, one
//! digest may take half of it at the most, and a wait has a deadline. What was verified
//! once is answered from memory, without a thread. Checks that are alike are not run as
//! one, for the time would tell who else is asking.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::successes::{Mark, Successes};
use crate::auth::verify::slow_matches;
use crate::auth::{Denial, Keys, SlowCheck};
use crate::config::Verification;
use crate::token::{Digest, Secret, Token};

/// How long an answer is waited for, in the queue and on the thread.
const DEADLINE: Duration = Duration::from_secs(10);

/// Verifies slow digests on threads of its own, which end when its last clone is dropped.
///
/// It is meant for one listener's clients: those who guess at the gate shall not fill the
/// queue in which operators wait.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<ArcSwap<Pool>>);

/// The threads of one configuration, and what they have proven.
#[derive(Clone)]
struct Pool {
    settings: Verification,
    queue: SyncSender<Check>,
    successes: Arc<Successes>,
    waiting: Arc<Waiting>,
    deadline: Duration,
}

/// Why a slow verification gave no token.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The secret is not the token's.
    #[error("the secret is not the token's")]
    Denied(Denial),
    /// It could not be said in time.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
}

/// Too many verifications wait already, or this one was not done within 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many slow verifications are waiting")]
pub struct Overloaded;

impl Verifier {
    /// Starts the threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(settings: &Verification) -> std::io::Result<Self> {
        let pool = Pool::start(settings)?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(pool))))
    }

    /// Takes other settings over, for it and all its clones: new threads that remember
    /// nothing, where the settings differ. What waits is verified by the old ones.
    ///
    /// # Errors
    /// When a thread cannot be started; the old settings then stay.
    pub fn reconfigure(&self, settings: &Verification) -> std::io::Result<()> {
        if self.0.load().settings != *settings {
            self.0.store(Arc::new(Pool::start(settings)?));
        }
        Ok(())
    }

    /// Verifies, from memory or on a thread.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(&self, check: SlowCheck) -> Result<Arc<Token>, VerifyError> {
        self.0.load_full().verify(check).await
    }

    /// Whether a secret has a digest of any kind: an operator's, say. Where the digest is
    /// not slow the answer is there at once.
    ///
    /// # Errors
    /// [`Overloaded`].
    pub async fn verify_digest(
        &self,
        keys: &Keys,
        digest: &Digest,
        secret: &Secret,
    ) -> Result<bool, Overloaded> {
        let pool = self.0.load_full();
        pool.verify_digest(keys, digest, secret).await
    }
}

impl Pool {
    fn start(settings: &Verification) -> std::io::Result<Self> {
        Self::start_with(settings, slow_matches)
    }

    fn start_with(
        settings: &Verification,
        matches: impl Fn(&Digest, &[u8]) -> bool + Clone + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, checks) = mpsc::sync_channel(settings.queue.max(1));
        let checks = Arc::new(Mutex::new(checks));
        let successes = Arc::new(Successes::new(settings.cache));
        for number in 0..settings.threads.get() {
            let (checks, successes) = (Arc::clone(&checks), Arc::clone(&successes));
            let matches = matches.clone();
            thread::Builder::new()
                .name(format!("verify-{number}"))
                .spawn(move || run(&checks, &successes, &matches))?;
        }
        Ok(Self {
            settings: settings.clone(),
            queue,
            successes,
            waiting: Arc::new(Waiting {
                each: DashMap::new(),
                max: settings.queue.div_ceil(2).max(1),
            }),
            deadline: DEADLINE,
        })
    }

    async fn verify(&self, check: SlowCheck) -> Result<Arc<Token>, VerifyError> {
        let SlowCheck { token, secret } = check;
        if self.slow(&token.digest, secret).await? {
            Ok(token)
        } else {
            Err(VerifyError::Denied(Denial::BadCredentials))
        }
    }

    async fn verify_digest(
        &self,
        keys: &Keys,
        digest: &Digest,
        secret: &Secret,
    ) -> Result<bool, Overloaded> {
        match keys.matches(Some(digest), true, secret.expose()) {
            Some(matches) => Ok(matches),
            None => self.slow(digest, secret.clone()).await,
        }
    }

    async fn slow(&self, digest: &Digest, secret: Secret) -> Result<bool, Overloaded> {
        let Digest::Slow(text) = digest else {
            return Ok(false);
        };
        let mark = self.successes.mark(text, secret.expose());
        if self.successes.contains(&mark) {
            return Ok(true);
        }
        let (answer, answered) = oneshot::channel();
        let check = Check {
            digest: digest.clone(),
            secret,
            mark,
            answer,
            place: Waiting::enter(&self.waiting, text).ok_or(Overloaded)?,
        };
        self.queue.try_send(check).map_err(|_| Overloaded)?;
        match timeout(self.deadline, answered).await {
            Ok(Ok(matches)) => Ok(matches),
            // Late, or given up by a thread that panicked: not proven either way.
            Ok(Err(_)) | Err(_) => Err(Overloaded),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("settings", &self.settings)
            .field("successes", &self.successes)
            .finish_non_exhaustive()
    }
}

/// One verification on its way to a thread.
struct Check {
    digest: Digest,
    secret: Secret,
    mark: Mark,
    answer: oneshot::Sender<bool>,
    place: Place,
}

/// What a thread does.
fn run(
    checks: &Mutex<Receiver<Check>>,
    successes: &Successes,
    matches: &impl Fn(&Digest, &[u8]) -> bool,
) {
    loop {
        // The lock is held while waiting: the other threads would have nothing to do either.
        let next = checks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(check) = next else {
            return;
        };
        // Who waited for it may have gone.
        if check.answer.is_closed() {
            continue;
        }
        // Someone else may have proven the same meanwhile.
        let verdict = successes.contains(&check.mark).then_some(true).or_else(|| {
            let verify = || matches(&check.digest, check.secret.expose());
            catch_unwind(AssertUnwindSafe(verify)).ok()
        });
        // Given back first: who has the answer may come again at once.
        drop(check.place);
        match verdict {
            Some(matched) => {
                if matched {
                    successes.add(check.mark);
                }
                let _gone = check.answer.send(matched);
            }
            // The panic's own message is on standard error already.
            None => tracing::error!("a slow verification panicked; it counts as not done"),
        }
    }
}

/// How many checks of each digest are under way, so that guesses at one token leave room
/// for the others. As many entries as checks at the most.
struct Waiting {
    each: DashMap<Box<str>, usize>,
    max: usize,
}

/// One of a digest's places; given back when dropped.
struct Place {
    waiting: Arc<Waiting>,
    digest: Box<str>,
}

impl Waiting {
    fn enter(waiting: &Arc<Self>, digest: &str) -> Option<Place> {
        let mut taken = waiting.each.entry(digest.into()).or_insert(0);
        if *taken >= waiting.max {
            return None;
        }
        *taken += 1;
        Some(Place {
            waiting: Arc::clone(waiting),
            digest: digest.into(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.each.remove_if_mut(&self.digest, |_, taken| {
            *taken -= 1;
            *taken == 0
        });
    }
}

#[cfg(test)]
mod tests;
