//! `[admin]` and its operators.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use http::uri::Authority;
use toml::Spanned;

use super::{list, sound, tls_files};
use crate::config::check::Checker;
use crate::config::raw::{self, Strict};
use crate::config::{Admin, AdminListen, Operator, Role, address};
use crate::token::Digest;

/// What `[admin]` says: what is fixed at the start, and what is not.
pub(super) struct Section {
    pub(super) listen: AdminListen,
    pub(super) audit: Option<PathBuf>,
    pub(super) admin: Admin,
}

/// Resolves the section. `gate` is where the gate listens, `tokens` the token file, beside
/// which the audit lies where nothing else is said.
pub(super) fn admin(
    section: Spanned<Strict<raw::Admin>>,
    gate: &[(SocketAddr, Range<usize>)],
    tokens: &Path,
    has_hmac_key: bool,
    checker: &mut Checker,
) -> Section {
    let section = section.into_inner().0;
    let tls = tls_files(section.tls, checker);
    let mut listen = AdminListen::Tcp(SocketAddr::from(([127, 0, 0, 1], 8081)));
    if let Some(given) = section.listen {
        let place = given.span();
        let resolved = if let Some(path) = given.get_ref().strip_prefix("unix:") {
            let path = checker.path_in(path, &place);
            if tls.is_some() {
                checker.fault(
                    &place,
                    "a Unix socket does not speak TLS: drop one of the two",
                );
            }
            address::socket_path(&path).map(AdminListen::Unix)
        } else {
            address::listener(given.get_ref()).map(AdminListen::Tcp)
        };
        listen = sound(resolved, &place, checker).unwrap_or(listen);
        if let AdminListen::Tcp(address) = listen {
            if !address::is_loopback(&address) && tls.is_none() && !checker.was_cut("tls") {
                let message = "an admin listener that other machines reach needs `tls` in [admin]";
                checker.fault(&place, message);
            }
            if address.port() != 0 && gate.iter().any(|(other, _)| *other == address) {
                checker.fault(&place, "the gate listens on this address already");
            }
        }
    }
    let hosts = list(section.hosts)
        .filter_map(|host| {
            let is_host =
                host.get_ref().parse::<Authority>().is_ok() && !host.get_ref().contains('@');
            if !is_host {
                checker.fault(
                    &host.span(),
                    "expected a host name, with a port where it has one",
                );
            }
            is_host.then(|| host.into_inner().to_ascii_lowercase())
        })
        .collect();
    let audit = match section.audit {
        None => Some(tokens.with_file_name("audit.jsonl")),
        Some(given) => match given.get_ref().as_str() {
            "off" => None,
            text => match text.strip_prefix("file:") {
                Some(path) => Some(checker.path_in(path, &given.span())),
                None => {
                    checker.fault(&given.span(), r#"expected "file:PATH" or "off""#);
                    None
                }
            },
        },
    };
    let mut names = HashSet::new();
    let operators = list(section.operator)
        .filter_map(|given| {
            let (operator, place) = operator(given, has_hmac_key, checker)?;
            if !names.insert(operator.name.clone()) {
                checker.fault(&place, "another operator has this name");
            }
            Some(operator)
        })
        .collect();
    let admin = Admin {
        tls,
        hosts,
        operators,
    };
    Section {
        listen,
        audit,
        admin,
    }
}

/// An operator and the place of his name.
fn operator(
    given: Spanned<Strict<raw::Operator>>,
    has_hmac_key: bool,
    checker: &mut Checker,
) -> Option<(Operator, Range<usize>)> {
    let place = given.span();
    let operator = given.into_inner().0;
    let name = checker.needed(operator.name, &place, "name");
    let role = checker.needed(operator.role, &place, "role");
    let digest = checker.needed(operator.digest, &place, "digest");
    if let Some(name) = &name {
        // RFC 7617, section 2: a user name has no colon and no control character.
        let refused = |c: char| c == ':' || c.is_control();
        let length = name.get_ref().chars().count();
        if !(1..=128).contains(&length) || name.get_ref().contains(refused) {
            let message = "expected 1 to 128 characters without colons and control characters";
            checker.fault(&name.span(), message);
        }
    }
    let digest = digest.and_then(|text| {
        let digest = Digest::parse(text.get_ref()).map_err(|error| error.to_string());
        let digest = sound(digest, &text.span(), checker);
        if matches!(digest, Some(Digest::HmacSha256(_))) && !has_hmac_key {
            let message = "an hmac-sha256 digest needs `hmac_key_file` in [secrets]";
            checker.fault(&text.span(), message);
        }
        digest
    });
    let (name, digest) = (name?, digest?);
    let place = name.span();
    let operator = Operator {
        name: name.into_inner(),
        role: role.map_or(Role::Viewer, |word| word.into_inner().0),
        digest,
    };
    Some((operator, place))
}
