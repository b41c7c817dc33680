//! Wrong credentials, counted for each peer, so that guessing is slow.
//!
//! The counts lie in a sketch of one size (count-min, conservatively updated) and not in a
//! table of peers: nothing is ever full, so nobody's count is given up for another's, and
//! no stranger is turned away because others came first. Where each cell of a peer is shared
//! with others, it is taken for the sum of them; which cells those are, a key of this
//! process says, so that nobody can aim at another's. With 1,000 peers over the limit at
//! once, one in a million others shares all its cells with them; with 10,000, one in 200.
//!
//! Windows have one length and begin at once for all, the first of them with the first
//! failure: in any time of that length a peer has at most twice what it is allowed.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Each key has a cell in each row; the least of them is nearest to the truth.
const ROWS: u32 = 4;
/// Bits of a hash that name a cell of a row: 32,768 of 8 bytes, 1 MiB for all rows.
const ROW_BITS: u32 = 15;
/// Bits of a hash that name the place of a guess: 32,768 of 8 bytes.
const GUESS_BITS: u32 = 15;

/// What a peer is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// So many wrong guesses; 0 is without end.
    pub failures: u32,
    /// In each window of this length.
    pub window: Duration,
}

/// The wrong guesses of all peers.
#[derive(Debug, Default)]
pub struct Guesses {
    /// None until something has failed.
    sketch: OnceLock<Sketch>,
}

#[derive(Debug)]
struct Sketch {
    began: Instant,
    hasher: RandomState,
    /// The last window in which something failed.
    latest: AtomicU32,
    /// The last window in which one guess was repeated as often as may be.
    stubborn: AtomicU32,
    /// Rows, one after the other, of window and count.
    cells: Box<[AtomicU64]>,
    /// Guesses that were wrong: tag, window and count of each.
    wrong: Box<[AtomicU64]>,
}

impl Guesses {
    /// Whether nothing has failed in this window: nobody has to wait then.
    #[must_use]
    pub fn is_quiet(&self, allowance: Allowance, now: Instant) -> bool {
        self.sketch.get().is_none_or(|sketch| {
            let (window, _) = sketch.window(allowance, now);
            allowance.failures == 0 || sketch.latest.load(Relaxed) != window
        })
    }

    /// How long this peer must wait before its guess is looked at, if it must: its own
    /// guesses are used up, or this same one has been repeated as often.
    pub fn wait(
        &self,
        peer: &impl Hash,
        guess: Option<&[u8]>,
        allowance: Allowance,
        now: Instant,
    ) -> Option<Duration> {
        if self.is_quiet(allowance, now) {
            return None;
        }
        let sketch = self.sketch.get()?;
        let (window, left) = sketch.window(allowance, now);
        let is_stubborn = || {
            let guess = guess.filter(|_| sketch.stubborn.load(Relaxed) == window)?;
            Some(sketch.repeats((peer, guess), window) >= allowance.failures)
        };
        let spent = sketch.count(peer, window) >= allowance.failures;
        (spent || is_stubborn().unwrap_or(false)).then_some(left)
    }

    /// Counts a wrong guess; true where it was the peer's last in this window. One that is
    /// known to be wrong is nothing new, and counts by itself alone: a client that goes on
    /// with an old auth token takes nothing from others behind the same address. Without a
    /// `guess`, each counts.
    pub fn failed(
        &self,
        peer: &impl Hash,
        guess: Option<&[u8]>,
        allowance: Allowance,
        now: Instant,
    ) -> bool {
        if allowance.failures == 0 {
            return false;
        }
        let sketch = self.sketch.get_or_init(|| Sketch::new(now));
        let (window, _) = sketch.window(allowance, now);
        sketch.latest.store(window, Relaxed);
        if let Some(guess) = guess {
            let repeats = sketch.repeat((peer, guess), window);
            if repeats >= allowance.failures {
                sketch.stubborn.store(window, Relaxed);
            }
            if repeats > 1 {
                return false;
            }
        }
        sketch.add(peer, window) == allowance.failures
    }
}

