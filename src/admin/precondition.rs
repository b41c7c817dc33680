//! `If-Match` (RFC 9110 13.1.1): a change is made only to what was read.

use http::HeaderMap;
use http::header::IF_MATCH;

use super::problem::Problem;

/// What a request says of the state that it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// `*`: any state, as long as there is one.
    Any,
    /// One of these entity tags, quotes included.
    Tags(Vec<String>),
}

/// The precondition of a request, if it has one.
///
/// # Errors
/// [`Problem::BadHeader`] where it is neither `*` nor a list of entity tags.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let bad = || Problem::BadHeader("If-Match must be * or a list of entity tags".into());
    let mut tags = Vec::new();
    let mut any = false;
    let mut given = false;
    for value in headers.get_all(IF_MATCH) {
        given = true;
        let mut rest = value.to_str().map_err(|_| bad())?.trim();
        if rest == "*" {
            any = true;
            continue;
        }
        while !rest.is_empty() {
            let (tag, after) = tag(rest).ok_or_else(bad)?;
            // A weak tag never matches: the comparison is the strong one.
            if tag.starts_with('"') {
                tags.push(tag.to_owned());
            }
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) if !next.trim().is_empty() => next.trim_start(),
                None if after.is_empty() => "",
                _ => return Err(bad()),
            };
        }
    }
    match (given, any) {
        (false, _) => Ok(None),
        (true, true) if tags.is_empty() => Ok(Some(IfMatch::Any)),
        (true, true) => Err(bad()),
        (true, false) => Ok(Some(IfMatch::Tags(tags))),
    }
}

impl IfMatch {
    /// Whether the state with this entity tag is one that the request may change.
    pub(super) fn holds(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

/// The entity tag that a text begins with (RFC 9110 8.8.3), and what follows it.
fn tag(text: &str) -> Option<(&str, &str)> {
    let opaque = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?;
    let end = opaque.find('"')?;
    let visible = |b: u8| b == 0x21 || (0x23..=0x7e).contains(&b);
    if !opaque.get(..end)?.bytes().all(visible) {
        return None;
    }
    let length = text.len() - opaque.len() + end + 1;
    text.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&'static str]) -> Result<Option<IfMatch>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_static(value));
        }
        if_match(&headers)
    }

    #[test]
    fn tags_are_compared_strongly() {
        let tags = |tags: &[&str]| {
            let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
            Ok(Some(IfMatch::Tags(tags)))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some(IfMatch::Any)));
        assert_eq!(read(&["\"a\""]), tags(&["\"a\""]));
        assert_eq!(
            read(&["\"a\" , \"b,c\",W/\"d\"", "\"\""]),
            tags(&["\"a\"", "\"b,c\"", "\"\""])
        );
        let held = read(&["\"a\", W/\"b\""]).expect("sound").expect("given");
        assert!(held.holds("\"a\""));
        assert!(!held.holds("\"b\"") && !held.holds("W/\"b\"") && !held.holds("a"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "a",
            "\"a",
            "\"a\" \"b\"",
            "\"a\",",
            "*, \"a\"",
            "w/\"a\"",
            "\"a b\"",
            "* *",
        ] {
            assert!(matches!(read(&[bad]), Err(Problem::BadHeader(_))), "{bad}");
        }
        assert!(matches!(read(&["*", "\"a\""]), Err(Problem::BadHeader(_))));
    }
}
