//! `Idempotency-Key`: a call that makes something can be sent again, after a broken
//! connection say, without making it twice. The same answer comes again, for 10 minutes.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderName};

use super::State;
use super::exchange::Exchange;
use super::problem::Problem;
use super::respond::Answer;

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(600);
/// Bytes of answers that are kept. Beyond, keyed calls are refused until some have aged:
/// forgetting one early would break its promise.
const BUDGET: usize = 64 * 1024 * 1024;
/// How often the aged are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// What one key costs beside its answer's body.
const OVERHEAD: usize = 1024;
/// The longest key.
const KEY_MAX: usize = 255;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Answers by operator and key.
#[derive(Debug, Default)]
pub(super) struct Replays(Mutex<Table>);

/// What a key was used for: a hash of method, path and body.
type Fingerprint = [u8; 32];

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<(Arc<str>, String), Entry>,
    used: usize,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    made: Instant,
    cost: usize,
    slot: Arc<Slot>,
}

/// The call that has the lock does the work; others with its key wait for what becomes of
/// it. A call that failed leaves nothing, so that it can be tried again.
type Slot = tokio::sync::Mutex<Option<(Fingerprint, Answer)>>;

/// The key of a request, if it has one.
///
/// # Errors
/// [`Problem::BadHeader`] unless it is one header of 1 to 255 visible ASCII characters.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let visible = value.as_bytes().iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if visible && (1..=KEY_MAX).contains(&key.len()) && values.next().is_none() => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(Problem::BadHeader(format!(
            "Idempotency-Key must be one value of 1 to {KEY_MAX} visible ASCII characters"
        ))),
    }
}

/// Does the work, or gives the answer that it had under the request's key before.
///
/// # Errors
/// The work's own problem; [`Problem::BadHeader`], [`Problem::IdempotencyKeyReused`];
/// [`Problem::Overloaded`] where too many answers are kept.
pub(super) async fn once(
    state: &State,
    exchange: &Exchange,
    body: &[u8],
    work: impl Future<Output = Result<Answer, Problem>>,
) -> Result<Answer, Problem> {
    let head = &exchange.head;
    let Some(key) = key(&head.headers)? else {
        return work.await;
    };
    let mut hash = Context::new(&SHA256);
    // Neither a method nor a path has a zero byte.
    for part in [head.method.as_str(), "\0", head.uri.path(), "\0"] {
        hash.update(part.as_bytes());
    }
    hash.update(body);
    let fingerprint = hash.finish();
    let fingerprint = *fingerprint
        .as_ref()
        .first_chunk()
        .ok_or(Problem::Internal)?;
    let operator = &exchange.operator.name;
    state.replays.once(operator, key, fingerprint, work).await
}

impl Replays {
    /// As [`once`]., or gives the answer that it had under this key before.
    async fn once(
        &self,
        operator: &Arc<str>,
        key: String,
        fingerprint: Fingerprint,
        work: impl Future<Output = Result<Answer, Problem>>,
    ) -> Result<Answer, Problem> {
        let id = (Arc::clone(operator), key);
        let slot = self.table().slot(id.clone(), Instant::now())?;
        let mut kept = slot.lock().await;
        match &*kept {
            Some((used_for, answer)) if *used_for == fingerprint => Ok(answer.clone()),
            Some(_) => Err(Problem::IdempotencyKeyReused),
            None => {
                let answer = work.await?;
                self.table()
                    .answered(&id, answer.body.len(), Instant::now());
                *kept = Some((fingerprint, answer.clone()));
                Ok(answer)
            }
        }
    }

