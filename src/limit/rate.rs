//! Counts what tokens and accounts call, in fixed windows that start at the first request.
//!
//! A counter stands for a holder in a [`RateGroup`]: it has a window for each minute, hour
//! and day. It is looked at and changed under the lock of its shard, so that several windows
//! are taken all or none and never one request too many, however many workers ask at once;
//! the lock is held for some tens of nanoseconds. Keys are names and numbers that outlive
//! snapshots: a reload changes what is allowed, not what was counted.
//!
//! Time is a parameter and monotonic. No clock of the wall is looked at, so that setting one
//! neither doubles a window nor freezes it. A counter with an open window is never dropped;
//! [`RateLimiter::sweep`] takes the others away, a few shards at a time and not on a
//! request's way. How many there may be is bounded: they can only be those of proven tokens,
//! but a bound that holds by itself needs no such reason.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::whole_seconds;
use crate::catalog::{Per, RateGroup, RateGroupId, RateLimit, Window};
use crate::token::{Sid, Token};

/// With a million counters about a thousand in each: little to move when one grows.
const SHARDS: usize = 1024;

/// The counters of all tokens and accounts.
pub struct RateLimiter {
    /// What windows' beginnings are measured from.
    epoch: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    len: AtomicUsize,
    /// Where the next sweep goes on.
    next: AtomicUsize,
    turned_away: AtomicU64,
}

type Shard = HashMap<Key, Counter, BuildHasherDefault<HashOfKey>>;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// It was counted, in every window.
    Taken(Standing),
    /// A window has no request left. Nothing was counted.
    Exceeded(Standing),
    /// There are as many counters as there may be, and this would be one more.
    Full,
}

/// How a holder stands in a group's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing([Option<Left>; Window::ALL.len()]);

/// What is left of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Which one.
    pub window: Window,
    /// How many requests it allows.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// When it ends.
    pub ends: Instant,
}

impl RateLimiter {
    /// No request is counted yet. Windows are measured from `now`, which no later `now` is
    /// to precede.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            len: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            turned_away: AtomicU64::new(0),
        }
    }

    /// Counts a request of this token under the limits of this group, if each of its
    /// windows has one left. There are never more than `most` counters.
    ///
    /// No memory is taken where the holder has a counter already.
    pub fn take(&self, group: &RateGroup, token: &Token, most: usize, now: Instant) -> Taking {
        let key = Key::new(&self.hasher, group, token);
        let now = self.since_epoch(now);
        let mut shard = self.shard(key.hash);
        match shard.entry(key) {
            Entry::Occupied(mut counter) => self.count(counter.get_mut(), &group.limits, now),
            Entry::Vacant(place) => {
                let more = |len: usize| (len < most).then_some(len + 1);
                if self.len.fetch_update(Relaxed, Relaxed, more).is_err() {
                    self.turned_away.fetch_add(1, Relaxed);
                    return Taking::Full;
                }
                self.count(place.insert(Counter::default()), &group.limits, now)
            }
        }
    }

    /// How many counters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests were turned away for want of a counter since this was last asked.
    pub fn take_turned_away(&self) -> u64 {
        self.turned_away.swap(0, Relaxed)
    }

    /// Drops the counters without an open window of every `1 / parts` of the shards, from
    /// where the last sweep ended. A shard is locked for as long as it takes to look at its
    /// counters.
    pub fn sweep(&self, parts: usize, now: Instant) {
        if self.is_empty() {
            return;
        }
        let now = self.since_epoch(now);
        let step = SHARDS.div_ceil(parts.max(1));
        let first = self.next.fetch_add(step, Relaxed);
        for at in first..first + step {
            let Some(shard) = self.shards.get(at % SHARDS) else {
                continue;
            };
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|_, counter| counter.is_open(now));
            self.len.fetch_sub(before - shard.len(), Relaxed);
            if shard.capacity() > 8 * shard.len().max(1) {
                let room = 2 * shard.len();
                shard.shrink_to(room);
            }
        }
    }

    /// Nanoseconds; enough for 584 years.
    ///
    /// A monotonic clock does not go back; that a `now` read earlier arrives later is all
    /// that can happen, and costs a window nothing.
    fn since_epoch(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The map itself uses the lowest bits and the highest.
        let at = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        lock(
            self.shards
                .get(at)
                .expect("a remainder is less than SHARDS"),
        )
    }

    fn count(&self, counter: &mut Counter, limits: &[RateLimit], now: u64) -> Taking {
        let has_room = |limit: &RateLimit| counter.open(limit.window, now).1 < limit.count.get();
        let admitted = limits.iter().all(has_room);
        let mut standing = Standing([None; Window::ALL.len()]);
        for (limit, left) in limits.iter().zip(&mut standing.0) {
            let (began, mut used) = counter.open(limit.window, now);
            if admitted {
                used += 1;
                counter.set(limit.window, began, used);
            }
            *left = Some(Left {
                window: limit.window,
                limit: limit.count.get(),
                remaining: limit.count.get().saturating_sub(used),
                ends: self.epoch + Duration::from_nanos(began) + limit.window.duration(),
            });
        }
        if admitted {
            Taking::Taken(standing)
        } else {
            Taking::Exceeded(standing)
        }
    }
}

