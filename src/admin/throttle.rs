//! Guessing operators' secrets is slow: a peer has a few wrong answers a minute.

use std::time::Duration;

use crate::limit::Allowance;
use crate::net::PeerKey;

/// Wrong credentials that one peer may send.
pub(super) const ALLOWANCE: Allowance = Allowance {
    failures: 20,
    window: Duration::from_secs(60),
};

/// Who is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guesser {
    /// A peer's address, or its IPv6 /64.
    Peer(PeerKey),
    /// All who may open the Unix socket: its owner.
    Unix,
}
