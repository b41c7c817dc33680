//! Which version a request names: by the header field and the query parameters that the
//! catalogue lists for that.
//!
//! The upstream reads the same request, and perhaps another spelling of the version first.
//! So every spelling is looked at, and all must agree: nothing is judged as one version and
//! served as another.

use http::HeaderMap;

use crate::catalog::{Catalog, VersionId};

/// Why a request has no version to be judged under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVersion {
    /// The catalogue has no version of this name; nothing at all is no name either.
    #[error("the catalogue does not have the version that the request names")]
    Unknown,
    /// It is named more than once, and differently, or in a way that two readers of the
    /// query would read differently.
    #[error("the request names its version more than once, and differently")]
    Conflict,
}

/// What a request says of its version: one, none, or nothing that can be used.
pub type NamedVersion = Result<Option<VersionId>, BadVersion>;

/// The version that a request names, if it names one.
///
/// Names and values of the query are compared percent-decoded, with `+` for a space; a
/// parameter without `=` is empty.
///
/// # Errors
/// [`BadVersion`]; spellings that disagree are a conflict even where one is unknown.
pub fn named_version(catalog: &Catalog, headers: &HeaderMap, query: Option<&str>) -> NamedVersion {
    let mut named = Agreed::default();
    if let Some(header) = &catalog.version_header {
        for value in headers.get_all(header) {
            named.add(Spelling::Plain(value.as_bytes()))?;
        }
    }
    if let Some(query) = query
        && !catalog.version_query.is_empty()
    {
        in_query(&catalog.version_query, query, &mut named)?;
    }
    named.find(catalog)
}

/// Looks at every parameter of a query. Some servers end a parameter at `;` too, as HTML 4
/// once advised (B.2.2): where only they would find a version, no reading is safe.
fn in_query<'q>(
    names: &[String],
    query: &'q str,
    named: &mut Agreed<'q>,
) -> Result<(), BadVersion> {
    let halves_at_semicolon = query.contains(';');
    for parameter in query.split('&') {
        if halves_at_semicolon {
            let mut inner = parameter.split(';').skip(1);
            if inner.any(|inner| value_of(names, inner).is_some()) {
                return Err(BadVersion::Conflict);
            }
        }
        if let Some(value) = value_of(names, parameter) {
            named.add(Spelling::Encoded(value.as_bytes()))?;
        }
    }
    Ok(())
}

/// The value of a parameter that has one of these names.
fn value_of<'q>(names: &[String], parameter: &'q str) -> Option<&'q str> {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let is = |plain: &String| Decoded(name.as_bytes()).eq(plain.bytes());
    names.iter().any(is).then_some(value)
}

/// A version as a request spells it.
#[derive(Clone, Copy)]
enum Spelling<'r> {
    Plain(&'r [u8]),
    Encoded(&'r [u8]),
}

impl Spelling<'_> {
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let (plain, encoded): (&[u8], &[u8]) = match *self {
            Self::Plain(bytes) => (bytes, b""),
            Self::Encoded(bytes) => (b"", bytes),
        };
        plain.iter().copied().chain(Decoded(encoded))
    }
}

/// The first spelling, with which all later ones agree.
#[derive(Default)]
struct Agreed<'r>(Option<Spelling<'r>>);

impl<'r> Agreed<'r> {
    fn add(&mut self, next: Spelling<'r>) -> Result<(), BadVersion> {
        let first = self.0.get_or_insert(next);
        if first.bytes().eq(next.bytes()) {
            Ok(())
        } else {
            Err(BadVersion::Conflict)
        }
    }

    fn find(self, catalog: &Catalog) -> NamedVersion {
        let Some(spelling) = self.0 else {
            return Ok(None);
        };
        let mut versions = catalog.versions.iter();
        let found = versions.find(|version| spelling.bytes().eq(version.id.bytes()));
        found
            .map(|version| Some(version.number))
            .ok_or(BadVersion::Unknown)
    }
}

/// The bytes that a piece of a query stands for. What is no escape stands for itself: it
/// makes a value that no version has.
struct Decoded<'q>(&'q [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        match (first, rest) {
            (b'+', _) => Some(b' '),
            (b'%', [high, low, after @ ..]) => {
                let byte = digit(*high).zip(digit(*low));
                let byte = byte.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                if byte.is_some() {
                    self.0 = after;
                }
                Some(byte.unwrap_or(first))
            }
            _ => Some(first),
        }
    }
}

#[cfg(test)]
mod tests;
