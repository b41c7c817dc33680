//! `[[upstream]]` and its sub-tables.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::{list, sound, table};
use crate::config::check::{Checker, narrow};
use crate::config::raw::{self, Given, Strict};
use crate::config::{
    HealthCheck, Protocol, Server, Upstream, UpstreamTimeouts, UpstreamTls, address,
};

pub(super) fn upstreams(
    given: Given<Vec<Spanned<Strict<raw::Upstream>>>>,
    checker: &mut Checker,
) -> Vec<Arc<Upstream>> {
    let mut names = HashSet::new();
    let upstreams: Vec<_> = list(given)
        .map(|section| {
            let place = section.span();
            let section = section.into_inner().0;
            let (name, name_place) = match &section.name {
                Some(name) => (name.get_ref().as_str(), name.span()),
                None => ("default", place.clone()),
            };
            let name: Arc<str> = Arc::from(name);
            let is_printable = |c: char| !c.is_control() && c != '"' && c != '\\';
            if name.is_empty() || name.len() > 64 || !name.chars().all(is_printable) {
                let message = "expected a name of 1 to 64 bytes without quotes and backslashes";
                checker.fault(&name_place, message);
            }
            if !names.insert(Arc::clone(&name)) {
                checker.fault(&name_place, "another upstream has this name");
            }
            Arc::new(upstream(name, section, &place, checker))
        })
        .collect();
    if upstreams.is_empty() && !checker.was_cut("upstream") {
        checker.fault(&(0..0), "at least one [[upstream]] is needed");
    }
    upstreams
}

fn upstream(
    name: Arc<str>,
    raw: raw::Upstream,
    place: &Range<usize>,
    checker: &mut Checker,
) -> Upstream {
    let servers = servers(raw.servers, place, checker);
    let (tls_place, tls) = table(raw.tls);
    let tls = trust(tls, &tls_place, checker);
    let is_https = servers.iter().any(|server| server.tls);
    if tls != UpstreamTls::default() && !servers.is_empty() && !is_https {
        checker.fault(&tls_place, "no server of this upstream is https");
    }
    let ejection = table(raw.ejection).1;
    let max_connections = checker.count(raw.max_connections, 0..=1_000_000);
    Upstream {
        name,
        servers,
        protocol: raw
            .protocol
            .map_or(Protocol::Http1, |word| word.into_inner().0),
        preserve_host: raw.preserve_host.is_some_and(Spanned::into_inner),
        max_connections: NonZeroUsize::new(narrow(max_connections, 0)),
        tls,
        timeouts: timeouts(table(raw.timeouts).1, checker),
        health_check: health_check(raw.health_check, checker),
        ejection_failures: narrow(checker.count(ejection.failures, 0..=1_000_000), 5),
        ejection_duration: checker.deadline(ejection.duration, Duration::from_secs(10)),
    }
}

fn servers(
    given: Given<Vec<Spanned<String>>>,
    place: &Range<usize>,
    checker: &mut Checker,
) -> Vec<Server> {
    let Some(given) = checker.needed(given, place, "servers") else {
        return Vec::new();
    };
    let place = given.span();
    let texts = given.into_inner();
    if texts.is_empty() {
        checker.fault(&place, "expected at least one server");
    }
    let mut seen = HashSet::new();
    texts
        .into_iter()
        .filter_map(|text| {
            let server = match text.get_ref().strip_prefix("unix:") {
                Some(path) => {
                    let path = checker.path_in(path, &text.span());
                    address::unix_server(text.get_ref(), &path)
                }
                None => address::server(text.get_ref()),
            };
            let server = sound(server, &text.span(), checker)?;
            if !seen.insert((server.address.clone(), server.tls)) {
                checker.fault(&text.span(), "this server stands here twice");
            }
            Some(server)
        })
        .collect()
}

fn trust(raw: raw::UpstreamTls, place: &Range<usize>, checker: &mut Checker) -> UpstreamTls {
    let ca = raw.ca.map(|path| checker.readable(&path));
    if raw.certificate.is_none() && raw.private_key.is_none() {
        return UpstreamTls { ca, client: None };
    }
    let certificate = checker.needed(raw.certificate, place, "certificate");
    let private_key = checker.needed(raw.private_key, place, "private_key");
    let client = certificate
        .zip(private_key)
        .map(|(certificate, key)| (checker.readable(&certificate), checker.readable(&key)));
    UpstreamTls { ca, client }
}

fn timeouts(raw: raw::UpstreamTimeouts, checker: &mut Checker) -> UpstreamTimeouts {
    let default = UpstreamTimeouts::default();
    UpstreamTimeouts {
        connect: checker.deadline(raw.connect, default.connect),
        first_byte: checker.optional_deadline(raw.first_byte, default.first_byte),
        head: checker.optional_deadline(raw.head, default.head),
        body_idle: checker.optional_deadline(raw.body_idle, default.body_idle),
        send_idle: checker.optional_deadline(raw.send_idle, default.send_idle),
        keep_alive: checker.deadline(raw.keep_alive, default.keep_alive),
        total: checker.optional_deadline(raw.total, default.total),
    }
}

fn health_check(given: raw::Table<raw::HealthCheck>, checker: &mut Checker) -> Option<HealthCheck> {
    let given = given?;
    let place = given.span();
    let raw = given.into_inner().0;
    let path = checker.needed(raw.path, &place, "path");
    if let Some(path) = &path {
        // RFC 9112, section 3.2.1: origin-form, which has no fragment and no space.
        let text = path.get_ref();
        let is_visible = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !text.starts_with('/') || text.len() > 8_192 || !text.bytes().all(is_visible) {
            checker.fault(&path.span(), r#"expected a path, like "/health""#);
        }
    }
    let least = Duration::from_millis(10);
    let most = Duration::from_secs(3_600);
    Some(HealthCheck {
        path: path.map_or_else(|| "/".to_owned(), Spanned::into_inner),
        interval: checker
            .time(raw.interval, least..=most)
            .unwrap_or(Duration::from_secs(5)),
        timeout: checker
            .time(raw.timeout, least..=most)
            .unwrap_or(Duration::from_secs(2)),
        healthy: narrow(checker.count(raw.healthy, 1..=1_000), 2),
        unhealthy: narrow(checker.count(raw.unhealthy, 1..=1_000), 3),
    })
}
