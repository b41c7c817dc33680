//! What is refused before anything else of a request is looked at: requests that web pages
//! make a browser send, by DNS rebinding or across sites.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method};

use super::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a foreign Host. `own` is the address at which the connection arrived, `None`
/// for a Unix socket; `hosts` are the configured names.
///
/// The port is compared only where a configured name has one: behind a forwarded port it
/// differs rightly, and a rebound name is caught by its name.
///
/// # Errors
/// [`Problem::BadHost`] where there is not exactly one sound Host, [`Problem::ForeignHost`].
pub(super) fn host(
    headers: &HeaderMap,
    own: Option<IpAddr>,
    hosts: &[String],
) -> Result<(), Problem> {
    let mut values = headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Problem::BadHost);
    };
    let authority = Authority::try_from(value.as_bytes()).map_err(|_| Problem::BadHost)?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(Problem::BadHost);
    }
    let name = bare(authority.host());
    let address = address(name);
    let loopback = name.eq_ignore_ascii_case("localhost")
        || address
            .is_some_and(|ip| ip == IpAddr::from([127, 0, 0, 1]) || ip == Ipv6Addr::LOCALHOST);
    let ours = own.is_some_and(|own| address == Some(own.to_canonical()));
    if loopback || ours || hosts.iter().any(|host| names(host, &authority)) {
        Ok(())
    } else {
        Err(Problem::ForeignHost)
    }
}

/// Refuses what a browser marks as made by a page: this API has no pages of its own, so
/// every `Origin` is foreign.
///
/// # Errors
/// [`Problem::CrossSite`].
pub(super) fn site(headers: &HeaderMap) -> Result<(), Problem> {
    let fetched_by_page = headers
        .get_all(SEC_FETCH_SITE)
        .iter()
        .any(|value| value != "none" && value != "same-origin");
    if headers.contains_key(ORIGIN) || fetched_by_page {
        return Err(Problem::CrossSite);
    }
    Ok(())
}

/// Refuses a body that is not declared as JSON: a form, which a page can send without
/// asking, never is. A declared type is refused also where the body is empty.
///
/// # Errors
/// [`Problem::UnsupportedMediaType`].
pub(super) fn content_type(
    method: &Method,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) && !has_body {
        return Ok(());
    }
    let accepted: &[&str] = match *method {
        Method::PATCH => &["application/merge-patch+json", "application/json"],
        _ => &["application/json"],
    };
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let sound = match (values.next(), values.next()) {
        (None, _) => !has_body,
        (Some(value), None) => value.to_str().is_ok_and(|value| is_json(value, accepted)),
        (Some(_), Some(_)) => false,
    };
    if sound {
        return Ok(());
    }
    Err(Problem::UnsupportedMediaType(match *method {
        Method::PATCH => "application/merge-patch+json or application/json",
        _ => "application/json",
    }))
}

/// Whether a media type is one of these, with no parameter but `charset=utf-8`
/// (RFC 9110 8.3.1: type and parameter names in any case, the value perhaps quoted).
fn is_json(value: &str, accepted: &[&str]) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    accepted.iter().any(|a| essence.eq_ignore_ascii_case(a))
        && parts.all(|parameter| {
            parameter.eq_ignore_ascii_case("charset=utf-8")
                || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

/// Whether a configured host, with or without a port, is this authority.
fn names(configured: &str, authority: &Authority) -> bool {
    let Ok(configured) = configured.parse::<Authority>() else {
        return false;
    };
    bare(configured.host()).eq_ignore_ascii_case(bare(authority.host()))
        && (configured.port_u16().is_none() || configured.port_u16() == authority.port_u16())
}

/// A host without the dot of a fully qualified name.
fn bare(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn address(host: &str) -> Option<IpAddr> {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(hosts: &[&str], own: Option<&str>) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).expect("a header value"));
        }
        let own = own.map(|own| own.parse().expect("an address"));
        let configured = ["ops.example".to_owned(), "ops.example.net:8443".to_owned()];
        super::host(&headers, own, &configured)
    }

    #[test]
    fn own_loopback_and_configured_hosts_pass() {
        for host in [
            "localhost",
            "LOCALHOST:8081",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:8081",
            "[::1]:8081",
            "192.0.2.7:8081",
            "ops.example",
            "OPS.example.:1",
            "ops.example.net:8443",
        ] {
            assert_eq!(check(&[host], Some("192.0.2.7")), Ok(()), "{host}");
        }
        assert_eq!(check(&["[2001:db8::1]:8081"], Some("2001:db8::1")), Ok(()));
        assert_eq!(check(&["192.0.2.7"], Some("::ffff:192.0.2.7")), Ok(()));
    }

    #[test]
    fn foreign_and_unsound_hosts_do_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.8",
            "127.0.0.2",
            "ops.example.net",
            "ops.example.net:1",
            "x.ops.example",
        ] {
            assert_eq!(
                check(&[host], Some("192.0.2.7")),
                Err(Problem::ForeignHost),
                "{host}"
            );
        }
        assert_eq!(check(&["192.0.2.7"], None), Err(Problem::ForeignHost));
        for hosts in [
            vec![],
            vec![""],
            vec![":80"],
            vec!["me@localhost"],
            vec!["local host"],
            vec!["localhost", "localhost"],
        ] {
            assert_eq!(check(&hosts, None), Err(Problem::BadHost), "{hosts:?}");
        }
    }

    #[test]
    fn what_a_page_sends_is_refused() {
        for (name, value, passes) in [
            ("origin", "http://evil.example", false),
            ("origin", "null", false),
            ("origin", "http://localhost:8081", false),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-origin", true),
            ("accept", "*/*", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
            assert_eq!(site(&headers).is_ok(), passes, "{name}: {value}");
        }
    }

    #[test]
    fn only_json_bodies_pass() {
        let check = |method: Method, value: Option<&'static str>, has_body| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            }
            content_type(&method, &headers, has_body).is_ok()
        };
        for (method, value, has_body, passes) in [
            (Method::POST, Some("application/json"), true, true),
            (
                Method::POST,
                Some("Application/JSON; Charset=UTF-8"),
                true,
                true,
            ),
            (
                Method::POST,
                Some("application/json;charset=\"utf-8\""),
                true,
                true,
            ),
            (
                Method::POST,
                Some("application/json; charset=latin1"),
                true,
                false,
            ),
            (Method::POST, Some("text/plain"), true, false),
            (Method::POST, Some("text/plain"), false, false),
            (Method::POST, Some("application/jsonp"), true, false),
            (
                Method::POST,
                Some("application/merge-patch+json"),
                true,
                false,
            ),
            (Method::POST, None, true, false),
            (Method::POST, None, false, true),
            (
                Method::PATCH,
                Some("application/merge-patch+json"),
                true,
                true,
            ),
            (Method::PATCH, Some("application/json"), true, true),
            (Method::GET, Some("text/plain"), false, true),
            (Method::GET, Some("text/plain"), true, false),
        ] {
            assert_eq!(
                check(method.clone(), value, has_body),
                passes,
                "{method} {value:?} {has_body}"
            );
        }
    }
}
