//! From what the file says to what it means: defaults, bounds, and what must hold between
//! keys. Wherever something is wrong a fault is noted and a default stands in, so that the
//! rest is still judged; whoever calls drops the result when there are faults.

mod admin;
mod upstream;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;
use tracing_subscriber::EnvFilter;

use super::address;
use super::check::{Checker, narrow};
use super::defaults::cores;
use super::dialect::rate_limit_headers;
use super::raw::{self, Given, Raw};
use super::{
    AccessLog, Admin, ClientTrust, Config, Errors, Files, Fixed, Guessing, Limits, Log, LogTarget,
    Running, Secrets, Settings, Timeouts, TlsFiles, Verification,
};
use crate::auth::Keys;
use crate::token::Sid;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// RFC 9113, section 6.9.2: the largest flow-control window, and the one that a
/// connection begins with and cannot be set below.
const H2_MAX_WINDOW: u64 = (1 << 31) - 1;
const H2_FIRST_WINDOW: u64 = 65_535;

/// Resolves the whole file.
pub(super) fn config(path: &Path, raw: Raw, checker: &mut Checker) -> Config {
    let proxy = table(raw.proxy).1;
    let gate = listeners(proxy.listen, checker);
    let allow_plaintext = proxy.allow_plaintext.is_some_and(Spanned::into_inner);
    let tls = tls_files(proxy.tls, checker);
    if tls.is_none() && !allow_plaintext && !checker.was_cut("tls") {
        for (address, place) in gate.iter().filter(|(a, _)| !address::is_loopback(a)) {
            checker.fault(
                place,
                format!(
                    "{address} is reachable from other machines, and without TLS credentials \
                     can be read on their way: set `tls` in [proxy], listen on a loopback \
                     address, or set `allow_plaintext = true` where TLS ends before the gate"
                ),
            );
        }
    }
    let workers = checker.count(proxy.workers, 0..=1_024);
    let trusted_proxies = networks(proxy.trusted_proxies, checker);
    let realm = proxy.realm.and_then(|given| {
        let allowed = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
        if given.get_ref().is_empty() || !given.get_ref().bytes().all(allowed) {
            let message = "expected printable ASCII without quotes and backslashes";
            checker.fault(&given.span(), message);
            return None;
        }
        Some(given.into_inner())
    });

    let secrets = secrets(table(raw.secrets).1, checker);
    let upstreams = upstream::upstreams(raw.upstream, checker);
    let files = files(raw.files, checker);
    let (admin_listen, audit, admin) = match raw.admin {
        Some(section) => {
            let has_key = secrets.hmac_key_file.is_some() || checker.was_cut("hmac_key_file");
            let section = admin::admin(section, &gate, &files.tokens, has_key, checker);
            (Some(section.listen), section.audit, section.admin)
        }
        None => (None, None, Admin::default()),
    };
    let fixed = Fixed {
        listen: gate.into_iter().map(|(address, _)| address).collect(),
        workers: NonZeroUsize::new(narrow(workers, 0)).unwrap_or_else(cores),
        tls: tls.is_some(),
        admin_listen,
        admin_tls: admin.tls.is_some(),
        audit,
    };
    let settings = Settings {
        realm: realm.unwrap_or_else(|| "sidgate".to_owned()),
        errors: proxy
            .errors
            .map_or_else(Errors::default, |word| word.into_inner().0),
        allow_plaintext,
        tls,
        trusted_proxies,
        guessing: guessing(table(raw.guessing).1, checker),
        upstreams,
        limits: limits(table(raw.limits).1, checker),
        timeouts: timeouts(table(raw.timeouts).1, checker),
        files,
        admin,
        secrets,
        verification: verification(table(raw.verification).1, checker),
        running: table(raw.revocation)
            .1
            .running
            .map_or_else(Running::default, |word| word.into_inner().0),
        access_log: access_log(table(raw.access_log).1, checker),
        log: log(table(raw.log).1, checker),
    };
    Config {
        path: path.to_owned(),
        fixed,
        settings,
    }
}

/// A section and its place; an empty one where it is not given.
fn table<T: Default>(given: raw::Table<T>) -> (Range<usize>, T) {
    given.map_or_else(Default::default, |table| {
        (table.span(), table.into_inner().0)
    })
}

/// The items of an array; none where it is not given.
fn list<T>(given: Given<Vec<T>>) -> impl Iterator<Item = T> {
    given.into_iter().flat_map(Spanned::into_inner)
}

/// The value, or its fault noted.
fn sound<T>(
    result: Result<T, impl Into<String>>,
    place: &Range<usize>,
    checker: &mut Checker,
) -> Option<T> {
    result.map_err(|message| checker.fault(place, message)).ok()
}

