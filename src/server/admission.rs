//! How many connections may be open: on each listener, and by each peer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;

use crate::net::PeerKey;

/// Counts the open connections of all workers. The table holds a row for each peer with
/// an open connection, so it is bounded by the connections themselves.
#[derive(Debug, Default)]
pub struct Admission {
    listeners: Vec<AtomicUsize>,
    peers: DashMap<PeerKey, usize>,
}

/// Why a connection was closed at accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The listener holds as many as it may.
    Total,
    /// The peer holds as many as it may.
    PerPeer,
    /// The process can open no more; those that wait are accepted when it can.
    Exhausted,
}

/// One open connection; counted until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    listener: usize,
    peer: PeerKey,
}

impl Admission {
    /// Counters for so many listeners.
    #[must_use]
    pub fn new(listeners: usize) -> Arc<Self> {
        Arc::new(Self {
            listeners: (0..listeners).map(|_| AtomicUsize::new(0)).collect(),
            peers: DashMap::new(),
        })
    }

    /// Counts a connection, where both bounds leave room for it.
    ///
    /// # Errors
    /// The bound that does not.
    pub fn admit(
        self: &Arc<Self>,
        listener: usize,
        peer: IpAddr,
        total: usize,
        per_peer: usize,
    ) -> Result<Admitted, Refused> {
        let peer = PeerKey::from(peer);
        let Some(open) = self.listeners.get(listener) else {
            return Err(Refused::Total);
        };
        if open.fetch_add(1, Relaxed) >= total {
            open.fetch_sub(1, Relaxed);
            return Err(Refused::Total);
        }
        let mut held = self.peers.entry(peer).or_insert(0);
        if *held >= per_peer {
            open.fetch_sub(1, Relaxed);
            return Err(Refused::PerPeer);
        }
        *held += 1;
        drop(held);
        Ok(Admitted {
            admission: Arc::clone(self),
            listener,
            peer,
        })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(open) = self.admission.listeners.get(self.listener) {
            open.fetch_sub(1, Relaxed);
        }
        if let Some(mut held) = self.admission.peers.get_mut(&self.peer) {
            *held -= 1;
        }
        self.admission
            .peers
            .remove_if(&self.peer, |_, held| *held == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_hold_and_room_comes_back() {
        let admission = Admission::new(1);
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = admission.admit(0, a, 3, 2).expect("room");
        let second = admission.admit(0, a, 3, 2).expect("room");
        assert_eq!(admission.admit(0, a, 3, 2).err(), Some(Refused::PerPeer));
        let third = admission.admit(0, b, 3, 2).expect("room");
        assert_eq!(admission.admit(0, b, 3, 2).err(), Some(Refused::Total));
        drop(first);
        let fourth = admission.admit(0, a, 3, 2).expect("room again");
        drop((second, third, fourth));
        assert!(
            admission.peers.is_empty(),
            "no row outlives its connections"
        );
    }
}