/// What is done under a lock leaves nothing half done, so a panic there spoils nothing.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RateLimiter({} counters)", self.len())
    }
}

impl Standing {
    /// The windows, the shortest first; one at least.
    pub fn windows(&self) -> impl Iterator<Item = &Left> {
        self.0.iter().flatten()
    }

    /// The window with the fewest requests left; of several the one that ends last.
    #[must_use]
    pub fn tightest(&self) -> Option<&Left> {
        let tightness = |left: &&Left| (left.remaining, std::cmp::Reverse(left.ends));
        self.windows().min_by_key(tightness)
    }
}

impl Left {
    /// Seconds until the window ends, rounded up, at least 1.
    #[must_use]
    pub fn seconds(&self, now: Instant) -> u64 {
        whole_seconds(self.ends.saturating_duration_since(now))
    }
}

/// Whose counter it is, and in which group.
///
/// An account and a SID may be spelt alike; they are not the same holder.
#[derive(PartialEq, Eq)]
struct Key {
    /// Of all else, so that it is worked out once, and not again when a map grows.
    hash: u64,
    group: RateGroupId,
    is_account: bool,
    name: Sid,
}

impl Key {
    fn new(hasher: &RandomState, group: &RateGroup, token: &Token) -> Self {
        let account = token
            .account
            .as_deref()
            .filter(|_| group.per == Per::Account);
        let (is_account, name) = match account {
            Some(account) => (true, *account),
            None => (false, token.sid),
        };
        Self {
            hash: hasher.hash_one((group.number, is_account, name.as_bytes())),
            group: group.number,
            is_account,
            name,
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Hands on the hash that a [`Key`] carries.
#[derive(Default)]
struct HashOfKey(u64);

impl Hasher for HashOfKey {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A key writes one number; anything else would still be a hash, if a poor one.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// One holder's windows in one group: when each began, and what was counted since. A window
/// in which nothing was counted is none.
///
/// By kind and not by window, which saves eight bytes of a million counters each.
#[derive(Default)]
struct Counter {
    began: [u64; Window::ALL.len()],
    used: [u32; Window::ALL.len()],
}

impl Counter {
    /// Beginning and count of the window that is open, or of the one that would be opened
    /// now.
    fn open(&self, window: Window, now: u64) -> (u64, u32) {
        let (began, used) = (self.began[window as usize], self.used[window as usize]);
        let age = Duration::from_nanos(now.saturating_sub(began));
        if used > 0 && age < window.duration() {
            (began, used)
        } else {
            (now, 0)
        }
    }

    fn set(&mut self, window: Window, began: u64, used: u32) {
        self.began[window as usize] = began;
        self.used[window as usize] = used;
    }

    fn is_open(&self, now: u64) -> bool {
        let mut windows = Window::ALL.into_iter();
        windows.any(|window| self.open(window, now).1 > 0)
    }
}

#[cfg(test)]
mod tests;
