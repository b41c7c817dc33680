//! Who offers credentials, and how often they may be wrong.
//!
//! Counted by the address that a request comes from and never by the SID that it names:
//! the owner of a SID is not locked out by who guesses at it.

use std::net::IpAddr;
use std::time::Instant;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnet::IpNet;

use super::headers::X_FORWARDED_FOR;
use super::respond::Refusal;
use crate::auth::Denial;
use crate::code::Code;
use crate::config::Settings;
use crate::limit::{Allowance, Guesses};
use crate::net::{Peer, PeerKey};

/// One request's credentials, as a guess by somebody.
pub(super) struct Guess<'r> {
    pub(super) guesses: &'r Guesses,
    pub(super) settings: &'r Settings,
    pub(super) peer: &'r Peer,
    pub(super) headers: &'r HeaderMap,
    pub(super) now: Instant,
}

impl Guess<'_> {
    /// Refuses who has guessed too often, whether this guess is right or not. A request
    /// without credentials is no guess.
    pub(super) fn look(&self) -> Result<(), Refusal> {
        if self.guesses.is_quiet(self.allowance(), self.now) {
            return Ok(());
        }
        let (Some(guess), Some(guesser)) = (self.credentials(), self.guesser()) else {
            return Ok(());
        };
        let key = PeerKey::from(guesser);
        let wait = self
            .guesses
            .wait(&key, Some(guess), self.allowance(), self.now);
        match wait {
            None => Ok(()),
            Some(wait) => Err(Refusal::later(Code::RateLimited, wait)),
        }
    }

    /// Counts the guess where it was denied for being wrong. One that was slow to judge
    /// counts whenever it is made: it costs more than it tells.
    pub(super) fn denied(&self, denial: Denial, slow: bool) -> Denial {
        if let Denial::BadCredentials = denial
            && let Some(guesser) = self.guesser()
        {
            let guess = self.credentials().filter(|_| !slow);
            let key = PeerKey::from(guesser);
            let is_last = self.guesses.failed(&key, guess, self.allowance(), self.now);
            if is_last {
                // Once for each of them in each window.
                tracing::warn!(
                    client = %guesser,
                    "wrong credentials again and again; refused until the window ends"
                );
            }
        }
        denial
    }

    fn allowance(&self) -> Allowance {
        let guessing = &self.settings.guessing;
        Allowance {
            failures: guessing.failures,
            window: guessing.window,
        }
    }

    fn credentials(&self) -> Option<&[u8]> {
        self.headers.get(AUTHORIZATION).map(|v| v.as_bytes())
    }

    /// Whose guess it is; `None` where it is not counted.
    fn guesser(&self) -> Option<IpAddr> {
        let trusted = &self.settings.trusted_proxies;
        let address = client(self.peer.address, self.headers, trusted);
        let exempt = &self.settings.guessing.exempt;
        (!contains(exempt, &address)).then_some(address)
    }
}

/// Where a request comes from: the peer, or, where the peer is a trusted proxy, the last
/// address in its chain that is no trusted proxy. Where the chain ends or cannot be read
/// before, the one that it was read to: nothing beyond that has been told by someone who
/// is believed.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let mut chain = values.flat_map(|value| value.as_bytes().rsplit(|&byte| byte == b','));
    while contains(trusted, &client) {
        match chain.next().and_then(address) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// An address of a chain; some proxies write its port too.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let with_port = || {
        text.parse()
            .ok()
            .map(|socket: std::net::SocketAddr| socket.ip())
    };
    address
        .or_else(with_port)
        .map(|ip: IpAddr| ip.to_canonical())
}

fn contains(nets: &[IpNet], address: &IpAddr) -> bool {
    nets.iter().any(|net| net.contains(address))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn told(peer: &str, chains: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for chain in chains {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(chain));
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        client(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn a_trusted_proxy_tells_who_the_client_is() {
        for (peer, chains, client) in [
            ("10.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // What stands before the first stranger is what that one says.
            ("10.0.0.1", &["192.0.2.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["127.0.0.1,198.51.100.7"], "198.51.100.7"),
            // Through a second proxy, and over several fields.
            ("10.0.0.1", &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["10.0.0.3 , 10.0.0.2"], "10.0.0.3"),
            // Nobody else is believed, and nothing that cannot be read.
            ("198.51.100.9", &["192.0.2.1"], "198.51.100.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, x, 10.0.0.2"], "10.0.0.2"),
        ] {
            assert_eq!(told(peer, chains), client, "{peer} {chains:?}");
        }
    }
}