fn listeners(
    given: Given<Vec<Spanned<String>>>,
    checker: &mut Checker,
) -> Vec<(SocketAddr, Range<usize>)> {
    let Some(given) = given else {
        return vec![(SocketAddr::from(([127, 0, 0, 1], 8080)), 0..0)];
    };
    let place = given.span();
    let texts = given.into_inner();
    if texts.is_empty() || texts.len() > 64 {
        checker.fault(&place, "expected 1 to 64 addresses");
    }
    let mut addresses: Vec<(SocketAddr, Range<usize>)> = Vec::new();
    for text in texts {
        let place = text.span();
        let Some(address) = sound(address::listener(text.get_ref()), &place, checker) else {
            continue;
        };
        // Port 0 asks for a free one, and twice 0 gets two.
        if address.port() != 0 && addresses.iter().any(|(other, _)| *other == address) {
            checker.fault(&place, "this address stands here twice");
        }
        addresses.push((address, place));
    }
    addresses
}

fn networks(given: Given<Vec<Spanned<String>>>, checker: &mut Checker) -> Vec<IpNet> {
    list(given)
        .filter_map(|text| sound(address::network(text.get_ref()), &text.span(), checker))
        .collect()
}

fn tls_files(given: raw::Table<raw::Tls>, checker: &mut Checker) -> Option<TlsFiles> {
    let (place, tls) = given.map(|table| (table.span(), table.into_inner().0))?;
    let certificate = checker.needed(tls.certificate, &place, "certificate");
    let private_key = checker.needed(tls.private_key, &place, "private_key");
    let clients = match (tls.client_ca, tls.client_certificates) {
        (Some(ca), word) => Some(ClientTrust {
            ca: checker.readable(&ca),
            certificates: word.map_or_else(Default::default, |word| word.into_inner().0),
        }),
        (None, Some(word)) => {
            checker.fault(
                &word.span(),
                "`client_ca` says whose certificates these are",
            );
            None
        }
        (None, None) => None,
    };
    Some(TlsFiles {
        clients,
        certificate: certificate.map_or_else(Default::default, |path| checker.readable(&path)),
        private_key: private_key.map_or_else(Default::default, |path| checker.readable(&path)),
    })
}

fn files(given: raw::Table<raw::Files>, checker: &mut Checker) -> Files {
    let is_missing = given.is_none();
    let (place, files) = table(given);
    let (catalog, tokens) = if is_missing {
        if !checker.was_cut("files") {
            checker.fault(
                &place,
                "a [files] section with `catalog` and `tokens` is needed",
            );
        }
        (None, None)
    } else {
        let catalog = checker.needed(files.catalog, &place, "catalog");
        (catalog, checker.needed(files.tokens, &place, "tokens"))
    };
    // In force within 2 s, of which a file written in place must be still for one: that
    // leaves two looks of half a second.
    let poll = Duration::from_millis(10)..=Duration::from_millis(500);
    Files {
        catalog: catalog.map_or_else(Default::default, |path| checker.path(&path)),
        tokens: tokens.map_or_else(Default::default, |path| checker.path(&path)),
        max_size: checker
            .size(files.max_size, KIB..=64 * GIB)
            .unwrap_or(64 * MIB),
        max_tokens: narrow(checker.count(files.max_tokens, 1..=100_000_000), 100_000),
        poll: checker
            .time(files.poll, poll)
            .unwrap_or(Duration::from_millis(250)),
    }
}

fn limits(raw: raw::Limits, checker: &mut Checker) -> Limits {
    let default = Limits::default();
    let many = 1..=10_000_000;
    let mut count = |given, bounds| checker.count(given, bounds);
    let connections = narrow(count(raw.connections, many.clone()), default.connections);
    let per_peer = count(raw.connections_per_peer, many.clone());
    let in_flight = narrow(
        count(raw.requests_in_flight, many),
        default.requests_in_flight,
    );
    let per_token = narrow(count(raw.requests_in_flight_per_token, 0..=10_000_000), 0);
    let counters = count(raw.rate_limit_counters, 1..=100_000_000);
    let headers = narrow(count(raw.headers, 1..=10_000), default.headers);
    let h2_streams = narrow(count(raw.h2_streams, 1..=100_000), default.h2_streams);
    let control_frames = count(raw.h2_control_frames, 100..=10_000_000);
    let h2_resets = narrow(count(raw.h2_resets, 1..=100_000), default.h2_resets);
    let target_place = raw.target.as_ref().map(Spanned::span);
    let mut size = |given, bounds| checker.size(given, bounds);
    // 65,534 is the longest target that the HTTP library represents; 8 KiB the smallest
    // buffer that it reads a head into.
    let target = narrow(size(raw.target, 16..=65_534), default.target);
    let head = narrow(size(raw.head, 8 * KIB..=MIB), default.head);
    let body = match raw.body {
        Some(given) => Some(given.get_ref().0).filter(|bytes| *bytes > 0),
        None => default.body,
    };
    let h2_header_list = size(raw.h2_header_list, KIB..=MIB);
    let h2_stream_window = size(raw.h2_stream_window, KIB..=H2_MAX_WINDOW);
    let h2_connection_window = size(raw.h2_connection_window, H2_FIRST_WINDOW..=H2_MAX_WINDOW);
    if let Some(place) = target_place.filter(|_| target > head) {
        checker.fault(
            &place,
            "a target is part of the head: it cannot be larger than `head`",
        );
    }
    Limits {
        connections,
        connections_per_peer: narrow(per_peer, default.connections_per_peer),
        requests_in_flight: in_flight,
        requests_in_flight_per_token: NonZeroU32::new(per_token),
        rate_limit_headers: rate_limit_headers(raw.rate_limit_headers, checker),
        rate_limit_counters: narrow(counters, default.rate_limit_counters),
        target,
        head,
        headers,
        body,
        h2_streams,
        h2_control_frames: narrow(control_frames, default.h2_control_frames),
        h2_resets,
        h2_header_list: narrow(h2_header_list, default.h2_header_list),
        h2_stream_window: narrow(h2_stream_window, default.h2_stream_window),
        h2_connection_window: narrow(h2_connection_window, default.h2_connection_window),
    }
}