impl Sketch {
    fn new(began: Instant) -> Self {
        let zeros = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            began,
            hasher: RandomState::new(),
            latest: AtomicU32::new(0),
            stubborn: AtomicU32::new(u32::MAX),
            cells: zeros((ROWS as usize) << ROW_BITS),
            wrong: zeros(1 << GUESS_BITS),
        }
    }

    /// The number of the window that is open, and how long it stays so.
    fn window(&self, allowance: Allowance, now: Instant) -> (u32, Duration) {
        let length = allowance.window.as_millis().max(1);
        let passed = now.saturating_duration_since(self.began).as_millis();
        let left = u64::try_from(length - passed % length).unwrap_or(u64::MAX);
        let number = u32::try_from(passed / length).unwrap_or(u32::MAX - 1);
        (number, Duration::from_millis(left))
    }

    fn cells(&self, key: impl Hash) -> impl Iterator<Item = &AtomicU64> {
        let hash = self.hasher.hash_one(key);
        (0..ROWS).filter_map(move |row| {
            let cell = hash >> (row * ROW_BITS) & ((1 << ROW_BITS) - 1);
            let at = u64::from(row) << ROW_BITS | cell;
            self.cells.get(usize::try_from(at).ok()?)
        })
    }

    fn count(&self, key: impl Hash, window: u32) -> u32 {
        let counts = self.cells(key).map(|cell| {
            let (of, count) = halves(cell.load(Relaxed));
            if of == window { count } else { 0 }
        });
        counts.min().unwrap_or(u32::MAX)
    }

    /// Counts one more, and gives the new count. Only cells that are below it are raised:
    /// what they have beyond is others'.
    fn add(&self, key: impl Hash, window: u32) -> u32 {
        let count = self.count(&key, window).saturating_add(1);
        for cell in self.cells(&key) {
            let raise = |value| {
                let (of, there) = halves(value);
                (of != window || there < count).then(|| whole(window, count))
            };
            cell.fetch_update(Relaxed, Relaxed, raise).ok();
        }
        count
    }

    /// Notes a wrong guess: how often it was made in this window, and 2 at least where it
    /// was known. The place it falls on may have another's: that one is forgotten, and is
    /// new once more.
    fn repeat(&self, guess: impl Hash, window: u32) -> u32 {
        let (place, tag) = self.place(guess);
        let Some(place) = place else { return 1 };
        let before = place.load(Relaxed);
        let count = if halves(before).0 == tag {
            times(before, window).max(1).saturating_add(1)
        } else {
            1
        };
        // Two that come at once may count once.
        let count = count.min(u32::from(u16::MAX));
        let time = (window & 0xffff) << 16;
        place.store(whole(tag, time | count), Relaxed);
        count
    }

    fn repeats(&self, guess: impl Hash, window: u32) -> u32 {
        let (place, tag) = self.place(guess);
        let value = place.map_or(0, |place| place.load(Relaxed));
        if halves(value).0 == tag {
            times(value, window)
        } else {
            0
        }
    }

    fn place(&self, guess: impl Hash) -> (Option<&AtomicU64>, u32) {
        let (tag, rest) = halves(self.hasher.hash_one(guess));
        let at = usize::try_from(rest >> (u32::BITS - GUESS_BITS));
        (self.wrong.get(at.unwrap_or_default()), tag)
    }
}

/// How often a guess was made in this window.
fn times(value: u64, window: u32) -> u32 {
    let (_, rest) = halves(value);
    if rest >> 16 == window & 0xffff {
        rest & 0xffff
    } else {
        0
    }
}

fn halves(value: u64) -> (u32, u32) {
    let low = u32::try_from(value & u64::from(u32::MAX)).unwrap_or_default();
    let high = u32::try_from(value >> 32).unwrap_or_default();
    (high, low)
}

fn whole(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests;
