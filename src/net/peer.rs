//! Who is at the other end of a client's connection.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::Pace;

/// One client's connection, as its requests see it.
#[derive(Debug)]
pub struct Peer {
    /// The peer's address; an IPv4 address mapped into IPv6 is IPv4.
    pub address: IpAddr,
    /// The address as `X-Forwarded-For` says it.
    pub forwarded_for: HeaderValue,
    /// The connection is TLS.
    pub tls: bool,
    /// The connection speaks HTTP/2.
    pub http2: bool,
    /// The connection's phase.
    pub pace: Arc<Pace>,
}

impl Peer {
    /// A peer at an address.
    #[must_use]
    pub fn new(address: IpAddr, tls: bool, http2: bool, pace: Arc<Pace>) -> Self {
        let address = address.to_canonical();
        let forwarded_for = HeaderValue::try_from(address.to_string())
            .expect("an IP address is digits, letters, dots and colons");
        Self {
            address,
            forwarded_for,
            tls,
            http2,
            pace,
        }
    }
}

/// What counts as one peer where something is bounded per peer: an IPv4 address, or an
/// IPv6 /64, which is what one subscriber commonly holds (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerKey(u64);

impl From<IpAddr> for PeerKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            // 0::/64 is not given to anyone, so the two kinds cannot meet.
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self(u64::try_from(v6.to_bits() >> 64).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_peer() {
        let key = |text: &str| PeerKey::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
