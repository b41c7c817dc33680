//! Rules and path templates as they are written: `GET,POST /v1/items/{id}`.

mod overlap;

use std::fmt;
use std::str::FromStr;

use http::Method;

use super::path::{BadPath, canonical};

/// A rule without its flags: which methods on which paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The methods.
    pub methods: Methods,
    /// The paths.
    pub template: Template,
}

/// The methods that a rule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `*`: whatever the method.
    Any,
    /// These and no other, each once; never empty.
    Listed(Vec<Method>),
}

/// A path template: literals, `{name}` and a last `{*name}`.
///
/// Its literals are in the canonical form of [`canonical`], so that each can be met by a
/// request. A trailing slash is a last literal that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Segment>);

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Itself; empty where the template ends in `/`.
    Literal(Box<str>),
    /// `{sid}`: one segment, which must equal the SID or the account.
    Sid,
    /// `{name}`: exactly one non-empty segment.
    Parameter(Box<str>),
    /// `{*name}`: all that is left, not empty.
    Rest(Box<str>),
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// No space between methods and template.
    #[error("a rule is METHOD[,METHOD] and a template: GET,POST /items/{{id}}")]
    Form,
    /// Not a token of RFC 9110 section 9.1.
    #[error("`{0}` is not a method; several are joined by commas without spaces")]
    Method(String),
    /// `CONNECT` and `TRACE`, to which the gate answers 405 before it looks at a rule.
    #[error("{0} is never forwarded, so no rule can name it")]
    NeverServed(Method),
    /// `GET,GET`.
    #[error("{0} is named twice")]
    MethodTwice(Method),
    /// `GET,*`.
    #[error("`*` is every method and stands alone")]
    AnyNotAlone,
    /// The template is no path.
    #[error("in the template, {0}")]
    Path(#[from] BadPath),
    /// A literal that no request can meet.
    #[error("`{0}` in the template is not in canonical form; write `{1}`")]
    NotCanonical(String, String),
    /// `{id}.json`.
    #[error("a parameter is a whole segment; `{0}` is only partly one")]
    Partial(String),
    /// `{}`, `{a b}`.
    #[error("`{0}` needs a name of letters, digits, `_`, `-` and `.`")]
    Name(String),
    /// Two parameters of one name.
    #[error("the template names {{{0}}} twice")]
    ParameterTwice(String),
    /// `{*rest}/more`.
    #[error("`{0}` must be the last segment")]
    RestNotLast(String),
    /// `{*sid}`.
    #[error("{{sid}} is exactly one segment, so it cannot be {{*sid}}")]
    RestIsSid,
    /// More than [`Template::MAX_SEGMENTS`].
    #[error("the template has more than {} segments", Template::MAX_SEGMENTS)]
    TooLong,
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let (methods, template) = text.split_once(' ').ok_or(BadRule::Form)?;
        Ok(Self {
            methods: methods.parse()?,
            template: template.trim_start_matches(' ').parse()?,
        })
    }
}

impl FromStr for Methods {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let mut methods = Vec::new();
        for name in text.split(',') {
            if name == "*" {
                return Err(BadRule::AnyNotAlone);
            }
            let method = Method::from_bytes(name.as_bytes())
                .map_err(|_| BadRule::Method(name.to_owned()))?;
            if matches!(method, Method::CONNECT | Method::TRACE) {
                return Err(BadRule::NeverServed(method));
            }
            if methods.contains(&method) {
                return Err(BadRule::MethodTwice(method));
            }
            methods.push(method);
        }
        Ok(Self::Listed(methods))
    }
}

impl Template {
    /// The most segments that a template may have: matching descends one call for each.
    pub const MAX_SEGMENTS: usize = 64;

    /// The segments; never empty.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Where `{sid}` stands, counted from 0.
    #[must_use]
    pub fn sid(&self) -> Option<usize> {
        self.0.iter().position(|s| *s == Segment::Sid)
    }
}

impl FromStr for Template {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let path = text.strip_prefix('/').ok_or(BadPath::NotRooted)?;
        let written: Vec<&str> = path.split('/').collect();
        if written.len() > Self::MAX_SEGMENTS {
            return Err(BadRule::TooLong);
        }
        let mut segments: Vec<Segment> = Vec::with_capacity(written.len());
        for (at, text) in written.iter().enumerate() {
            let last = at + 1 == written.len();
            if text.is_empty() && !last {
                return Err(BadPath::EmptySegment.into());
            }
            let segment: Segment = text.parse()?;
            if matches!(segment, Segment::Rest(_)) && !last {
                return Err(BadRule::RestNotLast(segment.to_string()));
            }
            if let Some(name) = segment.name()
                && segments.iter().any(|s| s.name() == Some(name))
            {
                return Err(BadRule::ParameterTwice(name.to_owned()));
            }
            segments.push(segment);
        }
        Ok(Self(segments))
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Sid => Some("sid"),
            Self::Parameter(name) | Self::Rest(name) => Some(name),
        }
    }
}

impl FromStr for Segment {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
            return literal(text);
        };
        // `{a}{b}` has braces at both ends, and is still two parameters in one segment.
        if inner.contains(['{', '}']) {
            return Err(BadRule::Partial(text.to_owned()));
        }
        let (rest, name) = match inner.strip_prefix('*') {
            Some(name) => (true, name),
            None => (false, inner),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(BadRule::Name(text.to_owned()));
        }
        match (rest, name) {
            (true, "sid") => Err(BadRule::RestIsSid),
            (true, _) => Ok(Self::Rest(name.into())),
            (false, "sid") => Ok(Self::Sid),
            (false, _) => Ok(Self::Parameter(name.into())),
        }
    }
}

fn literal(text: &str) -> Result<Segment, BadRule> {
    if text.contains(['{', '}']) {
        return Err(BadRule::Partial(text.to_owned()));
    }
    let path = format!("/{text}");
    let form = canonical(&path)?;
    if *form != *path {
        let form = form.trim_start_matches('/').to_owned();
        return Err(BadRule::NotCanonical(text.to_owned(), form));
    }
    Ok(Segment::Literal(text.into()))
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Sid => f.write_str("{sid}"),
            Self::Parameter(name) => write!(f, "{{{name}}}"),
            Self::Rest(name) => write!(f, "{{*{name}}}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            write!(f, "/{segment}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Listed(methods) = self else {
            return f.write_str("*");
        };
        for (at, method) in methods.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{method}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.methods, self.template)
    }
}

#[cfg(test)]
mod tests;