    /// The table stays sound whatever panics while it is held.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn slot(&mut self, id: (Arc<str>, String), now: Instant) -> Result<Arc<Slot>, Problem> {
        if let Some(entry) = self.entries.get(&id).filter(|entry| !entry.is_aged(now)) {
            return Ok(Arc::clone(&entry.slot));
        }
        self.sweep(now);
        if self.used > BUDGET {
            return Err(Problem::Overloaded);
        }
        let slot = Arc::new(Slot::default());
        let entry = Entry {
            made: now,
            cost: OVERHEAD,
            slot: Arc::clone(&slot),
        };
        let aged = self.entries.insert(id, entry);
        self.used += OVERHEAD;
        self.used -= aged.map_or(0, |aged| aged.cost);
        Ok(slot)
    }

    fn answered(&mut self, id: &(Arc<str>, String), bytes: usize, now: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.made = now;
            entry.cost += bytes;
            self.used += bytes;
        }
    }

    /// Drops what has aged; not at each call, for it walks the table.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP) {
            return;
        }
        self.swept = Some(now);
        let used = &mut self.used;
        self.entries.retain(|_, entry| {
            let aged = entry.is_aged(now);
            if aged {
                *used -= entry.cost;
            }
            !aged
        });
    }
}

impl Entry {
    fn is_aged(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.made) >= KEPT
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::{HeaderValue, StatusCode};

    use super::*;

    async fn call(
        replays: &Replays,
        fingerprint: u8,
        works: bool,
        count: &AtomicU32,
    ) -> Result<Answer, Problem> {
        let operator: Arc<str> = "ops".into();
        let work = async {
            tokio::task::yield_now().await;
            if !works {
                return Err(Problem::Internal);
            }
            let number = count.fetch_add(1, Ordering::Relaxed);
            Ok(Answer::json(StatusCode::CREATED, &number))
        };
        let key = "key".to_owned();
        replays.once(&operator, key, [fingerprint; 32], work).await
    }

    #[tokio::test]
    async fn a_key_does_its_work_once() {
        let (replays, count) = (Replays::default(), AtomicU32::new(0));
        let (first, second) = tokio::join!(
            call(&replays, 1, true, &count),
            call(&replays, 1, true, &count)
        );
        assert_eq!(first.expect("done").body, second.expect("again").body);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        let other = call(&replays, 2, true, &count).await;
        assert_eq!(other.err(), Some(Problem::IdempotencyKeyReused));
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_failed_can_be_tried_again_otherwise() {
        let (replays, count) = (Replays::default(), AtomicU32::new(0));
        let failed = call(&replays, 1, false, &count).await;
        assert_eq!(failed.err(), Some(Problem::Internal));
        assert!(call(&replays, 2, true, &count).await.is_ok());
    }

    #[test]
    fn answers_age_and_their_room_comes_back() {
        let (mut table, start) = (Table::default(), Instant::now());
        let id = |number: usize| (Arc::from("ops"), number.to_string());
        let first = table.slot(id(0), start).expect("room");
        table.answered(&id(0), BUDGET, start);
        assert_eq!(table.slot(id(1), start).err(), Some(Problem::Overloaded));
        let again = table.slot(id(0), start + KEPT / 2).expect("known");
        assert!(Arc::ptr_eq(&first, &again));
        let fresh = table.slot(id(0), start + KEPT).expect("aged");
        assert!(!Arc::ptr_eq(&first, &fresh));
        assert_eq!(table.used, OVERHEAD);
        table.slot(id(1), start + KEPT).expect("room again");
        table.slot(id(2), start + KEPT * 3).expect("room");
        assert_eq!((table.entries.len(), table.used), (1, OVERHEAD));
    }

    #[test]
    fn a_key_is_one_short_visible_value() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_str(value).expect("a header value");
                headers.append(IDEMPOTENCY_KEY, value);
            }
            key(&headers)
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["a-1"]), Ok(Some("a-1".into())));
        for bad in [
            &[""][..],
            &["a b"],
            &["é"],
            &["a", "a"],
            &[&"a".repeat(256)],
        ] {
            assert!(matches!(read(bad), Err(Problem::BadHeader(_))), "{bad:?}");
        }
    }
}
