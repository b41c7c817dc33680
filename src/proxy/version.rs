//! What both sides see of the version that a request is served under.

use http::header::{HeaderMap, HeaderName, HeaderValue, LINK};

use super::context::Decision;
use super::headers::without_mark;
use crate::auth::Permit;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The field by which a client named the version, taken out of its header.
pub(super) struct Named(Option<(HeaderName, HeaderValue)>);

impl Named {
    /// Takes it before anything else is dropped: `Connection` might name it, and the
    /// upstream would then serve another version than the one that was judged. Fields that
    /// some servers take for it are dropped for the same reason.
    pub(super) fn take(headers: &mut HeaderMap, permit: &Permit) -> Self {
        let Some(header) = naming(permit) else {
            return Self(None);
        };
        drop_aliases(headers, header);
        let value = headers.remove(header);
        Self(value.map(|value| (header.clone(), value)))
    }

    /// Puts it back, once: all of its values were the same.
    pub(super) fn put(self, headers: &mut HeaderMap) {
        if let Some((name, value)) = self.0 {
            headers.insert(name, value);
        }
    }
}

/// The field by which requests under this permit name their version, if there is one.
pub(super) fn naming(permit: &Permit) -> Option<&HeaderName> {
    permit.version()?.header.as_ref()
}

/// Takes the field from trailers, which some servers join with the header.
pub(super) fn drop_from_trailers(trailers: &mut HeaderMap, header: &HeaderName) {
    drop_aliases(trailers, header);
    trailers.remove(header);
}

/// Adds what answers under the request's version carry. Each of the dates is told once
/// (RFC 9745 2.1, RFC 8594 3), and the upstream's own comes first: it is of this very
/// resource, the catalogue's of the whole version. Links add up.
pub(super) fn for_client(headers: &mut HeaderMap, decision: &Decision) {
    let Decision::Permit(permit) = decision else {
        return;
    };
    let Some(version) = permit.version() else {
        return;
    };
    let notice = &version.notice;
    for (name, value) in [(DEPRECATION, &notice.deprecation), (SUNSET, &notice.sunset)] {
        if let Some(value) = value {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
    if let Some(link) = &notice.link {
        headers.append(LINK, link.clone());
    }
}

/// Drops the fields whose name is the same to a server that follows CGI.
fn drop_aliases(headers: &mut HeaderMap, header: &HeaderName) {
    let aliases = headers.keys().filter(|name| is_alias(name, header));
    let aliases: Vec<HeaderName> = aliases.cloned().collect();
    for alias in aliases {
        headers.remove(alias);
    }
}

fn is_alias(name: &HeaderName, header: &HeaderName) -> bool {
    let (name, header) = (name.as_str().as_bytes(), header.as_str().as_bytes());
    let same = |(a, b): (&u8, &u8)| without_mark(*a) == without_mark(*b);
    name.len() == header.len() && name != header && name.iter().zip(header).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_names_that_differ_in_marks_alone() {
        let header = HeaderName::from_static("ir-version");
        for (name, alias) in [
            ("ir-version", false),
            ("ir_version", true),
            ("ir.version", true),
            ("irxversion", false),
            ("ir-versio", false),
            ("ir-version-", false),
        ] {
            let name = HeaderName::from_static(name);
            assert_eq!(is_alias(&name, &header), alias, "{name}");
        }
    }
}
