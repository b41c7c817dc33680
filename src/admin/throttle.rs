//! Guessing operators' secrets is slow: a peer has a few wrong answers a minute.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::PeerKey;

/// Wrong credentials that one peer may send in a [`WINDOW`].
pub(super) const GUESSES: u32 = 20;

/// How long they are counted, from the first.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Peers with an open window. Beyond, newcomers share one: no open window is given up
/// for another, so a stranger with many addresses wins no guesses by it.
const PEERS: usize = 10_000;

/// Who is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guesser {
    /// A peer's address, or its IPv6 /64.
    Peer(PeerKey),
    /// All who may open the Unix socket: its owner.
    Unix,
    /// Newcomers while the table is full.
    Others,
}

/// Wrong credentials of each peer.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    windows: HashMap<Guesser, Window>,
    /// Before this moment no window of a full table has ended.
    full_until: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    ends: Instant,
    failures: u32,
}

impl Throttle {
    /// How long this one must wait before further credentials are looked at, if it must.
    pub(super) fn wait(&self, guesser: Guesser, now: Instant) -> Option<Duration> {
        let table = self.table();
        let window = table.windows.get(&table.key(guesser))?;
        let left = window.ends.saturating_duration_since(now);
        (window.failures >= GUESSES && !left.is_zero()).then_some(left)
    }

    /// Counts wrong credentials.
    pub(super) fn failed(&self, guesser: Guesser, now: Instant) {
        let mut table = self.table();
        table.make_room(now);
        let fresh = Window {
            ends: now + WINDOW,
            failures: 0,
        };
        let key = table.key(guesser);
        let window = table.windows.entry(key).or_insert(fresh);
        if window.ends <= now {
            window.ends = now + WINDOW;
            window.failures = 0;
        }
        window.failures = window.failures.saturating_add(1);
    }

    /// The table stays sound whatever panics while it is held: each change is one write.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn key(&self, guesser: Guesser) -> Guesser {
        if self.windows.len() < PEERS || self.windows.contains_key(&guesser) {
            guesser
        } else {
            Guesser::Others
        }
    }

    /// Drops ended windows once the table is full, and walks it only when one has ended.
    fn make_room(&mut self, now: Instant) {
        let full = self.windows.len() >= PEERS;
        if full && self.full_until.is_none_or(|until| until <= now) {
            self.windows.retain(|_, window| window.ends > now);
            self.full_until = self.windows.values().map(|window| window.ends).min();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn peer(last: u8) -> Guesser {
        of(Ipv4Addr::new(192, 0, 2, last))
    }

    fn of(address: Ipv4Addr) -> Guesser {
        Guesser::Peer(PeerKey::from(IpAddr::from(address)))
    }

    #[test]
    fn a_peer_is_let_in_again_when_its_window_ends() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..GUESSES {
            assert_eq!(throttle.wait(peer(1), start), None);
            throttle.failed(peer(1), start);
        }
        assert_eq!(throttle.wait(peer(1), start), Some(WINDOW));
        assert_eq!(throttle.wait(peer(2), start), None);
        let end = start + WINDOW;
        assert_eq!(throttle.wait(peer(1), end), None);
        throttle.failed(peer(1), end);
        assert_eq!(throttle.wait(peer(1), end), None);
    }

    #[test]
    fn a_full_table_forgets_no_open_window() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..GUESSES {
            throttle.failed(peer(1), start);
        }
        for number in 0u32..20_000 {
            throttle.failed(of(Ipv4Addr::from_bits(0x0a00_0000 + number)), start);
        }
        assert!(throttle.table().windows.len() <= PEERS + 1);
        assert_eq!(throttle.wait(peer(1), start), Some(WINDOW));
        assert_eq!(throttle.wait(peer(2), start), Some(WINDOW), "shared");
        throttle.failed(peer(3), start + WINDOW);
        assert_eq!(throttle.table().windows.len(), 1, "ended windows make room");
    }
}
