//! Addresses as the main file writes them: listeners, servers, networks.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::uri::Authority;
use ipnet::IpNet;

use super::{Server, ServerAddress};

/// The longest path of a Unix socket on Linux: `sun_path` without its last NUL.
const MAX_SOCKET_PATH: usize = 107;

impl Server {
    /// Reads an address as the main file writes one: `http://HOST[:PORT]`,
    /// `https://HOST[:PORT]` or `unix:PATH`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.strip_prefix("unix:") {
            Some("") => Err("expected a path after unix:"),
            Some(path) => unix_server(text, Path::new(path)),
            None => server(text),
        }
    }

    /// Whether it is on this machine, by its address alone: no name is looked up.
    #[must_use]
    pub fn is_on_this_machine(&self) -> bool {
        let ServerAddress::Tcp(host, _) = &self.address else {
            return true;
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return address.to_canonical().is_loopback();
        }
        // RFC 6761 6.3: these names are never anything else.
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    }
}

/// Whether only this machine reaches the address.
pub(super) fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// A listener's address and port.
pub(super) fn listener(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| r#"expected an IP address and a port, like "127.0.0.1:8080" or "[::1]:8080""#)
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map(|net| net.trunc()).map_err(
        |_| r#"expected a network or an address, like "10.0.0.0/8", "192.0.2.7" or "fd00::/8""#,
    )
}

/// A Unix socket's path.
pub(super) fn socket_path(path: &Path) -> Result<PathBuf, &'static str> {
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err("the path is longer than the 107 bytes that a Unix socket may have");
    }
    Ok(path.to_owned())
}

/// A server that is reached by TCP: `http://` or `https://` and an authority, no more. A
/// path would have to be put before each request's, and then the path that the rule was
/// matched on were not the one that arrives.
pub(super) fn server(text: &str) -> Result<Server, &'static str> {
    const FORM: &str =
        r#"expected "http://HOST[:PORT]", "https://HOST[:PORT]" or "unix:PATH", and no more"#;
    let (tls, rest) = if let Some(rest) = text.strip_prefix("https://") {
        (true, rest)
    } else {
        (false, text.strip_prefix("http://").ok_or(FORM)?)
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err("a server has no user name or password here");
    }
    if rest.contains(['/', '?', '#']) {
        return Err("a server has no path, query or fragment here");
    }
    let authority: Authority = rest.parse().map_err(|_| FORM)?;
    let host = host(authority.host()).ok_or(FORM)?;
    let port = match rest.strip_prefix(authority.host()) {
        Some("") => {
            if tls {
                443
            } else {
                80
            }
        }
        Some(port) => port
            .strip_prefix(':')
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|port| *port != 0)
            .ok_or("expected a port from 1 to 65535")?,
        None => return Err(FORM),
    };
    Ok(Server {
        url: Arc::from(text),
        address: ServerAddress::Tcp(host, port),
        tls,
        authority,
    })
}

/// A server that is reached by a Unix socket: never TLS, and called localhost.
pub(super) fn unix_server(text: &str, path: &Path) -> Result<Server, &'static str> {
    Ok(Server {
        url: Arc::from(text),
        address: ServerAddress::Unix(socket_path(path)?),
        tls: false,
        authority: Authority::from_static("localhost"),
    })
}

/// A host's name or address without brackets; `None` where it is neither.
fn host(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_name = !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed);
    is_name.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_by_the_address_alone() {
        for (text, here) in [
            ("unix:run/admin.sock", true),
            ("http://127.0.0.1:1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://LocalHost.:1", true),
            ("http://admin.localhost", true),
            ("http://192.0.2.7", false),
            ("http://localhost.example", false),
            ("http://notlocalhost", false),
            ("https://[2001:db8::1]", false),
        ] {
            let server = Server::parse(text).expect(text);
            assert_eq!(server.is_on_this_machine(), here, "{text}");
        }
        for bad in ["unix:", "127.0.0.1:1", "", "http://", "http://a/b"] {
            assert!(Server::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_is_an_authority_and_a_default_port() {
        for (text, host, port, tls, authority) in [
            (
                "http://127.0.0.1:9000",
                "127.0.0.1",
                9000,
                false,
                "127.0.0.1:9000",
            ),
            (
                "http://api.example",
                "api.example",
                80,
                false,
                "api.example",
            ),
            (
                "https://api.example/",
                "api.example",
                443,
                true,
                "api.example",
            ),
            ("https://[::1]:8443", "::1", 8443, true, "[::1]:8443"),
            (
                "http://my_service:80",
                "my_service",
                80,
                false,
                "my_service:80",
            ),
        ] {
            let server = server(text).expect(text);
            assert_eq!(server.address, ServerAddress::Tcp(host.to_owned(), port));
            assert_eq!((server.tls, server.authority.as_str()), (tls, authority));
            assert_eq!(&*server.url, text);
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        for text in [
            "",
            "127.0.0.1:9000",
            "ftp://h",
            "http://",
            "http:///",
            "http://h/path",
            "http://h//",
            "http://h?q",
            "http://h#f",
            "http://user@h",
            "http://user:pw@h",
            "http://h:",
            "http://h:0",
            "http://h:65536",
            "http://h:+80",
            "http://h:80:80",
            "http://[::1",
            "http://[fe80::1%25eth0]",
            "http://[::1]x",
            "http://a b",
            "http://a!b",
            "HTTP://h",
        ] {
            assert!(server(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bare_address_is_a_network_of_one() {
        let net = |text: &str| network(text).map(|n| n.to_string());
        assert_eq!(net("192.0.2.7").as_deref(), Ok("192.0.2.7/32"));
        assert_eq!(net("fd00::1").as_deref(), Ok("fd00::1/128"));
        assert_eq!(net("10.1.2.3/8").as_deref(), Ok("10.0.0.0/8"));
        for text in ["", "10.0.0.0/33", "10.0.0", "example.com", "::/129"] {
            assert!(network(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn mapped_loopback_is_loopback() {
        for (text, expected) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            let address = listener(text).expect(text);
            assert_eq!(is_loopback(&address), expected, "{text}");
        }
    }

    #[test]
    fn a_socket_path_has_an_end() {
        let longest = format!("/{}", "a".repeat(106));
        assert!(unix_server("unix:x", Path::new(&longest)).is_ok());
        let longer = format!("/{}", "a".repeat(107));
        assert!(unix_server("unix:x", Path::new(&longer)).is_err());
    }
}
