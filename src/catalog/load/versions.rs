//! The section `[versions]`: which versions there are and how a request names one.

use std::sync::Arc;

use http::HeaderName;

use super::super::notice::{Notice, fits_link};
use super::super::path::is_unreserved;
use super::super::reader::Table;
use super::super::{ApiVersion, Names, VersionId};
use super::{IDENTIFIER, Loader, Seen, is_identifier};

impl Loader<'_, '_> {
    pub(super) fn versions(&mut self, root: Table<'_>) {
        let known = ["latest", "header", "query", "version"];
        let Some(table) = self.reader.table(root, "versions", "[versions]", &known) else {
            return;
        };
        let known = [
            "id",
            "released",
            "deprecated",
            "sunset",
            "notes",
            "upstream",
        ];
        let mut seen = Seen::default();
        let mut versions = Vec::new();
        for version in self
            .reader
            .tables(table, "version", "[[versions.version]]", &known)
        {
            versions.extend(self.version(version, &mut seen));
        }
        if let Some(latest) = self.reader.needed(table, "latest") {
            let number = |v: &ApiVersion| (*v.id == *latest.value).then_some(v.number);
            self.catalog.latest = versions.iter().find_map(number);
            if self.catalog.latest.is_none() {
                let message = format!("`{}` is not among [[versions.version]]", latest.value);
                self.reader.fault(latest.offset, message);
            }
        }
        if let Some(header) = self.reader.string(table, "header") {
            match HeaderName::from_bytes(header.value.as_bytes()) {
                Ok(name) if is_taken(&name) => {
                    let message = format!("the header field `{name}` means something else");
                    self.reader.fault(header.offset, message);
                }
                Ok(name) => self.catalog.version_header = Some(name),
                Err(_) => self
                    .reader
                    .fault(header.offset, "`header` is the name of a header field"),
            }
        }
        let mut is_older = false;
        for mut version in versions {
            version.header.clone_from(&self.catalog.version_header);
            let notes = version.notes.as_deref();
            version.notice = Notice::new(version.deprecated, version.sunset, notes, is_older);
            is_older |= self.catalog.latest == Some(version.number);
            self.catalog.versions.push(Arc::new(version));
        }
        let mut seen = Seen::default();
        for name in self.reader.strings(table, "query") {
            if name.value.is_empty() || !name.value.bytes().all(is_unreserved) {
                let message = "a query parameter's name is of A-Z a-z 0-9 . _ ~ -";
                self.reader.fault(name.offset, message);
            } else if seen.once(self.reader, "the parameter", name) {
                self.catalog.version_query.push(name.value.to_owned());
            }
        }
    }

    fn version(&mut self, table: Table<'_>, seen: &mut Seen) -> Option<ApiVersion> {
        let released = self.reader.date(table, "released");
        let deprecated = self.reader.date(table, "deprecated");
        let sunset = self.reader.date(table, "sunset");
        if let (Some(deprecated), Some(sunset)) = (deprecated, sunset)
            && sunset.value < deprecated.value
        {
            // RFC 9745 section 4.
            let message = "`sunset` is before `deprecated`";
            self.reader.fault(sunset.offset, message);
        }
        let notes = self.reader.string(table, "notes");
        let notes = notes.and_then(|notes| {
            let uri: Option<http::Uri> = notes.value.parse().ok();
            let scheme = uri.as_ref().and_then(http::Uri::scheme_str);
            if !matches!(scheme, Some("http" | "https")) || !fits_link(notes.value) {
                let message = "`notes` is an http or https URL";
                self.reader.fault(notes.offset, message);
                return None;
            }
            Some(notes.value.to_owned())
        });
        let upstream = self.reader.string(table, "upstream");
        let id = self.reader.needed(table, "id")?;
        if !is_identifier(id.value) {
            self.reader.fault(id.offset, IDENTIFIER);
            return None;
        }
        if !seen.once(self.reader, "the version", id) {
            return None;
        }
        let number = self.catalog.names.versions.number(id.value);
        let Ok(number) = u16::try_from(number) else {
            let message = "there were too many versions since the start; restart the gate";
            self.reader.fault(id.offset, message);
            return None;
        };
        let number = VersionId(number);
        let upstream = upstream.map(|name| {
            let place = self.reader.place(name.offset);
            let name: Arc<str> = name.value.into();
            self.catalog.upstreams.push((Arc::clone(&name), place));
            name
        });
        Some(ApiVersion {
            number,
            id: shared(&self.catalog.names, number, id.value),
            upstream,
            released: released.map(|d| d.value),
            deprecated: deprecated.map(|d| d.value),
            sunset: sunset.map(|d| d.value),
            notes,
            header: None,
            notice: Notice::default(),
        })
    }
}

/// Whether a field already says something to the gate, or of how a message is to be read.
fn is_taken(name: &HeaderName) -> bool {
    let name = name.as_str();
    let families = ["proxy-", "x-auth-", "x-forwarded-", "sec-", "content-"];
    families.iter().any(|family| name.starts_with(family))
        || matches!(
            name,
            "authorization"
                | "connection"
                | "cookie"
                | "date"
                | "expect"
                | "forwarded"
                | "host"
                | "http2-settings"
                | "keep-alive"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
                | "x-real-ip"
                | "x-request-id"
        )
}

fn shared(names: &Names, number: VersionId, id: &str) -> Arc<str> {
    let name = names.versions.name(u32::from(number.0));
    name.map_or_else(|| id.into(), Arc::clone)
}