fn guessing(raw: raw::Guessing, checker: &mut Checker) -> Guessing {
    let default = Guessing::default();
    let window = Duration::from_secs(1)..=Duration::from_secs(86_400);
    Guessing {
        failures: narrow(checker.count(raw.failures, 0..=1_000_000), default.failures),
        window: checker.time(raw.window, window).unwrap_or(default.window),
        exempt: match raw.exempt {
            None => default.exempt,
            given => networks(given, checker),
        },
    }
}

fn timeouts(raw: raw::Timeouts, checker: &mut Checker) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        first_byte: checker.deadline(raw.first_byte, default.first_byte),
        tls_handshake: checker.deadline(raw.tls_handshake, default.tls_handshake),
        head: checker.deadline(raw.head, default.head),
        body_idle: checker.optional_deadline(raw.body_idle, default.body_idle),
        send_idle: checker.optional_deadline(raw.send_idle, default.send_idle),
        keep_alive: checker.deadline(raw.keep_alive, default.keep_alive),
        h2_ping: checker.deadline(raw.h2_ping, default.h2_ping),
        total: checker.optional_deadline(raw.total, default.total),
        tunnel_idle: checker.optional_deadline(raw.tunnel_idle, default.tunnel_idle),
        grace: checker
            .time(raw.grace, Duration::ZERO..=Duration::from_secs(86_400))
            .unwrap_or(default.grace),
    }
}

fn secrets(raw: raw::Secrets, checker: &mut Checker) -> Secrets {
    let default = Secrets::default();
    let sid_prefix = raw.sid_prefix.and_then(|given| {
        // 32 characters are generated after it.
        let longest = Sid::MAX - 32;
        let text = given.get_ref();
        if text.is_empty() || (text.len() <= longest && Sid::parse(text.as_bytes()).is_ok()) {
            return Some(given.into_inner());
        }
        let message = format!("expected at most {longest} of A-Z a-z 0-9 . _ ~ -");
        checker.fault(&given.span(), message);
        None
    });
    Secrets {
        hmac_key_file: raw.hmac_key_file.map(|given| {
            let path = checker.path(&given);
            if let Err(fault) = Keys::load(Some(&path)) {
                checker.fault(&given.span(), fault.to_string());
            }
            path
        }),
        sealing_key_file: raw.sealing_key_file.map(|path| checker.readable(&path)),
        sid_prefix: sid_prefix.unwrap_or(default.sid_prefix),
    }
}

fn verification(raw: raw::Verification, checker: &mut Checker) -> Verification {
    let default = Verification::default();
    let threads = checker.count(raw.threads, 0..=1_024);
    Verification {
        threads: NonZeroUsize::new(narrow(threads, 0)).unwrap_or(default.threads),
        queue: narrow(checker.count(raw.queue, 1..=1_000_000), default.queue),
        cache: narrow(checker.count(raw.cache, 0..=10_000_000), default.cache),
    }
}

fn access_log(raw: raw::AccessLog, checker: &mut Checker) -> AccessLog {
    let default = AccessLog::default();
    let target = match &raw.output {
        None => default.target,
        Some(output) => match output.get_ref().as_str() {
            "stdout" => Some(LogTarget::Stdout),
            "off" => None,
            text => match text.strip_prefix("file:") {
                Some(path) => Some(LogTarget::File(checker.path_in(path, &output.span()))),
                None => {
                    checker.fault(&output.span(), r#"expected "stdout", "file:PATH" or "off""#);
                    None
                }
            },
        },
    };
    AccessLog {
        target,
        buffer: narrow(checker.size(raw.buffer, 64 * KIB..=GIB), default.buffer),
    }
}

fn log(raw: raw::Log, checker: &mut Checker) -> Log {
    let default = Log::default();
    let level = raw.level.and_then(|given| {
        if EnvFilter::builder().parse(given.get_ref()).is_err() {
            let message =
                r#"expected a level, like "info", or a filter, like "warn,sidgate=debug""#;
            checker.fault(&given.span(), message);
            return None;
        }
        Some(given.into_inner())
    });
    Log {
        level: level.unwrap_or(default.level),
        format: raw
            .format
            .map_or(default.format, |word| word.into_inner().0),
    }
}
